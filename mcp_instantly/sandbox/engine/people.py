"""Scripted people: what a lead does with an email, as a test or a scenario says it.

An entry is a JSON object:

    {
      "lead": "ann@prospect.example",
      "on": "first_email",
      "after_hours": 3,
      "reply": {"text": "What does it cost?", "attachments": ["terms.pdf"]}
    }

- `on` is the email that it follows: `first_email`, `any_email`, `step_2` (of the campaign, counted from 1), or
  `our_reply`, an email that was written by hand.
- `after_hours` later (1 by default) the lead does what the entry says, in this order: `open`, `click` (true), `reply`,
  `unsubscribe` (true). Or it does not receive the email: `bounce` is the text of the report.
- A `reply` has `text`, `html` or both, and optionally `subject`, `attachments` (names of files) and `automatic`. A list
  of them comes in turn, each `after_hours` behind the one before (1 by default, 0 for the first).
- Each entry happens once. An email starts the first one that fits and has not happened yet, in the order in which they
  were added; so two entries on `our_reply` are two replies of a conversation.
- Whoever has an entry does nothing else, whatever the address says. One without an action makes a lead silent.

The lead need not exist yet: the address counts, in any campaign of the workspace.
"""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.shapes import CLOSED, Validator, array, boolean, fields, is_address, number, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

FIRST_EMAIL, ANY_EMAIL, OUR_REPLY = "first_email", "any_email", "our_reply"
_STEP = re.compile(r"step_([1-9][0-9]{0,2})")

AFTER_HOURS = 1
"""Hours from an email to what the lead does, and from one reply to the next, where the entry does not say."""

LONGEST_HOURS = 87_600
"""Hours from an email to the last thing that an entry says of it: ten years."""

_HOURS = number(minimum=0, maximum=LONGEST_HOURS)
_REPLY = fields(
    "",
    CLOSED,
    text=text(),
    html=text(),
    subject=text(),
    attachments=array(text(minLength=1)),
    automatic=boolean(),
    after_hours=_HOURS,
)
_ENTRY = Validator(
    fields(
        "lead on",
        CLOSED,
        lead=text(),
        on=text(),
        after_hours=_HOURS,
        open=boolean(),
        click=boolean(),
        reply=array(_REPLY, minItems=1),
        unsubscribe=boolean(),
        bounce=text(minLength=1),
    )
)


def add_person(world: World, entry: Any) -> Record:
    """Note what a lead is to do. Raises ValueError with a sentence that says what is wrong with the entry."""
    if isinstance(entry, dict) and isinstance(entry.get("reply"), dict):
        entry = {**entry, "reply": [entry["reply"]]}
    try:
        _ENTRY.check(entry, "entry")
    except ApiRefusal as refusal:
        raise ValueError(str(refusal)) from None
    _check(entry)
    record = {"id": str(world.number()), **entry, "lead": entry["lead"].lower(), "_happened": None}
    return world.people.add(record)


def _check(entry: dict[str, Any]) -> None:
    if not is_address(entry["lead"]):
        raise ValueError(f"lead must be an email address, which {entry['lead']!r} is not")
    if entry["on"] not in (FIRST_EMAIL, ANY_EMAIL, OUR_REPLY) and step_of(entry["on"]) is None:
        raise ValueError(
            f"on must be first_email, any_email, our_reply or a step such as step_2, which {entry['on']!r} is not"
        )
    if "bounce" in entry and any(entry.get(name) for name in ("open", "click", "reply", "unsubscribe")):
        raise ValueError("an email that bounces reaches nobody: bounce goes with no open, click, reply or unsubscribe")
    for place, reply in enumerate(entry.get("reply", ()), 1):
        if not (reply.get("text") or reply.get("html") or reply.get("attachments")):
            raise ValueError(f"reply {place} must have text, html or attachments")
    if (
        entry.get("after_hours", 0) + sum(reply.get("after_hours", 1) for reply in entry.get("reply", ()))
        > LONGEST_HOURS
    ):
        raise ValueError(f"all that an entry says must happen within {LONGEST_HOURS} hours")


def step_of(on: str) -> int | None:
    """The step, counted from 0, that `step_2` names; None for another event."""
    found = _STEP.fullmatch(on)
    return int(found[1]) - 1 if found else None


def describe_person(person: Record) -> Record:
    """An entry as it was given, with its id, and when the email came that started it (null: not yet)."""
    return {**{name: value for name, value in person.items() if name[0] != "_"}, "happened": person["_happened"]}
