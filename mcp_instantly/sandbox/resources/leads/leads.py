"""Leads: find, read, change, delete, merge, and their interest and owners."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, Response, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import (
    array,
    boolean,
    changes,
    choice,
    fields,
    integer,
    nullable,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.resources.leads.filters import ESG, FILTERS, SELECTION, select_leads
from mcp_instantly.sandbox.resources.leads.records import (
    IN_PAYLOAD,
    INTEREST_STATUSES,
    WRITABLE,
    find_lead,
    note_interest,
    payload_of,
    remove_lead,
    share_variables,
)
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

DELAY_SECONDS = 1.0
"""Seconds until what was only accepted is done."""


COUNTS = ("email_open_count", "email_reply_count", "email_click_count")


@route(
    "POST",
    "/leads/list",
    scope="leads:read",
    body=fields(
        **SELECTION,
        excluded_ids=array(uuid()),
        contacts=array(text(format="email")),
        **PAGE,
        organization_user_ids=array(uuid()),
        smart_view_id=uuid(),
        is_website_visitor=boolean(),
        distinct_contacts=boolean(),
        enrichment_status=choice(1, -1, 11, -2),
        esg_code=ESG,
    ),
)
def list_leads(world: World, call: Call) -> Record:
    """In the order of ids, or of addresses where each person is wanted once."""
    wanted = call.body
    if wanted.get("distinct_contacts"):
        return _list_contacts(world, wanted)
    found = select_leads(world, wanted, wanted.get("starting_after"))
    return page(_owned_by(found, wanted), wanted)


def _list_contacts(world: World, wanted: dict[str, Any]) -> Record:
    by_email: dict[str, Record] = {}
    for lead in _owned_by(select_leads(world, wanted), wanted):
        if "email" in lead:
            by_email.setdefault(lead["email"], lead)
    behind = wanted.get("starting_after", "")
    found = (by_email[email] for email in sorted(by_email) if email > behind)
    return page(found, wanted, cursor=lambda lead: lead["email"])


def _owned_by(leads: Any, wanted: dict[str, Any]) -> Any:
    owners = set(wanted.get("organization_user_ids") or ())
    return (lead for lead in leads if lead.get("assigned_to") in owners) if owners else leads


@route("GET", "/leads/{id}", scope="leads:read", id=uuid())
def get_lead(world: World, call: Call) -> Record:
    return public(find_lead(world, call.path["id"]))


@route("PATCH", "/leads/{id}", scope="leads:update", body=changes(**WRITABLE), id=uuid())
def update_lead(world: World, call: Call) -> Record:
    """Custom variables are replaced as a whole; status, campaign and email cannot be set."""
    lead = find_lead(world, call.path["id"])
    given = {field: call.body[field] for field in WRITABLE if field in call.body}
    custom = given.pop("custom_variables", None)
    interest = given.pop("lt_interest_status", None)
    if custom is not None:
        custom = {name: value for name, value in custom.items() if value is not None}
        world.leads.change(lead, _custom=custom or None)
    world.leads.change(lead, **given, timestamp_updated=world.stamp())
    if "campaign" in lead:
        share_variables(world, lead["campaign"], [lead])
    world.leads.change(lead, payload=payload_of(lead))
    if interest is not None:
        note_interest(world, lead, interest)
    return public(lead)


@route("DELETE", "/leads/{id}", scope="leads:delete", audit=audit.LEAD_DELETION, id=uuid())
def delete_lead(world: World, call: Call) -> Record:
    lead = find_lead(world, call.path["id"])
    remove_lead(world, lead)
    return public(lead)


@route(
    "DELETE",
    "/leads",
    scope="leads:delete",
    audit=audit.LEAD_DELETION,
    body=fields(
        "",
        {"anyOf": [{"required": ["campaign_id"]}, {"required": ["list_id"]}]},
        campaign_id=uuid(),
        list_id=uuid(),
        status=choice(1, 2, 3, -1, -2, -3),
        ids=array(uuid()),
        limit=integer(minimum=1, maximum=10_000),
    ),
)
def delete_leads(world: World, call: Call) -> Record:
    """Everything in the campaign or list that the filters do not spare; without filters, all of it."""
    wanted = call.body
    place = {"campaign": wanted.get("campaign_id"), "list_id": wanted.get("list_id")}
    # An empty list of ids is none at all, and then everything goes.
    ids = set(wanted.get("ids") or ())
    found = []
    for lead in select_leads(world, {field: value for field, value in place.items() if value}):
        if ids and lead["id"] not in ids:
            continue
        if "status" in wanted and lead["status"] != wanted["status"]:
            continue
        found.append(lead)
        if len(found) == wanted.get("limit"):
            break
    for lead in found:
        remove_lead(world, lead)
    return {"count": len(found)}


@route(
    "POST",
    "/leads/merge",
    scope="leads:update",
    audit=audit.LEAD_MERGED,
    body=fields("lead_id destination_lead_id", lead_id=uuid(), destination_lead_id=uuid()),
)
def merge_leads(world: World, call: Call) -> Record:
    """One lead goes into another and is gone; the survivor keeps its own values and takes over what it lacks."""
    source = find_lead(world, call.body["lead_id"])
    into = find_lead(world, call.body["destination_lead_id"])
    if source is into:
        raise ApiRefusal(400, "A lead cannot be merged into itself")
    counted = {field: into[field] + source[field] for field in COUNTS}
    stamps = [field for field in {**source, **into} if field.startswith("timestamp_last_")]
    latest = {field: max(into.get(field, ""), source.get(field, "")) for field in stamps}
    own = (*IN_PAYLOAD, "lt_interest_status", "pl_value_lead")
    missing = {field: source[field] for field in own if into.get(field) in (None, "") and field in source}
    world.leads.change(
        into,
        **counted,
        **latest,
        **missing,
        _custom={**source.get("_custom", {}), **into.get("_custom", {})} or None,
        _pause_until=max(into.get("_pause_until", ""), source.get("_pause_until", "")) or None,
        _automatic_replies=into.get("_automatic_replies", 0) + source.get("_automatic_replies", 0) or None,
        _interests=sorted([*source.get("_interests", []), *into.get("_interests", [])], key=lambda e: e[0]) or None,
        timestamp_updated=world.stamp(),
    )
    world.leads.change(into, payload=payload_of(into))
    for emails in (world.emails, world.deleted_emails):
        for email in list(emails.where(lead_id=source["id"])):
            emails.change(email, lead_id=into["id"])
    remove_lead(world, source)
    return public(into)


@route(
    "POST",
    "/leads/update-interest-status",
    body=fields(
        "lead_email interest_value",
        lead_email=text(),
        interest_value=nullable(number()),
        campaign_id=text(),
        ai_interest_value=number(),
        disable_auto_interest=boolean(),
        list_id=text(),
    ),
)
def update_interest(world: World, call: Call) -> Response:
    """Accepted at once, done a second later."""
    wanted = call.body
    value = wanted["interest_value"]
    labels = {label["interest_status"] for label in world.lead_labels}
    if value is not None and value not in INTEREST_STATUSES and value not in labels:
        raise ApiRefusal(400, "bad value", body={"error": "Invalid interest value"})
    place = {"campaign": wanted.get("campaign_id"), "list_id": wanted.get("list_id")}
    place = {field: value for field, value in place.items() if value}
    email = wanted["lead_email"].strip().lower()
    found = [lead["id"] for lead in world.leads.where(email=email, **place)]
    if not found:
        raise not_found("Lead")
    if "disable_auto_interest" in wanted:
        for lead in world.leads.where(email=email, **place):
            world.leads.change(lead, _no_auto_interest=wanted["disable_auto_interest"] or None)
    world.later(DELAY_SECONDS, "set_interest", found, value, wanted.get("ai_interest_value"))
    return Response(202, {"message": "Lead interest status update background job submitted"})


@route(
    "POST",
    "/leads/bulk-assign",
    body=fields(
        "organization_user_ids",
        **{**SELECTION, "filter": choice(*FILTERS)},
        organization_user_ids=array(uuid(), minItems=1),
        smart_view_id=uuid(),
        limit=integer(minimum=0),
        assigned_to=uuid(),
        has_clause=boolean(),
    ),
)
def assign_leads(world: World, call: Call) -> Response:
    """Accepted at once, without a job to ask for; the leads are dealt out in turn a second later."""
    users = call.body["organization_user_ids"]
    if any(user not in world.users for user in users):
        raise ApiRefusal(400, "unknown user", body={"message": "Some of the users do not belong to this workspace"})
    found = [lead["id"] for lead in select_leads(world, call.body)]
    limit = call.body.get("limit")
    world.later(DELAY_SECONDS, "assign", found[:limit] if limit else found, users)
    return Response(202, {"status": "accepted", "message": "Your request will be processed in a background job"})


@action
def assign(world: World, lead_ids: list[str], users: list[str]) -> None:
    for turn, lead_id in enumerate(lead_ids):
        lead = world.leads.get(lead_id)
        if lead is not None:
            world.leads.change(lead, assigned_to=users[turn % len(users)], timestamp_updated=world.stamp())
