"""Judgements of a campaign before it is launched, from what was read of it: its copy, leads, hours and pace."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
import re
from collections import Counter, defaultdict
from typing import Any

from mcp_instantly.arguments.unwritten_rules import RAW_AMPERSAND
from mcp_instantly.suggestions import suggest
from mcp_instantly.text import quotable, shorten
from mcp_instantly.workflows.parts import placeholders
from mcp_instantly.workflows.parts.partial import Record, amount, share, some
from mcp_instantly.workflows.parts.placeholders import OF_SENDERS, fill, needed, plain, values_of_lead, values_of_sender
from mcp_instantly.workflows.parts.sending_hours import (
    calendar_days,
    days_of_sending,
    days_of_week,
    has_ended,
    is_known_zone,
    is_odd,
    place_of,
    read_hours,
    written,
)
from mcp_instantly.workflows.parts.sequence_views import letter_of
from mcp_instantly.workflows.parts.standstill import new_leads_against

TO_BE_MAILED = 1
INVALID, RISKY, CATCH_ALL = -1, -2, -3

SAMPLES = 3
MAX_BODY_CHARACTERS = 260

GAP_MINUTES = 10
"""Between two emails of a sender where the campaign does not say."""

SENDER_LIMIT = 30
"""Emails a day of a sender that names no limit, taken low."""

SECONDS_OF_UNITS = {"minutes": 60, "hours": 3600, "days": 86_400}

ORDINARY_NAME = re.compile(r"[\w.-]{1,40}( [\w.-]{1,40})?")
"""Names of variables that a blocker may quote: headings of files become variables too, whoever wrote them."""

NONE_LEFT, NO_LEADS_AT_ALL = "no lead is left to be written to", "it has no leads"


@dataclasses.dataclass
class Verdict:
    """What stands against a launch, and what is to be known before it."""

    blockers: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Variant:
    """A variant that is switched on, with its place as people count: step 1, variant A."""

    step: int
    letter: str
    subject: str
    body: str

    @property
    def place(self) -> str:
        return f"step {self.step}, variant {self.letter}"

    @property
    def text(self) -> str:
        return f"{self.subject}\n{self.body}"


def read_steps(campaign: Record) -> list[Record]:
    """The steps of the only sequence that counts."""
    sequences = campaign.get("sequences") or [{}]
    return sequences[0].get("steps") or []


def read_variants(campaign: Record) -> list[Variant]:
    return [
        Variant(number, letter_of(place), str(variant.get("subject") or ""), str(variant.get("body") or ""))
        for number, step in enumerate(read_steps(campaign), 1)
        for place, variant in enumerate(step.get("variants") or ())
        if not variant.get("v_disabled")
    ]


def judge_copy(campaign: Record, verdict: Verdict) -> None:
    """What is wrong with the sequence itself, whoever gets it."""
    variants = read_variants(campaign)
    steps = read_steps(campaign)
    if not steps:
        verdict.blockers.append("it has no steps: give sequences with update_campaign")
    for number in range(1, len(steps) + 1):
        if not any(variant.step == number for variant in variants):
            against = verdict.blockers if number == 1 else verdict.warnings
            against.append(f"step {number} has no variant that is switched on")
    for variant in variants:
        if variant.step == 1 and not variant.subject.strip():
            verdict.blockers.append(f"{variant.place} has no subject")
        if not plain(variant.body):
            verdict.blockers.append(f"{variant.place} has no text")
        if placeholders.has_broken_braces(variant.text):
            verdict.blockers.append(f"{variant.place} has a variable with broken braces")
        if RAW_AMPERSAND.search(variant.body):
            verdict.warnings.append(f"{variant.place} has a raw & in its body, which may empty it: write &amp;")
        if "\n" in variant.body.strip() and "<" not in variant.body:
            verdict.warnings.append(f"{variant.place} is plain text, and its line breaks are lost: write <p> or <br/>")
    offered = campaign.get("insert_unsubscribe_header") or any("unsubscribe" in one.body.lower() for one in variants)
    if variants and not offered:
        verdict.warnings.append("nothing lets people unsubscribe, neither a header nor a line of the copy")
    if campaign.get("stop_on_reply") is False:
        verdict.warnings.append("it goes on writing to people who replied (stop_on_reply is false)")
    if campaign.get("disable_bounce_protect"):
        verdict.warnings.append("bounce protection is off")


def judge_leads(
    campaign: Record, leads: list[Record], blocked: set[str], verdict: Verdict, *, complete: bool
) -> list[Record]:
    """Add what is wrong with the leads, and return those that will be written to.

    `complete`: these are all leads of the campaign.
    """
    risky = bool(campaign.get("allow_risky_contacts"))
    waiting = [lead for lead in leads if lead.get("status") == TO_BE_MAILED]
    refused = (INVALID,) if risky else (INVALID, RISKY, CATCH_ALL)
    skipped = [lead for lead in waiting if lead.get("verification_status") in refused]
    stopped = [lead for lead in waiting if is_blocked(lead, blocked)]
    unverified = [lead for lead in waiting if lead.get("verification_status") is None]
    pending = [lead for lead in waiting if lead.get("verification_status") in (11, 12)]
    if not waiting and complete:
        verdict.blockers.append(NONE_LEFT if leads else NO_LEADS_AT_ALL)
    if skipped:
        kinds = "invalid" if risky else "invalid, risky or catch-all"
        verdict.warnings.append(f"{share(len(skipped), len(waiting))} leads are {kinds}, and are skipped")
    if stopped:
        verdict.warnings.append(f"{amount(len(stopped), 'lead')} on the block list: {some(_emails(stopped))}")
    if unverified:
        verdict.warnings.append(f"{share(len(unverified), len(waiting))} leads were never verified: they may bounce")
    if pending:
        verdict.warnings.append(f"{share(len(pending), len(waiting))} leads wait for their verification to end")
    left_out = {id(lead) for lead in (*skipped, *stopped)}
    return [lead for lead in waiting if id(lead) not in left_out]


def is_blocked(lead: Record, blocked: set[str]) -> bool:
    email = str(lead.get("email", "")).lower()
    return email in blocked or email.rpartition("@")[2] in blocked


def _emails(leads: list[Record]) -> list[str]:
    return [quotable(lead.get("email")) for lead in leads]


def judge_variables(campaign: Record, leads: list[Record], senders: list[Record], verdict: Verdict) -> None:
    """Every variable without a fallback must be filled, by each lead or, where it is of the sender, by each sender."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for variant in read_variants(campaign):
        for name in sorted(needed(variant.text)):
            wanted[name].append(variant.place)
    values = [(lead, values_of_lead(lead)) for lead in leads]
    known = sorted({name for _, has in values for name in has if ORDINARY_NAME.fullmatch(name)})
    for name, where in wanted.items():
        if name in OF_SENDERS:
            empty = [str(one.get("email")) for one in senders if name not in values_of_sender(one)]
            if empty:
                verdict.warnings.append(f"{{{{{name}}}}} ({where[0]}) is empty for {some(empty)}")
            continue
        holes = _emails([lead for lead, has in values if name not in has])
        if holes and len(holes) == len(leads):
            verdict.blockers.append(f"{{{{{name}}}}} ({where[0]}) is filled for no lead.{suggest(name, known)}")
        elif holes:
            number = share(len(holes), len(leads))
            verdict.blockers.append(f"{{{{{name}}}}} ({where[0]}) is empty for {number} leads: {some(holes)}")


def judge_hours(campaign: Record, leads: list[Record], now: dt.datetime, verdict: Verdict) -> Record:
    """The hours of the schedule in its zone and by the clocks of the leads."""
    schedule = campaign.get("campaign_schedule") or {}
    hours = read_hours(schedule)
    if not hours:
        verdict.blockers.append("its schedule has no hour in which it sends")
        return {}
    first = hours[0]
    found: Record = {"own_zone": f"{written(first.begin, first.end)} {first.zone}"}
    found["days_of_week"] = days_of_week(hours)
    for edge in ("start_date", "end_date"):
        if schedule.get(edge):
            found[edge] = schedule[edge]
    places: Counter[tuple[str, str]] = Counter()
    for lead in leads if all(is_known_zone(one.zone) for one in hours) else ():
        place = place_of(values_of_lead(lead), now)
        if place:
            places[place] += 1
    odd = [place for place in places if any(is_odd(*one.at(place[1], now)) for one in hours)]
    if odd:
        late = sum(places[place] for place in odd)
        names = some([f"{name} {written(*first.at(zone, now))}" for name, zone in odd])
        verdict.warnings.append(f"{share(late, len(leads))} leads get email outside 07:00-20:00 of their day: {names}")
    shown = places.most_common(3)
    found["leads_zones"] = {name: f"{written(*first.at(zone, now))} ({number})" for (name, zone), number in shown}
    unplaced = len(leads) - sum(places.values())
    if unplaced:
        found["leads_without_known_zone"] = unplaced
    return found


def estimate_finish(
    campaign: Record, leads: list[Record], senders: list[Record], now: dt.datetime, verdict: Verdict
) -> Record:
    """How long the emails that are left take at best: limits of the campaign and its senders, gaps, days of the week.

    Replies end sequences early, and other campaigns of the same senders take from their limits.
    """
    steps = read_steps(campaign)
    hours = read_hours(campaign.get("campaign_schedule"))
    done = [_steps_done(lead) for lead in leads]
    emails = sum(max(0, len(steps) - number) for number in done)
    new = done.count(0)
    minutes = sum(one.minutes for one in hours[:1])
    gap = campaign.get("email_gap") or GAP_MINUTES
    by_senders = sum(
        min(_limit_of(one), math.ceil(minutes / max(gap, one.get("sending_gap") or 0, 1))) for one in senders
    )
    limit = campaign.get("daily_limit")
    per_day = by_senders if limit is None else min(by_senders, limit)
    if new and (never := new_leads_against(campaign, new, len(leads))):
        # With follow-ups under way, it may be meant: they end, and nobody new is written to.
        against = verdict.warnings if new < len(leads) else verdict.blockers
        against.append(never)
    if senders and hours and emails and not by_senders:
        verdict.blockers.append("the daily_limit of its senders is 0: give a higher one with update_account")
    if not emails or not per_day:
        return {"emails_left": emails, "per_day": per_day}
    most_new = campaign.get("daily_max_leads") or math.inf
    sending = max(days_of_sending(emails, per_day), days_of_sending(new, most_new))
    waits = sum(
        (step.get("delay") or 0) * SECONDS_OF_UNITS.get(step.get("delay_unit") or "days", 86_400) for step in steps[:-1]
    )
    at_least = max(calendar_days(sending, days_of_week(hours)), math.ceil(waits / 86_400) + 1 if new else 1)
    limited = "the campaign's daily_limit" if limit is not None and limit <= by_senders else "its senders"
    found = {"emails_left": emails, "per_day": per_day, "limited_by": limited, "days_at_least": at_least}
    _judge_end(campaign, at_least, now, verdict)
    return found


def _judge_end(campaign: Record, at_least: int, now: dt.datetime, verdict: Verdict) -> None:
    schedule = campaign.get("campaign_schedule") or {}
    if not schedule.get("end_date") or has_ended(schedule, now):
        return
    today = now.date().isoformat()
    first, last = max(str(schedule.get("start_date") or today)[:10], today), str(schedule["end_date"])[:10]
    if (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days + 1 < at_least:
        verdict.warnings.append(f"it ends on {last}, and needs {at_least} days at least from {first}")


def _limit_of(account: Record) -> int:
    limit = account.get("daily_limit")
    return int(SENDER_LIMIT if limit is None else limit)


def _steps_done(lead: Record) -> int:
    """How many steps a lead has had, by the last one: `0_1_0` is the second."""
    last = (lead.get("status_summary") or {}).get("lastStep") or {}
    identity = (last.get("stepID") or "").split("_")
    return int(identity[1]) + 1 if len(identity) == 3 and identity[1].isdecimal() else 0


def variables_of_leads(campaign: Record) -> set[str]:
    """The variables that each lead must fill."""
    return set().union(*(needed(variant.text) for variant in read_variants(campaign))) - set(OF_SENDERS)


def render_samples(campaign: Record, leads: list[Record], senders: list[Record]) -> list[Record]:
    """Emails of the first step as leads would read them: those that come first, and the one with most holes."""
    variants = [variant for variant in read_variants(campaign) if variant.step == 1]
    if not variants or not leads:
        return []
    wanted = variables_of_leads(campaign)
    worst = max(leads, key=lambda lead: len(wanted - set(values_of_lead(lead))))
    chosen = leads[:SAMPLES]
    if not any(lead is worst for lead in chosen):
        chosen[-1] = worst
    found = []
    for number, lead in enumerate(chosen):
        variant = variants[number % len(variants)]
        sender = senders[number % len(senders)] if senders else {}
        own = values_of_sender(sender) if sender else {name: f"[{name}]" for name in OF_SENDERS}
        values: dict[str, Any] = {**values_of_lead(lead), **own}
        sample = {"to": lead.get("email"), "from": sender.get("email"), "variant": variant.letter}
        sample["subject"] = shorten(fill(variant.subject, values), 120)
        sample["text"] = shorten(plain(fill(variant.body, values)), MAX_BODY_CHARACTERS)
        found.append(sample)
    return found
