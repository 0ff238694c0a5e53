"""Webhooks: who wants to be notified of what, and where."""

from __future__ import annotations

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.courier import FICTION, LOOPBACK, fictional_status, receiver
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, route
from mcp_instantly.sandbox.engine.shapes import changes, choice, fields, mapping, nullable, number, text, uuid
from mcp_instantly.sandbox.resources.webhooks import deliveries
from mcp_instantly.sandbox.resources.webhooks.payloads import ALL, EVENTS, sample_payload
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ACTIVE = deliveries.ACTIVE
FILTERABLE_EVENTS = tuple(name for name in EVENTS if name not in ("lead_no_show", "supersearch_enrichment_completed"))
"""The events by which webhooks can be listed; younger ones are missing."""

CUSTOM_LABEL = "custom_label"

SETTINGS = {
    "campaign": nullable(uuid()),
    "name": nullable(text()),
    "target_hook_url": text(pattern="^https?://", format="uri"),
    "event_type": nullable(choice(*EVENTS)),
    "custom_interest_value": nullable(number()),
    "headers": nullable(mapping(text())),
}


def find(world: World, webhook_id: str) -> Record:
    """The webhook with this id. Raises a 404."""
    webhook = world.webhooks.get(webhook_id)
    if not webhook:
        raise not_found("Webhook")
    return webhook


def _settings(world: World, call: Call) -> Record:
    campaign = call.body.get("campaign")
    if campaign and campaign not in world.campaigns:
        raise not_found("Campaign")
    return call.given(SETTINGS)


@route(
    "POST",
    "/webhooks",
    scope="webhooks:create",
    audit=audit.WEBHOOK_CREATED,
    body=fields("target_hook_url", **SETTINGS),
)
def create_webhook(world: World, call: Call) -> Record:
    webhook = {
        "id": world.uuid7(),
        "organization": world.workspace["id"],
        **{name: value for name, value in _settings(world, call).items() if value is not None},
        "timestamp_created": world.stamp(),
        "status": ACTIVE,
    }
    return public(world.webhooks.add(webhook))


@route("GET", "/webhooks", query={**PAGE, "campaign": uuid(), "event_type": choice(*FILTERABLE_EVENTS)})
def list_webhooks(world: World, call: Call) -> Record:
    """All of them, unless a limit is asked for; the answer names no cursor, but takes the id of the last one."""
    query = call.query
    found = [
        public(webhook)
        for webhook in world.webhooks.after(query.get("starting_after"))
        if all(webhook.get(name) == query[name] for name in ("campaign", "event_type") if name in query)
    ]
    return {"items": found[: query.get("limit")]}


@route("GET", "/webhooks/event-types")
def list_event_types(world: World, call: Call) -> Record:
    """Younger events and the one that stands for all can be subscribed to, but are missing here."""
    standard = [{"id": name, "label": EVENTS[name], "type": "standard"} for name in FILTERABLE_EVENTS if name != ALL]
    some = [
        {"id": f"custom_label_any_{side}", "label": f"Any {side.title()} Custom Label", "type": CUSTOM_LABEL}
        for side in ("positive", "negative")
    ]
    own = [
        {"id": str(label["interest_status"]), "label": label["label"], "type": CUSTOM_LABEL}
        for label in world.lead_labels
    ]
    return {"event_types": [*standard, *some, *own]}


@route("GET", "/webhooks/{id}", scope="webhooks:read", id=uuid())
def get_webhook(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/webhooks/{id}",
    scope="webhooks:update",
    audit=audit.WEBHOOK_UPDATED,
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_webhook(world: World, call: Call) -> Record:
    """Headers are replaced as a whole."""
    webhook = find(world, call.path["id"])
    return public(world.webhooks.change(webhook, **_settings(world, call)))


@route("DELETE", "/webhooks/{id}", scope="webhooks:delete", id=uuid())
def delete_webhook(world: World, call: Call) -> Record:
    """What has been delivered stays on record."""
    webhook = find(world, call.path["id"])
    world.webhooks.remove(webhook["id"])
    return public(webhook)


@route("POST", "/webhooks/{id}/resume", scope="webhooks:update", audit=audit.WEBHOOK_RESUMED, id=uuid())
def resume_webhook(world: World, call: Call) -> Record:
    webhook = find(world, call.path["id"])
    return public(world.webhooks.change(webhook, status=ACTIVE, timestamp_error=None, _failures=None))


@route("POST", "/webhooks/{id}/test", id=uuid())
def send_test(world: World, call: Call) -> Record:
    """A receiver on this machine gets the payload a moment later, so its answer stands in the event only."""
    webhook = find(world, call.path["id"])
    url = webhook["target_hook_url"]
    event = deliveries.record(world, webhook, sample_payload(world, webhook), test=True)
    if receiver(url) == LOOPBACK:
        return {"success": True, "message": "Test payload is on its way"}
    if receiver(url) != FICTION:
        return {"success": False, "message": "Webhook test failed", "error": event["error_message"]}
    status = fictional_status(url)
    answer = {"success": event["success"], "response_time_ms": event["response_time_ms"], "status_code": status}
    if event["success"]:
        return {**answer, "message": "Webhook test successful"}
    return {**answer, "message": "Webhook test failed", "error": event["error_message"]}
