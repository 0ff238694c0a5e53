"""How many letters a sender may write per day, and how it gets there with a slow ramp."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.table import Record

DAILY_LIMIT = 50
"""Letters per day of a sender that sets no limit."""

RAMP = 2
"""Letters on the first day of a slow ramp, and how many more there are on each day that follows."""


def full_limit(account: Record) -> float:
    limit = account.get("daily_limit")
    return DAILY_LIMIT if limit is None else limit


def limit_on(account: Record, day: str) -> float:
    """What the sender may send on this day: with a slow ramp, more from day to day until it is all."""
    if not account.get("enable_slow_ramp"):
        return full_limit(account)
    began = dt.date.fromisoformat(account.get("_ramp", day))
    days = max((dt.date.fromisoformat(day) - began).days, 0)
    return min(full_limit(account), RAMP * (days + 1))


def note_day(account: Record, day: str) -> None:
    """A ramp begins with the first letter that is sent while it is on; one that was switched off is forgotten."""
    if account.get("enable_slow_ramp"):
        account.setdefault("_ramp", day)
    else:
        account.pop("_ramp", None)
