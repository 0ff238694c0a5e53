"""Analytics of sending accounts: what they sent day by day, and how their warmup goes."""

from __future__ import annotations

import collections
import datetime as dt

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, fields, text
from mcp_instantly.sandbox.resources.analytics.ranges import bad_request, check_length, read_instant
from mcp_instantly.sandbox.sending.emails import all_emails
from mcp_instantly.sandbox.sending.engagement import BOUNCE, SENT, EngagementEvent, Tally, engagement_events
from mcp_instantly.sandbox.sending.warmup import warmup_days, warmup_score
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

DEFAULT = 30
"""Days that a request without a start covers."""

TOO_LARGE = "Analytics request is too large for this workspace. Add an emails filter or request a smaller date range"

AT_ONCE = 200
"""Accounts that one request may cover, whether it names them or not."""


@route(
    "GET",
    "/accounts/analytics/daily",
    query={"start_date": text(), "end_date": text(), "emails": array(text(), minItems=1, maxItems=AT_ONCE)},
)
def get_daily(world: World, call: Call) -> list[Record]:
    """A row per day, in UTC, and account on which something happened; of all accounts where there are not too many."""
    query = call.query
    if "emails" not in query and len(world.accounts) > AT_ONCE:
        raise ApiRefusal(413, TOO_LARGE)
    last = read_instant(query["end_date"]).date() if "end_date" in query else world.now().date()
    first = read_instant(query["start_date"]).date() if "start_date" in query else last - dt.timedelta(days=DEFAULT - 1)
    if first > last:
        raise bad_request("start_date must be before end_date")
    check_length(first, last)
    wanted = {email.strip().lower() for email in query["emails"]} if "emails" in query else None
    found: dict[tuple[str, str], list[EngagementEvent]] = collections.defaultdict(list)
    for fact in engagement_events(all_emails(world)):
        if (wanted is None or fact.account in wanted) and first.isoformat() <= fact.date <= last.isoformat():
            found[fact.date, fact.account].append(fact)
    return [_daily_row(date, account, Tally(facts)) for (date, account), facts in sorted(found.items())]


def _daily_row(date: str, account: str, tally: Tally) -> Record:
    return {
        "date": date,
        "email_account": account,
        "bounced": tally.total(BOUNCE),
        "contacted": tally.unique(SENT),
        "new_leads_contacted": tally.first(),
        **tally.engagement(),
    }


@route(
    "POST",
    "/accounts/warmup-analytics",
    scope="accounts:read",
    body=fields("emails", emails=array(text(), minItems=1, maxItems=100)),
)
def get_warmup(world: World, call: Call) -> Record:
    """Addresses without an account are left out."""
    by_date: dict[str, Record] = {}
    in_total: dict[str, Record] = {}
    for email in call.body["emails"]:
        account = world.accounts.get(email.strip().lower())
        days = warmup_days(world, account) if account else {}
        if days:
            by_date[email] = {date: {name: n for name, n in day.items() if n} for date, day in days.items()}
            in_total[email] = _summed(days)
    return {"email_date_data": by_date, "aggregate_data": in_total}


def _summed(days: dict[str, Record]) -> Record:
    total = {
        name: sum(day[name] for day in days.values()) for name in ("sent", "landed_inbox", "landed_spam", "received")
    }
    score = warmup_score(days)
    return {**{name: n for name, n in total.items() if n}, "health_score_label": f"{score}%", "health_score": score}
