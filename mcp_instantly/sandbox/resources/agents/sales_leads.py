"""What a sales agent does with leads: it finds and enriches them, and puts them into campaigns."""

from __future__ import annotations

from collections.abc import Iterator

from mcp_instantly.sandbox.directory.population import Person, directory
from mcp_instantly.sandbox.directory.search import search
from mcp_instantly.sandbox.resources.agents.sales_campaigns import campaign_of, open_campaign
from mcp_instantly.sandbox.resources.agents.sales_records import (
    change_agent,
    settings_of,
)
from mcp_instantly.sandbox.resources.agents.sales_work import CannotDo, doer, propose
from mcp_instantly.sandbox.resources.leads.enrichment_runs import acquire
from mcp_instantly.sandbox.resources.leads.records import build_lead
from mcp_instantly.sandbox.resources.workspace.billing import leads_left
from mcp_instantly.sandbox.sending.flows import LISTED, WAITING, enroll
from mcp_instantly.sandbox.sending.matching import is_blocked
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

LEADS_PER_RUN, MOST_LEADS = 10, 100
"""How many people an agent looks for at once, unless told otherwise, and at most."""


def _master_list(world: World, agent: Record) -> str:
    """The list in which an agent keeps whom it has found, made with the first of them."""
    known = agent.get("master_lead_list_id")
    if known and known not in world.lead_lists:
        raise CannotDo("master_list_missing", "The list of the agent's leads is gone")
    if known:
        return str(known)
    made = world.lead_lists.add(
        {
            "id": world.uuid4(),
            "organization_id": world.workspace["id"],
            "has_enrichment_task": False,
            "owned_by": world.workspace["owner"],
            "name": f"{agent['name']}: leads",
            "timestamp_created": world.stamp(),
        }
    )
    change_agent(world, agent, master_lead_list_id=made["id"])
    return str(made["id"])


def people_for(world: World, agent: Record) -> Iterator[Person]:
    """People whom the workspace does not have yet and whose address can be found, for the agent's active profiles."""
    memory = settings_of(agent, "memory")
    profiles = memory.get("icps") or []
    places = memory.get("active_icps_indexes")
    wanted = profiles if places is None else [profiles[place] for place in places if 0 <= place < len(profiles)]
    titles = [title for profile in wanted for title in (profile.get("job_title") or {}).get("include") or ()]
    industries = [name for profile in wanted for name in profile.get("industry") or ()]
    filters: Record = {}
    if titles:
        filters["title"] = {"include": titles}
    if industries:
        filters["industry"] = {"include": industries}
    for person in search(filters):
        known = person.id in world.acquisitions or world.leads.count(email=person.address) > 0
        if person.email and not known and not is_blocked(world, person.address):
            yield person


@doer("enrich_leads", "initial_setup_enrich")
def enrich_leads(world: World, agent: Record, activity: Record) -> Record:
    """Find people, for a credit each, and propose to push them into the campaign."""
    limit = activity["action_payload"].get("limit", LEADS_PER_RUN)
    list_id = _master_list(world, agent)
    campaign = activity["action_payload"].get("campaign_id")
    found: list[str] = []
    for person in people_for(world, agent):
        if len(found) == limit or world.verification_credits < 1:
            break
        found.append(_take(world, agent, person, list_id)["id"])
    if not found and world.verification_credits < 1:
        raise CannotDo("insufficient_credits", "Not enough credits")
    if not found:
        raise CannotDo("no_leads_with_email", "Nobody with an address was found")
    for lead_id in found if campaign else ():
        _propose_push(world, agent, lead_id, str(campaign))
    return {"enriched": len(found), "credits_used": len(found), "list_id": list_id}


@doer("recommend_lead")
def enrich_recommended(world: World, agent: Record, activity: Record) -> Record:
    """Enrich one person who was shown before, for a credit."""
    person = directory().by_id.get(activity.get("_person", ""))
    if world.verification_credits < 1:
        raise CannotDo("insufficient_credits", "Not enough credits")
    if person is None or person.email is None:
        raise CannotDo("no_leads_with_email", "No address was found")
    lead = _take(world, agent, person, _master_list(world, agent))
    campaign = open_campaign(world, agent)
    if campaign:
        _propose_push(world, agent, lead["id"], campaign["id"])
    return {"lead_id": lead["id"], "credits_used": 1}


def _take(world: World, agent: Record, person: Person, list_id: str) -> Record:
    """Put somebody of the directory into the agent's list, with an address and with what was read about them."""
    world.verification_credits -= 1
    acquire(world, person.id)["kinds"].append("work_email_enrichment")
    given = {
        "email": person.address,
        "first_name": person.first,
        "last_name": person.last,
        "company_name": person.company.name,
        "job_title": person.title.text,
        "website": f"https://{person.company.domain}",
    }
    more = {"_person": person.id, "_found_by": agent["id"], "_research": research_on(person)}
    more.update(status=LISTED, upload_method=None)
    return world.leads.add(build_lead(world, given, campaign=None, list_id=list_id, **more))


def research_on(person: Person) -> Record:
    """The pages that were read about somebody, and which field each was good for."""
    site, about = f"https://{person.company.domain}", f"https://{person.company.domain}/about"
    return {
        "grounding": [
            {"field": "company_description", "citations": [{"url": about, "title": f"About {person.company.name}"}]},
            {"field": "job_title", "citations": [{"url": person.profile}]},
        ],
        "sources": [{"url": site}, {"url": about}, {"url": person.profile}],
    }


def _propose_push(world: World, agent: Record, lead_id: str, campaign_id: str) -> None:
    lead, name = world.leads[lead_id], world.campaigns[campaign_id]["name"]
    payload = {"lead_id": lead_id, "email": lead["email"], "campaign_id": campaign_id}
    propose(world, agent, "push_lead", payload, f"{lead['first_name']} {lead['last_name']} fits {name}.")


@doer("push_lead")
def push_lead(world: World, agent: Record, activity: Record) -> Record:
    """Move a lead from the agent's list into a campaign, which mails it if it runs."""
    campaign = campaign_of(world, agent, activity)
    lead = world.leads.get(activity["action_payload"].get("lead_id", ""))
    if lead is None or "campaign" in lead:
        raise CannotDo("lead_move_failed", "The lead is gone, or in a campaign already")
    if any(other.get("campaign") == campaign["id"] for other in world.leads.where(email=lead.get("email"))):
        raise CannotDo("lead_move_failed", "The address is in the campaign already")
    if leads_left(world) < 1:
        raise CannotDo("insufficient_upload_limit", "The plan has no room for another lead")
    world.leads.change(lead, campaign=campaign["id"], list_id=None, status=WAITING, timestamp_updated=world.stamp())
    enroll(world, lead)
    return {"lead_id": lead["id"], "campaign_id": campaign["id"]}
