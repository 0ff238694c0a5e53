"""Windows by the clock on the wall, on the days when that clock is changed too."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import zoneinfo
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.sending.timetable import day_start, next_day, next_opening

from .outreach import DAY, Wait, mails, sender, started

pytestmark = pytest.mark.anyio

MINUTE = dt.timedelta(minutes=1)
CHANGES = [
    ("Europe/Belgrade", "2027-03-28"),  # 02:00 becomes 03:00
    ("Europe/Belgrade", "2027-10-31"),  # 03:00 becomes 02:00
    ("America/Detroit", "2027-03-14"),
    ("America/Detroit", "2026-11-01"),
    ("Asia/Beirut", "2027-03-28"),  # 00:00 becomes 01:00
    ("Australia/Lord_Howe", "2026-10-04"),  # by half an hour
]
WINDOWS = ["00:30-02:30", "01:15-01:45", "01:30-02:30", "02:10-02:50", "02:30-04:00", "03:00-03:30", "22:00-02:30"]


def schedule(zone: str, window: str) -> dict[str, Any]:
    begins, ends = window.split("-")
    days = {str(day): True for day in range(7)}
    return {"schedules": [{"name": "W", "timing": {"from": begins, "to": ends}, "days": days, "timezone": zone}]}


def is_inside(window: str, local: dt.datetime) -> bool:
    begins, ends = window.split("-")
    clock = f"{local:%H:%M}"
    return begins <= clock < ends if begins < ends else clock >= begins or clock < ends


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize(("zone", "date"), CHANGES)
def test_no_window_opens_outside_of_its_hours(zone: str, date: str, window: str) -> None:
    timetable, place = schedule(zone, window), zoneinfo.ZoneInfo(zone)
    noon = dt.datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=place).astimezone(dt.timezone.utc)
    # Windows and changes begin and end at fives of minutes: these, and the minute before each, show every edge.
    minutes = [noon + MINUTE * n for n in range(-24 * 60, 24 * 60) if n % 5 in (0, 4)]
    opened = [minute for minute in minutes if next_opening(timetable, minute) == minute]
    assert all(is_inside(window, minute.astimezone(place)) for minute in opened)
    # An hour that comes twice counts once; all others in which the window lies are used.
    inside = {
        f"{minute.astimezone(place):%d %H:%M}" for minute in minutes if is_inside(window, minute.astimezone(place))
    }
    assert {f"{minute.astimezone(place):%d %H:%M}" for minute in opened} == inside


@pytest.mark.parametrize(("zone", "date"), CHANGES)
def test_the_next_day_begins_when_its_date_does(zone: str, date: str) -> None:
    timetable = schedule(zone, "09:00-17:00")
    place = zoneinfo.ZoneInfo(zone)
    for hours in range(-30, 30):
        at = dt.datetime.fromisoformat(f"{date}T12:00").replace(tzinfo=place).astimezone(dt.timezone.utc)
        at += dt.timedelta(hours=hours)
        begins, ends, second = day_start(timetable, at), next_day(timetable, at), dt.timedelta(seconds=1)
        edges = (begins - second, begins, at, ends - second, ends)
        before, *today, after = (edge.astimezone(place).date().isoformat() for edge in edges)
        assert before < today[0] == today[1] == today[2] < after


async def test_emails_keep_to_an_hour_that_the_change_cuts_short(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    world.clock.set(dt.datetime(2027, 3, 27, 12, tzinfo=dt.timezone.utc))
    people = [f"p{number}@company{number}.example" for number in range(300)]
    account = await sender(api, "night@ours.example")
    timetable = schedule("Europe/Belgrade", "01:30-02:30")
    campaign = await started(api, people, email_list=[account], campaign_schedule=timetable)
    wait(DAY)
    local = sorted(
        dt.datetime.fromisoformat(mail["timestamp_email"].replace("Z", "+00:00")).astimezone(
            zoneinfo.ZoneInfo("Europe/Belgrade")
        )
        for mail in await mails(api, campaign)
    )
    assert len(local) >= 25
    assert (f"{local[0]:%H:%M}", f"{local[-1]:%H}") == ("01:30", "01")


def test_zones_are_known_where_the_system_has_no_database_of_them() -> None:
    code = (
        "import datetime as dt, zoneinfo\n"
        "from mcp_instantly.sandbox.sending.timetable import next_opening\n"
        "from mcp_instantly.sandbox.engine.timezones import TIMEZONES\n"
        "assert zoneinfo.TZPATH == ()\n"
        "for zone in TIMEZONES: zoneinfo.ZoneInfo(zone)\n"
        "days, timing = {str(day): True for day in range(7)}, {'from': '09:00', 'to': '17:00'}\n"
        "window = {'days': days, 'timing': timing, 'timezone': 'America/Detroit'}\n"
        "monday = dt.datetime(2026, 9, 7, tzinfo=dt.timezone.utc)\n"
        "print(next_opening({'schedules': [window]}, monday).isoformat())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout == "2026-09-07T13:00:00+00:00\n", done.stderr
