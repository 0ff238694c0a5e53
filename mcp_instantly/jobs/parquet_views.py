"""Parquet as tables of DuckDB, with the types that it says itself."""

from __future__ import annotations

from typing import Any

from mcp_instantly.jobs.csv_views import NO_TYPE
from mcp_instantly.jobs.quoting import identifier, literal


def make_view(connection: Any, name: str, path: str) -> None:
    """Make a Parquet file the view `name`. Columns of text without a value have no type."""
    columns = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({literal(path)})").fetchall()
    filled = dict(
        connection.execute(
            "SELECT path_in_schema, bool_or(num_values > coalesce(stats_null_count, 0)) FROM parquet_metadata(?) "
            "GROUP BY path_in_schema",
            [path],
        ).fetchall()
    )
    texts = [column for column, kind, *_ in columns if kind == "VARCHAR"]
    # Of names that differ in capitals alone, DuckDB makes others: then a name says nothing of its column.
    empty = [column for column in texts if not filled.get(column)] if not filled or filled.keys() >= set(texts) else []
    replaced = ", ".join(f"CAST(NULL AS {NO_TYPE}) AS {identifier(column)}" for column in empty)
    shown = f"* REPLACE ({replaced})" if empty else "*"
    connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT {shown} FROM read_parquet({literal(path)})")
