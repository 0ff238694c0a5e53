"""What stands at a path in a JSON Schema or in the arguments that it describes: `payload.budget`, `signals[].key`."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

COMMA_SEPARATED = "commaSeparated"
"""In a rule, of a text that lists things with commas between them: the schema of each."""


def parts_of(text: str) -> list[str]:
    """The things that such a text lists, without blanks around them."""
    return [part.strip() for part in text.split(",")]


def with_null(schema: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The schema of an object in which the field at a path may be null."""
    name, *inner = path
    child = schema["properties"][name]
    child = with_null(child, inner) if inner else {"anyOf": [*child.get("anyOf", [child]), {"type": "null"}]}
    return {**schema, "properties": {**schema["properties"], name: child}}


def merge_rules(schema: Any, rules: Any) -> Any:
    """A schema with what another one, of the same shape, says beside or instead of it."""
    if isinstance(schema, dict) and isinstance(rules, dict):
        if any(map(names_type, alternatives_of(rules))):
            # The alternatives of a rule are the exact form of what is advertised loosely.
            schema = {key: value for key, value in schema.items() if key not in ("anyOf", "oneOf", "type", "items")}
        return {key: merge_rules(schema.get(key), rules.get(key)) for key in {**schema, **rules}}
    return schema if rules is None else rules


def alternatives_of(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What stands in the anyOf or oneOf of a schema."""
    found: list[dict[str, Any]] = schema.get("anyOf") or schema.get("oneOf") or []
    return found


def names_type(schema: dict[str, Any]) -> bool:
    """Whether a schema says of which type a value is: an alternative may say only what is required of it."""
    return "type" in schema or "enum" in schema or any(map(names_type, alternatives_of(schema)))


def enums_at(schema: dict[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """The schemas with an enum at a path such as `signals[].key`, in any alternative on the way.

    The items of a list may stand in a text with commas, too.
    """
    part, rest = _first_part(path)
    for branch in alternatives_of(schema):
        yield from enums_at(branch, path)
    if not part:
        if "enum" in schema:
            yield schema
    else:
        items = schema.get("items", schema.get(COMMA_SEPARATED))
        inner = items if part == "[]" else schema.get("properties", {}).get(part)
        if isinstance(inner, dict):
            yield from enums_at(inner, rest)


def _first_part(path: str) -> tuple[str, str]:
    """A name or `[]`, and the path behind it."""
    part = re.match(r"\[\]|[^.\[]*", path)
    found = part[0] if part else ""
    return found, path[len(found) :].removeprefix(".")


def values_at(value: Any, path: str, where: str = "") -> Iterator[tuple[str, Any]]:
    """The values at a path such as `signals[].key`, each with its own path: `signals[0].key`."""
    part, rest = _first_part(path)
    if not part:
        yield where, value
    elif part == "[]":
        if isinstance(value, list):
            for place, item in enumerate(value):
                yield from values_at(item, rest, f"{where}[{place}]")
        elif isinstance(value, str) and not rest:
            yield from ((where, item) for item in parts_of(value))
    elif isinstance(value, dict) and part in value:
        yield from values_at(value[part], rest, f"{where}.{part}".removeprefix("."))


def opened(schema: dict[str, Any], paths: Iterable[str]) -> dict[str, Any]:
    """A schema that takes any value, but for a blank text, where it has enums at these paths."""
    if not paths:
        return schema
    found = copy.deepcopy(schema)
    for path in paths:
        for place in enums_at(found, path):
            del place["enum"]
            place["pattern"] = r"\S"
    return found
