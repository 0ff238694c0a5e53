"""Limits of a day where those who share them do not agree on when a day begins."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections import Counter
from typing import Any

import httpx
import pytest

from .outreach import ALWAYS, DAY, HOUR, Wait, add, mails, sender, started, step

pytestmark = pytest.mark.anyio

PEOPLE = [f"p{number}@company{number}.example" for number in range(90)]


def always_in(zone: str) -> dict[str, Any]:
    return {"schedules": [{**ALWAYS["schedules"][0], "timezone": zone}]}


def date_in(zone: str, mail: dict[str, Any]) -> str:
    at = dt.datetime.fromisoformat(mail["timestamp_email"].replace("Z", "+00:00"))
    return at.astimezone(zoneinfo.ZoneInfo(zone)).date().isoformat()


async def test_a_sender_keeps_its_limit_in_campaigns_on_both_sides_of_the_date_line(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    account = await sender(api, "shared@ours.example", daily_limit=10)
    campaigns = [
        await started(api, [f"{zone[-3:]}{person}" for person in PEOPLE], email_list=[account], campaign_schedule=where)
        for zone in ("Pacific/Apia", "America/Chicago")
        for where in [always_in(zone)]
    ]
    wait(5 * DAY)
    sent = [mail for campaign_id in campaigns for mail in await mails(api, campaign_id)]
    assert list(Counter(sorted(mail["timestamp_email"][:10] for mail in sent)).values()) == [10] * 6
    assert {mail["campaign_id"] for mail in sent} == set(campaigns)
    rows = (await api.get("/accounts/analytics/daily", params={"emails": account})).json()
    assert [row["sent"] for row in rows] == [10] * 6


async def test_another_time_zone_does_not_bring_a_new_limit(api: httpx.AsyncClient, wait: Wait) -> None:
    accounts = [await sender(api, f"s{number}@ours.example") for number in range(3)]
    campaign_id = await started(api, PEOPLE, email_list=accounts, daily_limit=6)
    for zone in ("Pacific/Apia", "America/Chicago", "Asia/Kolkata", "America/Detroit"):
        wait(HOUR)
        await api.patch(f"/campaigns/{campaign_id}", json={"campaign_schedule": always_in(zone)})
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 6


async def test_another_time_zone_does_not_bring_new_emails_to_a_company(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    override = {"mode": "custom", "daily_limit": 2, "scope": "per_campaign"}
    people = [f"p{number}@big.example" for number in range(9)]
    campaign_id = await started(api, people, email_list=[account], limit_emails_per_company_override=override)
    wait(HOUR)
    await api.patch(f"/campaigns/{campaign_id}", json={"campaign_schedule": always_in("Pacific/Apia")})
    await add(api, campaign_id, [f"q{number}@big.example" for number in range(9)])
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 2


async def test_a_company_has_one_limit_in_all_zones(api: httpx.AsyncClient, wait: Wait) -> None:
    override = {"mode": "custom", "daily_limit": 3, "scope": "across_workspace"}
    campaigns = []
    for number, zone in enumerate(("Pacific/Apia", "America/Chicago", "Asia/Kolkata")):
        account = await sender(api, f"s{number}@ours.example")
        people = [f"{number}p{n}@big.example" for n in range(9)]
        more = {"campaign_schedule": always_in(zone), "limit_emails_per_company_override": override}
        campaigns.append(await started(api, people, email_list=[account], **more))
    wait(3 * DAY)
    sent = [mail for campaign_id in campaigns for mail in await mails(api, campaign_id)]
    assert list(Counter(sorted(mail["timestamp_email"][:10] for mail in sent)).values()) == [3] * 4


@pytest.mark.parametrize("zone", ["Pacific/Apia", "America/Detroit", "Asia/Kolkata"])
async def test_a_campaigns_own_limit_is_that_of_its_days(api: httpx.AsyncClient, wait: Wait, zone: str) -> None:
    account = await sender(api, "one@ours.example")
    more = {"campaign_schedule": always_in(zone), "daily_limit": 7}
    campaign_id = await started(api, PEOPLE, email_list=[account], **more)
    wait(4 * DAY)
    found = Counter(date_in(zone, mail) for mail in await mails(api, campaign_id))
    assert sorted(found.values()) == [7] * 5


async def test_follow_ups_of_a_sender_that_dropped_out_are_no_new_leads(api: httpx.AsyncClient, wait: Wait) -> None:
    accounts = [await sender(api, f"s{number}@ours.example") for number in range(2)]
    steps = [step(delay=1), step()]
    people = [f"p.silent{number}@company{number}.example" for number in range(20)]
    campaign_id = await started(api, people, steps=steps, email_list=accounts, daily_max_leads=4)
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 4
    await api.post(f"/accounts/{accounts[0]}/pause")
    wait(DAY)
    # The second day brings four new leads and all four follow-ups, whosever they were.
    assert Counter(mail["step"] for mail in await mails(api, campaign_id)) == {"0_0_0": 8, "0_1_0": 4}


async def test_new_leads_are_limited_where_the_first_step_is_switched_off(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    off = step(delay=0)
    off["variants"][0]["v_disabled"] = True
    campaign_id = await started(api, PEOPLE, steps=[off, step()], email_list=[account], daily_max_leads=4)
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 4
    found = (await api.get(f"/campaigns/{campaign_id}/sending-status")).json()["diagnostics"]
    assert found["new_lead_limit"] == {"enabled": True, "limit": 4, "contacted": 4, "limit_hit": True}
