"""The audit log, listed: who changed what. Entries are written by engine/audit.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.routes import Call, page, route
from mcp_instantly.sandbox.engine.shapes import integer, number, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

NAMES = {
    audit.LOGIN: "user login",
    audit.LEAD_DELETION: "lead deletion",
    audit.CAMPAIGN_DELETION: "campaign deletion",
    audit.CAMPAIGN_LAUNCH: "campaign launch",
    audit.CAMPAIGN_PAUSE: "campaign pause",
    audit.ACCOUNT_ADDITION: "account addition",
    audit.ACCOUNT_DELETION: "account deletion",
    audit.LEAD_MOVED: "lead moved",
    audit.LEAD_ADDED: "lead added",
    audit.LEAD_MERGED: "lead merged",
    audit.CAMPAIGN_UPDATE: "campaign update",
    audit.SUBSEQUENCE_UPDATE: "subsequence update",
    audit.WEBHOOK_CREATED: "webhook created",
    audit.WEBHOOK_UPDATED: "webhook updated",
    audit.WEBHOOK_FAILED: "webhook marked as error",
    audit.WEBHOOK_RESUMED: "webhook resumed",
    audit.LEAD_EXPORT: "lead exported",
    audit.ENRICHMENT: "supersearch enrichment created",
    audit.ACCOUNT_UPDATE: "account update",
    audit.KEY_CREATED: "api key created",
    audit.KEY_DELETED: "api key deleted",
    audit.FORWARDING_CHANGED: "domain forwarding changed",
    audit.NUMBER_ADDED: "voice agent phone number added",
    audit.NUMBER_CHANGED: "voice agent phone number changed",
    audit.NUMBER_DELETED: "voice agent phone number deleted",
    audit.NUMBER_BLOCKED: "number put on the do-not-call list",
    audit.NUMBER_UNBLOCKED: "number taken off the do-not-call list",
}
"""What a search finds an entry by, besides its particulars."""


@route(
    "GET",
    "/audit-logs",
    scope="audit_logs:read",
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
