"""SQL over what was exported, and which tables there are."""

from __future__ import annotations

from typing import Any

import anyio

from mcp_instantly.jobs.query import GRACE_SECONDS, QUERY_SECONDS, ExportTable, ask, describe, tables_of
from mcp_instantly.text import name_some
from mcp_instantly.workflows import Context

LIMIT_ROWS = 100
MAX_ROWS = 1_000


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """The rows of a SELECT, or the tables with their columns. Raises CallError with what is wrong with the SQL."""
    # Each query may take its share of the memory: one at a time.
    async with context.kept.setdefault("turn", anyio.Lock()):
        return await _answer(context, arguments)


async def _answer(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    tables = tables_of(context.files)
    seconds = max(1.0, min(QUERY_SECONDS, context.seconds_left - 2 * GRACE_SECONDS))
    if not tables:
        context.notes.append("There is no table: a file that ends in .csv, .jsonl or .parquet becomes one.")
    if "sql" not in arguments:
        found = await describe(tables, seconds)
        _say_unread(context, found)
        return {"tables": [_told(table, found["columns"]) for table in tables if table.name in found["columns"]]}
    limit = arguments.get("limit", LIMIT_ROWS)
    found = await ask(tables, arguments["sql"], limit=limit, seconds=seconds)
    _say_unread(context, found)
    if found["more"]:
        larger = f", or give a larger limit, at most {MAX_ROWS:,}" if limit < MAX_ROWS else ""
        context.notes.append(f"There are more than these {len(found['rows'])} rows: aggregate{larger}.")
    if found["cut"]:
        context.notes.append("Longer texts are cut, and end in an ellipsis.")
    return {"columns": found["columns"], "rows": found["rows"]}


def _told(table: ExportTable, columns: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {"table": table.name, "file": table.path.name, "bytes": table.size, "columns": columns[table.name]}


def _say_unread(context: Context, found: dict[str, Any]) -> None:
    if found["unreadable"]:
        context.notes.append(f"Not a table, since its file cannot be read: {name_some(found['unreadable'])}.")
    for name, left in found["left_out"].items():
        rows = f"{left['lines']:,} rows of {name} (the first: line {left['first']}) cannot be read and are left out"
        if left["lines"] == 1:
            rows = f"1 row of {name} (line {left['first']}) cannot be read and is left out"
        behind = ", with rows behind a quote that is not closed" if left["quote"] else ""
        context.notes.append(f"{rows}{behind}: fix the file.")
