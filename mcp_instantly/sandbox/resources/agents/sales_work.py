"""What is done with a sales agent's activities: it proposes them, they are approved, and then carried out."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.resources.agents.sales_records import (
    APPROVED,
    COMPLETED,
    FAILED,
    IN_PROGRESS,
    PENDING,
    add_activity,
    change_activity,
    change_agent,
    is_trusted,
)
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

BEGINS, ENDS = 5.0, 30.0
"""Seconds after its approval at which an activity is begun, and is done."""

SOON = 60.0
"""Seconds until an agent decides what to do next, once it can."""


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


def decide_soon(world: World, agent: Record) -> None:
    """Have an active agent decide in a moment, whenever it was to decide next."""
    plan_decision(world, agent, dt.timedelta(seconds=SOON))


def plan_decision(world: World, agent: Record, within: dt.timedelta) -> None:
    when, number = world.now() + within, world.number()
    agent["_decision"] = number
    change_agent(world, agent, next_decision_time=stamp(when))
    world.at(when, "decide_as_sales_agent", agent["id"], number)
