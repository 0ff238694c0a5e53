"""Answers that are made of parts: what cannot be read is unknown, with why, and does not end the whole."""

from __future__ import annotations

from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE
from mcp_instantly.errors import CallError, InstantlyError
from mcp_instantly.text import name_some, shorten
from mcp_instantly.workflows import Context

Record = dict[str, Any]

RESERVED_SECONDS = 3.0
"""What must be left of the call's time for another part to be begun."""

MAX_REASON_CHARACTERS = 200

MAX_NAMED = 3
"""Examples that a sentence names."""


class Parts:
    """Reads the parts of an answer. `unknown` says, by part, what was not read, or not to its end, and why."""

    def __init__(self, context: Context):
        self._context = context
        self._first: InstantlyError | None = None
        self._worked = False
        self.unknown: dict[str, str] = {}

    async def call(self, part: str, name: str, /, **arguments: Any) -> Any:
        """The object or array that an operation answers; None where the part is unknown."""
        if not self._may_begin(part, name):
            return None
        try:
            found = await self._context.call(name, **arguments)
        except InstantlyError as error:
            self._fail(part, name, error)
            return None
        self._worked = True
        if not isinstance(found, (dict, list)):
            self.unknown[part] = f"{name} answered what is neither an object nor an array"
            return None
        return found

    async def records(self, part: str, name: str, /, *, most: int, **arguments: Any) -> list[Record] | None:
        """The records of a list, `most` of them; None where none could be read.

        A list that was not read to its end is in `unknown` too.
        """
        found: list[Record] = []
        if not self._may_begin(part, name):
            return None
        try:
            async for page in self._context.pages(name, **arguments):
                self._worked = True
                found += page
                cut = len(found) > most or (len(found) == most and len(page) >= LARGEST_PAGE)
                if cut or (page and self._context.seconds_left < RESERVED_SECONDS):
                    late = "" if cut else "; no time was left for those (--call-timeout)"
                    self.unknown[part] = f"{name}: the first {len(found[:most])} were read, and there may be more{late}"
                    break
        except InstantlyError as error:
            self._fail(part, name, error)
            if found:
                self.unknown[part] = f"only the first {len(found)} were read. {self.unknown[part]}"
        return found[:most] if found or part not in self.unknown else None

    def raise_if_nothing_was_read(self) -> None:
        """Where no call worked, the first error is the answer."""
        if self._first is not None and not self._worked:
            raise self._first

    def _may_begin(self, part: str, name: str) -> bool:
        if not self._context.may_call(name):
            self.unknown[part] = f"{name} is left out on this server, by its scopes or flags"
        elif self._context.seconds_left < RESERVED_SECONDS:
            self.unknown[part] = f"{name}: no time was left (--call-timeout)"
        else:
            return True
        return False

    def _fail(self, part: str, name: str, error: InstantlyError) -> None:
        if isinstance(error, CallError):
            # Arguments of ours that do not fit are a bug, or an id that does not.
            raise error
        self._first = self._first or error
        self.unknown[part] = f"{name}: {shorten(str(error), MAX_REASON_CHARACTERS)}"


def share(count: int, total: int) -> str:
    """A rate with its denominator: `4 of 120 (3.3%)`."""
    return f"{count} of {total} ({100 * count / total:.1f}%)" if total > 0 else f"{count} of {total}"


def some(names: list[str], characters: int = 60) -> str:
    """The first of these names, each shortened, and how many more there are."""
    return name_some(names, MAX_NAMED, characters)


def amount(count: int, noun: str) -> str:
    """`1 lead`, `2 leads`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
