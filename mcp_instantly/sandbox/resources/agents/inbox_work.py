"""What an active inbox manager does: it reads what leads write, writes replies, and sends them, for credits.

It does not look whether a person has answered in the meantime: then the lead gets two replies.
"""

from __future__ import annotations

import datetime as dt
import html
from typing import Any

from mcp_instantly.sandbox.resources.agents.inbox_texts import sort_topics, write
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.resources.leads.reply_labels import NOT_INTERESTED, label_reply
from mcp_instantly.sandbox.sending.emails import MANUAL, add_email, is_reply, new_words
from mcp_instantly.sandbox.sending.matching import can_send, is_blocked, tag_ids
from mcp_instantly.sandbox.sending.reactions import schedule_reply
from mcp_instantly.sandbox.sending.templates import wrapped
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.events import listener
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

DEFAULT_TAG = "default"
"""In place of a tag: all accounts."""

FAILED, SENT, SCHEDULED = -1, 1, 2
"""The values of sending_status."""

CREDITS = 5
"""That a reply costs, when it is sent."""

READING_SECONDS, SENDING_SECONDS = 60.0, 240.0
"""From an email to the draft of its reply, and from there to its sending."""

FOLLOW_UP_DAYS = 2

WAITING_DAYS = 3
"""Emails no older than this are replied to by an inbox manager that becomes active."""

REPLIES_PER_THREAD = 3
"""After so many it hands a conversation over to a person."""

SAVED_SECONDS = 180
"""That a person would need for a reply, as the analytics count it."""

# who replies


@listener
def wake_inbox_managers(world: World, event: str, facts: dict[str, Any]) -> None:
    """A lead has written: whoever is in charge will read it."""
    if event in ("reply_received", "auto_reply_received"):
        _take_up(world, facts["email"])


def activate(world: World, manager: Record) -> None:
    """Take up what waits for a reply in its accounts, and send what it had written before it was paused."""
    since = stamp(world.now() - dt.timedelta(days=WAITING_DAYS))
    for email in world.emails:
        if is_reply(email) and email["timestamp_email"] >= since and _is_last(world, email):
            _take_up(world, email)
    for reply in world.inbox_replies.where(agent_id=manager["id"]):
        if reply.get("sending_status") == SCHEDULED:
            world.later(SENDING_SECONDS, "send_inbox_reply", reply["id"])


def _is_last(world: World, email: Record) -> bool:
    later = (other["timestamp_email"] for other in world.emails.where(thread_id=email["thread_id"]))
    return bool(max(later) <= email["timestamp_email"])


def _take_up(world: World, email: Record) -> None:
    manager = manager_of(world, email["eaccount"])
    if manager and not _is_seen_to(world, manager, email["id"]):
        world.later(READING_SECONDS, "draft_inbox_reply", manager["id"], email["id"])


def _is_seen_to(world: World, manager: Record, email_id: str) -> bool:
    """Whether it has taken an email up already, or another agent has replied to it or is about to."""
    replies = world.inbox_replies.where(in_reply_to=email_id)
    return any(
        reply["agent_id"] == manager["id"] or reply.get("sending_status") in (SENT, SCHEDULED) for reply in replies
    )


def manager_of(world: World, account: str) -> Record | None:
    """The active inbox manager that replies for an account: one with a tag of it before one for all."""
    active = [manager for manager in world.inbox_managers if manager["status"] == ACTIVE]
    carried = set(tag_ids(world, account))
    tagged = [manager for manager in active if carried & set(manager["payload"].get("tags", ()))]
    whole = [manager for manager in active if DEFAULT_TAG in (manager["payload"].get("tags") or [DEFAULT_TAG])]
    return next(iter([*tagged, *whole]), None)


# what it writes


@action
def draft_inbox_reply(world: World, agent_id: str, email_id: str) -> None:
    manager, email = world.inbox_managers.get(agent_id), world.emails.get(email_id)
    if manager is None or manager["status"] != ACTIVE or email is None:
        return
    lead = world.leads.get(email.get("lead_id", "")) or {}
    if _is_seen_to(world, manager, email_id) or not _wants(manager["payload"], email, lead):
        return
    said = new_words(email)
    known, unknown = sort_topics(world, manager, said)
    reason = _reason_for_a_person(world, email, unknown)
    reply = add_reply(
        world,
        manager,
        email,
        html=write(world, manager, lead, email, known),
        requires_hitl=reason is not None,
        requires_hitl_reason=reason,
        information_requested=", ".join(unknown) or None,
        action_pending=reason is not None,
        confidence_score=50 + int(50 * world.chance("confidence", email_id)),
        generation_lag_seconds=int(READING_SECONDS),
        is_automatic_email=bool(email.get("is_auto_reply")),
        is_followup=False,
        sending_status=None if reason else SCHEDULED,
    )
    if reason is None:
        world.later(SENDING_SECONDS, "send_inbox_reply", reply["id"])


def _wants(payload: Record, email: Record, lead: Record) -> bool:
    """Whether its settings let it reply to this email."""
    if email.get("is_auto_reply"):
        return bool(payload.get("respond_to_automatic_emails"))
    if not payload.get("handle_objections") and label_reply(new_words(email), ()) == NOT_INTERESTED:
        return False
    if not payload.get("trigger_on_labels_enabled"):
        return True
    listed = lead.get("lt_interest_status") in payload.get("trigger_on_labels", ())
    return bool(listed == (payload.get("trigger_on_labels_mode", "include") == "include"))


def _reason_for_a_person(world: World, email: Record, unknown: list[str]) -> str | None:
    if unknown:
        return f"The lead asks for {', '.join(unknown)}"
    earlier = world.inbox_replies.where(thread_id=email["thread_id"])
    sent = [reply for reply in earlier if reply.get("sending_status") == SENT]
    return "The conversation has become long" if len(sent) >= REPLIES_PER_THREAD else None


def add_reply(world: World, manager: Record, email: Record, **more: Any) -> Record:
    reply = {
        "id": world.uuid7(),
        "organization_id": world.workspace["id"],
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        "agent_id": manager["id"],
        "thread_id": email["thread_id"],
        "lead": email.get("lead") or email["from_address_email"],
        "in_reply_to": email["id"],
        "calendly_tool_used": False,
        "estimated_time_saved_seconds": SAVED_SECONDS,
        **{name: value for name, value in more.items() if value is not None},
    }
    return world.inbox_replies.add(reply)


# what it sends


@action
def send_inbox_reply(world: World, reply_id: str) -> None:
    """Send a written reply, unless its agent is paused or gone; whatever else has been sent meanwhile."""
    reply = world.inbox_replies.get(reply_id)
    manager = world.inbox_managers.get(reply["agent_id"]) if reply else None
    email = world.emails.get(reply["in_reply_to"]) if reply else None
    if reply is None or manager is None or manager["status"] != ACTIVE or reply.get("sending_status") != SCHEDULED:
        return
    error = _obstacle(world, manager, reply, email)
    fields = {"sending_status": FAILED if error else SENT, "error_code": error, "timestamp_updated": world.stamp()}
    world.inbox_replies.change(reply, **fields)
    if error or email is None:
        return
    world.verification_credits -= CREDITS
    world.inbox_replies.change(reply, _spent_in=world.stamp()[:7])
    sent = _send(world, manager, reply, email)
    lead = world.leads.get(email.get("lead_id", ""))
    if lead is not None:
        at = world.stamp()
        stamps = dict.fromkeys(("timestamp_last_contact", "timestamp_last_touch", "timestamp_updated"), at)
        world.leads.change(lead, **stamps)
        if not email.get("is_auto_reply"):
            schedule_reply(world, lead, sent)
    if manager["payload"].get("handle_followup") and not reply["is_followup"]:
        world.at(_follow_up_at(world, manager), "follow_up_inbox_reply", reply_id)


def _obstacle(world: World, manager: Record, reply: Record, email: Record | None) -> str | None:
    """The error code of what keeps a reply from being sent."""
    account = world.accounts.get(_sender(reply, email)) if email else None
    if email is None or account is None:
        return "NO_SENDING_ACCOUNT"
    if not can_send(account):
        return "ACCOUNT_INACTIVE"
    if is_blocked(world, email["from_address_email"]):
        return "LEAD_BLOCKED"
    budget = manager["payload"].get("monthly_credit_budget")
    if budget is not None and spent(world, manager) + CREDITS > budget:
        return "MONTHLY_BUDGET_EXCEEDED"
    return "OUT_OF_CREDITS" if world.verification_credits < CREDITS else None


def _sender(reply: Record, email: Record) -> str:
    return str(reply.get("_sender", email["eaccount"]))


def spent(world: World, manager: Record) -> int:
    """The credits that it has spent in this month."""
    month = world.stamp()[:7]
    replies = world.inbox_replies.where(agent_id=manager["id"])
    return CREDITS * len([reply for reply in replies if reply.get("_spent_in") == month])


def _send(world: World, manager: Record, reply: Record, email: Record) -> Record:
    subject = email["subject"]
    return add_email(
        world,
        ue_type=MANUAL,
        sender=_sender(reply, email),
        to=email["from_address_email"],
        subject=subject if subject.startswith("Re: ") else f"Re: {subject}",
        markup=wrapped(html.unescape(reply["html"].replace("<br/>", "\n"))),
        eaccount=_sender(reply, email),
        thread_id=email["thread_id"],
        ai_agent_id=manager["id"],
        **{field: email.get(field) for field in ("campaign_id", "subsequence_id", "list_id", "lead", "lead_id")},
    )


def _follow_up_at(world: World, manager: Record) -> dt.datetime:
    when = world.now() + dt.timedelta(days=FOLLOW_UP_DAYS)
    if manager["payload"].get("followup_business_days_only"):
        when += dt.timedelta(days=max(0, 7 - when.weekday())) if when.weekday() >= 5 else dt.timedelta()
    return when


@action
def follow_up_inbox_reply(world: World, reply_id: str) -> None:
    """Write once more to a lead who has not replied."""
    reply = world.inbox_replies.get(reply_id)
    manager = world.inbox_managers.get(reply["agent_id"]) if reply else None
    email = world.emails.get(reply["in_reply_to"]) if reply else None
    if reply is None or manager is None or manager["status"] != ACTIVE or email is None:
        return
    since = parse(reply["timestamp_updated"])
    thread = world.emails.where(thread_id=email["thread_id"])
    if any(is_reply(other) and parse(other["timestamp_email"]) > since for other in thread):
        return
    lead = world.leads.get(email.get("lead_id", "")) or {}
    again = add_reply(
        world,
        manager,
        email,
        html=write(world, manager, lead, email, []),
        requires_hitl=False,
        action_pending=False,
        confidence_score=reply.get("confidence_score"),
        is_automatic_email=False,
        is_followup=True,
        sending_status=SCHEDULED,
    )
    send_inbox_reply(world, again["id"])
