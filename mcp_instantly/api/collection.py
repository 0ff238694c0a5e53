"""A list over several pages as one answer: every record once, and whether there are more."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, NEXT_CURSOR, OLD_CURSOR, cursor_behind, name_of_records, records_of
from mcp_instantly.api.request import Response
from mcp_instantly.errors import InstantlyError

MAX_ITEMS = "max_items"

RESERVED_SECONDS = 5.0
"""What must be left of the call's time for another page to be begun, or a quarter of that time where it is shorter."""

Send = Callable[[dict[str, Any], float], Awaitable[Response]]
"""Asks for a page within some seconds."""

Size = Callable[[list[Any]], int]
"""Characters that records take as they are shown."""

Report = Callable[[float, float | None, str | None], Awaitable[None]]


@dataclasses.dataclass
class Collection:
    """Collects a list. `largest` is the most records of a page, `room` the characters that all may take together."""

    send: Send
    size: Size
    report: Report
    seconds_left: Callable[[], float]
    largest: int = LARGEST_PAGE
    room: float = math.inf

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
        cursor = arguments.get("starting_after")
        seen = {str(cursor)}
        reply, more = None, ""
        while True:
            limit = min(page_size, most - len(self._records))
            try:
                answer = await self._ask(arguments, cursor, limit)
                fitting = self._how_many_fit(records_of(answer.payload))
                if fitting < len(records_of(answer.payload)) and (fitting or self._records):
                    more = "The answer is full, and there are more"
                    if not fitting:
                        break
                    answer = await self._ask(arguments, cursor, fitting)
            except InstantlyError as error:
                if reply is None:
                    raise
                more = f"It ended early, so there may be more ({error})"
                break
            reply = answer
            self._add(records_of(answer.payload))
            await self.report(len(self._records), most, f"{len(self._records)} records read")
            cursor = cursor_behind(answer.payload, seen)
            if cursor is None:
                more = ""
            elif not more and len(self._records) >= most:
                more = await self._peek(arguments, cursor)
                cursor = cursor if more else None
            elif not more and self.seconds_left() < self._reserved:
                more = "The time of the call is almost over, and there may be more"
            if cursor is None or more:
                break
        assert reply is not None
        return self._whole(reply, cursor), self._said(more)

    async def _ask(self, arguments: dict[str, Any], cursor: str | None, limit: int) -> Response:
        place = {} if cursor is None else {"starting_after": cursor}
        return await self.send({**arguments, "limit": limit, **place}, self.seconds_left())

    async def _peek(self, arguments: dict[str, Any], cursor: str) -> str:
        """Whether something follows; a cursor alone says it of some lists, and not of others."""
        try:
            answer = await self._ask(arguments, cursor, 1)
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

    def _add(self, page: list[Any]) -> None:
        self._pages += bool(page)
        for record in page:
            # What changes while it is read may move to a later page.
            known = record.get("id") if isinstance(record, dict) else None
            if known is None or known not in self._ids:
                self._records.append(record)
                self._ids.add(known)
        self.room -= self.size(page)

    def _whole(self, last: Response, cursor: str | None) -> Response:
        payload = last.payload if isinstance(last.payload, dict) else {}
        rest = {name: value for name, value in payload.items() if name not in (NEXT_CURSOR, OLD_CURSOR)}
        whole = {**rest, name_of_records(payload): self._records}
        return dataclasses.replace(last, payload={**whole, NEXT_CURSOR: cursor} if cursor else whole)

    def _said(self, more: str) -> str:
        count = f"{len(self._records)} records from {self._pages} {'page' if self._pages == 1 else 'pages'}"
        if not more:
            return f"{count}; there are no more behind them."
        return f"{count}. {more}: pass {NEXT_CURSOR} as starting_after."
