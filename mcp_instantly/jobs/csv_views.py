"""CSV as tables of DuckDB, which would guess its delimiter, header and types by itself, and change values by it.

A file is read as text, by what is known of it, and a column gets a type only where all of its values are written as
values of that type are: what looks like a code, a phone number or a date of some country stays as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.delimited import FORMULA, MAX_RECORD_CHARACTERS, Dialect, dialect_of
from mcp_instantly.jobs.quoting import apart, identifier, literal
from mcp_instantly.jobs.text_files import ENCODING_NAMES

WHOLE_BYTES = 64 << 20
"""A file up to this size is read through for its types, which takes longer than most queries."""

FIRST_ROWS = 1_000
"""Rows that say which type a column may have, before all of them are asked."""

ENCODINGS = {"utf-8": "utf-8", "utf-16-le": "utf-16"}
"""What DuckDB calls an encoding that it reads exactly. Of UTF-16-BE it reads no row, and says nothing."""

TYPES = {
    "BIGINT": r"0|-?[1-9]\d{0,17}",
    "DOUBLE": r"-?(0|[1-9]\d{0,14})(\.\d{1,17})?",
    "BOOLEAN": "true|false",
    "DATE": r"\d{4}-\d\d-\d\d",
    "TIMESTAMP": r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?",
    "TIMESTAMPTZ": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)",
}
"""How all values of a column are written that is of a type, the narrowest first."""

NO_TYPE = '"NULL"'
"""The type of a column without a value: whatever is computed of it is null, and neither sum nor LIKE is an error."""


def make_view(connection: Any, name: str, path: str, size: int) -> None:
    """Make a CSV file the view `name`. Raises CallError or OSError for a file that is not a table."""
    dialect = dialect_of(Path(path))
    text = _text_of(path, dialect)
    columns = [f"c{place}" for place in range(len(dialect.columns))]
    # A type that is not that of all values would make some of them errors.
    types = {} if is_large(size) else _types(connection, text, columns)
    shown = ", ".join(
        f"{_value(column, types.get(column))} AS {identifier(title)}"
        for column, title in zip(columns, apart(dialect.columns), strict=True)
    )
    # Blank lines are rows to DuckDB where there is one column.
    only = " WHERE c0 IS NOT NULL" if len(columns) == 1 else ""
    connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT {shown} FROM {text}{only}")


def name_encoding(encoding: str) -> str:
    """What DuckDB calls an encoding that Python calls so. Raises CallError for one that it does not read."""
    if encoding not in ENCODINGS:
        raise CallError(f"Queries do not read {ENCODING_NAMES[encoding]}: save it as UTF-8.")
    return ENCODINGS[encoding]


def is_large(size: int) -> bool:
    """Whether a file of so many bytes is too large to be read through for its types."""
    return size > WHOLE_BYTES


def left_out(connection: Any, names: dict[str, str]) -> dict[str, dict[str, Any]]:
    """Of the rows that were looked at, those that could not be read, by table: how many lines, and whether a quote was
    not closed, which takes the rows behind it along. `names` are those of tables by their paths.

    It forgets them, so that no table of DuckDB's own stands among those of the files.
    """
    if not connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone()[0]:
        return {}
    found = connection.execute(
        "SELECT file_path, count(DISTINCT line), min(line), bool_or(error_type = 'UNQUOTED VALUE') "
        "FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY file_path"
    ).fetchall()
    connection.execute("DROP TABLE reject_errors")
    connection.execute("DROP TABLE reject_scans")
    return {names[path]: {"lines": lines, "first": first, "quote": quote} for path, lines, first, quote in found}


def _text_of(path: str, dialect: Dialect) -> str:
    """What reads a file as text, and leaves out rows that are bad."""
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(dialect.columns)))
    return (
        f"read_csv({literal(path)}, auto_detect = false, delim = {literal(dialect.delimiter)}, quote = '\"', "
        f"escape = '\"', header = false, skip = {dialect.line}, columns = {{{columns}}}, "
        f"encoding = '{name_encoding(dialect.encoding)}', max_line_size = {MAX_RECORD_CHARACTERS}, "
        "ignore_errors = true, store_rejects = true)"
    )


def _types(connection: Any, rows: str, columns: Sequence[str]) -> dict[str, str]:
    """The type of each column that is not text. Empty cells are null and say nothing; one of them alone has no type."""
    first = connection.execute(f"SELECT * FROM {rows} LIMIT {FIRST_ROWS}").fetchall()
    asked = []
    for place, column in enumerate(columns):
        cells = [row[place] for row in first if row[place] is not None]
        for kind, written in TYPES.items():
            if all(map(re.compile(written, re.ASCII).fullmatch, cells)):
                asked.append((column, kind))
    if not asked:
        return {}
    tests = ", ".join(
        f"bool_and(regexp_full_match({column}, {literal(TYPES[kind])}) AND TRY_CAST({column} AS {kind}) IS NOT NULL) "
        f"FILTER ({column} IS NOT NULL)"
        for column, kind in asked
    )
    answers = connection.execute(f"SELECT {tests} FROM {rows}").fetchone()
    found: dict[str, str] = {}
    for (column, kind), holds in zip(asked, answers, strict=True):
        if holds is None:
            found[column] = NO_TYPE
        elif holds:
            found.setdefault(column, kind)
    return found


def _value(column: str, kind: str | None) -> str:
    """A column with its type; text without the apostrophe that keeps it from being a formula."""
    if kind is not None:
        return f"CAST({column} AS {kind})"
    guarded = f"starts_with({column}, '''') AND regexp_matches({column}, {literal('^' + _re2(FORMULA.pattern))})"
    return f"CASE WHEN {guarded} THEN substr({column}, 2) ELSE {column} END"


def _re2(pattern: str) -> str:
    r"""A pattern as RE2 takes it, which has \x{ff1d} where Python has \uff1d."""
    return re.sub(r"\\u([0-9a-f]{4})", r"\\x{\1}", pattern)
