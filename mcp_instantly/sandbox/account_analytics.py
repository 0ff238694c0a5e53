"""Analytics of sending accounts: what they sent day by day, and how their warmup goes."""

from __future__ import annotations

import collections
import datetime as dt

from mcp_instantly.sandbox.analytics import bad_request, read_instant
from mcp_instantly.sandbox.answers import Refusal
from mcp_instantly.sandbox.clock import parse
from mcp_instantly.sandbox.happenings import BOUNCE, SENT, Happening, Tally, happenings
from mcp_instantly.sandbox.routes import Call, route
from mcp_instantly.sandbox.shapes import array, fields, text
from mcp_instantly.sandbox.table import Record
from mcp_instantly.sandbox.world import World

LONGEST = 31
"""Days that one request may cover."""

DEFAULT = 30
"""Days that a request without a start covers."""

SHOWN = 14
"""Days of warmup that are told one by one."""


@route(
    "GET",
    "/accounts/analytics/daily",
    query={"start_date": text(), "end_date": text(), "emails": array(text(), minItems=1, maxItems=200)},
)
def get_daily(world: World, call: Call) -> list[Record]:
    """A row per day, in UTC, and account on which something happened; asking for all accounts at once is too much."""
    query = call.query
    if "emails" not in query:
        raise Refusal(413, "The analytics request is too large. Specify the emails and a shorter date range")
    last = read_instant(query["end_date"]).date() if "end_date" in query else world.now().date()
    first = read_instant(query["start_date"]).date() if "start_date" in query else last - dt.timedelta(days=DEFAULT - 1)
    if first > last:
        raise bad_request("start_date must be before end_date")
    if (last - first).days >= LONGEST:
        raise bad_request(f"The date range cannot exceed {LONGEST} days")
    wanted = {email.strip().lower() for email in query["emails"]}
    found: dict[tuple[str, str], list[Happening]] = collections.defaultdict(list)
    for fact in happenings(world.emails):
        if fact.account in wanted and first.isoformat() <= fact.date <= last.isoformat():
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


@route("POST", "/accounts/warmup-analytics", body=fields("emails", emails=array(text(), minItems=1, maxItems=100)))
def get_warmup(world: World, call: Call) -> Record:
    """Addresses that are no accounts are passed over in silence."""
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


def warmup_score(days: dict[str, Record]) -> int:
    """The share of warmup mails that reached the inbox, in percent."""
    sent = sum(day["sent"] for day in days.values())
    return round(100 * sum(day["landed_inbox"] for day in days.values()) / sent) if sent else 0


def warmup_days(world: World, account: Record) -> dict[str, Record]:
    """What an account's warmup did on each of the last days; it follows from the seed, the account and the date."""
    if "timestamp_warmup_start" not in account:
        return {}
    began = parse(account["timestamp_warmup_start"]).date()
    until = world.now() if account["warmup_status"] == 1 else parse(account["timestamp_updated"])
    settings = account.get("warmup") or {}
    days = {}
    for ago in range(SHOWN, 0, -1):
        date = until.date() - dt.timedelta(days=ago)
        age = (date - began).days
        if age >= 0:
            days[date.isoformat()] = _warmup_day(
                world, account["email"], date.isoformat(), age, settings.get("limit") or 10, account.get("_spam")
            )
    return days


def _warmup_day(world: World, email: str, date: str, age: int, limit: float, risk: float | None) -> Record:
    # The volume grows by two a day; a young address lands in spam more often.
    full = min(limit, 2 + 2 * age)
    sent = max(1, round(full * (0.85 + 0.15 * world.chance("warmup", email, date))))
    if risk is None:
        risk = 0.12 if age < 14 else 0.01
    spam = sum(world.chance("spam", email, date, n) < risk for n in range(sent))
    received = max(1, round(full * (0.8 + 0.2 * world.chance("received", email, date))))
    return {"sent": sent, "landed_inbox": sent - spam, "landed_spam": spam, "received": received}
