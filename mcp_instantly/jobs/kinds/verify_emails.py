"""Addresses are verified, each once: from the call, a file, a list or a campaign."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.errors import CallError, InstantlyError
from mcp_instantly.jobs.counting import count_records
from mcp_instantly.jobs.desk import SOME_ADDRESS, Desk, Planner, Position, Turn
from mcp_instantly.jobs.job import Plan
from mcp_instantly.jobs.reading import columns_of
from mcp_instantly.jobs.sources import count_rows, settle_file
from mcp_instantly.jobs.verifying import assist as assist
from mcp_instantly.jobs.verifying import leads_of, verify
from mcp_instantly.results.strangers import quoting
from mcp_instantly.text import shorten
from mcp_instantly.workflows.parts.mapping import map_columns


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    settled: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    rows: int | None = None
    planner.require("verify_email", "get_email_verification")
    if "addresses" in arguments:
        rows = len(arguments["addresses"])
    elif "file" in arguments:
        settled = settle_file(arguments["file"], planner.folders)
        path = Path(settled["file"])
        rows = await in_thread(count_rows, path)
        settled["column"] = facts["address_column"] = _column(path, arguments.get("column"))
    else:
        rows, counted = await count_leads(planner, arguments)
        facts |= counted
    facts |= await credits_left(planner)
    return Plan(rows, rows, rows, facts, settled, trials=(("verify_email", {"email": SOME_ADDRESS}),))


async def count_leads(planner: Planner, arguments: dict[str, Any]) -> tuple[int | None, dict[str, Any]]:
    """How many leads a list or campaign has, as far as some pages tell; and what to say where it has more."""
    rows, are_all = await count_records(planner, "list_leads", leads_of(arguments))
    return (rows, {}) if are_all else (None, {"rows": f"more than {rows:,}"})


def _column(path: Path, named: str | None) -> str:
    """The column of addresses. Raises CallError where there is none, or several."""
    columns = columns_of(path)
    if named is not None:
        if named not in columns:
            raise CallError(f"Nothing was sent: {path.name} has no column {shorten(named, 60)!r}.")
        return named
    return map_columns(columns, quote=quoting()).fields["email"]


async def credits_left(planner: Planner) -> dict[str, Any]:
    if not planner.may_call("get_workspace_plan"):
        return {}
    with contextlib.suppress(InstantlyError, LookupError, TypeError):
        found = await planner.call("get_workspace_plan")
        return {"credits_left": found["subscriptions"]["credits"]["available_credits"]}
    return {}


async def run(desk: Desk, position: Position) -> Turn:
    collects = any(name in desk.job.arguments for name in ("list_id", "campaign_id"))
    return await verify(desk, position or {"phase": "collect" if collects else "take", "at": 0})
