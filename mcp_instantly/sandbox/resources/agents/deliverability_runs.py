"""Runs of the deliverability agent: what they look at, and the feed items they leave."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.resources.accounts.checks import find_records
from mcp_instantly.sandbox.sending import warmup
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

RUN, INTERVAL = 120, 86400
"""Seconds that a run takes, and from the end of one to the next."""

LOW_SCORE, HIGH_BOUNCES, MIN_SAMPLE = 90, 0.05, 20
DNS, BLOCKLIST, BOUNCES, WARMUP, SETTINGS = "dns_records", "blocklist", "bounce_rate", "warmup_score", "settings"
CHECKS = (DNS, BOUNCES, WARMUP, SETTINGS)
PAUSE_ACCOUNTS, PAUSE_CAMPAIGNS = "pause_affected_accounts", "pause_campaign_sending"
ACTIONS = {DNS: PAUSE_ACCOUNTS, BLOCKLIST: PAUSE_ACCOUNTS, BOUNCES: PAUSE_CAMPAIGNS, WARMUP: PAUSE_CAMPAIGNS}


def queue_run(world: World, agent: Record) -> Record:
    run = {"id": world.uuid7(), "agent_id": agent["id"], "cycle_id": world.uuid4(), "status": "in_progress"}
    world.deliverability_runs.add({**run, "started_at": world.stamp(), "completed_at": None, "found": {}})
    world.later(RUN, "finish_deliverability_run", run["id"])
    return world.deliverability_runs[run["id"]]


def plan_run(world: World, agent: Record) -> None:
    """Put the next run on the schedule, instead of the one that stood there."""
    plan = world.number()
    world.deliverability_agents.change(agent, _plan=plan, _next=world.now().timestamp() + INTERVAL)
    world.later(INTERVAL, "start_deliverability_run", agent["id"], plan)


@action
def start_deliverability_run(world: World, agent_id: str, plan: int) -> None:
    agent = world.deliverability_agents.get(agent_id)
    if agent and agent["status"] == 1 and agent.get("_plan") == plan:
        queue_run(world, agent)


@action
def finish_deliverability_run(world: World, run_id: str) -> None:
    run = world.deliverability_runs.get(run_id)
    if run is None or run["status"] != "in_progress":
        return
    agent = world.deliverability_agents[run["agent_id"]]
    found = {check: affected(world, check) for check in CHECKS}
    world.deliverability_runs.change(run, status="completed", completed_at=world.stamp(), found=found)
    for check, names in found.items():
        if names:
            add_item(world, agent, run, check, names)
    if not any(found.values()):
        add_item(world, agent, run, "all_healthy", [], kind="insight", severity="success", status="done")
    if agent["status"] == 1:
        plan_run(world, agent)


def affected(world: World, check: str) -> list[str]:
    """The accounts, or the workspace settings, with which a check is not content."""
    if check == SETTINGS:
        return [] if world.workspace.get("add_unsub_to_block", True) else ["add_unsub_to_block"]
    active = [warmup.rate(world, account) for account in world.accounts if account["status"] == 1]
    if check == DNS:
        return [one["email"] for one in active if not all(find_records(one["email"].partition("@")[2]).values())]
    if check == WARMUP:
        return [one["email"] for one in active if one["warmup_status"] == 1 and one["stat_warmup_score"] < LOW_SCORE]
    return [one["email"] for one in active if _bounces(world, one["email"])]


def _bounces(world: World, email: str) -> bool:
    sent = [mail for mail in world.emails if mail.get("eaccount") == email and mail["ue_type"] == 1]
    return len(sent) >= MIN_SAMPLE and sum("_bounced" in mail for mail in sent) > HIGH_BOUNCES * len(sent)


def add_item(world: World, agent: Record, run: Record, code: str, names: list[str], **more: Any) -> Record:
    """A finding; one that still waits is not told a second time, but brought up to date."""
    for known in world.deliverability_items.where(agent_id=agent["id"]):
        if known["feed_code"] == code and known["status"] == "todo":
            return world.deliverability_items.change(
                known, payload=payload(code, names), timestamp_updated=world.stamp()
            )
    item = {
        "id": more.pop("id", None) or world.uuid7(),
        "organization_id": world.workspace["id"],
        "agent_id": agent["id"],
        "source_activity_id": run["id"],
        "feed_code": code,
        "kind": "recommendation",
        "status": "todo",
        "severity": "warning",
        "priority": 1,
        "payload": payload(code, names),
        "action_code": ACTIONS.get(code),
        "action_status": "proposed" if code in ACTIONS else None,
        "dedupe_key": f"{code}:{run['cycle_id']}",
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        **more,
    }
    return world.deliverability_items.add(item)


def payload(code: str, names: list[str]) -> Record:
    return {"settings": names} if code == SETTINGS else {"accounts": names}
