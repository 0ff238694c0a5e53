"""Parquet made of rows that were kept as JSONL: types are known, and rows all there, only at the end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mcp_instantly.jobs.reading import arrow

GROUP_ROWS = 20_000
"""Rows of Parquet that are held at once."""


def make_parquet(part: Path, made: Path, columns: Sequence[str]) -> None:
    """Write the rows of `part` as Parquet, a group of them in memory at once."""
    pyarrow = arrow()
    types = _types(part, columns)
    schema = pyarrow.schema([(name, getattr(pyarrow, types[name])()) for name in columns])
    made.unlink(missing_ok=True)
    with pyarrow.parquet.ParquetWriter(made, schema, compression="zstd") as writer:
        for rows in _groups(part):
            cells = {name: [_as(types[name], row.get(name)) for row in rows] for name in columns}
            writer.write_table(pyarrow.table(cells, schema=schema))
    os.chmod(made, 0o600)
    with made.open("rb") as file:
        os.fsync(file.fileno())


def _types(part: Path, columns: Sequence[str]) -> dict[str, str]:
    """The type of each column: int64, float64 or bool_ where each of its values is one, else string."""
    found: dict[str, set[str]] = {name: set() for name in columns}
    for rows in _groups(part):
        for row in rows:
            for name, value in row.items():
                if value is not None:
                    found[name].add(_type(value))
    types = {}
    for name, kinds in found.items():
        if kinds == {"int64", "float64"}:
            kinds = {"float64"}
        types[name] = kinds.pop() if len(kinds) == 1 else "string"
    return types


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool_"
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return "int64"
    return "float64" if isinstance(value, float) else "string"


def _as(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "string":
        return plain(value)
    return float(value) if kind == "float64" else value


def _groups(part: Path) -> Iterator[list[dict[str, Any]]]:
    rows = []
    with part.open("rb") as file:
        for line in file:
            rows.append(json.loads(line))
            if len(rows) == GROUP_ROWS:
                yield rows
                rows = []
    if rows:
        yield rows


def plain(value: Any) -> str:
    """A value of JSON as the text of a cell."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
