"""The sandbox's clock: frozen at an instant, or running with real time, and that tests can move."""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import functools
import time
from collections.abc import Callable, Iterator

START = dt.datetime(2026, 9, 7, 13, 0, tzinfo=dt.timezone.utc)
"""Where every world begins: a Monday, nine in the morning in America/Detroit."""

END = dt.datetime(9000, 1, 1, tzinfo=dt.timezone.utc)
"""No clock goes further: what looks ahead from there would meet the end of the calendar."""

MAX_ADVANCE_SECONDS = 3653 * 86_400.0
"""Seconds by which a clock moves at once: in longer times so much happens that a caller would not wait for it."""


class Clock:
    """Time as the sandbox sees it.

    `running=False`: it is frozen until `advance` moves it. `running=True`: it also runs with `monotonic`
    (seconds, injectable).
    """

    def __init__(
        self, start: dt.datetime = START, *, running: bool = False, monotonic: Callable[[], float] = time.monotonic
    ):
        self._at = start
        self._monotonic = monotonic
        self._since = monotonic() if running else None
        self._held: dt.datetime | None = None

    @property
    def running(self) -> bool:
        return self._since is not None

    def now(self) -> dt.datetime:
        """The present instant, in UTC."""
        if self._held is not None:
            return self._held
        if self._since is None:
            return self._at
        return self._at + dt.timedelta(seconds=self._monotonic() - self._since)

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`. Raises ValueError: it never moves back, nor past END, nor too far."""
        if seconds < 0:
            raise ValueError("the clock moves forward only")
        if not seconds <= (END - self.now()).total_seconds():
            raise ValueError(f"the clock ends at {stamp(END)}")
        if seconds > MAX_ADVANCE_SECONDS:
            raise ValueError("the clock moves by ten years at once at most")
        self._at += dt.timedelta(seconds=seconds)
        if self._held is not None:
            self._held += dt.timedelta(seconds=seconds)

    def set(self, instant: dt.datetime) -> None:
        """Show this instant, earlier or later; running or not as before. Raises ValueError past END."""
        if instant > END:
            raise ValueError(f"the clock ends at {stamp(END)}")
        self._at = instant
        self._since = self._monotonic() if self.running else None
        self._held = instant if self._held is not None else None

    @contextlib.contextmanager
    def held(self, at: dt.datetime | None = None) -> Iterator[dt.datetime]:
        """Let one instant, or the present one, be the present for a whole request, even if the clock runs."""
        before = self._held
        self._held = at or self.now()
        try:
            yield self._held
        finally:
            self._held = before

    def run(self, running: bool) -> None:
        """Let the clock run with real time, or hold it where it is."""
        self._at = self.now()
        self._since = self._monotonic() if running else None


def stamp(instant: dt.datetime) -> str:
    """An instant as the API writes it: ISO 8601 in UTC with milliseconds, `2026-09-07T13:00:00.000Z`."""
    return _stamp(instant.astimezone(dt.timezone.utc))


@functools.lru_cache(1000)
def _stamp(instant: dt.datetime) -> str:
    """The same for an instant in UTC; of one present much is stamped."""
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(instant: dt.datetime) -> bytes:
    """An instant in UTC as the header `Date` has it."""
    return email.utils.format_datetime(instant, usegmt=True).encode("ascii")


@functools.lru_cache(1000)
def day_start(instant: dt.datetime) -> dt.datetime:
    """The first instant of the day, for an instant in UTC."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def next_day(instant: dt.datetime) -> dt.datetime:
    """The first instant of the following day, for an instant in UTC."""
    return day_start(instant) + dt.timedelta(days=1)


def parse(text: str) -> dt.datetime:
    """An instant in UTC, from `YYYY-MM-DD` (midnight in UTC) or ISO 8601. Raises ValueError."""
    instant = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    try:
        return instant.astimezone(dt.timezone.utc) if instant.tzinfo else instant.replace(tzinfo=dt.timezone.utc)
    except OverflowError:
        raise ValueError(f"{text} lies before or after all dates in UTC") from None
