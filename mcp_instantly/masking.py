"""Arguments of a call for the log: what an operation's schema shows to be impersonal, and only the size of the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

MAX_SHOWN_ITEMS = 5
"""Items of a list that are shown."""

SECRET = re.compile(r"password|secret|token|api_?key|headers|^sec$", re.IGNORECASE)
"""Names of arguments whose values never appear, whatever they look like."""

AMOUNT = re.compile(
    r"(^|[_-])(limit|max|min|count|items|leads|skip|offset|row|days|seconds|delay|gap|wait|rate|port|status|type|unread)"
    r"($|[_-])"
)
"""Names of numbers that count or configure; others may be a telephone number, a PIN or a sum of money."""

MAX_AMOUNT = 1_000_000

ID_NAME = re.compile(r"(^|_)(id|ids|uuid)$")
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-f]{24}")

DATE_NAME = re.compile(r"(^|_)(date|timestamp)(_|$)")
DATE = re.compile(r"\d{4}-\d\d-\d\d(T[\d:.]{1,20}(Z|[+-]\d\d:\d\d)?)?")

FILTER = re.compile(r"FILTER_(VAL|LEAD)_[A-Z_]{1,40}")
"""Values of `filter`, which is not an enum in every schema."""

EMAIL = re.compile(r"([A-Za-z0-9._%+'-])[A-Za-z0-9._%+'-]{0,63}(@[A-Za-z0-9.-]{1,190}\.[A-Za-z]{2,63})")


def mask(value: Any, schema: Schema, name: str = "") -> Any:
    """A value of the argument `name` as the log may hold it.

    Shown are names that the schema knows; true and false, values of enums, ids, dates and counts where the schema has
    them; and addresses as `a***@example.com`. Everything else appears as its size, so that any call makes a short
    event.
    """
    if value in (None, {}, []):
        return value
    if SECRET.search(name):
        return "[secret]"
    branches = list(_branches(schema))
    if isinstance(value, dict):
        return _mask_object(value, branches)
    if isinstance(value, list):
        items = next((branch["items"] for branch in branches if isinstance(branch.get("items"), dict)), None)
        if items is None:
            return _count(len(value), "item")
        shown = [mask(item, items, name) for item in value[:MAX_SHOWN_ITEMS]]
        return shown + [f"[{len(value) - len(shown)} more]"] * (len(value) > len(shown))
    if any(_is_impersonal(value, branch, name) for branch in branches):
        return value
    if isinstance(value, str):
        address = EMAIL.fullmatch(value)
        return f"{address[1]}***{address[2]}" if address else _count(len(value), "character")
    return "[boolean]" if isinstance(value, bool) else "[number]"


def without_secrets(value: Any, instead: str) -> Any:
    """The same value with `instead` in the place of what is named like a secret, at any depth, and is not empty."""
    if isinstance(value, dict):
        return {
            name: instead if item not in (None, "", {}, []) and SECRET.search(name) else without_secrets(item, instead)
            for name, item in value.items()
        }
    return [without_secrets(item, instead) for item in value] if isinstance(value, list) else value


def _mask_object(value: dict[str, Any], branches: list[Schema]) -> Any:
    known = {name: child for branch in branches for name, child in branch.get("properties", {}).items()}
    shown = {name: mask(item, known[name], name) for name, item in value.items() if name in known}
    hidden = len(value) - len(shown)
    if not shown:
        return _count(hidden, "field")
    return {**shown, "[others]": _count(hidden, "field")} if hidden else shown


def _branches(schema: Schema) -> Iterator[Schema]:
    options = schema.get("anyOf") or schema.get("oneOf")
    for option in options or ():
        yield from _branches(option)
    if not options or "properties" in schema:
        yield schema


def _is_impersonal(value: Any, schema: Schema, name: str) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if isinstance(value, bool):
        return "boolean" in kinds
    if isinstance(value, str) and "string" in kinds:
        form = schema.get("format")
        is_id = form == "uuid" or ID_NAME.search(name)
        is_date = form in ("date", "date-time") or DATE_NAME.search(name)
        return bool(
            (is_id and ID.fullmatch(value))
            or (is_date and DATE.fullmatch(value))
            or (name == "filter" and FILTER.fullmatch(value))
        )
    is_number = isinstance(value, (int, float)) and ("number" in kinds or "integer" in kinds)
    return is_number and bool(AMOUNT.search(name)) and abs(value) <= MAX_AMOUNT


def _count(number: int, unit: str) -> str:
    return f"[{number} {unit}{'' if number == 1 else 's'}]"
