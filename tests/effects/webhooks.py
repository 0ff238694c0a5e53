"""Webhooks, and what they were told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from .demo import CALL_BACK, DAY, FINTECH, MAYA_EMAIL, MINUTE, WEBHOOK
from .observer import Observer, effect, items_of

FAILING = "https://hooks.brightpath.example/status/503"


async def _let_things_happen(see: Observer) -> None:
    """An email bounces, a lead books a meeting, and asks to be called back later."""
    await see.ask("create_lead", campaign=FINTECH, email="bounce@harborline.example")
    await see.ask("update_campaign", id=FINTECH, prioritize_new_leads=True)
    for value in (2, CALL_BACK):
        await see.ask("update_lead_interest_status", lead_email=MAYA_EMAIL, campaign_id=FINTECH, interest_value=value)
        see.wait(2)
    see.wait(DAY)


async def _told(see: Observer, url: str) -> list[dict[str, Any]]:
    return await see.all("list_webhook_events", search=url)


@effect
async def create_webhook(see: Observer) -> None:
    shown = await see.creates("get_webhook", "list_webhooks")
    assert (await see.logged())["activity_type"] == 18
    url = shown["target_hook_url"]
    assert await _told(see, url) == []
    await _let_things_happen(see)
    events = await _told(see, url)
    assert events
    assert {event["success"] for event in events} == {True}
    if "event_type" in see.given:
        assert {event["payload"]["event_type"] for event in events} == {see.given["event_type"]}
    else:
        # What is told of a label of one's own is its name.
        assert {event["payload"]["event_type"] for event in events} == {"Call back later"}


@effect
async def get_webhook(see: Observer) -> None:
    await see.reads("update_webhook", name="Seen", event_type="all_events")


@effect
async def list_webhooks(see: Observer) -> None:
    async def create() -> str:
        made = await see.ask(
            "create_webhook", target_hook_url=f"{FAILING}/2", event_type="reply_received", campaign=FINTECH
        )
        return made["id"]

    async def create_another() -> str:
        made = await see.ask("create_webhook", target_hook_url=f"{FAILING}/3", event_type="email_bounced")
        return made["id"]

    assert (await see.lists(create, besides=create_another))["target_hook_url"] == f"{FAILING}/2"


@effect
async def update_webhook(see: Observer) -> None:
    first = {"campaign": FINTECH}
    await see.updates("get_webhook", first=first)
    url = (await see.ask("get_webhook", id=see.given["id"]))["target_hook_url"]
    # The next delivery goes where the webhook points now.
    known = len(await _told(see, url))
    await see.ask("test_webhook", id=see.given["id"])
    assert len(await _told(see, url)) == known + 1


@effect
async def delete_webhook(see: Observer) -> None:
    url = (await see.ask("get_webhook", id=see.given["id"]))["target_hook_url"]
    await see.ask("update_webhook", id=see.given["id"], event_type="all_events")
    before = await _told(see, url)
    await see.deletes("get_webhook", "list_webhooks")
    await _let_things_happen(see)
    assert await _told(see, url) == before


@effect
async def resume_webhook(see: Observer) -> None:
    hook = {"id": see.given["id"]}
    await see.ask("update_webhook", **hook, target_hook_url=FAILING, event_type="all_events")
    await _let_things_happen(see)
    broken = await see.ask("get_webhook", **hook)
    assert broken["status"] == -1
    assert "timestamp_error" in broken
    await see.ask("update_webhook", **hook, target_hook_url="https://hooks.brightpath.example/mended")
    await see.ask("update_lead_interest_status", lead_email=MAYA_EMAIL, campaign_id=FINTECH, interest_value=3)
    see.wait(MINUTE)
    assert await _told(see, "https://hooks.brightpath.example/mended") == []
    await see.act()
    mended = await see.ask("get_webhook", **hook)
    assert (mended["status"], mended.get("timestamp_error")) == (1, None)
    assert (await see.logged())["activity_type"] == 21
    await see.ask("update_lead_interest_status", lead_email=MAYA_EMAIL, campaign_id=FINTECH, interest_value=4)
    see.wait(MINUTE)
    assert await _told(see, "https://hooks.brightpath.example/mended")


@effect
async def test_webhook(see: Observer) -> None:
    webhook = await see.ask("get_webhook", id=see.given["id"])
    before = {event["id"] for event in await _told(see, webhook["target_hook_url"])}
    answer = await see.act()
    (event,) = [event for event in await _told(see, webhook["target_hook_url"]) if event["id"] not in before]
    assert (event["success"], event["status_code"]) == (answer["success"], answer["status_code"]) == (True, 200)
    assert event["payload"]["event_type"] == webhook["event_type"]


@effect
async def list_webhook_event_types(see: Observer) -> None:
    before = (await see.act())["event_types"]
    label = await see.ask("create_lead_label", label="Wants pricing", interest_status_label="positive")
    after = (await see.act())["event_types"]
    assert [kind for kind in after if kind not in before] == [
        {"id": str(label["interest_status"]), "label": "Wants pricing", "type": "custom_label"}
    ]


# what was delivered


@effect
async def list_webhook_events(see: Observer) -> None:
    async def fail_to_tell_of_maya() -> str:
        await see.ask("update_webhook", id=WEBHOOK, target_hook_url=FAILING, event_type="lead_meeting_booked")
        await see.ask("update_lead_interest_status", lead_email=MAYA_EMAIL, campaign_id=FINTECH, interest_value=2)
        see.wait(2)
        (event,) = await _told(see, FAILING)
        return event["id"]

    async def tell_of_nobody_a_day_later() -> str:
        await see.ask("update_webhook", id=WEBHOOK, target_hook_url="https://hooks.brightpath.example/works")
        see.wait(DAY)
        await see.ask("test_webhook", id=WEBHOOK)
        (event,) = await _told(see, "https://hooks.brightpath.example/works")
        return event["id"]

    shown = await see.lists(fail_to_tell_of_maya, besides=tell_of_nobody_a_day_later)
    assert (shown["lead_email"], shown["success"]) == (MAYA_EMAIL, False)
    for event in items_of(await see.act()):
        assert event["success"] == see.given.get("success", event["success"])
        assert event["lead_email"] == see.given.get("search", event["lead_email"])


@effect
async def get_webhook_event(see: Observer) -> None:
    event = await see.act()
    listed = {item["id"]: item for item in await see.all("list_webhook_events")}
    assert listed[see.given["id"]] == event
    # It told of an email that can be read.
    mail = await see.ask("get_email", id=event["payload"]["email_id"])
    assert (mail["from_address_email"], mail["subject"]) == (event["lead_email"], event["payload"]["reply_subject"])
    # One that has just been delivered can be read in the same way.
    await see.ask("test_webhook", id=WEBHOOK)
    newest = (await see.all("list_webhook_events"))[0]
    assert await see.ask("get_webhook_event", id=newest["id"]) == newest != event


@effect
async def get_webhook_events_summary(see: Observer) -> None:
    async def agree() -> dict[str, Any]:
        row, events = await see.act(), await see.all("list_webhook_events", **see.given)
        assert row["total_events"] == len(events)
        assert row["failed_events"] == sum(not event["success"] for event in events)
        assert row["success_rate"] == round(100 * row["successful_events"] / len(events), 2)
        return row

    await _see_delivered(see, agree)
    # What comes a day later counts as far as the days that are asked for reach.
    see.wait(DAY)
    await _deliver(see)
    await agree()


@effect
async def get_webhook_events_summary_by_date(see: Observer) -> None:
    async def agree() -> dict[str, Any]:
        rows = {row["date"]: row for row in items_of(await see.act())}
        events = await see.all("list_webhook_events", **see.given)
        assert sum(row["total_events"] for row in rows.values()) == len(events)
        for date, row in rows.items():
            there = [event for event in events if event["timestamp_created_date"] == date]
            assert (row["total_events"], row["successful_events"]) == (
                len(there),
                sum(event["success"] for event in there),
            )
        return rows["2026-09-07"]

    await _see_delivered(see, agree)
    see.wait(DAY)
    await _deliver(see)
    await agree()


async def _see_delivered(see: Observer, count: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    before = await count()
    await _deliver(see)
    after = await count()
    assert (after["successful_events"], after["failed_events"]) == (
        before["successful_events"] + 1,
        before["failed_events"] + 1,
    )


async def _deliver(see: Observer) -> None:
    """Two test deliveries, of which one fails."""
    await see.ask("update_webhook", id=WEBHOOK, target_hook_url="https://hooks.brightpath.example/works")
    await see.ask("test_webhook", id=WEBHOOK)
    await see.ask("update_webhook", id=WEBHOOK, target_hook_url=FAILING)
    assert not (await see.ask("test_webhook", id=WEBHOOK))["success"]
