"""Automatic choice among variants: the better one stays, the other is switched off."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from .outreach import DAY, HOUR, Wait, add, campaign, mails, sender, started, step

pytestmark = pytest.mark.anyio

LINKED = ("Linked", '<p>Have a <a href="https://brightpath.example">look</a></p>')
PLAIN = ("Plain", "<p>Have a look</p>")
CLICKS = {"auto_variant_select": {"trigger": "click_rate"}}
PEOPLE = [f"p{number}@company{number}.example" for number in range(260)]


def switched_off(record: dict[str, Any], place: int = 0) -> list[bool]:
    return [bool(variant.get("v_disabled")) for variant in record["sequences"][0]["steps"][place]["variants"]]


async def subjects(api: httpx.AsyncClient, campaign_id: str, since: str) -> Counter[str]:
    sent = await mails(api, campaign_id, min_timestamp_created=since)
    return Counter(mail["subject"] for mail in sent)


async def test_the_better_variant_wins_and_the_other_is_switched_off(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    more = {"daily_max_leads": 100, "email_list": [account], **CLICKS}
    campaign_id = await started(api, PEOPLE, steps=[step(PLAIN, LINKED)], **more)
    wait(DAY)
    assert switched_off(await campaign(api, campaign_id)) == [False, False]
    before = (await campaign(api, campaign_id))["timestamp_updated"]
    # The third day begins at midnight in Detroit, fifteen hours after this.
    wait(HOUR * 16)
    decided = await campaign(api, campaign_id)
    assert switched_off(decided) == [True, False]
    assert decided["timestamp_updated"] > before
    rows = (await api.get("/campaigns/analytics/steps", params={"campaign_id": campaign_id})).json()
    clicks = {row["variant"]: row["unique_clicks"] for row in rows}
    assert clicks["1"] > clicks["0"] == 0
    assert set(await subjects(api, campaign_id, "2026-09-09T04:00:00Z")) == {"Linked"}


async def test_nothing_is_switched_off_unasked(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    more = {"daily_max_leads": 100, "email_list": [account]}
    campaign_id = await started(api, PEOPLE, steps=[step(PLAIN, LINKED)], **more)
    wait(2 * DAY)
    assert switched_off(await campaign(api, campaign_id)) == [False, False]


async def test_few_emails_decide_nothing(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    more = {"daily_max_leads": 10, "email_list": [account], **CLICKS}
    campaign_id = await started(api, PEOPLE, steps=[step(PLAIN, LINKED)], **more)
    wait(4 * DAY)
    assert switched_off(await campaign(api, campaign_id)) == [False, False]


async def test_variants_that_do_equally_well_both_go_on(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    more = {"daily_max_leads": 100, "email_list": [account], **CLICKS}
    campaign_id = await started(api, PEOPLE, steps=[step(PLAIN, PLAIN)], **more)
    wait(3 * DAY)
    assert switched_off(await campaign(api, campaign_id)) == [False, False]


@pytest.mark.parametrize(("trigger", "column"), [("open_rate", "unique_opened"), ("reply_rate", "unique_replies")])
async def test_opens_and_replies_can_decide_as_well(
    api: httpx.AsyncClient, wait: Wait, trigger: str, column: str
) -> None:
    account = await sender(api, "one@ours.example")
    choice = {"auto_variant_select": {"trigger": trigger}}
    steps = [step(PLAIN, LINKED, ("Third", "<p>x</p>"), delay=20), step(delay=1)]
    campaign_id = await started(api, PEOPLE[:200], steps=steps, email_list=[account], **choice)
    wait(5 * DAY)
    # All went out on the first day and everybody has reacted, so the numbers are those that decided.
    rows = (await api.get("/campaigns/analytics/steps", params={"campaign_id": campaign_id})).json()
    rates = {int(row["variant"]): row[column] / row["sent"] for row in rows if row["variant"]}
    best = max(rates, key=lambda variant: rates[variant])
    assert switched_off(await campaign(api, campaign_id)) == [variant != best for variant in range(3)]


async def test_a_subsequence_chooses_for_itself(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    parent = await started(api, [], steps=[step()], email_list=[account], is_evergreen=True)
    body = {
        "parent_campaign": parent,
        "name": "More",
        "conditions": {"lead_activity": [91]},
        "sequences": [{"steps": [step(PLAIN, LINKED), step()]}],
        **CLICKS,
    }
    subsequence = (await api.post("/subsequences", json=body)).json()["id"]
    await api.post(f"/subsequences/{subsequence}/resume")
    await add(api, parent, PEOPLE)
    wait(4 * DAY)
    record = (await api.get(f"/subsequences/{subsequence}")).json()
    rows = (await api.get(f"/subsequences/{subsequence}/analytics/steps")).json()
    clicks = {row["variant"]: row["unique_clicks"] for row in rows if row["step"] == "0"}
    assert clicks["1"] > clicks["0"] == 0
    assert switched_off(record) == [True, False]
    assert switched_off(await campaign(api, parent)) == [False]
