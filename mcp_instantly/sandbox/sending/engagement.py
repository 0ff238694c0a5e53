"""What has happened, computed from the emails and leads there are: the raw material of all analytics."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from mcp_instantly.sandbox.sending.emails import CAMPAIGN, all_emails, is_reply
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SENT, OPEN, CLICK, REPLY, AUTO, BOUNCE, UNSUBSCRIBE = "sent", "open", "click", "reply", "auto", "bounce", "unsubscribe"

MARKS = {"_bounced": BOUNCE, "_unsubscribed": UNSUBSCRIBE}

Place = tuple[str | None, str | None, str | None]
"""Subsequence, step and variant, the latter two counted from 0; None where that is not known."""


@dataclasses.dataclass(frozen=True)
class EngagementEvent:
    what: str
    at: str
    lead: tuple[str | None, str]
    """Campaign and address: the same person in two campaigns counts as two."""
    account: str
    place: Place
    first: bool = False
    """Whether this is the first email to the lead."""

    @property
    def date(self) -> str:
        return self.at[:10]


def engagement_events(emails: Iterable[Record]) -> Iterator[EngagementEvent]:
    """All that happened to these emails, which come in the order in which they were sent."""
    met: set[tuple[str | None, str]] = set()
    for email in emails:
        lead = (email.get("campaign_id"), email.get("lead", ""))
        about = {"lead": lead, "account": email["eaccount"], "place": place_of(email)}
        if is_reply(email):
            yield EngagementEvent(AUTO if email.get("is_auto_reply") else REPLY, email["timestamp_email"], **about)
        elif email["ue_type"] == CAMPAIGN:
            yield EngagementEvent(SENT, email["timestamp_email"], first=lead not in met, **about)
            met.add(lead)
            for what, stamps in ((OPEN, email.get("_opens")), (CLICK, email.get("_clicks"))):
                for at in stamps or ():
                    yield EngagementEvent(what, at, **about)
            for mark, what in MARKS.items():
                if mark in email:
                    yield EngagementEvent(what, email[mark], **about)


def place_of(email: Record) -> Place:
    if "step" not in email:
        return email.get("subsequence_id"), None, None
    _, step, variant = email["step"].split("_")
    return email.get("subsequence_id"), step, variant


@dataclasses.dataclass(frozen=True)
class Opportunity:
    """A change of a lead's interest to something positive or not."""

    at: str
    lead: str
    value: float
    place: Place

    @property
    def date(self) -> str:
        return self.at[:10]


def interests(world: World, campaign_id: str) -> Iterator[Opportunity]:
    """Every interest that leads of a campaign were given while in it, oldest first per lead."""
    for lead in world.leads.where(campaign=campaign_id):
        for at, value, where in lead.get("_interests", ()):
            if where == campaign_id:
                yield Opportunity(at, lead["id"], value, _answered_place(world, lead))


def _answered_place(world: World, lead: Record) -> Place:
    """The step that moved the lead: that of its last reply, or else of the last email to it."""
    emails = [email for email in all_emails(world, lead_id=lead["id"]) if "step" in email]
    answers = [email for email in emails if is_reply(email)]
    last = (answers or emails)[-1:]
    return place_of(last[0]) if last else (None, None, None)


class Tally:
    """Happenings counted: how many, by how many leads, by how many leads per step."""

    def __init__(self, found: Iterable[EngagementEvent]):
        self._found: dict[str, list[EngagementEvent]] = collections.defaultdict(list)
        for event in found:
            self._found[event.what].append(event)

    def total(self, kind: str) -> int:
        return len(self._found[kind])

    def unique(self, kind: str) -> int:
        return len({event.lead for event in self._found[kind]})

    def by_step(self, kind: str) -> int:
        return len({(event.lead, event.place[:2]) for event in self._found[kind]})

    def first(self) -> int:
        return sum(event.first for event in self._found[SENT])

    def engagement(self) -> dict[str, Any]:
        """The columns that daily rows and steps have in common; automatic replies are in columns of their own alone."""
        return {
            "sent": self.total(SENT),
            "opened": self.total(OPEN),
            "unique_opened": self.unique(OPEN),
            "replies": self.total(REPLY),
            "unique_replies": self.unique(REPLY),
            "replies_automatic": self.total(AUTO),
            "unique_replies_automatic": self.unique(AUTO),
            "clicks": self.total(CLICK),
            "unique_clicks": self.unique(CLICK),
        }
