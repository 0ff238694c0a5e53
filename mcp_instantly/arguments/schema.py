"""What a JSON Schema says of a value: its alternatives, its types, and the labels of its numbers."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.tools.schema_paths import COMMA_SEPARATED, alternatives_of

Schema = dict[str, Any]

LABEL = r"(?<![\w.-]){number} ([A-Za-z][A-Za-z' /-]*?)(?=[,.;)]|$)"
ANY_LABEL = re.compile(LABEL.format(number=r"(-?\d+)"))
LABELLED_RANGE = re.compile(r"(?<![\w.-])\d+-\d+ [A-Za-z]")
OWN_LABELS = re.compile(r"; own labels: ([^.;]+)")


def branches_of(schema: Schema) -> list[Schema]:
    """The alternatives of a schema that name a type, itself when none does; [] for one that says nothing of types."""
    branches = [branch for option in alternatives_of(schema) for branch in branches_of(option)]
    if branches:
        return branches
    return [schema] if "type" in schema or "enum" in schema else []


def kinds_of(schema: Schema) -> list[str]:
    """The types that a branch names."""
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def takes(schema: Schema, kind: str) -> bool:
    """Whether a branch takes values of a kind; numbers may be whole."""
    return kind in kinds_of(schema) or (kind == "integer" and "number" in kinds_of(schema))


def kind_of(value: Any) -> str:
    """The type of a value in the words of JSON Schema; a number without a fraction is an integer."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    return {float: "number", str: "string", list: "array", dict: "object"}[type(value)]


def takes_null(schema: Schema) -> bool:
    """Whether null is one of the values that a schema takes."""
    return any(takes(branch, "null") for branch in branches_of(schema))


def takes_only_text(schema: Schema) -> bool:
    """Whether a whole number can only be meant as the text of it: a phone number, a postal code, a password."""
    branches = branches_of(schema)
    return any(takes(branch, "string") for branch in branches) and not any(
        takes(branch, "number") or takes(branch, "integer") for branch in branches
    )


def takes_text(branch: Schema, text: str) -> bool:
    """Whether a text that says null can be meant as a string: no list, format or pattern rules it out."""
    listed, pattern = branch.get("enum", (text,)), branch.get("pattern", "")
    free = "format" not in branch and COMMA_SEPARATED not in branch
    return takes(branch, "string") and text in listed and free and bool(re.search(pattern, text))


def takes_word(branch: Schema, text: str) -> bool:
    """Whether a branch takes strings, and this one as far as a list says it."""
    return takes(branch, "string") and text in branch.get("enum", (text,))


def enum_labels(schema: Schema) -> dict[float, str]:
    """The labels of a numeric enum, read from its description: `1 active, 2 paused, -1 connection error.`

    Where there is no enum, as others may be added, several numbers with labels are taken for one.
    """
    branches = [*branches_of(schema), *branches_of(schema.get("items", {}))]
    numbers = [
        number
        for branch in branches
        for number in branch.get("enum", ())
        if isinstance(number, (int, float)) and not isinstance(number, bool)
    ]
    if not any("enum" in branch for branch in branches) and any(takes(branch, "integer") for branch in branches):
        pairs = ANY_LABEL.findall(schema.get("description", ""))
        return {int(number): label for number, label in pairs} if len(pairs) > 1 else {}
    found = {}
    for number in numbers:
        match = re.search(LABEL.format(number=re.escape(str(number))), schema.get("description", ""))
        if match:
            found[number] = match[1]
    return found


def labels_ranges(schema: Schema) -> bool:
    """Whether the description labels ranges of numbers too (`18-21 webhooks`), which enum_labels leaves out."""
    return bool(LABELLED_RANGE.search(schema.get("description", "")))


def own_labels(schema: Schema) -> str:
    """What the description says of numbers that a workspace has labelled itself, as a sentence; empty for nothing."""
    match = OWN_LABELS.search(schema.get("description", ""))
    return f" Own labels: {match[1]}." if match else ""
