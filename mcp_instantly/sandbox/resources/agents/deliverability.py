"""The deliverability agent: one for a workspace, its runs, its feed, and what can be done about a finding."""

from __future__ import annotations

import collections
import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, boolean, choice, fields, nullable, uuid
from mcp_instantly.sandbox.resources.accounts.accounts import PAUSED, change
from mcp_instantly.sandbox.resources.agents import deliverability_runs as runs
from mcp_instantly.sandbox.resources.agents.kinds import agent_kind, summary
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

BASE = "/ai-agents/deliverability"
ITEM = f"{BASE}/feed-items/{{id}}"
DELIVERABILITY, ACTIVE, INACTIVE = 3, 1, 0
PAUSE_DAYS = 14
FEED = {**PAGE, "feed_filter": choice("all", "todo", "done")}
SLACK = fields(
    "slack",
    CLOSED,
    slack=nullable(fields("connection_id enabled", CLOSED, connection_id=uuid(), enabled=boolean())),
)
READ, UPDATE = "ai_agents:read", "ai_agents:update"
BOTH = (UPDATE, "accounts:update")
PROVIDERS = {1: "custom_imap_smtp", 2: "google", 3: "microsoft", 8: "airmail"}


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


def _default(world: World) -> Record | None:
    return next(iter(world.deliverability_agents), None)


def _needed(world: World, agent_id: str | None = None) -> Record:
    agent = world.deliverability_agents.get(agent_id) if agent_id else _default(world)
    if agent is None:
        raise not_found("AI Deliverability Agent")
    return agent


def _running(world: World, agent: Record) -> Record | None:
    found = world.deliverability_runs.where(agent_id=agent["id"])
    return next((run for run in found if run["status"] == "in_progress"), None)


def _set(world: World, agent: Record, **new: Any) -> Record:
    return public(world.deliverability_agents.change(agent, **new, timestamp_updated=world.stamp()))


@route("GET", BASE, scope=READ)
def get_default(world: World, call: Call) -> Record:
    agent = _default(world)
    return {"agent": public(agent) if agent else None}


@route("POST", f"{BASE}/deploy", scope="ai_agents:create")
def deploy(world: World, call: Call) -> Record:
    agent = _default(world)
    deployed = agent is not None and agent["status"] == ACTIVE
    if agent is None:
        agent = add_agent(world)
    if not deployed:
        _set(world, agent, status=ACTIVE)
        runs.queue_run(world, agent)
    return {
        "agent": public(agent),
        "already_deployed": deployed,
        "initial_cycle_enqueued": not deployed,
        "promo_credits_granted": None,
    }


@route("POST", f"{BASE}/run-now", scope=UPDATE)
def run_now(world: World, call: Call) -> Record:
    agent = _needed(world)
    if agent["status"] != ACTIVE:
        raise ApiRefusal(409, "The agent is not active")
    if _running(world, agent):
        raise ApiRefusal(409, "A run is already starting")
    run = runs.queue_run(world, agent)
    return {"agent": public(agent), "cycle_id": run["cycle_id"], "run_cycle_enqueued": True}


@route("PATCH", f"{BASE}/settings", scope=UPDATE, body=SLACK)
def update_settings(world: World, call: Call) -> Record:
    return {"agent": _set(world, _needed(world), payload={"integrations": call.body})}


@route("GET", f"{BASE}/state", scope=READ, query=FEED)
def get_default_state(world: World, call: Call) -> Record:
    agent = _default(world)
    return {"agent": public(agent) if agent else None, **_state(world, agent, call)}


@route("GET", f"{BASE}/{{id}}", scope=READ, id=uuid())
def get_agent(world: World, call: Call) -> Record:
    return public(_needed(world, call.path["id"]))


@route("PATCH", f"{BASE}/{{id}}", scope=UPDATE, body=SLACK, id=uuid())
def update_agent(world: World, call: Call) -> Record:
    return _set(world, _needed(world, call.path["id"]), payload={"integrations": call.body})


@agent_kind("deliverability_agents")
def remove(world: World, agent: Record) -> None:
    """Its runs and findings go with it."""
    for table in (world.deliverability_runs, world.deliverability_items):
        for record in list(table.where(agent_id=agent["id"])):
            table.remove(record["id"])
    world.deliverability_agents.remove(agent["id"])


@route("DELETE", f"{BASE}/{{id}}", scope="ai_agents:delete", id=uuid())
def delete_agent(world: World, call: Call) -> Record:
    agent = _needed(world, call.path["id"])
    remove(world, agent)
    return summary(agent)


@route("POST", f"{BASE}/{{id}}/pause", scope=UPDATE, id=uuid())
def pause_agent(world: World, call: Call) -> Record:
    return _set(world, _needed(world, call.path["id"]), status=INACTIVE, _plan=None, _next=None)


@route("POST", f"{BASE}/{{id}}/resume", scope=UPDATE, id=uuid())
def resume_agent(world: World, call: Call) -> Record:
    agent = _needed(world, call.path["id"])
    if agent["status"] == ACTIVE:
        return public(agent)
    runs.plan_run(world, agent)
    return _set(world, agent, status=ACTIVE)


@route("GET", f"{BASE}/{{id}}/state", scope=READ, query=FEED, id=uuid())
def get_state(world: World, call: Call) -> Record:
    return _state(world, _needed(world, call.path["id"]), call)


@route("GET", f"{BASE}/{{id}}/feed-items", scope=READ, query=FEED, id=uuid())
def list_items(world: World, call: Call) -> Record:
    return _feed(world, _needed(world, call.path["id"]), call)


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
    done = [run for run in told if run["status"] == "completed"]
    next_run = agent.get("_next") if agent else None
    now = _running(world, agent) if agent else None
    return {
        "current_activity": {
            "active": {**_activity(world, now), "sub_messages": []} if now else None,
            "queued": [],
            "completed_summary": {
                "count": len(done),
                "retention_days": 30,
                "last_completed_at": done[-1]["completed_at"] if done else None,
            },
        },
        "schedule": {"next_run_at": stamp(dt.datetime.fromtimestamp(next_run, dt.timezone.utc)) if next_run else None},
        "run_summary": {
            "latest": _summary(world, told[-1] if told else None),
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


def _summary(world: World, run: Record | None) -> Record:
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
        return {**none, "status": "empty", **zero, "checks": [], "feed_items": []}
    over = run["status"] == "completed"
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


def _item(world: World, call: Call, action_code: str | None) -> Record:
    """The item, if it is of this kind and waits or is done. Raises a 400, 404 or 409."""
    item = world.deliverability_items.get(call.path["id"])
    if item is None:
        raise not_found("Feed item")
    if item["kind"] != "recommendation" or item.get("action_code") != action_code:
        raise ApiRefusal(400, "This is not a feed item of the kind that this operation takes")
    if item["status"] not in ("todo", "done"):
        raise ApiRefusal(409, "The feed item is not pending")
    return item


def _finish(world: World, item: Record, result: Record) -> Record:
    at = world.stamp()
    acted = "completed" if item.get("action_code") else None
    new = {"status": "done", "completed_at": at, "timestamp_updated": at, "action_status": acted}
    world.deliverability_items.change(item, **new, result_payload=result)
    return {"item": public(item), **result}


@route("POST", f"{ITEM}/complete", scope=UPDATE, id=uuid())
def complete_item(world: World, call: Call) -> Record:
    item = _item(world, call, None)
    if item["status"] == "done":
        return {"item": public(item)}
    if runs.affected(world, runs.SETTINGS):
        raise ApiRefusal(409, "The cause of this recommendation is still there")
    return _finish(world, item, {})


@route("POST", f"{ITEM}/pause-affected-accounts", scope=BOTH, id=uuid())
def pause_affected_accounts(world: World, call: Call) -> Record:
    item = _item(world, call, runs.PAUSE_ACCOUNTS)
    if item["status"] == "done":
        return {"item": public(item), **item["result_payload"]}
    emails = item["payload"]["accounts"]
    if item["feed_code"] == runs.DNS:
        emails = [email for email in emails if email in runs.affected(world, runs.DNS)]
    if not emails:
        raise ApiRefusal(409, "The new check did not confirm the recommendation")
    named = [account for email in emails if (account := world.accounts.get(email))]
    paused = [change(world, account, status=PAUSED) for account in named if account["status"] == 1]
    kinds = collections.Counter(PROVIDERS.get(account["provider_code"], "other") for account in paused)
    managed = sum(account["is_managed_account"] for account in paused)
    result = {
        "affected_account_count": len(emails),
        "affected_domain_count": len({email.partition("@")[2] for email in emails}),
        "paused_account_count": len(paused),
        "paused_provider_counts": {kind: kinds[kind] for kind in (*PROVIDERS.values(), "other")},
        "paused_managed_account_count": managed,
        "paused_self_managed_account_count": len(paused) - managed,
    }
    return _finish(world, item, result)


@route("POST", f"{ITEM}/pause-campaign-sending", scope=BOTH, id=uuid())
def pause_campaign_sending(world: World, call: Call) -> Record:
    """Managed accounts are counted and left as they are."""
    item = _item(world, call, runs.PAUSE_CAMPAIGNS)
    if item["status"] == "done":
        return {"item": public(item), **item["result_payload"]}
    named = [account for email in item["payload"]["accounts"] if (account := world.accounts.get(email))]
    own = [account for account in named if not account["is_managed_account"]]
    active = [account for account in own if account["status"] == 1]
    for account in active:
        pause = world.number()
        change(world, account, status=PAUSED, _pause=pause)
        world.later(PAUSE_DAYS * 86400, "end_deliverability_pause", account["email"], pause)
    result = {
        "affected_account_count": len(named),
        "paused_account_count": len(active),
        "already_paused_account_count": sum(account["status"] == PAUSED for account in own) - len(active),
        "managed_account_count": len(named) - len(own),
        "ready_made_account_count": sum(bool(account.get("_prewarmed")) for account in named),
        "pause_sending_campaigns_until": stamp(world.now() + dt.timedelta(days=PAUSE_DAYS)),
        "duration_days": PAUSE_DAYS,
    }
    return _finish(world, item, result)


@action
def end_deliverability_pause(world: World, email: str, pause: int) -> None:
    account = world.accounts.get(email)
    # Whoever has paused or resumed the account since then has ended this pause.
    if account and account.get("_pause") == pause:
        change(world, account, status=1)
