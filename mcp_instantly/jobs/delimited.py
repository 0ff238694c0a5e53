"""CSV as programs really write it: which delimiter it has, its header, and its records, of which none ends the rest.

It is read with the standard library. PyArrow and Polars stop at a row with another number of cells, or skip it: of
a quote that is not closed, a byte of another encoding or a NUL they cannot tell which line it is in, and they guess
types from the first rows, so that 00491 becomes 491.
"""

from __future__ import annotations

import csv
import dataclasses
import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.text_files import Line, encoding_of, lines_of

DELIMITERS = ",;\t|"
SAMPLED_LINES = 50
MAX_COLUMNS = 2_000
MAX_RECORD_CHARACTERS = 8_000_000
"""Of a record with all its lines: behind more, a quote was not closed."""

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)
"""The first line that Excel writes, and reads, to say what the delimiter is."""

ROWS_THAT_FIT = 0.75
"""The share of the lines of a record that look like rows where a quote is stray."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How a cell begins that spreadsheets run as a formula, or that would if it had no apostrophe in front."""


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a file is written: its encoding and delimiter, the columns of its header, what was guessed, and the line in
    which the header begins.
    """

    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    line: int


@dataclasses.dataclass(frozen=True)
class Record:
    """The cells of a record that begins in a line, and what is wrong with it."""

    line: int
    cells: list[str]
    problem: str = ""


def dialect_of(path: Path) -> Dialect:
    """What is to be known of a file before it is read. Raises CallError for one that has no header."""
    encoding = encoding_of(path)
    delimiter = _delimiter_of([line.text for line in itertools.islice(lines_of(path, encoding.name), SAMPLED_LINES)])
    header = next(_all_records(path, encoding.name, delimiter), None)
    if header is None:
        raise CallError(f"{path.name} has no line with text.")
    if header.problem:
        raise CallError(f"The header of {path.name} (line {header.line}) {header.problem}: fix it first.")
    if any(_ADDRESS.fullmatch(cell.strip()) for cell in header.cells):
        raise CallError(
            f"The first line of {path.name} is a row of data with an address in it: put a line with the names of the "
            "columns above it."
        )
    if len(header.cells) > MAX_COLUMNS:
        raise CallError(f"{path.name} has {len(header.cells):,} columns; at most {MAX_COLUMNS:,} are read.")
    columns, notes = named_columns(map(unescaped, header.cells))
    return Dialect(encoding.name, delimiter, columns, tuple(filter(None, [encoding.note, *notes])), header.line)


def named_columns(header: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """A name of its own for each column, and sentences on those that had none or one of another.

    A blank one is called by its place, the second Email `Email (2)`.
    """
    names: list[str] = []
    blank, twice = [], []
    for place, cell in enumerate(header, 1):
        wanted = " ".join(cell.split()) or f"column {place}"
        name, count = wanted, 1
        while name in names:
            count += 1
            name = f"{wanted} ({count})"
        if not cell.strip():
            blank.append(name)
        if name != wanted:
            twice.append(name)
        names.append(name)
    notes = []
    if blank:
        notes.append(f"Columns without a name are called {', '.join(blank[:5])}{'…' if len(blank) > 5 else ''}.")
    if twice:
        notes.append(f"Names that stood twice became {', '.join(twice[:5])}{'…' if len(twice) > 5 else ''}.")
    return tuple(names), notes


def records_of(path: Path, dialect: Dialect) -> Iterator[Record]:
    """The records below the header. Blank lines are none."""
    records = _all_records(path, dialect.encoding, dialect.delimiter)
    next(records, None)
    width = len(dialect.columns)
    for record in records:
        cells = [unescaped(cell) for cell in record.cells[: _width(record.cells, width)]]
        problem = record.problem
        if not problem and len(cells) != width:
            problem = _wrong_width(len(cells), width)
        elif not problem and not any(cell.strip() for cell in cells):
            problem = "is empty"
        yield Record(record.line, cells, problem)


def _width(cells: list[str], wanted: int) -> int:
    """How many cells there are, without blank ones that stand behind those that are wanted."""
    found = len(cells)
    while found > wanted and not cells[found - 1].strip():
        found -= 1
    return found


def _wrong_width(found: int, wanted: int) -> str:
    return f"has {found} cell{'s' if found != 1 else ''}, the header {wanted}"


def unescaped(cell: str) -> str:
    """A cell without the apostrophe that keeps it from being a formula."""
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def _delimiter_of(lines: list[str]) -> str:
    """The delimiter that splits the first line into most cells, and most of the others into as many."""
    if lines and (said := _SEPARATOR_LINE.fullmatch(lines[0])):
        return said[1]

    return max(DELIMITERS, key=lambda delimiter: _fit(lines, delimiter))


def _fit(lines: list[str], delimiter: str) -> float:
    """How many cells the first record has, times the share of records that have as many; 0 for one cell."""
    try:
        widths = [len(record) for record in csv.reader(lines, delimiter=delimiter) if any(map(str.strip, record))]
    except csv.Error:
        return 0.0
    if not widths or widths[0] < 2:
        return 0.0
    return widths[0] * sum(width == widths[0] for width in widths) / len(widths)


class _Broken(Exception):
    """A record that cannot be read; the text says why."""


class _Source:
    """Lines for csv.reader, which remembers those of the record that is being read, so that they can be read again."""

    def __init__(self, lines: Iterator[Line]):
        self._lines = lines
        self._again: deque[Line] = deque()
        self.read: list[Line] = []
        self._size = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else next(self._lines)
        self.read.append(line)
        self._size += len(line.text)
        if self._size > MAX_RECORD_CHARACTERS:
            raise _Broken("has a quote that is not closed")
        return line.text

    def begin(self) -> None:
        """Forget the lines of the record before."""
        self.read = []
        self._size = 0

    def first_cells(self) -> list[str]:
        """What stands for the cells of a record that cannot be read."""
        return [self.read[0].text.strip()[:1000]]

    def return_all_but_first(self) -> None:
        """Have the lines behind the first of this record read again, as records of their own."""
        self._again.extendleft(reversed(self.read[1:]))
        del self.read[1:]


def _all_records(path: Path, encoding: str, delimiter: str) -> Iterator[Record]:
    """Every record that is not blank, the header first. Of one that cannot be read the first line alone is lost."""
    lines = lines_of(path, encoding)
    source = _Source(lines)
    first = True
    wanted = 0
    while True:
        reader = csv.reader(source, delimiter=delimiter, strict=True)
        source.begin()
        try:
            cells = next(reader)
            problem = next((line.problem for line in source.read if line.problem), "")
        except StopIteration:
            return
        except (csv.Error, _Broken) as error:
            source.return_all_but_first()
            cells, problem = source.first_cells(), _said(error)
        if first and source.read and _SEPARATOR_LINE.fullmatch(source.read[0].text):
            first = False
            continue
        first = False
        if wanted and len(source.read) > 1 and not problem:
            found = _width(cells, wanted)
            if found != wanted > 1:
                source.return_all_but_first()
                cells = source.first_cells()
                problem = f"{_wrong_width(found, wanted)}, and more lines: a quote may be missing"
            elif _holds_rows(cells, delimiter, wanted):
                problem = (
                    f"has a cell that goes on to line {source.read[-1].number} and holds other rows: a quote is stray"
                )
        # A line of delimiters alone is a row that is blank, but no header.
        if problem or any(map(str.strip, cells)) or (wanted and len(cells) > 1):
            wanted = wanted or len(cells)
            yield Record(source.read[0].number, cells, problem)


def _holds_rows(cells: list[str], delimiter: str, width: int) -> bool:
    """Whether a record of several lines is in truth a row in each, held together by a stray quote: they have as many
    cells as the header, and all an address in the same column.

    Other lines with addresses are those of notes and signatures. One row in four may be bad, as rows are, and one of
    three.
    """
    rows = _rows_without_quotes(cells, delimiter)
    places = Counter(
        place
        for row in rows
        if _width(row, width) == width and not _is_prose(row)
        for place, cell in enumerate(row[:width])
        if _ADDRESS.fullmatch(cell.strip().strip('"'))
    )
    fit = max(places.values(), default=0)
    # Of few lines one is a larger share than that: it may be odd where none of them reads as a note does.
    all_but_one = width > 1 and len(rows) - fit == 1 and all(len(row) > 1 and not _is_prose(row) for row in rows)
    return fit >= 2 and (fit >= ROWS_THAT_FIT * len(rows) or all_but_one)


def _rows_without_quotes(cells: list[str], delimiter: str) -> list[list[str]]:
    """The rows of a record of several lines if each of its lines is one. Blank lines are none."""
    rows: list[list[str]] = [[]]
    for cell in cells:
        first, *others = _LINE_END.split(cell)
        rows[-1] += first.split(delimiter) if others else [first]
        rows += [line.split(delimiter) for line in others]
    return [row for row in rows if any(cell.strip() for cell in row)]


def _is_prose(row: list[str]) -> bool:
    """Whether a space follows each delimiter: programs write none, people do."""
    return len(row) > 1 and all(cell.startswith(" ") for cell in row[1:])


def _said(error: Exception) -> str:
    """What is wrong with a record, in words that follow its line."""
    text = str(error)
    if "expected after" in text:
        return "has text behind a closing quote: a quote within a cell is written twice"
    if "unexpected end" in text or "field larger" in text:
        return "has a quote that is not closed, or a cell of more than 131,072 characters"
    return text if isinstance(error, _Broken) else f"cannot be read ({text})"
