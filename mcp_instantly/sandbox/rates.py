"""Rate limits of single operations, counted in a window that slides with the sandbox's clock."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.answers import Refusal
from mcp_instantly.sandbox.world import World


def count_call(world: World, operation: str, limit: int, seconds: float = 60.0) -> None:
    """Count a call of an operation. Raises a 429 where there were `limit` in the last `seconds` already."""
    since = world.now() - dt.timedelta(seconds=seconds)
    recent = [at for at in world.calls.get(operation, ()) if at > since]
    world.calls[operation] = recent
    if len(recent) >= limit:
        raise Refusal(429, "Rate limit exceeded, please try again later")
    recent.append(world.now())
