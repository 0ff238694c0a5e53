"""Time zones: which allowed zone keeps the same clock, found by comparing clocks and never names."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo

import pytest

from mcp_instantly.arguments.timezones import equivalent_zones, suggest_time_zone
from mcp_instantly.sandbox.engine.timezones import TIMEZONES
from mcp_instantly.tools.catalog import load_catalog

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.timezone.utc)


@functools.cache
def half_hours() -> list[dt.datetime]:
    """Those of ten years."""
    return [NOW + dt.timedelta(minutes=30 * step) for step in range(2 * 24 * 366 * 10)]


def clock(zone: str, instants: list[dt.datetime]) -> list[dt.timedelta | None]:
    info = zoneinfo.ZoneInfo(zone)
    return [instant.astimezone(info).utcoffset() for instant in instants]


@functools.cache
def daily_clock(zone: str) -> list[dt.timedelta | None]:
    return clock(zone, half_hours()[::48])


def test_the_allowed_zones_are_those_of_the_schema() -> None:
    schema = load_catalog().operations["create_campaign"].full_schema["properties"]["campaign_schedule"]
    assert schema["properties"]["schedules"]["items"]["properties"]["timezone"]["enum"] == list(TIMEZONES)


@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("Asia/Tel_Aviv", "Asia/Jerusalem"),
        ("US/Eastern", "America/Detroit"),
        ("America/New_York", "America/Detroit"),
        ("America/Toronto", "America/Detroit"),
        ("US/Central", "America/Chicago"),
        ("America/Denver", "America/Boise"),
        ("America/Phoenix", "America/Dawson"),
        ("Europe/London", "Europe/Isle_of_Man"),
        ("Europe/Dublin", "Europe/Isle_of_Man"),
        ("Europe/Kiev", "Europe/Bucharest"),
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("Asia/Shanghai", "Asia/Hong_Kong"),
        ("Australia/Sydney", "Australia/Melbourne"),
        ("Pacific/Honolulu", "Etc/GMT+10"),
        ("Asia/Gaza", None),
        ("America/Los_Angeles", None),
        ("America/Havana", None),
    ],
)
def test_a_zone_is_answered_with_one_of_the_same_clock(zone: str, first: str | None) -> None:
    advice = suggest_time_zone(zone, TIMEZONES, NOW)
    if first:
        assert advice.startswith(("the same clock is kept by ", "use "))
        assert first in advice
    else:
        assert advice.startswith("no zone of its list keeps that clock; ")
        assert "with another clock on " in advice


@pytest.mark.parametrize("zone", ["Asia/Tel_Aviv", "Africa/El_Aaiun", "Asia/Gaza"])
def test_zones_that_are_called_the_same_agree_in_every_half_hour_of_ten_years(zone: str) -> None:
    wanted = clock(zone, half_hours())
    same = equivalent_zones(zone, TIMEZONES, NOW)
    for name in same:
        assert clock(name, half_hours()) == wanted
    assert all(daily_clock(name) != daily_clock(zone) for name in set(TIMEZONES) - set(same))


def test_other_names_of_the_same_zone_come_first() -> None:
    assert equivalent_zones("Asia/Tel_Aviv", TIMEZONES, NOW)[0] == "Asia/Jerusalem"
    assert equivalent_zones("Asia/Calcutta", TIMEZONES, NOW)[0] == "Asia/Kolkata"


@pytest.mark.parametrize(
    ("asked", "offset", "clocks", "opposite"),
    [
        ("GMT+2", "UTC+02:00", "Africa/Windhoek", "Etc/GMT+2 would be the opposite, UTC-02:00"),
        ("UTC+2", "UTC+02:00", "Africa/Windhoek", "Etc/GMT+2 would be the opposite, UTC-02:00"),
        ("utc-5", "UTC-05:00", "America/Bogota", "Etc/GMT-5 would be the opposite, UTC+05:00"),
        ("+05:30", "UTC+05:30", "Asia/Kolkata", ""),
        ("UTC", "UTC+00:00", "Africa/Abidjan", ""),
        ("GMT-11", "UTC-11:00", "Etc/GMT+11", "Etc/GMT-11 would be the opposite, UTC+11:00"),
    ],
)
def test_an_offset_is_answered_with_fixed_clocks_and_the_trap_of_the_etc_names(
    asked: str, offset: str, clocks: str, opposite: str
) -> None:
    advice = suggest_time_zone(asked, TIMEZONES, NOW)
    assert advice.startswith(f"{offset} is a fixed offset without daylight saving, the clock of ")
    assert clocks in advice
    assert opposite in advice
    assert "Etc/GMT+12" not in advice


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        (
            "EST",
            ["America/Detroit", "with daylight saving", "literally it is a fixed UTC-05:00, the clock of America/Bog"],
        ),
        ("PST", ["no zone of its list keeps that clock", "a fixed UTC-08:00, which no zone of its list keeps"]),
        ("CET", ["Europe/Belgrade", "literally it is a fixed UTC+01:00, the clock of Africa/Algiers all year"]),
        ("CEST", ["Europe/Belgrade", "literally it is a fixed UTC+02:00"]),
        ("IST", ["India (Asia/Kolkata", "Israel (Asia/Jerusalem", "Ireland (Europe/Dublin"]),
        ("CST", ["use America/Chicago", "China (Asia/Shanghai"]),
        ("Eastern Time (US & Canada)", ["America/Detroit"]),
        ("Pacific Standard Time", ["no zone of its list keeps that clock"]),
    ],
)
def test_an_abbreviation_is_answered_with_each_thing_that_it_can_mean(asked: str, parts: list[str]) -> None:
    advice = suggest_time_zone(asked, TIMEZONES, NOW)
    assert advice.startswith(f"{asked} is not the name of a zone: ")
    for part in parts:
        assert part in advice


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("New York", "it seems to mean America/New_York; the same clock is kept by America/Detroit"),
        ("berlin", "it seems to mean Europe/Berlin; the same clock is kept by "),
        ("europe/london", "it seems to mean Europe/London; the same clock is kept by Europe/Isle_of_Man"),
        ("America/Detriot", "it seems to mean America/Detroit; use America/Detroit"),
        ("Middle Earth", "nor does the IANA time zone database"),
        ("", "nor does the IANA time zone database"),
    ],
)
def test_a_place_is_found_by_its_name_where_that_says_one_clock(asked: str, meant: str) -> None:
    assert suggest_time_zone(asked, TIMEZONES, NOW).startswith(meant)


def test_zones_of_the_whole_database_get_an_answer_that_is_true() -> None:
    """The first and the middle of each month for nine years."""
    instants = [
        dt.datetime(2027 + n // 24, n % 24 // 2 + 1, 1 + 14 * (n % 2), tzinfo=dt.timezone.utc) for n in range(216)
    ]
    clocks = {name: clock(name, instants) for name in TIMEZONES}
    for zone in sorted(zoneinfo.available_timezones() - set(TIMEZONES))[::9]:
        advice = suggest_time_zone(zone, TIMEZONES, NOW)
        if advice.startswith("the same clock is kept by "):
            for name in advice.removeprefix("the same clock is kept by ").split(" or "):
                assert clocks[name] == clock(zone, instants), (zone, name)
