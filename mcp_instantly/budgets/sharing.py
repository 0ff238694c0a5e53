"""A budget that replicas share: what holds with Redis, without it, and on the way from one to the other."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Sequence

import anyio

from mcp_instantly.budgets.documented import ADDRESS
from mcp_instantly.budgets.shared_log import HELD_SECONDS, Event, SharedLog
from mcp_instantly.budgets.windows import Windows
from mcp_instantly.log import get_logger

PROBE_SECONDS = 2.0
"""Between two attempts to reach Redis again."""

RETURN_SECONDS = 5.0
"""After Redis is back, for how long the local share holds too: by then the other replicas have come back as well."""


@dataclasses.dataclass
class Waits:
    """What became of requests that had to wait, since the start. Times are in seconds.

    `queued` wait at present; `alone`: Redis is away, and this process keeps to its share.
    """

    count: int = 0
    seconds: float = 0.0
    queued: int = 0
    alone: bool = False


class Turn:
    """A call that all replicas count; `end` tells when the API has counted it at the latest, or None: never."""

    def __init__(self, budgets: Sequence[Windows]):
        self.call = uuid.uuid4().hex
        self.budgets = budgets
        self.heard_at = 0.0
        self.is_over = False
        self._counted: float | None = None

    def end(self, counted: float | None) -> None:
        """Take note of it; Redis hears of it with the next call."""
        self.is_over, self._counted = True, counted

    def events(self, now: float) -> list[Event]:
        """What Redis should know of it. As long as it is under way it may be counted yet, from now on."""
        age = -HELD_SECONDS if not self.is_over else None if self._counted is None else max(0.0, now - self._counted)
        return [Event(budget, self.call, age) for budget in self.budgets]


class Sharing:
    """Counts calls among those of all replicas, in a log in Redis, or keeps to one part in `replicas` without it.

    `windows` are the budgets of this process that are shared; what is waited for is told to them.
    """

    def __init__(
        self, log: SharedLog, windows: Sequence[Windows], replicas: int, waits: Waits, clock: Callable[[], float]
    ):
        self._log = log
        self._windows = windows
        self._replicas = replicas
        self._waits = waits
        self._clock = clock
        self._probe_at = 0.0
        self._alone_until: float | None = None
        self._turns: list[Turn] = []
        """Those of which Redis does not know yet how they ended."""

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        await self._log.aclose()

    async def count(self, lane: Sequence[Windows]) -> Turn | None:
        """Count a call in all windows of a lane, where each has room, in Redis or without it."""
        # Whoever stops waiting must not leave half an answer in the connection.
        with anyio.CancelScope(shield=True):
            try:
                if self._waits.alone and not await self._has_come_back():
                    return Turn(())
                turn = await self._take([windows for windows in lane if windows.name != ADDRESS.name])
            except ConnectionError as error:
                self._go_alone(str(error))
                return None
        if self._alone_until is not None and self._clock() >= self._alone_until:
            self._alone_until = None
            self._share(1.0)
        return turn

    async def _take(self, lane: Sequence[Windows]) -> Turn | None:
        now = self._clock()
        told = [turn for turn in self._turns if turn.is_over or now - turn.heard_at > HELD_SECONDS / 2]
        over = {turn for turn in told if turn.is_over}
        turn = Turn(lane)
        refused = await self._log.take(lane, turn.call, [event for one in told for event in one.events(now)])
        for one in told:
            one.heard_at = now
        self._turns = [one for one in self._turns if one not in over]
        if refused:
            place, wait = refused
            lane[place].closed_until = max(lane[place].closed_until, self._clock() + wait)
            return None
        turn.heard_at = now
        self._turns.append(turn)
        return turn

    def _go_alone(self, reason: str) -> None:
        now = self._clock()
        self._probe_at = now + PROBE_SECONDS
        if self._waits.alone:
            return
        self._waits.alone = True
        self._alone_until = None
        self._share(1.0 / self._replicas)
        for windows in self._windows:
            windows.assume_spent(now)
        advice = "the rate limits are kept by this process alone, with its share of them, until Redis is back"
        get_logger().warning("budget_alone", reason=reason, replicas=self._replicas, advice=advice)

    async def _has_come_back(self) -> bool:
        """Whether Redis is there again, which then knows of the calls that this process has made without it."""
        now = self._clock()
        if now < self._probe_at:
            return False
        try:
            await self._log.tell(
                [Event(one, uuid.uuid4().hex, now - at, new=True) for one in self._windows for at in one.recent(now)]
            )
        except ConnectionError:
            self._probe_at = self._clock() + PROBE_SECONDS
            return False
        self._waits.alone = False
        self._alone_until = self._clock() + RETURN_SECONDS
        get_logger().info("budget_shared_again")
        return True

    def _share(self, share: float) -> None:
        for windows in self._windows:
            windows.share = share
