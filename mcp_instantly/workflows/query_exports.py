"""SQL over what was exported, and which tables there are."""

from __future__ import annotations

from typing import Any

import anyio

from mcp_instantly.jobs.folders import MAX_LISTED_FILES
from mcp_instantly.jobs.query import GRACE_SECONDS, MAX_TABLES, QUERY_SECONDS, ExportTable, ask, describe, tables_of
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
        _say_unlisted(context, tables)
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
    return {"table": table.name, "file": table.shown, "bytes": table.size, "columns": columns[table.name]}


def _say_unlisted(context: Context, tables: list[ExportTable]) -> None:
    beyond = [table.name for table in tables[MAX_TABLES:]]
    if beyond:
        context.notes.append(f"Tables too, though not listed since there are so many: {name_some(beyond)}.")
    if context.files.has_more():
        context.notes.append(
            f"The folders hold more than {MAX_LISTED_FILES:,} files, of which only the first are looked at."
        )


def _say_unread(context: Context, found: dict[str, Any]) -> None:
    """Say what a query could not see of the files."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in found["unreadable"].items():
        by_reason.setdefault(reason, []).append(name)
    for reason, names in by_reason.items():
        context.notes.append(f"Not a table: {name_some(names)}. {reason}")
    for name, left in found["left_out"].items():
        context.notes.append(_left_out(name, left))
    rows, partly = found["looked_at"]["rows"], found["looked_at"]["tables"]
    if partly:
        context.notes.append(
            f"Only the first {rows:,} rows of {name_some(partly)} were looked at for columns and types: behind them, "
            "other fields of JSONL are left out, and other values of it null."
        )
    if found["as_text"]:
        context.notes.append(
            f"All columns of {name_some(found['as_text'])} are text, since so large a file is not read through for "
            "types: cast numbers and dates, as in TRY_CAST(n AS BIGINT), which makes other values null."
        )


def _left_out(name: str, left: dict[str, Any]) -> str:
    rows = f"{left['lines']:,} rows of {name} (the first: line {left['first']}) cannot be read and are left out"
    if left["lines"] == 1:
        rows = f"1 row of {name} (line {left['first']}) cannot be read and is left out"
    behind = ", with rows behind a quote that is not closed" if left["quote"] else ""
    return f"{rows}{behind}: fix the file."
