"""Exported files as tables, and SQL over them. DuckDB runs in a process of its own, which can be killed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

from mcp_instantly.errors import CallError
from mcp_instantly.jobs.folders import NONE_ALLOWED, Folders
from mcp_instantly.jobs.writing import KINDS

MAX_TABLES = 200
"""Files that one query looks at."""

QUERY_SECONDS = 30.0
GRACE_SECONDS = 2.0
"""For a query that does not heed that its time is over, before its process is killed."""

INHERITED = ("SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""All of the environment that the process needs: no key is among it."""

_PACKAGE = Path(__file__).parent.parent


_NOTHING: dict[str, Any] = {
    "columns": {},
    "unreadable": {},
    "left_out": {},
    "looked_at": {"rows": 0, "tables": []},
    "as_text": [],
}


@dataclasses.dataclass(frozen=True)
class ExportTable:
    """A file as a table: its name, its path, what is shown of the path, its kind (.csv, .jsonl, .parquet) and bytes."""

    name: str
    path: Path
    shown: str
    kind: str
    size: int


def tables_of(folders: Folders) -> list[ExportTable]:
    """The tables, in the order of their files: `leads` for leads.parquet, `leads_2` for another file of that name.

    Raises CallError where no folder is allowed. A file that is still being written is none.
    """
    if not folders.paths:
        raise CallError(NONE_ALLOWED)
    paths = [path for path in dict.fromkeys(folders.files()) if path.suffix.lower() in KINDS]
    shown = _shown(paths, folders)
    found: dict[str, ExportTable] = {}
    for path in paths:
        wanted = re.sub(r"[^a-z0-9_]+", "_", path.stem.lower()).strip("_")
        wanted = wanted if wanted and not wanted[0].isdigit() else f"t_{wanted}"
        name, count = wanted, 1
        while name in found:
            count += 1
            name = f"{wanted}_{count}"
        found[name] = ExportTable(name, path, shown[path], path.suffix.lower(), path.stat().st_size)
    return list(found.values())


def _shown(paths: Sequence[Path], folders: Folders) -> dict[Path, str]:
    """The name of each file; where several have one, their paths below their folder, or whole where these are alike."""
    ways: tuple[Callable[[Path], str], ...] = (
        lambda path: path.name,
        lambda path: next(path.relative_to(one).as_posix() for one in folders.paths if one in path.parents),
        str,
    )
    found: dict[Path, str] = {}
    for way in ways:
        counts = Counter(way(path) for path in paths)
        for path in paths:
            if path not in found and counts[way(path)] == 1:
                found[path] = way(path)
    return found


async def describe(tables: Sequence[ExportTable], seconds: float = QUERY_SECONDS) -> dict[str, Any]:
    """{"columns": {table: {column: type}}} of at most MAX_TABLES, and what `ask` has too. Raises CallError."""
    return await _run(tables, None, 0, seconds) if tables else _NOTHING


async def ask(tables: Sequence[ExportTable], sql: str, *, limit: int, seconds: float = QUERY_SECONDS) -> dict[str, Any]:
    """{"columns": [name], "rows": [[value]], "more": bool, "cut": bool, "unreadable": {table: reason}, "left_out":
    {table: {"lines": number, "first": line, "quote": bool}}, "looked_at": {"rows": number, "tables": [name]},
    "as_text": [name]} of one SELECT.

    `more` says that there are rows beyond `limit`, `cut` that long cells are not whole, `left_out` how many rows
    could not be read, and whether a quote that is not closed took rows behind it along, `looked_at` in which tables
    only the first rows said which columns and types there are, `as_text` which tables are too large for types. Raises
    CallError with a sentence for whatever is wrong with the SQL, its time or its memory.
    """
    # A name that does not stand in the SQL is not asked for: its file needs not be looked at.
    words = set(re.findall(r"[a-z0-9_]+", sql.lower()))
    named = [table for table in tables if table.name in words]
    # DuckDB knows the tables by SHOW TABLES too.
    return await _run(named or tables, sql, limit, seconds)


async def _run(tables: Sequence[ExportTable], sql: str | None, limit: int, seconds: float) -> dict[str, Any]:
    request = {
        "tables": [
            {"name": table.name, "path": str(table.path), "kind": table.kind, "bytes": table.size}
            for table in tables[:MAX_TABLES]
        ],
        "sql": sql,
        "limit": limit,
        "seconds": seconds,
    }
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    ended = None
    with anyio.move_on_after(seconds + GRACE_SECONDS):
        ended = await anyio.run_process(
            [sys.executable, "-S", "-X", "utf8", "-m", "mcp_instantly.jobs.sql_process"],
            input=json.dumps(request).encode(),
            check=False,
            cwd=_PACKAGE.parent,
            env=environment,
        )
    if ended is None:
        raise CallError(f"The query took longer than {seconds:g} seconds and was stopped: ask for less.")
    try:
        answer: dict[str, Any] = json.loads(ended.stdout)
    except ValueError:
        raise CallError(
            "DuckDB ended in the middle of the query, most likely for want of memory: ask for less, or aggregate first."
        ) from None
    if "error" in answer:
        raise CallError(answer["error"])
    return answer
