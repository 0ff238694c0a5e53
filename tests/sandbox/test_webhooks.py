"""Webhooks: what is told to whom, and what becomes of a receiver that does not listen."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import anyio
import httpx
import pytest

from mcp_instantly.sandbox import KEY, Clock, World, create_app
from mcp_instantly.sandbox.engine.courier import receiver
from mcp_instantly.sandbox.worlds.building import build_workspaces
from mcp_instantly.transports.port import running_app

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
OTHER_CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"
WEBHOOK = "9e0b0001-5a6b-4c7d-8e9f-0a1b2c3d4e01"
MAYA = "maya.lindqvist@fjordpay.example"
WORKDAY = 8 * 3600
HEADERS = {"authorization": f"Bearer {KEY}"}
Listening = Callable[..., AbstractContextManager[tuple[str, list[dict[str, Any]]]]]


async def subscribe(api: httpx.AsyncClient, url: str = "https://hooks.brightpath.example/all", **more: Any) -> str:
    body = {"target_hook_url": url, "event_type": "all_events", **more}
    return (await api.post("/webhooks", json=body)).json()["id"]


async def told(api: httpx.AsyncClient, url: str = "https://hooks.brightpath.example/all") -> list[dict[str, Any]]:
    """What a receiver was told, oldest first."""
    found = (await api.get("/webhook-events", params={"search": url, "limit": 100})).json()["items"]
    return found[::-1]


async def interest(api: httpx.AsyncClient, value: int | None) -> None:
    body = {"lead_email": MAYA, "interest_value": value}
    assert (await api.post("/leads/update-interest-status", json=body)).status_code == 202


async def test_a_webhook_that_is_made_can_be_read_changed_and_deleted(api: httpx.AsyncClient) -> None:
    made = (
        await api.post(
            "/webhooks",
            json={"target_hook_url": "https://hooks.brightpath.example/x", "event_type": "email_sent", "name": None},
        )
    ).json()
    assert (made["status"], made["event_type"], "name" in made) == (1, "email_sent", False)
    path = f"/webhooks/{made['id']}"
    changed = (await api.patch(path, json={"headers": {"X-A": "1"}, "name": "Sent"})).json()
    assert changed["headers"] == {"X-A": "1"}
    assert (await api.patch(path, json={"headers": {"X-B": "2"}})).json()["headers"] == {"X-B": "2"}
    assert (await api.get(path)).json()["name"] == "Sent"
    assert (await api.delete(path)).json()["id"] == made["id"]
    assert (await api.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({}, "body must have required property 'target_hook_url'"),
        ({"target_hook_url": "ftp://x.example"}, 'body/target_hook_url must match pattern "^https?://"'),
        ({"target_hook_url": "https://"}, 'body/target_hook_url must match format "uri"'),
        (
            {"target_hook_url": "https://x.example", "event_type": "link_clicked"},
            "body/event_type must be equal to one of the allowed values",
        ),
        ({"target_hook_url": "https://x.example", "headers": {"A": 1}}, "body/headers/A must be string"),
    ],
)
async def test_a_webhook_that_makes_no_sense_is_refused(
    api: httpx.AsyncClient, body: dict[str, Any], complaint: str
) -> None:
    answer = await api.post("/webhooks", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, complaint)


async def test_a_webhook_for_an_unknown_campaign_is_refused(api: httpx.AsyncClient) -> None:
    body = {"target_hook_url": "https://x.example", "campaign": WEBHOOK}
    assert (await api.post("/webhooks", json=body)).status_code == 404


async def test_webhooks_are_listed_by_event_and_campaign_without_a_cursor(api: httpx.AsyncClient) -> None:
    mine = await subscribe(api, campaign=CAMPAIGN)
    everything = (await api.get("/webhooks")).json()
    assert [webhook["id"] for webhook in everything["items"]] == [WEBHOOK, mine]
    assert "next_starting_after" not in everything
    of_campaign = (await api.get("/webhooks", params={"campaign": CAMPAIGN})).json()["items"]
    assert [webhook["id"] for webhook in of_campaign] == [mine]
    replies = (await api.get("/webhooks", params={"event_type": "reply_received"})).json()["items"]
    assert [webhook["id"] for webhook in replies] == [WEBHOOK]
    assert len((await api.get("/webhooks", params={"limit": 1})).json()["items"]) == 1


async def test_own_labels_are_among_the_event_types(api: httpx.AsyncClient, world: World) -> None:
    if "test label" not in world.lead_labels:
        world.lead_labels.add({"id": "test label", "label": "Send the price list", "interest_status": 2999})
    types = (await api.get("/webhooks/event-types")).json()["event_types"]
    assert {"id": "reply_received", "label": "Reply Received", "type": "standard"} in types
    assert {"id": "2999", "label": "Send the price list", "type": "custom_label"} in types
    assert {"custom_label_any_positive", "custom_label_any_negative"} <= {kind["id"] for kind in types}


async def test_the_demo_was_told_of_each_reply_since_its_webhook_exists(api: httpx.AsyncClient) -> None:
    events = await told(api, "https://hooks.brightpath.example/instantly")
    assert events[0]["id"] == "01991fa0-0001-7000-8000-000000000001"
    kinds = [event["payload"]["event_type"] for event in events]
    assert kinds == ["auto_reply_received", *["reply_received"] * 4]
    mail = (await api.get(f"/emails/{events[-2]['payload']['email_id']}")).json()
    assert (events[-2]["lead_email"], mail["from_address_email"]) == (MAYA, MAYA)
    assert events[-2]["payload"]["reply_text"] == mail["body"]["text"]
    assert events[-2]["payload"]["firstName"] == "Maya"


async def test_every_mail_that_is_sent_is_told(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await subscribe(api, event_type="email_sent")
    wait(WORKDAY)
    events = await told(api)
    mails = (await api.get("/emails", params={"email_type": "sent", "limit": 100})).json()["items"]
    recent = {mail["id"] for mail in mails if mail["timestamp_created"] > "2026-09-07T13" and mail["ue_type"] == 1}
    assert {event["payload"]["email_id"] for event in events} == recent
    assert events
    first = events[0]["payload"]
    assert (first["event_type"], first["campaign_id"], first["campaign_name"]) == (
        "email_sent",
        CAMPAIGN,
        "Fintech CFOs, autumn",
    )
    # Payloads count steps from 1.
    assert {event["payload"]["step"] for event in events} <= {1, 2}
    assert all(event["success"] and event["status_code"] == 200 for event in events)


async def test_a_webhook_of_another_campaign_hears_nothing(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    await subscribe(api, campaign=OTHER_CAMPAIGN)
    wait(WORKDAY)
    assert await told(api) == []


async def test_a_click_arrives_under_its_own_name(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await subscribe(api, event_type="email_link_clicked")
    await api.patch(f"/campaigns/{CAMPAIGN}", json={"link_tracking": True})
    wait(5 * 24 * 3600)
    kinds = {event["payload"]["event_type"] for event in await told(api)}
    assert kinds == {"link_clicked"}


async def test_a_change_of_interest_is_told_to_those_who_asked_for_it(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    await subscribe(api, event_type="lead_meeting_booked")
    await interest(api, 1)
    wait(5)
    assert await told(api) == []
    await interest(api, 2)
    wait(5)
    (event,) = await told(api)
    assert (event["payload"]["event_type"], event["lead_email"]) == ("lead_meeting_booked", MAYA)


async def test_an_own_label_is_told_by_its_text(
    api: httpx.AsyncClient, world: World, wait: Callable[[float], None]
) -> None:
    world.lead_labels.add({"id": "test label", "label": "Send the price list", "interest_status": 2999})
    await subscribe(api, event_type=None, custom_interest_value=2999)
    await interest(api, 2999)
    wait(5)
    (event,) = await told(api)
    assert event["payload"]["event_type"] == "Send the price list"


async def test_an_account_that_breaks_is_told(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await subscribe(api, event_type="account_error")
    await api.post("/accounts/eva@brightpath-mail.example/mark-fixed")
    wait(3600)
    (event,) = await told(api)
    assert event["payload"]["email_account"] == "eva@brightpath-mail.example"


async def test_a_failed_delivery_is_tried_again_three_times(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    url = "https://hooks.brightpath.example/status/503"
    await subscribe(api, url, event_type="lead_closed")
    await interest(api, 4)
    wait(2)
    (event,) = await told(api, url)
    assert (event["success"], event["status_code"], event["will_retry"]) == (False, 503, True)
    wait(60)
    (event,) = await told(api, url)
    assert (event["retry_count"], event["will_retry"], event["retry_successful"]) == (3, False, False)


async def test_a_webhook_that_keeps_failing_is_switched_off_until_it_is_resumed(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    url = "https://hooks.brightpath.example/status/500"
    webhook = await subscribe(api, url, event_type="email_sent")
    wait(3600)
    found = (await api.get(f"/webhooks/{webhook}")).json()
    assert (found["status"], "timestamp_error" in found) == (-1, True)
    count = len(await told(api, url))
    wait(3600)
    assert len(await told(api, url)) == count
    marked = (await api.get("/audit-logs", params={"activity_type": 20})).json()["items"]
    assert [entry["webhook_id"] for entry in marked] == [webhook]
    resumed = (await api.post(f"/webhooks/{webhook}/resume")).json()
    assert (resumed["status"], "timestamp_error" in resumed) == (1, False)
    wait(3600)
    assert len(await told(api, url)) > count


async def test_a_test_says_what_the_receiver_answered(api: httpx.AsyncClient) -> None:
    good = (await api.post(f"/webhooks/{WEBHOOK}/test")).json()
    assert (good["success"], good["status_code"]) == (True, 200)
    broken = await subscribe(api, "https://hooks.brightpath.example/status/404")
    answer = await api.post(f"/webhooks/{broken}/test")
    assert (answer.status_code, answer.json()["success"], answer.json()["status_code"]) == (200, False, 404)


async def test_nothing_is_sent_beyond_this_machine(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    url = "https://hooks.brightpath.com/x"
    webhook = await subscribe(api, url, event_type="lead_closed")
    await interest(api, 4)
    wait(3600)
    (event,) = await told(api, url)
    assert (event["success"], event["will_retry"], "status_code" in event) == (False, True, False)
    assert "loopback" in event["error_message"]
    assert (await api.post(f"/webhooks/{webhook}/test")).json()["success"] is False
    assert (await api.get(f"/webhooks/{webhook}")).json()["status"] == 1


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:9/x", "loopback"),
        ("http://[::1]:9/x", "loopback"),
        ("http://localhost/x", "loopback"),
        ("https://127.0.0.1/x", "elsewhere"),
        ("http://127.0.0.1.evil.com/x", "elsewhere"),
        ("http://127.0.0.1@evil.com/x", "elsewhere"),
        ("http://10.0.0.1/x", "elsewhere"),
        ("http://0.0.0.0/x", "elsewhere"),
        ("https://hooks.brightpath.example/x", "fiction"),
        ("http://example.com/x", "elsewhere"),
    ],
)
def test_only_plain_http_to_a_loopback_address_is_delivered(url: str, kind: str) -> None:
    assert receiver(url) == kind


async def test_a_receiver_on_this_machine_gets_the_payload(
    api: httpx.AsyncClient, wait: Callable[[float], None], listening: Listening, delivered: Callable[[], None]
) -> None:
    with listening(200) as (url, received_answers):
        await subscribe(api, url, event_type="lead_closed", headers={"X-Hook-Token": "secret"})
        await interest(api, 4)
        wait(5)
        delivered()
    (payload,) = received_answers
    assert (payload["token"], payload["event_type"], payload["lead_email"]) == ("secret", "lead_closed", MAYA)
    (event,) = await told(api, url)
    assert (event["success"], event["status_code"], event["will_retry"]) == (True, 200, False)


async def test_a_slow_receiver_gets_everything_in_the_end(
    api: httpx.AsyncClient, wait: Callable[[float], None], listening: Listening, delivered: Callable[[], None]
) -> None:
    slow = threading.Event()
    with listening(200, slow) as (url, received_answers):
        await subscribe(api, url, event_type="lead_closed")
        for _ in range(300):
            await interest(api, 4)
        wait(2)
        assert {event["will_retry"] for event in await told(api, url)} == {True}
        slow.set()
        delivered()
    assert len(received_answers) == 300
    assert {event["success"] for event in await told(api, url)} == {True}


async def test_what_still_waits_for_a_webhook_that_is_off_is_not_sent(
    api: httpx.AsyncClient, wait: Callable[[float], None], listening: Listening, delivered: Callable[[], None]
) -> None:
    held = threading.Event()
    with listening(200, held) as (url, received_answers):
        webhook = await subscribe(api, url, event_type="lead_closed")
        for _ in range(3):
            await interest(api, 4)
            wait(2)
        await api.delete(f"/webhooks/{webhook}")
        held.set()
        delivered()
    # The first one may have been on its way already.
    assert len(received_answers) <= 1
    events = await told(api, url)
    assert [event["success"] for event in events][1:] == [False, False]
    assert "is gone or switched off" in events[-1]["error_message"]


async def test_a_receiver_is_tried_again_whatever_is_asked_meanwhile(
    api: httpx.AsyncClient, wait: Callable[[float], None], listening: Listening, delivered: Callable[[], None]
) -> None:
    with listening(500) as (url, received_answers):
        await subscribe(api, url, event_type="lead_closed")
        await interest(api, 4)
        for _ in range(10):
            wait(15)
            await api.get("/custom-tags")
            delivered()
    assert len(received_answers) == 4
    (event,) = await told(api, url)
    assert (event["retry_count"], event["will_retry"]) == (3, False)


async def test_on_a_port_mail_is_sent_and_told_though_nobody_asks(listening: Listening) -> None:
    seconds = itertools.count(step=5)
    clock = Clock(running=True, monotonic=lambda: next(seconds))
    app = create_app(build_workspaces("demo", clock=clock))
    app.pause = 0.001
    with listening(200) as (url, received_answers):
        async with running_app(app) as base, httpx.AsyncClient(base_url=f"{base}/api/v2", headers=HEADERS) as api:
            await subscribe(api, url, event_type="email_sent")
            with anyio.fail_after(10):
                while len(received_answers) < 3:
                    await anyio.lowlevel.checkpoint()
    assert {payload["event_type"] for payload in received_answers} == {"email_sent"}


async def test_a_redirect_is_a_failure_and_is_not_followed(
    api: httpx.AsyncClient, listening: Listening, delivered: Callable[[], None]
) -> None:
    with listening(302) as (url, received_answers):
        webhook = await subscribe(api, url)
        assert (await api.post(f"/webhooks/{webhook}/test")).json()["success"] is True
        delivered()
        (event,) = await told(api, url)
    assert (len(received_answers), event["success"], event["status_code"]) == (1, False, 302)


async def test_a_receiver_that_is_not_there_is_a_failed_delivery(
    api: httpx.AsyncClient, listening: Listening, delivered: Callable[[], None]
) -> None:
    with listening(200) as (url, _):
        pass
    webhook = await subscribe(api, url)
    await api.post(f"/webhooks/{webhook}/test")
    delivered()
    (event,) = await told(api, url)
    assert (event["success"], "status_code" in event, event["error_message"] != "") == (False, False, True)


async def test_the_summaries_count_what_the_list_shows(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await subscribe(api)
    await subscribe(api, "https://hooks.brightpath.example/status/410", event_type="email_opened")
    wait(3 * 24 * 3600)
    events: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 100}
    while True:
        answer = (await api.get("/webhook-events", params=query)).json()
        events += answer["items"]
        if not answer["items"] or "next_starting_after" not in answer:
            break
        query["starting_after"] = answer["next_starting_after"]
    good = sum(event["success"] for event in events)
    summary = (await api.get("/webhook-events/summary")).json()
    assert (summary["total_events"], summary["successful_events"]) == (len(events), good)
    assert summary["failed_events"] == len(events) - good > 0
    assert summary["success_rate"] + summary["failure_rate"] == pytest.approx(100)
    days = (await api.get("/webhook-events/summary-by-date")).json()["items"]
    assert sum(day["total_events"] for day in days) == len(events)
    day = days[-1]["date"]
    one = (await api.get("/webhook-events/summary", params={"from": day, "to": day})).json()
    assert one["total_events"] == days[-1]["total_events"]


async def test_an_empty_window_has_no_rates(api: httpx.AsyncClient) -> None:
    window = {"from": "2020-01-01", "to": "2020-01-02"}
    assert set((await api.get("/webhook-events/summary", params=window)).json().values()) == {0}
    assert (await api.get("/webhook-events/summary-by-date", params=window)).json() == {"items": []}
    refused = await api.get("/webhook-events", params={"from": "yesterday"})
    assert refused.json()["message"] == 'querystring/from must match format "date"'
