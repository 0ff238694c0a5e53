"""Runs of the deliverability agent: what they look at, and the feed items they leave."""

from __future__ import annotations

import collections
import datetime as dt
from typing import Any

from mcp_instantly.sandbox.resources.accounts.checks import find_records
from mcp_instantly.sandbox.resources.agents.deliverability_records import CANCELLED, COMPLETED, IN_PROGRESS, running
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.resources.inbox_placement.reports import is_condemned
from mcp_instantly.sandbox.sending import warmup
from mcp_instantly.sandbox.sending.emails import CAMPAIGN, all_emails
from mcp_instantly.sandbox.sending.flows import UNSUBSCRIBED
from mcp_instantly.sandbox.sending.matching import CONNECTED, is_blocked
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

RUN, INTERVAL = 120, 86400
"""Seconds that a run takes, and from the end of one to the next."""

LOW_SCORE, HIGH_BOUNCES, MIN_SAMPLE, SAMPLE_DAYS = 90, 0.05, 20, 14
"""Warmup scores below, and shares of bounces above, which an account needs attention; how many emails, of how many
days, are enough to tell the share from.
"""

LISTED_DAYS = 30
"""For so long a domain stays on the blocklists where a run has seen it, if its name says nothing of them."""

DNS, BLOCKLIST, BOUNCES, WARMUP, SETTINGS = "dns_records", "blocklist", "bounce_rate", "warmup_score", "settings"
CHECKS = (DNS, BLOCKLIST, BOUNCES, WARMUP, SETTINGS)
PAUSE_ACCOUNTS, PAUSE_CAMPAIGNS = "pause_affected_accounts", "pause_campaign_sending"
ACTIONS = {DNS: PAUSE_ACCOUNTS, BLOCKLIST: PAUSE_ACCOUNTS, BOUNCES: PAUSE_CAMPAIGNS, WARMUP: PAUSE_CAMPAIGNS}

MAILED = (1, 2)
"""Statuses of leads in campaigns that are on their way, or paused on it."""


def queue_run(world: World, agent: Record) -> Record:
    run = {"id": world.uuid7(), "agent_id": agent["id"], "cycle_id": world.uuid4(), "status": IN_PROGRESS}
    world.deliverability_runs.add({**run, "started_at": world.stamp(), "completed_at": None, "found": {}})
    world.later(RUN, "finish_deliverability_run", run["id"])
    return world.deliverability_runs[run["id"]]


def cancel_run(world: World, agent: Record) -> None:
    """Stop the run that an agent is at, if it is at one."""
    run = running(world, agent)
    if run:
        world.deliverability_runs.change(run, status=CANCELLED)


def plan_run(world: World, agent: Record) -> None:
    """Put the next run on the schedule, instead of the one that stood there."""
    plan = world.number()
    world.deliverability_agents.change(agent, _plan=plan, _next=world.now().timestamp() + INTERVAL)
    world.later(INTERVAL, "start_deliverability_run", agent["id"], plan)


@action
def start_deliverability_run(world: World, agent_id: str, plan: int) -> None:
    agent = world.deliverability_agents.get(agent_id)
    # A run that is going on plans the next one when it is over.
    if agent and agent["status"] == ACTIVE and agent.get("_plan") == plan and not running(world, agent):
        queue_run(world, agent)


@action
def finish_deliverability_run(world: World, run_id: str) -> None:
    run = world.deliverability_runs.get(run_id)
    if run is None or run["status"] != IN_PROGRESS:
        return
    agent = world.deliverability_agents[run["agent_id"]]
    found = {check: affected(world, check) for check in CHECKS}
    world.deliverability_runs.change(run, status=COMPLETED, completed_at=world.stamp(), found=found)
    for check, names in found.items():
        if names:
            add_item(world, agent, run, check, names)
        else:
            _close(world, agent, check)
    if not any(found.values()):
        add_item(world, agent, run, "all_healthy", [], kind="insight", severity="success", status="done")
    plan_run(world, agent)


def affected(world: World, check: str) -> list[str]:
    """The accounts with which a check is not content, or the leads that a setting of the workspace leaves at risk."""
    if check == SETTINGS:
        return _unprotected(world)
    active = [account["email"] for account in world.accounts if account["status"] == CONNECTED]
    if check == DNS:
        return [email for email in active if not all(find_records(_domain(email)).values())]
    if check == BLOCKLIST:
        seen = _seen_listed(world)
        return [email for email in active if is_condemned(_domain(email)) or email in seen]
    if check == WARMUP:
        rated = (warmup.rate(world, world.accounts[email]) for email in active)
        return [one["email"] for one in rated if one["warmup_status"] == 1 and one["stat_warmup_score"] < LOW_SCORE]
    bouncing = _bouncing(world)
    return [email for email in active if email in bouncing]


def _domain(email: str) -> str:
    return email.partition("@")[2]


def _unprotected(world: World) -> list[str]:
    """Who has unsubscribed and can be mailed all the same, because nobody has put them in the block list."""
    if world.workspace.get("add_unsub_to_block"):
        return []
    gone = dict.fromkeys(lead["email"] for lead in world.leads if lead["status"] == UNSUBSCRIBED)
    return [email for email in gone if not is_blocked(world, email) and _is_mailed(world, email)]


def _is_mailed(world: World, email: str) -> bool:
    return any("campaign" in lead and lead["status"] in MAILED for lead in world.leads.where(email=email))


def _seen_listed(world: World) -> set[str]:
    """The accounts that are named in findings about blocklists which are not too old to hold."""
    since = stamp(world.now() - dt.timedelta(days=LISTED_DAYS))
    items = (item for item in world.deliverability_items if item["feed_code"] == BLOCKLIST)
    return {email for item in items if item["timestamp_created"] > since for email in item["payload"]["accounts"]}


def _bouncing(world: World) -> set[str]:
    """The accounts of whose recent emails too many have come back."""
    since = stamp(world.now() - dt.timedelta(days=SAMPLE_DAYS))
    sent: dict[str, list[bool]] = collections.defaultdict(list)
    for mail in all_emails(world):
        if mail["ue_type"] == CAMPAIGN and mail["timestamp_email"] > since:
            sent[mail["eaccount"]].append("_bounced" in mail)
    enough = {email: bounced for email, bounced in sent.items() if len(bounced) >= MIN_SAMPLE}
    return {email for email, bounced in enough.items() if sum(bounced) > HIGH_BOUNCES * len(bounced)}


def _close(world: World, agent: Record, check: str) -> None:
    """A recommendation of which a run no longer finds the cause is done."""
    for known in list(world.deliverability_items.where(agent_id=agent["id"])):
        if known["feed_code"] == check and known["status"] == "todo":
            at = world.stamp()
            world.deliverability_items.change(known, status="done", completed_at=at, timestamp_updated=at)


def note_action(world: World, agent_id: str, code: str, emails: list[str], source: str | None = None) -> None:
    """Leave in the feed what was done with accounts."""
    agent, run = world.deliverability_agents.get(agent_id), {"id": source, "cycle_id": world.stamp()}
    if agent:
        done = {"kind": "action", "status": "done", "severity": "info", "completed_at": world.stamp()}
        add_item(world, agent, run, code, emails, **done)


def add_item(world: World, agent: Record, run: Record, code: str, names: list[str], **more: Any) -> Record:
    """A finding; one that still waits is not told a second time, but brought up to date."""
    for known in world.deliverability_items.where(agent_id=agent["id"]):
        if known["feed_code"] == code and known["status"] == "todo":
            new = {"payload": payload(code, names), "source_activity_id": run["id"]}
            return world.deliverability_items.change(known, **new, timestamp_updated=world.stamp())
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
    return {"settings": ["add_unsub_to_block"], "leads": names} if code == SETTINGS else {"accounts": names}
