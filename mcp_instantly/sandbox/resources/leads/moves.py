"""Leads change place: between campaigns and lists, into a subsequence and out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, fields, number, text, uuid
from mcp_instantly.sandbox.resources.leads.auto_enrichment import note_arrival
from mcp_instantly.sandbox.resources.leads.filters import ESG, ESP, SELECTION, select_leads
from mcp_instantly.sandbox.resources.leads.records import (
    PENDING,
    PENDING_JOB,
    build_lead,
    find_lead,
    payload_of,
    share_variables,
)
from mcp_instantly.sandbox.resources.workspace.background_jobs import fresh, start_job
from mcp_instantly.sandbox.resources.workspace.billing import leads_left
from mcp_instantly.sandbox.sending.flows import LISTED, WAITING, enroll, join_subsequence, leave_subsequence
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

MAX_LISTED_ADDRESSES = 10_000
"""How many addresses of moved leads a job's data names."""

NOT_GIVEN = (
    "verification_status",
    "enrichment_status",
    "esg_code",
    "_pause_until",
    "_person",
    "_enriched",
    "_names_place",
)
"""What a copy has of its lead besides what can be set on one."""


@route(
    "POST",
    "/leads/move",
    scope="leads:update",
    audit=audit.LEAD_MOVED,
    body=fields(
        **SELECTION,
        excluded_ids=array(uuid()),
        contacts=array(text(format="email")),
        to_campaign_id=uuid(),
        to_list_id=uuid(),
        ignore_resource_filter_clauses=boolean(),
        check_duplicates_in_campaigns=boolean(),
        skip_leads_in_verification=boolean(),
        limit=number(),
        assigned_to=uuid(),
        esp_code=ESP,
        esg_code=ESG,
        copy_leads=boolean(),
        check_duplicates=boolean(),
        reset_interest_status=boolean(),
    ),
)
def move_leads(world: World, call: Call) -> Record:
    """A job does it; what it could move shows in the job's data."""
    wanted = call.body
    campaign, list_id = wanted.get("to_campaign_id"), wanted.get("to_list_id")
    if bool(campaign) == bool(list_id):
        raise ApiRefusal(400, "Either to_campaign_id or to_list_id must be provided, but not both")
    if campaign and campaign not in world.campaigns:
        raise not_found("Campaign")
    if list_id and list_id not in world.lead_lists:
        raise not_found("Lead list")
    if "assigned_to" in wanted and wanted["assigned_to"] not in world.users:
        raise ApiRefusal(400, "The user does not belong to this workspace")
    _select(world, wanted)  # to refuse at once what no job could do
    job = start_job(
        world,
        "move-leads",
        entity_id=campaign or list_id,
        entity_type="campaign" if campaign else "list",
        data={"filters": wanted},
        finish="move_found_leads",
        arguments=[wanted],
    )
    return fresh(job)


@action
def move_found_leads(world: World, wanted: dict[str, Any]) -> dict[str, Any]:
    found = _found(world, wanted)
    limit = wanted.get("limit")
    moved = [lead for lead in found if _may_go(world, lead, wanted)]
    refused = len(found) - len(moved)
    elsewhere = _count_elsewhere(world, found) if wanted.get("check_duplicates_in_campaigns") else 0
    done: list[Record] = []
    for lead in moved[: int(limit)] if limit else moved:
        # Two of the moved leads may carry one address; the second then finds the first in its place.
        if not _may_go(world, lead, wanted):
            refused += 1
        elif _has_room(world, lead, wanted):
            (_copy if wanted.get("copy_leads") else _move)(world, lead, wanted)
            done.append(lead)
    emails = [lead["email"] for lead in done if "email" in lead]
    return {
        "total_leads": len(found),
        "moved_leads": len(done),
        "moved_lead_emails": emails[:MAX_LISTED_ADDRESSES],
        "duplicated_leads": refused - elsewhere,
        "leads_missing_email": None,
        "leads_in_other_campaigns": elsewhere,
        "ignored_leads_from_blocklist": 0,
    }


def _count_elsewhere(world: World, leads: list[Record]) -> int:
    """How many of these people are in a campaign as another lead."""
    return sum(
        any("campaign" in other and other["id"] != lead["id"] for other in world.leads.where(email=lead["email"]))
        for lead in leads
        if "email" in lead
    )


def _select(world: World, wanted: dict[str, Any]) -> Iterator[Record]:
    # Here, unlike elsewhere, this is not whose the leads are but whose they are to be.
    return select_leads(world, {name: value for name, value in wanted.items() if name != "assigned_to"})


def _found(world: World, wanted: dict[str, Any]) -> list[Record]:
    # Ids only choose within the campaign or list that is named with them.
    if "ids" in wanted and "campaign" not in wanted and "list_id" not in wanted:
        return []
    found = list(_select(world, wanted))
    if wanted.get("skip_leads_in_verification"):
        found = [lead for lead in found if lead.get("verification_status") not in (PENDING, PENDING_JOB)]
    return found


def _may_go(world: World, lead: Record, wanted: dict[str, Any]) -> bool:
    """Whether the lead may go where it is wanted; a campaign holds every address once."""
    campaign, list_id = wanted.get("to_campaign_id"), wanted.get("to_list_id")
    here = lead.get("campaign") == campaign if campaign else lead.get("list_id") == list_id and "campaign" not in lead
    if here or "email" not in lead:
        return not here and list_id is not None
    others = [other for other in world.leads.where(email=lead["email"]) if other["id"] != lead["id"]]
    if campaign and any(other.get("campaign") == campaign for other in others):
        return False
    if list_id and wanted.get("check_duplicates") and any(other.get("list_id") == list_id for other in others):
        return False
    return not (wanted.get("check_duplicates_in_campaigns") and any("campaign" in other for other in others))


def _has_room(world: World, lead: Record, wanted: dict[str, Any]) -> bool:
    """Whether the plan allows it: a lead that comes into a campaign from elsewhere, or as a copy, is one more."""
    is_one_more = "to_campaign_id" in wanted and ("campaign" not in lead or bool(wanted.get("copy_leads")))
    return not is_one_more or leads_left(world) > 0


def _move(world: World, lead: Record, wanted: dict[str, Any]) -> None:
    campaign, list_id = wanted.get("to_campaign_id"), wanted.get("to_list_id")
    reset = bool(wanted.get("reset_interest_status"))
    if campaign and not reset:
        for event in lead.get("_interests", ()):
            event[2] = campaign
    world.leads.change(
        lead,
        campaign=campaign,
        list_id=list_id,
        status=WAITING if campaign else LISTED,
        assigned_to=wanted.get("assigned_to") or lead.get("assigned_to"),
        status_summary={},
        lt_interest_status=None if reset else lead.get("lt_interest_status"),
        timestamp_updated=world.stamp(),
        **dict.fromkeys(
            ("subsequence_id", "timestamp_added_subsequence", "_ticket", "_step", "_subsequence_step"), None
        ),
        **dict.fromkeys(("_ended", "_thread", "_subject", "_sender"), None),
    )
    world.leads.change(lead, payload=payload_of(lead))
    if campaign:
        enroll(world, lead)
        share_variables(world, campaign, [lead])
    note_arrival(world, lead)


def _copy(world: World, lead: Record, wanted: dict[str, Any]) -> None:
    campaign = wanted.get("to_campaign_id")
    given = {**lead, "custom_variables": lead.get("_custom")}
    if "assigned_to" in wanted:
        given["assigned_to"] = wanted["assigned_to"]
    if wanted.get("reset_interest_status"):
        given.pop("lt_interest_status", None)
    kept = {field: lead[field] for field in NOT_GIVEN if field in lead}
    kept.update(status=WAITING if campaign else LISTED)
    copied = build_lead(world, given, campaign=campaign, list_id=wanted.get("to_list_id"), **kept)
    world.leads.add(copied)
    if campaign:
        enroll(world, copied)
        share_variables(world, campaign, [copied])
    note_arrival(world, copied)


@route(
    "POST",
    "/leads/subsequence/move",
    scope="leads:update",
    audit=audit.LEAD_MOVED,
    body=fields("subsequence_id id", subsequence_id=uuid(), id=uuid()),
)
def move_to_subsequence(world: World, call: Call) -> Record:
    lead = find_lead(world, call.body["id"])
    subsequence = world.subsequences.get(call.body["subsequence_id"])
    if subsequence is None:
        raise not_found("Subsequence")
    if lead.get("campaign") != subsequence["parent_campaign"]:
        raise ApiRefusal(400, "The lead is not in the campaign of this subsequence")
    join_subsequence(world, lead, subsequence)
    return public(lead)


@route("POST", "/leads/subsequence/remove", scope="leads:update", audit=audit.LEAD_MOVED, body=fields("id", id=uuid()))
def remove_from_subsequence(world: World, call: Call) -> Record:
    lead = find_lead(world, call.body["id"])
    if "subsequence_id" not in lead:
        raise ApiRefusal(400, "The lead is not in a subsequence")
    leave_subsequence(world, lead)
    return public(lead)
