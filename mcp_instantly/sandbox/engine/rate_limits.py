"""The API's budgets, counted in windows that slide with the sandbox's clock, for worlds that keep to them.

The whole API: 100 calls a second and 6,000 a minute for each workspace, whatever its keys. Starting OAuth also has a
budget for each address that calls, and an address that overdraws it is shut out for longer each time. The budgets of
other operations are counted by their handlers, with `count_call`.
"""

from __future__ import annotations

import bisect
import datetime as dt

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.state.world import World

PER_SECOND, PER_MINUTE = 100, 6000
OAUTH_STARTS = 150
"""A minute, from one address."""

BLOCKS = (1800, 7200, 86400)
"""Seconds for which an address is shut out the first time, the second, and from then on."""

TOO_MANY = "Rate limit exceeded, please try again later"


def count_call(world: World, operation: str, limit: int, seconds: float = 60.0) -> None:
    """Count a call of an operation. Raises a 429 where there were `limit` in the last `seconds` already."""
    if world.budgets and not _count(world, operation, limit, seconds):
        raise ApiRefusal(429, TOO_MANY)


def _count(world: World, name: str, limit: int, seconds: float) -> bool:
    """Whether one more fits into the window; then it is counted."""
    now = world.now()
    calls = world.calls.setdefault(name, [])
    del calls[: bisect.bisect_right(calls, now - dt.timedelta(seconds=seconds))]
    if len(calls) >= limit:
        return False
    calls.append(now)
    return True


def count_request(world: World) -> None:
    """Count a request of a workspace, whatever it asks for. Raises a 429."""
    count_call(world, "every second", PER_SECOND, 1.0)
    count_call(world, "every minute", PER_MINUTE)


def count_oauth_start(world: World, address: str) -> None:
    """Count the start of an OAuth session by a network address. Raises a 429 that says when to come back."""
    if not world.budgets:
        return
    name = f"oauth from {address}"
    blocked = world.calls.setdefault(f"{name} blocked until", [])
    if not (blocked and blocked[-1] > world.now()):
        if _count(world, name, OAUTH_STARTS, 60.0):
            return
        length = BLOCKS[min(len(blocked), len(BLOCKS) - 1)]
        blocked.append(world.now() + dt.timedelta(seconds=length))
    wait = (blocked[-1] - world.now()).total_seconds()
    raise ApiRefusal(429, TOO_MANY, headers={"retry-after": str(max(1, round(wait)))})
