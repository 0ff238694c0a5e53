"""Which label a reply gets: plain rules in place of the API's AI, so that the same text always gets the same.

A reply that comes in is labelled within seconds; a neutral one is left without a label.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable

from mcp_instantly.sandbox.resources.leads.records import payload_of, set_interest
from mcp_instantly.sandbox.sending.absences import return_date
from mcp_instantly.sandbox.sending.emails import new_words
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

OUT_OF_OFFICE, WRONG_PERSON, NOT_INTERESTED = "Out of Office", "Wrong Person", "Not Interested"
BOOKED, INTERESTED, NEUTRAL = "Meeting Booked", "Interested", "Neutral"

BUILT_IN = {OUT_OF_OFFICE: 0, INTERESTED: 1, BOOKED: 2, NOT_INTERESTED: -1, WRONG_PERSON: -2}
"""The interest statuses of the built-in labels; a neutral reply gets none."""

AI_INTEREST = {INTERESTED: 0.9, BOOKED: 0.97, NEUTRAL: 0.5, WRONG_PERSON: 0.2, NOT_INTERESTED: 0.05}
"""What the API's AI makes of the interest in a reply with such a label, from 0 to 1."""

# The first that occurs in a reply decides: a refusal often speaks of interest too, and a note of absence of anything.
SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(rf"\b({signs})\b"))
    for label, signs in (
        (
            OUT_OF_OFFICE,
            r"out of (the )?office|away (until|till|from)|(on|annual|parental|maternity|sick) leave"
            r"|on vacation|on holiday|automatic reply|auto-?reply|limited access to e-?mail",
        ),
        (
            WRONG_PERSON,
            r"wrong (person|contact|address)|not the (right|best) (person|contact)|try my colleague"
            r"|no longer (work|with|at)|left the company",
        ),
        (
            NOT_INTERESTED,
            r"not (really |very |currently |at all )?interested|isn't interested|no interest|no,? thanks?( you)?"
            r"|no need|unsubscribe|remove me|take me off|stop (e-?mailing|writing|contacting)|well served|not for us",
        ),
        (
            BOOKED,
            r"(booked|scheduled|reserved|picked) (a|the|your|our|one) (slot|time|call|meeting|demo)"
            r"|accepted (the|your) invit(e|ation)|see you (on|at|then|tomorrow)",
        ),
        (
            INTERESTED,
            r"interest(ed|ing)|sounds (good|great)|(tell|hear|know|learn) (me )?more|let's (talk|chat|speak|meet)"
            r"|call me|send me|(could|can) you (please )?show (me|us)|short call|book a call|happy to"
            r"|what does (this|it) cost|how much|pric(e|es|ing)",
        ),
    )
)

_FILLERS = re.compile(
    r"a|about|again|an|and|are|as|at|be|by|for|from|has|have|he|her|his|i|in|is|it|its|of|on|or|our|she|so|that|the"
    r"|their|them|they|this|to|us|was|we|who|will|with|would|you|your|leads?|reply|replies|person|someone"
)


def label_reply(text: str, labels: Iterable[Record]) -> str:
    """The name of the label that fits a reply best: one of `labels`, or else a built-in one."""
    said = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    plain = next((label for label, signs in SIGNS if signs.search(said)), NEUTRAL)
    if plain == OUT_OF_OFFICE:
        return plain
    refused = plain in (NOT_INTERESTED, WRONG_PERSON)
    words = _words(said)
    best, most = plain, 0.0
    for label in labels:
        fit = _fit(words, label)
        # Who refuses may well use the words of a label for the willing.
        if fit > most and not (refused and label["interest_status_label"] == "positive"):
            best, most = label["label"], fit
    return best


def _fit(words: set[str], label: Record) -> float:
    """How well a label fits these words: by all words of its name, or by several of its description."""
    name, description = _words(label["label"]), _words(label.get("description") or "")
    if name and name <= words:
        return 1.0 + len(name)
    common = len(description & words)
    return common / len(description) if common >= 2 and common * 4 >= len(description) else 0.0


def _words(text: str) -> set[str]:
    """The words that say something, without their endings."""
    words = re.findall(r"[^\W\d_]+", text.lower())
    return {
        re.sub(r"(ing|ed|es|s|e)$", "", word) if len(word) > 4 else word
        for word in words
        if not _FILLERS.fullmatch(word)
    }


# of replies that come in


@action
def label_received(world: World, email_id: str) -> None:
    """Give the author of a reply the label that fits it, unless somebody has switched that off for the lead."""
    email = world.emails.get(email_id)
    lead = world.leads.get(email.get("lead_id", "")) if email else None
    if email is None or lead is None or lead.get("_no_auto_interest"):
        return
    labels = [label for label in world.lead_labels if label.get("use_with_ai")]
    name = label_reply(new_words(email), labels)
    own = next((label["interest_status"] for label in labels if label["label"] == name), None)
    value = BUILT_IN.get(name) if own is None else own
    world.emails.change(email, ai_interest_value=AI_INTEREST.get(name, 0.7 if own is not None else None))
    if value is None:
        return
    if name == OUT_OF_OFFICE:
        _pause(world, lead, new_words(email))
    if lead.get("lt_interest_status") == value:
        world.emails.change(email, i_status=value)
    else:
        set_interest(world, [lead["id"]], value)


def _pause(world: World, lead: Record, note: str) -> None:
    """Let the lead's next step wait for the day of the return that a note names."""
    back = return_date(note, world.now().date())
    if back is not None:
        until = stamp(dt.datetime.combine(back, dt.time(), dt.timezone.utc))
        world.leads.change(lead, _pause_until=until)
        world.leads.change(lead, payload=payload_of(lead))
