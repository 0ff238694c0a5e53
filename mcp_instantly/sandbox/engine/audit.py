"""Writing the audit log: who changed what, of the kinds of change that the API keeps a record of.

The API's list of kinds is closed: it has none for tags, lists, labels, members and much else, and a new campaign is no
launch. Whatever was asked, kind or not, stands in the sandbox's own record of requests (see request_log.py).
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from mcp_instantly.sandbox.engine.responses import Response
from mcp_instantly.sandbox.engine.routes import API, Call, Route
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

LOGIN, LEAD_DELETION, CAMPAIGN_DELETION, CAMPAIGN_LAUNCH, CAMPAIGN_PAUSE, ACCOUNT_ADDITION, ACCOUNT_DELETION = range(
    1, 8
)
LEAD_MOVED, LEAD_ADDED, LEAD_MERGED, CAMPAIGN_UPDATE, SUBSEQUENCE_UPDATE = range(8, 13)
WEBHOOK_CREATED, WEBHOOK_UPDATED, WEBHOOK_FAILED, WEBHOOK_RESUMED = range(18, 22)
LEAD_EXPORT, ENRICHMENT, ACCOUNT_UPDATE, KEY_CREATED, KEY_DELETED = range(34, 39)
FORWARDING_CHANGED, NUMBER_ADDED, NUMBER_CHANGED, NUMBER_DELETED, NUMBER_BLOCKED, NUMBER_UNBLOCKED = range(40, 46)

FAMILIES = {
    "campaigns": "campaign_id",
    "lead-lists": "list_id",
    "subsequences": "subsequence_id",
    "webhooks": "webhook_id",
}
PARTICULARS = ("name", "email", "label", "target_hook_url")


def note(world: World, activity: int, **more: Any) -> Record:
    """Write an entry. What `more` sets to None is left out."""
    entry: Record = {
        "id": more.get("id") or world.uuid7(),
        "timestamp": world.stamp(),
        "organization_id": world.workspace["id"],
        "activity_type": activity,
        "ip_address": "127.0.0.1",
        "from_api": False,
    }
    return world.audit_logs.add({**entry, **{name: value for name, value in more.items() if value is not None}})


def note_call(world: World, known: Route, call: Call, answer: Any, request: Request) -> None:
    """Write down a request that has just succeeded, if it was a change of a kind that is kept."""
    path = known.path[len(API) :]
    activity = known.audit(call) if callable(known.audit) else known.audit
    if activity is None:
        return
    if not isinstance(answer, Response):
        answer = Response(payload=answer)
    payload = answer.payload if isinstance(answer.payload, dict) else {}
    affected = _count(path, call, payload) if answer.affected is None else answer.affected
    if activity == LEAD_DELETION and affected == 0:
        return
    used = world.api_keys.first(key=request.headers.get("authorization", "").partition(" ")[2])
    note(
        world,
        activity,
        from_api=True,
        ip_address=request.client.host if request.client else None,
        user_agent=request.headers.get("user-agent"),
        api_key_id=used["id"] if used else None,
        affected_count=affected,
        audit_metadata=_particulars(call, payload),
        **_references(path, call, payload),
    )


def _count(path: str, call: Call, payload: dict[str, Any]) -> int | None:
    for name in ("leads_uploaded", "count"):
        if isinstance(payload.get(name), int):
            return int(payload[name])
    for name in ("ids", "emails", "resource_ids"):
        if isinstance(call.body.get(name), list):
            return len(call.body[name])
    return 1 if path in ("/leads", "/leads/{id}") else None


def _references(path: str, call: Call, payload: dict[str, Any]) -> dict[str, Any]:
    family = path.split("/")[1]
    found = {
        "campaign_id": payload.get("campaign") or call.body.get("campaign_id") or call.body.get("to_campaign_id"),
        "list_id": payload.get("list_id") or call.body.get("list_id") or call.body.get("to_list_id"),
    }
    if family in FAMILIES:
        found[FAMILIES[family]] = call.path.get("id") or payload.get("id")
    # An entry names records by their ids only; whatever else stood in these fields is none.
    return {name: value for name, value in found.items() if isinstance(value, str) and len(value) == 36}


def _particulars(call: Call, payload: dict[str, Any]) -> dict[str, Any] | None:
    found = {name: payload[name] for name in PARTICULARS if isinstance(payload.get(name), str)}
    return {**found, **call.path} or None
