"""Emails counted by the instants at which they went out, so that a day can begin when the caller says."""

from __future__ import annotations

import bisect
import datetime as dt

RETENTION = dt.timedelta(days=2)
"""How long an instant is remembered: no day is longer, whatever its time zone does."""

Instants = list[float]
"""Seconds since 1970, in ascending order."""


def note_instant(instants: Instants, now: dt.datetime) -> None:
    """Add this instant, and forget those that no day can reach back to."""
    instants.append(now.timestamp())
    del instants[: bisect.bisect_left(instants, (now - RETENTION).timestamp())]


def count_since(instants: Instants | None, begin: dt.datetime) -> int:
    return len(instants) - bisect.bisect_left(instants, begin.timestamp()) if instants else 0
