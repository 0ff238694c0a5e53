"""Leads as records: what a new one looks like, and the payload that its fields make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found
from mcp_instantly.sandbox.engine.shapes import Shape, choice, mapping, nullable, text, uuid
from mcp_instantly.sandbox.resources.leads.verification import verdict
from mcp_instantly.sandbox.resources.webhooks.payloads import interest_event
from mcp_instantly.sandbox.sending.emails import is_reply
from mcp_instantly.sandbox.sending.flows import WAITING, consider_subsequences
from mcp_instantly.sandbox.state.clock import parse
from mcp_instantly.sandbox.state.events import announce
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

INTEREST_STATUSES = (1, 2, 3, 4, 0, -1, -2, -3, -4)
"""Interested, meeting booked, meeting completed, won, out of office, not interested, wrong person, lost, no show."""

WRITABLE: dict[str, Shape] = {
    "personalization": nullable(text()),
    "website": nullable(text()),
    "last_name": nullable(text()),
    "first_name": nullable(text()),
    "company_name": nullable(text()),
    "job_title": nullable(text()),
    "phone": nullable(text()),
    "lt_interest_status": choice(*INTEREST_STATUSES),
    "pl_value_lead": nullable(text()),
    "assigned_to": nullable(uuid()),
    "custom_variables": mapping({"type": ["string", "number", "boolean", "null"]}),
}
"""What can be set on a lead, when it is made and later."""

IN_PAYLOAD = {
    "first_name": "firstName",
    "last_name": "lastName",
    "company_name": "companyName",
    "job_title": "jobTitle",
    "website": "website",
    "phone": "phone",
    "personalization": "personalization",
}
"""Fields that the payload repeats under the names that templates use."""

CORE_VARIABLES = ("firstName", "lastName", "companyName", "personalization", "phone", "website")
"""Names of variables that every lead has a field for; all others are custom."""

WHEN_NOT_GIVEN = dict.fromkeys(("first_name", "last_name", "company_name", "website", "personalization"), "")
"""Fields that a lead has in any case when it is made on its own through the API."""

PROVIDER_KNOWN_AFTER = 20.0
"""Seconds after a lead came in through the API at which it is known who runs the mail of its domain."""

VERIFIED, INVALID, RISKY, CATCH_ALL, JOB_CHANGE, PENDING, PENDING_JOB = 1, -1, -2, -3, -4, 11, 12
"""Values of verification_status."""

CHECKED_AFTER = 20.0
"""Seconds after an import at which the verification of its addresses is done."""

FREED_AFTER = (300, 600)
"""The shortest and the longest time, in seconds, until a deleted lead does not count against the plan any more."""

SAME_CHANGE = 600
"""Seconds within which a second change of interest is not an event of its own for the analytics."""


def find_lead(world: World, lead_id: str) -> Record:
    lead = world.leads.get(lead_id)
    if lead is None:
        raise not_found("Lead")
    return lead


def build_lead(
    world: World, given: Mapping[str, Any], *, campaign: str | None, list_id: str | None, **more: Any
) -> Record:
    """A lead that is not in the table yet. `given` holds its writable fields and email; `more` goes over all.

    With `_names_place` among them, its payload names its campaign or list.
    """
    at = world.stamp()
    email = (given.get("email") or "").strip().lower()
    domain = email.rpartition("@")[2] or _host(given.get("website"))
    record: Record = {
        "id": more.get("id") or world.uuid7(),
        "timestamp_created": at,
        "timestamp_updated": at,
        "organization": world.workspace["id"],
        "status": WAITING,
        "email_open_count": 0,
        "email_reply_count": 0,
        "email_click_count": 0,
        "company_domain": domain,
        "status_summary": {},
        "upload_method": "api",
    }
    if campaign:
        record["campaign"] = campaign
    if list_id:
        record["list_id"] = list_id
    if email:
        record["email"] = email
        record["esp_code"] = _provider(world, domain)
    for field in WRITABLE:
        value = given.get(field)
        if value is not None and field != "custom_variables":
            record[field] = value
    custom = {name: value for name, value in (given.get("custom_variables") or {}).items() if value is not None}
    if custom:
        record["_custom"] = custom
    record.update(more)
    record["payload"] = payload_of(record)
    return record


def remove_lead(world: World, lead: Record) -> None:
    """Delete a lead. The plan has its place again some minutes later, if it was one that counts."""
    world.leads.remove(lead["id"])
    if "campaign" in lead:
        world.leads_leaving += 1
        soonest, latest = FREED_AFTER
        world.later(soonest + (latest - soonest) * world.chance("freed", lead["id"]), "free_place")


@action
def free_place(world: World) -> None:
    world.leads_leaving -= 1


def give_address(world: World, lead: Record, email: str) -> None:
    """Give an address to a lead that had none."""
    domain = email.rpartition("@")[2]
    world.leads.change(
        lead,
        email=email,
        company_domain=domain,
        esp_code=_provider(world, domain),
        timestamp_updated=world.stamp(),
    )


def payload_of(lead: Record) -> dict[str, Any]:
    """The fields of a lead as templates and webhooks name them; of one that is away, until when."""
    named = {name: lead[field] for field, name in IN_PAYLOAD.items() if field in lead}
    email = {"email": lead["email"]} if "email" in lead else {}
    placed = ("campaign", "list_id") if lead.get("_names_place") else ()
    place = {name: lead[name] for name in placed if name in lead}
    pause = {"pause_until": lead["_pause_until"]} if "_pause_until" in lead else {}
    return {**named, **email, **place, **lead.get("_custom", {}), **pause}


def hide_provider(world: World, leads: list[Record]) -> None:
    """Who runs the mail of these new leads' domains is reported a while later."""
    for lead in leads:
        if "esp_code" in lead:
            world.leads.change(lead, _esp_code=lead["esp_code"], esp_code=None)
    world.later(PROVIDER_KNOWN_AFTER, "show_provider", [lead["id"] for lead in leads])


@action
def show_provider(world: World, lead_ids: list[str]) -> None:
    for lead_id in lead_ids:
        lead = world.leads.get(lead_id)
        if lead is not None and "_esp_code" in lead:
            world.leads.change(lead, esp_code=lead["_esp_code"], _esp_code=None)


def _host(website: str | None) -> str:
    host = (website or "").partition("://")[2] or (website or "")
    return host.partition("/")[0].removeprefix("www.").lower()


def _provider(world: World, domain: str) -> int:
    """Who runs the mail of a domain, as esp_code: Google, Microsoft, somebody else, or nobody that is known."""
    draw = world.chance("provider", domain)
    return 1 if draw < 0.45 else 2 if draw < 0.85 else 999 if draw < 0.95 else 1000


def share_variables(world: World, campaign_id: str, leads: Iterable[Record]) -> None:
    """Make the variables that these leads carry known to their campaign."""
    campaign = world.campaigns.get(campaign_id)
    if campaign is None:
        return
    custom, core = set[str](), set[str]()
    for lead in leads:
        custom.update(lead.get("_custom", ()))
        core.update(name for field, name in IN_PAYLOAD.items() if lead.get(field) and name in CORE_VARIABLES)
    for field, names in (("custom_variables", custom), ("core_variables", core)):
        known = campaign.get(field) or {}
        if names - set(known):
            world.campaigns.change(campaign, **{field: {**known, **dict.fromkeys(sorted(names), True)}})


# verification on import


def begin_check(world: World, lead_ids: list[str], waiting: int = PENDING_JOB) -> None:
    """Have the addresses of these leads verified; until then they wait."""
    for lead_id in lead_ids:
        world.leads.change(world.leads[lead_id], verification_status=waiting)
    world.later(CHECKED_AFTER, "end_check", lead_ids)


@action
def end_check(world: World, lead_ids: list[str]) -> None:
    for lead_id in lead_ids:
        lead = world.leads.get(lead_id)
        if lead and "email" in lead:
            world.leads.change(lead, verification_status=status_of(lead["email"]), timestamp_updated=world.stamp())


def status_of(email: str) -> int:
    """What a verification of this address says, as a lead's verification_status."""
    found = verdict(email)
    if found["verification_status"] == "invalid":
        return INVALID
    if found["catch_all"]:
        return CATCH_ALL
    return RISKY if "risky" in email.partition("@")[0] else VERIFIED


# interest


@action
def set_interest(world: World, lead_ids: list[str], value: int | None, ai_value: float | None = None) -> None:
    """Give leads an interest status (None: take it away), note the event, and wake subsequences that wait for it."""
    for lead_id in lead_ids:
        lead = world.leads.get(lead_id)
        if lead is not None:
            note_interest(world, lead, value)
            event = interest_event(world, value)
            if event:
                announce(world, event, lead=lead, interest=value)
            for email in list(world.emails.where(lead_id=lead_id)):
                if is_reply(email):
                    world.emails.change(email, i_status=value)
                    if ai_value is not None:
                        world.emails.change(email, ai_interest_value=ai_value)
            if value is not None:
                consider_subsequences(world, lead, interest=value)


def note_interest(world: World, lead: Record, value: int | None) -> None:
    before = lead.get("timestamp_last_interest_change")
    at = world.stamp()
    recent = before is not None and (world.now() - parse(before)).total_seconds() < SAME_CHANGE
    world.leads.change(
        lead,
        lt_interest_status=value,
        timestamp_last_interest_change=at,
        timestamp_last_touch=at,
        timestamp_updated=at,
    )
    if value is not None and not recent:
        lead.setdefault("_interests", []).append([at, value, lead.get("campaign")])
