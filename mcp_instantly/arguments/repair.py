"""Arguments as they were meant: what hosts and frameworks do to them on their way is undone.

Repaired are JSON texts where the schema wants an object, array, number or boolean, labels of numeric enums, blanks
around what has a format, and lists that are texts with commas. Left out is what was not meant as an argument: null at
any depth, blank cursors, and what hosts add of their own.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from mcp_instantly.arguments.schema import (
    Schema,
    branches_of,
    enum_labels,
    kind_of,
    takes,
    takes_null,
    takes_only_text,
    takes_text,
    takes_word,
)
from mcp_instantly.tools.operation import AS_GIVEN, CLEAR, CURSOR, Operation
from mcp_instantly.tools.schema_paths import COMMA_SEPARATED, parts_of

MAX_JSON_LAYERS = 3
"""How many layers of JSON in a string are taken off."""

SCHEDULE_DATES = ("start_date", "end_date")

HOST_ARGUMENTS = frozenset(
    {
        "toolCallId",  # n8n: n8n-io/n8n#21500, #21716, makenotion/notion-mcp-server#146
        "sessionId",  # n8n: n8n-io/n8n#37308
        "task_progress",  # Cline: cline/cline#8256, #9919, #10426; its model repeats a refused call without end
        "_sessionID",  # SiYuan: siyuan-note/siyuan#17927
        "wait_for_previous",  # Gemini CLI: MemPalace/mempalace#322
    }
)
"""Arguments that hosts add to every call. They are dropped where a tool has none of that name; no others are."""


def leave_out_unmeant(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call without blank cursors and without those that hosts add."""
    known = operation.input_schema["properties"]
    return {
        name: value
        for name, value in arguments.items()
        if (name in known or name not in HOST_ARGUMENTS) and not (name == CURSOR and _is_blank(value))
    }


def repair(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, repaired; those given are left as they are."""
    repaired: dict[str, Any] = _without_blank_dates(_repair(arguments, operation.full_schema, MAX_JSON_LAYERS))
    if repaired.get(CLEAR) == [] and CLEAR in operation.extras:
        del repaired[CLEAR]
    return repaired


def _repair(value: Any, schema: Schema, depth: int) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and takes_only_text(schema):
        return str(value)
    if COMMA_SEPARATED in schema:
        return _repair_list(value, schema, depth)
    branches = branches_of(schema)
    if isinstance(value, str):
        value = _decode(value, schema, depth)
        if isinstance(value, str) and branches and all("format" in branch for branch in branches):
            value = value.strip() or value
    if AS_GIVEN in schema:
        return value
    for branch in branches:
        if isinstance(value, dict) and takes(branch, "object"):
            properties, other = branch.get("properties", {}), branch.get("additionalProperties")
            other = other if isinstance(other, dict) else {}
            return _given({name: (item, properties.get(name, other)) for name, item in value.items()}, depth)
        if isinstance(value, list) and takes(branch, "array"):
            if len(value) > branch.get("maxItems", math.inf):
                return value  # It will be refused, whatever its items are.
            # A list of numbers explains them once, in the description of the list.
            items = {"description": schema.get("description", ""), **branch.get("items", {})}
            return [_repair(item, items, depth) for item in value]
    if isinstance(value, dict) and not branches:
        return _given({name: (item, {}) for name, item in value.items()}, depth)
    if isinstance(value, list) and not branches:
        return [_repair(item, {}, depth) for item in value]
    return value


def _repair_list(value: Any, schema: Schema, depth: int) -> Any:
    """A text that lists things with commas, each of them repaired; it may have come as an array."""
    if isinstance(value, list) and all(type(item) in (str, int) for item in value):
        value = ",".join(map(str, value))
    if not isinstance(value, str) or (value := _decode(value, schema, depth)) is None:
        return value
    each = {"description": schema.get("description", ""), **schema[COMMA_SEPARATED]}
    return ",".join(str(_repair_part(part, each)) for part in parts_of(value) if part)


def _repair_part(part: str, schema: Schema) -> Any:
    words = (value for value in schema.get("enum", ()) if isinstance(value, str) and _plain(value) == _plain(part))
    found = next(words, None) or read_part(part, schema)
    return part if found is None else found


def read_part(part: str, schema: Schema) -> Any:
    """What is meant by one of the things that a text lists with commas: a number, say."""
    return _decode(part, schema, 1)


def _given(fields: dict[str, tuple[Any, Schema]], depth: int) -> dict[str, Any]:
    """The fields of an object that were given, repaired. Frameworks write null for what a caller left out."""
    repaired = {name: (_repair(value, schema, depth), schema) for name, (value, schema) in fields.items()}
    return {name: value for name, (value, schema) in repaired.items() if value is not None or takes_null(schema)}


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("", "null")


def _without_blank_dates(arguments: dict[str, Any]) -> dict[str, Any]:
    """Schedules are read with a blank start_date or end_date where none is set, and written back as they were read."""
    found = dict(arguments)
    for name in ("campaign_schedule", "subsequence_schedule"):
        schedule = arguments.get(name)
        if isinstance(schedule, dict):
            found[name] = {key: value for key, value in schedule.items() if value != "" or key not in SCHEDULE_DATES}
    return found


def _decode(text: str, schema: Schema, depth: int) -> Any:
    """What a string means where the schema takes no such string; the string itself when it means nothing there."""
    branches = branches_of(schema)
    if text.strip().lower() == "null" and branches and not any(takes_text(branch, text) for branch in branches):
        return None
    if depth == 0 or not branches or any(takes_word(branch, text) for branch in branches):
        return text
    if any(takes(branch, "string") for branch in branches) and text.lstrip()[:1] not in ("{", "["):
        # A word that the list does not have may be a new one, or a slip to be told.
        return text
    labelled = _labelled(text, schema)
    if labelled is not None:
        return labelled
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {"true": True, "false": False}.get(text.strip().lower(), text)
    if isinstance(value, str) and value != text:
        value = _decode(value, schema, depth - 1)
    return value if value is None or any(takes(branch, kind_of(value)) for branch in branches) else text


def _labelled(text: str, schema: Schema) -> Any:
    """The number of a numeric enum that the schema's description calls by this label."""
    wanted = _plain(text)
    for number, label in enum_labels(schema).items():
        if _plain(label) == wanted:
            return number
    return None


def _plain(label: str) -> str:
    return re.sub(r"[\s_/-]+", " ", label).strip().lower()
