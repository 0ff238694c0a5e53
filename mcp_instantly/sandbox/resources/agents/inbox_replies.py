"""What inbox managers have written, and the figures of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, boolean, choice, fields, number, text, uuid
from mcp_instantly.sandbox.resources.agents import inbox_manager
from mcp_instantly.sandbox.resources.agents.inbox_work import SENT
from mcp_instantly.sandbox.sending.emails import is_reply
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

REPLY = "/ai-agents/inbox-manager/{id}/replies/{reply_id}"
ANALYTICS = "/ai-agents/inbox-manager/{id}/analytics"
DATES = {"from": text(format="date"), "to": text(format="date")}

REPLIED, FOLLOWED_UP, NO_SHOW = 1, 2, 3
"""The values of job_type."""


def find(world: World, call: Call) -> Record:
    """The reply that a path names. Raises a 404, also for one of another agent."""
    manager = inbox_manager.find(world, call.path["id"])
    reply = world.inbox_replies.get(call.path["reply_id"])
    if not reply or reply["agent_id"] != manager["id"]:
        raise not_found("Reply")
    return reply


@route(
    "GET",
    "/ai-agents/inbox-manager/{id}/replies",
    scope="ai_sdr_replies:read",
    query={
        **PAGE,
        "requires_hitl": boolean(),
        "information_requested": boolean(),
        "action_pending": boolean(),
    },
    id=uuid(),
)
def list_replies(world: World, call: Call) -> Record:
    """Newest first, without their HTML."""
    manager, query = inbox_manager.find(world, call.path["id"]), call.query
    flags = [name for name in ("requires_hitl", "information_requested", "action_pending") if name in query]
    found = world.inbox_replies.select(query.get("starting_after"), newest_first=True, agent_id=manager["id"])
    wanted = (reply for reply in found if all(bool(reply.get(name)) == query[name] for name in flags))
    return page(wanted, query, render=lambda reply: {k: v for k, v in public(reply).items() if k != "html"})


@route("GET", REPLY, scope="ai_sdr_replies:read", id=uuid(), reply_id=uuid())
def get_reply(world: World, call: Call) -> Record:
    return public(find(world, call))


@route(
    "PATCH",
    REPLY,
    scope="ai_sdr_replies:update",
    body=fields(
        "",
        {**CLOSED, "minProperties": 1},
        feedback_positive=boolean(),
        feedback_text=text(),
        action_pending=boolean(),
    ),
    id=uuid(),
    reply_id=uuid(),
)
def update_reply(world: World, call: Call) -> Record:
    """Feedback, and whether somebody still has to see to it; nothing is sent."""
    return public(world.inbox_replies.change(find(world, call), **call.body, timestamp_updated=world.stamp()))


@route(
    "GET",
    f"{ANALYTICS}/activity",
    scope="ai_inbox_manager_analytics:read",
    query={
        "limit": number(minimum=1, maximum=100),
        "starting_after": text(),
        "action_pending": boolean(),
        "activity_type": choice("reply", "followup", "recovery"),
        "job_type": choice(REPLIED, FOLLOWED_UP, NO_SHOW),
    },
    id=uuid(),
)
def list_activity(world: World, call: Call) -> Record:
    """Newest first. A lead who is recovered after a missed meeting is told in the figures, and not in this list."""
    manager, query = inbox_manager.find(world, call.path["id"]), {"limit": 25, **call.query}
    if query.get("activity_type") == "recovery" and "action_pending" in query:
        raise ApiRefusal(400, "action_pending cannot be used with activity_type=recovery")
    if "job_type" in query and "activity_type" in query:
        raise ApiRefusal(400, "job_type cannot be used with activity_type")
    found = world.inbox_replies.select(query.get("starting_after"), newest_first=True, agent_id=manager["id"])
    names = ("action_pending", "activity_type", "job_type")
    rows = [row for row in map(_row, found) if all(row[name] == query[name] for name in names if name in query)]
    limit = int(query["limit"])
    shown, rest = rows[:limit], rows[limit:]
    cursor = {"next_starting_after": shown[-1]["id"]} if rest else {}
    return {"items": shown, **cursor, "has_more": bool(rest)}


def _row(reply: Record) -> Record:
    follows = bool(reply["is_followup"])
    return {
        "id": reply["id"],
        "timestamp_created": reply["timestamp_created"],
        "activity_type": "followup" if follows else "reply",
        "job_type": NO_SHOW if "_no_show" in reply else FOLLOWED_UP if follows else REPLIED,
        "lead_email": reply["lead"],
        "thread_id": reply["thread_id"],
        "requires_hitl": reply["requires_hitl"],
        "action_pending": bool(reply.get("action_pending")),
        "sending_status": reply.get("sending_status"),
        "error_code": reply.get("error_code"),
        "is_followup": follows,
        "followup_number": reply.get("_no_show", 1) if follows else None,
        "estimated_time_saved_seconds": reply.get("estimated_time_saved_seconds"),
        "information_requested": reply.get("information_requested"),
        "recovery_method": None,
        "revenue_recovered": None,
    }


@route("GET", f"{ANALYTICS}/summary", scope="ai_inbox_manager_analytics:read", query=DATES, id=uuid())
def summarize(world: World, call: Call) -> Record:
    """Without dates, all that there was."""
    manager = inbox_manager.find(world, call.path["id"])
    replies = _replies(world, manager, call.query)
    counted, people = _count(replies), sum(bool(reply["requires_hitl"]) for reply in replies)
    scores = [reply["confidence_score"] for reply in replies if "confidence_score" in reply]
    sent = [reply for reply in replies if reply.get("sending_status") == SENT]
    threads = {reply["thread_id"] for reply in replies}
    missed = {reply["lead"] for reply in replies if "_no_show" in reply}
    received = {
        email["thread_id"]
        for email in world.emails
        if is_reply(email) and _within(email["timestamp_email"], call.query)
    }
    return {
        **counted,
        "time_saved": sum(reply.get("estimated_time_saved_seconds", 0) for reply in sent),
        "average_confidence_score": _rounded(sum(scores), len(scores)),
        "involvement_rate": _rounded(100 * len(threads), len(received | threads)),
        "resolution_rate": _rounded(100 * (len(replies) - people), len(replies)),
        "no_show_total_revenue_recovered": 0,
        "no_show_time_saved": sum(reply["estimated_time_saved_seconds"] for reply in sent if "_no_show" in reply),
        "no_show_recovery_rate": _rounded(100 * counted["no_show_total_leads_recovered"], len(missed)),
    }


@route("GET", f"{ANALYTICS}/summary-by-date", scope="ai_inbox_manager_analytics:read", query=DATES, id=uuid())
def summarize_by_date(world: World, call: Call) -> list[Record]:
    """The days on which something happened, in their order."""
    replies = _replies(world, inbox_manager.find(world, call.path["id"]), call.query)
    days = sorted({reply["timestamp_created"][:10] for reply in replies})
    return [{"date": day, **_count(r for r in replies if r["timestamp_created"].startswith(day))} for day in days]


def _replies(world: World, manager: Record, query: dict[str, Any]) -> list[Record]:
    if query.get("to", "9999-12-31") < query.get("from", ""):
        raise ApiRefusal(400, "to must not be before from")
    found = world.inbox_replies.where(agent_id=manager["id"])
    return [reply for reply in found if _within(reply["timestamp_created"], query)]


def _within(at: str, query: dict[str, Any]) -> bool:
    return bool(query.get("from", "") <= at[:10] <= query.get("to", "9999-12-31"))


def _count(replies: Iterable[Record]) -> Record:
    replies = list(replies)
    no_shows = [reply for reply in replies if "_no_show" in reply]
    follow_ups = sum(bool(reply["is_followup"]) for reply in replies) - len(no_shows)
    return {
        "total_actions": len(replies),
        "replies_count": len(replies) - follow_ups - len(no_shows),
        "follow_ups_count": follow_ups,
        "human_intervention": sum(bool(reply["requires_hitl"]) for reply in replies),
        "info_requested": sum("information_requested" in reply for reply in replies),
        "unique_conversations": len({reply["thread_id"] for reply in replies}),
        "no_show_follow_ups_generated": len(no_shows),
        "no_show_total_leads_recovered": len({reply["lead"] for reply in no_shows if "_recovered" in reply}),
    }


def _rounded(total: float, count: int) -> float:
    return round(total / count, 1) if count else 0
