"""Which sender writes to whom: matching of mail providers, and rules about them."""

from __future__ import annotations

from collections.abc import Iterable

import httpx
import pytest

from .outreach import DAY, HOUR, Wait, campaign, diagnosis, leads, mails, sender, started

pytestmark = pytest.mark.anyio

GOOGLE, MICROSOFT, IMAP = 2, 3, 1
RECIPIENTS = {1: "google", 2: "outlook", 999: "other", 1000: "other"}
PEOPLE = [f"ann@company{number}.example" for number in range(30)]


async def senders(api: httpx.AsyncClient, *providers: int) -> list[str]:
    names = {GOOGLE: "google", MICROSOFT: "outlook", IMAP: "imap"}
    return [await sender(api, f"{names[code]}@ours.example", provider=code) for code in providers]


async def pairs(api: httpx.AsyncClient, campaign_id: str) -> set[tuple[str, str]]:
    """Who wrote to whom: the provider of the recipient and the name of the sender."""
    provider = {lead["email"]: RECIPIENTS[lead["esp_code"]] for lead in await leads(api, campaign_id)}
    sent = await mails(api, campaign_id)
    return {(provider[mail["lead"]], mail["eaccount"].partition("@")[0]) for mail in sent}


def everybody(*names: str) -> Iterable[tuple[str, str]]:
    return {(provider, name) for provider in RECIPIENTS.values() for name in names}


async def test_without_a_setting_everybody_writes_to_everybody(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, PEOPLE, email_list=await senders(api, GOOGLE, MICROSOFT))
    wait(HOUR)
    assert await pairs(api, campaign_id) == everybody("google", "outlook")


async def test_leads_are_written_to_from_their_own_provider(api: httpx.AsyncClient, wait: Wait) -> None:
    accounts = await senders(api, GOOGLE, MICROSOFT, IMAP)
    campaign_id = await started(api, PEOPLE, email_list=accounts, match_lead_esp=True)
    wait(HOUR)
    assert await pairs(api, campaign_id) == {("google", "google"), ("outlook", "outlook"), ("other", "imap")}
    assert len(await mails(api, campaign_id)) == 30


async def test_where_no_sender_matches_all_of_them_may_write(api: httpx.AsyncClient, wait: Wait) -> None:
    accounts = await senders(api, GOOGLE, IMAP)
    campaign_id = await started(api, PEOPLE, email_list=accounts, match_lead_esp=True)
    wait(HOUR)
    assert await pairs(api, campaign_id) == {
        ("google", "google"),
        ("outlook", "google"),
        ("outlook", "imap"),
        ("other", "imap"),
    }


async def test_a_matching_sender_is_waited_for(api: httpx.AsyncClient, wait: Wait) -> None:
    google, outlook = await senders(api, GOOGLE, MICROSOFT)
    await api.patch(f"/accounts/{google}", json={"daily_limit": 2})
    campaign_id = await started(api, PEOPLE, email_list=[google, outlook], match_lead_esp=True)
    wait(10 * HOUR)
    sent = await mails(api, campaign_id)
    assert sum(mail["eaccount"] == google for mail in sent) == 2
    found = await diagnosis(api, campaign_id)
    assert found["status"] == "waiting_for_esp_match"
    assert found["esp_routing_status"] == {"enabled": True, "waiting_for_match": True, "connected_esps": [2, 3]}
    wait(DAY)
    assert sum(mail["eaccount"] == google for mail in await mails(api, campaign_id)) == 4


async def test_a_rule_can_forbid(api: httpx.AsyncClient, wait: Wait) -> None:
    rule = {"action": "do_not_send", "recipient_esp": ["google"], "sender_esp": ["outlook", "other"]}
    accounts = await senders(api, GOOGLE, MICROSOFT)
    campaign_id = await started(api, PEOPLE, email_list=accounts, provider_routing_rules=[rule])
    wait(HOUR)
    assert await pairs(api, campaign_id) == everybody("google", "outlook") - {("google", "outlook")}


async def test_a_rule_can_name_the_only_senders_for_a_provider(api: httpx.AsyncClient, wait: Wait) -> None:
    rule = {"action": "send", "recipient_esp": ["outlook"], "sender_esp": ["outlook"]}
    accounts = await senders(api, GOOGLE, MICROSOFT)
    campaign_id = await started(api, PEOPLE, email_list=accounts, provider_routing_rules=[rule])
    wait(HOUR)
    assert await pairs(api, campaign_id) == everybody("google", "outlook") - {("outlook", "google")}


async def test_leads_without_a_matching_sender_wait_until_there_is_one(api: httpx.AsyncClient, wait: Wait) -> None:
    rule = {"action": "do_not_send", "recipient_esp": ["all"], "sender_esp": ["google"]}
    accounts = await senders(api, GOOGLE)
    campaign_id = await started(api, PEOPLE, email_list=accounts, provider_routing_rules=[rule])
    wait(DAY)
    assert await mails(api, campaign_id) == []
    assert (await campaign(api, campaign_id))["status"] == 1
    assert (await diagnosis(api, campaign_id))["status"] == "waiting_for_esp_match"
    accounts += await senders(api, MICROSOFT)
    await api.patch(f"/campaigns/{campaign_id}", json={"email_list": accounts})
    wait(HOUR)
    assert await pairs(api, campaign_id) == everybody("outlook")


async def test_a_follow_up_comes_from_the_first_sender(api: httpx.AsyncClient, wait: Wait) -> None:
    accounts = await senders(api, GOOGLE, MICROSOFT)
    steps = [
        {"type": "email", "delay": 1, "variants": [{"subject": subject, "body": "<p>x</p>"}]} for subject in ("One", "")
    ]
    campaign_id = await started(api, PEOPLE, email_list=accounts, steps=steps, match_lead_esp=True)
    wait(2 * DAY)
    writers: dict[str, set[str]] = {}
    for mail in await mails(api, campaign_id):
        writers.setdefault(mail["lead"], set()).add(mail["eaccount"])
    assert {len(found) for found in writers.values()} == {1}
    assert any(mail["step"] == "0_1_0" for mail in await mails(api, campaign_id))
