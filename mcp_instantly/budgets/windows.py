"""One budget as this process sees it: the calls of the last seconds, each at the instant when the API counts it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable

from mcp_instantly.budgets.documented import Shared

LANDING_SECONDS = 1.0
"""After a request was written, when the API has counted it at the latest, as far as is assumed."""

GUARD_SECONDS = 0.005
"""By which each window is wider than its limit says."""

TICK_SECONDS = 0.005
"""After which it is looked again whether a call under way has been counted."""

LEAST_PACE = 0.05
"""What a budget is never slowed below, as a share of it."""

MAX_CLOSED_SECONDS = 3600.0
"""After which it is tried again at the latest, where the API names a pause that no limit explains: such a number is in
another unit, or a date."""

RECOVERY_SECONDS = 60.0
RECOVERY_WINDOWS = 5
"""How long a budget takes from nothing to the whole: the longer of the two, the second in windows of its own."""


class Slot:
    """A call that may be sent, in all the windows that count it.

    `tell` is told once by when the API has counted it, or None where it was not sent.
    """

    def __init__(
        self,
        windows: tuple[Windows, ...],
        taken: float,
        clock: Callable[[], float],
        tell: Callable[[float | None], None] | None = None,
    ):
        self.windows = windows
        self.taken = taken
        self.written: float | None = None
        self._clock = clock
        self._tell = tell

    def write(self) -> None:
        """Take note that the request goes out now."""
        if self.written is None:
            self.written = self._clock()

    def land(self, counted: float) -> None:
        """The API has counted it by `counted`. Only the first of this, `release` and `end` has an effect."""
        assert self.written is not None
        at = max(self.written, min(counted, self.written + LANDING_SECONDS))
        for windows in self.windows:
            windows.land(self, at)
        self._tell_once(at)

    def release(self) -> None:
        """It was not sent."""
        for windows in self.windows:
            windows.release(self)
        self._tell_once(None)

    def end(self) -> None:
        """It has ended somehow: what was written counts."""
        if self.written is None:
            self.release()
        else:
            self.land(self._clock())

    def _tell_once(self, counted: float | None) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(counted)


class Windows:
    """The windows of one budget, which slide. Times are in seconds of one clock, which the caller reads.

    A call counts from when it is let through, as if it were counted for ever; then it is known that it has been
    counted, and when at the latest, and from then on it leaves the windows one after the other. So however long a
    request is under way, no window of the API ever sees more than its limit. `share` is the part of the budget that is
    for this process. A 429 that comes anyway slows the budget to half, from where it recovers by itself; until
    `refused_until`, nothing is let through after one that named a pause.

    `round_trip` is by how many seconds a call is known to have been counted before what was said, less the time that a
    new one takes to be counted.
    """

    def __init__(self, budget: Shared, share: float = 1.0):
        self.name = budget.name
        self.limits = budget.limits
        self.share = share
        self.round_trip = 0.0
        self.closed_until = self.refused_until = -math.inf
        self._landed: list[float] = []
        self._flying: dict[Slot, None] = {}
        self._longest = max(limit.seconds for limit in self.limits) + GUARD_SECONDS
        self._shortest = min(limit.seconds for limit in self.limits)
        self._shut_out_seconds = budget.shut_out_seconds
        self._pace = 1.0
        self._slowed_at = -math.inf

    def take(self, slot: Slot) -> None:
        """Count a call that is let through."""
        self._flying[slot] = None

    def land(self, slot: Slot, at: float) -> None:
        """A call under way was counted by the API at `at`, or before."""
        if slot in self._flying:
            del self._flying[slot]
            bisect.insort(self._landed, at)

    def release(self, slot: Slot) -> None:
        """A call that was let through was not sent."""
        self._flying.pop(slot, None)

    def assume_spent(self, now: float) -> None:
        """Others may have spent all of it up to now: let this process in as if their calls had been even.

        What is shorter than a few seconds is waited for.
        """
        self.closed_until = max(self.closed_until, now + min(self._shortest, 1.0) + GUARD_SECONDS)
        for limit in self.limits:
            calls = self.allowed(limit.calls, now)
            missing = calls - self._used(limit.seconds, now)
            if limit.seconds > 1.0 and missing > 0:
                step = limit.seconds / missing
                for place in range(missing):
                    bisect.insort(self._landed, now - place * step)

    def free(self, now: float, ahead: int = 0) -> float:
        """When one more call may be let through, as far as is known, after `ahead` others; not after `now` if at once.

        It may turn out later, when calls that are under way have been counted.
        """
        self._settle(now)
        at = max(now, self.closed_until)
        known = len(self._landed) + len(self._flying)
        for limit in self.limits:
            calls = self.allowed(limit.calls, now)
            place = known + ahead - calls
            if place < 0:
                continue
            rounds = 1 + ahead // calls
            place -= (rounds - 1) * calls
            leaves = (limit.seconds + GUARD_SECONDS) * rounds
            if 0 <= place < len(self._landed):
                at = max(at, self._landed[place] - self.round_trip + leaves)
            else:
                at = max(at, now + TICK_SECONDS, now + leaves - limit.seconds)
        return at

    def left(self, now: float) -> dict[float, int]:
        """How many calls may be let through now, by the seconds of each limit."""
        self._settle(now)
        return {
            limit.seconds: max(0, self.allowed(limit.calls, now) - self._used(limit.seconds, now))
            for limit in self.limits
        }

    def slow(self, now: float, retry_after: float | None) -> bool:
        """The API has refused a call for this budget: whether that is news, and not one more of the same burst.

        A pause that it names is kept, as far as a limit explains it: when its window is over, so is the reason.
        """
        if retry_after is not None:
            if retry_after > self._shut_out_seconds:
                retry_after = min(retry_after, self.limits[-1].seconds, MAX_CLOSED_SECONDS)
            self.refused_until = max(self.refused_until, now + retry_after)
            self.closed_until = max(self.closed_until, self.refused_until)
        if now - self._slowed_at < max(1.0, self._shortest):
            return False
        self._pace = max(LEAST_PACE, self.pace(now) / 2)
        self._slowed_at = now
        return True

    def pace(self, now: float) -> float:
        """The part of the budget that is used at present: 1 unless the API has refused calls lately."""
        if self._pace == 1.0:
            return 1.0
        whole = max(RECOVERY_SECONDS, RECOVERY_WINDOWS * self._shortest)
        return min(1.0, self._pace + (now - self._slowed_at) / whole)

    def allowed(self, calls: int, now: float) -> int:
        """What is left of a limit of `calls` for this process, at the present pace; at least one."""
        return max(1, int(calls * self.share * self.pace(now)))

    def recent(self, now: float) -> list[float]:
        """When the calls were counted that still lie in a window."""
        self._settle(now)
        return [*self._landed, *[now] * len(self._flying)]

    def is_fresh(self, now: float) -> bool:
        """Whether it is as if nothing had ever been counted."""
        return not self.recent(now) and self.pace(now) == 1.0 and self.closed_until <= now

    def _used(self, seconds: float, now: float) -> int:
        inside = len(self._landed) - bisect.bisect_right(self._landed, now - seconds - GUARD_SECONDS + self.round_trip)
        return inside + len(self._flying)

    def _settle(self, now: float) -> None:
        """Forget what has left all windows; what was written some time ago has been counted."""
        late = [slot for slot in self._flying if slot.written is not None and now - slot.written > LANDING_SECONDS]
        for slot in late:
            slot.land(now)
        if self._landed and self._landed[0] <= now - self._longest:
            del self._landed[: bisect.bisect_right(self._landed, now - self._longest)]
