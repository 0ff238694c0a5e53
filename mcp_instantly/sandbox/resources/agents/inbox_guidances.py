"""Guidances: the instructions that an inbox manager follows. Basics, its tone and length, are there once."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, choice, fields, text, uuid
from mcp_instantly.sandbox.resources.agents import inbox_manager
from mcp_instantly.sandbox.resources.agents.inbox_texts import BASICS, GREETINGS, LENGTHS
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

GUIDANCES, GUIDANCE = "/ai-agents/inbox-manager/{id}/guidances", "/ai-agents/inbox-manager/{id}/guidances/{guidance_id}"
SETTINGS = {
    "label": text(minLength=1),
    "category": choice(0, 1, 2, 3, 4),
    "instruction": text(),
    "status": choice(ACTIVE, INACTIVE),
    "basic_guidance_options": fields("tone length", CLOSED, tone=choice(*GREETINGS), length=choice(*LENGTHS)),
}


def find(world: World, call: Call) -> Record:
    """The guidance that a path names. Raises a 404, also for one of another agent."""
    manager = inbox_manager.find(world, call.path["id"])
    guidance = world.inbox_guidances.get(call.path["guidance_id"])
    if not guidance or guidance["agent_id"] != manager["id"]:
        raise not_found("Guidance")
    return guidance


def add_guidance(world: World, manager: Record, **given: Any) -> Record:
    """A new guidance; basics replace those that there are."""
    basics = {"instruction": "", "status": ACTIVE} if given["category"] == BASICS else {}
    known = world.inbox_guidances.where(agent_id=manager["id"])
    first = next((known for known in known if known["category"] == BASICS), None) if basics else None
    if first is not None:
        return world.inbox_guidances.change(first, **{**given, **basics}, timestamp_updated=world.stamp())
    guidance = {
        "id": world.uuid4(),
        "organization_id": world.workspace["id"],
        "agent_id": manager["id"],
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        **given,
        **basics,
    }
    return world.inbox_guidances.add(guidance)


@route(
    "POST",
    GUIDANCES,
    scope="ai_agent_guidances:create",
    body=fields("label category", CLOSED, **SETTINGS),
    id=uuid(),
)
def create_guidance(world: World, call: Call) -> Record:
    manager, given = inbox_manager.find(world, call.path["id"]), call.body
    if given["category"] == BASICS:
        if "basic_guidance_options" not in given or given.get("instruction"):
            raise ApiRefusal(400, "Basics need basic_guidance_options and an empty instruction")
    elif not {"instruction", "status"} <= set(given) or "basic_guidance_options" in given:
        raise ApiRefusal(400, "instruction and status are required, and basic_guidance_options is for basics only")
    return public(add_guidance(world, manager, **given))


@route(
    "GET",
    GUIDANCES,
    scope="ai_agent_guidances:read",
    query={**PAGE, "status": choice(ACTIVE, INACTIVE)},
    id=uuid(),
)
def list_guidances(world: World, call: Call) -> Record:
    """Newest first."""
    manager, query = inbox_manager.find(world, call.path["id"]), call.query
    found = world.inbox_guidances.select(query.get("starting_after"), newest_first=True, agent_id=manager["id"])
    return page((one for one in found if query.get("status", one["status"]) == one["status"]), query)


@route("GET", GUIDANCE, scope="ai_agent_guidances:read", id=uuid(), guidance_id=uuid())
def get_guidance(world: World, call: Call) -> Record:
    return public(find(world, call))


@route(
    "PATCH",
    GUIDANCE,
    scope="ai_agent_guidances:update",
    body=fields("", {**CLOSED, "minProperties": 1}, **SETTINGS),
    id=uuid(),
    guidance_id=uuid(),
)
def update_guidance(world: World, call: Call) -> Record:
    """Basics stay basics: their status is ignored, and they have no instruction."""
    guidance, given = find(world, call), dict(call.body)
    is_basics = guidance["category"] == BASICS
    if (given.get("category", guidance["category"]) == BASICS) != is_basics:
        raise ApiRefusal(400, "The category cannot change to or from basics")
    if is_basics:
        if given.get("instruction"):
            raise ApiRefusal(400, "Basics have no instruction")
        given.pop("status", None)
    elif "basic_guidance_options" in given:
        raise ApiRefusal(400, "basic_guidance_options is for basics only")
    return public(world.inbox_guidances.change(guidance, **given, timestamp_updated=world.stamp()))


@route("DELETE", GUIDANCE, scope="ai_agent_guidances:delete", id=uuid(), guidance_id=uuid())
def delete_guidance(world: World, call: Call) -> Record:
    guidance = find(world, call)
    world.inbox_guidances.remove(guidance["id"])
    return public(guidance)
