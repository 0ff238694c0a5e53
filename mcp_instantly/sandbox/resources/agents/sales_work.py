"""What a sales agent does: it reads, decides, proposes, and carries out what was approved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from mcp_instantly.sandbox.directory.population import Person, directory
from mcp_instantly.sandbox.directory.search import search
from mcp_instantly.sandbox.resources.agents.sales_records import (
    ACTIVE,
    APPROVED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    PENDING,
    add_activity,
    change_activity,
    change_agent,
    is_trusted,
    linked_campaigns,
    settings_of,
)
from mcp_instantly.sandbox.resources.campaigns.campaigns import ACTIVE as RUNNING
from mcp_instantly.sandbox.resources.campaigns.campaigns import PAUSED, SETTINGS, add_draft, change, with_units
from mcp_instantly.sandbox.resources.leads.enrichment_runs import acquire
from mcp_instantly.sandbox.resources.leads.labels import POSITIVE, side_of
from mcp_instantly.sandbox.resources.leads.records import build_lead
from mcp_instantly.sandbox.resources.workspace.billing import leads_left
from mcp_instantly.sandbox.sending import dispatch
from mcp_instantly.sandbox.sending.emails import MANUAL, add_email, wrapped
from mcp_instantly.sandbox.sending.flows import FINISHED, LISTED, WAITING, enroll
from mcp_instantly.sandbox.sending.matching import is_blocked
from mcp_instantly.sandbox.sending.reactions import schedule_reply
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.events import listener
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

BEGINS, ENDS = 5.0, 30.0
"""Seconds after its approval at which an activity is begun, and is done."""

READ_AFTER = 60.0
"""Seconds that the reading of a site or a deck takes."""

SOON = 60.0
"""Seconds until an agent decides what to do next, once it can."""

BETWEEN_DECISIONS = dt.timedelta(days=1)

ANSWERS_AFTER = 300.0
"""Seconds until an agent that answers replies by itself has written its answer."""

LEADS_PER_RUN, MOST_LEADS = 10, 100
"""How many people an agent looks for at once, unless told otherwise, and at most."""

HANDED_ON = (
    "campaign_schedule",
    "email_list",
    "email_tag_list",
    "daily_limit",
    "stop_on_reply",
    "open_tracking",
    "first_email_text_only",
    "prioritize_new_leads",
    "match_lead_esp",
)
"""The outreach settings that are settings of campaigns."""

OFFICE_HOURS: Record = {
    "schedules": [
        {
            "name": "Office hours",
            "timing": {"from": "09:00", "to": "17:00"},
            "days": {str(day): 1 <= day <= 5 for day in range(7)},
            "timezone": "America/Detroit",
        }
    ]
}


class CannotDo(Exception):
    """An activity cannot be carried out; `code` is one of the API's error codes."""

    def __init__(self, code: str, message: str):
        super().__init__(message)
        self.code = code


Doer = Callable[[World, Record, Record], "Record | None"]
DOERS: dict[str, Doer] = {}
"""By kind of activity, the function `(world, agent, activity)` that carries it out and answers its output."""


def doer(*kinds: str) -> Callable[[Doer], Doer]:
    def register(function: Doer) -> Doer:
        DOERS.update(dict.fromkeys(kinds, function))
        return function

    return register


# proposing, approving, carrying out


def propose(world: World, agent: Record, kind: str, payload: Record, reasoning: str, **more: Any) -> Record:
    """Have an activity wait for approval, or begin it at once where the agent need not ask."""
    confidence = round(0.6 + 0.35 * world.chance("confidence", agent["id"], kind, len(world.sales_activities)), 2)
    activity = add_activity(
        world, agent, kind, PENDING, payload, ai_reasoning=reasoning, ai_confidence=confidence, **more
    )
    return approve(world, activity, None) if is_trusted(agent) else activity


def approve(world: World, activity: Record, by: str | None) -> Record:
    """Let a proposal be carried out; `by` is the user who allows it, None where the agent does."""
    change_activity(world, activity, APPROVED, approved_by=by, approved_at=world.stamp())
    world.later(BEGINS, "begin_sales_activity", activity["id"])
    return activity


@action
def begin_sales_activity(world: World, activity_id: str) -> None:
    activity = world.sales_activities.get(activity_id)
    if activity is not None:
        change_activity(world, activity, IN_PROGRESS, timestamp_executed=world.stamp())
        world.later(ENDS - BEGINS, "end_sales_activity", activity_id)


@action
def end_sales_activity(world: World, activity_id: str) -> None:
    """Do what the activity says. What cannot be done fails with a code and a sentence."""
    activity = world.sales_activities.get(activity_id)
    agent = world.sales_agents.get(activity["ai_sdr_id"]) if activity else None
    if activity is None or agent is None:
        return
    carry_out = DOERS.get(activity["action_type"])
    try:
        output = carry_out(world, agent, activity) if carry_out else None
    except CannotDo as problem:
        at = world.stamp()
        change_activity(
            world, activity, FAILED, error_code=problem.code, error_message=str(problem), timestamp_completed=at
        )
    else:
        change_activity(world, activity, COMPLETED, action_output=output or {}, timestamp_completed=world.stamp())
    change_agent(world, agent, timestamp_last_action=world.stamp())


# campaigns


@doer("create_campaign", "initial_setup_campaigns")
def make_campaign(world: World, agent: Record, activity: Record) -> Record:
    """The campaign is the agent's, and runs if the agent does."""
    proposed = activity["action_payload"]
    senders = [account["email"] for account in world.accounts if account.get("status") == 1]
    settings = {
        "campaign_schedule": OFFICE_HOURS,
        "email_list": senders,
        "stop_on_reply": True,
        **handed_on(agent),
        "name": proposed["name"],
        "sequences": proposed["sequences"],
        "ai_sdr_id": agent["id"],
    }
    campaign = add_draft(world, with_units(settings))
    runs = agent["status"] == ACTIVE
    change(world, campaign, status=RUNNING if runs else PAUSED)
    if runs:
        dispatch.start(world, campaign["id"])
        decide_soon(world, agent)
    return {"campaign_id": campaign["id"]}


def handed_on(agent: Record) -> Record:
    """An agent's outreach settings, as its campaigns have them."""
    outreach = settings_of(agent, "outreach_settings")
    return {name: outreach[name] for name in HANDED_ON if outreach.get(name) is not None}


def _campaign_of(world: World, agent: Record, activity: Record) -> Record:
    campaign = world.campaigns.get(activity["action_payload"].get("campaign_id", ""))
    if campaign is None or campaign.get("ai_sdr_id") != agent["id"]:
        raise CannotDo("campaign_operation_failed", "The campaign is gone")
    return campaign


@doer("edit_campaign")
def edit_campaign(world: World, agent: Record, activity: Record) -> Record:
    campaign = _campaign_of(world, agent, activity)
    changes = {name: value for name, value in activity["action_payload"]["changes"].items() if name in SETTINGS}
    change(world, campaign, **with_units(changes))
    if campaign["status"] == RUNNING:
        dispatch.start(world, campaign["id"])
    return {"campaign_id": campaign["id"], "changed": sorted(changes)}


@doer("pause_campaign")
def pause_campaign(world: World, agent: Record, activity: Record) -> Record:
    campaign = _campaign_of(world, agent, activity)
    change(world, campaign, status=PAUSED)
    return {"campaign_id": campaign["id"]}


@doer("stop_campaign")
def stop_campaign(world: World, agent: Record, activity: Record) -> Record:
    campaign = _campaign_of(world, agent, activity)
    change(world, campaign, status=FINISHED)
    return {"campaign_id": campaign["id"]}


def pause_campaigns(world: World, agent: Record) -> None:
    for campaign in linked_campaigns(world, agent):
        if campaign["status"] == RUNNING:
            change(world, campaign, status=PAUSED)


def resume_campaigns(world: World, agent: Record) -> None:
    for campaign in linked_campaigns(world, agent):
        if campaign["status"] == PAUSED:
            change(world, campaign, status=RUNNING)
            dispatch.start(world, campaign["id"])


def hand_on(world: World, agent: Record) -> None:
    """Give the campaigns of an agent its outreach settings; running ones send by them at once."""
    settings = handed_on(agent)
    for campaign in linked_campaigns(world, agent) if settings else ():
        change(world, campaign, **settings)
        if campaign["status"] == RUNNING:
            dispatch.start(world, campaign["id"])


# leads


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
    campaign = _campaign_of(world, agent, activity)
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


def open_campaign(world: World, agent: Record) -> Record | None:
    """The campaign that new leads of an agent are for: the newest that is not finished."""
    found = [campaign for campaign in linked_campaigns(world, agent) if campaign["status"] != FINISHED]
    return found[-1] if found else None


# reading and deciding


def begin_reading(world: World, agent: Record) -> None:
    """Read the site or the deck that an agent is made from."""
    payload = {"type": agent["type"], "input": agent["input"]}
    activity = add_activity(
        world, agent, "initial_setup_scrape", IN_PROGRESS, payload, timestamp_executed=world.stamp()
    )
    world.later(READ_AFTER, "end_reading", activity["id"])


@action
def end_reading(world: World, activity_id: str) -> None:
    """The agent knows its business; what it was told before stays. An address that is no site's cannot be read."""
    activity = world.sales_activities.get(activity_id)
    agent = world.sales_agents.get(activity["ai_sdr_id"]) if activity else None
    if activity is None or agent is None:
        return
    given, at = agent.get("input") or "", world.stamp()
    host = urlsplit(given if "//" in given else f"//{given}").hostname or ""
    if agent["type"] == "website" and "." not in host:
        problem = {"error_code": "scrape_site_not_supported", "error_message": "The site cannot be read"}
        change_activity(world, activity, FAILED, **problem, timestamp_completed=at)
        return
    deck = agent["type"] == "pitch_deck"
    company = given.split("\n")[0][:80] if deck else host.removeprefix("www.").split(".")[0].capitalize()
    learnt = {"company": company, "business_description": given[:500] if deck else f"What {host} says of itself."}
    memory = {**learnt, **settings_of(agent, "memory")}
    change_agent(world, agent, config={**agent["config"], "memory": memory}, initial_scrape_ready=True)
    change_activity(world, activity, COMPLETED, action_output=learnt, timestamp_completed=at)
    if agent["status"] == ACTIVE:
        decide_soon(world, agent)


def decide_soon(world: World, agent: Record) -> None:
    """Have an active agent decide in a moment, whenever it was to decide next."""
    _plan_decision(world, agent, dt.timedelta(seconds=SOON))


def _plan_decision(world: World, agent: Record, within: dt.timedelta) -> None:
    when, number = world.now() + within, world.number()
    agent["_decision"] = number
    change_agent(world, agent, next_decision_time=stamp(when))
    world.at(when, "decide_as_sales_agent", agent["id"], number)


@action
def decide_as_sales_agent(world: World, agent_id: str, number: int) -> None:
    """An active agent proposes a campaign where it has none, and people for the one it has."""
    agent = world.sales_agents.get(agent_id)
    if agent is None or agent["status"] != ACTIVE or agent.get("_decision") != number:
        return
    change_agent(world, agent, timestamp_last_decision=world.stamp())
    _plan_decision(world, agent, BETWEEN_DECISIONS)
    if agent["initial_scrape_ready"]:
        _decide(world, agent)


def _decide(world: World, agent: Record) -> None:
    under_way = {
        activity["action_type"]
        for activity in world.sales_activities.where(ai_sdr_id=agent["id"])
        if activity["action_status"] in (PENDING, APPROVED, IN_PROGRESS)
    }
    campaign = open_campaign(world, agent)
    manual = settings_of(agent, "autonomy_settings").get("manual_leads_mode")
    if campaign is None:
        if not under_way & {"create_campaign", "initial_setup_campaigns"}:
            propose(world, agent, "create_campaign", first_campaign(agent), "There is no campaign yet.")
    elif not manual and not under_way & {"enrich_leads", "initial_setup_enrich", "push_lead"}:
        wanted = settings_of(agent, "enrichment_settings").get("enrichment_limit_per_run", LEADS_PER_RUN)
        payload = {"campaign_id": campaign["id"], "limit": int(min(wanted, MOST_LEADS))}
        propose(world, agent, "enrich_leads", payload, "The campaign can take more leads.")


def first_campaign(agent: Record) -> Record:
    """The campaign that an agent proposes from what it knows."""
    memory = settings_of(agent, "memory")
    offers = memory.get("business_offers") or ["a short call"]
    company = memory.get("company") or agent["name"]
    first = (
        f"<p>Hi {{{{firstName}}}},</p><p>{company} works with companies like {{{{companyName}}}}. "
        f"May I offer {offers[0]}?</p>"
    )
    steps = [("Question for {{companyName}}", first), ("", "<p>Hi {{firstName}},</p><p>did this reach you?</p>")]
    return {
        "name": f"{agent['name']}: first campaign",
        "sequences": [
            {
                "steps": [
                    {"type": "email", "delay": 2, "variants": [{"subject": subject, "body": body}]}
                    for subject, body in steps
                ]
            }
        ],
    }


# what comes back


@listener
def note_for_sales_agent(world: World, event: str, facts: dict[str, Any]) -> None:
    """Put replies and opportunities of an agent's campaigns among its activities, and answer where it is to."""
    lead = facts["lead"]
    campaign = world.campaigns.get((lead or {}).get("campaign", ""))
    agent = world.sales_agents.get(campaign.get("ai_sdr_id", "")) if campaign else None
    if agent is None or campaign is None or lead is None:
        return
    about = {"lead_id": lead["id"], "email": lead.get("email"), "campaign_id": campaign["id"]}
    if event == "reply_received" and facts["email"] is not None:
        add_activity(world, agent, "reply_received", COMPLETED, about, email_id=facts["email"]["id"])
        if agent["status"] == ACTIVE and settings_of(agent, "autonomy_settings").get("auto_reply_to_responses"):
            world.later(ANSWERS_AFTER, "answer_for_sales_agent", agent["id"], facts["email"]["id"])
    elif facts.get("interest") is not None and side_of(world, facts["interest"]) == POSITIVE:
        add_activity(world, agent, "opportunity_received", COMPLETED, {**about, "interest": facts["interest"]})


@action
def answer_for_sales_agent(world: World, agent_id: str, email_id: str) -> None:
    """An active agent answers, once in a thread, whether or not somebody else has answered by now."""
    agent, email = world.sales_agents.get(agent_id), world.emails.get(email_id)
    if agent is None or email is None or agent["status"] != ACTIVE:
        return
    if any(other.get("_by_agent") for other in world.emails.where(thread_id=email["thread_id"])):
        return
    if world.accounts.get(email["eaccount"]) is None:
        return
    answer = add_email(
        world,
        ue_type=MANUAL,
        sender=email["eaccount"],
        to=email["from_address_email"],
        subject=email["subject"],
        markup=wrapped("Thank you for your answer. Shall we find a time for a short call?"),
        eaccount=email["eaccount"],
        thread_id=email["thread_id"],
        _by_agent=agent["id"],
        **{name: email.get(name) for name in ("campaign_id", "subsequence_id", "list_id", "lead", "lead_id")},
    )
    change_agent(world, agent, timestamp_last_action=world.stamp())
    lead = world.leads.get(email.get("lead_id", ""))
    if lead is not None:
        schedule_reply(world, lead, answer)
