"""What holds a campaign's letters back, and what makes it better: its settings, seen from outside."""

from __future__ import annotations

from collections import Counter
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .test_sending import CHLOE, DAY, HOUR, Wait, campaign, mails, schedule, started, step

pytestmark = pytest.mark.anyio

ADA, BEN = "ada@brightpath.example", "ben@brightpath.example"
FAMILIES = {1: "google", 2: "outlook"}
PEOPLE = [f"person{number}@company{number}.example" for number in range(40)]


async def begun(api: httpx.AsyncClient, addresses: list[str], **more: Any) -> str:
    """An active campaign with these leads."""
    campaign_id = await started(api, **{"email_gap": 0, **more})
    leads = [{"email": address} for address in addresses]
    assert (await api.post("/leads/add", json={"campaign_id": campaign_id, "leads": leads})).status_code == 200
    return campaign_id


async def sent(api: httpx.AsyncClient, campaign_id: str) -> list[dict[str, Any]]:
    """All mails that a campaign has sent."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"campaign_id": campaign_id, "limit": 100, "sort_order": "asc"}
    while True:
        page = (await api.get("/emails", params=query)).json()
        found += [mail for mail in page["items"] if mail["ue_type"] == 1]
        if "next_starting_after" not in page:
            return found
        query["starting_after"] = page["next_starting_after"]


async def diagnosis(api: httpx.AsyncClient, campaign_id: str) -> dict[str, Any]:
    return (await api.get(f"/campaigns/{campaign_id}/sending-status")).json()["diagnostics"]


async def change(api: httpx.AsyncClient, email: str, **settings: Any) -> None:
    assert (await api.patch(f"/accounts/{email}", json=settings)).status_code == 200


async def test_too_many_bounces_stop_a_campaign_until_it_is_activated_again(api: httpx.AsyncClient, wait: Wait) -> None:
    await change(api, CHLOE, daily_limit=500)
    people = [f"{'bounce' if number % 5 == 0 else 'person'}{number}@c{number}.example" for number in range(400)]
    campaign_id = await begun(api, people)
    wait(2 * DAY)
    assert (await campaign(api, campaign_id))["status"] == -2
    before = len(await sent(api, campaign_id))
    assert 100 <= before < 400
    told = (await api.get(f"/campaigns/{campaign_id}/sending-status")).json()["summary"]
    assert told["status"] == "campaign_bounce_protect"
    entry = (await api.get("/audit-logs", params={"activity_type": 5, "limit": 1})).json()["items"][0]
    assert (entry["campaign_id"], entry["from_api"]) == (campaign_id, False)
    wait(DAY)
    assert len(await sent(api, campaign_id)) == before
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(HOUR)
    assert len(await sent(api, campaign_id)) > before


async def test_a_campaign_can_do_without_bounce_protection(api: httpx.AsyncClient, wait: Wait) -> None:
    await change(api, CHLOE, daily_limit=500)
    people = [f"bounce{number}@c{number}.example" for number in range(150)]
    campaign_id = await begun(api, people, disable_bounce_protect=True)
    wait(2 * DAY)
    assert len(await sent(api, campaign_id)) == 150
    assert (await campaign(api, campaign_id))["status"] == 3


async def test_slow_ramp_lets_a_sender_send_a_little_more_every_day(api: httpx.AsyncClient, wait: Wait) -> None:
    await change(api, CHLOE, daily_limit=7, enable_slow_ramp=True)
    campaign_id = await begun(api, PEOPLE, campaign_schedule=schedule("08:00", "20:00"))
    wait(8 * HOUR)
    accounts = (await diagnosis(api, campaign_id))["accounts_summary"]
    wait(5 * DAY)
    days = Counter(mail["timestamp_email"][:10] for mail in await sent(api, campaign_id))
    assert [days[day] for day in sorted(days)][:5] == [2, 4, 6, 7, 7]
    assert accounts["unavailable"]["slow_ramp_limit_hit"] == 1
    assert accounts["unavailable"]["daily_limit_hit"] == 0


async def test_a_company_gets_so_many_letters_a_day(api: httpx.AsyncClient, wait: Wait) -> None:
    rule = {"mode": "custom", "daily_limit": 2, "scope": "per_campaign"}
    colleagues = [f"person{number}@onecompany.example" for number in range(5)]
    campaign_id = await begun(api, colleagues, limit_emails_per_company_override=rule)
    wait(6 * HOUR)
    assert len(await sent(api, campaign_id)) == 2
    told = await diagnosis(api, campaign_id)
    assert (told["status"], told["domain_limiter"]) == ("domain_limit_reached", {"active": True, "domains_at_limit": 1})
    wait(4 * DAY)
    assert len({mail["lead"] for mail in await sent(api, campaign_id)}) == 5


async def test_a_company_can_be_spared_by_all_campaigns_together(api: httpx.AsyncClient, wait: Wait) -> None:
    rule = {"mode": "custom", "daily_limit": 3, "scope": "across_workspace"}
    first = await begun(api, ["a1@onecompany.example", "a2@onecompany.example"], email_list=[ADA])
    wait(3 * HOUR)
    second = await begun(
        api, [f"b{n}@onecompany.example" for n in range(4)], limit_emails_per_company_override=rule, email_list=[BEN]
    )
    wait(3 * HOUR)
    assert (len(await sent(api, first)), len(await sent(api, second))) == (2, 1)


async def families(api: httpx.AsyncClient, campaign_id: str) -> Counter[tuple[str, str]]:
    """How often a family of senders has written to a family of recipients first."""
    body = {"campaign": campaign_id, "limit": 100}
    leads = {lead["email"]: lead for lead in (await api.post("/leads/list", json=body)).json()["items"]}
    found: Counter[tuple[str, str]] = Counter()
    for mail in await sent(api, campaign_id):
        provider = (await api.get(f"/accounts/{mail['eaccount']}")).json()["provider_code"]
        to = FAMILIES.get(leads[mail["lead"]]["esp_code"], "other")
        found[{2: "google", 3: "outlook"}.get(provider, "other"), to] += 1
    return found


async def add_outlook_sender(api: httpx.AsyncClient) -> str:
    """The demo has senders at Google only."""
    email = "olga@brightpath.example"
    server = {
        f"{kind}_{name}": value
        for kind in ("imap", "smtp")
        for name, value in (("username", email), ("password", "not-real"), ("host", "mail.b.example"), ("port", 993))
    }
    body = {"email": email, "first_name": "Olga", "last_name": "Berg", "provider_code": 3, **server}
    assert (await api.post("/accounts", json=body)).status_code == 200
    return email


async def test_letters_go_out_from_the_recipients_own_provider_where_that_is_wanted(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    named = [ADA, await add_outlook_sender(api)]
    campaign_id = await begun(api, PEOPLE, email_list=named, match_lead_esp=True)
    free = await begun(api, [f"x{address}" for address in PEOPLE], email_list=named)
    wait(3 * DAY)
    pairs = await families(api, campaign_id)
    assert sum(pairs.values()) == 40
    assert not pairs["google", "outlook"] + pairs["outlook", "google"]
    assert pairs["google", "google"] * pairs["outlook", "outlook"] > 0
    others = await families(api, free)
    assert others["google", "outlook"] + others["outlook", "google"] > 0


async def test_rules_say_which_provider_writes_to_which(api: httpx.AsyncClient, wait: Wait) -> None:
    rules = [
        {"action": "send", "recipient_esp": ["outlook"], "sender_esp": ["google"]},
        {"action": "do_not_send", "recipient_esp": ["other"], "sender_esp": ["all"]},
    ]
    named = [ADA, await add_outlook_sender(api)]
    campaign_id = await begun(api, PEOPLE, email_list=named, provider_routing_rules=rules)
    wait(3 * DAY)
    pairs = await families(api, campaign_id)
    assert {pair for pair, count in pairs.items() if count and pair[1] == "outlook"} == {("google", "outlook")}
    assert not {pair for pair, count in pairs.items() if count and pair[1] == "other"}
    told = await diagnosis(api, campaign_id)
    assert told["esp_routing_status"]["waiting_for_match"]
    assert told["status"] == "waiting_for_esp_match"
    await api.patch(f"/campaigns/{campaign_id}", json={"provider_routing_rules": []})
    wait(3 * DAY)
    assert len(await sent(api, campaign_id)) == 40


async def test_the_better_variant_stays_and_the_others_are_switched_off(api: httpx.AsyncClient, wait: Wait) -> None:
    await change(api, CHLOE, daily_limit=500)
    linked, plain = '<p><a href="https://b.example">Read</a></p>', "<p>Read</p>"
    variants = [{"subject": "A", "body": plain}, {"subject": "B", "body": linked}]
    people = [f"person{number}@c{number}.example" for number in range(300)]
    campaign_id = await begun(
        api,
        people,
        steps=[step(variants=variants)],
        auto_variant_select={"trigger": "click_rate"},
        link_tracking=True,
        daily_limit=150,
    )
    wait(4 * DAY)
    found = (await campaign(api, campaign_id))["sequences"][0]["steps"][0]["variants"]
    assert [variant.get("v_disabled", False) for variant in found] == [True, False]
    later = (await sent(api, campaign_id))[200:]
    assert {mail["subject"] for mail in later} == {"B"}


async def test_copies_are_named_on_the_letters(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await begun(api, PEOPLE[:1], cc_list=["boss@b.example"], bcc_list=["crm@b.example", "log@b.example"])
    wait(HOUR)
    (mail,) = await sent(api, campaign_id)
    assert mail["cc_address_email_list"] == "boss@b.example"
    assert mail["bcc_address_email_list"] == "crm@b.example,log@b.example"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, [True, True]), ({"first_email_text_only": True}, [False, True]), ({"text_only": True}, [False, False])],
)
async def test_a_letter_of_text_only_has_no_links(
    api: httpx.AsyncClient, wait: Wait, settings: dict[str, Any], expected: list[bool]
) -> None:
    body = '<p>See <a href="https://b.example">this</a></p>'
    campaign_id = await begun(api, PEOPLE[:1], steps=[step(body=body, delay=1), step("", body)], **settings)
    wait(3 * DAY)
    found = await mails(api, campaign_id)
    assert ["href" in mail["body"]["html"] for mail in found if mail["ue_type"] == 1] == expected


async def test_gaps_and_delays_without_end_send_nothing_more(api: httpx.AsyncClient, wait: Wait) -> None:
    endless = {"delay": 1e308, "variants": [{"subject": "A", "body": "<p>A</p>"}]}
    campaign_id = await begun(api, PEOPLE[:3], steps=[step(**endless), step()], email_gap=1e308, random_wait_max=1e308)
    wait(30 * DAY)
    assert len(await sent(api, campaign_id)) == 1


@pytest.mark.parametrize("dates", [{"start_date": "9999-12-31"}, {"end_date": "0001-01-01"}])
async def test_a_schedule_can_lie_beyond_all_time(api: httpx.AsyncClient, wait: Wait, dates: dict[str, str]) -> None:
    campaign_id = await begun(api, PEOPLE[:3], campaign_schedule=schedule(**dates))
    wait(30 * DAY)
    assert await sent(api, campaign_id) == []
    assert (await diagnosis(api, campaign_id))["status"] == "out_of_schedule"


async def test_a_campaign_of_many_leads_that_wait_for_their_company_is_soon_worked_through(
    api: httpx.AsyncClient, wait: Wait, world: World
) -> None:
    """Leads that must wait are looked at once a day, and not again with every letter."""
    rule = {"mode": "custom", "daily_limit": 1, "scope": "per_campaign"}
    people = [f"person{number}@company{number % 3}.example" for number in range(900)]
    campaign_id = await begun(api, people, limit_emails_per_company_override=rule)
    before = world.number()
    wait(2 * DAY)
    assert len(await sent(api, campaign_id)) <= 9
    assert world.number() - before < 20 * 900
