"""Advice on a time zone that is not allowed: which allowed zone keeps the same clock, by the IANA database.

Zones are compared at every change of their clocks in the years ahead, never by the spelling of their names.
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib.resources
import re
import zoneinfo
from collections.abc import Iterable, Sequence
from operator import ne
from pathlib import Path

from mcp_instantly.suggestions import misspelt

UTC = dt.timezone.utc

DAYS_COMPARED = 3653
"""Days for which clocks are compared: ten years."""

DAYS_COMPARED_ROUGHLY = 365
"""Days on which clocks are compared that agree with none."""

MAX_NAMED_ZONES = 3
"""Zones of the same clock that an error names."""

FIXED = re.compile(r"(?:UTC|GMT|Z)?\s*(?:([+-])\s*(\d{1,2})(?::?([0-5]\d))?)?", re.IGNORECASE)

PLACES: dict[str, tuple[tuple[str, str], ...]] = {
    "ET": (("the eastern US", "America/New_York"),),
    "EST": (("the eastern US", "America/New_York"),),
    "EDT": (("the eastern US", "America/New_York"),),
    "CT": (("the central US", "America/Chicago"),),
    "CST": (("the central US", "America/Chicago"), ("China", "Asia/Shanghai")),
    "CDT": (("the central US", "America/Chicago"),),
    "MT": (("the mountain states of the US", "America/Denver"),),
    "MST": (("the mountain states of the US", "America/Denver"), ("Arizona", "America/Phoenix")),
    "MDT": (("the mountain states of the US", "America/Denver"),),
    "PT": (("the western US", "America/Los_Angeles"),),
    "PST": (("the western US", "America/Los_Angeles"),),
    "PDT": (("the western US", "America/Los_Angeles"),),
    "WET": (("Portugal", "Europe/Lisbon"),),
    "WEST": (("Portugal", "Europe/Lisbon"),),
    "CET": (("central Europe", "Europe/Berlin"),),
    "CEST": (("central Europe", "Europe/Berlin"),),
    "MET": (("central Europe", "Europe/Berlin"),),
    "EET": (("eastern Europe", "Europe/Athens"),),
    "EEST": (("eastern Europe", "Europe/Athens"),),
    "BST": (("the United Kingdom", "Europe/London"), ("Bangladesh", "Asia/Dhaka")),
    "IST": (("India", "Asia/Kolkata"), ("Israel", "Asia/Jerusalem"), ("Ireland", "Europe/Dublin")),
    "MSK": (("Moscow", "Europe/Moscow"),),
    "GST": (("the Gulf", "Asia/Dubai"),),
    "PKT": (("Pakistan", "Asia/Karachi"),),
    "SGT": (("Singapore", "Asia/Singapore"),),
    "HKT": (("Hong Kong", "Asia/Hong_Kong"),),
    "JST": (("Japan", "Asia/Tokyo"),),
    "KST": (("Korea", "Asia/Seoul"),),
    "AEST": (("Sydney", "Australia/Sydney"), ("Brisbane", "Australia/Brisbane")),
    "AEDT": (("Sydney", "Australia/Sydney"),),
    "ACST": (("Adelaide", "Australia/Adelaide"), ("Darwin", "Australia/Darwin")),
    "AWST": (("Perth", "Australia/Perth"),),
    "NZST": (("New Zealand", "Pacific/Auckland"),),
    "NZDT": (("New Zealand", "Pacific/Auckland"),),
    "AKST": (("Alaska", "America/Anchorage"),),
    "HST": (("Hawaii", "Pacific/Honolulu"),),
    "BRT": (("Sao Paulo", "America/Sao_Paulo"),),
    "SAST": (("South Africa", "Africa/Johannesburg"),),
}
"""Abbreviations are not zones: several places use the same letters, and most say nothing of daylight saving."""

GENERAL = {"ET", "CT", "MT", "PT"}
"""Letters that stand for no single offset."""

SUMMER = {"EDT", "CDT", "MDT", "PDT", "BST", "CEST", "WEST", "EEST", "AEDT", "NZDT"}
"""Abbreviations of the clock in summer; the others are of standard time."""

US_TIME = re.compile(r"(eastern|central|mountain|pacific)( standard| daylight)? time\b.*", re.IGNORECASE)
"""How Windows and people name the zones of the US."""


def suggest_time_zone(zone: str, allowed: Iterable[str], now: dt.datetime | None = None) -> str:
    """What to use instead of a time zone that is not allowed, as the end of a sentence without a full stop.

    `now` is when the comparison begins, the present by default. A zone of another clock is never named without
    saying that it differs.
    """
    noon = (now or dt.datetime.now(UTC)).astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    known = _known_zones()
    usable = [name for name in allowed if name in known]
    asked = zone.strip()
    offset = _fixed_offset(asked)
    if offset is not None:
        return _advise_offset(offset, usable, noon)
    us_time = US_TIME.fullmatch(asked)
    letters = f"{us_time[1][0]}T" if us_time else asked
    if letters.upper() in PLACES:
        return _advise_abbreviation(asked, letters.upper(), usable, noon)
    name = _find_zone(asked, noon)
    if not name:
        examples = [one for one in ("America/Detroit", "Europe/Belgrade", "Asia/Kolkata") if one in usable]
        return f"nor does the IANA time zone database, whose names look like {', '.join(examples)}"
    said = "" if name == asked else f"it seems to mean {name}; "
    return said + _advise_clock(name, usable, noon)


def _advise_clock(name: str, allowed: Sequence[str], noon: dt.datetime) -> str:
    if name in allowed:
        return f"use {name}"
    same = equivalent_zones(name, allowed, noon)
    if same:
        return f"the same clock is kept by {' or '.join(same[:MAX_NAMED_ZONES])}"
    wanted = _offsets(name, noon, DAYS_COMPARED_ROUGHLY)
    differing = {one: sum(map(ne, wanted, _offsets(one, noon, DAYS_COMPARED_ROUGHLY))) for one in allowed}
    best = min(differing, key=lambda one: differing[one])
    return (
        f"no zone of its list keeps that clock; {best} comes nearest, with another clock on {differing[best]} days of "
        "the year"
    )


def _advise_offset(offset: dt.timedelta, allowed: Sequence[str], noon: dt.datetime) -> str:
    """For a name that says how far from UTC a clock is, and so knows no daylight saving."""
    opposite = ""
    if offset and not offset % dt.timedelta(hours=1):
        hours = offset // dt.timedelta(hours=1)
        opposite = f"; Etc/GMT{hours:+} would be the opposite, {_written(-offset)}"
    clock = _fixed_clock(offset, allowed, noon)
    return (
        f"{_written(offset)} is a fixed offset without daylight saving, {clock}{opposite}; "
        "where clocks change in summer, name a zone of the place, such as Europe/Belgrade"
    )


def _fixed_clock(offset: dt.timedelta, allowed: Sequence[str], noon: dt.datetime) -> str:
    same = _agreeing((offset,) * DAYS_COMPARED, allowed, noon)
    # A place says more than an Etc name, whose sign is easily taken for its opposite.
    same.sort(key=lambda name: name.startswith("Etc/"))
    return f"the clock of {' or '.join(same[:MAX_NAMED_ZONES])} all year" if same else "which no zone of its list keeps"


def _advise_abbreviation(asked: str, letters: str, allowed: Sequence[str], noon: dt.datetime) -> str:
    meanings = []
    for place, name in PLACES[letters]:
        offsets = set(_offsets(name, noon))
        changes = "with daylight saving" if len(offsets) > 1 else "the same all year"
        meanings.append(f"for the time of {place} ({name}, {changes}) {_advise_clock(name, allowed, noon)}")
    offsets = set(_offsets(PLACES[letters][0][1], noon))
    if len(offsets) > 1 and len(PLACES[letters]) == 1 and letters not in GENERAL:
        fixed = max(offsets) if letters in SUMMER else min(offsets)
        meanings.append(f"taken literally it is a fixed {_written(fixed)}, {_fixed_clock(fixed, allowed, noon)}")
    return f"{asked} is not the name of a zone: {'; '.join(meanings)}"


def _written(offset: dt.timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _fixed_offset(zone: str) -> dt.timedelta | None:
    """The offset that `GMT+2`, `UTC-03:30`, `+0530` or `UTC` says; None for anything else."""
    match = FIXED.fullmatch(zone)
    if not match or not zone:
        return None
    offset = dt.timedelta(hours=int(match[2] or 0), minutes=int(match[3] or 0))
    return -offset if match[1] == "-" else offset


@functools.cache
def _known_zones() -> frozenset[str]:
    """The names of the IANA database, for which its files are looked for."""
    return frozenset(zoneinfo.available_timezones())


def _find_zone(zone: str, noon: dt.datetime) -> str:
    """The zone of the IANA database that a name means: as it is, in other letters, by its city, or with one slip.

    Empty without one, and where a city stands for several clocks.
    """
    known = _known_zones()
    if zone in known:
        return zone
    plain = re.sub(r"[\s_-]+", "_", zone).lower()
    spelled = {name: name.lower().replace("-", "_") for name in known}
    alike = [name for name, text in spelled.items() if text == plain]
    cities = [name for name, text in spelled.items() if "/" in text and text.rpartition("/")[2] == plain]
    found = sorted(alike or cities, key=lambda name: (name.startswith(("Etc/", "US/")), name))
    if not found:
        return misspelt(zone, sorted(known)) or ""
    return found[0] if len({_offsets(name, noon) for name in found}) == 1 else ""


def equivalent_zones(zone: str, allowed: Iterable[str], noon: dt.datetime) -> list[str]:
    """The allowed zones whose clock agrees with that of `zone` for ten years from `noon`, an instant in UTC.

    Other names of the same zone come first, then those of the same area.
    """
    wanted, changes = _offsets(zone, noon), _changes(zone, noon)
    same = [name for name in _agreeing(wanted, allowed, noon) if _changes(name, noon) == changes]
    area, data = zone.partition("/")[0], _rules(zone)
    return sorted(same, key=lambda name: (_rules(name) != data or not data, name.partition("/")[0] != area))


def _agreeing(wanted: Sequence[dt.timedelta], allowed: Iterable[str], noon: dt.datetime) -> list[str]:
    """The allowed zones that have these offsets at noon of the days ahead. Most differ at once, or within a year."""
    of_a_year = tuple(wanted[:DAYS_COMPARED_ROUGHLY])
    return [
        name
        for name in allowed
        if _at(name, noon) == wanted[0]
        and _offsets(name, noon, DAYS_COMPARED_ROUGHLY) == of_a_year
        and _offsets(name, noon) == wanted
    ]


@functools.lru_cache(maxsize=1024)
def _offsets(name: str, noon: dt.datetime, days: int = DAYS_COMPARED) -> tuple[dt.timedelta, ...]:
    """The offset from UTC at noon of each day ahead."""
    info = zoneinfo.ZoneInfo(name)
    return tuple([_offset(info, noon + dt.timedelta(days=day)) for day in range(days)])


def _changes(name: str, noon: dt.datetime) -> list[dt.datetime]:
    """The instants at which the clock changes, to the second."""
    offsets, info = _offsets(name, noon), zoneinfo.ZoneInfo(name)
    days = (day for day in range(1, DAYS_COMPARED) if offsets[day] != offsets[day - 1])
    return [_change(info, noon + dt.timedelta(days=day - 1)) for day in days]


def _change(info: zoneinfo.ZoneInfo, start: dt.datetime) -> dt.datetime:
    """The instant in the day after `start` from which another offset holds."""
    before, low, high = _offset(info, start), 0, 86_400
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(info, start + dt.timedelta(seconds=middle)) == before else (low, middle)
    return start + dt.timedelta(seconds=high)


def _at(name: str, instant: dt.datetime) -> dt.timedelta:
    return _offset(zoneinfo.ZoneInfo(name), instant)


def _offset(info: zoneinfo.ZoneInfo, instant: dt.datetime) -> dt.timedelta:
    return instant.astimezone(info).utcoffset() or dt.timedelta(0)


@functools.cache
def _rules(name: str) -> bytes:
    """The compiled zone: equal for names that the database links to each other. Empty where it cannot be read."""
    for folder in zoneinfo.TZPATH:
        file = Path(folder, name)
        if file.is_file():
            return file.read_bytes()
    try:
        return importlib.resources.files("tzdata").joinpath("zoneinfo").joinpath(name).read_bytes()
    except (ModuleNotFoundError, OSError):
        return b""
