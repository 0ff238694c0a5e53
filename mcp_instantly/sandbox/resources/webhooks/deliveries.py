"""The deliveries of webhooks: recorded whenever something happens, tried again when they fail, and counted."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.courier import FICTION, LOOPBACK, Courier, fictional_status, receiver
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import boolean, text, uuid
from mcp_instantly.sandbox.resources.webhooks.payloads import build_payload, is_wanted
from mcp_instantly.sandbox.state.events import listener
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

ACTIVE, SWITCHED_OFF = 1, -1
RETRIES, RETRY_AFTER = 3, 10.0
"""A failed delivery is tried again three times within half a minute."""

MAX_FAILED_DELIVERIES = 5
"""Deliveries failing one after the other, retries included, that switch a webhook off."""

NOT_SENT = "The sandbox delivers to http on a loopback address only"

WINDOW = {"from": text(format="date"), "to": text(format="date")}


@listener
def notify(world: World, event: str, facts: dict[str, Any]) -> None:
    """Tell every webhook that is switched on and has asked for this."""
    facts = {**facts, "is_first": _is_first(facts.get("lead"), event)}
    for webhook in world.webhooks:
        if webhook["status"] == ACTIVE and is_wanted(webhook, event, facts):
            record(world, webhook, build_payload(world, event, facts))


def _is_first(lead: Record | None, event: str) -> bool:
    """Whether an event of this kind has not happened to the lead before, reported or not. Notes it as happened."""
    happened = lead.setdefault("_events", []) if lead is not None else []
    if event in happened:
        return False
    happened.append(event)
    return True


def record(world: World, webhook: Record, payload: dict[str, Any], *, test: bool = False, **more: Any) -> Record:
    """Put a delivery on record and try it. One of a test is not tried again and does not count against the webhook."""
    at = world.stamp()
    event = world.webhook_events.add(
        {
            "id": more.get("id") or world.uuid7(),
            "timestamp_created": at,
            "timestamp_created_date": at[:10],
            "organization_id": world.workspace["id"],
            "payload": payload,
            "success": False,
            "retry_count": 0,
            "will_retry": False,
            "webhook_url": webhook["target_hook_url"],
            "_webhook": webhook["id"],
            "_test": test,
            **more,
        }
    )
    if payload.get("lead_email"):
        event["lead_email"] = payload["lead_email"]
    _try(world, event, webhook)
    return event


def tell(world: World, url: str, payload: dict[str, Any]) -> None:
    """Tell a URL that stands for no subscription: it was named with the request that this is the answer to."""
    record(world, {"id": None, "target_hook_url": url}, payload)


def _sender(world: World, event: Record) -> Record | None:
    """The webhook that an event was for, or what stands for one."""
    return {"status": ACTIVE} if event["_webhook"] is None else world.webhooks.get(event["_webhook"])


def _try(world: World, event: Record, webhook: Record) -> None:
    url = event["webhook_url"]
    kind = receiver(url)
    if kind == FICTION:
        status = fictional_status(url)
        answer: dict[str, Any] = {"status_code": status, "success": 200 <= status < 300}
        if not answer["success"]:
            answer["error_message"] = f"Request failed with status code {status}"
        spent = round(60 + 240 * world.chance("response time", event["id"], event["retry_count"]))
        _settle(world, event, {**answer, "response_time_ms": spent})
    elif kind == LOOPBACK:
        world.deliveries_in_flight[event["id"]] = None
        # What happens a second time, after a crash, has been reported already.
        if world.workspaces and not world.workspaces.is_replaying:
            _send(world.workspaces.courier, world, event, webhook)
        world.webhook_events.change(event, will_retry=True, error_message=None)
    else:
        # On record as waiting for ever: to say more would be to claim that somebody was notified.
        world.webhook_events.change(event, will_retry=True, error_message=NOT_SENT)


def _send(courier: Courier, world: World, event: Record, webhook: Record) -> None:
    headers, payload = webhook.get("headers") or {}, event["payload"]
    courier.send(world, event["id"], event["webhook_url"], headers, payload, is_wanted=_is_wanted)


def _is_wanted(world: World, event_id: str) -> bool:
    """Whether a delivery whose turn has come is still to be made; a test is, even if the webhook is switched off."""
    event = world.webhook_events.get(event_id)
    webhook = _sender(world, event) if event else None
    return event is not None and webhook is not None and (event["_test"] or webhook["status"] == ACTIVE)


def _settle(world: World, event: Record, answer: dict[str, Any]) -> None:
    """Note a receiver's answer, and what follows from it for the webhook."""
    world.webhook_events.change(event, **{"error_message": None, "status_code": None, **answer})
    again = not event["success"] and event["retry_count"] < RETRIES and _is_wanted(world, event["id"])
    again = again and not event["_test"]
    world.webhook_events.change(event, will_retry=again, timestamp_next_retry=None)
    if event["retry_count"]:
        world.webhook_events.change(event, retry_successful=event["success"])
    if again:
        world.webhook_events.change(event, retry_group_id=event["id"])
        world.later(RETRY_AFTER, "retry_delivery", event["id"])
        return
    webhook = world.webhooks.get(event["_webhook"])
    if webhook is None or event["_test"]:
        return
    failures = 0 if event["success"] else webhook.get("_failures", 0) + 1
    world.webhooks.change(webhook, _failures=failures or None)
    if failures >= MAX_FAILED_DELIVERIES and webhook["status"] == ACTIVE:
        world.webhooks.change(webhook, status=SWITCHED_OFF, timestamp_error=world.stamp())
        audit.note(world, audit.WEBHOOK_FAILED, webhook_id=webhook["id"])


@action
def retry_delivery(world: World, event_id: str) -> None:
    event = world.webhook_events.get(event_id)
    webhook = _sender(world, event) if event else None
    if event is None:
        return
    if webhook is None or webhook["status"] != ACTIVE:
        world.webhook_events.change(event, will_retry=False)
        return
    world.webhook_events.change(event, retry_count=event["retry_count"] + 1)
    _try(world, event, webhook)


def collect(world: World) -> None:
    """Note what receivers on this machine have answered since the last look."""
    received_answers, world.received_answers = world.received_answers, []
    if world.workspaces and not world.workspaces.is_kept:
        received_answers += world.workspaces.courier.collect(world)
    for event_id, answer in received_answers:
        world.deliveries_in_flight.pop(event_id, None)
        event = world.webhook_events.get(event_id)
        if event is not None:
            _settle(world, event, answer)


def resume_deliveries(world: World) -> None:
    """Send again what was on its way when the sandbox ended; whether it arrived is not known."""
    answered = {event_id for event_id, _ in world.received_answers}
    for event_id in list(world.deliveries_in_flight):
        event = world.webhook_events.get(event_id)
        webhook = _sender(world, event) if event else None
        if world.workspaces and event and webhook and event_id not in answered:
            _send(world.workspaces.courier, world, event, webhook)


# reading


def _within(world: World, query: dict[str, Any], after: str | None = None) -> Iterator[Record]:
    """Events of a window of days, both ends included, newest first."""
    first, last = query.get("from", ""), query.get("to", "9")
    for event in world.webhook_events.after(after, newest_first=True):
        if first <= event["timestamp_created_date"] <= last:
            yield event


@route(
    "GET",
    "/webhook-events",
    scope="webhook_events:read",
    query={**PAGE, "success": boolean(), **WINDOW, "search": text()},
)
def list_events(world: World, call: Call) -> Record:
    query = call.query
    found = _within(world, query, query.get("starting_after"))
    return page((event for event in found if _wanted(event, query)), query)


def _wanted(event: Record, query: dict[str, Any]) -> bool:
    search = query.get("search", "").strip().lower()
    named = not search or search in (event["webhook_url"].lower(), event.get("lead_email", "").lower())
    return named and query.get("success", event["success"]) == event["success"]


@route("GET", "/webhook-events/summary", query=WINDOW)
def summarize_events(world: World, call: Call) -> Record:
    return _summary(list(_within(world, call.query)), failure_rate=True)


@route("GET", "/webhook-events/summary-by-date", query=WINDOW)
def summarize_events_by_date(world: World, call: Call) -> Record:
    """Days without events are left out."""
    days: dict[str, list[Record]] = collections.defaultdict(list)
    for event in _within(world, call.query):
        days[event["timestamp_created_date"]].append(event)
    return {"items": [{"date": day, **_summary(found)} for day, found in sorted(days.items())]}


def _summary(found: list[Record], *, failure_rate: bool = False) -> Record:
    good = sum(event["success"] for event in found)
    bad = len(found) - good
    rates = {"success_rate": _percent(good, len(found))}
    if failure_rate:
        rates["failure_rate"] = _percent(bad, len(found))
    return {"total_events": len(found), "successful_events": good, "failed_events": bad, **rates}


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0


@route("GET", "/webhook-events/{id}", scope="webhook_events:read", id=uuid())
def get_event(world: World, call: Call) -> Record:
    event = world.webhook_events.get(call.path["id"])
    if not event:
        raise not_found("Webhook event")
    return public(event)
