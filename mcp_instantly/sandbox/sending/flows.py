"""Flows: campaigns and subsequences as something leads pass through, and who is next in line.

Who is next stands in `world.due[flow id][line]`, a heap of (instant, ticket, lead id). The name of a mail provider is
the line of its leads that have had no email yet, "left: google" that of those whose sender dropped out, and an address
that of those whose thread belongs to this sender. An entry counts only as long as the lead carries its ticket, so
taking a lead out of line costs nothing. A flow has at most one tick on the agenda.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import heapq
from collections.abc import Container
from typing import Any

from mcp_instantly.sandbox.sending.matching import provider_of_lead
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

IDLE, ACTIVE, PAUSED, FINISHED, ONLY_SUBSEQUENCES, UNHEALTHY, BOUNCE_PROTECT = 0, 1, 2, 3, 4, -1, -2
"""Values of a campaign's or subsequence's status."""

LISTED, WAITING, COMPLETED, BOUNCED, UNSUBSCRIBED, SKIPPED = 0, 1, 3, -1, -2, -3
"""Values of a lead's status."""

OPENED, CLICKED, COMPLETED_WITHOUT_REPLY = 2, 4, 91
"""Activities of a lead that a subsequence can wait for."""

WARM_UP = 2.0
"""Seconds from the activation of a flow to its first email, or to the discovery that it has no senders."""

MAX_DELAY_SECONDS = 10 * 365 * 86_400.0
"""Seconds that a delay or a gap lasts at most: a longer one means never."""

DELAYS = {"minutes": 60, "hours": 3600, "days": 86400}


@dataclasses.dataclass
class Flow:
    """A campaign, or a subsequence of it, as the sender sees it."""

    id: str
    campaign: Record
    subsequence: Record | None = None

    @property
    def runs(self) -> bool:
        if self.subsequence is None:
            return bool(self.campaign["status"] == ACTIVE)
        return self.subsequence["status"] == ACTIVE and self.campaign["status"] in (ACTIVE, FINISHED, ONLY_SUBSEQUENCES)

    @property
    def record(self) -> Record:
        return self.subsequence or self.campaign

    @property
    def schedule(self) -> dict[str, Any]:
        own = self.subsequence.get("subsequence_schedule") if self.subsequence else None
        found: dict[str, Any] = own or self.campaign["campaign_schedule"]
        return found

    @property
    def steps(self) -> list[dict[str, Any]]:
        # The API takes more than one sequence and ignores all but the first.
        return next((sequence["steps"] for sequence in self.record.get("sequences") or []), [])

    @property
    def counter(self) -> str:
        """The lead's own field that counts this flow's steps."""
        return "_subsequence_step" if self.subsequence else "_step"


def find_flow(world: World, flow_id: str | None) -> Flow | None:
    campaign = world.campaigns.get(flow_id or "")
    if campaign:
        return Flow(campaign["id"], campaign)
    subsequence = world.subsequences.get(flow_id or "")
    parent = world.campaigns.get(subsequence["parent_campaign"]) if subsequence else None
    return Flow(subsequence["id"], parent, subsequence) if subsequence and parent else None


def delay_after(step: dict[str, Any], prefix: str = "") -> dt.timedelta:
    """How long to wait after a step; with the prefix "pre_", ahead of a subsequence's first one."""
    amount = step.get(f"{prefix}delay") or 0
    return dt.timedelta(seconds=min(amount * DELAYS[step.get(f"{prefix}delay_unit") or "days"], MAX_DELAY_SECONDS))


# in line


def start(world: World, flow_id: str) -> None:
    """A campaign or subsequence has become active, or its settings have changed: look at it soon."""
    when = world.now() + dt.timedelta(seconds=WARM_UP)
    plan_tick(world, flow_id, when)
    for subsequence in world.subsequences.where(parent_campaign=flow_id):
        plan_tick(world, subsequence["id"], when)


def plan_tick(world: World, flow_id: str, when: dt.datetime) -> None:
    """Have the flow looked at by `when`: an earlier tick stays, a later one is replaced."""
    planned = world.ticks.get(flow_id)
    if planned is None or when < planned[0]:
        number = world.number()
        world.ticks[flow_id] = (when, number)
        world.at(when, "send_due", flow_id, number)


def enroll(world: World, lead: Record, when: dt.datetime | None = None) -> None:
    """Put a lead in line for its next email, due at `when` (now by default)."""
    flow = find_flow(world, lead.get("subsequence_id") or lead.get("campaign"))
    if flow is None:
        return
    when, ticket = when or world.now(), world.number()
    lead["_ticket"] = ticket
    heap = world.due.setdefault(flow.id, {}).setdefault(lead.get("_sender") or provider_of_lead(lead), [])
    heapq.heappush(heap, (when, ticket, lead["id"]))
    if flow.runs:
        plan_tick(world, flow.id, max(when, world.now() + dt.timedelta(seconds=WARM_UP)))


def first_in_line(world: World, flow: Flow, *lines: str) -> tuple[dt.datetime, Record] | None:
    """Who is next in these lines, and since or from when."""
    due = world.due.get(flow.id, {})
    heads = [head for line in lines if line in due and (head := _head(world, due[line]))]
    return min(heads, key=lambda head: (head[0], head[1]["_ticket"]), default=None)


def _head(world: World, heap: list[tuple[dt.datetime, int, str]]) -> tuple[dt.datetime, Record] | None:
    """Who is next in one line; entries that no longer count are dropped on the way."""
    while heap:
        when, ticket, lead_id = heap[0]
        lead = world.leads.get(lead_id)
        if lead is not None and lead.get("_ticket") == ticket:
            return when, lead
        heapq.heappop(heap)
    return None


def has_line(world: World, flow: Flow) -> bool:
    return any(_head(world, heap) for heap in world.due.get(flow.id, {}).values())


def is_followed(world: World, campaign_id: str) -> bool:
    """Whether a subsequence of the campaign that is active has emails to send."""
    found = (find_flow(world, child["id"]) for child in world.subsequences.where(parent_campaign=campaign_id))
    return any(flow.record["status"] == ACTIVE and has_line(world, flow) for flow in found if flow)


def hand_over(world: World, flow: Flow, able: Container[str]) -> None:
    """Let others go on with the leads of senders that are not able to."""
    lines = world.due.get(flow.id, {})
    for gone in [line for line in lines if "@" in line and line not in able]:
        for entry in lines.pop(gone):
            lead = world.leads.get(entry[2])
            if lead is not None and lead.get("_ticket") == entry[1]:
                heapq.heappush(lines.setdefault(left_line(provider_of_lead(lead)), []), entry)


def left_line(provider: str) -> str:
    """The line of those leads with this provider whose sender dropped out."""
    return f"left: {provider}"


# the way of a lead


def finish_lead(world: World, lead: Record, status: int, *, followed: bool = True) -> None:
    """The lead gets no further emails: completed, bounced, unsubscribed or skipped.

    Unless `followed` is off, the subsequence for those who are through without a reply takes over.
    """
    at = world.stamp()
    world.leads.change(lead, status=status, _ticket=None, _ended=at, timestamp_updated=at)
    if followed and status == COMPLETED and not has_replied(lead):
        consider_subsequences(world, lead, activity=COMPLETED_WITHOUT_REPLY)


def has_replied(lead: Record) -> bool:
    """Whether a lead has replied in person: automatic replies are in its count as well."""
    return bool(lead["email_reply_count"] > lead.get("_automatic_replies", 0))


def join_subsequence(world: World, lead: Record, subsequence: Record) -> None:
    """The lead leaves its campaign's steps and begins those of a subsequence. Who must not be written to any more is
    in it by name only.
    """
    at = world.stamp()
    is_out = lead["status"] in (BOUNCED, UNSUBSCRIBED)
    world.leads.change(
        lead,
        subsequence_id=subsequence["id"],
        timestamp_added_subsequence=at,
        timestamp_updated=at,
        status=lead["status"] if is_out else WAITING,
        _subsequence_step=0,
        _ended=lead.get("_ended") if is_out else None,
        _ticket=None,
    )
    world.subsequences.change(subsequence, timestamp_leads_updated=at)
    flow = find_flow(world, subsequence["id"])
    if flow and flow.steps and not is_out:
        enroll(world, lead, world.now() + delay_after(flow.steps[0], "pre_"))


def leave_subsequence(world: World, lead: Record) -> None:
    """The lead goes on with the campaign's steps where it left them, unless there are none, it has answered, or it must
    not be written to any more.
    """
    world.leads.change(
        lead,
        subsequence_id=None,
        timestamp_added_subsequence=None,
        _subsequence_step=None,
        timestamp_updated=world.stamp(),
    )
    if lead["status"] in (BOUNCED, UNSUBSCRIBED):
        return
    flow = find_flow(world, lead.get("campaign"))
    stopped = has_replied(lead) and flow and flow.campaign.get("stop_on_reply")
    if flow is None or stopped or lead.get("_step", 0) >= len(flow.steps):
        finish_lead(world, lead, COMPLETED)
    else:
        world.leads.change(lead, status=WAITING, _ended=None)
        enroll(world, lead)


def consider_subsequences(
    world: World, lead: Record, *, interest: int | None = None, activity: int | None = None, text: str | None = None
) -> None:
    """Something happened to a lead: move it into the first active subsequence that was waiting for that."""
    if not lead.get("campaign") or lead.get("subsequence_id") or lead["status"] in (BOUNCED, UNSUBSCRIBED):
        return
    for subsequence in world.subsequences.where(parent_campaign=lead["campaign"]):
        wanted = subsequence.get("conditions") or {}
        phrase = wanted.get("reply_contains")
        if subsequence["status"] == ACTIVE and (
            (interest is not None and interest in (wanted.get("crm_status") or []))
            or (activity is not None and activity in (wanted.get("lead_activity") or []))
            or (text is not None and phrase and phrase.lower() in text.lower())
        ):
            join_subsequence(world, lead, subsequence)
            return
