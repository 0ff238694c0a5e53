"""Limits of a day: a slow ramp of a sender, and emails per company."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from .outreach import DAY, HOUR, Wait, campaign, diagnosis, leads, mails, sender, started, step

pytestmark = pytest.mark.anyio

PEOPLE = [f"p{number}@company{number}.example" for number in range(60)]


async def per_day(api: httpx.AsyncClient, campaign_id: str) -> list[int]:
    return list(Counter(mail["timestamp_email"][:10] for mail in await mails(api, campaign_id)).values())


@pytest.mark.parametrize("held", ["limit", "ramp", "pause"])
async def test_a_sender_that_may_send_more_does_so_at_once(api: httpx.AsyncClient, wait: Wait, held: str) -> None:
    settings = {"limit": {"daily_limit": 1}, "ramp": {"enable_slow_ramp": True}, "pause": {}}[held]
    email = await sender(api, "held@own.example", **settings)
    people = [f"person{number}@company{number}.example" for number in range(20)]
    campaign_id = await started(api, people, email_list=[email])
    wait(600)
    if held == "pause":
        await api.post(f"/accounts/{email}/pause")
        other = await sender(api, "other@own.example", daily_limit=0)
        await api.patch(f"/campaigns/{campaign_id}", json={"email_list": [email, other]})
        wait(HOUR)
    before = len(await mails(api, campaign_id))
    assert before < 20
    if held == "pause":
        await api.post(f"/accounts/{email}/resume")
    else:
        await api.patch(f"/accounts/{email}", json={"daily_limit": 100, "enable_slow_ramp": False})
    wait(600)
    assert len(await mails(api, campaign_id)) >= before + 9


async def test_a_slow_ramp_begins_with_two_emails_and_adds_two_a_day(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "slow@ours.example", daily_limit=7, enable_slow_ramp=True)
    campaign_id = await started(api, PEOPLE, email_list=[account])
    wait(10 * HOUR)
    found = await diagnosis(api, campaign_id)
    assert found["status"] == "account_daily_limit_met"
    assert found["accounts_summary"]["unavailable"]["slow_ramp_limit_hit"] == 1
    assert found["accounts_summary"]["unavailable"]["daily_limit_hit"] == 0
    assert (await campaign(api, campaign_id))["not_sending_status"] == 4
    wait(4 * DAY)
    assert await per_day(api, campaign_id) == [2, 4, 6, 7, 7]


async def test_without_a_ramp_the_whole_limit_is_there_at_once(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "slow@ours.example", daily_limit=7, enable_slow_ramp=True)
    campaign_id = await started(api, PEOPLE, email_list=[account])
    wait(HOUR)
    await api.patch(f"/accounts/{account}", json={"enable_slow_ramp": False})
    await api.patch(f"/campaigns/{campaign_id}", json={"name": "Faster"})
    wait(HOUR)
    assert await per_day(api, campaign_id) == [7]
    found = await diagnosis(api, campaign_id)
    assert found["accounts_summary"]["unavailable"]["slow_ramp_limit_hit"] == 0


async def test_a_ramp_begins_when_the_sender_does(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "slow@ours.example", enable_slow_ramp=True)
    wait(5 * DAY)
    campaign_id = await started(api, PEOPLE, email_list=[account])
    wait(10 * HOUR)
    assert await per_day(api, campaign_id) == [2]


def limited(number: int, scope: str = "per_campaign") -> dict[str, Any]:
    return {"limit_emails_per_company_override": {"mode": "custom", "daily_limit": number, "scope": scope}}


BIG = [f"p{number}@big.example" for number in range(5)]
SMALL = ["ann@small.example", "bob@small.example", "cleo@other.example"]


async def companies(api: httpx.AsyncClient, *campaign_ids: str) -> Counter[tuple[str, str]]:
    """Emails by date and company."""
    sent = [mail for campaign_id in campaign_ids for mail in await mails(api, campaign_id)]
    return Counter((mail["timestamp_email"][8:10], mail["lead"].partition("@")[2]) for mail in sent)


async def test_a_company_gets_only_so_many_emails_a_day(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, BIG + SMALL, email_list=[account], **limited(2))
    wait(14 * HOUR)
    assert await companies(api, campaign_id) == {
        ("07", "big.example"): 2,
        ("07", "small.example"): 2,
        ("07", "other.example"): 1,
    }
    found = await diagnosis(api, campaign_id)
    assert found["status"] == "domain_limit_reached"
    assert found["domain_limiter"] == {"active": True, "domains_at_limit": 2}
    assert (await campaign(api, campaign_id))["not_sending_status"] == 2
    wait(2 * DAY)
    assert [(await companies(api, campaign_id))[(day, "big.example")] for day in ("07", "08", "09")] == [2, 2, 1]
    assert (await campaign(api, campaign_id))["status"] == 3


async def test_follow_ups_count_against_the_limit_of_a_company(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    steps = [step(delay=1, delay_unit="hours"), step(delay=1)]
    people = ["ann@big.example", "bob@big.example"]
    campaign_id = await started(api, people, steps=steps, email_list=[account], **limited(3))
    wait(14 * HOUR)
    assert await companies(api, campaign_id) == {("07", "big.example"): 3}
    wait(DAY)
    assert await companies(api, campaign_id) == {("07", "big.example"): 3, ("08", "big.example"): 1}


async def test_the_limit_can_hold_for_one_campaign_or_for_all_together(api: httpx.AsyncClient, wait: Wait) -> None:
    one, two, three = [await sender(api, f"s{number}@ours.example") for number in range(3)]
    free = await started(api, [f"x{n}@big.example" for n in range(3)], email_list=[one])
    wait(HOUR)
    alone = await started(api, BIG, email_list=[two], **limited(2))
    together = await started(api, BIG, email_list=[three], **limited(4, "across_workspace"))
    wait(HOUR)
    found = [sum((await companies(api, campaign_id)).values()) for campaign_id in (free, alone, together)]
    assert found == [3, 2, 0]


async def test_no_limit_holds_where_it_is_disabled(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    override = {"mode": "disabled", "daily_limit": 1}
    campaign_id = await started(api, BIG, email_list=[account], limit_emails_per_company_override=override)
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 5
    assert {lead["status"] for lead in await leads(api, campaign_id)} <= {3, -1}
