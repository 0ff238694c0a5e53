"""When a campaign sends: its hours by the clock of a lead, and how many days its emails take."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import importlib.resources
import math
import zoneinfo
from collections.abc import Iterable, Mapping
from typing import Any

Record = dict[str, Any]

ZONE_NAMES = ("timezone", "timeZone", "time_zone", "Timezone")
"""Variables of a lead that may name its zone."""

COUNTRY_NAMES = ("country", "Country")

MINUTES_OF_DAY = 24 * 60

EARLIEST, LATEST = 7 * 60, 20 * 60
"""Minutes of the day between which people read email of strangers."""

OTHER_NAMES = {
    "england": "GB",
    "great britain": "GB",
    "scotland": "GB",
    "south korea": "KR",
    "uk": "GB",
    "united kingdom": "GB",
    "united states of america": "US",
    "usa": "US",
    "czechia": "CZ",
    "the netherlands": "NL",
}
"""Names of countries that the time zone database spells otherwise, in lower case."""


@dataclasses.dataclass(frozen=True)
class Hours:
    """Days of the week (Sunday is 0) and minutes of the day between which a schedule sends, in its zone.

    Hours over midnight belong to the day on which they begin; their end is beyond its minutes.
    """

    days: frozenset[int]
    begin: int
    end: int
    zone: str

    @property
    def minutes(self) -> int:
        return max(0, self.end - self.begin)

    def at(self, zone: str, now: dt.datetime) -> tuple[int, int]:
        """The minutes of the day by the clock of another zone, at an instant; the end may be of the next day."""
        shift = _minutes_ahead(zone, now) - _minutes_ahead(self.zone, now)
        begin = (self.begin + shift) % MINUTES_OF_DAY
        return begin, begin + self.minutes


def read_hours(schedule: Any) -> list[Hours]:
    """The hours of a campaign's schedules that send at all."""
    rows = schedule.get("schedules") if isinstance(schedule, dict) else None
    found = []
    for row in rows if isinstance(rows, list) else []:
        timing, days = row.get("timing") or {}, row.get("days") or {}
        on = frozenset(day for day in range(7) if days.get(str(day)))
        begin, end = _minutes(timing.get("from")), _minutes(timing.get("to"))
        if on and begin is not None and end is not None:
            until = end if end > begin else end + MINUTES_OF_DAY
            found.append(Hours(on, begin, until, str(row.get("timezone"))))
    return found


def written(begin: int, end: int) -> str:
    return f"{begin // 60 % 24:02}:{begin % 60:02}-{end // 60 % 24:02}:{end % 60:02}"


def is_odd(begin: int, end: int) -> bool:
    """Whether a part of these hours lies where hardly anyone reads email."""
    return begin < EARLIEST or end > LATEST


def place_of(values: Record, now: dt.datetime) -> tuple[str, str] | None:
    """Where a lead is, as a name and a zone, by its time zone or its country; None where that cannot be told.

    A country whose clocks differ tells nothing.
    """
    for name in ZONE_NAMES:
        zone = str(values.get(name, "")).strip()
        if is_known_zone(zone):
            return zone, zone
    country = next((str(values[name]).strip() for name in COUNTRY_NAMES if name in values), "")
    code = _codes().get(country.lower()) or OTHER_NAMES.get(country.lower()) or country.upper()
    zones = _zones().get(code, ())
    if len({_minutes_ahead(zone, now) for zone in zones}) != 1:
        return None
    return country, zones[0]


@functools.lru_cache(maxsize=4096)
def is_known_zone(zone: str) -> bool:
    try:
        return bool(zone) and bool(zoneinfo.ZoneInfo(zone))
    except (OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return False


def has_ended(schedule: dict[str, Any], now: dt.datetime) -> bool:
    """Whether no hour is left before the end of a schedule, by the clock of its own zones."""
    last = str(schedule.get("end_date") or "")[:10]
    rows = schedule.get("schedules") or []
    zones = [str(row.get("timezone")) for row in rows]
    if not last or not zones or not all(is_known_zone(zone) for zone in zones):
        return False
    hours = read_hours(schedule)
    if len(hours) == len(rows):
        return not any(next_opening(one, schedule, now) for one in hours)
    return all(now.astimezone(zoneinfo.ZoneInfo(zone)).date().isoformat() > last for zone in zones)


def next_opening(hours: Hours, schedule: Mapping[str, Any], now: dt.datetime) -> dt.datetime | None:
    """When these hours of a schedule let the next email go, from `now` on; None where that is never, or not known."""
    if not is_known_zone(hours.zone):
        return None
    local = now.astimezone(zoneinfo.ZoneInfo(hours.zone))
    first = str(schedule.get("start_date") or "")[:10]
    # Hours over midnight may have begun yesterday.
    yesterday = local.date() - dt.timedelta(days=1)
    day = max(yesterday, dt.date.fromisoformat(first)) if first else yesterday
    last = str(schedule.get("end_date") or "")[:10]
    for _ in range(9):
        midnight = dt.datetime.combine(day, dt.time(), local.tzinfo)
        begin = midnight + dt.timedelta(minutes=hours.begin)
        end = midnight + dt.timedelta(minutes=hours.end)
        # Sunday is 0 in a schedule, and 7 in the calendar of Python.
        if day.isoweekday() % 7 in hours.days and local < end:
            return None if last and day.isoformat() > last else max(begin, local)
        day += dt.timedelta(days=1)
    return None


def days_of_sending(emails: int, per_day: float) -> int:
    """How many days of sending some emails take."""
    return math.ceil(emails / per_day) if emails and per_day > 0 else 0


def days_of_week(hours: Iterable[Hours]) -> int:
    return len({day for one in hours for day in one.days})


def calendar_days(sending_days: int, per_week: int) -> int:
    """Days by the calendar that some days of sending take, at least."""
    weeks, rest = divmod(sending_days, per_week) if per_week else (0, 0)
    return weeks * 7 + rest


def _minutes(clock: Any) -> int | None:
    try:
        hour, minute = str(clock).split(":")[:2]
        return int(hour) * 60 + int(minute)
    except ValueError:
        return None


def _minutes_ahead(zone: str, now: dt.datetime) -> int:
    offset = now.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() or dt.timedelta(0)
    return int(offset.total_seconds()) // 60


def _table(name: str) -> list[list[str]]:
    """The rows of a table of the time zone database; none where it is not there."""
    try:
        text = importlib.resources.files("tzdata").joinpath("zoneinfo").joinpath(name).read_text("utf-8")
    except (ModuleNotFoundError, OSError):
        return []
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@functools.cache
def _codes() -> dict[str, str]:
    return {name.lower(): code for code, name, *_ in _table("iso3166.tab")}


@functools.cache
def _zones() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for code, _, zone, *_ in _table("zone.tab"):
        found[code] = (*found.get(code, ()), zone)
    return found
