"""Further settings of campaigns, subsequences and senders, each by what it changes."""

from __future__ import annotations

import itertools
from collections import Counter

import httpx
import pytest

from .outreach import DAY, HOUR, MINUTE, Wait, add, leads, mails, sender, started, step

pytestmark = pytest.mark.anyio

TWO = [step(delay=1), step(("", "<p>Again</p>"))]
AGENT = "0a0b0c0d-1111-4222-8333-444455556666"


def people(number: int, name: str = "p.silent") -> list[str]:
    return [f"{name}{n}@company{n}.example" for n in range(number)]


@pytest.mark.parametrize(("first", "steps"), [(False, ["0_1_0"] * 3), (True, ["0_0_0"] * 3)])
async def test_new_leads_or_follow_ups_come_first(
    api: httpx.AsyncClient, wait: Wait, first: bool, steps: list[str]
) -> None:
    account = await sender(api, "one@ours.example", daily_limit=3)
    campaign_id = await started(api, people(9), steps=TWO, email_list=[account], prioritize_new_leads=first)
    wait(10 * HOUR)
    assert len(await mails(api, campaign_id)) == 3
    # A whole day later all three follow-ups are due, and six leads still wait for their first email.
    await api.patch(f"/campaigns/{campaign_id}", json={"daily_limit": 0})
    wait(DAY)
    await api.patch(f"/campaigns/{campaign_id}", json={"daily_limit": None})
    wait(30 * MINUTE)
    assert [mail["step"] for mail in (await mails(api, campaign_id))[3:]] == steps


async def test_a_sender_waits_a_moment_longer_by_chance(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example")
    gaps = {"email_gap": 10, "random_wait_max": 20}
    campaign_id = await started(api, people(30), email_list=[account], **gaps)
    wait(DAY)
    times = [mail["timestamp_email"] for mail in await mails(api, campaign_id)]
    minutes = [int(at[11:13]) * 60 + int(at[14:16]) + int(at[17:19]) / 60 for at in times if at[:10] == "2026-09-07"]
    waits = [later - earlier for earlier, later in itertools.pairwise(minutes)]
    assert len(waits) > 20 and min(waits) >= 9.9 and max(waits) <= 30.1
    assert max(waits) - min(waits) > 10


async def test_the_gap_of_a_sender_holds_over_all_its_campaigns(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example", sending_gap=15)
    one = await started(api, people(5), email_list=[account])
    two = await started(api, people(5, "q.silent"), email_list=[account])
    wait(46 * MINUTE)
    sent = [*await mails(api, one), *await mails(api, two)]
    assert sorted(mail["timestamp_email"][11:16] for mail in sent) == ["13:00", "13:15", "13:30", "13:45"]


@pytest.mark.parametrize(("stops", "emails"), [(False, 2), (True, 1)])
async def test_a_note_of_absence_stops_a_campaign_that_wishes_so(
    api: httpx.AsyncClient, wait: Wait, stops: bool, emails: int
) -> None:
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people(1, "p.ooo"), steps=TWO, email_list=[account], stop_on_auto_reply=stops)
    wait(20 * DAY)
    assert len(await mails(api, campaign_id)) == emails


@pytest.mark.parametrize("allowed", [False, True])
async def test_risky_addresses_are_written_to_where_that_is_allowed(
    api: httpx.AsyncClient, wait: Wait, allowed: bool
) -> None:
    account = await sender(api, "one@ours.example")
    more = {"email_list": [account], "allow_risky_contacts": allowed, "is_evergreen": True}
    campaign_id = await started(api, [], **more)
    for email in ("a.catchall@x.example", "b.risky@x.example", "c.invalid@x.example"):
        await api.post("/leads", json={"campaign": campaign_id, "email": email, "verify_leads_on_import": True})
    wait(HOUR)
    found = {lead["email"][0]: lead["status"] for lead in await leads(api, campaign_id)}
    assert (found["c"], len(await mails(api, campaign_id))) == (-3, 2 if allowed else 0)
    assert (found["a"] == -3) is not allowed


@pytest.mark.parametrize(("exempt", "emails"), [(False, 2), (True, 4)])
async def test_a_subsequence_can_go_beyond_the_limit_of_its_senders(
    api: httpx.AsyncClient, wait: Wait, exempt: bool, emails: int
) -> None:
    account = await sender(api, "one@ours.example", daily_limit=2, enable_slow_ramp=True)
    campaign_id = await started(api, people(2), email_list=[account])
    body = {
        "parent_campaign": campaign_id,
        "name": "More",
        "conditions": {"lead_activity": [91]},
        "sequences": [{"steps": [step(("More", "<p>x</p>"), pre_delay=1, pre_delay_unit="hours")]}],
        "ignore_account_daily_limit": exempt,
    }
    subsequence = (await api.post("/subsequences", json=body)).json()["id"]
    await api.post(f"/subsequences/{subsequence}/resume")
    wait(10 * HOUR)
    assert len(await mails(api, campaign_id)) == emails


async def test_emails_say_where_to_reply_and_which_agent_they_are_from(api: httpx.AsyncClient, wait: Wait) -> None:
    account = await sender(api, "one@ours.example", reply_to="desk@ours.example")
    campaign_id = await started(api, people(1), email_list=[account.upper()], ai_sdr_id=AGENT)
    wait(HOUR)
    (mail,) = await mails(api, campaign_id)
    assert (mail["reply_to"], mail["ai_agent_id"]) == ("desk@ours.example", AGENT)


async def test_leads_without_a_sender_do_not_keep_the_others_waiting(api: httpx.AsyncClient, wait: Wait) -> None:
    google = await sender(api, "google@ours.example", provider=2)
    outlook = await sender(api, "outlook@ours.example", provider=3)
    rule = {"action": "send", "recipient_esp": ["google"], "sender_esp": ["google"]}
    more = {"email_list": [google, outlook], "provider_routing_rules": [rule]}
    await api.post(f"/accounts/{google}/pause")
    campaign_id = await started(api, people(30), steps=[step(delay=9), step()], **more)
    wait(3 * HOUR)
    before = Counter(mail["eaccount"] for mail in await mails(api, campaign_id))
    await api.post(f"/accounts/{google}/resume")
    wait(3 * HOUR)
    after = Counter(mail["eaccount"] for mail in await mails(api, campaign_id))
    assert 0 < before[outlook] == after[outlook] < 30
    assert (before[google], after[google]) == (0, 30 - after[outlook])
    await add(api, campaign_id, ["new@company99.example"])
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 31
