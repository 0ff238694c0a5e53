"""Sending schedules: when a campaign may send, in the time zone of each of its windows."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.clock import END

AHEAD = 8
"""Days to look ahead for a window: every weekday comes once, and today once more."""


def next_opening(schedule: dict[str, Any], instant: dt.datetime) -> dt.datetime | None:
    """The first instant at or after `instant` within a window of the schedule; None when there will be none."""
    found = [max(opens, instant) for opens, closes in _windows(schedule, instant) if closes > instant]
    return min(found, default=None)


def next_start(window: dict[str, Any], instant: dt.datetime) -> dt.datetime | None:
    """The first beginning of this window after `instant`; None when it has no days."""
    opens = {"from": window["timing"]["from"], "to": window["timing"]["from"]}
    found = _windows({"schedules": [{**window, "timing": opens}]}, instant)
    return min((begin for begin, _ in found if begin > instant), default=None)


def day_of(schedule: dict[str, Any], instant: dt.datetime) -> str:
    """The date on which `instant` falls for this schedule, as YYYY-MM-DD."""
    return instant.astimezone(_zone(schedule["schedules"][0])).date().isoformat()


def next_day(schedule: dict[str, Any], instant: dt.datetime) -> dt.datetime:
    """The first instant of the following day, as this schedule counts days."""
    zone = _zone(schedule["schedules"][0])
    return _at(instant.astimezone(zone).date() + dt.timedelta(days=1), "00:00", zone)


def _windows(schedule: dict[str, Any], instant: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    first, last = schedule.get("start_date"), schedule.get("end_date")
    for window in schedule["schedules"]:
        zone = _zone(window)
        begin = instant.astimezone(zone).date() - dt.timedelta(days=1)
        if first:
            begin = max(begin, min(dt.date.fromisoformat(first), END.date()))
        for ahead in range(AHEAD + 1):
            date = begin + dt.timedelta(days=ahead)
            if last and date > dt.date.fromisoformat(last):
                break
            # The API counts the days of the week from Sunday.
            if window["days"].get(str(date.isoweekday() % 7)):
                opens, closes = window["timing"]["from"], window["timing"]["to"]
                until = date if closes > opens else date + dt.timedelta(days=1)
                yield _at(date, opens, zone), _at(until, closes, zone)


def _at(date: dt.date, clock: str, zone: dt.tzinfo) -> dt.datetime:
    local = dt.datetime.combine(date, dt.time.fromisoformat(clock), zone)
    return local.astimezone(dt.timezone.utc)


def _zone(window: dict[str, Any]) -> dt.tzinfo:
    try:
        return zoneinfo.ZoneInfo(window["timezone"])
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        # Some systems ship without the old names of zones, which the API's list is full of.
        return dt.timezone.utc
