"""Tables written as they come, so that whatever ends the process loses no row that was reported as kept, or doubles it.

Rows go to a part beside the file, and only a whole file gets its name, which no other file has had. Each job has a part
of its own, `NAME.JOB.part`, so that no two write into one; what has no job writes `NAME.part`. Parquet cannot be
appended to: its rows wait in the part as JSONL, and become Parquet at the end.

A cell of CSV that a spreadsheet would run as a formula gets an apostrophe in front: text that begins with = + - @, a
tab or the end of a line, but for plain numbers such as +49 30 123. Reading takes it off again.
"""

from __future__ import annotations

import contextlib
import csv
import filecmp
import io
import itertools
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from mcp_instantly.descriptors import sync_folder
from mcp_instantly.errors import CallError
from mcp_instantly.jobs.delimited import FORMULA
from mcp_instantly.jobs.parquet_files import make_parquet, plain
from mcp_instantly.jobs.reading import arrow

KINDS = (".csv", ".jsonl", ".parquet")
PART = ".part"
MADE = ".tmp"
_NUMBER = re.compile(r"[+-][\d\s().,/-]*")


def open_writer(
    path: Path, columns: Sequence[str], *, resume_at: int | None = None, part: Path | None = None
) -> Writer:
    """A writer of a table. `resume_at` is the number of rows that are known to be kept, None to begin a new file;
    `part` is where the rows stand until it is whole.

    It is what `flush` returned last; it must be written down before `close`. What stands behind those rows is cut off.
    Raises CallError where a new file would overwrite another, and where fewer rows are there than should be.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise CallError(f"{path.name} says no kind of table: give a name that ends in .csv, .jsonl or .parquet.")
    if len(set(columns)) < len(columns) or not columns:
        raise CallError(f"The columns of {path.name} need a name each, which no other has.")
    part = part or part_of(path)
    if resume_at is None:
        for file in (path, part):
            if file.exists():
                raise CallError(f"{file.name} exists already, and no file is overwritten: choose another name.")
        return Writer(path, part, _create(part, kind, columns), columns, 0)
    if path.exists():
        return _finished(path, part, columns, resume_at)
    if not part.exists():
        if resume_at:
            raise CallError(f"{part.name} with {resume_at:,} rows is gone: start the job anew, under another name.")
        return Writer(path, part, _create(part, kind, columns), columns, 0)
    return Writer(path, part, _reopen(part, kind, columns, resume_at), columns, resume_at)


def part_of(path: Path, job_id: str | None = None) -> Path:
    """Where the rows of a file stand until it is whole."""
    return path.with_name(f"{path.name}.{job_id}{PART}" if job_id else path.name + PART)


def parts_of(path: Path) -> list[Path]:
    """The parts of a file that are there, of whatever job."""
    known = re.compile(rf"{re.escape(path.name)}(\.job-\w+)?{re.escape(PART)}")
    try:
        return sorted(file for file in path.parent.iterdir() if known.fullmatch(file.name))
    except OSError:
        return []


def _made_of(part: Path) -> Path:
    """Where the Parquet of a part is made, before it gets its name."""
    return part.with_suffix(MADE)


class Writer:
    """Takes rows; `flush` makes them last, `close` gives the whole file its name.

    Leaving the context without `close` leaves the part, from which it can be resumed.
    """

    def __init__(self, path: Path, part: Path, file: BinaryIO | None, columns: Sequence[str], rows: int):
        self.path = path
        self.rows = rows
        self._part = part
        self._file = file
        self._columns = tuple(columns)
        self._csv = path.suffix.lower() == ".csv"

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            _let_go(file)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows. A column that one has not is empty; ValueError, a bug, for one that the file has not."""
        if self._file is None:
            raise CallError(f"{self.path.name} is finished: no row can be added to it.")
        known = set(self._columns)
        for row in rows:
            if not known >= row.keys():
                raise ValueError(f"{self.path.name} has no column {sorted(row.keys() - known)}")
            self._file.write(_csv_line([row.get(name) for name in self._columns]) if self._csv else _json_line(row))
            self.rows += 1

    def flush(self) -> int:
        """Make all rows written so far durable, even against power loss; returns how many those are."""
        if self._file is not None:
            self._file.flush()
            os.fsync(self._file.fileno())
        return self.rows

    def close(self) -> None:
        """Finish the file. Doing it once more, after it was ended in the middle too, changes nothing."""
        if self._file is None:
            return
        self.flush()
        self._file.close()
        self._file = None
        if self.path.suffix.lower() == ".parquet":
            made = _made_of(self._part)
            try:
                make_parquet(self._part, made, self._columns)
                _publish(made, self.path, self._part)
            except BaseException:
                made.unlink(missing_ok=True)
                raise
            self._part.unlink()
        else:
            _publish(self._part, self.path, self._part)
        sync_folder(self.path.parent)


# beginning and resuming


def _create(part: Path, kind: str, columns: Sequence[str]) -> BinaryIO:
    # For its owner alone: it holds people's addresses.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    file = os.fdopen(descriptor, "wb")
    try:
        if kind == ".csv":
            file.write(_csv_line(columns))
        file.flush()
        os.fsync(file.fileno())
    except BaseException:
        _let_go(file)
        part.unlink()
        raise
    sync_folder(part.parent)
    return file


def _let_go(file: BinaryIO) -> None:
    """Close a file, whatever becomes of rows that nobody was told are kept: a disk that is full refuses them again."""
    with contextlib.suppress(OSError):
        file.close()


def _reopen(part: Path, kind: str, columns: Sequence[str], rows: int) -> BinaryIO:
    file = part.open("r+b")
    try:
        header = _csv_line(columns) if kind == ".csv" else b""
        found = file.read(len(header))
        if found != header and not (rows == 0 and header.startswith(found)):
            raise CallError(f"{part.name} has other columns than this job writes: it belongs to another one.")
        file.seek(0)
        if found != header:
            # It was ended while its header was written.
            file.write(header)
        ends = _row_ends(file, len(header), quoted=kind == ".csv")
        end = next(itertools.islice(ends, rows - 1, None), None) if rows else len(header)
        if end is None:
            raise CallError(
                f"{part.name} has fewer than the {rows:,} rows that were written: somebody changed it. Start the job "
                "anew, under another name."
            )
        file.seek(end)
        file.truncate()
    except BaseException:
        _let_go(file)
        raise
    return file


def _row_ends(file: BinaryIO, begin: int, *, quoted: bool) -> Iterator[int]:
    """The offsets behind each row that is whole. In CSV, a line within quotes ends no row."""
    file.seek(begin)
    end, open_quote = begin, False
    for line in file:
        end += len(line)
        open_quote ^= quoted and line.count(b'"') % 2 == 1
        if not open_quote and line.endswith(b"\n"):
            yield end


def _finished(path: Path, part: Path, columns: Sequence[str], rows: int) -> Writer:
    """A writer of a file that was finished, and may have been ended before its part was taken away."""
    if part.exists() and not _is_of(path, part, columns):
        raise CallError(f"{path.name} was made by something else while the job was stopped: move it away, and resume.")
    there = _count(path)
    if there != rows:
        raise CallError(f"{path.name} exists already and has {there:,} rows, not the {rows:,} of this job.")
    for left in (part, _made_of(part)):
        left.unlink(missing_ok=True)
    return Writer(path, part, None, columns, rows)


def _is_of(path: Path, part: Path, columns: Sequence[str]) -> bool:
    """Whether a file was made of a part that is there still."""
    if path.suffix.lower() != ".parquet":
        return path.samefile(part)
    made = _made_of(part)
    make_parquet(part, made, columns)
    return filecmp.cmp(made, path, shallow=False)


def _count(path: Path) -> int:
    if path.suffix.lower() == ".parquet":
        with contextlib.closing(arrow().parquet.ParquetFile(path)) as file:
            return int(file.metadata.num_rows)
    quoted = path.suffix.lower() == ".csv"
    with path.open("rb") as file:
        return sum(1 for _ in _row_ends(file, 0, quoted=quoted)) - quoted


# ending


def _publish(made: Path, path: Path, part: Path) -> None:
    """Give a file its name. A link, unlike a renaming, never replaces another file."""
    try:
        os.link(made, path)
    except OSError:
        # Where there are no links, nothing else is as safe.
        if path.exists():
            raise CallError(
                f"{path.name} was made by something else meanwhile; the rows are kept in {part.name}."
            ) from None
        made.rename(path)
    else:
        made.unlink()


# rows


def _json_line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(dict(row), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode(errors="replace") + b"\n"


def _csv_line(cells: Sequence[Any]) -> bytes:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow([escaped(plain(cell)) for cell in cells])
    return line.getvalue().encode(errors="replace")


def escaped(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
