"""Tables in files, read as a stream: CSV, JSONL and Parquet. Rows that are bad are reported, and end nothing.

Numbers of rows are those of the records in the file, so that a job that goes on where it stopped finds the same ones.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.delimited import MAX_COLUMNS, dialect_of, named_columns, records_of
from mcp_instantly.jobs.json_values import NotText, object_of, text_of, unkept
from mcp_instantly.jobs.text_files import DAMAGED, Encoding, encoding_of, lines_of
from mcp_instantly.text import shorten

BATCH_ROWS = 1_000
PARQUET_BATCH_ROWS = 500
PARQUET_MAGIC = b"PAR1"
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
"""The kinds of files, by the ends of their names."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A record: its number from 1, its values as text by column ("" for none), and what is wrong with it.

    `line` is where it begins, where the file has lines; a problem begins with it.
    """

    number: int
    values: dict[str, str]
    problem: str | None = None
    line: int | None = None


@dataclasses.dataclass(frozen=True)
class Table:
    """What is to be known of a file: its kind (csv, jsonl, parquet), its columns, and sentences on what was guessed."""

    kind: str
    columns: tuple[str, ...]
    notes: tuple[str, ...] = ()


def look_at(path: Path) -> Table:
    """Kind and columns of a file, and what was guessed; JSONL is read through for it. Raises CallError."""
    try:
        kind = _kind_of(path)
        if kind == "parquet":
            columns, notes = named_columns(_parquet(path).schema_arrow.names)
            return Table(kind, columns, tuple(notes))
        if kind == "jsonl":
            return _look_at_jsonl(path)
        dialect = dialect_of(path)
        return Table(kind, dialect.columns, dialect.notes)
    except OSError as error:
        raise _unreadable(path, error) from None


def columns_of(path: Path) -> list[str]:
    """The names of the columns of a file, each once. Raises CallError."""
    return list(look_at(path).columns)


def read_rows(path: Path, *, skip: int = 0, batch: int = BATCH_ROWS) -> Iterator[list[Row]]:
    """The rows behind the first `skip`, in batches. A file of any size takes the same memory.

    What is skipped is read all the same, but for whole groups of rows of Parquet: keep the iterator. Raises CallError
    for a file that cannot be read, or not to its end.
    """
    try:
        rows = _rows(path, skip)
        while some := list(itertools.islice(rows, batch)):
            yield some
    except OSError as error:
        raise _unreadable(path, error) from None


def _rows(path: Path, skip: int) -> Iterator[Row]:
    kind = _kind_of(path)
    if kind == "parquet":
        return _parquet_rows(path, look_at(path).columns, skip)
    rows = _jsonl_rows(path, _jsonl_encoding(path).name) if kind == "jsonl" else _csv_rows(path)
    return itertools.islice(rows, skip, None)


def _kind_of(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(4)
    if begin == PARQUET_MAGIC:
        return "parquet"
    kind = SUFFIXES.get(path.suffix.lower())
    if kind == "parquet":
        raise CallError(f"{path.name} is not a Parquet file, whatever its name says.")
    if kind is None:
        kind = "jsonl" if begin.lstrip()[:1] in (b"{", b"[") else "csv"
    return kind


def _unreadable(path: Path, error: Exception) -> CallError:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return CallError(f"{path.name} cannot be read: {shorten(said, 200)}.")


# CSV


def _csv_rows(path: Path) -> Iterator[Row]:
    dialect = dialect_of(path)
    for number, record in enumerate(records_of(path, dialect), 1):
        values = dict(zip(dialect.columns, record.cells, strict=False))
        problem = f"line {record.line} {record.problem}" if record.problem else None
        yield Row(number, _whole(values) if problem else values, problem, record.line)


def _whole(values: dict[str, str]) -> dict[str, str]:
    """Values that can be written down, whatever bytes they were."""
    return {name: DAMAGED.sub("\ufffd", value) for name, value in values.items()}


# JSONL


def _look_at_jsonl(path: Path) -> Table:
    encoding = _jsonl_encoding(path)
    columns: dict[str, None] = {}
    for row in _jsonl_rows(path, encoding.name):
        if row.problem is None:
            columns.update(dict.fromkeys(row.values))
        if len(columns) > MAX_COLUMNS:
            raise CallError(f"{path.name} has more than {MAX_COLUMNS:,} columns, which is the most that are read.")
    return Table("jsonl", tuple(columns), (encoding.note,) if encoding.note else ())


def _jsonl_encoding(path: Path) -> Encoding:
    """The encoding of a file that has one good line at least. Raises CallError for another."""
    encoding = encoding_of(path)
    if all(row.problem for row in _jsonl_rows(path, encoding.name)):
        raise CallError(f"{path.name} has no line with a JSON object; JSONL has one object in each line, no array.")
    return encoding


def _jsonl_rows(path: Path, encoding: str) -> Iterator[Row]:
    number = 0
    for line in lines_of(path, encoding):
        if not line.text.strip() and not line.problem:
            continue
        number += 1
        values, problem = ({}, line.problem) if line.problem else object_of(line.text)
        yield Row(number, values, f"line {line.number} {problem}" if problem else None, line.number)


# Parquet


def arrow() -> Any:
    """PyArrow, which only Parquet needs, with its part for that. Raises CallError where it is missing."""
    try:
        importlib.import_module("pyarrow.parquet")
        return importlib.import_module("pyarrow")
    except ImportError:
        raise CallError("Parquet needs PyArrow: pip install 'mcp-instantly[jobs]'.") from None


def _parquet(path: Path) -> Any:
    """Raises CallError for a damaged file."""
    pyarrow = arrow()
    try:
        # Pages are read as they are needed, not a whole group of rows before its first.
        return pyarrow.parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
    except pyarrow.ArrowException as error:
        raise CallError(f"{path.name} is damaged, or not whole: {shorten(str(error), 200)}.") from None


def _parquet_rows(path: Path, columns: tuple[str, ...], skip: int) -> Iterator[Row]:
    file = _parquet(path)
    number, groups = 0, file.metadata.num_row_groups
    group = 0
    while group < groups and number + file.metadata.row_group(group).num_rows <= skip:
        number += file.metadata.row_group(group).num_rows
        group += 1
    if group == groups:
        return
    try:
        for batch in file.iter_batches(PARQUET_BATCH_ROWS, row_groups=range(group, groups), use_threads=False):
            if number + batch.num_rows <= skip:
                number += batch.num_rows
                continue
            for cells in _tuples(batch):
                number += 1
                if number > skip:
                    yield _parquet_row(number, columns, cells)
    except arrow().ArrowException as error:
        said = shorten(str(error), 200)
        raise CallError(f"{path.name} is damaged behind row {number}, and cannot be read further: {said}.") from None


def _tuples(batch: Any) -> Iterable[tuple[Any, ...]]:
    return zip(*map(_cells, batch.columns), strict=True)


def _cells(column: Any) -> list[Any]:
    try:
        found: list[Any] = column.to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError):
        found = [_cell(scalar) for scalar in column]
    return found


def _cell(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (UnicodeDecodeError, ValueError, OverflowError):
        return NotText


def _parquet_row(number: int, columns: tuple[str, ...], cells: tuple[Any, ...]) -> Row:
    try:
        values = {name: text_of(cell) for name, cell in zip(columns, cells, strict=True)}
    except ValueError as error:
        return Row(number, {}, f"row {number} has a value that is not text ({shorten(str(error), 100)})")
    problem = unkept(values)
    if problem:
        return Row(number, {}, f"row {number} {problem}")
    empty = not any(value.strip() for value in values.values())
    return Row(number, values, f"row {number} is empty" if empty else None)
