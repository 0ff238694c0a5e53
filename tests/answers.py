"""What the vendor's document says of answers: names, kinds and required fields, and where an answer departs from it."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from mcp_instantly.tools.operation import Operation

RECORD = json.loads((Path(__file__).parent / "upstream.json").read_text())["operations"]

ACTIVITY = "the document says only that it can be null; while a run is under way it is an object"
KNOWN = {
    "get_default_deliverability_state.current_activity.active": ACTIVITY,
    "get_deliverability_state.current_activity.active": ACTIVITY,
    "send_test_email.error": "required by the document, which describes the failure only; a success has none",
}
"""Where the real API is known to differ from its document."""

NEWER = {"access_grants", "created_by", "job_id"}
"""Fields that answers have, or have as null, since the document was recorded."""


FREE = {"payload", "data", "enrichment_payload", "outreach_settings"}
"""Objects that hold what a lead, a campaign, a kind of job or of enrichment brings along, besides the named fields."""


def facts_of(operation: Operation) -> dict[str, str]:
    """What is recorded of an operation's answer by path; nothing for one that the document leaves out."""
    return RECORD.get(f"{operation.method} {operation.path}", {}).get("response") or {}


def misfits(operation: Operation, payload: Any) -> list[str]:
    """Where an answer departs from the document, the known departures aside."""
    found: list[str] = []
    if facts_of(operation):
        note_problems(payload, place_of(f"{operation.method} {operation.path}"), found)
    return [problem for problem in found if f"{operation.name}.{problem.split(': ')[0]}" not in KNOWN]


@dataclasses.dataclass
class Place:
    """What is recorded of one place in answers. What is below a place without children is free."""

    path: str
    fact: str
    kinds: set[str]
    is_free: bool
    children: dict[str, Place]
    required: set[str]
    items: Place | None


@functools.cache
def place_of(operation: str, path: str = "") -> Place:
    facts = RECORD[operation]["response"]
    prefix = f"{path}." if path else ""
    below = {known.removeprefix(prefix) for known in facts if known.startswith(prefix)}
    names = {name for name in below if name and "." not in name and "[" not in name}
    kinds = set(facts[path].rstrip("!").split("|"))
    return Place(
        path,
        facts[path],
        kinds | ({"integer"} if "number" in kinds else set()),
        path.rpartition(".")[2] in FREE,
        {name: place_of(operation, f"{prefix}{name}") for name in names},
        {name for name in names if facts[f"{prefix}{name}"].endswith("!")},
        place_of(operation, f"{path}[]") if f"{path}[]" in facts else None,
    )


def note_problems(value: Any, place: Place, found: list[str]) -> None:
    """Add to `found` where a value of an answer does not fit what is recorded."""
    kind = kind_of(value)
    if kind not in place.kinds:
        found.append(f"{place.path}: {kind}, not {place.fact}")
    if isinstance(value, dict):
        prefix = f"{place.path}." if place.path else ""
        for name, item in value.items():
            if name in NEWER:
                continue
            child = place.children.get(name)
            if child is not None:
                note_problems(item, child, found)
            elif place.children and not place.is_free:
                found.append(f"{prefix}{name}: not in the document")
        # Which fields of a free object must be there depends on the kind of thing that it belongs to.
        if not place.is_free and not place.required <= value.keys():
            found += [f"{prefix}{name}: missing" for name in place.required - value.keys()]
    elif isinstance(value, list) and place.items is not None:
        for item in value:
            note_problems(item, place.items, found)


def kind_of(value: Any) -> str:
    return "null" if value is None else KINDS[type(value)]


KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
