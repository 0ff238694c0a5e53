"""JSONL as tables of DuckDB, which would take some texts for dates, times and UUIDs, and lose digits of long numbers.

What is text in JSON stays text, and what is a number a number. A line that is not a JSON object is left out and
counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.csv_views import NO_TYPE, is_large, name_encoding
from mcp_instantly.jobs.delimited import MAX_COLUMNS, MAX_RECORD_CHARACTERS
from mcp_instantly.jobs.quoting import apart, identifier, literal
from mcp_instantly.jobs.text_files import encoding_of

ROWS = 500_000
"""Rows that say which columns a large file has, and which types."""

MAX_NESTED_NAMES = 200
"""Names of a nested object; one of more is not a record, and is read as JSON."""

LONG_NUMBER = r"[:\[,]\s*-?\d{19,}\s*[,}\]]"
"""What a line has where a whole number in it may be beyond 64 bits."""

OBJECT = "TRY_CAST(line AS JSON)"
IS_OBJECT = f"coalesce(json_type({OBJECT}), '') = 'OBJECT'"
BLANK_KEY = f"json_extract_string({OBJECT}, '/')"
"""The value of the key "", which is neither a name to DuckDB nor one in the types of from_json."""

NOT_BLANK = r"regexp_matches(line, '\S')"

Shape = Any
"""The type of a value as json_structure of DuckDB tells it: a name, [of items], or {of fields}."""


def make_view(connection: Any, name: str, path: str, size: int) -> dict[str, Any]:
    """Make a JSONL file the view `name`; of the lines that were looked at, those that are left out: {"lines", "first"},
    {} where there are none. Raises CallError or OSError for a file that is not a table.
    """
    lines = _lines_of(path, name_encoding(encoding_of(Path(path)).name))
    looked = f"(SELECT * FROM {lines}{f' LIMIT {ROWS}' if is_large(size) else ''})"
    found = connection.execute(
        f"SELECT json_structure({OBJECT})::VARCHAR AS shape, count(*), bool_or(regexp_matches(line, '{LONG_NUMBER}')) "
        f"FROM {looked} WHERE {NOT_BLANK} GROUP BY shape ORDER BY count(*) DESC, shape"
    ).fetchall()
    objects = [row for row in found if row[0] and (row[0].startswith("{") or row[0] == '"JSON"')]
    fields = _merged([json.loads(shape) for shape, *_ in objects], in_list=False)
    if not isinstance(fields, dict):
        raise CallError("It has no line that is a JSON object with a field.")
    if len(fields) > MAX_COLUMNS:
        raise CallError(f"It has more than {MAX_COLUMNS:,} columns, which is the most that are read.")
    if "" in fields:
        fields[""] = "VARCHAR"
    whole = _whole_numbers(connection, looked, fields) if any(long for *_, long in objects) else None
    empty = "VARCHAR" if is_large(size) else NO_TYPE
    types = {key: _type(shape, whole is not None) for key, shape in fields.items() if shape != "NULL"}
    types |= dict.fromkeys(whole or (), "HUGEINT")
    _create(connection, name, lines, {key: types.get(key, empty) for key in fields})
    return _left_out(connection, path, looked) if len(objects) < len(found) else {}


def _lines_of(path: str, encoding: str) -> str:
    """What reads a file as lines of text, with whatever ends they have. U+0001 stands in no JSON."""
    return (
        f"read_csv({literal(path)}, auto_detect = false, delim = '\x01', quote = '', escape = '', header = false, "
        f"columns = {{'line': 'VARCHAR'}}, encoding = '{encoding}', max_line_size = {MAX_RECORD_CHARACTERS}, "
        "ignore_errors = true, store_rejects = true, strict_mode = false)"
    )


def _left_out(connection: Any, path: str, looked: str) -> dict[str, Any]:
    """How many lines are not objects, and the number of the first."""
    lines, first = connection.execute(
        f"SELECT count(*), min(place) FROM (SELECT line, row_number() OVER () AS place FROM {looked}) "
        f"WHERE {NOT_BLANK} AND NOT {IS_OBJECT}"
    ).fetchone()
    if not connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'").fetchone()[0]:
        return {"lines": lines, "first": first}
    # DuckDB does not count the lines that it could not read at all.
    unread = connection.execute(
        "SELECT DISTINCT line FROM reject_errors JOIN reject_scans USING (scan_id, file_id) WHERE file_path = ? "
        "ORDER BY line",
        [path],
    ).fetchall()
    for (line,) in unread:
        first += line <= first
    return {"lines": lines, "first": first}


def _create(connection: Any, name: str, lines: str, types: dict[str, Shape]) -> None:
    """Make the view. Names that differ in capitals alone are read apart, since DuckDB cannot hold both in one; the
    value of a blank key is text.
    """
    layers: list[dict[str, Shape]] = []
    places: dict[str, int] = {}
    for key, kind in types.items():
        if not key:
            continue
        layer = next((n for n, keys in enumerate(layers) if key.lower() not in map(str.lower, keys)), len(layers))
        if layer == len(layers):
            layers.append({})
        layers[layer][key] = kind
        places[key] = layer
    shown = ", ".join(
        f"{'blank' if not key else 'NULL' if types[key] == NO_TYPE else f'r{places[key]}.{identifier(key)}'} "
        f"AS {identifier(title)}"
        for key, title in zip(types, apart([key or "blank key" for key in types]), strict=True)
    )
    read = ", ".join([f"{_read(keys)} AS r{layer}" for layer, keys in enumerate(layers)] + [f"{BLANK_KEY} AS blank"])
    connection.execute(
        f"CREATE VIEW {identifier(name)} AS SELECT {shown} FROM (SELECT {read} FROM {lines} WHERE {IS_OBJECT})"
    )


def _read(types: dict[str, Shape]) -> str:
    return f"from_json({OBJECT}, {literal(json.dumps(types))})"


# types


def _merged(shapes: Iterable[Shape], *, in_list: bool) -> Shape:
    """One type for values of several: text where not all are of one kind, JSON where some are nested."""
    found: list[Shape] = []
    for shape in shapes:
        # An object without fields is JSON to DuckDB, and so is what is of several kinds in a list.
        if shape != "NULL" and (in_list or shape != "JSON") and shape not in found:
            found.append(shape)
    if not found:
        return "JSON" if in_list else "NULL"
    if all(isinstance(shape, dict) for shape in found):
        by_name: dict[str, list[Shape]] = {}
        for shape in found:
            for name, inner in shape.items():
                by_name.setdefault(name, []).append(inner)
        return {name: _merged(inner, in_list=in_list) for name, inner in by_name.items()}
    if all(isinstance(shape, list) for shape in found):
        return [_merged((inner for shape in found for inner in shape), in_list=True)]
    if not all(isinstance(shape, str) for shape in found) or "JSON" in found:
        return "JSON"
    if len(found) == 1:
        return found[0]
    numbers = {"UBIGINT", "BIGINT", "DOUBLE"}
    if not numbers >= set(found):
        return "VARCHAR"
    return "DOUBLE" if "DOUBLE" in found else "BIGINT"


def _type(shape: Shape, long: bool) -> Shape:
    """The type of a value that is read; `long` says that whole numbers may be beyond 64 bits."""
    if isinstance(shape, list):
        return [_type(shape[0], long)]
    if isinstance(shape, dict):
        names = {name.lower() for name in shape}
        if not shape or "" in shape or len(names) < len(shape) or len(names) > MAX_NESTED_NAMES:
            return "JSON"
        return {name: _type(inner, long) for name, inner in shape.items()}
    if shape in ("UBIGINT", "BIGINT"):
        return "HUGEINT" if long else "BIGINT"
    return "JSON" if shape == "NULL" else shape


def _whole_numbers(connection: Any, looked: str, fields: dict[str, Shape]) -> list[str]:
    """Those fields whose numbers are whole, and so long that DuckDB took them for fractions."""
    asked = [name for name, shape in fields.items() if shape == "DOUBLE"]
    tests = ", ".join(
        f"bool_and(regexp_full_match({_read({name: 'VARCHAR'})}.{identifier(name)}, '-?\\d{{1,38}}'))" for name in asked
    )
    if not asked:
        return []
    answers = connection.execute(f"SELECT {tests} FROM {looked} WHERE {IS_OBJECT}").fetchone()
    return [name for name, holds in zip(asked, answers, strict=True) if holds]
