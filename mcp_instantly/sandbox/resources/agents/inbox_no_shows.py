"""What an inbox manager writes to leads who missed their meeting: one email after the other, until they reply."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.resources.agents.inbox_texts import write
from mcp_instantly.sandbox.resources.agents.inbox_work import (
    FOLLOW_UP_DAYS,
    READING_SECONDS,
    SCHEDULED,
    add_reply,
    manager_of,
    send_inbox_reply,
)
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE
from mcp_instantly.sandbox.sending.emails import is_reply
from mcp_instantly.sandbox.sending.matching import can_send, tag_ids
from mcp_instantly.sandbox.state.events import listener
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

NO_SHOW = -4
"""The interest status of a lead who did not come to the meeting."""


@listener
def notice_no_shows(world: World, event: str, facts: dict[str, Any]) -> None:
    """Write to who missed a meeting; whoever then replies is recovered."""
    if event == "lead_no_show":
        _begin(world, facts["lead"])
    elif event == "reply_received":
        for reply in list(world.inbox_replies.where(thread_id=facts["email"]["thread_id"])):
            if "_no_show" in reply:
                world.inbox_replies.change(reply, _recovered=True)


def _begin(world: World, lead: Record) -> None:
    """Only who has written before can be written to: the follow-ups go on with that conversation."""
    received = [email for email in world.emails.where(lead_id=lead["id"]) if is_reply(email)]
    manager = manager_of(world, received[-1]["eaccount"]) if received else None
    if manager and _settings(manager).get("enabled"):
        world.later(
            READING_SECONDS, "follow_up_no_show", manager["id"], lead["id"], received[-1]["id"], 1, world.stamp()
        )


def _settings(manager: Record) -> Record:
    found: Record = manager["payload"].get("no_show") or {}
    return found


@action
def follow_up_no_show(world: World, agent_id: str, lead_id: str, email_id: str, number: int, since: str) -> None:
    """The follow-up with this number, if the lead has neither replied `since` then nor another status by now."""
    manager, lead, email = world.inbox_managers.get(agent_id), world.leads.get(lead_id), world.emails.get(email_id)
    if manager is None or manager["status"] != ACTIVE or lead is None or email is None:
        return
    settings = _settings(manager)
    is_over = not settings.get("enabled") or number > settings.get("max_followups", 1)
    if is_over or lead.get("lt_interest_status") != NO_SHOW or _has_replied(world, email, since):
        return
    reply = add_reply(
        world,
        manager,
        email,
        html=write(world, manager, lead, email, []),
        requires_hitl=False,
        action_pending=False,
        is_automatic_email=False,
        is_followup=True,
        sending_status=SCHEDULED,
        _no_show=number,
        _sender=_sender(world, settings, email["eaccount"]),
    )
    send_inbox_reply(world, reply["id"])
    world.later(FOLLOW_UP_DAYS * 86400, "follow_up_no_show", agent_id, lead_id, email_id, number + 1, since)


def _has_replied(world: World, email: Record, since: str) -> bool:
    thread = world.emails.where(thread_id=email["thread_id"])
    return any(is_reply(other) and other["timestamp_email"] > since for other in thread)


def _sender(world: World, settings: Record, usual: str) -> str:
    """The account of the conversation, or, where that cannot send, the first of the fallback accounts that can."""
    fallback = settings.get("fallback_sending_accounts") or {}
    named, tags = fallback.get("accounts", ()), set(fallback.get("tag_ids", ()))
    tagged = [account["email"] for account in world.accounts if tags & set(tag_ids(world, account["email"]))]
    able = (email for email in (usual, *named, *tagged) if can_send(world.accounts.get(email) or {"status": 0}))
    return next(able, usual)
