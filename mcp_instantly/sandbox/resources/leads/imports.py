"""Leads come in: one at a time, or up to a thousand."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, fields, is_address, nullable, text, uuid
from mcp_instantly.sandbox.resources.leads.auto_enrichment import note_arrival
from mcp_instantly.sandbox.resources.leads.records import (
    PENDING,
    PENDING_JOB,
    WHEN_NOT_GIVEN,
    WRITABLE,
    begin_check,
    build_lead,
    hide_provider,
    note_interest,
    share_variables,
)
from mcp_instantly.sandbox.resources.leads.verification import spend_credits
from mcp_instantly.sandbox.resources.workspace.billing import leads_left, need_room
from mcp_instantly.sandbox.sending.flows import enroll
from mcp_instantly.sandbox.sending.matching import is_blocked
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

COUNTERS = (
    "in_blocklist",
    "duplicated_leads",
    "skipped_count",
    "invalid_email_count",
    "incomplete_count",
    "duplicate_email_count",
)
"""Why leads of an import are not taken."""

CREATE = fields(
    campaign=nullable(uuid()),
    email=nullable(text()),
    **WRITABLE,
    list_id=nullable(uuid()),
    skip_if_in_workspace=boolean(),
    skip_if_in_campaign=boolean(),
    skip_if_in_list=boolean(),
    blocklist_id=uuid(),
    verify_leads_for_lead_finder=boolean(),
    verify_leads_on_import=boolean(),
)

ADD = fields(
    "leads",
    campaign_id=uuid(),
    list_id=uuid(),
    leads=array(fields(email=nullable(text()), **WRITABLE), minItems=1, maxItems=1000),
    blocklist_id=nullable(uuid()),
    assigned_to=uuid(),
    verify_leads_on_import=boolean(),
    skip_if_in_workspace=boolean(),
    skip_if_in_campaign=boolean(),
    skip_if_in_list=boolean(),
)


@route("POST", "/leads", scope="leads:create", audit=audit.LEAD_ADDED, body=CREATE)
def create_lead(world: World, call: Call) -> Record:
    """A known address is not added again: the lead that is there comes back as it was.

    An address is enough: without campaign and list the lead is in none.
    """
    given = call.body
    campaign, list_id = given.get("campaign"), given.get("list_id")
    _check_place(world, campaign, list_id)
    email = (given.get("email") or "").strip().lower()
    if campaign and not email:
        raise ApiRefusal(400, "Email is required when creating a lead")
    if not (email or campaign or list_id):
        raise ApiRefusal(400, "Either campaign or list_id must be provided")
    if not (email or given.get("first_name") or given.get("last_name")):
        raise ApiRefusal(400, "At least one of email, first_name or last_name is required")
    if email and not is_address(email):
        raise ApiRefusal(400, "Invalid email address")
    if email:
        known = _known_here(world, email, campaign, list_id) or _known_elsewhere(world, email, given)
        if known:
            return public(known)
    if given.get("blocklist_id") and is_blocked(world, email):
        # Entries name no list, so whatever the id, the one list there is is meant.
        raise ApiRefusal(400, "The lead is in the blocklist")
    if campaign:
        need_room(world, 1)
    wants_check = bool(given.get("verify_leads_on_import") or given.get("verify_leads_for_lead_finder"))
    if wants_check and email:
        spend_credits(world, 1)
    lead = _insert(world, {**WHEN_NOT_GIVEN, **_set(given)}, campaign, list_id, _names_place=True)
    if campaign:
        share_variables(world, campaign, [lead])
    hide_provider(world, [lead])
    if wants_check and email:
        begin_check(world, [lead["id"]], PENDING_JOB if given.get("verify_leads_on_import") else PENDING)
    return public(lead)


@route("POST", "/leads/add", scope="leads:create", audit=audit.LEAD_ADDED, body=ADD)
def add_leads(world: World, call: Call) -> Record:
    """What became of each lead shows in the counters only; the status says success in any case.

    Those for which the plan has no room in a campaign are left out as well; no counter is for them.
    """
    given = call.body
    campaign, list_id = given.get("campaign_id"), given.get("list_id")
    if bool(campaign) == bool(list_id):
        raise ApiRefusal(400, "Either campaign_id or list_id must be provided, but not both")
    _check_place(world, campaign, list_id)
    seen: set[str] = set()
    counts = dict.fromkeys(COUNTERS, 0)
    accepted: list[tuple[int, Record]] = []
    for index, lead in enumerate(given["leads"]):
        reason = _reason_against(world, lead, given, seen)
        if reason:
            counts[reason] += 1
        else:
            accepted.append((index, lead))
    if campaign:
        del accepted[leads_left(world) :]
    if given.get("verify_leads_on_import"):
        spend_credits(world, sum(bool(lead.get("email")) for _, lead in accepted))
    created: list[Record] = []
    records: list[Record] = []
    owner = (
        given.get("assigned_to") or (campaign and world.campaigns[campaign].get("owned_by")) or world.workspace["owner"]
    )
    for index, lead in accepted:
        record = _insert(world, {**lead, "assigned_to": lead.get("assigned_to") or owner}, campaign, list_id)
        records.append(record)
        shown: Record = {
            field: record[field] for field in ("email", "first_name", "last_name", "phone") if field in record
        }
        created.append({"index": index, "id": record["id"], **shown})
    if campaign:
        share_variables(world, campaign, records)
    hide_provider(world, records)
    if given.get("verify_leads_on_import"):
        begin_check(world, [entry["id"] for entry in created if "email" in entry])
    return {
        "status": "success",
        "total_sent": len(given["leads"]),
        "leads_uploaded": len(created),
        **counts,
        "blocklist_used": given.get("blocklist_id"),
        "remaining_in_plan": leads_left(world) if campaign else None,
        "created_leads": created,
    }


def _check_place(world: World, campaign: str | None, list_id: str | None) -> None:
    """Raise unless campaign and list exist where they are given."""
    if campaign and campaign not in world.campaigns:
        raise not_found("Campaign")
    if list_id and list_id not in world.lead_lists:
        raise not_found("Lead list")


def _reason_against(world: World, lead: Record, given: dict[str, Any], seen: set[str]) -> str | None:
    """The counter under which a lead of an import falls that is not taken; None if it is. Notes it as seen."""
    email = (lead.get("email") or "").strip().lower()
    if not email:
        if given.get("campaign_id"):
            return "invalid_email_count"
        return None if lead.get("first_name") or lead.get("last_name") else "incomplete_count"
    if not is_address(email):
        return "invalid_email_count"
    if email in seen:
        return "duplicate_email_count"
    seen.add(email)
    if is_blocked(world, email):
        return "in_blocklist"
    if _known_here(world, email, given.get("campaign_id"), given.get("list_id")):
        return "duplicated_leads"
    return "skipped_count" if _known_elsewhere(world, email, given) else None


def _known_here(world: World, email: str, campaign: str | None, list_id: str | None) -> Record | None:
    """A lead with this address in the campaign or list, or in none when neither is given."""
    nowhere = not campaign and not list_id
    for lead in world.leads.where(email=email):
        if (campaign and lead.get("campaign") == campaign) or (list_id and lead.get("list_id") == list_id):
            return lead
        if nowhere and "campaign" not in lead and "list_id" not in lead:
            return lead
    return None


def _known_elsewhere(world: World, email: str, given: dict[str, Any]) -> Record | None:
    """A lead with this address where one of the skip flags looks."""
    for lead in world.leads.where(email=email):
        if (
            given.get("skip_if_in_workspace")
            or (given.get("skip_if_in_campaign") and "campaign" in lead)
            or (given.get("skip_if_in_list") and "list_id" in lead)
        ):
            return lead
    return None


def _set(given: Record) -> Record:
    return {name: value for name, value in given.items() if value is not None}


def _insert(world: World, given: Record, campaign: str | None, list_id: str | None, **more: Any) -> Record:
    lead = world.leads.add(build_lead(world, given, campaign=campaign, list_id=list_id, **more))
    if lead.get("lt_interest_status") is not None:
        note_interest(world, lead, lead["lt_interest_status"])
    if campaign:
        enroll(world, lead)
    note_arrival(world, lead)
    return lead
