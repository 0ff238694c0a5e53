"""A budget that replicas share: what holds with Redis, without it, and on the way from one to the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import anyio

from mcp_instantly.budgets.documented import ADDRESS
from mcp_instantly.budgets.windows import Windows
from mcp_instantly.log import get_logger

if TYPE_CHECKING:
    from mcp_instantly.budgets.shared_log import SharedLog

PROBE_SECONDS = 2.0
"""Between two attempts to reach Redis again."""

RETURN_SECONDS = 5.0
"""After Redis is back, for how long the local share holds too: by then the other replicas have come back as well."""


@dataclasses.dataclass
class Waits:
    """What became of requests that had to wait, since the start. Times are in seconds.

    `queued` wait at present; `refused` were told when to come back; `slowed` is how often a 429 has slowed a budget;
    `alone`: Redis is away, and this process keeps to its share.
    """

    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0
    queued: int = 0
    refused: int = 0
    slowed: int = 0
    alone: bool = False


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

    async def aclose(self) -> None:
        """Close the connection to Redis."""
        await self._log.aclose()

    async def count(self, lane: Sequence[Windows], counted: set[str]) -> bool:
        """Whether a call has room in all windows of a lane, in which it is then counted.

        `counted` names those in which it is already, and is added to.
        """
        # Whoever stops waiting must not leave half an answer in the connection.
        with anyio.CancelScope(shield=True):
            try:
                if self._waits.alone and not await self._has_come_back():
                    return True
                has_room = await self._take(lane, counted)
            except ConnectionError as error:
                self._go_alone(str(error))
                return False
        if self._alone_until is not None and self._clock() >= self._alone_until:
            self._alone_until = None
            self._share(1.0)
        return has_room

    async def _take(self, lane: Sequence[Windows], counted: set[str]) -> bool:
        for windows in lane:
            if windows.name in counted or windows.name == ADDRESS.name:
                continue
            wait = await self._log.take(windows.name, windows.limits)
            if wait > 0:
                windows.closed_until = max(windows.closed_until, self._clock() + wait)
                return False
            counted.add(windows.name)
        return True

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
            for windows in self._windows:
                await self._log.remember(windows.name, windows.limits, [now - at for at in windows.recent(now)])
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
