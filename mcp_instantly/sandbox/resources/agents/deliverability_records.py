"""The deliverability agent of a workspace and its runs, as they are kept."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE
from mcp_instantly.sandbox.engine.shapes import choice
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

BASE = "/ai-agents/deliverability"
DELIVERABILITY = 3
FEED = {**PAGE, "feed_filter": choice("all", "todo", "done")}
READ, UPDATE = "ai_agents:read", "ai_agents:update"
IN_PROGRESS, COMPLETED, CANCELLED = "in_progress", "completed", "cancelled"
"""The values of a run's status."""


def add_agent(world: World, **more: Any) -> Record:
    agent = {
        "id": more.pop("id", None) or world.uuid4(),
        "organization_id": world.workspace["id"],
        "name": "Deliverability Agent",
    }
    made = {"timestamp_created": world.stamp(), "timestamp_updated": world.stamp(), "status": ACTIVE}
    return world.deliverability_agents.add(
        {**agent, "payload": {"integrations": {"slack": None}}, "type": DELIVERABILITY, **made, **more}
    )


def find_default(world: World) -> Record | None:
    return next(iter(world.deliverability_agents), None)


def find_agent(world: World, agent_id: str | None = None) -> Record:
    """The agent of this id, or the default one. Raises a 404."""
    agent = world.deliverability_agents.get(agent_id) if agent_id else find_default(world)
    if agent is None:
        raise not_found("AI Deliverability Agent")
    return agent


def running(world: World, agent: Record) -> Record | None:
    """The run that an agent is at."""
    found = world.deliverability_runs.where(agent_id=agent["id"], status=IN_PROGRESS)
    return next(iter(found), None)


def change_agent(world: World, agent: Record, **new: Any) -> Record:
    """The agent as it is shown after a change."""
    return public(world.deliverability_agents.change(agent, **new, timestamp_updated=world.stamp()))
