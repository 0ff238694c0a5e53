"""What a workspace may still ask of the API: every request is let through here first."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

import anyio

from mcp_instantly.budgets.documented import OF_THE_ADDRESS, OPERATIONS, WORKSPACE, Shared
from mcp_instantly.budgets.line import Line, Ticket, current_asker
from mcp_instantly.budgets.round_trip import RoundTrip
from mcp_instantly.budgets.shared_log import SharedLog
from mcp_instantly.budgets.sharing import Sharing, Turn, Waits
from mcp_instantly.budgets.windows import TICK_SECONDS, Slot, Windows
from mcp_instantly.errors import OverBudget, RateLimited
from mcp_instantly.log import get_logger
from mcp_instantly.progress import FIRST_SECONDS, say, waiting_for
from mcp_instantly.settings import PATIENCE_SECONDS

Rest = Callable[[float, anyio.Event], Awaitable[None]]
"""Waits for so many seconds, or less where the event is set."""


class Lane(NamedTuple):
    """What a tool draws from: the windows of its own budget, where it has one, and those of the workspace."""

    name: str
    windows: tuple[Windows, ...]

    def free(self, now: float) -> float:
        return max((windows.free(now) for windows in self.windows), default=now)


class Budget:
    """The budgets of one workspace: `claim` before each request, and tell the slot what became of it.

    Each request waits until all windows that count it have room, in the order of `Line`. `patience` is for how many
    seconds at most. With a `log`, the calls of all replicas are counted in Redis as well; while Redis is away this
    process keeps to one part in `replicas`, as it always does without a log. Read `left()` and `waits` at any time.

    `clock` is in seconds; `rest` waits.
    """

    def __init__(
        self,
        *,
        workspace: Shared | None = WORKSPACE,
        operations: Mapping[str, Shared] = OPERATIONS,
        address: Windows | None = None,
        patience: float = PATIENCE_SECONDS,
        replicas: int = 1,
        log: SharedLog | None = None,
        clock: Callable[[], float] = time.monotonic,
        rest: Rest | None = None,
    ):
        self.waits = Waits()
        self.patience = patience
        self._clock = clock
        self._rest = rest or _rest
        share = 1.0 if log is not None else 1.0 / replicas
        self._workspace = (Windows(workspace, share),) if workspace else ()
        named = {budget.name: Windows(budget, share) for budget in operations.values()} if workspace else {}
        self._own = named
        self._lanes = {"": Lane("", self._workspace)}
        for name, budget in operations.items() if workspace else ():
            also = (address,) if address is not None and name in OF_THE_ADDRESS else ()
            self._lanes[name] = Lane(name, (named[budget.name], *also, *self._workspace))
        shared = (*self._workspace, *named.values())
        self._sharing = None if log is None else Sharing(log, shared, replicas, self.waits, clock)
        self._line = Line()
        self._pump_works = False
        self._wake = anyio.Event()
        self._round_trip = RoundTrip()

    @classmethod
    def unlimited(cls) -> Budget:
        """A budget that lets everything through at once, for a server without limits."""
        return cls(workspace=None)

    # what the client asks

    def turn(self, tool: str, seconds: float) -> _Claim:
        """The turn of a request, a context: it is claimed, and ends with the block. A 429 that leaves it slows the
        budget."""
        return _Claim(self, tool, seconds)

    async def claim(self, tool: str, seconds: float) -> Slot:
        """Wait for the turn of a request of this tool. Raises OverBudget, within `seconds`, where it does not come."""
        lane = self._lanes.get(tool, self._lanes[""])
        asker = current_asker()
        asker.requests += 1
        if self._sharing is None and not self._line:
            now = self._clock()
            if lane.free(now) <= now:
                return self._take(lane)
        ticket = Ticket(asker.caller, asker.asks_for_much, lane.name)
        patience = min(seconds, self.patience if asker.patience is None else asker.patience)
        try:
            return await self._stand_in_line(ticket, lane, tool, patience)
        except BaseException:
            if ticket.slot is not None:
                ticket.slot.release()
            raise

    def answered(self, slot: Slot) -> None:
        """The head of the response is there: by when the API had counted the request."""
        now = self._clock()
        slot.write()
        assert slot.written is not None
        self._round_trip.measure(now, now - slot.written)
        for windows in self._workspace:
            windows.round_trip = self._round_trip.seconds
        slot.land(now)

    def refused(self, slot: Slot, retry_after: float | None) -> None:
        """The API has answered 429: others draw from the budget too. It slows down, and recovers by and by."""
        # The narrowest budget of a tool is its own, where it has one.
        windows = slot.windows[:1]
        for one in windows:
            if one.slow(self._clock(), retry_after):
                get_logger().warning("budget_slowed", budget=one.name, pace=round(one.pace(self._clock()), 3))

    # what others read

    def left(self) -> dict[str, float]:
        """How many calls may be sent now, by budget and the seconds of its window: `workspace/1s`, `list_emails/70s`.

        With a log in Redis it is what this process knows of: others may have used a part of it.
        """
        now = self._clock()
        return {
            f"{windows.name}/{seconds:g}s": float(calls)
            for windows in (*self._workspace, *self._own.values())
            for seconds, calls in windows.left(now).items()
        }

    def is_fresh(self) -> bool:
        """Whether a new one would be no other: nothing waits, and nothing counts any more."""
        now = self._clock()
        return not self.waits.queued and all(one.is_fresh(now) for one in (*self._workspace, *self._own.values()))

    async def aclose(self) -> None:
        """Close the connections to Redis, where there are any."""
        if self._sharing is not None:
            await self._sharing.aclose()

    # waiting

    async def _stand_in_line(self, ticket: Ticket, lane: Lane, tool: str, patience: float) -> Slot:
        began = self._clock()
        wait = self._estimate(ticket, lane)
        if wait > patience:
            raise self._refusal(tool, lane, wait)
        self._line.add(ticket)
        self._wake.set()
        self.waits.queued += 1
        try:
            with anyio.move_on_after(patience), waiting_for(lambda: self._said(began + wait)):
                if wait >= FIRST_SECONDS:
                    await say(f"{tool}: {self._said(began + wait)}")
                await self._until_let_through(ticket)
        finally:
            ticket.given_up = True
            self._line.remove(ticket)
            self._hand_on()
            self.waits.queued -= 1
            waited = self._clock() - began
            if waited > TICK_SECONDS:
                self.waits.count += 1
                self.waits.seconds += waited
        if ticket.slot is None:
            raise self._refusal(tool, lane, self._estimate(ticket, lane))
        return ticket.slot

    def _said(self, until: float) -> str:
        left = max(1.0, until - self._clock())
        return f"waiting for its turn within Instantly's rate limit, about {left:.0f} s"

    def _refusal(self, tool: str, lane: Lane, wait: float) -> OverBudget:
        whose = f"{tool} in this workspace" if len(lane.windows) > 1 else "the workspace"
        now = self._clock()
        closed = next((windows for windows in lane.windows if windows.refused_until > now), None)
        if closed is not None:
            whose = "the workspace" if closed in self._workspace else whose
            return OverBudget(f"Instantly has refused a call for {whose} with 429, and named a pause", wait)
        limits = lane.windows[0].limits
        said = " and ".join(f"{limit.calls:,} calls in {_spoken(limit.seconds)}" for limit in limits)
        return OverBudget(f"Instantly's rate limit for {whose} is {said}, and is used up for now", wait)

    def _estimate(self, ticket: Ticket, lane: Lane) -> float:
        """The seconds that a call will wait which is about to stand in line."""
        now = self._clock()
        ahead, in_lane = self._line.ahead(ticket)
        times = [windows.free(now, ahead) for windows in self._workspace]
        times += [windows.free(now, in_lane) for windows in lane.windows if windows not in self._workspace]
        return max(times, default=now) - now

    async def _until_let_through(self, ticket: Ticket) -> None:
        """One of those who wait lets the others through, and the next one does when its own turn has come."""
        while ticket.slot is None:
            if self._pump_works:
                await ticket.event.wait()
                if ticket.slot is None:
                    ticket.event = anyio.Event()
                continue
            self._pump_works = True
            try:
                await self._let_through(ticket)
            finally:
                self._pump_works = False
                self._hand_on()

    def _hand_on(self) -> None:
        """Have somebody else of those who wait let the others through, where nobody does."""
        following = None if self._pump_works else self._line.any()
        if following is not None:
            following.event.set()

    async def _let_through(self, until: Ticket) -> None:
        while True:
            self._wake = anyio.Event()
            await self._let_through_all(until)
            if until.slot is not None:
                return
            now = self._clock()
            opens = min((self._lanes[name].free(now) for name in self._line.lanes()), default=now)
            await self._rest(max(TICK_SECONDS / 5, opens - now), self._wake)

    async def _let_through_all(self, until: Ticket) -> None:
        """Let through whoever may go now, until it is the turn of none, or that of `until` has come."""
        while until.slot is None:
            now = self._clock()
            if any(windows.free(now) > now for windows in self._workspace):
                return
            ticket = self._line.next(self._is_open)
            if ticket is None:
                return
            lane = self._lanes[ticket.lane]
            turn = None
            if self._sharing is not None:
                turn = await self._sharing.count(lane.windows)
                if ticket.given_up:
                    if turn is not None:
                        turn.end(None)
                    continue
                if turn is None:
                    self._line.add(ticket, first=True)
                    continue
            ticket.slot = self._take(lane, turn)
            ticket.event.set()

    def _is_open(self, name: str) -> bool:
        now = self._clock()
        return self._lanes[name].free(now) <= now

    def _take(self, lane: Lane, turn: Turn | None = None) -> Slot:
        slot = Slot(lane.windows, self._clock(), self._clock, turn.end if turn is not None else None)
        for windows in lane.windows:
            windows.take(slot)
        return slot


class _Claim:
    """As `contextlib` would make it of a function, which takes longer than all that is to be done here."""

    _slot: Slot

    def __init__(self, budget: Budget, tool: str, seconds: float):
        self._budget = budget
        self._tool = tool
        self._seconds = seconds

    async def __aenter__(self) -> Slot:
        self._slot = await self._budget.claim(self._tool, self._seconds)
        return self._slot

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, RateLimited):
            self._budget.refused(self._slot, error.retry_after)
        self._slot.end()


async def _rest(seconds: float, wake: anyio.Event) -> None:
    with anyio.move_on_after(seconds):
        await wake.wait()


def _spoken(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600)):
        if seconds > length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"
