"""Sequences of campaigns: edits of their steps and variants, how they look in short, and where two of them differ."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import name_some, shorten

Edit = dict[str, Any]
Step = dict[str, Any]

MAX_VARIANTS = 26
MAX_SUBJECT_CHARACTERS = 60
"""Characters of a subject that the overview shows."""

RAW_AMPERSAND = re.compile(r"&(?!#\d+;|#x[0-9a-f]+;|[a-z][a-z0-9]*;)", re.IGNORECASE)
TAG = re.compile(r"<[a-z!/][^>]*>", re.IGNORECASE)
LINE_IN_TEXT = re.compile(r"[^\s>][ \t]*\r?\n\s*[^\s<]")
VARIABLE = re.compile(r"\{\{\s*([^{}|]+?)\s*\}\}")

BUILT_IN = {
    *("firstName", "lastName", "companyName", "jobTitle", "phone", "website", "personalization", "email"),
    "accountSignature",
}
"""Variables that need no column of their own."""

WHEN_ABSENT = {"delay_unit": "days", "pre_delay_unit": "days", "v_disabled": False}
"""What a field means that is not there: the API fills some of them in."""

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


class Draft:
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

    def apply(self, edit: Edit) -> Iterator[str]:
        """Make an edit, or say why not."""
        action, number = edit["action"], edit["step"]
        given = {name for name in edit if name not in ("action", "step")}
        missing = [name for name in NEEDED[action] if name not in given]
        other = sorted(given.difference(TAKEN[action]))
        last = len(self._numbered) + (action == "insert_step")
        if missing:
            yield f"{action} of step {number} needs {name_some(missing)}."
        elif other:
            yield f"{action} takes no {name_some(other)}."
        elif number > last:
            yield f"There is no step {number}: there are {len(self._numbered)}."
        elif action == "insert_step":
            yield from self._insert(edit)
        elif not any(step is self._numbered[number - 1] for step in self._steps):
            yield f"Step {number} is removed in this call, and cannot be changed in it too."
        else:
            yield from getattr(self, f"_{action}")(edit, self._numbered[number - 1])
        for name in ("subject", "body"):
            if name in edit:
                self._written.append((f"{name} for step {number}", edit[name]))

    def _insert(self, edit: Edit) -> Iterator[str]:
        number = edit["step"]
        appended = number > len(self._numbered)
        if "delay" not in edit and not appended:
            yield f"insert_step before step {number} needs delay: how long to wait after the new step."
            return
        step: Step = {"type": "email", "delay": edit.get("delay", 0)}
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

    def _place(self, step: Step) -> int | None:
        return next((place for place, one in enumerate(self._steps) if one is step), None)

    def _remove_step(self, edit: Edit, step: Step) -> Iterator[str]:
        del self._steps[self._place(step) or 0]
        self.done.append(f"step {edit['step']} was removed")
        yield from ()

    def _change_delay(self, edit: Edit, step: Step) -> Iterator[str]:
        step.update({name: edit[name] for name in ("delay", "delay_unit") if name in edit})
        self.done.append(f"the wait after step {edit['step']} is {_wait(step)}")
        yield from ()

    def _add_variant(self, edit: Edit, step: Step) -> Iterator[str]:
        variants = step.setdefault("variants", [])
        if len(variants) >= MAX_VARIANTS:
            yield f"Step {edit['step']} has {MAX_VARIANTS} variants, and cannot have more."
            return
        variants.append({"subject": edit["subject"], "body": edit["body"]})
        self.done.append(f"step {edit['step']} has a new variant {_letter(len(variants) - 1)}")

    def _change_variant(self, edit: Edit, step: Step) -> Iterator[str]:
        texts: dict[str, Any] = {name: edit[name] for name in ("subject", "body") if name in edit}
        if not texts:
            yield f"change_variant of step {edit['step']} needs subject or body."
            return
        yield from self._update(edit, step, texts, f"has a new {' and '.join(texts)}")

    def _disable_variant(self, edit: Edit, step: Step) -> Iterator[str]:
        yield from self._update(edit, step, {"v_disabled": True}, "is off")

    def _enable_variant(self, edit: Edit, step: Step) -> Iterator[str]:
        yield from self._update(edit, step, {"v_disabled": False}, "is on")

    def _update(self, edit: Edit, step: Step, fields: dict[str, Any], what: str) -> Iterator[str]:
        variants = step.get("variants") or []
        letters = [_letter(place) for place in range(len(variants))]
        letter = edit["variant"].strip().upper()
        if letter not in letters:
            yield f"Step {edit['step']} has no variant {shorten(edit['variant'], 20)}: it has {name_some(letters)}."
            return
        variants[letters.index(letter)].update(fields)
        self.done.append(f"step {edit['step']}, variant {letter} {what}")

    def problems(self) -> Iterator[str]:
        """Why the whole of it must not be written."""
        if not self._steps:
            yield "The sequence would have no step left."
        for where, text in self._written:
            if where.startswith("body"):
                yield from _traps(where, text)
        for number, step in enumerate(self._steps, 1):
            if _is_silent(step) and not any(step is one for one in self._silent):
                yield f"Step {number} would have no variant that is on: it would send nothing."
        for where, variant in _variants(self.sequences[0]):
            body = variant.get("body") or ""
            if RAW_AMPERSAND.search(body) and not any(body == text for _, text in self._written):
                yield (
                    f"The body of {where}, which is to stay, has a raw &, and Instantly may empty such a body when "
                    "it is sent back: give it too, by change_variant, with &amp;."
                )

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
            if number < len(self._steps) and not step.get("delay") and (new or step is self._numbered[-1]):
                yield f"Step {number} waits for nothing, so the next one follows at once: change_delay sets its wait."
            if not new:
                continue
            subjects = {bool((variant.get("subject") or "").strip()) for variant in step.get("variants") or ()}
            if number == 1 and False in subjects:
                yield "Step 1 has a variant without a subject."
            elif number > 1 and len(subjects) == 2:
                yield f"Step {number} has variants with a subject, which begin a new thread, and without, which do not."
        last = {"action": "change_delay", "step": len(self._numbered)}
        waits = any(last.items() <= edit.items() for edit in edits)
        if waits and self._steps[-1] is self._numbered[-1]:
            yield "The wait after the last step has no effect."
        moved = any(edit["action"] in ("insert_step", "remove_step") for edit in edits)
        if moved and before.get("status") != 0:
            yield "What leads that are under way get next, now that steps have moved, is not documented: watch them."


def _is_silent(step: Step) -> bool:
    variants = step.get("variants") or []
    return bool(variants) and all(variant.get("v_disabled") for variant in variants)


def _variants(sequence: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for number, step in enumerate(sequence.get("steps") or (), 1):
        for place, variant in enumerate(step.get("variants") or ()):
            yield f"step {number}, variant {_letter(place)}", variant


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
    known = BUILT_IN | set(before.get("custom_variables") or ()) | set(before.get("core_variables") or ())
    known.update(VARIABLE.findall(old_texts))
    used = dict.fromkeys(name for text in texts for name in VARIABLE.findall(text))
    return [f"{{{{{name}}}}}" for name in used if name not in known]


# what it looks like


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < MAX_VARIANTS else str(place + 1)


def _wait(step: Step) -> str:
    return f"{step.get('delay')} {step.get('delay_unit') or 'days'}"


def overview(sequences: list[Any]) -> list[dict[str, Any]]:
    """The steps of what is sent, without their bodies."""
    steps = (sequences[0].get("steps") or []) if sequences else []
    shown: list[dict[str, Any]] = []
    for number, step in enumerate(steps, 1):
        entry = {
            "step": number,
            "variants": [_heading(place, one) for place, one in enumerate(step.get("variants") or ())],
        }
        shown.append(entry | ({"wait_after": _wait(step)} if number < len(steps) else {}))
    return shown


def _heading(place: int, variant: dict[str, Any]) -> str:
    off = " (off)" if variant.get("v_disabled") else ""
    return f"{_letter(place)}{off}: {shorten(variant.get('subject') or '', MAX_SUBJECT_CHARACTERS)}"


# comparison


def differences(wanted: Any, found: Any) -> list[str]:
    """Where two lists of sequences differ, in words. Null is as good as absent, and so is what the API fills in."""
    one, other = dict(_leaves(wanted or [], ())), dict(_leaves(found or [], ()))
    places = dict.fromkeys([*one, *other])
    return list(dict.fromkeys(_place_of(path) for path in places if _at(one, path) != _at(other, path)))


def _at(leaves: dict[tuple[Any, ...], Any], path: tuple[Any, ...]) -> Any:
    return leaves.get(path, WHEN_ABSENT.get(path[-1]))


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if inside is None:
        if value is not None:
            yield path, value
        return
    for name, item in inside:
        yield from _leaves(item, (*path, name))


def _place_of(path: tuple[Any, ...]) -> str:
    """A place in words: `step 2, variant B, body`."""
    words = [f"sequence {path[0] + 1}"] if path[0] else []
    named = {"steps": lambda place: f"step {place + 1}", "variants": lambda place: f"variant {_letter(place)}"}
    rest = list(path[1:])
    while rest:
        name = rest.pop(0)
        words.append(named[name](rest.pop(0)) if name in named and rest else str(name))
    return ", ".join(words)
