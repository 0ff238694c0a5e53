"""What a lead finder does: it looks at its campaign, searches, pays, adds people, and stops where nothing is left.

A finder has one ticket at a time, as flows have; what stands on the agenda under an older one is not done any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.directory.population import Person, directory
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE
from mcp_instantly.sandbox.resources.leads.auto_enrichment import note_arrival
from mcp_instantly.sandbox.resources.leads.enrichment_runs import acquire, read_column, write_columns
from mcp_instantly.sandbox.resources.leads.records import INVALID, share_variables
from mcp_instantly.sandbox.resources.supersearch.ai_enrichments import write_text
from mcp_instantly.sandbox.resources.supersearch.facts import verified_as
from mcp_instantly.sandbox.resources.supersearch.imports import build_person
from mcp_instantly.sandbox.resources.supersearch.search import find_people
from mcp_instantly.sandbox.resources.workspace.billing import LIMIT_REACHED, leads_left
from mcp_instantly.sandbox.sending.flows import WAITING, enroll
from mcp_instantly.sandbox.sending.matching import is_blocked
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

TOP_UP, CHECK_EVERY = 3.0, 3600.0
"""Seconds that a top-up takes, and from one look at a campaign that has enough to the next."""

FAILING = 0.05
"""Share of people for whom a step of the enrichment fails although its inputs are there."""

FILLED, EXHAUSTED, PENNILESS, FULL = "filled", "exhausted", "penniless", "full"
"""How a search for new people ends."""

EMAIL = "work_email_enrichment"

BROADER = (
    "keyword_filter", "signals", "news", "technologies", "jobListing", "jobListingFilter", "funding_type",
    "fundingType", "revenue", "employeeCount", "subIndustry", "level", "department", "locations", "industry", "title",
)  # fmt: skip
"""Filters that `broaden` gives up, one after the other; the last one that is left stays."""


def note(world: World, agent: Record, event: str, **payload: Any) -> None:
    """Write down what happened to a lead finder."""
    world.lead_finder_events.add(
        {
            "id": world.uuid7(),
            "agent_id": agent["id"],
            "organization_id": agent["organization_id"],
            "timestamp_created": world.stamp(),
            "event_type": event,
            "payload": payload,
        }
    )


def stop(world: World, agent: Record, event: str, **more: Any) -> None:
    """No more top-ups until somebody resumes it."""
    world.lead_finders.change(agent, status=INACTIVE, timestamp_updated=world.stamp(), _ticket=world.number(), **more)
    note(world, agent, event)


def count_active(world: World, campaign_id: str) -> int:
    """The leads of a campaign that are still to be written to."""
    return sum(lead["status"] == WAITING for lead in world.leads.where(campaign=campaign_id))


def check(world: World, agent: Record) -> None:
    """Begin a top-up if the campaign is short of leads; otherwise look again later."""
    ticket = world.number()
    world.lead_finders.change(agent, _ticket=ticket)
    campaign_id = agent["payload"]["campaign_id"]
    if campaign_id not in world.campaigns:
        stop(world, agent, "campaign_not_found")
    elif count_active(world, campaign_id) < agent["payload"]["min_active_leads"]:
        note(world, agent, "top_up_started")
        world.later(TOP_UP, "top_up", agent["id"], ticket)
    else:
        world.later(CHECK_EVERY, "check_lead_finder", agent["id"], ticket)


def _holder(world: World, agent_id: str, ticket: int) -> Record | None:
    """The active lead finder that holds this ticket."""
    agent = world.lead_finders.get(agent_id)
    return agent if agent and agent["status"] == ACTIVE and agent["_ticket"] == ticket else None


@action
def check_lead_finder(world: World, agent_id: str, ticket: int) -> None:
    agent = _holder(world, agent_id, ticket)
    if agent:
        check(world, agent)


@action
def top_up(world: World, agent_id: str, ticket: int) -> None:
    """Search, pay and add; then wait, go on with other filters, or stop."""
    agent = _holder(world, agent_id, ticket)
    if agent is None:
        return
    campaign_id = agent["payload"]["campaign_id"]
    if campaign_id not in world.campaigns:
        stop(world, agent, "campaign_not_found")
        return
    try:
        added, end = _fill(world, agent, campaign_id)
    except ApiRefusal as refusal:  # a company list that is gone or not ready
        note(world, agent, "top_up_failed", reason=str(refusal))
        world.later(CHECK_EVERY, "check_lead_finder", agent_id, ticket)
        return
    if added:
        active = count_active(world, campaign_id)
        note(world, agent, "top_up_completed", leads_added=added, campaign_active_leads_after=active)
    if end == FULL and not added:
        note(world, agent, "top_up_failed", reason=LIMIT_REACHED)
    if end == PENNILESS:
        if not added:
            note(world, agent, "top_up_failed", reason="Not enough credits")
        stop(world, agent, "paused_insufficient_credits")
    elif end == EXHAUSTED:
        _go_on(world, agent)
    else:
        world.later(CHECK_EVERY, "check_lead_finder", agent_id, ticket)


def _go_on(world: World, agent: Record) -> None:
    """The filters give nobody new: do as on_exhaustion says."""
    choice, falls_back = agent["payload"]["on_exhaustion"], agent["_falls_back"]
    note(world, agent, "fallback_exhausted" if falls_back else "search_exhausted")
    if choice == "fallback" and not falls_back and agent["payload"].get("fallback_search_filters"):
        world.lead_finders.change(agent, _falls_back=True)
        note(world, agent, "fallback_activated")
        check(world, agent)
    elif choice == "broaden" and _broaden(agent):
        check(world, agent)
    else:
        stop(world, agent, "paused_exhausted", _exhausted=True)


def _broaden(agent: Record) -> bool:
    """Give up one more filter; False where only one is left that says whom to look for."""
    left = [name for name in BROADER if filters_in_use(agent).get(name)]
    if len(left) > 1:
        agent["_given_up"].append(left[0])
    return len(left) > 1


def filters_in_use(agent: Record) -> Record:
    payload = agent["payload"]
    filters = payload["fallback_search_filters"] if agent["_falls_back"] else payload["search_filters"]
    return {name: value for name, value in filters.items() if name not in agent["_given_up"]}


def _fill(world: World, agent: Record, campaign_id: str) -> tuple[int, str]:
    """Add people until the campaign has enough of them: how many, and why no more."""
    needed = agent["payload"]["min_active_leads"] - count_active(world, campaign_id)
    added = 0
    for person, email in _new_people(world, agent, campaign_id):
        if added >= needed:
            return added, FILLED
        if not leads_left(world):
            return added, FULL
        lead = build_person(world, person, campaign=campaign_id, email=email)
        columns = _fill_columns(world, agent, lead, person)
        if columns is None:
            agent["_seen"].append(person.id)
            continue
        cost = _cost(world, agent, person)
        if world.verification_credits < cost:
            return added, PENNILESS
        world.verification_credits -= cost
        agent["_seen"].append(person.id)
        acquire(world, person.id)["kinds"].append(EMAIL)
        if None not in columns.values():
            _add(world, lead, columns)
            added += 1
    return added, FILLED if added >= needed else EXHAUSTED


def _new_people(world: World, agent: Record, campaign_id: str) -> Iterator[tuple[Person, str]]:
    """Whom the filters mean and who can be written to, with the address; nobody twice, nobody who is there already."""
    seen, by_id = set(agent["_seen"]), directory().by_id
    taken = {by_id[person_id].company.number for person_id in seen}
    here = {lead.get("email") for lead in world.leads.where(campaign=campaign_id)}
    one_each = agent["payload"]["show_one_lead_per_company"]
    for person in find_people(world, filters_in_use(agent)):
        number = person.company.number
        if person.email is None or person.id in seen or person.email in here or (one_each and number in taken):
            continue
        if is_blocked(world, person.email) or verified_as({"_person": person.id, "email": person.email}) == INVALID:
            continue
        taken.add(number)
        yield person, person.email


def _steps(agent: Record) -> list[tuple[str, Record]]:
    chain = agent["payload"].get("ai_enrichment") or {}
    return sorted(chain.items(), key=lambda item: item[1].get("order", 0))


def _cost(world: World, agent: Record, person: Person) -> int:
    """Credits for an address that was not bought before, and for each column that a model of Instantly writes."""
    bought = world.acquisitions.get(person.id)
    columns = sum(bool(step.get("use_instantly_account", True)) for _, step in _steps(agent))
    return columns + int(bought is None or EMAIL not in bought["kinds"])


def _fill_columns(world: World, agent: Record, lead: Record, person: Person) -> dict[str, str | None] | None:
    """What the chain writes on a lead, with None where a step fails for good; None for a lead that is left out."""
    found: dict[str, str | None] = {}
    for column, step in _steps(agent):
        empty = any(not (found.get(name) or read_column(lead, name)) for name in step["input_columns"])
        if empty and step.get("skip_if_input_empty"):
            return None
        if empty or world.chance("step", column, person.id) < FAILING:
            found[column] = step.get("fallback")
        else:
            found[column] = write_text(world, {"output_column": column, "prompt": step.get("prompt", "")}, lead)
    return found


def _add(world: World, lead: Record, columns: dict[str, str | None]) -> None:
    world.leads.add(lead)
    world.leads.change(lead, verification_status=verified_as(lead), _enriched=[EMAIL])
    if columns:
        write_columns(world, lead, **columns)
    share_variables(world, lead["campaign"], [lead])
    enroll(world, lead)
    note_arrival(world, lead)
