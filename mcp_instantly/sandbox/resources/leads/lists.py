"""Lead lists: leads that are in no campaign yet."""

from __future__ import annotations

import collections

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import Response, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page_by_time, route
from mcp_instantly.sandbox.engine.shapes import boolean, changes, fields, nullable, text, uuid
from mcp_instantly.sandbox.resources.leads.records import (
    CATCH_ALL,
    INVALID,
    JOB_CHANGE,
    PENDING,
    PENDING_JOB,
    RISKY,
    VERIFIED,
    remove_lead,
)
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SETTINGS = {
    "has_enrichment_task": nullable(boolean()),
    "owned_by": nullable(uuid()),
    "name": text(),
}

STATS = {
    "verified": VERIFIED,
    "invalid": INVALID,
    "risky": RISKY,
    "catch_all": CATCH_ALL,
    "job_change": JOB_CHANGE,
    "verification_job_pending_leadfinder": PENDING,
    "verification_job_pending_user": PENDING_JOB,
}


def find_list(world: World, list_id: str) -> Record:
    found = world.lead_lists.get(list_id)
    if found is None:
        raise not_found("Lead list")
    return found


@route("POST", "/lead-lists", scope="lead_lists:create", body=fields("name", **SETTINGS))
def create_list(world: World, call: Call) -> Record:
    record = {
        "id": world.uuid4(),
        "organization_id": world.workspace["id"],
        "has_enrichment_task": call.body.get("has_enrichment_task") or False,
        "owned_by": call.body.get("owned_by") or world.workspace["owner"],
        "name": call.body["name"],
        "timestamp_created": world.stamp(),
    }
    return public(world.lead_lists.add(record))


@route(
    "GET", "/lead-lists", scope="lead_lists:read", query={**PAGE, "has_enrichment_task": boolean(), "search": text()}
)
def list_lists(world: World, call: Call) -> Record:
    """Newest first; the cursor is a timestamp."""
    query = call.query
    words = query.get("search", "").lower()
    found = [
        record
        for record in world.lead_lists
        if words in record["name"].lower()
        and query.get("has_enrichment_task", record.get("has_enrichment_task")) == record.get("has_enrichment_task")
    ]
    return page_by_time(found, query)


@route("GET", "/lead-lists/{id}", scope="lead_lists:read", id=uuid())
def get_list(world: World, call: Call) -> Record:
    return public(find_list(world, call.path["id"]))


@route(
    "PATCH",
    "/lead-lists/{id}",
    scope="lead_lists:update",
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_list(world: World, call: Call) -> Record:
    record = find_list(world, call.path["id"])
    return public(world.lead_lists.change(record, **call.given(SETTINGS)))


@route("DELETE", "/lead-lists/{id}", scope="lead_lists:delete", audit=audit.LEAD_DELETION, id=uuid())
def delete_list(world: World, call: Call) -> Response:
    """A list goes with its leads, except for those that are in a campaign as well."""
    record = find_list(world, call.path["id"])
    world.lead_lists.remove(record["id"])
    before = len(world.leads)
    for lead in list(world.leads.where(list_id=record["id"])):
        if "campaign" in lead:
            world.leads.change(lead, list_id=None)
        else:
            remove_lead(world, lead)
    return Response(payload=public(record), affected=before - len(world.leads))


@route("GET", "/lead-lists/{id}/verification-stats", id=uuid())
def get_verification_stats(world: World, call: Call) -> Record:
    record = find_list(world, call.path["id"])
    found = collections.Counter(lead.get("verification_status") for lead in world.leads.where(list_id=record["id"]))
    return {"stats": {name: found[status] for name, status in STATS.items()}, "total_leads": sum(found.values())}
