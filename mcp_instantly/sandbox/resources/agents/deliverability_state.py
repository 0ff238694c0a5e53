"""What a deliverability agent does now, what its last runs have found, and its feed."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.engine.responses import public
from mcp_instantly.sandbox.engine.routes import Call, page, route
from mcp_instantly.sandbox.engine.shapes import uuid
from mcp_instantly.sandbox.resources.agents import deliverability_runs as runs
from mcp_instantly.sandbox.resources.agents.deliverability_records import (
    BASE,
    CANCELLED,
    COMPLETED,
    FEED,
    READ,
    find_agent,
    find_default,
    running,
)
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

RETENTION_DAYS = 30
"""For so long a run that is over is told of."""


@route("GET", f"{BASE}/state", scope=READ, query=FEED)
def get_default_state(world: World, call: Call) -> Record:
    agent = find_default(world)
    return {"agent": public(agent) if agent else None, **_state(world, agent, call)}


@route("GET", f"{BASE}/{{id}}/state", scope=READ, query=FEED, id=uuid())
def get_state(world: World, call: Call) -> Record:
    return _state(world, find_agent(world, call.path["id"]), call)


@route("GET", f"{BASE}/{{id}}/feed-items", scope=READ, query=FEED, id=uuid())
def list_items(world: World, call: Call) -> Record:
    return _feed(world, find_agent(world, call.path["id"]), call)


def _feed(world: World, agent: Record | None, call: Call) -> Record:
    if agent is None:
        return {"items": []}
    wanted = call.query.get("feed_filter", "all")
    found = world.deliverability_items.select(call.query.get("starting_after"), newest_first=True, agent_id=agent["id"])
    items = [item for item in found if wanted in ("all", item["status"])]
    shown = page(items, call.query)
    # Here, unlike elsewhere, the last page is known as such.
    return shown if len(items) > len(shown["items"]) else {"items": shown["items"]}


def _state(world: World, agent: Record | None, call: Call) -> Record:
    told = list(world.deliverability_runs.where(agent_id=agent["id"])) if agent else []
    told = [run for run in told if run["status"] != CANCELLED]
    since = world.now() - dt.timedelta(days=RETENTION_DAYS)
    done = [run for run in told if run["status"] == COMPLETED and parse(run["completed_at"]) > since]
    next_run = agent.get("_next") if agent else None
    now = running(world, agent) if agent else None
    return {
        "current_activity": {
            "active": {**_activity(world, now), "sub_messages": []} if now else None,
            "queued": [],
            "completed_summary": {
                "count": len(done),
                "retention_days": RETENTION_DAYS,
                "last_completed_at": done[-1]["completed_at"] if done else None,
            },
        },
        "schedule": {"next_run_at": stamp(dt.datetime.fromtimestamp(next_run, dt.timezone.utc)) if next_run else None},
        "run_summary": {
            "latest": _summary(world, told[-1] if told else None, is_planned=next_run is not None),
            "trend": [_point(run) for run in done],
        },
        "activity_feed": {"next_starting_after": None, **_feed(world, agent, call)},
    }


def _activity(world: World, run: Record) -> Record:
    return {
        "id": run["id"],
        "organization_id": world.workspace["id"],
        "agent_id": run["agent_id"],
        "cycle_id": run["cycle_id"],
        "activity_code": "run_checks",
        "status": run["status"],
        "priority": 1,
        "payload": {},
        "idempotency_key": run["cycle_id"],
        "timestamp_created": run["started_at"],
        "timestamp_updated": run["started_at"],
        "started_at": run["started_at"],
    }


def _counts(run: Record) -> Record:
    bad = sum(bool(names) for names in run["found"].values())
    healthy = len(run["found"]) - bad
    total = {"total_checks": len(runs.CHECKS), "healthy_count": healthy, "needs_attention_count": bad}
    return {**total, "info_count": 0, "failed_count": 0}


def _point(run: Record) -> Record:
    counts = _counts(run)
    score = round(100 * counts["healthy_count"] / counts["total_checks"])
    return {"cycle_id": run["cycle_id"], "completed_at": run["completed_at"], "score": score, **counts}


def _summary(world: World, run: Record | None, *, is_planned: bool) -> Record:
    if run is None:
        none = dict.fromkeys(("cycle_id", "started_at", "completed_at"))
        zero = dict.fromkeys(
            (
                "total_checks",
                "completed_checks",
                "healthy_count",
                "needs_attention_count",
                "info_count",
                "failed_count",
            ),
            0,
        )
        return {**none, "status": "scheduled" if is_planned else "empty", **zero, "checks": [], "feed_items": []}
    over = run["status"] == COMPLETED
    checks = [
        {
            "activity_id": run["id"],
            "activity_code": check,
            "status": run["status"],
            "outcome": ("needs_attention" if run["found"].get(check) else "healthy") if over else "running",
            "completed_at": run.get("completed_at"),
        }
        for check in runs.CHECKS
    ]
    items = [item for item in world.deliverability_items if item["source_activity_id"] == run["id"]]
    return {
        "cycle_id": run["cycle_id"],
        "status": "completed" if over else "running",
        "started_at": run["started_at"],
        "completed_at": run.get("completed_at"),
        "completed_checks": len(run["found"]),
        **_counts(run),
        "checks": checks,
        "feed_items": [public(item) for item in items],
    }
