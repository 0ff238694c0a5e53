"""Sales agents and their activities as records, and what belongs to an agent."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PENDING, APPROVED, REJECTED, IN_PROGRESS, COMPLETED, FAILED = (
    "pending",
    "approved",
    "rejected",
    "in_progress",
    "completed",
    "failed",
)
"""Values of an activity's action_status."""


def find_agent(world: World, agent_id: str) -> Record:
    """The agent with this id. Raises a 404."""
    agent = world.sales_agents.get(agent_id)
    if agent is None:
        raise not_found("AI Sales Agent")
    return agent


def change_agent(world: World, agent: Record, **fields: Any) -> Record:
    return world.sales_agents.change(agent, **fields, timestamp_updated=world.stamp())


def settings_of(agent: Record, part: str) -> Record:
    """One part of an agent's config, such as autonomy_settings; {} where it was never set."""
    found: Record = agent["config"].get(part) or {}
    return found


def is_trusted(agent: Record) -> bool:
    """Whether an agent does what it proposes without asking."""
    return bool(settings_of(agent, "autonomy_settings").get("autopilot_mode"))


def configuration_mode(agent: Record) -> str | None:
    """How much an agent does alone, in the words that all kinds of agents share; None where nothing was chosen."""
    autopilot = settings_of(agent, "autonomy_settings").get("autopilot_mode")
    return None if autopilot is None else "fully_automatic" if autopilot else "copilot"


SLACK = "slack_connection_id"


def merge_config(old: Record, new: Record) -> Record:
    """A config with new settings: parts and the memory are merged key by key, and everything else is replaced.

    Without the connection to Slack, which answers do not show.
    """
    merged = dict(old)
    for part, value in new.items():
        if part == SLACK:
            continue
        before = merged.get(part)
        merged[part] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def slack_of(config: Record) -> Record:
    """The connection to Slack that a config gives, which no answer shows."""
    return {f"_{SLACK}": config[SLACK]} if SLACK in config else {}


def linked_campaigns(world: World, agent: Record) -> list[Record]:
    """The campaigns of an agent, oldest first."""
    return [campaign for campaign in world.campaigns if campaign.get("ai_sdr_id") == agent["id"]]


def add_activity(
    world: World, agent: Record, kind: str, status: str, payload: Record | None = None, **more: Any
) -> Record:
    """Put an activity on record. `more` are further fields of it; those that are None stay out."""
    at = world.stamp()
    activity: Record = {
        "id": more.pop("id", None) or world.uuid4(),
        "ai_sdr_id": agent["id"],
        "workspace_id": agent["workspace_id"],
        "action_type": kind,
        "action_status": status,
        "action_payload": payload or {},
        "timestamp_created": at,
        "timestamp_updated": at,
    }
    if status == COMPLETED:
        activity.update(timestamp_executed=at, timestamp_completed=at)
    return world.sales_activities.add(
        {**activity, **{name: value for name, value in more.items() if value is not None}}
    )


def change_activity(world: World, activity: Record, status: str, **fields: Any) -> Record:
    return world.sales_activities.change(activity, action_status=status, **fields, timestamp_updated=world.stamp())


def find_pending(world: World, agent: Record, activity_id: str) -> Record:
    """A proposal of this agent that still waits. Raises a 404 for all others."""
    activity = world.sales_activities.get(activity_id)
    if activity is None or activity["ai_sdr_id"] != agent["id"] or activity["action_status"] != PENDING:
        raise ApiRefusal(404, "Activity not found or not pending")
    return activity
