"""How many emails a sender may write per day, and how it gets there with a slow ramp.

A sender's day is that of UTC, as in its analytics: the campaigns that share it need not agree on when a day begins.
"""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.sending.sent_times import count_since, note_instant
from mcp_instantly.sandbox.state.clock import day_start
from mcp_instantly.sandbox.state.table import Record

DAILY_LIMIT = 50
"""Emails per day of a sender that sets no limit."""

RAMP = 2
"""Emails on the first day of a slow ramp, and how many more there are on each day that follows."""


def full_limit(account: Record) -> float:
    limit = account.get("daily_limit")
    return DAILY_LIMIT if limit is None else limit


def limit_on(account: Record, date: dt.date) -> float:
    """What the sender may send on this day: with a slow ramp, more from day to day until it is all."""
    if not account.get("enable_slow_ramp"):
        return full_limit(account)
    began = dt.date.fromisoformat(account["_ramp"]) if "_ramp" in account else date
    return min(full_limit(account), RAMP * ((date - began).days + 1))


def is_full(account: Record, now: dt.datetime) -> bool:
    """Whether the sender has written all its emails of today, in whatever campaigns."""
    return count_since(account.get("_sent"), day_start(now)) >= limit_on(account, now.date())


def in_gap(account: Record, now: dt.datetime) -> bool:
    """Whether the sender's own gap since its last email is not over, whatever campaign that was of."""
    last = (account.get("_sent") or [0.0])[-1]
    return bool(now.timestamp() < last + 60 * (account.get("sending_gap") or 0))


def note_email(account: Record, now: dt.datetime) -> None:
    """Count an email. A ramp begins with the first one that is sent while it is on, and is forgotten when it is off."""
    note_instant(account.setdefault("_sent", []), now)
    if account.get("enable_slow_ramp"):
        account.setdefault("_ramp", now.date().isoformat())
    else:
        account.pop("_ramp", None)
