"""Which label a reply would get: plain rules in place of the API's AI, so that the same text always gets the same."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mcp_instantly.sandbox.state.table import Record

OUT_OF_OFFICE, WRONG_PERSON, NOT_INTERESTED = "Out of Office", "Wrong Person", "Not Interested"
BOOKED, INTERESTED, NEUTRAL = "Meeting Booked", "Interested", "Neutral"

# The first that occurs in a reply decides: a refusal often speaks of interest too, and a note of absence of anything.
SIGNS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (label, re.compile(rf"\b({signs})\b"))
    for label, signs in (
        (
            OUT_OF_OFFICE,
            r"out of (the )?office|(on|annual|parental|maternity|sick) leave|on vacation|on holiday"
            r"|automatic reply|auto-?reply|limited access to e-?mail",
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
            r"|call me|send me|short call|book a call|happy to|what does (this|it) cost|how much|pric(e|es|ing)",
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
