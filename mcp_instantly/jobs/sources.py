"""Where rows come from: the call itself or a file; what is read again after a restart has the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.desk import Desk
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.json_values import text_of, unkept
from mcp_instantly.jobs.reading import Row, read_rows
from mcp_instantly.text import name_some


def settle_file(name: str, folders: Folders) -> dict[str, Any]:
    """The file of a job, and by what it is known again. Raises CallError for one that may not be read."""
    path = folders.readable(name)
    return {"file": str(path), **_fingerprint(path)}


def _fingerprint(path: Path) -> dict[str, Any]:
    try:
        found = path.stat()
    except OSError as error:
        raise CallError(f"The file {path} cannot be read: {error.strerror}.") from None
    return {"size": found.st_size, "changed": found.st_mtime_ns}


def count_rows(path: Path) -> int:
    return sum(len(batch) for batch in read_rows(path))


def rows_behind(desk: Desk, number: int, most: int) -> list[Row]:
    """At most so many rows with numbers above `number`. Raises CallError for a file that is not what it was."""
    given = desk.job.arguments.get("rows") or [{"email": one} for one in desk.job.arguments.get("addresses", ())]
    if given:
        columns = desk.job.settled.get("columns", {})
        return [_given_row(place, row, columns) for place, row in enumerate(given[number : number + most], number + 1)]
    settled = desk.job.settled
    path = Path(settled["file"])
    if any(settled[name] != value for name, value in _fingerprint(path).items()):
        raise CallError(f"The file {path} is not what it was when the job began; put it back, or start another job.")
    place, batches = desk.kept.pop("reader", (None, iter(())))
    if place != (number, most):
        batches = read_rows(path, skip=number, batch=most)
    rows: list[Row] = next(batches, [])
    if rows:
        desk.kept["reader"] = ((rows[-1].number, most), batches)
        desk.kept["rows"] = ((number, most), rows)
    return rows


def same_rows(desk: Desk, number: int, most: int) -> list[Row]:
    """As `rows_behind`, for a place that may be asked for again while its rows are not finished."""
    place, rows = desk.kept.get("rows", (None, []))
    return rows if place == (number, most) else rows_behind(desk, number, most)


def values_of(desk: Desk, row: Row) -> dict[str, Any]:
    """The values of a row; where they are in the call, its numbers and booleans are what they were there."""
    given: list[dict[str, Any]] | None = desk.job.arguments.get("rows")
    return dict(row.values) if given is None else given[row.number - 1]


def _given_row(number: int, given: dict[str, Any], columns: dict[str, str]) -> Row:
    """A row in the call. What is nested is a problem, but in a column that is left out."""
    nested = [name for name, value in given.items() if isinstance(value, (dict, list)) and columns.get(name, name)]
    values = {name: text_of(value) for name, value in given.items()}
    return Row(number, values, f"value not flat ({name_some(nested)})" if nested else unkept(values) or None)
