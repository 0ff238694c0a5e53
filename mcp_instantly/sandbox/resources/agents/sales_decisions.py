"""What a sales agent does by itself: it reads its site, decides what to do next, and replies to leads."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.resources.agents.sales_campaigns import first_campaign, open_campaign
from mcp_instantly.sandbox.resources.agents.sales_leads import LEADS_PER_RUN, MOST_LEADS
from mcp_instantly.sandbox.resources.agents.sales_records import (
    APPROVED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    PENDING,
    add_activity,
    change_activity,
    change_agent,
    settings_of,
)
from mcp_instantly.sandbox.resources.agents.sales_work import decide_soon, plan_decision, propose
from mcp_instantly.sandbox.resources.leads.labels import POSITIVE, side_of
from mcp_instantly.sandbox.sending.emails import MANUAL, add_email
from mcp_instantly.sandbox.sending.reactions import schedule_reply
from mcp_instantly.sandbox.sending.templates import wrapped
from mcp_instantly.sandbox.state.events import listener
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

READ_AFTER = 60.0
"""Seconds that the reading of a site or a deck takes."""

BETWEEN_DECISIONS = dt.timedelta(days=1)

REPLIES_AFTER = 300.0
"""Seconds until an agent that replies by itself has written its reply."""


def begin_reading(world: World, agent: Record) -> None:
    """Read the site or the deck that an agent is made from."""
    payload: Record = {name: agent[name] for name in ("type", "input") if name in agent}
    activity = add_activity(
        world, agent, "initial_setup_scrape", IN_PROGRESS, payload, timestamp_executed=world.stamp()
    )
    world.later(READ_AFTER, "end_reading", activity["id"])


@action
def end_reading(world: World, activity_id: str) -> None:
    """The agent knows its business; what it was told before stays. An address that is not a site's cannot be read."""
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


@action
def decide_as_sales_agent(world: World, agent_id: str, number: int) -> None:
    """An active agent proposes a campaign where it has none, and people for the one it has."""
    agent = world.sales_agents.get(agent_id)
    if agent is None or agent["status"] != ACTIVE or agent.get("_decision") != number:
        return
    change_agent(world, agent, timestamp_last_decision=world.stamp())
    plan_decision(world, agent, BETWEEN_DECISIONS)
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


@listener
def note_for_sales_agent(world: World, event: str, facts: dict[str, Any]) -> None:
    """Put replies and opportunities of an agent's campaigns among its activities, and reply where it is to."""
    lead = facts["lead"]
    campaign = world.campaigns.get((lead or {}).get("campaign", ""))
    agent = world.sales_agents.get(campaign.get("ai_sdr_id", "")) if campaign else None
    if agent is None or campaign is None or lead is None:
        return
    about = {"lead_id": lead["id"], "email": lead.get("email"), "campaign_id": campaign["id"]}
    if event == "reply_received" and facts["email"] is not None:
        add_activity(world, agent, "reply_received", COMPLETED, about, email_id=facts["email"]["id"])
        if agent["status"] == ACTIVE and settings_of(agent, "autonomy_settings").get("auto_reply_to_responses"):
            world.later(REPLIES_AFTER, "reply_for_sales_agent", agent["id"], facts["email"]["id"])
    elif facts.get("interest") is not None and side_of(world, facts["interest"]) == POSITIVE:
        add_activity(world, agent, "opportunity_received", COMPLETED, {**about, "interest": facts["interest"]})


@action
def reply_for_sales_agent(world: World, agent_id: str, email_id: str) -> None:
    """An active agent replies, once in a thread, whether or not somebody else has replied by now."""
    agent, email = world.sales_agents.get(agent_id), world.emails.get(email_id)
    if agent is None or email is None or agent["status"] != ACTIVE:
        return
    if any(other.get("_by_agent") for other in world.emails.where(thread_id=email["thread_id"])):
        return
    if world.accounts.get(email["eaccount"]) is None:
        return
    reply = add_email(
        world,
        ue_type=MANUAL,
        sender=email["eaccount"],
        to=email["from_address_email"],
        subject=email["subject"],
        markup=wrapped("Thank you for your reply. Shall we find a time for a short call?"),
        eaccount=email["eaccount"],
        thread_id=email["thread_id"],
        _by_agent=agent["id"],
        **{name: email.get(name) for name in ("campaign_id", "subsequence_id", "list_id", "lead", "lead_id")},
    )
    change_agent(world, agent, timestamp_last_action=world.stamp())
    lead = world.leads.get(email.get("lead_id", ""))
    if lead is not None:
        schedule_reply(world, lead, reply)
