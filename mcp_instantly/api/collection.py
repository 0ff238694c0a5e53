"""A list over several pages as one answer: every record once, and whether there are more."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_instantly.api.paging import (
    LARGEST_PAGE,
    NEXT_CURSOR,
    OLD_CURSOR,
    name_of_records,
    place_behind,
    records_of,
    say_how,
)
from mcp_instantly.api.request import Response
from mcp_instantly.errors import InstantlyError
from mcp_instantly.progress import Report
from mcp_instantly.tools.operation import CURSOR, Paging

MAX_ITEMS = "max_items"

RESERVED_SECONDS = 5.0
"""What must be left of the call's time for another page to be begun, or a quarter of that time where it is shorter."""

FULL = "The answer is full, and there are more"

Send = Callable[[dict[str, Any], float], Awaitable[Response]]
"""Asks for a page within some seconds."""

Size = Callable[[list[Any]], int]
"""Characters that records take as they are shown."""


@dataclasses.dataclass
class Collection:
    """Collects a list. `largest` is the most records of a page, `room` the characters that all may take together;
    `paging` is how pages follow each other where there is no cursor."""

    send: Send
    size: Size
    report: Report
    seconds_left: Callable[[], float]
    largest: int = LARGEST_PAGE
    room: float = math.inf
    paging: Paging = dataclasses.field(default_factory=Paging)

    def __post_init__(self) -> None:
        self._records: list[Any] = []
        self._ids: set[Any] = set()
        self._pages = 0
        self._reserved = min(RESERVED_SECONDS, self.seconds_left() / 4)

    async def collect(self, arguments: dict[str, Any], most: int) -> tuple[Response, str]:
        """An answer with up to `most` records, with the cursor behind them where there are more; and what to say of it.

        What ends it early once there are records, an error too, is said and not raised.
        """
        page_size = min(arguments.get("limit", self.largest), self.largest)
        place: dict[str, Any] = {}
        seen = {str(arguments.get(CURSOR))}
        reply, more = None, ""
        while True:
            limit = min(page_size, most - len(self._records))
            try:
                answer = await self._ask(arguments, place, limit)
                fitting = self._how_many_fit(records_of(answer.payload))
                if fitting < len(records_of(answer.payload)) and (fitting or self._records):
                    more = FULL
                    if not fitting:
                        break
                    limit = fitting
                    answer = await self._ask(arguments, place, limit)
            except InstantlyError as error:
                if reply is None:
                    raise
                more = f"It ended early, so there may be more ({error})"
                break
            reply = answer
            is_new = self._add(records_of(answer.payload))
            await self.report(len(self._records), most, f"{len(self._records)} records read")
            behind = place_behind(self.paging, {**arguments, **place, "limit": limit}, answer.payload, seen)
            if behind is None or (self.paging.by and not is_new):
                # Whoever asks for a page by a record and gets the same one again will get no other.
                more, place = more or ("There may be more" if behind else ""), {}
                break
            place = behind
            if not more and len(self._records) >= most:
                more = await self._say_what_follows(arguments, place)
                if not more:
                    place = {}
                break
            if not more and self.seconds_left() < self._reserved:
                more = "The time of the call is almost over, and there may be more"
            if more:
                break
        assert reply is not None
        return self._whole(reply, place), self._said(more, place)

    async def _ask(self, arguments: dict[str, Any], place: dict[str, Any], limit: int) -> Response:
        return await self.send({**arguments, "limit": limit, **place}, self.seconds_left())

    async def _say_what_follows(self, arguments: dict[str, Any], place: dict[str, Any]) -> str:
        """What to say of what follows, empty where nothing does: a cursor alone says it of some lists only."""
        try:
            answer = await self._ask(arguments, place, 1)
        except InstantlyError:
            return "There may be more"
        return "There are more" if records_of(answer.payload) else ""

    def _how_many_fit(self, page: list[Any]) -> int:
        """How many records of a page fit; of the first page at least one, which is shortened then."""
        if self.size(page) <= self.room:
            return len(page)
        left = self.room
        for count, record in enumerate(page):
            left -= self.size([record])
            if left < 0:
                return count if self._records else max(count, 1)
        return len(page)

    def _add(self, page: list[Any]) -> bool:
        """Add the records of a page that are not there yet; whether there were any."""
        before = len(self._records)
        if page:
            self._pages += 1
        for record in page:
            # What changes while it is read may move to a later page.
            known = self._key(record)
            if known is None or known not in self._ids:
                self._records.append(record)
                self._ids.add(known)
        self.room -= self.size(page)
        return len(self._records) > before

    def _key(self, record: Any) -> Any:
        """What is a record's alone; None where that is not known."""
        if not isinstance(record, dict):
            return None
        return record.get("id", record.get("email") if self.paging.by else None)

    def _whole(self, last: Response, place: dict[str, Any]) -> Response:
        payload = last.payload if isinstance(last.payload, dict) else {}
        rest = {name: value for name, value in payload.items() if name not in (NEXT_CURSOR, OLD_CURSOR)}
        whole = {**rest, name_of_records(payload): self._records}
        cursor = place.get(CURSOR)
        return dataclasses.replace(last, payload={**whole, NEXT_CURSOR: cursor} if cursor else whole)

    def _said(self, more: str, place: dict[str, Any]) -> str:
        count = f"{len(self._records)} records from {self._pages} {'page' if self._pages == 1 else 'pages'}"
        if not more:
            return f"{count}; there are no more behind them."
        how = f": pass {NEXT_CURSOR} as {CURSOR}" if CURSOR in place else f": {say_how(place)}" if place else ""
        return f"{count}. {more}{how}."
