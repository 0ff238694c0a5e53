"""The jobs of this key."""

from __future__ import annotations

from typing import Any

from mcp_instantly.workflows import Context

SHOWN = 20
"""Jobs that are shown unless the call says otherwise."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """The newest of those in a state."""
    state = arguments.get("state")
    found = [job for job in context.jobs.all() if state in (None, job.state)]
    shown = found[: arguments.get("limit", SHOWN)]
    if len(shown) < len(found):
        context.notes.append(f"There are {len(found) - len(shown)} older ones: give a state, or a larger limit.")
    return {"jobs": [context.jobs.told(job) for job in shown]}
