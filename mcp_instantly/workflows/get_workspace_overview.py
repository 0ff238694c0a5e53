"""What needs attention in a workspace: replies that wait, campaigns and senders with problems, the plan."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.campaign_figures import STOPPED, high_bounces, named, state
from mcp_instantly.workflows.parts.lead_states import LABELS
from mcp_instantly.workflows.parts.partial import Parts, Record
from mcp_instantly.workflows.parts.senders import ABLE, fall, weaknesses, why_not_sending
from mcp_instantly.workflows.parts.standstill import (
    NEW_LEAD_LIMIT,
    may_pass,
    settings_against,
    status_against,
    writes_to_nobody_new,
)

MAX_CAMPAIGNS = 500
MAX_SENDERS = 500
MAX_DIAGNOSED = 10
"""Campaigns and senders that are read, and active campaigns that are asked why they do not send."""

MAX_SHOWN = 8
"""Problems, and days, of each kind that the answer names."""

NEARLY_FULL = 0.9

PAUSED, MAINTENANCE = 2, 3
RESTING = (PAUSED, MAINTENANCE)
"""States of accounts that do not send, and do not fail."""

REPLIES, CAMPAIGNS, BOUNCES, SENDING, SENDERS, WARMUP, PLAN = (
    "replies",
    "campaigns",
    "campaigns' bounce rates",
    "why active campaigns do not send",
    "senders",
    "senders' warmup by day",
    "plan",
)
"""The parts, as `unknown` names them."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read each part; `unknown` says which were not read, and why."""
    parts = Parts(context)
    found = {REPLIES: await _replies(context, parts)}
    await context.progress(1, 4, "replies read")
    accounts = await parts.records(SENDERS, "list_accounts", most=MAX_SENDERS)
    found[CAMPAIGNS] = await _campaigns(context, parts, accounts)
    await context.progress(2, 4, "campaigns read")
    found[SENDERS] = None if accounts is None else await _senders(context, parts, accounts)
    await context.progress(3, 4, "senders read")
    found[PLAN] = await _plan(context, parts)
    parts.raise_if_nothing_was_read()
    answer = {name: part for name, part in found.items() if part is not None}
    return {**answer, "unknown": parts.unknown} if parts.unknown else answer


async def _replies(context: Context, parts: Parts) -> Record | None:
    """One page, as the list may be asked for 20 times a minute only."""
    page = await parts.call(
        REPLIES,
        "list_emails",
        email_type="received",
        is_unread=True,
        latest_of_thread=True,
        preview_only=True,
        limit=LARGEST_PAGE,
    )
    if page is None:
        return None
    emails = records_of(page)
    if len(emails) >= LARGEST_PAGE:
        parts.unknown[REPLIES] = f"the newest {len(emails)} threads were read, and there may be more"
    # Newest first: of a thread that is there more than once, the last reply counts.
    threads = list({str(email.get("thread_id")): email for email in reversed(emails)}.values())
    waiting = [email for email in threads if not email.get("is_auto_reply")]
    found: Record = {"waiting": len(waiting), "automatic": len(threads) - len(waiting)}
    if not waiting:
        return found
    labels = LABELS["lt_interest_status"]
    interests = [email.get("i_status") for email in waiting]
    found["by_interest"] = dict(Counter(labels.get(one, f"label {one}") for one in interests).most_common())
    found["by_day_utc"] = _by_day(waiting)
    oldest = min(waiting, key=_received)
    found["oldest"] = {"from": str(oldest.get("lead")), "received": _received(oldest), "id": oldest.get("id")}
    return found | _next(context, "triage_replies", "handle_reply")


def _next(context: Context, *names: str) -> Record:
    """What to call next, of these tools, as far as they are offered."""
    told = context.advise(*names)
    return {"next": told} if told else {}


def _by_day(emails: list[Record]) -> dict[str, int]:
    """How many came on which day, newest first; of many days the last ones together."""
    days = sorted(Counter(_received(email)[:10] for email in emails).items(), reverse=True)
    earlier = sum(number for _, number in days[MAX_SHOWN:])
    return {**dict(days[:MAX_SHOWN]), **({"earlier": earlier} if earlier else {})}


def _received(email: Record) -> str:
    return str(email.get("timestamp_email") or email.get("timestamp_created") or "")


async def _campaigns(context: Context, parts: Parts, accounts: list[Record] | None) -> Record | None:
    campaigns = await parts.records(CAMPAIGNS, "list_campaigns", most=MAX_CAMPAIGNS)
    if campaigns is None:
        return None
    campaigns = [one for one in campaigns if context.only_campaign in (None, one.get("id"))]
    figures = await parts.call(BOUNCES, "get_campaign_analytics", exclude_total_leads_count=True)
    rows = {row.get("campaign_id"): row for row in records_of(figures)}
    complete = accounts is not None and SENDERS not in parts.unknown
    may_send = [one for one in accounts or () if not why_not_sending(one) and one.get("daily_limit") != 0]
    able = {_address(one) for one in may_send} if complete else None
    problems = []
    asked = [campaign for campaign in campaigns if campaign.get("status") == ABLE]
    if len(asked) > MAX_DIAGNOSED:
        parts.unknown[SENDING] = f"asked for {MAX_DIAGNOSED} of {len(asked)} active campaigns"
    diagnosed = {campaign["id"] for campaign in asked[:MAX_DIAGNOSED]}
    for campaign in campaigns:
        why = [*_own_problems(campaign, able)]
        if campaign.get("status") == ABLE:
            why += settings_against(campaign, context.now())
        if campaign.get("id") in diagnosed:
            why += await _sending_problem(parts, campaign)
        why += filter(None, [high_bounces(rows.get(campaign.get("id"), {}))])
        if why:
            problems.append({**named(campaign), "why": why, **_next(context, "check_campaign")})
    states = Counter(state(campaign.get("status")) for campaign in campaigns)
    return {"total": len(campaigns), "by_status": dict(states.most_common()), **_some_problems(problems)}


def _own_problems(campaign: Record, able: set[str] | None) -> list[str]:
    """What is wrong by the record of the campaign; `able` are the addresses that can send, where they are known."""
    status = campaign.get("status")
    why = [STOPPED[status]] if status in STOPPED else []
    if status not in (ABLE, *STOPPED) or campaign.get("email_tag_list"):
        return why
    senders = {str(email).lower() for email in campaign.get("email_list") or ()}
    if not senders:
        why.append("it has no senders")
    elif able is not None and senders.isdisjoint(able) and not why:
        why.append("none of its senders can send")
    return why


async def _sending_problem(parts: Parts, campaign: Record) -> list[str]:
    answer = await parts.call(SENDING, "get_campaign_sending_status", id=campaign["id"])
    if writes_to_nobody_new(campaign, answer):
        return [f"not sending: {NEW_LEAD_LIMIT}"]
    status, _ = status_against(answer)
    return [f"not sending: {status}"] if status and not may_pass(answer) else []


async def _senders(context: Context, parts: Parts, accounts: list[Record]) -> Record:
    days = await _warmup_days(parts, accounts)
    failing, weak = [], []
    for account in accounts:
        # Who was paused was paused by someone, and who is in maintenance comes back.
        stopped = None if account.get("status") in RESTING else why_not_sending(account)
        why = [*filter(None, [stopped, fall(days.get(_address(account)))]), *weaknesses(account)]
        told = {"email": account.get("email"), "why": why}
        if stopped:
            failing.append({**told, **_next(context, "get_account", "mark_account_fixed")})
        elif why:
            weak.append({**told, **_next(context, "get_warmup_analytics", "pause_account")})
    able = sum(not why_not_sending(account) for account in accounts)
    paused = sum(account.get("status") == PAUSED for account in accounts)
    return {"total": len(accounts), "can_send": able, "paused": paused, **_some_problems([*failing, *weak])}


async def _warmup_days(parts: Parts, accounts: list[Record]) -> Record:
    found: Record = {}
    emails = [str(account["email"]) for account in accounts if account.get("email")]
    for start in range(0, len(emails), LARGEST_PAGE):
        answer = await parts.call(WARMUP, "get_warmup_analytics", emails=emails[start : start + LARGEST_PAGE])
        if answer is None:
            break
        found |= answer.get("email_date_data") or {}
    return {email.lower(): days for email, days in found.items()}


def _address(account: Record) -> str:
    return str(account.get("email", "")).lower()


def _some_problems(problems: list[Record]) -> Record:
    left = len(problems) - MAX_SHOWN
    return {"problems": problems[:MAX_SHOWN], **({"more_problems": left} if left > 0 else {})}


async def _plan(context: Context, parts: Parts) -> Record | None:
    answer = await parts.call(PLAN, "get_workspace_plan")
    plans = answer.get("subscriptions") if isinstance(answer, dict) else None
    if not isinstance(plans, dict):
        parts.unknown.setdefault(PLAN, "get_workspace_plan told of no subscriptions")
        return None
    outreach, credits = plans.get("outreach") or {}, plans.get("credits") or {}
    used, limit = outreach.get("current_lead_count"), outreach.get("total_lead_limit")
    left = credits.get("available_credits")
    found: Record = {
        "name": outreach.get("plan_name"),
        "leads_used": used,
        "leads_allowed": limit,
        "credits_left": left,
    }
    why = [] if outreach.get("plan_name") else ["no outreach plan: it can send nothing"]
    if isinstance(used, int) and isinstance(limit, int) and used >= NEARLY_FULL * limit:
        why.append("the lead limit is reached" if used >= limit else "the lead limit is nearly reached")
    if isinstance(left, (int, float)) and left <= 0:
        why.append("no credits are left")
    if why:
        found |= {"problems": why, **_next(context, "get_workspace_subscription")}
    return {name: value for name, value in found.items() if value is not None}
