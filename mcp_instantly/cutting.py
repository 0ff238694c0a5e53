"""Cutting an answer that is too long, between its records where it has any, and never within its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import shorten

NOTE_ROOM = 320
"""Characters that the sentence about a cut may take."""

SHORTEST = 64
"""Texts are never cut below this many characters: ids, addresses and most cursors are shorter."""

CURSOR = "next_starting_after"

Path = tuple[str, ...]


def compact(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def cut(structured: dict[str, Any], room: int) -> tuple[dict[str, Any], str]:
    """A shorter object whose JSON has at most about `room` characters, and the sentence that says what is missing.

    Records are the entries of the longest list, or of the object with most entries where no list makes the length. A
    page that lost records loses its cursor too: the next page would begin behind records that nobody saw.
    """
    room -= NOTE_ROOM
    path, records = _records(structured)
    if records is None:
        found, said = _shorten_texts(structured, room), "The answer was too long; its longest texts are cut."
    else:
        found, said = _cut_records(structured, path, records, room)
    if len(compact(found)) <= room:
        return found, said
    # What was made or changed can be recognised at least.
    plain = {
        name: value for name, value in structured.items() if not isinstance(value, (dict, list)) and name != CURSOR
    }
    plain = {
        name: value for name, value in plain.items() if len(name) <= SHORTEST and len(compact(value)) <= SHORTEST + 2
    }
    if len(compact(plain)) > room:
        plain = {}
    return plain, f"The answer was too long to be shown ({len(compact(structured))} characters). Ask for less."


def _cut_records(structured: dict[str, Any], path: Path, records: Any, room: int) -> tuple[dict[str, Any], str]:
    paged = path == ("items",) and CURSOR in structured
    rest = {name: value for name, value in structured.items() if not (paged and name == CURSOR)}
    empty: Any = [] if isinstance(records, list) else {}
    room -= len(compact(_replaced(rest, path, empty)))
    count = _how_many_fit(records, room)
    where = ".".join(shorten(name, 40) for name in path[-2:])
    if count:
        kept = records[:count] if isinstance(records, list) else dict(list(records.items())[:count])
        said = f"The answer was too long: {count} of {len(records)} records in {where} are shown."
    else:
        kept = _shorten_texts(records[:1] if isinstance(records, list) else dict(list(records.items())[:1]), room)
        said = f"The answer was too long: 1 of {len(records)} records in {where} is shown, its texts cut."
    if paged:
        said += f" {CURSOR} is left out, so that none is skipped: ask again with limit {max(count, 1)}, then page on."
    else:
        said += " Ask for less: a narrower filter, a shorter range, fewer ids."
    return _replaced(rest, path, kept), said


def _records(structured: dict[str, Any]) -> tuple[Path, Any]:
    """The list or object whose entries are to be cut, and the names that lead to it; None when there is none."""
    parts = [(path, part, len(compact(part))) for path, part in _parts(structured, ()) if path and len(part) > 1]
    half = len(compact(structured)) / 2
    lists = [part for part in parts if isinstance(part[1], list) and part[2] > half]
    if lists:
        path, records, _ = max(lists, key=lambda part: part[2])
        return path, records
    large = [part for part in parts if part[2] > half]
    if large:
        path, records, _ = max(large, key=lambda part: len(part[1]))
        return path, records
    return (), None


def _parts(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Every list and object that is reached through objects only."""
    if isinstance(value, (list, dict)):
        yield path, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _parts(item, (*path, name))


def _replaced(value: dict[str, Any], path: Path, records: Any) -> dict[str, Any]:
    """A copy with other records at the end of the path."""
    name, *deeper = path
    return {**value, name: _replaced(value[name], tuple(deeper), records) if deeper else records}


def _how_many_fit(records: Any, room: int) -> int:
    entries = records if isinstance(records, list) else [{name: item} for name, item in records.items()]
    for count, entry in enumerate(entries):
        room -= len(compact(entry)) + 1
        if room < 0:
            return count
    return len(entries)


def _shorten_texts(value: Any, budget: int) -> Any:
    """The same value with its longest texts cut, so that its JSON has about `budget` characters."""
    allowed = max((len(text) for text in _texts(value)), default=0)
    while allowed > SHORTEST and len(compact(_limit_texts(value, allowed))) > budget:
        allowed = max(SHORTEST, allowed * 3 // 4)
    return _limit_texts(value, allowed)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _limit_texts(value: Any, allowed: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= allowed else f"{value[:allowed]}… [cut, {len(value)} characters]"
    if isinstance(value, dict):
        return {name: item if name == CURSOR else _limit_texts(item, allowed) for name, item in value.items()}
    if isinstance(value, list):
        return [_limit_texts(item, allowed) for item in value]
    return value
