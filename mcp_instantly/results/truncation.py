"""Truncation: an answer that is too long made shorter, so that nothing partial can be taken for the whole.

Texts that are cut carry a mark, and arguments that carry it are refused. Fields that another tool of the same toolset
writes are never cut or thinned: they stay as they are, or are left out whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mcp_instantly.api.paging import NEXT_CURSOR, OLD_CURSOR, RECORDS, name_of_records
from mcp_instantly.results.protection import MARK, Writable
from mcp_instantly.text import compact, name_some, shorten

NOTE_CHARACTERS = 640
"""Characters that the sentences about what is missing may take."""

MIN_TEXT_CHARACTERS = 64
"""Texts are never cut below this many characters: ids, addresses and most cursors are shorter."""

TEXTS_ARE_CUT = "The longest texts are cut and marked so; a text that bears the mark is never taken back."

MAX_NAMED_FIELDS = 3
"""Fields that are left out and named; of more only their number is told."""

Path = tuple[str, ...]


# Pages


def count_fitting(structured: dict[str, Any], room: int) -> int | None:
    """How many records a page should be asked for so that its JSON has at most about `room` characters, at least 1.

    None when fewer records would not help: there are no two of them, or the rest is too long already.
    """
    name = name_of_records(structured)
    items = structured.get(name)
    if not isinstance(items, list) or len(items) < 2:
        return None
    left = room - NOTE_CHARACTERS - len(compact({**structured, name: []}))
    return min(max(_how_many_fit(items, left), 1), len(items) - 1) if left > 0 else None


# Shortening


def truncate(
    structured: dict[str, Any], room: int, kept: Writable, *, paged: bool = False
) -> tuple[dict[str, Any], str]:
    """A shorter object whose JSON has at most about `room` characters, and the sentences that say what is missing.

    In this order, until it fits: fields that are written elsewhere are left out whole; records are left out, behind
    those that fit; texts are cut. With `paged`, the object is a page that can be asked for with a `limit`: where it
    loses records it loses its cursor too, since the next page would begin behind records that nobody saw.
    """
    whole = len(compact(structured))
    shortening = _Shortening(kept.fields, paged)
    found = shortening.shorten(structured, room - NOTE_CHARACTERS)
    said = ["The answer was too long."]
    if shortening.left_out:
        items = structured.get(name_of_records(structured))
        several = isinstance(items, list) and len(items) > 1
        said.append(_say_left_out(shortening.left_out, kept.reader if several else None, whole))
    said += shortening.said
    if len(compact(found)) > room - NOTE_CHARACTERS:
        found, said = {}, [f"The answer was too long to be shown ({whole} characters). Ask for less."]
    return found, " ".join(said)


def _say_left_out(left_out: dict[str, int], reader: str | None, whole: int) -> str:
    names = name_some(list(left_out), MAX_NAMED_FIELDS, 40)
    are = "are" if len(left_out) > 1 else "is"
    asked = f"{reader} for one record, or a" if reader else "A"
    enough = math.ceil(whole / 10_000) * 10_000 + 10_000
    return (
        f"{names} {are} left out ({sum(left_out.values())} characters), not empty: do not write over what you "
        f"have not seen. {asked} server started with --result-limit {enough} shows "
        f"{'them' if are == 'are' else 'it'} whole."
    )


class _Shortening:
    """Makes one answer shorter and notes in `left_out` (characters by field) and `said` what is missing."""

    def __init__(self, written: frozenset[str], paged: bool):
        self._written = written
        self._paged = paged
        self.left_out: dict[str, int] = {}
        self.said: list[str] = []

    def _say(self, sentence: str) -> None:
        if sentence not in self.said:
            self.said.append(sentence)

    def shorten(self, value: dict[str, Any], room: int) -> dict[str, Any]:
        value = self._leave_out(value, room)
        if len(compact(value)) > room:
            value = self._thin(value, room)
        if len(compact(value)) > room:
            value = self._cut_texts(value, room)
        if len(compact(value)) > room:
            value = self._thin(value, room, anything=True)
        return value if len(compact(value)) <= room else self._outline(value, room)

    # fields that are written elsewhere

    def _leave_out(self, value: dict[str, Any], room: int) -> dict[str, Any]:
        """Without the largest written fields, so many that the others fit or take half the room."""
        sizes: dict[str, int] = {}
        for name, item in self._written_in(value):
            size = len(compact(item))
            if size > MIN_TEXT_CHARACTERS + 2:
                sizes[name] = sizes.get(name, 0) + size
        left = sum(sizes.values())
        allowed = max(room - (len(compact(value)) - left), room // 2)
        for name in sorted(sizes, key=lambda one: -sizes[one]):
            if left <= allowed:
                break
            left -= sizes[name]
            self.left_out[name] = sizes[name]
        return self._without(value) if self.left_out else value

    def _without(self, value: Any, *, top: bool = True) -> Any:
        """The same value without the fields that are left out; what is written elsewhere is not looked into."""
        if isinstance(value, list):
            return [self._without(item, top=False) for item in value]
        if not isinstance(value, dict):
            return value
        found = {}
        for name, item in value.items():
            if not self._is_written(name, top):
                found[name] = self._without(item, top=False)
            elif name not in self.left_out:
                found[name] = item
        return found

    def _is_written(self, name: str, top: bool) -> bool:
        # At the top, items are the records of a list, whatever a tool calls its arguments.
        return name in self._written and not (top and name in RECORDS)

    def _written_in(self, value: Any, *, top: bool = True) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            for name, item in value.items():
                if self._is_written(name, top):
                    yield name, item
                else:
                    yield from self._written_in(item, top=False)
        elif isinstance(value, list):
            for item in value:
                yield from self._written_in(item, top=False)

    # records

    def _thin(self, value: dict[str, Any], room: int, *, anything: bool = False) -> dict[str, Any]:
        """With fewer entries of the list, or else of the object of objects, that makes most of the length.

        With `anything`, of any object. Unchanged where nothing has two entries and half the length.
        """
        path, records = self._records(value, anything)
        if not path:
            return value
        many = isinstance(records, list)
        room -= len(compact(_replaced(value, path, [] if many else {})))
        if many and len(records) == 1:
            (record,) = records
            return _replaced(value, path, [self.shorten(record, room)]) if isinstance(record, dict) else value
        count = _how_many_fit(records, room)
        kept = records[: count or 1] if many else dict(list(records.items())[: count or 1])
        where = ".".join(shorten(name, 40) for name in path[-2:])
        entries, are = "records" if many else "entries", "is" if count < 2 else "are"
        told = f"{count or 1} of {len(records)} {entries} in {where} {are} shown"
        if count == 0 and many and isinstance(kept[0], dict):
            kept = [self.shorten(kept[0], room)]
        elif count == 0:
            kept = self._limited(kept, room)
        found = _replaced(value, path, kept)
        if self._paged and path in {(name,) for name in RECORDS}:
            found.pop(OLD_CURSOR, None)
            if found.pop(NEXT_CURSOR, None) is not None:
                told += f", and {NEXT_CURSOR} is left out so that none is skipped"
            told += f": ask again with limit {max(count, 1)}, then page on."
        else:
            told += ". Ask for less: a narrower filter, a shorter range, fewer ids."
        self._say(told)
        return found

    def _records(self, value: dict[str, Any], anything: bool) -> tuple[Path, Any]:
        half = len(compact(value)) / 2
        parts = [
            (path, part, size)
            for path, part in self._parts(value, ())
            if path and part and (size := len(compact(part))) > half
        ]
        lists = [part for part in parts if isinstance(part[1], list)]
        maps = [part for part in parts if isinstance(part[1], dict) and len(part[1]) > 1]
        if not anything:
            maps = [part for part in maps if all(isinstance(item, (dict, list)) for item in part[1].values())]
        if lists:
            path, records, _ = max(lists, key=lambda part: part[2])
        elif maps:
            path, records, _ = max(maps, key=lambda part: len(part[1]))
        else:
            return (), None
        return path, records

    def _parts(self, value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
        """Every list and object that is reached through objects only, but for what is written elsewhere."""
        if isinstance(value, (list, dict)):
            yield path, value
        if isinstance(value, dict):
            for name, item in value.items():
                if not self._is_written(name, top=not path):
                    yield from self._parts(item, (*path, name))

    # texts

    def _cut_texts(self, value: dict[str, Any], room: int) -> dict[str, Any]:
        found: dict[str, Any] = self._limited(value, room)
        if found != value:
            self._say(TEXTS_ARE_CUT)
        return found

    def _limited(self, value: Any, room: int) -> Any:
        """The same value with its longest texts cut, so that its JSON has about `room` characters."""
        allowed = max((len(text) for text in self._texts(value)), default=0)
        found = value
        while allowed > MIN_TEXT_CHARACTERS and len(compact(found)) > room:
            allowed = max(MIN_TEXT_CHARACTERS, allowed * 3 // 4)
            found = self._limit_texts(value, allowed)
        return found

    def _texts(self, value: Any) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for name, item in value.items():
                if name != NEXT_CURSOR and name not in self._written:
                    yield from self._texts(item)
        elif isinstance(value, list):
            for item in value:
                yield from self._texts(item)

    def _limit_texts(self, value: Any, allowed: int) -> Any:
        if isinstance(value, str):
            return value if len(value) <= allowed else f"{value[:allowed]}… {MARK}: {len(value)} characters in all]"
        if isinstance(value, dict):
            return {
                name: item if name == NEXT_CURSOR or name in self._written else self._limit_texts(item, allowed)
                for name, item in value.items()
            }
        return [self._limit_texts(item, allowed) for item in value] if isinstance(value, list) else value

    # the last resort

    def _outline(self, value: dict[str, Any], room: int) -> dict[str, Any]:
        """Its short fields, by which what was made or changed can be recognised."""
        found: dict[str, Any] = {}
        for name, item in value.items():
            short = not isinstance(item, (dict, list)) and max(len(name), len(compact(item)) - 2) <= MIN_TEXT_CHARACTERS
            if short and len(compact({**found, name: item})) <= room:
                found[name] = item
        self.said = [sentence for sentence in self.said if sentence != TEXTS_ARE_CUT]
        self._say("Only short fields are shown. Ask for less, or have the server started with a larger --result-limit.")
        return found


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
