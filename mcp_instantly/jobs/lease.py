"""How long a process may believe that what it works on is still its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

LEASE_SECONDS = 20.0
"""After so long without a sign of life, a process counts as gone, and others take over what it works on."""

BEAT_SHARE = 0.25
"""Of the lease: after so long comes the next sign of life."""

MARGIN_SHARE = 0.25
"""Of the lease, at its end, in which nothing is begun any more."""


def seconds_awake_or_not() -> float:
    """The clock of this machine, which goes on while it sleeps, where the system has such a one."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    if sys.platform == "darwin":
        # Not time.monotonic(), which is mach_absolute_time() there, and stands still meanwhile.
        return time.clock_gettime(time.CLOCK_MONOTONIC)
    return time.monotonic()


class Lost(Exception):
    """Another process may work on it by now: whoever meets this writes down nothing more, and sends nothing."""


class Lease:
    """The lease of a process by its own clock, in seconds, which counts pauses too.

    A process that was paused for too long gives its next sign of life in another `term`: what it had begun before is
    lost, even where nobody has taken it.
    """

    def __init__(self, clock: Callable[[], float] = seconds_awake_or_not, seconds: float | None = None):
        self.seconds = LEASE_SECONDS if seconds is None else seconds
        self.term = 0
        self.now = clock
        self._until = clock() + (1 - MARGIN_SHARE) * self.seconds

    def renew(self, beat_at: float) -> None:
        """A sign of life was written down, no earlier than `beat_at` by the clock."""
        if self.now() >= self._until:
            self.term += 1
        self._until = beat_at + (1 - MARGIN_SHARE) * self.seconds

    def holds(self, term: int) -> bool:
        """Whether what was begun in this term is still the process's own."""
        return term == self.term and self.now() < self._until
