"""SQL over files, in a process of its own: it reads a request as JSON from stdin, and prints an answer as JSON.

A query may take all memory that it can get, never end, or have DuckDB end the process: none of it reaches the server.
The process has no environment, and may open no file but those of the tables; DuckDB is told so before the SQL of
others comes near it, and cannot be told otherwise afterwards.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sys
import threading
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.jobs import csv_views, json_views, parquet_views
from mcp_instantly.jobs.csv_views import left_out
from mcp_instantly.jobs.quoting import literal

MEMORY_MB = 512
"""What DuckDB may take for a query; it writes nothing to the disk."""

PROCESS_MB = 1_536
"""What the process may take in all, addresses that are not used among it."""

MAX_CELL_CHARACTERS = 2_000
MAX_ANSWER_CHARACTERS = 400_000

HINT = "Call query_exports without sql to see the tables and their columns."
SAID = {
    "ParserException": "That is not SQL that DuckDB understands: {said}.",
    "BinderException": f"The SQL does not fit the tables: {{said}}. {HINT}",
    "CatalogException": f"The SQL refers to something that does not exist: {{said}}. {HINT}",
    "PermissionException": f"Only the tables can be read, and nothing can be written or set. {HINT}",
    "InterruptException": "The query took longer than {seconds:g} seconds and was stopped: ask for less.",
    "OutOfMemoryException": f"The query needs more than {MEMORY_MB} MB of memory: ask for less, or aggregate first.",
    "ConversionException": "A value does not fit the type that it is converted to: use TRY_CAST, which makes it null.",
    "OutOfRangeException": "A number is beyond its type: cast to DOUBLE or HUGEINT first.",
}
"""What is said of an error of DuckDB. Only errors of the SQL itself are quoted: others hold contents of the files."""


def main() -> None:
    """Answer one request: {"tables": [{"name", "path", "kind", "bytes"}], "sql", "limit", "seconds"}.

    Where sql is null, tell the columns.
    """
    request = json.load(sys.stdin)
    _limit_process()
    try:
        duckdb = importlib.import_module("duckdb")
    except ImportError:
        answer: dict[str, Any] = {"error": "Queries need DuckDB: pip install 'mcp-instantly[jobs]'."}
    else:
        answer = _answer(duckdb, request)
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    # Threads of DuckDB that are still there would have the interpreter abort at its end.
    os._exit(0)


def _limit_process() -> None:
    """Have the system refuse memory beyond the limit, and any growing of files, where it can."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (PROCESS_MB << 20, PROCESS_MB << 20))


def _answer(duckdb: Any, request: dict[str, Any]) -> dict[str, Any]:
    connection = duckdb.connect(":memory:", config={"threads": 2})
    timer = threading.Timer(request["seconds"], connection.interrupt)
    timer.daemon = True
    timer.start()
    names = {table["path"]: table["name"] for table in request["tables"]}
    unreadable: dict[str, str] = {}
    try:
        left, unreadable = _open_tables(duckdb, connection, request["tables"], names)
        if request["sql"] is None:
            found = {"columns": _columns(connection, request["tables"], unreadable)}
        else:
            found = _query(duckdb, connection, request["sql"], request["limit"])
        # Of a large file, a query may look at more rows than its types needed.
        for name, more in left_out(connection, names).items():
            left[name] = max(left.get(name, more), more, key=lambda one: int(one["lines"]))
        large = [table for table in request["tables"] if csv_views.is_large(table["bytes"])]
        told = {
            "looked_at": {"rows": json_views.ROWS, "tables": [t["name"] for t in large if t["kind"] == ".jsonl"]},
            "as_text": [table["name"] for table in large if table["kind"] == ".csv"],
        }
        return {**found, "unreadable": unreadable, "left_out": left, **told}
    except _Refused as refused:
        return {"error": str(refused)}
    except MemoryError:
        return {"error": SAID["OutOfMemoryException"]}
    except Exception as error:
        return {"error": _no_table(error, unreadable) or _said(error, request["seconds"])}
    finally:
        timer.cancel()


def _open_tables(
    duckdb: Any, connection: Any, tables: list[dict[str, Any]], names: dict[str, str]
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Make a view of each file and close everything else; the rows that are left out as `left_out` tells them, and
    why some files are not tables, by name.
    """
    paths = ", ".join(literal(table["path"]) for table in tables)
    for setting in (
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        "python_enable_replacements = false",
        "TimeZone = 'UTC'",
        "temp_directory = ''",
        f"memory_limit = '{MEMORY_MB}MB'",
        f"allowed_paths = [{paths}]",
        "enable_external_access = false",
    ):
        connection.execute(f"SET {setting}")
    unreadable, bad = {}, {}
    for table in tables:
        try:
            bad[table["name"]] = _make_view(connection, **table)
        except duckdb.InterruptException:
            raise
        except CallError as error:
            unreadable[table["name"]] = str(error)
        except (duckdb.Error, OSError) as error:
            # DuckDB 1 reads no character of UTF-16 that takes four bytes.
            utf_16 = "not utf-16 encoded" in str(error)
            unreadable[table["name"]] = f"Its file cannot be read{': save it as UTF-8' if utf_16 else ''}."
    left = left_out(connection, names)
    for name, more in bad.items():
        if more:
            found = left.setdefault(name, {"lines": 0, "first": more["first"], "quote": False})
            found["lines"] += more["lines"]
            found["first"] = min(found["first"], more["first"])
    connection.execute("SET lock_configuration = true")
    return left, unreadable


def _make_view(connection: Any, *, name: str, path: str, kind: str, bytes: int) -> dict[str, Any]:
    """Make a file a view; what is left out of JSONL."""
    if kind == ".jsonl":
        return json_views.make_view(connection, name, path, bytes)
    if kind == ".csv":
        csv_views.make_view(connection, name, path, bytes)
    else:
        parquet_views.make_view(connection, name, path)
    return {}


def _no_table(error: Exception, unreadable: dict[str, str]) -> str:
    """Why what the SQL asks for is not a table, "" where that is not what is wrong."""
    missing = re.search(r"Table with name (.+?) does not exist", str(error))
    reason = unreadable.get(missing[1].strip('"').lower(), "") if missing else ""
    return f"{missing[1]} is not a table. {reason}" if missing and reason else ""


def _columns(connection: Any, tables: list[dict[str, Any]], unreadable: dict[str, str]) -> dict[str, dict[str, str]]:
    found = {}
    for name in (table["name"] for table in tables if table["name"] not in unreadable):
        rows = connection.execute(f'DESCRIBE "{name}"').fetchall()
        found[name] = {column: kind.strip('"') for column, kind, *_ in rows}
    return found


class _Refused(Exception):
    """The SQL may not be run; the text says why."""


def _query(duckdb: Any, connection: Any, sql: str, limit: int) -> dict[str, Any]:
    """The first rows of one SELECT. It runs within another, which bounds what it says.

    That is needed: to DuckDB 2, WITH x AS (COPY ...) SELECT is a SELECT too, though only at the top.
    """
    statements = connection.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise _Refused(
            "Give exactly one SELECT (WITH, DESCRIBE and SUMMARIZE are SELECTs too): files are only read, nothing else "
            "is carried out."
        )
    inner = f"(\n{statements[0].query.strip().rstrip(';')}\n)"
    described = connection.execute(f"DESCRIBE SELECT * FROM {inner}").fetchall()
    numbers = [str(kind).startswith(_NUMBERS) and "[" not in str(kind) for _, kind, *_ in described]
    shown = f"SELECT left(COLUMNS(*)::VARCHAR, {MAX_CELL_CHARACTERS + 1}) FROM {inner} LIMIT {limit + 1}"
    if len(connection.extract_statements(shown)) != 1:
        raise _Refused("Give exactly one SELECT.")
    cursor = connection.execute(shown)
    rows: list[list[Any]] = []
    size, more, cut = 0, False, False
    while (cells := cursor.fetchone()) is not None:
        if len(rows) == limit or size > MAX_ANSWER_CHARACTERS:
            more = True
            break
        cut = cut or any(cell is not None and len(cell) > MAX_CELL_CHARACTERS for cell in cells)
        rows.append([_value(cell, number) for cell, number in zip(cells, numbers, strict=True)])
        size += sum(len(cell or "") + 4 for cell in cells)
    return {"columns": [str(name) for name, *_ in described], "rows": rows, "more": more, "cut": cut}


_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT",
    "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "DOUBLE", "FLOAT", "DECIMAL", "BOOLEAN",
)  # fmt: skip


def _value(cell: str | None, number: bool) -> Any:
    if cell is None:
        return None
    if number:
        # Neither "nan" nor "inf" is JSON.
        with contextlib.suppress(ValueError):
            return json.loads(cell, parse_constant=str)
    return cell if len(cell) <= MAX_CELL_CHARACTERS else f"{cell[:MAX_CELL_CHARACTERS]}…"


def _said(error: Exception, seconds: float) -> str:
    kind = type(error).__name__
    first = str(error).split("\n")[0].partition("Error: ")[2] or str(error).split("\n")[0]
    for offer in ("Did you mean", "Candidate"):
        first = first.partition(offer)[0]
    said = first.strip().rstrip(".!:")[:300]
    return SAID.get(kind, f"The query failed ({kind.removesuffix('Exception')}): see its casts and functions.").format(
        said=said, seconds=seconds
    )


if __name__ == "__main__":
    main()
