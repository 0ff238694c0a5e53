"""What the warmup of an account has done, day by day: it follows from the settings that were in force on each day.

Of the API's settings, `limit`, `increment`, `reply_rate` and `weekday_only` show in what the API tells. The others are
about what other mailboxes do with the mail, of which it tells nothing.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SHOWN = 7
"""Days of warmup that are reported one by one, today included."""

LIMIT, INCREMENT, MOST = 10, "2", 200
"""Mails a day and their daily increase where an account does not say, and how many there are at most."""

YOUNG, YOUNG_RISK, RISK = 14, 0.12, 0.01
"""For how many days an address is new, and how much of its mail lands in spam then, and later."""

Chapter = list[Any]
"""The date since which settings hold, the settings (None: warmup is off), and on how many days it was on before."""


def history(account: Record) -> list[Chapter]:
    """The chapters of an account's warmup, oldest first. One that was made with its warmup on has not changed since."""
    if "_warmup" in account:
        found: list[list[Any]] = account["_warmup"]
        return found
    if "timestamp_warmup_start" not in account:
        return []
    first: Chapter = [account["timestamp_warmup_start"][:10], account.get("warmup") or {}, 0]
    if account["warmup_status"] == 1:
        return [first]
    end = account["timestamp_updated"][:10]
    return [first, [end, None, _age(first, dt.date.fromisoformat(end))]]


def note_change(world: World, account: Record, before: list[Chapter]) -> None:
    """The warmup was switched on or off, or its settings have changed: this holds from today on."""
    today = world.now().date()
    kept = [chapter for chapter in before if chapter[0] < today.isoformat()]
    settings = dict(account.get("warmup") or {}) if account["warmup_status"] == 1 else None
    account["_warmup"] = [*kept, [today.isoformat(), settings, _age(kept[-1], today) if kept else 0]]


def warmup_days(world: World, account: Record) -> dict[str, Record]:
    """The last days on which the account took part, today included, by date."""
    chapters, days = history(account), {}
    for ago in reversed(range(SHOWN)):
        date = world.now().date() - dt.timedelta(days=ago)
        chapter = next((found for found in reversed(chapters) if found[0] <= date.isoformat()), None)
        if chapter and _age(chapter, date + dt.timedelta(days=1)) > _age(chapter, date):
            day = _day(world, account, date.isoformat(), _age(chapter, date), chapter[1])
            days[date.isoformat()] = day if ago else _until(world.now(), day)
    return {date: day for date, day in days.items() if day["sent"]}


def _until(now: dt.datetime, day: Record) -> Record:
    """What of a day's warmup has happened by now, evenly over the day."""
    share = (now.hour * 3600 + now.minute * 60 + now.second) / 86_400
    sent, spam, received = (int(day[name] * share) for name in ("sent", "landed_spam", "received"))
    return {"sent": sent, "landed_inbox": sent - spam, "landed_spam": spam, "received": received}


def _age(chapter: Chapter, date: dt.date) -> int:
    """On how many days before this one the account had taken part."""
    since, settings, before = chapter
    if settings is None:
        return int(before)
    begin = dt.date.fromisoformat(since)
    days = max((date - begin).days, 0)
    if not (settings.get("advanced") or {}).get("weekday_only"):
        return int(before + days)
    weeks, rest = divmod(days, 7)
    return int(before + 5 * weeks + sum((begin.weekday() + day) % 7 < 5 for day in range(rest)))


def warmup_score(days: dict[str, Record]) -> int:
    """The share of warmup emails that reached the inbox, in percent."""
    sent = sum(day["sent"] for day in days.values())
    return round(100 * sum(day["landed_inbox"] for day in days.values()) / sent) if sent else 0


def rate(world: World, account: Record) -> Record:
    """The account, with the score of the days before today; one whose warmup has long been off keeps its last."""
    today = world.stamp()[:10]
    if account.get("_rated") != today:
        account["_rated"] = today
        if days := {date: day for date, day in warmup_days(world, account).items() if date != today}:
            account["stat_warmup_score"] = warmup_score(days)
    return account


def _day(world: World, account: Record, date: str, age: int, settings: Record) -> Record:
    email, risk = account["email"], account.get("_spam")
    increment, limit = settings.get("increment", INCREMENT), settings.get("limit")
    full = min(LIMIT if limit is None else limit, MOST)
    if increment != "disabled":
        full = min(full, int(increment) * (age + 1))
    sent = max(1, round(full * (0.85 + 0.15 * world.chance("warmup", email, date))))
    if risk is None:
        risk = YOUNG_RISK if age < YOUNG else RISK
    spam = int(sent * risk + world.chance("spam", email, date))
    # Others write as much, and answer a part of what they got.
    answers = round(sent * min(max(settings.get("reply_rate") or 0, 0), 1))
    received = max(1, round(full * (0.8 + 0.2 * world.chance("received", email, date)))) + answers
    return {"sent": sent, "landed_inbox": sent - spam, "landed_spam": spam, "received": received}
