"""What the vendor's document says of answers: names, kinds and required fields, and where an answer departs from it."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
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
    facts = facts_of(operation)
    found = problems(payload, facts, "") if facts else ()
    return [problem for problem in found if f"{operation.name}.{problem.split(': ')[0]}" not in KNOWN]


def problems(value: Any, facts: dict[str, str], path: str) -> Iterator[str]:
    """Where a value of an answer does not fit the facts; fields below a path without facts are free."""
    kinds = facts[path].rstrip("!").split("|")
    kind = kind_of(value)
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        yield f"{path}: {kind}, not {facts[path]}"
    prefix = f"{path}." if path else ""
    if isinstance(value, dict):
        children = children_of(tuple(facts), prefix)
        for name, item in value.items():
            if name in NEWER:
                continue
            if f"{prefix}{name}" in facts:
                yield from problems(item, facts, f"{prefix}{name}")
            elif children and path.rpartition(".")[2] not in FREE:
                yield f"{prefix}{name}: not in the document"
        # Which fields of a free object must be there depends on the kind of thing that it belongs to.
        for name in children - set(value) if path.rpartition(".")[2] not in FREE else ():
            if facts[f"{prefix}{name}"].endswith("!"):
                yield f"{prefix}{name}: missing"
    elif isinstance(value, list) and f"{path}[]" in facts:
        for item in value:
            yield from problems(item, facts, f"{path}[]")


@functools.cache
def children_of(paths: tuple[str, ...], prefix: str) -> set[str]:
    """The names of the fields right below a prefix."""
    below = {path.removeprefix(prefix) for path in paths if path.startswith(prefix)}
    return {name for name in below if name and "." not in name and "[" not in name}


def kind_of(value: Any) -> str:
    return "null" if value is None else KINDS[type(value)]


KINDS = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
