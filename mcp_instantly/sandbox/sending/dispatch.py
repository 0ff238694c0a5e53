"""What happens when an active campaign meets time: its emails go out, one per sender and gap, within its windows."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.sending import bounce_protection, company_limits, emails, flows, reactions, sender_limits
from mcp_instantly.sandbox.sending.flows import (
    COMPLETED,
    FINISHED,
    MAX_DELAY_SECONDS,
    ONLY_SUBSEQUENCES,
    SKIPPED,
    UNHEALTHY,
    Flow,
    delay_after,
    enroll,
    find_flow,
    finish_lead,
    first_in_line,
    hand_over,
    has_line,
    is_followed,
    left_line,
    plan_tick,
)
from mcp_instantly.sandbox.sending.matching import PROVIDERS, Routes, can_send, is_blocked, routes_of
from mcp_instantly.sandbox.sending.matching import senders as senders_of
from mcp_instantly.sandbox.sending.sent_times import count_since, note_instant
from mcp_instantly.sandbox.sending.timetable import day_start, next_day, next_opening
from mcp_instantly.sandbox.sending.variants import watch
from mcp_instantly.sandbox.state import clock
from mcp_instantly.sandbox.state.events import announce
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

GAP = 10
"""Minutes between two emails of a sender where the campaign does not say."""

CHECK_AGAIN = 600.0
"""Seconds until a lead is looked at again whose address is still being verified."""

LOOK_AGAIN = 3600.0
"""Seconds until a campaign looks for senders again where those that it has may not write to the leads that wait; one
that has nothing to send for so long waits for leads."""

OUT_OF_HOURS, NO_LEADS, CAMPAIGN_LIMIT, ACCOUNT_LIMIT = 1, 2, 3, 4
"""Values of not_sending_status."""


def start(world: World, campaign_id: str) -> None:
    """A campaign has been activated, or goes on with new settings."""
    campaign = world.campaigns.get(campaign_id)
    if campaign:
        bounce_protection.reset_protection(world, campaign)
    flows.start(world, campaign_id)


@action
def send_due(world: World, flow_id: str, number: int) -> None:
    """One email from every sender that is free and has one to send; then see when to look again."""
    if world.ticks.get(flow_id, (None, 0))[1] != number:
        return
    del world.ticks[flow_id]
    flow = find_flow(world, flow_id)
    if flow is None or not flow.runs:
        return
    senders = _senders(world, flow.campaign)
    if not senders:
        world.campaigns.change(flow.campaign, status=UNHEALTHY, timestamp_updated=world.stamp())
        return
    opens = next_opening(flow.schedule, world.now())
    if opens is None or opens > world.now():
        _note(world, flow, OUT_OF_HOURS)
        if opens:
            plan_tick(world, flow.id, opens)
        return
    routes = routes_of(flow.campaign, senders)
    hand_over(world, flow, routes)
    if not has_line(world, flow):
        _finish_if_empty(world, flow)
        return
    for account in sorted(senders, key=lambda account: account.get("_free", 0.0)):
        if _sent(world, flow) >= limit_of(flow):
            break
        if _free_at(world, flow, account) <= world.now():
            _send_next(world, flow, account, routes[account["email"]])
    _plan_next_tick(world, flow, senders, routes)


def _plan_next_tick(world: World, flow: Flow, senders: list[Record], routes: Routes) -> None:
    # Leads whose email was put off a moment ago stand in the lines of their own senders again.
    hand_over(world, flow, routes)
    if not has_line(world, flow):
        _finish_if_empty(world, flow)
        return
    if _sent(world, flow) >= limit_of(flow):
        _note(world, flow, CAMPAIGN_LIMIT)
        plan_tick(world, flow.id, next_day(flow.schedule, world.now()))
        return
    waits = [wait for account in senders if (wait := _next_email(world, flow, account, routes[account["email"]]))]
    unserved = [provider for provider in PROVIDERS if not any(provider in served for served in routes.values())]
    if first_in_line(world, flow, *unserved, *map(left_line, unserved)):
        # Nobody here may write to these leads; a sender that may can come back any time.
        waits.append(world.now() + dt.timedelta(seconds=LOOK_AGAIN))
    full = all(is_full(world, flow, account) for account in senders)
    waiting = min(waits) >= world.now() + dt.timedelta(seconds=LOOK_AGAIN)
    _note(world, flow, ACCOUNT_LIMIT if full else NO_LEADS if waiting else None)
    plan_tick(world, flow.id, max(min(waits), world.now() + dt.timedelta(seconds=1)))


def _next_email(world: World, flow: Flow, account: Record, recipients: tuple[str, ...]) -> dt.datetime | None:
    """When this sender can send its next email of the flow; None if no lead is in line for it."""
    due = []
    if begun := first_in_line(world, flow, *_begun_lines(account, recipients)):
        due.append(begun[0])
    if fresh := first_in_line(world, flow, *recipients):
        may_begin = _may_begin(world, flow)
        schedule = flow.campaign["campaign_schedule"]
        due.append(fresh[0] if may_begin else max(fresh[0], next_day(schedule, world.now())))
    return max(min(due), _free_at(world, flow, account)) if due else None


def _finish_if_empty(world: World, flow: Flow) -> None:
    """Nobody is in line: the campaign is done, unless it never had leads or stays open for more."""
    campaign = flow.campaign
    _note(world, flow, NO_LEADS)
    followed = is_followed(world, campaign["id"])
    if flow.subsequence is not None:
        if campaign["status"] == ONLY_SUBSEQUENCES and not followed:
            world.campaigns.change(campaign, status=FINISHED)
    elif world.leads.count(campaign=campaign["id"]) and not campaign.get("is_evergreen"):
        status = ONLY_SUBSEQUENCES if followed else FINISHED
        # To be done does not change the campaign: its timestamp_updated stays.
        world.campaigns.change(campaign, status=status)
        announce(world, "campaign_completed", campaign=campaign)


def _send_next(world: World, flow: Flow, account: Record, recipients: tuple[str, ...]) -> None:
    """Send the next email that is this sender's to send, if there is one."""
    begun = _begun_lines(account, recipients)
    fresh_first = bool(flow.campaign.get("prioritize_new_leads"))
    for lines in (recipients, begun) if fresh_first else (begun, recipients):
        while (head := first_in_line(world, flow, *lines)) and head[0] <= world.now():
            if lines is recipients and not _may_begin(world, flow):
                break
            lead = head[1]
            # Without its ticket the entry counts no longer, and drops out of the line by itself.
            lead.pop("_ticket")
            if _send(world, flow, account, lead):
                return


def _begun_lines(account: Record, recipients: tuple[str, ...]) -> tuple[str, ...]:
    """The lines of the leads that have been written to before and that this sender goes on with."""
    return (account["email"], *map(left_line, recipients))


def _send(world: World, flow: Flow, account: Record, lead: Record) -> bool:
    """Send a lead its next email; False if it turns out that it gets none."""
    step, steps = lead.get(flow.counter, 0), flow.steps
    if step >= len(steps):
        finish_lead(world, lead, COMPLETED)
        return False
    if is_blocked(world, lead["email"]) or not _may_receive(flow.campaign, lead):
        finish_lead(world, lead, SKIPPED)
        return False
    if lead.get("verification_status") in (11, 12):
        enroll(world, lead, world.now() + dt.timedelta(seconds=CHECK_AGAIN))
        return False
    if lead.get("_pause_until", "") > world.stamp():
        enroll(world, lead, clock.parse(lead["_pause_until"]))
        return False
    if later := company_limits.next_allowed(world, flow, lead):
        enroll(world, lead, later)
        return False
    variants = [(place, v) for place, v in enumerate(steps[step]["variants"]) if not v.get("v_disabled")]
    if variants:
        place, variant = variants[int(world.chance("variant", lead["email"], flow.id, step) * len(variants))]
        if "_sender" not in lead:
            note_instant(flow.campaign.setdefault("_begun", []), world.now())
        email = emails.campaign_email(
            world,
            lead,
            account,
            variant,
            step=f"0_{step}_{place}",
            subsequence_id=flow.subsequence["id"] if flow.subsequence else None,
        )
        _book(world, flow, account)
        company_limits.note_email(world, flow, lead)
        bounce_protection.note_email(flow.campaign, email)
        watch(world, flow)
        mark_sent(world, flow, lead, email)
        announce(world, "email_sent", lead=lead, email=email)
        reactions.schedule_reactions(world, lead, email)
    else:
        world.leads.change(lead, **{flow.counter: step + 1})
    if step + 1 >= len(steps):
        finish_lead(world, lead, COMPLETED)
    else:
        enroll(world, lead, world.now() + delay_after(steps[step]))
    return bool(variants)


def mark_sent(world: World, flow: Flow, lead: Record, email: Record) -> None:
    """Note on the lead which step it has received now, and from whom."""
    at = world.stamp()
    last = {"from": email["eaccount"], "stepID": email["step"]}
    summary: Record
    if flow.subsequence:
        summary = {"status_summary_subseq": {**last, "timestampExecuted": at}}
    else:
        summary = {"status_summary": {"lastStep": {**last, "timestamp_executed": at}}}
    world.leads.change(
        lead,
        **{flow.counter: int(email["step"].split("_")[1]) + 1},
        **summary,
        timestamp_last_contact=at,
        timestamp_last_touch=at,
        timestamp_updated=at,
    )


# who may send, and who may receive


def _senders(world: World, campaign: Record) -> list[Record]:
    """The campaign's accounts, named or tagged, that can send at present."""
    return [account for account in senders_of(world, campaign) if can_send(account)]


def _may_receive(campaign: Record, lead: Record) -> bool:
    status = lead.get("verification_status")
    return status != -1 and (status not in (-2, -3) or bool(campaign.get("allow_risky_contacts")))


def limit_of(flow: Flow) -> float:
    """How many emails a flow may send per day."""
    own = flow.subsequence or {}
    mode = own.get("daily_limit_mode", "inherit")
    limit = own.get("daily_limit") if mode == "custom" else flow.campaign.get("daily_limit")
    return float("inf") if mode == "unlimited" or limit is None else limit


def _sent(world: World, flow: Flow) -> int:
    return count_since(flow.record.get("_sent"), day_start(flow.schedule, world.now()))


def _may_begin(world: World, flow: Flow) -> bool:
    """Whether one more new lead may be written to today."""
    limit = flow.campaign.get("daily_max_leads")
    return limit is None or count_begun(world, flow.campaign) < limit


def count_begun(world: World, campaign: Record) -> int:
    """How many new leads the campaign has written to today."""
    return count_since(campaign.get("_begun"), day_start(campaign["campaign_schedule"], world.now()))


def is_full(world: World, flow: Flow, account: Record) -> bool:
    """Whether a sender has reached its limit for today, with whatever campaigns, and the flow heeds that."""
    ignored = flow.subsequence and flow.subsequence.get("ignore_account_daily_limit")
    return not ignored and sender_limits.is_full(account, world.now())


def _free_at(world: World, flow: Flow, account: Record) -> dt.datetime:
    """From when on this sender may send: after its gap, or tomorrow when it has sent all it may today."""
    if is_full(world, flow, account):
        return clock.next_day(world.now())
    # The flow that sent last waits a moment longer, so that others which share the sender have their turn.
    moment = 1 if account.get("_flow") == flow.id else 0
    return dt.datetime.fromtimestamp(account.get("_free", 0.0) + moment, dt.timezone.utc)


def _book(world: World, flow: Flow, account: Record) -> None:
    """Count an email against the limits of campaign and sender, and begin the sender's gap."""
    gap = flow.campaign.get("email_gap")
    minutes = max(GAP if gap is None else gap, account.get("sending_gap") or 0)
    minutes += (flow.campaign.get("random_wait_max") or 0) * world.chance("wait", account["email"], world.stamp())
    account["_flow"] = flow.id
    account["_free"] = world.now().timestamp() + min(max(minutes * 60, 1), MAX_DELAY_SECONDS)
    sender_limits.note_email(account, world.now())
    note_instant(flow.record.setdefault("_sent", []), world.now())


def _note(world: World, flow: Flow, status: int | None) -> None:
    """Say on the campaign why it does not send at the moment (None: it does)."""
    if flow.subsequence is None and flow.campaign.get("not_sending_status") != status:
        world.campaigns.change(flow.campaign, not_sending_status=status)


__all__ = ["count_begun", "is_full", "limit_of", "mark_sent", "send_due", "start"]
