"""The limits that a person sets, as data; and each of them in a sentence."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from mcp_instantly.guards.costs import EMAILS, KINDS, UNITS
from mcp_instantly.text import join_words

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

THINGS = ("id", "campaign", "campaign_id")
"""Arguments that say for which campaign a call is, for preconditions."""

WRITTEN = {"replies": "reply_to_email", "forwards": "forward_email", "tests": "send_test_email"}
"""Emails written by hand, and the tool that writes them."""


@dataclasses.dataclass(frozen=True)
class Limit:
    """The most of a kind for one call, and within any 24 hours; None for as much as one likes."""

    per_call: int | None = None
    per_day: int | None = None


@dataclasses.dataclass(frozen=True)
class QuietHours:
    """When nothing is sent: from a minute of the day to another one, on days that are 0 for Monday.

    `until` is up to 1440, which is midnight at the end; one that is not after `start` is on the next day, and the day
    is that of the start.
    """

    zone: ZoneInfo
    start: int
    until: int
    days: tuple[int, ...]

    def hold(self, at: datetime.datetime) -> bool:
        """Whether a moment, with its time zone, lies within."""
        local = at.astimezone(self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.until:
            return today in self.days and self.start <= minute < self.until
        begun_today = today in self.days and minute >= self.start
        return begun_today or ((today - 1) % 7 in self.days and minute < self.until)

    def __str__(self) -> str:
        days = "every day" if len(self.days) == 7 else "on " + join_words([DAYS[day] for day in self.days], "and")
        next_day = " of the next day" if self.until <= self.start else ""
        return f"from {_clock(self.start)} to {_clock(self.until)}{next_day}, {days} ({self.zone.key})"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@dataclasses.dataclass(frozen=True)
class Precondition:
    """`needs` must have been called for the same thing within some minutes, without blockers, before `call` is."""

    call: str
    needs: str
    within_minutes: int


@dataclasses.dataclass(frozen=True)
class Policy:
    """What a person forbids. Ids and addresses are in lower case; no entry means no limit.

    `recipients` are, by kind of email, addresses and domains that may be written to. `assumed_credits` is what a call
    of a tool is taken to spend where nobody can tell. `ledger` is the file in which is kept what was used.
    """

    never_call: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    recipients: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    limits: Mapping[str, Limit] = dataclasses.field(default_factory=dict)
    assumed_credits: Mapping[str, int] = dataclasses.field(default_factory=dict)
    quiet_hours: tuple[QuietHours, ...] = ()
    before: tuple[Precondition, ...] = ()
    ledger: Path | None = None

    @property
    def needs_ledger(self) -> bool:
        """Whether anything must be remembered from one call to another."""
        return bool(self.before) or any(limit.per_day is not None for limit in self.limits.values())

    @property
    def per_day(self) -> dict[str, int]:
        """The most within 24 hours, by kind, where there is any."""
        return {kind: limit.per_day for kind, limit in self.limits.items() if limit.per_day is not None}

    def sentences(self) -> Iterator[str]:
        """Each rule with its name, in a sentence."""
        if self.never_call:
            yield f"never_call: nothing calls {join_words(list(self.never_call), 'or')}."
        for name in ("campaigns", "lists", "accounts"):
            things = getattr(self, name)
            if things:
                yield f"protect.{name}: nothing is changed that names one of {_list(things)}, or that belongs to one."
        for kind, allowed in self.recipients.items():
            to = f"only to {_list(allowed)}" if allowed else "to nobody"
            yield f"recipients.{kind}: {WRITTEN[kind]} writes {to}; every recipient counts, copies too."
        for kind in KINDS:
            yield from self._limit_sentences(kind)
        if self.assumed_credits:
            given = [f"{amount:,} for {tool}" for tool, amount in self.assumed_credits.items()]
            yield f"limits.credits.assumed: a call is taken to spend {_list(given)}."
        for quiet in self.quiet_hours:
            yield f"quiet_hours: nothing that sends email is called {quiet}."
        for one in self.before:
            yield (
                f"before: {one.call} is called only if {one.needs} was called for the same campaign within the "
                f"{one.within_minutes} minutes before, found no blockers and left nothing out in which some may be, "
                "and nothing was changed by a call that names the campaign since."
            )

    def _limit_sentences(self, kind: str) -> Iterator[str]:
        limit = self.limits.get(kind)
        if limit is None:
            return
        counted = " (each recipient is one)" if kind == EMAILS else ""
        if limit.per_call is not None:
            yield f"limits.{kind}.per_call: {UNITS[kind]} in one call{counted}: at most {limit.per_call:,}."
        if limit.per_day is not None:
            yield f"limits.{kind}.per_day: {UNITS[kind]} within any 24 hours{counted}: at most {limit.per_day:,}."


def allows(allowed: Iterable[str], address: str) -> bool:
    """Whether an address, in lower case, is one of those allowed, or at one of the domains."""
    name, at, domain = address.partition("@")
    return bool(name and at) and any(one in (address, domain) for one in allowed)


def _list(names: Iterable[str]) -> str:
    return join_words(list(names), "and")
