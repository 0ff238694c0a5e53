"""What became of the rows of a job."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.workflows import Context

SHOWN = 100
"""Rows that are shown unless the call says otherwise."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """A page of rows. Raises CallError where there is no such job, or state."""
    limit = arguments.get("limit", SHOWN)
    found = await in_thread(
        context.jobs.rows, arguments["job_id"], arguments.get("state"), arguments.get("after", 0), limit + 1
    )
    shown = [{_name(name): value for name, value in row.items() if value is not None} for row in found[:limit]]
    more = {"next_after": shown[-1]["number"]} if len(found) > limit else {}
    return {"rows": shown, **more}


def _name(column: str) -> str:
    return "address" if column == "subject" else column
