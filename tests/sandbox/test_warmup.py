"""Warmup as it is told day by day, from the settings that held on each of them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import httpx
import pytest

from .outreach import DAY, Wait, sender

pytestmark = pytest.mark.anyio

EMAIL = "new@ours.example"


async def warmed(api: httpx.AsyncClient, wait: Wait, **settings: Any) -> None:
    """A new account whose warmup is on since a moment ago."""
    await sender(api, EMAIL, warmup=settings)
    await switch(api, wait, "enable")


async def switch(api: httpx.AsyncClient, wait: Wait, to: str) -> None:
    assert (await api.post(f"/accounts/warmup/{to}", json={"emails": [EMAIL]})).status_code == 200
    wait(60)


async def told(api: httpx.AsyncClient) -> dict[str, dict[str, int]]:
    answer = (await api.post("/accounts/warmup-analytics", json={"emails": [EMAIL]})).json()
    return answer["email_date_data"].get(EMAIL, {})


async def sent(api: httpx.AsyncClient) -> list[int]:
    return [day["sent"] for day in (await told(api)).values()]


async def test_today_is_told_as_far_as_it_has_come(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=40, increment="disabled")
    (early,) = await sent(api)
    wait(DAY)
    found = await told(api)
    assert list(found) == ["2026-09-07", "2026-09-08"]
    assert 0 < early < found["2026-09-07"]["sent"]


async def test_an_account_whose_day_has_not_come_far_tells_nothing(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=1)
    assert await told(api) == {}


@pytest.mark.parametrize(("increment", "most"), [("1", 1), ("2", 2), ("4", 4)])
async def test_the_volume_grows_by_the_increment_up_to_the_limit(
    api: httpx.AsyncClient, wait: Wait, increment: str, most: int
) -> None:
    await warmed(api, wait, limit=9, increment=increment)
    wait(6 * DAY)
    *found, _ = await sent(api)
    ceilings = [min(9, most * (day + 1)) for day in range(6)]
    assert all(0.7 * ceiling <= mails <= ceiling for mails, ceiling in zip(found, ceilings, strict=True))


async def test_without_an_increment_the_limit_is_there_from_the_first_day(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=40, increment="disabled")
    wait(3 * DAY)
    *whole, _ = await sent(api)
    assert all(34 <= mails <= 40 for mails in whole)


async def test_on_weekdays_only(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=9, advanced={"weekday_only": True})
    wait(10 * DAY)
    dates = [dt.date.fromisoformat(date) for date in await told(api)]
    assert len(dates) == 5
    assert max(date.weekday() for date in dates) == 4


async def test_those_who_are_answered_more_receive_more(api: httpx.AsyncClient, wait: Wait) -> None:
    received = []
    for rate in (0, 0.5):
        await api.delete(f"/accounts/{EMAIL}")
        await warmed(api, wait, limit=40, increment="disabled", reply_rate=rate)
        wait(2 * DAY)
        received.append(sum(day["received"] for day in (await told(api)).values()))
    assert received[1] > 1.3 * received[0]


async def test_new_settings_do_not_change_the_past(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=40, increment="disabled")
    wait(3 * DAY)
    *past, today = await told(api)
    before = {date: day for date, day in (await told(api)).items() if date != today}
    await api.patch(f"/accounts/{EMAIL}", json={"warmup": {"limit": 5, "increment": "disabled"}})
    assert {date: (await told(api))[date] for date in past} == before
    wait(2 * DAY)
    after = await told(api)
    assert {date: after[date] for date in before} == before
    assert [day["sent"] <= 5 for day in after.values()] == [False] * 3 + [True] * 3


async def test_days_without_warmup_are_left_out_and_the_volume_goes_on_where_it_was(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    await warmed(api, wait, limit=40, increment="4")
    wait(3 * DAY)
    await switch(api, wait, "disable")
    wait(2 * DAY)
    assert len(await told(api)) == 3
    await switch(api, wait, "enable")
    wait(2 * DAY)
    found = await told(api)
    assert [date[8:] for date in found] == ["08", "09", "12", "13", "14"]
    assert found["2026-09-12"]["sent"] > 12


async def test_the_score_follows_from_what_landed_in_inboxes(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=40, increment="disabled")
    assert (await api.get(f"/accounts/{EMAIL}")).json()["stat_warmup_score"] == 0
    wait(5 * DAY)
    *days, _ = (await told(api)).values()
    score = round(100 * sum(day["landed_inbox"] for day in days) / sum(day["sent"] for day in days))
    assert (await api.get(f"/accounts/{EMAIL}")).json()["stat_warmup_score"] == score > 60
    (listed,) = (await api.get("/accounts", params={"search": EMAIL})).json()["items"]
    assert listed["stat_warmup_score"] == score


async def test_no_setting_makes_a_mailbox_warm_up_without_end(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait, limit=1e308, increment="disabled", reply_rate=1e308)
    wait(2 * DAY)
    assert all(mails <= 200 for mails in await sent(api))


async def test_warmup_goes_on_while_the_account_is_paused(api: httpx.AsyncClient, wait: Wait) -> None:
    await warmed(api, wait)
    wait(2 * DAY)
    before = len(await sent(api))
    assert (await api.post(f"/accounts/{EMAIL}/pause")).json()["status"] == 2
    wait(3 * DAY)
    assert len(await sent(api)) == before + 3
