"""What happens when an active campaign meets time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.worlds.demo import seed_data

pytestmark = pytest.mark.anyio

ACTIVE, DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
CHLOE, DEV = "chloe@brightpath.example", "dev@brightpath-mail.example"
MINUTE, HOUR, DAY = 60, 3600, 86400
Wait = Callable[[float], None]


def schedule(start: str = "00:00", end: str = "23:59", days: str = "0123456", **more: Any) -> dict[str, Any]:
    window = {
        "name": "Window",
        "timing": {"from": start, "to": end},
        "days": dict.fromkeys(days, True),
        "timezone": "America/Detroit",
    }
    return {"schedules": [window], **more}


def step(subject: str = "Hello {{firstName}}", body: str = "<p>Hi {{firstName}}</p>", **more: Any) -> dict[str, Any]:
    return {"type": "email", "delay": 2, "variants": [{"subject": subject, "body": body}], **more}


async def started(api: httpx.AsyncClient, *people: str, steps: list[dict[str, Any]] | None = None, **more: Any) -> str:
    """An active campaign with these leads, whose sender is Chloe; her slow ramp is over."""
    await api.patch(f"/accounts/{CHLOE}", json={"enable_slow_ramp": False})
    body = {
        "name": "Test",
        "campaign_schedule": schedule(),
        "sequences": [{"steps": steps or [step()]}],
        "email_list": [CHLOE],
        "open_tracking": True,
        "stop_on_reply": True,
        **more,
    }
    created = await api.post("/campaigns", json=body)
    assert created.status_code == 200, created.text
    campaign_id = created.json()["id"]
    if people:
        await add(api, campaign_id, *people)
    await api.post(f"/campaigns/{campaign_id}/activate")
    return campaign_id


async def add(api: httpx.AsyncClient, campaign_id: str, *people: str) -> None:
    leads = [{"email": f"{name}@portico.example", "first_name": name.title()} for name in people]
    await api.post("/leads/add", json={"campaign_id": campaign_id, "leads": leads})


async def mails(api: httpx.AsyncClient, campaign_id: str, **query: Any) -> list[dict[str, Any]]:
    """The campaign's mails, oldest first."""
    found = await api.get("/emails", params={"campaign_id": campaign_id, "limit": 100, "sort_order": "asc", **query})
    return found.json()["items"]


async def campaign(api: httpx.AsyncClient, campaign_id: str) -> dict[str, Any]:
    return (await api.get(f"/campaigns/{campaign_id}")).json()


async def lead(api: httpx.AsyncClient, campaign_id: str, name: str) -> dict[str, Any]:
    body = {"campaign": campaign_id, "contacts": [f"{name}@portico.example"]}
    return (await api.post("/leads/list", json=body)).json()["items"][0]


async def test_a_campaign_without_senders_becomes_unhealthy_soon_after(api: httpx.AsyncClient, wait: Wait) -> None:
    activated = (await api.post(f"/campaigns/{DRAFT}/activate")).json()
    assert activated["status"] == 1
    wait(5)
    assert (await campaign(api, DRAFT))["status"] == -1


async def test_a_sender_that_is_paused_or_broken_is_none(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "zoe", email_list=[DEV, "eva@brightpath-mail.example", "gone@brightpath.example"])
    wait(5)
    assert ((await campaign(api, campaign_id))["status"], await mails(api, campaign_id)) == (-1, [])


async def test_senders_can_be_named_by_a_tag(api: httpx.AsyncClient, wait: Wait) -> None:
    tag = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"
    campaign_id = await started(api, "ann", "bob", email_list=[], email_tag_list=[tag])
    wait(HOUR)
    senders = {mail["eaccount"] for mail in await mails(api, campaign_id)}
    assert senders == {"ada@brightpath.example", "ben@brightpath.example"}


async def test_emails_are_filled_with_what_is_known(api: httpx.AsyncClient, wait: Wait) -> None:
    body = "<p>{{firstName}} {{lastName}}|{{RANDOM | one | one}}|{{city}}|{{sendingAccountFirstName}}</p>"
    campaign_id = await started(api, "zoe", steps=[step(body=body)])
    wait(5)
    (mail,) = await mails(api, campaign_id)
    assert (mail["subject"], mail["body"], mail["step"]) == ("Hello Zoe", {"html": "<p>Zoe |one||Chloe</p>"}, "0_0_0")
    assert (mail["ue_type"], mail["lead"], mail["from_address_email"]) == (1, "zoe@portico.example", CHLOE)
    zoe = await lead(api, campaign_id, "zoe")
    assert (zoe["status"], zoe["timestamp_last_contact"]) == (3, mail["timestamp_email"])
    assert mail["lead_id"] == zoe["id"]


async def test_follow_ups_stand_in_one_thread_whatever_their_subject(api: httpx.AsyncClient, wait: Wait) -> None:
    steps = [step(delay=2), step("", delay=30, delay_unit="minutes"), step("Once more")]
    campaign_id = await started(api, "una", steps=steps)
    wait(3 * DAY)
    first, second, third = [mail for mail in await mails(api, campaign_id) if mail["ue_type"] == 1]
    assert [mail["subject"] for mail in (first, second, third)] == ["Hello Una", "Re: Hello Una", "Once more"]
    assert first["thread_id"] == second["thread_id"] == third["thread_id"]
    days = [mail["timestamp_email"][:10] for mail in (first, second, third)]
    assert days == ["2026-09-07", "2026-09-09", "2026-09-09"]


async def test_the_delay_stands_with_the_step_before(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "una", steps=[step(delay=1), step("", delay=9)])
    wait(DAY - MINUTE)
    assert len(await mails(api, campaign_id, email_type="sent")) == 1
    wait(2 * MINUTE)
    assert len(await mails(api, campaign_id, email_type="sent")) == 2


async def test_only_the_first_sequence_counts(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "una", sequences=[{"steps": [step()]}, {"steps": [step("Second")]}])
    wait(DAY)
    assert [mail["subject"] for mail in await mails(api, campaign_id, email_type="sent")] == ["Hello Una"]


async def test_variants_are_mixed_and_disabled_ones_left_out(api: httpx.AsyncClient, wait: Wait) -> None:
    variants = [{"subject": name, "body": "x", "v_disabled": name == "B"} for name in "ABC"]
    people = [f"p{number}" for number in range(20)]
    campaign_id = await started(api, *people, steps=[{"type": "email", "delay": 1, "variants": variants}])
    wait(4 * HOUR)
    subjects = Counter(mail["subject"] for mail in await mails(api, campaign_id, email_type="sent"))
    assert set(subjects) == {"A", "C"} and sum(subjects.values()) == 20


async def test_nothing_leaves_outside_the_schedule(api: httpx.AsyncClient, wait: Wait) -> None:
    # The sandbox begins on a Monday at nine in Detroit.
    campaign_id = await started(api, "una", campaign_schedule=schedule("10:00", "11:00", "2"))
    wait(DAY)
    assert await mails(api, campaign_id) == []
    assert (await campaign(api, campaign_id))["not_sending_status"] == 1
    wait(HOUR + 1)
    (mail,) = await mails(api, campaign_id)
    assert mail["timestamp_email"] == "2026-09-08T14:00:00.000Z"


async def test_a_schedule_has_a_first_and_a_last_day(api: httpx.AsyncClient, wait: Wait) -> None:
    later = await started(api, "una", campaign_schedule=schedule(start_date="2026-09-10"))
    over = await started(api, "una", campaign_schedule=schedule(end_date="2026-09-06"))
    wait(6 * DAY)
    assert [mail["timestamp_email"][:10] for mail in await mails(api, later, email_type="sent")] == ["2026-09-10"]
    assert await mails(api, over) == []


async def test_new_hours_count_at_once(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "una", campaign_schedule=schedule("10:00", "11:00", "6"))
    wait(HOUR)
    await api.patch(f"/campaigns/{campaign_id}", json={"campaign_schedule": schedule()})
    wait(5)
    assert len(await mails(api, campaign_id)) == 1


async def test_a_sender_keeps_its_gap_and_senders_take_turns(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(f"/accounts/{DEV}/resume")
    campaign_id = await started(api, *(f"p{n}" for n in range(8)), email_list=[CHLOE, DEV], email_gap=20)
    wait(61 * MINUTE)
    sent = await mails(api, campaign_id, email_type="sent")
    assert len(sent) == 8
    chloes = [mail["timestamp_email"][11:16] for mail in sent if mail["eaccount"] == CHLOE]
    assert chloes == ["13:00", "13:20", "13:40", "14:00"]


async def test_the_limits_of_a_day_hold(api: httpx.AsyncClient, wait: Wait) -> None:
    people = [f"p{n}" for n in range(9)]
    campaign_id = await started(api, *people, daily_limit=3, email_gap=5)
    wait(HOUR)
    assert (await campaign(api, campaign_id))["not_sending_status"] == 3
    wait(2 * DAY)
    days = Counter(mail["timestamp_email"][:10] for mail in await mails(api, campaign_id, email_type="sent"))
    assert days == {"2026-09-07": 3, "2026-09-08": 3, "2026-09-09": 3}


async def test_the_limit_of_a_sender_holds_over_all_its_campaigns(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.patch(f"/accounts/{CHLOE}", json={"daily_limit": 5})
    one = await started(api, *(f"p{n}" for n in range(9)), email_gap=1)
    two = await started(api, *(f"q{n}" for n in range(9)), email_gap=1)
    wait(2 * HOUR)
    sent = [len(await mails(api, campaign_id, email_type="sent")) for campaign_id in (one, two)]
    assert sum(sent) == 5 and min(sent) >= 2
    assert (await campaign(api, one))["not_sending_status"] == 4


async def test_new_leads_are_limited_apart_from_follow_ups(api: httpx.AsyncClient, wait: Wait) -> None:
    people = [f"p{n}" for n in range(4)]
    steps = [step(delay=1), step("", delay=1)]
    campaign_id = await started(api, *people, steps=steps, daily_max_leads=2, email_gap=1)
    wait(2 * DAY - HOUR)
    days = Counter(
        (mail["timestamp_email"][:10], mail["step"][2]) for mail in await mails(api, campaign_id, email_type="sent")
    )
    assert days[("2026-09-07", "0")] == 2 and days[("2026-09-08", "0")] == 2
    assert days[("2026-09-08", "1")] >= 1


async def test_a_campaign_is_completed_when_all_its_leads_are(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "ann", "bob")
    wait(HOUR)
    assert (await campaign(api, campaign_id))["status"] == 3
    forever = await started(api, "ann", is_evergreen=True)
    wait(HOUR)
    assert (await campaign(api, forever))["status"] == 1
    await add(api, forever, "bob")
    wait(HOUR)
    assert len(await mails(api, forever, email_type="sent")) == 2


async def test_a_paused_campaign_goes_on_where_it_was(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "ann", "bob", "cleo")
    wait(5)
    await api.post(f"/campaigns/{campaign_id}/pause")
    wait(HOUR)
    assert len(await mails(api, campaign_id)) == 1
    await api.post(f"/campaigns/{campaign_id}/activate")
    wait(HOUR)
    assert len(await mails(api, campaign_id, email_type="sent")) == 3


async def test_magic_words_decide_what_a_lead_does(api: httpx.AsyncClient, wait: Wait) -> None:
    people = ("ann.reply", "bob.bounce", "cleo.unsubscribe", "dan.ooo")
    steps = [step(delay=1), step("", delay=1)]
    campaign_id = await started(api, *people, steps=steps, email_gap=1)
    wait(HOUR)
    found = {name: await lead(api, campaign_id, name) for name in people}
    assert [found[name]["status"] for name in people] == [3, -1, -2, 1]
    ann = found["ann.reply"]
    assert (ann["email_reply_count"], ann["email_open_count"], ann["email_replied_step"]) == (1, 1, 0)
    received = await mails(api, campaign_id, email_type="received")
    assert {(mail["lead"].partition("@")[0], mail["is_auto_reply"], mail["is_unread"]) for mail in received} == {
        ("ann.reply", 0, 1),
        ("dan.ooo", 1, 1),
    }
    wait(20 * DAY)
    followed = [mail["lead"] for mail in await mails(api, campaign_id, email_type="sent") if mail["step"] == "0_1_0"]
    assert followed == ["dan.ooo@portico.example"]


async def test_an_answer_does_not_stop_a_campaign_that_does_not_stop_for_it(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "ann.reply", steps=[step(delay=1), step("", delay=1)], stop_on_reply=False)
    wait(2 * DAY)
    assert [mail["ue_type"] for mail in await mails(api, campaign_id)] == [1, 2, 1]


async def test_opens_count_only_where_they_are_tracked(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "ann.reply", open_tracking=False)
    wait(HOUR)
    ann = await lead(api, campaign_id, "ann.reply")
    assert (ann["email_open_count"], ann["email_reply_count"]) == (0, 1)


async def test_who_is_blocked_or_badly_verified_is_skipped(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api)
    body = {"campaign": campaign_id, "verify_leads_on_import": True}
    for email in ("sly@competitor.example", "x.invalid@b.example", "x.catchall@b.example", "good@b.example"):
        await api.post("/leads", json={**body, "email": email})
    wait(DAY)
    answer = await api.post("/leads/list", json={"campaign": campaign_id})
    assert [found["status"] for found in answer.json()["items"]] == [-3, -3, -3, 3]
    assert {mail["lead"] for mail in await mails(api, campaign_id)} == {"good@b.example"}


async def test_a_deleted_lead_gets_no_email(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign_id = await started(api, "ann", "bob")
    await api.delete(f"/leads/{(await lead(api, campaign_id, 'bob'))['id']}")
    wait(DAY)
    assert {mail["lead"] for mail in await mails(api, campaign_id)} == {"ann@portico.example"}


async def test_the_leads_of_a_paused_sender_pass_to_the_others(api: httpx.AsyncClient, wait: Wait) -> None:
    senders = [CHLOE, "ada@brightpath.example"]
    campaign_id = await started(api, "ann", "bob", email_list=senders, steps=[step(delay=1), step("", delay=1)])
    wait(MINUTE)
    await api.post(f"/accounts/{CHLOE}/pause")
    wait(2 * DAY)
    second = [mail["eaccount"] for mail in await mails(api, campaign_id, email_type="sent") if mail["step"] == "0_1_0"]
    assert second == ["ada@brightpath.example"] * 2


async def test_the_demo_campaign_goes_on_when_the_clock_moves(api: httpx.AsyncClient, wait: Wait) -> None:
    before = len(await mails(api, ACTIVE, email_type="sent"))
    wait(HOUR)
    assert len(await mails(api, ACTIVE, email_type="sent")) > before
    wait(30 * DAY)
    assert (await campaign(api, ACTIVE))["status"] == 3


async def test_one_more_call_does_not_change_what_others_do() -> None:
    async def outcome(extra: bool) -> set[tuple[str, int, str]]:
        world = World(seed_data=seed_data)
        transport = httpx.ASGITransport(app=create_app(world))
        headers = {"authorization": "Bearer sandbox"}
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/api/v2", headers=headers) as client:
            if extra:
                await client.post("/lead-lists", json={"name": "One more"})
                await client.post("/emails/threads/31-nothing/mark-as-read")
            world.clock.advance(DAY)
            world.run_due()
        return {(mail["lead"], mail["ue_type"], mail["timestamp_email"]) for mail in world.emails if "lead" in mail}

    assert await outcome(extra=False) == await outcome(extra=True)
