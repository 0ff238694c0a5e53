"""The deliverability agent: one for a workspace, which is deployed, paused, run and deleted."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import ApiRefusal, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, boolean, fields, nullable, uuid
from mcp_instantly.sandbox.resources.agents import deliverability_runs as runs
from mcp_instantly.sandbox.resources.agents.deliverability_records import (
    BASE,
    READ,
    UPDATE,
    add_agent,
    change_agent,
    find_agent,
    find_default,
    running,
)
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE, agent_kind, summary
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SLACK = fields(
    "slack",
    CLOSED,
    slack=nullable(fields("connection_id enabled", CLOSED, connection_id=uuid(), enabled=boolean())),
)


@route("GET", BASE, scope=READ)
def get_default(world: World, call: Call) -> Record:
    agent = find_default(world)
    return {"agent": public(agent) if agent else None}


@route("POST", f"{BASE}/deploy", scope="ai_agents:create")
def deploy(world: World, call: Call) -> Record:
    agent = find_default(world)
    deployed = agent is not None and agent["status"] == ACTIVE
    if agent is None:
        agent = add_agent(world)
    if not deployed:
        change_agent(world, agent, status=ACTIVE)
        runs.queue_run(world, agent)
    return {
        "agent": public(agent),
        "already_deployed": deployed,
        "initial_cycle_enqueued": not deployed,
        "promo_credits_granted": None,
    }


@route("POST", f"{BASE}/run-now", scope=UPDATE)
def run_now(world: World, call: Call) -> Record:
    agent = find_agent(world)
    if agent["status"] != ACTIVE:
        raise ApiRefusal(409, "The agent is not active")
    if running(world, agent):
        raise ApiRefusal(409, "A run is already starting")
    run = runs.queue_run(world, agent)
    return {"agent": public(agent), "cycle_id": run["cycle_id"], "run_cycle_enqueued": True}


@route("PATCH", f"{BASE}/settings", scope=UPDATE, body=SLACK)
def update_settings(world: World, call: Call) -> Record:
    return {"agent": change_agent(world, find_agent(world), payload={"integrations": call.body})}


@route("GET", f"{BASE}/{{id}}", scope=READ, id=uuid())
def get_agent(world: World, call: Call) -> Record:
    return public(find_agent(world, call.path["id"]))


@route("PATCH", f"{BASE}/{{id}}", scope=UPDATE, body=SLACK, id=uuid())
def update_agent(world: World, call: Call) -> Record:
    return change_agent(world, find_agent(world, call.path["id"]), payload={"integrations": call.body})


@agent_kind("deliverability_agents")
def remove(world: World, agent: Record) -> None:
    """Its runs and findings go with it."""
    for table in (world.deliverability_runs, world.deliverability_items):
        for record in list(table.where(agent_id=agent["id"])):
            table.remove(record["id"])
    world.deliverability_agents.remove(agent["id"])


@route("DELETE", f"{BASE}/{{id}}", scope="ai_agents:delete", id=uuid())
def delete_agent(world: World, call: Call) -> Record:
    agent = find_agent(world, call.path["id"])
    remove(world, agent)
    return summary(agent)


@route("POST", f"{BASE}/{{id}}/pause", scope=UPDATE, id=uuid())
def pause_agent(world: World, call: Call) -> Record:
    agent = find_agent(world, call.path["id"])
    runs.cancel_run(world, agent)
    return change_agent(world, agent, status=INACTIVE, _plan=None, _next=None)


@route("POST", f"{BASE}/{{id}}/resume", scope=UPDATE, id=uuid())
def resume_agent(world: World, call: Call) -> Record:
    agent = find_agent(world, call.path["id"])
    if agent["status"] == ACTIVE:
        return public(agent)
    runs.plan_run(world, agent)
    return change_agent(world, agent, status=ACTIVE)
