"""Time zones that keep the same clock, computed from the IANA time zone database."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable


def advise_zone(zone: str, allowed: Iterable[str], year: int | None = None) -> str:
    """What to use instead of a time zone that is not allowed, as the end of a sentence; empty for an unknown zone.

    Only zones whose clock agrees all through `year` (the present one) are called the same; otherwise the one that
    agrees on most days is named, and said to differ.
    """
    year = year or dt.datetime.now(dt.timezone.utc).year
    same = stand_ins(zone, allowed, year)
    if same:
        return f"the same clock is kept by {' or '.join(same[:3])}"
    wanted = _clock(zone, year)
    if wanted is None:
        return ""
    agreeing = {name: sum(a == b for a, b in zip(wanted, _clock(name, year) or (), strict=False)) for name in allowed}
    best = max(agreeing, key=lambda name: agreeing[name])
    return f"no zone of its list keeps that clock all year, and {best} differs from it during a part of the year"


def stand_ins(zone: str, allowed: Iterable[str], year: int) -> list[str]:
    """The allowed zones whose clock agrees with `zone` on every day of `year`; those of the same area first."""
    wanted = _clock(zone, year)
    if wanted is None:
        return []
    same = [name for name in allowed if _clock(name, year) == wanted]
    area = zone.partition("/")[0]
    return sorted(same, key=lambda name: name.partition("/")[0] != area)


def _clock(zone: str, year: int) -> tuple[dt.timedelta | None, ...] | None:
    """The offset from UTC at noon of every third day of a year; None for an unknown zone."""
    try:
        info = zoneinfo.ZoneInfo(zone)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return None
    start = dt.datetime(year, 1, 1, 12, tzinfo=dt.timezone.utc)
    return tuple((start + dt.timedelta(days=day)).astimezone(info).utcoffset() for day in range(0, 365, 3))
