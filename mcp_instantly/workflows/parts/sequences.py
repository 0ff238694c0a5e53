"""Sequences of campaigns: edits of their steps and variants, what is wrong with them, and what may not be meant."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from mcp_instantly.arguments.unwritten_rules import RAW_AMPERSAND
from mcp_instantly.text import name_some, shorten
from mcp_instantly.workflows.parts.placeholders import OF_LEADS, OF_SENDERS
from mcp_instantly.workflows.parts.sequence_views import letter_of, wait_of

Edit = dict[str, Any]
Step = dict[str, Any]

MAX_VARIANTS = 26

TAG = re.compile(r"<[a-z!/][^>]*>", re.IGNORECASE)
LINE_IN_TEXT = re.compile(r"[^\s>][ \t]*\r?\n\s*[^\s<]")
VARIABLE = re.compile(r"\{\{\s*([^{}|]+?)\s*\}\}")

NEEDED = {
    "add_variant": ("subject", "body"),
    "change_variant": ("variant",),
    "disable_variant": ("variant",),
    "enable_variant": ("variant",),
    "insert_step": ("subject", "body"),
    "remove_step": (),
    "change_delay": ("delay",),
}
TAKEN = {
    **NEEDED,
    "change_variant": ("variant", "subject", "body"),
    "insert_step": ("subject", "body", "delay", "delay_unit"),
    "change_delay": ("delay", "delay_unit"),
}
"""What an action takes beside its step."""


class SequenceEdits:
    """Sequences with edits; `done` says in words what was changed. The numbers of edits are those of before."""

    def __init__(self, sequences: list[Any]):
        self.sequences: list[Any] = copy.deepcopy(sequences) or [{"steps": []}]
        self.done: list[str] = []
        self.sequences[0]["steps"] = self.sequences[0].get("steps") or []
        self._steps: list[Step] = self.sequences[0]["steps"]
        self._numbered = list(self._steps)
        self._written: list[tuple[str, str]] = []
        self._silent = [step for step in self._steps if _is_silent(step)]
        self._kept = copy.deepcopy(self._steps)
        self._appended: list[tuple[Edit, Step]] = []
        self._timed: list[Step] = []

    def apply(self, edit: Edit) -> str | None:
        """Make an edit, or say why not."""
        complaint = self._apply(edit)
        for name in ("subject", "body"):
            if name in edit:
                self._written.append((f"{name} for step {edit['step']}", edit[name]))
        return complaint

    def _apply(self, edit: Edit) -> str | None:
        action, number = edit["action"], edit["step"]
        given = {name for name in edit if name not in ("action", "step")}
        missing = [name for name in NEEDED[action] if name not in given]
        other = sorted(given.difference(TAKEN[action]))
        following = len(self._numbered) + len(self._appended) + 1
        last = following if action == "insert_step" else len(self._numbered)
        if missing:
            return f"{action} of step {number} needs {name_some(missing)}."
        if other:
            return f"{action} takes no {name_some(other)}."
        if number > last:
            new = f", and the next new one is step {following}" if action == "insert_step" else ""
            return f"There is no step {number}: there are {len(self._numbered)}{new}."
        if action == "insert_step":
            return self._insert(edit)
        step = self._numbered[number - 1]
        if not _is_among(self._steps, step):
            return f"Step {number} is removed in this call, and cannot be changed in it too."
        return ACTIONS[action](self, edit, step)

    def _insert(self, edit: Edit) -> str | None:
        number = edit["step"]
        appended = number > len(self._numbered)
        if "delay" not in edit and not appended:
            return f"insert_step before step {number} needs delay: how long to wait after the new step."
        step: Step = {"type": "email", "delay": edit.get("delay", 0)}
        if "delay" in edit:
            self._timed.append(step)
        if appended:
            self._appended.append((edit, step))
        if "delay_unit" in edit:
            step["delay_unit"] = edit["delay_unit"]
        step["variants"] = [{"subject": edit["subject"], "body": edit["body"]}]
        place = len(self._steps)
        if not appended:
            # A step that is gone stands nowhere, so the next one that is left tells the place.
            behind = (self._place(one) for one in self._numbered[number - 1 :])
            place = next((one for one in behind if one is not None), place)
        self._steps.insert(place, step)
        self.done.append("a step was added at the end" if appended else f"a step was inserted before step {number}")
        return None

    def _place(self, step: Step) -> int | None:
        return next((place for place, one in enumerate(self._steps) if one is step), None)

    def _remove_step(self, edit: Edit, step: Step) -> None:
        place = self._place(step)
        assert place is not None
        del self._steps[place]
        self.done.append(f"step {edit['step']} was removed")

    def _change_delay(self, edit: Edit, step: Step) -> None:
        step.update(_wait_in(edit))
        self._timed.append(step)
        self.done.append(f"the wait after step {edit['step']} is {wait_of(step)}")

    def _add_variant(self, edit: Edit, step: Step) -> str | None:
        variants = step.setdefault("variants", [])
        if len(variants) >= MAX_VARIANTS:
            return f"Step {edit['step']} has {MAX_VARIANTS} variants, and cannot have more."
        variants.append({"subject": edit["subject"], "body": edit["body"]})
        self.done.append(f"step {edit['step']} has a new variant {letter_of(len(variants) - 1)}")
        return None

    def _change_variant(self, edit: Edit, step: Step) -> str | None:
        texts: dict[str, Any] = {name: edit[name] for name in ("subject", "body") if name in edit}
        if not texts:
            return f"change_variant of step {edit['step']} needs subject or body."
        return self._update(edit, step, texts, f"has a new {' and '.join(texts)}")

    def _disable_variant(self, edit: Edit, step: Step) -> str | None:
        return self._update(edit, step, {"v_disabled": True}, "is off")

    def _enable_variant(self, edit: Edit, step: Step) -> str | None:
        return self._update(edit, step, {"v_disabled": False}, "is on")

    def _update(self, edit: Edit, step: Step, fields: dict[str, Any], what: str) -> str | None:
        variants = step.get("variants") or []
        letters = [letter_of(place) for place in range(len(variants))]
        letter = edit["variant"].strip().upper()
        if letter not in letters:
            return f"Step {edit['step']} has no variant {shorten(edit['variant'], 20)}: it has {name_some(letters)}."
        variants[letters.index(letter)].update(fields)
        self.done.append(f"step {edit['step']}, variant {letter} {what}")
        return None

    def problems(self) -> Iterator[str]:
        """Why the whole of it must not be written."""
        if not self._steps:
            yield "The sequence would have no step left."
        yield from self._missing_waits()
        for where, text in self._written:
            if where.startswith("body"):
                yield from _traps(where, text)
        for number, step in enumerate(self._steps, 1):
            if _is_silent(step) and not _is_among(self._silent, step):
                yield f"Step {number} would have no variant that is on: it would send nothing."
        for where, variant in _variants(self.sequences[0]):
            body = variant.get("body") or ""
            if RAW_AMPERSAND.search(body) and not any(body == text for _, text in self._written):
                yield (
                    f"The body of {where}, which is to stay, has a raw &, and Instantly may empty such a body when "
                    "it is sent back: give it too, by change_variant, with &amp;."
                )

    def _missing_waits(self) -> Iterator[str]:
        """Steps that others are added behind, and whose wait nobody has given: nothing depended on it before."""
        untimed = [step for step in self._steps[:-1] if not step.get("delay") and not _is_among(self._timed, step)]
        if self._appended and self._numbered and _is_among(untimed, self._numbered[-1]):
            given = _wait_in(self._appended[0][0])
            wait = given if given.get("delay") else {"delay": 3}
            change = {"action": "change_delay", "step": len(self._numbered), **wait}
            yield (
                f"Step {change['step']} waits for nothing, so what is added behind it would be sent at once: the delay "
                f"of a new step is the wait after it. Add its wait to edits, such as {json.dumps(change)}."
            )
        for edit, step in self._appended:
            if _is_among(untimed, step):
                yield f"insert_step {edit['step']} needs delay, the wait after it: another step comes behind."

    def warnings(self, before: dict[str, Any], edits: list[Edit]) -> Iterator[str]:
        """What is written all the same, and may not be meant."""
        for where, text in self._written:
            if where.startswith("body") and not TAG.search(text):
                yield f"The {where} has no HTML tag: wrap its paragraphs in <p>."
            elif where.startswith("body") and LINE_IN_TEXT.search(text):
                yield f"The {where} has a line break within its text, which shows as a space: <br/> or <p> break lines."
        unknown = _unknown_variables([text for _, text in self._written], before, json.dumps(self._kept))
        if unknown:
            yield f"Not known as variables here, and empty where a lead has none of that name: {name_some(unknown)}."
        for number, step in enumerate(self._steps, 1):
            new = step not in self._kept
            was_last = bool(self._numbered) and step is self._numbered[-1]
            if number < len(self._steps) and not step.get("delay") and (new or was_last):
                yield f"Step {number} waits for nothing, so the next one follows at once: change_delay sets its wait."
            if not new:
                continue
            subjects = {bool((variant.get("subject") or "").strip()) for variant in step.get("variants") or ()}
            if number == 1 and False in subjects:
                yield "Step 1 has a variant without a subject."
            elif number > 1 and len(subjects) == 2:
                yield f"Step {number} has variants with a subject, which begin a new thread, and without, which do not."
        if _is_among(self._timed, self._steps[-1]):
            earlier = len(self._steps) - 1
            before_it = f": the wait before it is that after step {earlier}" if earlier else ""
            yield f"The wait after the last step has no effect{before_it}."
        moved = any(edit["action"] in ("insert_step", "remove_step") for edit in edits)
        if moved and before.get("status") != 0:
            yield "What leads that are under way get next, now that steps have moved, is not documented: watch them."


ACTIONS: dict[str, Callable[[SequenceEdits, Edit, Step], str | None]] = {
    "add_variant": SequenceEdits._add_variant,
    "change_delay": SequenceEdits._change_delay,
    "change_variant": SequenceEdits._change_variant,
    "disable_variant": SequenceEdits._disable_variant,
    "enable_variant": SequenceEdits._enable_variant,
    "remove_step": SequenceEdits._remove_step,
}
"""What is done to a step that is there."""


def _wait_in(edit: Edit) -> dict[str, Any]:
    return {name: edit[name] for name in ("delay", "delay_unit") if name in edit}


def _is_among(steps: list[Step], step: Step) -> bool:
    """Whether it is one of these itself: another may read the same."""
    return any(step is one for one in steps)


def _is_silent(step: Step) -> bool:
    variants = step.get("variants") or []
    return bool(variants) and all(variant.get("v_disabled") for variant in variants)


def _variants(sequence: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, step in enumerate(sequence.get("steps") or (), 1):
        for place, variant in enumerate(step.get("variants") or ()):
            yield f"step {number}, variant {letter_of(place)}", variant


def _traps(where: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"The {where} is empty."
    if RAW_AMPERSAND.search(text):
        yield f"The {where} has a raw &, for which Instantly empties the whole body: write &amp;, in links too."
    if "\n" in text.strip() and not TAG.search(text):
        yield f"The {where} is plain text with line breaks, which HTML does not show: wrap its paragraphs in <p>."


def _unknown_variables(texts: list[str], before: dict[str, Any], old_texts: str) -> list[str]:
    """Variables in these texts that are not on every lead, nor known to the campaign, nor in its texts so far.

    A subsequence does not tell its own.
    """
    if "parent_campaign" in before:
        return []
    known = {*OF_LEADS, *OF_SENDERS, *(before.get("custom_variables") or ()), *(before.get("core_variables") or ())}
    known.update(VARIABLE.findall(old_texts))
    used = dict.fromkeys(name for text in texts for name in VARIABLE.findall(text))
    return [f"{{{{{name}}}}}" for name in used if name not in known]
