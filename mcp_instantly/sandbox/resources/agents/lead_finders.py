"""Lead finders: agents that keep a campaign filled with people of the directory, and pay for them without asking."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from mcp_instantly.sandbox.directory.filters import STRICT_SEARCH
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, boolean, choice, fields, nullable, number, text, uuid
from mcp_instantly.sandbox.resources.agents.finder_top_ups import check, note, stop
from mcp_instantly.sandbox.resources.agents.finder_workflows import CHAIN, keep_chain
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, agent_kind
from mcp_instantly.sandbox.resources.supersearch.search import find_people
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PATH = "/ai-agents/lead-finder"
LEAD_FINDER = 6
"""The type of these agents among all."""

SETTINGS = {
    "name": text(minLength=1, maxLength=255),
    "campaign_id": uuid(),
    "search_filters": STRICT_SEARCH,
    "min_active_leads": number(minimum=10, maximum=10_000),
    "on_exhaustion": choice("pause", "fallback", "broaden"),
    "fallback_search_filters": STRICT_SEARCH,
    "show_one_lead_per_company": boolean(),
    "ai_enrichment": CHAIN,
    "ai_enrichment_workflow": text(),
}
CHANGES = {
    **SETTINGS,
    "fallback_search_filters": nullable(STRICT_SEARCH),
    "ai_enrichment": nullable(CHAIN),
}
SOURCE = choice("agents_page", "campaign_banner", "supersearch", "announcement", "campaign_setup")


def find(world: World, agent_id: str) -> Record:
    """The lead finder with this id. Raises a 404."""
    agent = world.lead_finders.get(agent_id)
    if not agent:
        raise not_found("AI Lead Finder agent")
    return agent


def _show(world: World, agent: Record) -> Record:
    """An agent with the name that its campaign has today."""
    payload = dict(agent["payload"])
    campaign = world.campaigns.get(payload["campaign_id"])
    if campaign:
        payload["campaign_name"] = campaign["name"]
    return {**public(agent), "payload": payload}


def _need_campaign(world: World, campaign_id: str) -> None:
    if campaign_id not in world.campaigns:
        raise not_found("Campaign")


def _need_to_be_alone(world: World, campaign_id: str, agent: Record | None = None) -> None:
    """Raise a 409 where another agent is active on the campaign."""
    if _rival(world, campaign_id, agent):
        raise ApiRefusal(409, "This campaign already has an active AI Lead Finder agent")


def _rival(world: World, campaign_id: str, agent: Record | None) -> Record | None:
    for other in world.lead_finders:
        if other is not agent and other["status"] == ACTIVE and other["payload"]["campaign_id"] == campaign_id:
            return other
    return None


def _payload(world: World, given: Record, before: Record) -> Record:
    """The settings after a request. Raises a 400 for `fallback` without filters to fall back on."""
    payload = {**before, **{name: given[name] for name in CHANGES if name in given and name != "name"}}
    if given.get("ai_enrichment"):
        payload["ai_enrichment"] = keep_chain(given["ai_enrichment"])
    if payload["on_exhaustion"] == "fallback" and not payload.get("fallback_search_filters"):
        raise ApiRefusal(400, "body must have required property 'fallback_search_filters'", code="FST_ERR_VALIDATION")
    for name in ("search_filters", "fallback_search_filters"):
        if given.get(name):
            _need_companies(world, given[name])
    return payload


def _need_companies(world: World, filters: Record) -> None:
    """Raise a 404 or a 409 for a list of companies that cannot be used, in the form of this family."""
    try:
        find_people(world, filters)
    except ApiRefusal as refusal:
        raise ApiRefusal(refusal.status, str(refusal)) from None


@route("GET", PATH, scope="ai_agents:read", query={**PAGE, "campaign_id": uuid()})
def list_agents(world: World, call: Call) -> Record:
    """Newest first; of a campaign only its agent, the active one if there are several, and without pages."""
    campaign_id = call.query.get("campaign_id")
    if campaign_id:
        agents = [
            agent
            for agent in world.lead_finders.after(newest_first=True)
            if agent["payload"]["campaign_id"] == campaign_id
        ]
        agents.sort(key=lambda agent: agent["status"] != ACTIVE)
        return {"items": [_show(world, agent) for agent in agents[:1]]}
    found = world.lead_finders.after(call.query.get("starting_after"), newest_first=True)
    return page(found, call.query, render=lambda agent: _show(world, agent))


CREATE = fields("name campaign_id search_filters min_active_leads on_exhaustion", CLOSED, **SETTINGS, source=SOURCE)


@route("POST", PATH, scope="ai_agents:create", body=CREATE)
def create_agent(world: World, call: Call) -> Record:
    return _show(world, make_agent(world, call.body))


def make_agent(world: World, given: Record, *, agent_id: str | None = None, status: int = ACTIVE) -> Record:
    """A new lead finder. While it is active, it looks at its campaign at once. Raises a 404 or 409."""
    _need_campaign(world, given["campaign_id"])
    payload = _payload(world, given, {"show_one_lead_per_company": True})
    if status == ACTIVE:
        _need_to_be_alone(world, given["campaign_id"])
    at = world.stamp()
    agent = add_agent(
        world,
        {
            "id": agent_id or world.uuid4(),
            "name": given["name"],
            "payload": payload,
            "timestamp_created": at,
            "timestamp_updated": at,
            "status": status,
        },
    )
    if status == ACTIVE:
        check(world, agent)
    return agent


def add_agent(world: World, known: Record) -> Record:
    """A lead finder with these fields that has done nothing yet."""
    return world.lead_finders.add(
        {
            "organization_id": world.workspace["id"],
            "type": LEAD_FINDER,
            "is_auto_created": False,
            "created_by": world.workspace["owner"],
            **known,
            "_seen": [],  # people of the directory it has dealt with, by id
            "_given_up": [],  # filters that it does without by now
            "_falls_back": False,
            "_ticket": 0,
        }
    )


@route("GET", PATH + "/{id}", scope="ai_agents:read", id=uuid())
def get_agent(world: World, call: Call) -> Record:
    return _show(world, find(world, call.path["id"]))


@route("PATCH", PATH + "/{id}", scope="ai_agents:update", body=fields("", CLOSED, **CHANGES), id=uuid())
def update_agent(world: World, call: Call) -> Record:
    """An active agent looks at its campaign at once, and so does one that ran out of people and gets other filters."""
    agent, given = find(world, call.path["id"]), call.body
    campaign_id = given.get("campaign_id", agent["payload"]["campaign_id"])
    if "campaign_id" in given:
        _need_campaign(world, campaign_id)
    payload = _payload(world, given, agent["payload"])
    is_active = agent["status"] == ACTIVE
    if is_active:
        _need_to_be_alone(world, campaign_id, agent)
    changes: dict[str, Any] = {"payload": {name: value for name, value in payload.items() if value is not None}}
    if "name" in given:
        changes["name"] = given["name"]
    if {"search_filters", "fallback_search_filters"} & given.keys():
        changes |= {"_given_up": [], "_falls_back": False}
        if agent.get("_exhausted") and not _rival(world, campaign_id, agent):
            changes |= {"status": ACTIVE, "_exhausted": None}
    world.lead_finders.change(agent, **changes, timestamp_updated=world.stamp())
    if agent["status"] == ACTIVE:
        if not is_active:
            note(world, agent, "agent_resumed")
        check(world, agent)
    return _show(world, agent)


@agent_kind("lead_finders")
def remove(world: World, agent: Record) -> None:
    """What it has added stays in the campaign."""
    for event in list(world.lead_finder_events.where(agent_id=agent["id"])):
        world.lead_finder_events.remove(event["id"])
    world.lead_finders.remove(agent["id"])


@route("DELETE", PATH + "/{id}", scope="ai_agents:delete", id=uuid())
def delete_agent(world: World, call: Call) -> Record:
    remove(world, find(world, call.path["id"]))
    return {"success": True}


@route("POST", PATH + "/{id}/pause", scope="ai_agents:update", id=uuid())
def pause_agent(world: World, call: Call) -> Record:
    agent = find(world, call.path["id"])
    if agent["status"] == ACTIVE:
        stop(world, agent, "agent_paused")
    return _show(world, agent)


@route("POST", PATH + "/{id}/resume", scope="ai_agents:update", id=uuid())
def resume_agent(world: World, call: Call) -> Record:
    """It looks at its campaign at once."""
    agent = find(world, call.path["id"])
    if agent["status"] != ACTIVE:
        _need_to_be_alone(world, agent["payload"]["campaign_id"], agent)
        world.lead_finders.change(agent, status=ACTIVE, timestamp_updated=world.stamp(), _exhausted=None)
        note(world, agent, "agent_resumed")
        check(world, agent)
    return _show(world, agent)


@route("GET", PATH + "/{id}/stats", scope="ai_agents:read", id=uuid())
def get_stats(world: World, call: Call) -> Record:
    agent = find(world, call.path["id"])
    events = list(world.lead_finder_events.where(agent_id=agent["id"]))
    done = [event["payload"]["leads_added"] for event in events if event["event_type"] == "top_up_completed"]
    failed = sum(event["event_type"] == "top_up_failed" for event in events)
    return {"leads_added_total": sum(done), "top_ups_completed": len(done), "top_ups_failed": failed}


@route("GET", PATH + "/{id}/activities", scope="ai_agents:read", query={**PAGE}, id=uuid())
def list_activities(world: World, call: Call) -> Record:
    """Newest first."""
    agent = find(world, call.path["id"])
    cursor = call.query.get("starting_after")
    events = world.lead_finder_events.select(_open(cursor) if cursor else None, newest_first=True, agent_id=agent["id"])
    return page(events, call.query, cursor=_seal)


def _seal(event: Record) -> str:
    """A cursor that says nothing to whoever gets it."""
    return base64.urlsafe_b64encode(f"{event['timestamp_created']}|{event['id']}".encode()).decode()


def _open(cursor: str) -> str:
    """The id behind a cursor. Raises a 400 for what is not one."""
    try:
        _, bar, event_id = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
    except (binascii.Error, ValueError):
        bar = ""
    if not bar:
        raise ApiRefusal(400, "Invalid starting_after cursor")
    return event_id
