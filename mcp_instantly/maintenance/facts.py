"""Facts of an operation, the form in which the catalogue and the vendor's documents are compared.

The arguments stand by path (`campaign_schedule.schedules[].timezone`), each with its kinds, bounds, enum, and whether
it is required.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

Facts = dict[str, Any]
Schema = dict[str, Any]

BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "pattern",
    "uniqueItems",
)
UNCERTAIN = "x-uncertain"


def request_key(method: str, path: str) -> str:
    """What an operation is known by: `GET /api/v2/leads`."""
    return f"{method.upper()} {path}"


def arguments_of(schema: Schema) -> dict[str, Facts]:
    """The facts of every argument in the schema of a request, by path."""
    found: dict[str, Facts] = {}
    for name, child in schema.get("properties", {}).items():
        _collect(child, name, name in schema.get("required", ()), found)
    return found


def _collect(schema: Schema | bool, path: str, required: bool, found: dict[str, Facts]) -> None:
    branches = alternatives(schema)
    fact: Facts = {"kinds": sorted({kind for branch in branches for kind in kinds_in(branch)})}
    if required:
        fact["required"] = True
    if any(isinstance(one, dict) and one.get(UNCERTAIN) for one in (schema, *branches)):
        fact["uncertain"] = True
    for branch in branches:
        if "enum" in branch:
            values = [value for value in branch["enum"] if value is not None]
            fact["enum"] = [*fact.get("enum", []), *(value for value in values if value not in fact.get("enum", []))]
        fact.update({bound: branch[bound] for bound in BOUNDS if bound in branch})
    found[path] = fact
    for branch in branches:
        for name, child in branch.get("properties", {}).items():
            _collect(child, f"{path}.{name}", name in branch.get("required", ()), found)
        if isinstance(branch.get("items"), dict):
            _collect(branch["items"], f"{path}[]", False, found)
        if isinstance(branch.get("additionalProperties"), dict):
            _collect(branch["additionalProperties"], f"{path}{{}}", False, found)


def alternatives(schema: Schema | bool) -> list[Schema]:
    """The alternatives of a schema, or the schema itself; one that only says yes or no says nothing."""
    if isinstance(schema, bool):
        return [{}]
    options = schema.get("anyOf") or schema.get("oneOf")
    if not options or "properties" in schema:
        return [schema]
    return [branch for option in options for branch in alternatives(option)]


def kinds_in(schema: Schema) -> list[str]:
    """The types that an alternative names; properties make it an object."""
    kinds = schema.get("type", "object" if "properties" in schema else [])
    return kinds if isinstance(kinds, list) else [kinds]


def digest(values: list[Any]) -> str:
    """The number of values of an enum and a digest of them, in any order: `102 values, 1f0c...`."""
    text = "\n".join(sorted(json.dumps(value) for value in values))
    return f"{len(values)} values, {hashlib.sha256(text.encode()).hexdigest()[:16]}"
