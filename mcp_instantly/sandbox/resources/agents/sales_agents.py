"""Sales agents: create, read, change, start and stop."""

from __future__ import annotations

import copy
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    Shape,
    array,
    boolean,
    choice,
    fields,
    integer,
    nullable,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE, TRIAL_EXPIRED, agent_kind
from mcp_instantly.sandbox.resources.agents.sales_campaigns import (
    first_campaign,
    hand_on,
    pause_campaigns,
    resume_campaigns,
)
from mcp_instantly.sandbox.resources.agents.sales_decisions import begin_reading
from mcp_instantly.sandbox.resources.agents.sales_records import (
    PENDING,
    add_activity,
    change_agent,
    configuration_mode,
    find_agent,
    linked_campaigns,
    merge_config,
    settings_of,
    slack_of,
)
from mcp_instantly.sandbox.resources.agents.sales_work import decide_soon
from mcp_instantly.sandbox.resources.campaigns.campaigns import SCHEDULE
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

STATUS = choice(TRIAL_EXPIRED, INACTIVE, ACTIVE)

SIGNALS = (
    "linkedin_post_company",
    "linkedin_post_contact",
    "linkedin_comment",
    "twitter_post_company",
    "twitter_post_contact",
    "youtube_company",
    "youtube_contact",
    "reddit_buying_intent",
    "reddit_pain_point",
    "reddit_churn_risk",
    "reddit_competitor_mention",
    "glassdoor_negative",
    "glassdoor_positive",
    "website_product_launch",
    "website_pricing_change",
    "website_expansion",
    "website_executive_change",
    "website_funding",
    "website_partnership",
    "website_compliance",
    "website_technology_adoption",
    "job_change",
    "promotion",
    "work_anniversary",
    "traffic_surge",
    "traffic_decline",
)

WORDS = array(text())
PROFILE = fields(
    name=text(),
    problems_solved=WORDS,
    benefits=WORDS,
    usp=text(),
    customer_goals=WORDS,
    success_stories=text(),
    keywords=fields(include=nullable(text()), exclude=nullable(text())),
    company_size=WORDS,
    industry=WORDS,
    job_title=fields(include=WORDS, exclude=WORDS),
)
MEMORY = fields(
    company=text(),
    business_description=text(),
    icps=array(PROFILE),
    active_icps_indexes=array(integer()),
    business_offers=WORDS,
    active_business_offers_indexes=array(integer()),
    custom_fields=array(text(), maxItems=10),
)
OUTREACH = fields(
    campaign_schedule=SCHEDULE,
    email_list=WORDS,
    email_tag_list=array(uuid()),
    daily_limit=number(),
    stop_on_reply=boolean(),
    open_tracking=boolean(),
    first_email_text_only=boolean(),
    prioritize_new_leads=boolean(),
    match_lead_esp=boolean(),
    opt_out_settings=fields(text_opt_out_enabled=boolean()),
)
CONFIG = fields(
    memory=MEMORY,
    position_details=text(),
    investment_details=text(),
    research_details=text(),
    partnership_details=text(),
    enrichment_settings=fields(
        enrichment_limit_per_run=number(),
        signal_targeting_enabled=boolean(),
        signal_targeting_categories=array(choice(*SIGNALS), uniqueItems=True, maxItems=len(SIGNALS)),
    ),
    outreach_settings=OUTREACH,
    autonomy_settings=fields(autopilot_mode=boolean(), auto_reply_to_responses=boolean(), manual_leads_mode=boolean()),
    slack_connection_id=nullable(uuid()),
)
SETTINGS: dict[str, Shape] = {
    "name": text(),
    "description": nullable(text()),
    "config": CONFIG,
    "self_improvement": nullable(boolean()),
    "status": STATUS,
}
"""What can be set on an agent, when it is made and later."""


def _is_true(name: str) -> Shape:
    return {"properties": {name: {"enum": [True]}}, "required": [name]}


SOURCES: Shape = {
    "allOf": [
        {
            "if": {"anyOf": [_is_true("memory_from_workspace"), _is_true("is_duplicate")]},
            "else": {"required": ["type", "input"]},
        },
        {
            "if": _is_true("is_duplicate"),
            "then": {"required": ["source_ai_sdr_id"]},
            "else": {"required": ["agent_type"]},
        },
    ]
}
"""What has to be given, by where the agent's knowledge comes from."""

CREATE = fields(
    "name",
    {**CLOSED, **SOURCES},
    **SETTINGS,
    type=choice("website", "pitch_deck"),
    input=nullable(text()),
    agent_type=choice(2, 7, 8, 9, 10),
    memory_from_workspace=boolean(),
    master_lead_list_id=uuid(),
    initial_scrape_ready=boolean(),
    is_duplicate=boolean(),
    source_ai_sdr_id=uuid(),
)

COPIED = ("type", "input", "agent_type", "description", "self_improvement")


@route("POST", "/ai-agents/sales", scope="ai_sdr:create", body=CREATE)
def create_agent(world: World, call: Call) -> Record:
    return public(make_agent(world, call.body))


def make_agent(world: World, given: Record, *, agent_id: str | None = None) -> Record:
    """A new agent. It reads its site or deck first, or knows the workspace, or what the agent knows that it is a copy
    of. Raises a 404.
    """
    source = find_agent(world, given["source_ai_sdr_id"]) if given.get("is_duplicate") else None
    if given.get("master_lead_list_id") and given["master_lead_list_id"] not in world.lead_lists:
        raise not_found("Lead list")
    agent = _add_agent(world, given, source, agent_id)
    if source is None and given.get("memory_from_workspace"):
        _learn_from_workspace(world, agent)
    elif source is None:
        begin_reading(world, agent)
    if agent["status"] == ACTIVE:
        decide_soon(world, agent)
    return agent


def _add_agent(world: World, given: Record, source: Record | None, agent_id: str | None) -> Record:
    at = world.stamp()
    config = copy.deepcopy(source["config"]) if source else {}
    taken_over = {name: source[name] for name in COPIED if name in source} if source else {}
    named = ("name", "master_lead_list_id", *COPIED)
    return world.sales_agents.add(
        {
            "id": agent_id or world.uuid4(),
            "workspace_id": world.workspace["id"],
            **taken_over,
            **{name: given[name] for name in named if given.get(name) is not None},
            "status": given.get("status", INACTIVE),
            **slack_of(given.get("config", {})),
            "config": merge_config(config, given.get("config", {})),
            "created_by": world.workspace["owner"],
            "initial_scrape_ready": bool(source and source["initial_scrape_ready"]),
            "timestamp_created": at,
            "timestamp_updated": at,
        }
    )


def _learn_from_workspace(world: World, agent: Record) -> None:
    """Nothing is read; the agent proposes its first campaign."""
    memory = {"company": world.workspace["name"], **settings_of(agent, "memory")}
    change_agent(world, agent, config={**agent["config"], "memory": memory}, initial_scrape_ready=True)
    add_activity(world, agent, "initial_setup_campaigns", PENDING, first_campaign(agent))


@route(
    "GET",
    "/ai-agents/sales",
    scope="ai_sdr:read",
    or_scope="ai_agents:read",
    query={**PAGE, "status": STATUS, "search": text(), "agent_type": choice(2, 4, 7, 8, 9, 10)},
)
def list_agents(world: World, call: Call) -> Record:
    """Newest first."""
    agents = world.sales_agents.after(call.query.get("starting_after"), newest_first=True)
    return page((agent for agent in agents if _wanted(agent, call.query)), call.query)


def _wanted(agent: Record, query: dict[str, Any]) -> bool:
    return (
        query.get("search", "").lower() in agent["name"].lower()
        and query.get("status", agent["status"]) == agent["status"]
        and query.get("agent_type", agent["agent_type"]) == agent["agent_type"]
    )


@route("GET", "/ai-agents/sales/{id}", scope="ai_sdr:read", id=uuid())
def get_agent(world: World, call: Call) -> Record:
    return public(find_agent(world, call.path["id"]))


@route(
    "PATCH",
    "/ai-agents/sales/{id}",
    scope="ai_sdr:update",
    body=fields("", {**CLOSED, "minProperties": 1}, **SETTINGS),
    id=uuid(),
)
def update_agent(world: World, call: Call) -> Record:
    """Of the config what is given is merged. The campaigns follow: in their settings, and in whether they run."""
    agent, given = find_agent(world, call.path["id"]), dict(call.body)
    before = agent["status"]
    if "config" in given:
        given.update(slack_of(given["config"]))
        given["config"] = merge_config(agent["config"], given["config"])
    change_agent(world, agent, **given)
    if "outreach_settings" in call.body.get("config", {}):
        hand_on(world, agent)
    if "status" in given and given["status"] != ACTIVE:
        pause_campaigns(world, agent)
    elif "status" in given:
        resume_campaigns(world, agent)
        if before != ACTIVE:
            decide_soon(world, agent)
    return public(agent)


@agent_kind("sales_agents")
def remove(world: World, agent: Record) -> None:
    """Only an agent without campaigns can be deleted; what it has done goes with it."""
    if linked_campaigns(world, agent):
        raise ApiRefusal(409, "The agent has linked campaigns")
    for activity in list(world.sales_activities.where(ai_sdr_id=agent["id"])):
        world.sales_activities.remove(activity["id"])
    world.sales_agents.remove(agent["id"])


@route("DELETE", "/ai-agents/sales/{id}", scope="ai_sdr:delete", id=uuid())
def delete_agent(world: World, call: Call) -> Record:
    agent = find_agent(world, call.path["id"])
    remove(world, agent)
    shown = ("id", "name", "status", "timestamp_created", "timestamp_updated")
    return {
        **{name: agent[name] for name in shown},
        "type": agent["agent_type"],
        "configuration_mode": configuration_mode(agent),
    }
