"""The jobs of this key."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.workflows import Context

SHOWN = 20
"""Jobs that are shown unless the call says otherwise."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """The newest of those in a state."""
    state = arguments.get("state")
    found = [job for job in await in_thread(context.jobs.all) if state in (None, job.state)]
    shown = found[: arguments.get("limit", SHOWN)]
    if len(shown) < len(found):
        context.notes.append(f"There are {len(found) - len(shown)} older ones: give a state, or a larger limit.")
    return {"jobs": await in_thread(lambda: [context.jobs.told(job) for job in shown])}
