"""The audit log: who changed what, of the kinds of change that the API keeps a record of.

The API's list of kinds is closed: it has none for tags, lists, labels, members and much else, and a new campaign is no
launch. Whatever was asked, kind or not, stands in the sandbox's own record of requests (see control.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from mcp_instantly.sandbox.engine.responses import Answer
from mcp_instantly.sandbox.engine.routes import API, Call, Route, page, route
from mcp_instantly.sandbox.engine.shapes import integer, number, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

LOGIN, LEAD_DELETION, CAMPAIGN_DELETION, CAMPAIGN_LAUNCH, CAMPAIGN_PAUSE, ACCOUNT_ADDITION, ACCOUNT_DELETION = range(
    1, 8
)
LEAD_MOVED, LEAD_ADDED, LEAD_MERGED, CAMPAIGN_UPDATE, SUBSEQUENCE_UPDATE = range(8, 13)
WEBHOOK_CREATED, WEBHOOK_UPDATED, WEBHOOK_FAILED, WEBHOOK_RESUMED = range(18, 22)
LEAD_EXPORT, ENRICHMENT, ACCOUNT_UPDATE, KEY_CREATED, KEY_DELETED = range(34, 39)

NAMES = {
    LOGIN: "user login",
    LEAD_DELETION: "lead deletion",
    CAMPAIGN_DELETION: "campaign deletion",
    CAMPAIGN_LAUNCH: "campaign launch",
    CAMPAIGN_PAUSE: "campaign pause",
    ACCOUNT_ADDITION: "account addition",
    ACCOUNT_DELETION: "account deletion",
    LEAD_MOVED: "lead moved",
    LEAD_ADDED: "lead added",
    LEAD_MERGED: "lead merged",
    CAMPAIGN_UPDATE: "campaign update",
    SUBSEQUENCE_UPDATE: "subsequence update",
    WEBHOOK_CREATED: "webhook created",
    WEBHOOK_UPDATED: "webhook updated",
    WEBHOOK_FAILED: "webhook marked as error",
    WEBHOOK_RESUMED: "webhook resumed",
    LEAD_EXPORT: "lead exported",
    ENRICHMENT: "supersearch enrichment created",
    ACCOUNT_UPDATE: "account update",
    KEY_CREATED: "api key created",
    KEY_DELETED: "api key deleted",
}
"""What a search finds an entry by, besides its particulars."""

ACTIVITIES = {
    "DELETE /leads": LEAD_DELETION,
    "DELETE /leads/{id}": LEAD_DELETION,
    "POST /leads": LEAD_ADDED,
    "POST /leads/add": LEAD_ADDED,
    "POST /leads/move": LEAD_MOVED,
    "POST /leads/subsequence/move": LEAD_MOVED,
    "POST /leads/subsequence/remove": LEAD_MOVED,
    "DELETE /lead-lists/{id}": LEAD_DELETION,
    "POST /leads/merge": LEAD_MERGED,
    "PATCH /campaigns/{id}": CAMPAIGN_UPDATE,
    "POST /campaigns/{id}/variables": CAMPAIGN_UPDATE,
    "POST /campaigns/{id}/activate": CAMPAIGN_LAUNCH,
    "POST /campaigns/{id}/pause": CAMPAIGN_PAUSE,
    "DELETE /campaigns/{id}": CAMPAIGN_DELETION,
    "PATCH /subsequences/{id}": SUBSEQUENCE_UPDATE,
    "POST /subsequences/{id}/pause": SUBSEQUENCE_UPDATE,
    "POST /subsequences/{id}/resume": SUBSEQUENCE_UPDATE,
    "POST /accounts": ACCOUNT_ADDITION,
    "PATCH /accounts/{email}": ACCOUNT_UPDATE,
    "POST /accounts/pause": ACCOUNT_UPDATE,
    "POST /accounts/{email}/pause": ACCOUNT_UPDATE,
    "POST /accounts/{email}/resume": ACCOUNT_UPDATE,
    "POST /accounts/{email}/mark-fixed": ACCOUNT_UPDATE,
    "POST /accounts/move": ACCOUNT_UPDATE,
    "POST /accounts/warmup/enable": ACCOUNT_UPDATE,
    "POST /accounts/warmup/disable": ACCOUNT_UPDATE,
    "DELETE /accounts/{email}": ACCOUNT_DELETION,
    "POST /webhooks": WEBHOOK_CREATED,
    "PATCH /webhooks/{id}": WEBHOOK_UPDATED,
    "POST /webhooks/{id}/resume": WEBHOOK_RESUMED,
    "POST /supersearch-enrichment/": ENRICHMENT,
    "POST /supersearch-enrichment/enrich-leads-from-supersearch": ENRICHMENT,
    "POST /supersearch-enrichment/ai": ENRICHMENT,
    "POST /api-keys": KEY_CREATED,
    "DELETE /api-keys/{id}": KEY_DELETED,
}
"""The operations that leave an entry, and of which kind; the API has no kind for the others."""

TAGGED = {1: ACCOUNT_UPDATE, 2: CAMPAIGN_UPDATE}
"""What becomes of the tagged, by resource_type."""

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
    activity = ACTIVITIES.get(f"{known.method} {path}")
    if path == "/custom-tags/toggle-resource":
        activity = TAGGED[call.body["resource_type"]]
    if activity is None:
        return
    if not isinstance(answer, Answer):
        answer = Answer(payload=answer)
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
            return payload[name]
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


@route(
    "GET",
    "/audit-logs",
    query={
        "limit": integer(minimum=1, maximum=1000),
        "starting_after": text(),
        "activity_type": number(),
        "search": text(),
        "start_date": text(),
        "end_date": text(),
    },
)
def list_entries(world: World, call: Call) -> Record:
    """Newest first."""
    return page(_wanted(world, call.query), call.query)


def _wanted(world: World, query: dict[str, Any]) -> Iterator[Record]:
    first, last = query.get("start_date", ""), query.get("end_date", "")
    search = query.get("search", "").strip().lower()
    for entry in world.audit_logs.after(query.get("starting_after"), newest_first=True):
        # A bare date means its whole day.
        if entry["timestamp"] < first or (last and entry["timestamp"][: max(len(last), 10)] > last):
            continue
        if query.get("activity_type", entry["activity_type"]) != entry["activity_type"]:
            continue
        if not search or search in _words(entry):
            yield entry


def _words(entry: Record) -> str:
    said = [NAMES[entry["activity_type"]], entry.get("user_name", ""), entry.get("ip_address", "")]
    said += [str(value) for value in entry.get("audit_metadata", {}).values()]
    return " ".join(said).lower()
