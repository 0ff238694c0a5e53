"""Records in the words of the pages: statuses, sorts of emails, what became of them."""

from __future__ import annotations

import json
from urllib.parse import urlencode

from mcp_instantly.sandbox.sending.emails import CAMPAIGN, MANUAL, RECEIVED, SCHEDULED, is_reply
from mcp_instantly.sandbox.sending.engagement import place_of
from mcp_instantly.sandbox.state.table import Record

MAX_BODY_CHARACTERS = 20_000
"""Characters of a call's body that are shown."""

Named = tuple[str, str]
"""A word for a value of the API, and the tone in which it is shown."""

CAMPAIGNS: dict[int, Named] = {
    0: ("Draft", "calm"),
    1: ("Active", "good"),
    2: ("Paused", "warn"),
    3: ("Completed", "calm"),
    4: ("Running subsequences", "good"),
    -1: ("Accounts unhealthy", "bad"),
    -2: ("Bounce protect", "bad"),
    -99: ("Account suspended", "bad"),
}
LEADS: dict[int, Named] = {
    0: ("On a list", "calm"),
    1: ("Active", "good"),
    2: ("Paused", "warn"),
    3: ("Completed", "calm"),
    -1: ("Bounced", "bad"),
    -2: ("Unsubscribed", "bad"),
    -3: ("Skipped", "warn"),
}
ACCOUNTS: dict[int, Named] = {
    1: ("Active", "good"),
    2: ("Paused", "warn"),
    -1: ("Connection error", "bad"),
    -2: ("Soft bounces", "bad"),
    -3: ("Sending error", "bad"),
}
INTEREST_STATUSES: dict[int, Named] = {
    1: ("Interested", "good"),
    2: ("Meeting booked", "good"),
    3: ("Meeting completed", "good"),
    4: ("Won", "good"),
    0: ("Out of office", "calm"),
    -1: ("Not interested", "bad"),
    -2: ("Wrong person", "warn"),
    -3: ("Lost", "bad"),
    -4: ("No show", "bad"),
}
EMAIL_TYPES = {CAMPAIGN: "Campaign", RECEIVED: "Received", MANUAL: "By hand", SCHEDULED: "Scheduled"}
MAILBOXES = {"": "Answered", "unread": "Unread", "all": "All threads"}


def is_sent(email: Record) -> bool:
    """Whether this email of ours has left."""
    return email["ue_type"] in (CAMPAIGN, MANUAL)


def went_well(call: Record) -> bool:
    """Whether a call was answered, and as it should be."""
    return call["status"] is not None and call["status"] < 400 and "fault" not in call


def describe_call(call: Record) -> Record:
    """A call as it is shown: what was asked, the tone of its status, its body."""
    status = call["status"]
    tone = "bad" if status is None or status >= 500 else "warn" if status >= 400 else "good"
    body = "" if call["body"] is None else json.dumps(call["body"], indent=2, ensure_ascii=False)
    query = urlencode([tuple(pair) for pair in call["query"]])
    return {
        **call,
        "asked": f"{call['path']}?{query}" if query else call["path"],
        "tone": tone,
        "shown": body
        if len(body) <= MAX_BODY_CHARACTERS
        else f"{body[:MAX_BODY_CHARACTERS]}\n... {len(body) - MAX_BODY_CHARACTERS:,} characters more",
    }


def count(number: float) -> str:
    """A number as people write it."""
    return f"{number:,}"


def place_name(step: str | None, variant: str | None) -> str:
    """A step and its variant, as people count them: 1A."""
    return f"{int(step or 0) + 1}{chr(ord('A') + int(variant or 0) % 26)}"


def sort_of(email: Record) -> str:
    """What sort of email this is."""
    if is_reply(email):
        return "Automatic reply" if email.get("is_auto_reply") else "Received"
    if email["ue_type"] == RECEIVED:
        return "Report"
    subsequence, step, variant = place_of(email)
    if email["ue_type"] == CAMPAIGN and step is not None:
        return f"{'Subsequence' if subsequence else 'Campaign'}, step {place_name(step, variant)}"
    return EMAIL_TYPES.get(email["ue_type"], "")


def marks(email: Record) -> list[Named]:
    """What became of an email of ours."""
    marks: list[Named] = []
    for field, word in (("_opens", "Opened"), ("_clicks", "Clicked")):
        times = len(email.get(field) or ())
        if times:
            marks.append((word if times == 1 else f"{word} {times} times", "good"))
    marks += [
        (word, "bad") for field, word in (("_bounced", "Bounced"), ("_unsubscribed", "Unsubscribed")) if field in email
    ]
    return marks
