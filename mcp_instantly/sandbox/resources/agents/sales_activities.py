"""What sales agents propose, do and did: reading it, and allowing or refusing it."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, choice, fields, text, uuid
from mcp_instantly.sandbox.resources.agents.sales_records import (
    APPROVED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    PENDING,
    REJECTED,
    change_activity,
    find_agent,
    find_pending,
)
from mcp_instantly.sandbox.resources.agents.sales_work import approve
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

KINDS = (
    "create_campaign",
    "edit_campaign",
    "stop_campaign",
    "pause_campaign",
    "enrich_leads",
    "push_lead",
    "recommend_lead",
    "warning",
    "initial_setup_scrape",
    "initial_setup_campaigns",
    "initial_setup_enrich",
    "reply_received",
    "opportunity_received",
    "imported_leads",
)
"""The kinds that can be asked for; there are more."""

ACTIVITIES = array(uuid(), minItems=1, maxItems=100)


@route(
    "GET",
    "/ai-agents/sales/{id}/activities",
    scope="ai_sdr:read",
    query={
        **PAGE,
        "action_status": array(choice(PENDING, APPROVED, REJECTED, IN_PROGRESS, COMPLETED, FAILED)),
        "action_type": array(choice(*KINDS)),
        "exclude_live_feed_hidden": boolean(),
    },
    id=uuid(),
)
def list_activities(world: World, call: Call) -> Record:
    """Newest first."""
    agent, query = find_agent(world, call.path["id"]), call.query
    found = world.sales_activities.select(query.get("starting_after"), newest_first=True, ai_sdr_id=agent["id"])
    return page((activity for activity in found if _wanted(activity, query)), query)


def _wanted(activity: Record, query: dict[str, Any]) -> bool:
    kind, status = activity["action_type"], activity["action_status"]
    if query.get("exclude_live_feed_hidden") and (
        kind == "warning" or (kind == "recommend_lead" and status == COMPLETED)
    ):
        return False
    return status in query.get("action_status", (status,)) and kind in query.get("action_type", (kind,))


@route(
    "POST",
    "/ai-agents/sales/{id}/activities/approve",
    scope="ai_sdr:update",
    body=fields("activity_ids", activity_ids=ACTIVITIES),
    id=uuid(),
)
def approve_activities(world: World, call: Call) -> Record:
    """Those that wait are approved, and the others passed over."""
    waiting = _waiting(world, call)
    for activity in waiting:
        approve(world, activity, world.workspace["owner"])
    return {"approved": len(waiting)}


@route(
    "POST",
    "/ai-agents/sales/{id}/activities/reject",
    scope="ai_sdr:update",
    body=fields("activity_ids rejection_reason", activity_ids=ACTIVITIES, rejection_reason=text()),
    id=uuid(),
)
def reject_activities(world: World, call: Call) -> Record:
    """Those that wait are rejected, and the others passed over."""
    waiting = _waiting(world, call)
    for activity in waiting:
        _reject(world, activity, call.body["rejection_reason"])
    return {"rejected": len(waiting)}


def _waiting(world: World, call: Call) -> list[Record]:
    """The proposals that are named and wait. Raises a 404 where there is none."""
    agent = find_agent(world, call.path["id"])
    found = [world.sales_activities.get(activity_id) for activity_id in dict.fromkeys(call.body["activity_ids"])]
    own = [activity for activity in found if activity and activity["ai_sdr_id"] == agent["id"]]
    waiting = [activity for activity in own if activity["action_status"] == PENDING]
    if not waiting:
        raise ApiRefusal(404, "No pending activities found")
    return waiting


@route(
    "POST",
    "/ai-agents/sales/{id}/activities/{activity_id}/approve",
    scope="ai_sdr:update",
    id=uuid(),
    activity_id=uuid(),
)
def approve_activity(world: World, call: Call) -> Record:
    activity = find_pending(world, find_agent(world, call.path["id"]), call.path["activity_id"])
    return public(approve(world, activity, world.workspace["owner"]))


@route(
    "POST",
    "/ai-agents/sales/{id}/activities/{activity_id}/reject",
    scope="ai_sdr:update",
    body=fields("rejection_reason", rejection_reason=text()),
    id=uuid(),
    activity_id=uuid(),
)
def reject_activity(world: World, call: Call) -> Record:
    activity = find_pending(world, find_agent(world, call.path["id"]), call.path["activity_id"])
    return public(_reject(world, activity, call.body["rejection_reason"]))


def _reject(world: World, activity: Record, reason: str) -> Record:
    by, at = world.workspace["owner"], world.stamp()
    return change_activity(world, activity, REJECTED, rejected_by=by, rejected_at=at, rejection_reason=reason)
