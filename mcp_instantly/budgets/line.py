"""Who is next: calls that wait, so that nobody who asks for little waits for one who asks for much."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

import anyio

from mcp_instantly.budgets.windows import Slot

Counted = TypeVar("Counted", bound=Hashable)

INTERACTIVE_CALLS = 20
"""Requests of one call of a tool that go before bulk; what asks for more is bulk from then on."""

BULK_TURN = 10
"""Of the calls that are let through while both wait, one in so many is bulk."""


@dataclasses.dataclass
class Asker:
    """For whom requests are sent: a session, the holder of a token, a job.

    `bulk` goes after all that is not. `patience` is for how many seconds a request may wait, None for the server's.
    """

    caller: str
    bulk: bool = False
    patience: float | None = None
    requests: int = 0

    @property
    def asks_for_much(self) -> bool:
        return self.bulk or self.requests > INTERACTIVE_CALLS


_asker: contextvars.ContextVar[Asker | None] = contextvars.ContextVar("asker", default=None)


@contextlib.contextmanager
def asking(caller: str, *, bulk: bool = False, patience: float | None = None) -> Iterator[None]:
    """Requests inside are sent for `caller`. Once for each call of a tool, and around a job that has many requests."""
    before = _asker.set(Asker(caller, bulk, patience))
    try:
        yield
    finally:
        _asker.reset(before)


def current_asker() -> Asker:
    """For whom a request is sent now; one without a name where nobody said so."""
    return _asker.get() or Asker("")


class Ticket:
    """A call that waits in a lane. `slot` is there once it is let through.

    `given_up`: nobody waits for it any more.
    """

    def __init__(self, caller: str, bulk: bool, lane: str):
        self.caller = caller
        self.bulk = bulk
        self.lane = lane
        self.slot: Slot | None = None
        self.given_up = False
        self.event = anyio.Event()


_Lanes = dict[str, "OrderedDict[Ticket, None]"]


class Line:
    """Calls that wait: in the order of each caller, callers in turn, and bulk after all others but for each tenth call.

    A call waits in a lane; one in a lane that is closed stands in nobody's way.
    """

    def __init__(self) -> None:
        self._callers: tuple[OrderedDict[str, _Lanes], ...] = (OrderedDict(), OrderedDict())
        self._in_lane: Counter[str] = Counter()
        self._of_caller: Counter[tuple[bool, str]] = Counter()
        self._in_class = [0, 0]
        self._since_bulk = 0

    def __len__(self) -> int:
        return sum(self._in_class)

    def lanes(self) -> list[str]:
        """The lanes in which calls wait."""
        return list(self._in_lane)

    def add(self, ticket: Ticket, *, first: bool = False) -> None:
        """Have a call wait; `first`: it was next already, and stays so."""
        callers = self._callers[ticket.bulk]
        tickets = callers.setdefault(ticket.caller, {}).setdefault(ticket.lane, OrderedDict())
        tickets[ticket] = None
        if first:
            tickets.move_to_end(ticket, last=False)
            callers.move_to_end(ticket.caller, last=False)
        self._in_lane[ticket.lane] += 1
        self._of_caller[ticket.bulk, ticket.caller] += 1
        self._in_class[ticket.bulk] += 1

    def remove(self, ticket: Ticket) -> None:
        """Have a call wait no longer, if it does."""
        callers = self._callers[ticket.bulk]
        lanes = callers.get(ticket.caller, {})
        tickets = lanes.get(ticket.lane)
        if tickets is None or ticket not in tickets:
            return
        del tickets[ticket]
        if not tickets:
            del lanes[ticket.lane]
        if not lanes:
            del callers[ticket.caller]
        self._in_class[ticket.bulk] -= 1
        _count_one_less(self._in_lane, ticket.lane)
        _count_one_less(self._of_caller, (ticket.bulk, ticket.caller))

    def next(self, is_open: Callable[[str], bool]) -> Ticket | None:
        """The call whose turn it is, which waits no longer; None where all wait in lanes that are closed."""
        for bulk in (True, False) if self._since_bulk >= BULK_TURN - 1 else (False, True):
            ticket = self._first(self._callers[bulk], is_open)
            if ticket is not None:
                self._since_bulk = 0 if bulk else self._since_bulk + 1
                self._callers[bulk].move_to_end(ticket.caller)
                self.remove(ticket)
                return ticket
        return None

    def _first(self, callers: OrderedDict[str, _Lanes], is_open: Callable[[str], bool]) -> Ticket | None:
        for lanes in callers.values():
            for lane, tickets in lanes.items():
                if is_open(lane):
                    return next(iter(tickets))
        return None

    def any(self) -> Ticket | None:
        """One of the calls that wait, whichever."""
        for callers in self._callers:
            for lanes in callers.values():
                for tickets in lanes.values():
                    return next(iter(tickets))
        return None

    def ahead(self, ticket: Ticket) -> tuple[int, int]:
        """How many calls go before one that is not there yet, about: of all, and of those in its lane."""
        own = self._of_caller[ticket.bulk, ticket.caller]
        others = len(self._callers[ticket.bulk])
        fair = min(self._in_class[ticket.bulk], (own + 1) * others)
        before = fair + (self._in_class[0] if ticket.bulk else min(self._in_class[1], fair // BULK_TURN))
        return before, self._in_lane[ticket.lane] if ticket.lane else 0


def _count_one_less(counter: Counter[Counted], one: Counted) -> None:
    counter[one] -= 1
    if not counter[one]:
        del counter[one]
