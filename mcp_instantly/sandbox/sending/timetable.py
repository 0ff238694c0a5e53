"""Sending schedules: when a campaign may send, in the time zone of each of its windows."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.state.clock import END

DAYS_AHEAD = 8
"""Days to look ahead for a window: every weekday comes once, and today once more."""


def next_opening(schedule: dict[str, Any], instant: dt.datetime) -> dt.datetime | None:
    """The first instant at or after `instant` within a window of the schedule; None when there will be none."""
    found = []
    for window in schedule["schedules"]:
        # Those of one window come one after the other.
        open_or_later = (opens for opens, closes in _windows(schedule, window, instant) if closes > instant)
        if opens := next(open_or_later, None):
            found.append(max(opens, instant))
    return min(found, default=None)


def next_start(window: dict[str, Any], instant: dt.datetime) -> dt.datetime | None:
    """The first beginning of this window after `instant`; None when it has no days."""
    opens = {"from": window["timing"]["from"], "to": window["timing"]["from"]}
    found = _windows({}, {**window, "timing": opens}, instant)
    return next((begin for begin, _ in found if begin > instant), None)


def day_start(schedule: dict[str, Any], instant: dt.datetime) -> dt.datetime:
    """The first instant of the day, as this schedule counts days."""
    zone = _zone(schedule["schedules"][0])
    return _at(instant.astimezone(zone).date(), "00:00", zone)


def next_day(schedule: dict[str, Any], instant: dt.datetime) -> dt.datetime:
    """The first instant of the following day, as this schedule counts days."""
    zone = _zone(schedule["schedules"][0])
    return _at(instant.astimezone(zone).date() + dt.timedelta(days=1), "00:00", zone)


def _windows(
    schedule: dict[str, Any], window: dict[str, Any], instant: dt.datetime
) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """Beginnings and ends of one window of a schedule in the days from the one before `instant`."""
    first, last = schedule.get("start_date"), schedule.get("end_date")
    zone = _zone(window)
    begin = instant.astimezone(zone).date() - dt.timedelta(days=1)
    if first:
        begin = max(begin, min(dt.date.fromisoformat(first), END.date()))
    for ahead in range(DAYS_AHEAD + 1):
        date = begin + dt.timedelta(days=ahead)
        if last and date > dt.date.fromisoformat(last):
            break
        # The API counts the days of the week from Sunday.
        if window["days"].get(str(date.isoweekday() % 7)):
            yield _hours(date, window["timing"]["from"], window["timing"]["to"], zone)


@functools.lru_cache(10_000)
def _hours(date: dt.date, opens: str, closes: str, zone: dt.tzinfo) -> tuple[dt.datetime, dt.datetime]:
    """A window's beginning and end on a day. An hour that comes twice, when clocks are set back, counts once."""
    until = date if closes > opens else date + dt.timedelta(days=1)
    end = _at(until, closes, zone)
    # The last of two beginnings and the first of two ends: in between, the clock on the wall stays within the window.
    begin = _at(date, opens, zone, fold=1)
    return (begin if begin < end else _at(date, opens, zone)), end


@functools.lru_cache(10_000)
def _at(date: dt.date, clock: str, zone: dt.tzinfo, fold: int = 0) -> dt.datetime:
    """The instant when a clock on the wall shows this, the second one with `fold`; where clocks are set forward past
    it, the instant of that change.
    """
    local = dt.datetime.combine(date, dt.time.fromisoformat(clock), zone)
    first, second = (local.replace(fold=n).astimezone(dt.timezone.utc) for n in (0, 1))
    return _change_between(second, first, zone) if second < first else (first, second)[fold]


def _change_between(before: dt.datetime, after: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """When clocks were set forward between these two instants, to the second."""
    offset = after.astimezone(zone).utcoffset()
    while after - before > dt.timedelta(seconds=1):
        middle = before + dt.timedelta(seconds=(after - before) // dt.timedelta(seconds=2))
        if middle.astimezone(zone).utcoffset() == offset:
            after = middle
        else:
            before = middle
    return after


def _zone(window: dict[str, Any]) -> dt.tzinfo:
    # Systems without a database of time zones, or without its old names, have the package tzdata.
    return zoneinfo.ZoneInfo(window["timezone"])
