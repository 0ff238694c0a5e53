"""The demo workspace's sales agents: one that made the webinar's campaign and rests since, and one that never began."""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

from mcp_instantly.sandbox.resources.agents.sales_campaigns import first_campaign
from mcp_instantly.sandbox.resources.agents.sales_guidance import written
from mcp_instantly.sandbox.resources.agents.sales_records import COMPLETED, PENDING, REJECTED, add_activity
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo.campaigns import OWNER, WEBINAR
from mcp_instantly.sandbox.worlds.demo.people import lead_id

AGENT, UNUSED = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501", "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f502"
FOUND = range(141, 146)
"""Leads of the list of CFOs that the agent has found, the first of them with what it read."""

RECOMMENDED_PERSON = "person-00182"
RECOMMENDED = {"first_name": "Gary", "last_name": "Taylor", "company_name": "Aurorakey Systems", "job_title": "CFO"}
"""Somebody of the directory, written out here because a world is to begin without making the directory."""

CONFIG: Record = {
    "memory": {
        "company": "Brightpath",
        "business_description": "Software that matches payments overnight, for a month-end close that is days shorter.",
        "icps": [
            {
                "name": "Finance leaders",
                "problems_solved": ["Matching payments by hand"],
                "benefits": ["A close in three days"],
                "company_size": ["100 - 250"],
                "job_title": {"include": ["CFO", "Finance Director"], "exclude": ["Assistant"]},
            }
        ],
        "active_icps_indexes": [0],
        "business_offers": ["a call of fifteen minutes"],
        "active_business_offers_indexes": [0],
        "custom_fields": [
            written("Audience", "Write to people who run finance, never to assistants."),
            written("Claims", "Promise nothing that is not on our site."),
            written("Length", "At most ninety words."),
        ],
    },
    "enrichment_settings": {"enrichment_limit_per_run": 5, "signal_targeting_enabled": True},
    "outreach_settings": {"daily_limit": 30, "stop_on_reply": True},
    "autonomy_settings": {"autopilot_mode": False, "auto_reply_to_responses": False, "manual_leads_mode": False},
}


def add_sales_agents(world: World, list_id: str) -> None:
    """Both are inactive, with ids of their own, so that nothing else in the workspace depends on them."""
    agent = _add_agent(
        world,
        AGENT,
        "Finance teams",
        days=150,
        description="Finds finance leaders and asks them for a call.",
        type="website",
        input="https://brightpath.example",
        config=copy.deepcopy(CONFIG),
        master_lead_list_id=list_id,
        initial_scrape_ready=True,
        self_improvement=True,
    )
    _add_agent(world, UNUSED, "Recruiting, a try", days=20, agent_type=7, config={}, initial_scrape_ready=False)
    world.campaigns.change(world.campaigns[WEBINAR], ai_sdr_id=AGENT)
    _tell_activities(world, agent)
    for n in FOUND:
        world.leads.change(world.leads[lead_id(n)], _found_by=AGENT)
    lead = world.leads[lead_id(FOUND[0])]
    site = f"https://{lead['company_domain']}"
    research = {
        "grounding": [{"field": "company_description", "citations": [{"url": f"{site}/about", "title": "About us"}]}],
        "sources": [{"url": site}, {"url": f"{site}/about"}],
    }
    world.leads.change(lead, _research=research)


def _add_agent(world: World, agent_id: str, name: str, *, days: int, **more: Any) -> Record:
    at = stamp(world.now() - dt.timedelta(days=days))
    return world.sales_agents.add(
        {
            "id": agent_id,
            "workspace_id": world.workspace["id"],
            "name": name,
            "status": 0,
            "agent_type": 2,
            "created_by": OWNER,
            "timestamp_created": at,
            "timestamp_updated": at,
            **more,
        }
    )


def _activity_id(n: int) -> str:
    return f"ac710001-7c8d-4e9f-a0b1-2c3d4e5f6a{n:02d}"


def _tell_activities(world: World, agent: Record) -> None:
    """What was done in spring, and what it has proposed since."""
    proposed = {**first_campaign(agent), "name": "Finance teams, Nordics"}
    activities: list[tuple[int, str, str, Record, Record]] = [
        (150, "initial_setup_scrape", COMPLETED, {"type": "website", "input": agent["input"]}, {}),
        (149, "create_campaign", COMPLETED, {"name": "Webinar"}, {"action_output": {"campaign_id": WEBINAR}}),
        (141, "enrich_leads", REJECTED, {"campaign_id": WEBINAR, "limit": 50}, {"rejection_reason": "Too many."}),
        (
            3,
            "create_campaign",
            PENDING,
            proposed,
            {"ai_reasoning": "No campaign is for the north.", "ai_confidence": 0.82},
        ),
        (2, "recommend_lead", PENDING, RECOMMENDED, {"_person": RECOMMENDED_PERSON}),
        (1, "edit_campaign", PENDING, {"campaign_id": WEBINAR, "changes": {"daily_limit": 20}}, {"ai_confidence": 0.7}),
        (1, "warning", PENDING, {"message": "The campaign has no leads left."}, {}),
    ]
    for place, (days, kind, status, payload, more) in enumerate(activities):
        with world.during(world.now() - dt.timedelta(days=days)):
            decided = (
                {"approved_by": OWNER, "approved_at": world.stamp()} if kind == "create_campaign" and days > 9 else {}
            )
            if status == REJECTED:
                decided = {"rejected_by": OWNER, "rejected_at": world.stamp()}
            add_activity(world, agent, kind, status, payload, id=_activity_id(place + 1), **decided, **more)
