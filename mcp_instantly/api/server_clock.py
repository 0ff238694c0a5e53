"""What time it is by the API, as its responses are dated: for what depends on the day, as ends of schedules do."""

from __future__ import annotations

import datetime as dt
import email.utils


class ServerClock:
    """The clock of this machine, set by the newest `Date` of a response. Until one is heard, and where none can be
    read, it is the clock of this machine.
    """

    def __init__(self) -> None:
        self._heard = ""
        self._at = dt.datetime.now(dt.timezone.utc)

    def hear(self, date: str) -> None:
        """Note the `Date` of a response that has just come. It is read when somebody asks."""
        if date:
            self._heard, self._at = date, dt.datetime.now(dt.timezone.utc)

    def now(self) -> dt.datetime:
        """The present instant, in UTC, to the second."""
        here = dt.datetime.now(dt.timezone.utc)
        try:
            there = email.utils.parsedate_to_datetime(self._heard)
            return there.astimezone(dt.timezone.utc) + (here - self._at)
        except (TypeError, ValueError, OverflowError):
            return here
