"""How sequences of campaigns look in short, and where two of them differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import shorten

MAX_LETTERS = 26
MAX_SUBJECT_CHARACTERS = 60
"""Characters of a subject that the overview shows."""

WHEN_ABSENT = {"delay_unit": "days", "pre_delay_unit": "days", "v_disabled": False}
"""What a field means that is not there: the API fills some of them in."""


def letter_of(place: int) -> str:
    return chr(ord("A") + place) if place < MAX_LETTERS else str(place + 1)


def wait_of(step: dict[str, Any]) -> str:
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
        shown.append(entry | ({"wait_after": wait_of(step)} if number < len(steps) else {}))
    return shown


def _heading(place: int, variant: dict[str, Any]) -> str:
    off = " (off)" if variant.get("v_disabled") else ""
    return f"{letter_of(place)}{off}: {shorten(variant.get('subject') or '', MAX_SUBJECT_CHARACTERS)}"


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
    named = {"steps": lambda place: f"step {place + 1}", "variants": lambda place: f"variant {letter_of(place)}"}
    rest = list(path[1:])
    while rest:
        name = rest.pop(0)
        words.append(named[name](rest.pop(0)) if name in named and rest else str(name))
    return ", ".join(words)
