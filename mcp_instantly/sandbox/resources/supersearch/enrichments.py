"""Enrichments of lists and campaigns: adding one, running them again, their settings and their history."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    array,
    boolean,
    choice,
    fields,
    integer,
    mapping,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.resources.leads.enrichment_runs import (
    AI,
    PENDING,
    add_kinds,
    ensure_enrichment,
    find_column,
    find_enrichment,
    is_running,
    leads_of,
    need_credits,
    passes,
    payload,
    read_column,
    start_run,
    type_of,
)
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ENRICHMENT_KINDS = (
    "work_email_enrichment",
    "fully_enriched_profile",
    "email_verification",
    "joblisting",
    "technologies",
    "news",
    "funding",
    "engagement_score",
    "ai_enrichment",
    "custom_flow",
)
SETTINGS = {"auto_update": boolean(), "skip_rows_without_email": boolean(), "is_evergreen": boolean()}

_ACTION = fields("mapping", mapping=mapping(text()))
ACTIONS = mapping(mapping(_ACTION, minProperties=1), minProperties=1)


def columns_of(world: World, resource_id: str) -> list[str]:
    """Its AI columns, as kinds of enrichment."""
    return [AI + ai["output_column"] for ai in world.ai_enrichments.where(resource_id=resource_id)]


@route(
    "POST",
    "/supersearch-enrichment/",
    audit=audit.ENRICHMENT,
    body=fields(
        "resource_id",
        resource_id=uuid(),
        type=choice(*ENRICHMENT_KINDS),
        limit=number(minimum=1, maximum=50_000),
        filters=array(fields()),
        custom_flow=array(text()),
        integration_actions=ACTIONS,
    ),
)
def create_enrichment(world: World, call: Call) -> Record:
    """It runs at once, on the leads that have not had it yet."""
    given = call.body
    if ("type" in given) == ("integration_actions" in given):
        raise ApiRefusal(400, "Either type or integration_actions must be provided, but not both")
    resource_id, kind = given["resource_id"], given.get("type", "integration_actions")
    type_of(world, resource_id)
    if kind != "integration_actions":
        need_credits(world)
    kinds = columns_of(world, resource_id) if kind == "ai_enrichment" else [kind]
    if not kinds:
        raise ApiRefusal(400, "The resource has no AI enrichment")
    enrichment = ensure_enrichment(world, resource_id)
    add_kinds(enrichment, kinds)
    for detail in ("custom_flow", "integration_actions"):
        if given.get(detail):
            enrichment["_details"][detail] = given[detail]
    if "limit" in given:
        world.enrichments.change(enrichment, limit=given["limit"])
    world.enrichments.change(enrichment, type=given.get("type"))
    leads = [
        lead for lead in leads_of(world, resource_id) if is_left(lead, kinds) and passes(lead, given.get("filters", ()))
    ]
    run = start_run(world, enrichment, kinds, leads[: int(given.get("limit", len(leads)))])
    shown: Record = {
        name: enrichment[name] for name in ("id", "organization_id", "resource_id", "limit") if name in enrichment
    }
    return {**shown, "enrichment_payload": payload(world, enrichment), "job_id": run["id"]}


def is_left(lead: Record, kinds: list[str]) -> bool:
    """Whether a lead lacks one of these enrichments and is not about to get it."""
    return lead.get("enrichment_status") != PENDING and not set(kinds) <= set(lead.get("_enriched", ()))


@route(
    "POST",
    "/supersearch-enrichment/run",
    body=fields(
        "resource_id",
        resource_id=uuid(),
        lead_ids=array(text(), minItems=1, maxItems=10_000),
        limit=integer(),
        column_name=text(),
        overwrite=boolean(),
        starting_row=integer(minimum=1),
        count=integer(minimum=1),
        filters=array(
            fields(
                "column_name type value",
                CLOSED,
                column_name=text(),
                type=number(),
                value=array(text()),
            )
        ),
    ),
)
def run_enrichments(world: World, call: Call) -> Record:
    """All enrichments there are, or one AI column."""
    given = call.body
    resource_id = given["resource_id"]
    type_of(world, resource_id)
    enrichment = find_enrichment(world, resource_id)
    if enrichment is None:
        raise not_found("Enrichment")
    if "column_name" not in given:
        for name in ("overwrite", "starting_row", "count"):
            if name in given:
                raise _unable(f"{name} requires column_name")
    elif find_column(world, resource_id, given["column_name"]) is None:
        raise _unable(f"There is no AI enrichment with the column {given['column_name']}")
    kinds = [AI + given["column_name"]] if "column_name" in given else enrichment["_kinds"]
    leads = [lead for lead in _wanted(world, given, kinds) if passes(lead, given.get("filters", ()))]
    leads = leads[: max(int(given.get("limit", len(leads))), 0)]
    if not leads:
        raise _unable("No leads left to enrich")
    need_credits(world)
    start_run(world, enrichment, kinds, leads, again="lead_ids" in given or "column_name" in given)
    return {"id": enrichment["id"], "resource_id": resource_id, "enrichment_payload": payload(world, enrichment)}


def _wanted(world: World, given: Record, kinds: list[str]) -> list[Record]:
    """The leads that a run is about, before its filters."""
    leads = leads_of(world, given["resource_id"])
    column = given.get("column_name")
    if column:
        first = max(int(given.get("starting_row", 1)) - 1, 0)
        leads = leads[first : first + max(int(given.get("count", len(leads))), 0)]
        if not given.get("overwrite"):
            leads = [lead for lead in leads if not read_column(lead, column)]
    if "lead_ids" in given:
        named = set(given["lead_ids"])
        return [lead for lead in leads if lead["id"] in named]
    return leads if column else [lead for lead in leads if is_left(lead, kinds)]


def _unable(message: str) -> ApiRefusal:
    return ApiRefusal(400, message, body={"message": message})


@route("GET", "/supersearch-enrichment/{resource_id}", resource_id=uuid())
def get_enrichment(world: World, call: Call) -> Record:
    """One that does not exist is shown as well: with everything switched off."""
    resource_id = call.path["resource_id"]
    type_of(world, resource_id)
    enrichment = find_enrichment(world, resource_id)
    found: dict[str, Any] = {"resource_id": resource_id, "in_progress": is_running(world, resource_id)}
    if enrichment is None:
        return {**found, "exists": False, "enrichment_payload": dict.fromkeys(ENRICHMENT_KINDS[:8], False)}
    known = payload(world, enrichment)
    if "limit" in enrichment:
        known["limit"] = enrichment["limit"]
    found |= {"exists": True, "enrichment_payload": known or dict.fromkeys(ENRICHMENT_KINDS[:8], False)}
    found |= {
        name: enrichment[name] for name in ("auto_update", "is_evergreen", "search_filters") if name in enrichment
    }
    if "search_filters" in enrichment:
        found["has_no_leads"] = enrichment.get("_found_nobody", False)
    return found


@route(
    "PATCH",
    "/supersearch-enrichment/{resource_id}/settings",
    scope="supersearch_enrichments:create",
    body=fields(**SETTINGS),
    resource_id=uuid(),
)
def change_settings(world: World, call: Call) -> Record:
    type_of(world, call.path["resource_id"])
    enrichment = find_enrichment(world, call.path["resource_id"])
    if enrichment is None:
        raise not_found("Enrichment")
    world.enrichments.change(enrichment, **call.given(SETTINGS))
    hidden = ("search_filters", "list_name", "custom_flow", "is_evergreen")
    return {
        **{name: value for name, value in public(enrichment).items() if name not in hidden},
        "in_progress": is_running(world, enrichment["resource_id"]),
        "enrichment_payload": payload(world, enrichment),
    }


@route(
    "GET",
    "/supersearch-enrichment/history/{resource_id}",
    scope="supersearch_enrichments:read",
    query={"offset": number(), "limit": number()},
    resource_id=uuid(),
)
def list_history(world: World, call: Call) -> list[Record]:
    """The runs of a list or campaign, newest first."""
    resource_id = call.path["resource_id"]
    type_of(world, resource_id)
    runs = list(world.enrichment_runs.select(resource_id=resource_id, newest_first=True))
    first = max(int(call.query.get("offset", 0)), 0)
    return [public(run) for run in runs[first : first + max(int(call.query.get("limit", 10)), 0)]]
