"""Names and texts as DuckDB's SQL has them."""

from __future__ import annotations

from collections.abc import Sequence


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def apart(names: Sequence[str]) -> list[str]:
    """Names that differ in more than capitals, as those of DuckDB do."""
    found: dict[str, str] = {}
    for name in names:
        own, count = name, 1
        while own.lower() in found:
            count += 1
            own = f"{name} ({count})"
        found[own.lower()] = own
    return list(found.values())
