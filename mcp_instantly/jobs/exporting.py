"""Lists taken home into a file, page by page: whatever ends the process, no record is lost or doubled.

The rows that a file is known to have and the cursor behind them are one position: what a turn wrote behind that before
it was ended is cut off, and read again.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.arguments.narrowing import leave_out_blanks, notes_on_scope
from mcp_instantly.budgets.documented import OPERATIONS, WORKSPACE
from mcp_instantly.errors import CallError, InvalidArguments
from mcp_instantly.jobs.counting import count_records, page_of
from mcp_instantly.jobs.delimited import named_columns
from mcp_instantly.jobs.desk import Desk, Planner, Position, Turn
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.job import Job, Plan
from mcp_instantly.jobs.writing import KINDS, Writer, open_writer
from mcp_instantly.results.projection import unknown_fields
from mcp_instantly.text import file_fault
from mcp_instantly.tools.catalog import known_fields, load_catalog

Result = TypeVar("Result")

Columns = dict[str, str]
"""By the name of each column, where its value stands in a record: `body.text` is `text` of `body`."""


@dataclasses.dataclass(frozen=True)
class Listing:
    """A list that can be exported: its operation and its columns."""

    operation: str
    fields: tuple[str, ...]

    @property
    def calls_per_second(self) -> float:
        """How many calls of it the API allows in the long run."""
        budgets = (WORKSPACE, OPERATIONS.get(self.operation, WORKSPACE))
        return min(limit.calls / limit.seconds for budget in budgets for limit in budget.limits)


async def plan(planner: Planner, arguments: dict[str, Any], listing: Listing) -> Plan:
    """What an export takes. Raises CallError for a file that may not be written, and for filters and fields that are
    not valid.
    """
    columns = columns_of(_fields(arguments, listing) or listing.fields)
    settled = settle_target(arguments["file"], planner.folders) | {"columns": columns}
    facts = {"file": settled["file"], **_note(arguments, listing)}
    rows, are_all = await count_records(planner, listing.operation, _filters(arguments))
    if are_all:
        calls = max(1, math.ceil(rows / LARGEST_PAGE))
        return Plan(rows, calls, 0, facts, settled, listing.calls_per_second)
    facts |= {"rows": f"more than {rows:,}", "calls": f"one for each {LARGEST_PAGE} rows"}
    return Plan(None, None, 0, facts, settled, listing.calls_per_second)


async def run(desk: Desk, position: Position, listing: Listing) -> Turn:
    """A page of the list becomes rows of the file; behind the last one, the file gets its name."""
    if position.get("ended"):
        return await finish(desk, position)
    cursor = position.get("cursor")
    after = {"starting_after": cursor} if cursor else {}
    page = await page_of(desk.call, listing.operation, {**_filters(desk.job.arguments), **after})
    rows = await append(desk, position, records_of(page))
    found = cursor_behind(page, {cursor} if cursor else set())
    ends: Position = {"ended": True} if found is None else {"cursor": found}
    return Turn({"rows": rows, **ends}, max(1, len(records_of(page))))


def is_outdated(job: Job) -> bool:
    """Whether the file of an export that is done is not there any more."""
    return not Path(job.settled["target"]).exists()


def _filters(arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises CallError for what pages are made of."""
    found: dict[str, Any] = arguments.get("filters", {})
    for name in ("limit", "starting_after", "max_items", "fields", "format"):
        if name in found:
            raise CallError(f"Leave {name} out of filters: an export takes every page and is a file.")
    return found


def _fields(arguments: dict[str, Any], listing: Listing) -> list[str]:
    """The fields that are asked for. Raises InvalidArguments for one that no record has."""
    asked: list[str] = arguments.get("fields", [])
    problems = unknown_fields(asked, known_fields(listing.operation))
    if problems:
        raise InvalidArguments("start_job", [*problems.values()])
    return asked


def _note(arguments: dict[str, Any], listing: Listing) -> dict[str, str]:
    """What the list itself would say of filters: which are blank, and how far it reaches without any."""
    operation, given = load_catalog().operations[listing.operation], _filters(arguments)
    notes = list(notes_on_scope(operation, given, leave_out_blanks(operation, given)))
    return {"note": " ".join(notes)} if notes else {}


# the file


def settle_target(name: str, folders: Folders) -> dict[str, str]:
    """The file that is written. Raises CallError for one that may not be."""
    path = folders.writable(name, resumed=True)
    if path.suffix.lower() not in KINDS:
        raise CallError(f"{path.name} says no kind of table: give a name that ends in {', '.join(KINDS)}.")
    return {"target": str(path), "file": str(path)}


def columns_of(fields: Iterable[str]) -> Columns:
    """A column for each field, named like it, with _ for dots."""
    paths = list(dict.fromkeys(fields))
    names, _ = named_columns(path.replace(".", "_") for path in paths)
    return dict(zip(names, paths, strict=True))


def row_of(record: Any, columns: Mapping[str, str]) -> dict[str, Any]:
    return {name: _at(record, path) for name, path in columns.items()}


def _at(record: Any, path: str) -> Any:
    """What stands at a path; a name may hold dots itself, as those of variables do."""
    if not isinstance(record, dict):
        return None
    if path in record:
        return record[path]
    name, dot, rest = path.partition(".")
    return _at(record.get(name), rest) if dot else None


async def append(desk: Desk, position: Position, records: Iterable[Any]) -> int:
    """Write records behind the rows that are known to be kept; how many are kept now."""
    columns: Columns = desk.job.settled["columns"]
    rows = [row_of(record, columns) for record in records]

    def write(writer: Writer) -> int:
        writer.write(rows)
        return writer.flush()

    return await _with_writer(desk, position, write)


async def finish(desk: Desk, position: Position) -> Turn:
    """Give the file its name. Doing it once more changes nothing."""
    await _with_writer(desk, position, Writer.close)
    return Turn(None, 1)


async def _with_writer(desk: Desk, position: Position, work: Callable[[Writer], Result]) -> Result:
    """Work with the file, in a thread. Raises CallError where the disk does not take it."""

    def run() -> Result:
        try:
            return work(_writer(desk, position))
        except OSError as error:
            # What it holds of this turn was never kept.
            held: Writer | None = desk.kept.pop("writer", None)
            if held is not None:
                held.__exit__(None, None, None)
            name = Path(desk.job.settled["target"]).name
            raise CallError(
                f"{name} cannot be written: {file_fault(error)}. Fix that, and start the job again: it goes on "
                "where it was, and the rows that were written stay."
            ) from None

    return await in_thread(run)


def _writer(desk: Desk, position: Position) -> Writer:
    """The writer of the turn before, where this process took it; else one that goes on behind the rows kept."""
    rows = position.get("rows", 0)
    held: Writer | None = desk.kept.pop("writer", None)
    if held is None or held.rows != rows:
        if held is not None:
            held.__exit__(None, None, None)
        settled = desk.job.settled
        path = desk.folders.writable(settled["target"], resumed=True)
        # Jobs from before each had a part of its own do not name it.
        part = path.with_name(settled["part"]) if "part" in settled else None
        held = open_writer(path, list(settled["columns"]), resume_at=rows, part=part)
    desk.kept["writer"] = held
    return held
