"""Values to choose from while a person fills in a prompt: names of campaigns and lists, addresses of senders."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import anyio

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.caller import Caller
from mcp_instantly.errors import InstantlyError

FRESH_SECONDS = 60.0
"""How long what was read is used again: a person types a few letters a second."""

FAILED_SECONDS = 5.0
"""How long nothing is asked again after a read that failed: whoever types does not ask a server that is in trouble with
each letter, and gets what there is soon after."""

READ_SECONDS = 5.0
"""How long a read may take: nobody waits longer for suggestions."""

MAX_KEPT = 64
"""Answers that are kept, of one page each."""

MAX_VALUES = 100
"""Suggestions that the protocol allows in one answer."""


class Source(NamedTuple):
    """A list of the API: its tool, and the fields that name a record and identify it."""

    tool: str
    name: str
    id: str


SOURCES = {
    "campaigns": Source("list_campaigns", "name", "id"),
    "lists": Source("list_lead_lists", "name", "id"),
    "senders": Source("list_accounts", "email", "email"),
}


class Found(NamedTuple):
    """Suggestions, and whether there are more."""

    values: list[str]
    more: bool


class _Page(NamedTuple):
    """What a read gave, until the time at which it is read again."""

    records: list[tuple[str, str]]
    more: bool
    until: float


@dataclasses.dataclass
class _Kept:
    """Of one caller."""

    pages: dict[tuple[str, str, str | None], _Page] = dataclasses.field(default_factory=dict)
    reading: anyio.Lock = dataclasses.field(default_factory=anyio.Lock)


def matching(typed: str, values: list[str]) -> list[str]:
    """Values that hold what was typed; those that begin with it come first."""
    wanted = typed.strip().lower()
    found = [value for value in values if wanted in value.lower()]
    return sorted(found, key=lambda value: not value.lower().startswith(wanted))


class Completer:
    """Reads one page for each question at most, and keeps it for a minute, for its caller alone.

    It never fails: then there are no values.
    """

    def __init__(self, invoker: Caller, clock: Callable[[], float] = time.monotonic):
        self._invoker = invoker
        self._clock = clock

    async def complete(self, kind: str, typed: str, *, workspace: str | None = None, **context: Any) -> Found:
        """Names and ids of a kind that go on from what was typed, read with one or two requests or none.

        `workspace` is the one of several that is asked. Everything is on the first page of a small one; in a larger one
        the API searches.
        """
        source = SOURCES[kind]
        if source.tool not in self._invoker.selection.tools:
            return Found([], False)
        kept: _Kept = self._invoker.kept.setdefault("completions", _Kept())
        # One at a time: what the first of several questions reads is there for the others.
        async with kept.reading:
            page = await self._page(kept.pages, source, "", workspace, context)
            records, more = page.records, page.more
            if more and typed.strip():
                searched = await self._page(kept.pages, source, typed.strip(), workspace, context)
                records, more = list(dict.fromkeys([*searched.records, *records])), searched.more
        found = _suggestions(typed, records)
        return Found(found[:MAX_VALUES], more or len(found) > MAX_VALUES)

    async def _page(
        self,
        pages: dict[tuple[str, str, str | None], _Page],
        source: Source,
        search: str,
        workspace: str | None,
        context: dict[str, Any],
    ) -> _Page:
        key = (source.tool, search, workspace)
        page = pages.pop(key, None)
        if page is None or self._clock() > page.until:
            page = await self._read(source, search, workspace, context)
        pages[key] = page
        if len(pages) > MAX_KEPT:
            del pages[next(iter(pages))]
        return page

    async def _read(self, source: Source, search: str, workspace: str | None, context: dict[str, Any]) -> _Page:
        given = {"search": search or None, "workspace": workspace}
        arguments = {"limit": LARGEST_PAGE, **{name: value for name, value in given.items() if value is not None}}
        try:
            payload = await self._invoker.read(source.tool, arguments, READ_SECONDS, purpose="completion", **context)
        except InstantlyError:
            return _Page([], False, self._clock() + FAILED_SECONDS)
        records = [
            (str(record[source.name]), str(record[source.id]))
            for record in records_of(payload)
            if isinstance(record, dict) and record.get(source.name) and record.get(source.id)
        ]
        more = len(records) >= LARGEST_PAGE and cursor_behind(payload, set()) is not None
        return _Page(records, more, self._clock() + FRESH_SECONDS)


def _suggestions(typed: str, records: list[tuple[str, str]]) -> list[str]:
    """Names, with the id where several have the same; ids where what was typed begins one."""
    names = [name for name, _ in records]
    shown = [name if names.count(name) == 1 else f"{name} ({identity})" for name, identity in records]
    wanted = typed.strip().lower()
    ids = [identity for name, identity in records if wanted and identity != name and identity.startswith(wanted)]
    return [*matching(typed, shown), *ids]
