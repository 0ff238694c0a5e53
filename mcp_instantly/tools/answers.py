"""What operations answer with, which `tool_schemas/answers.json` keeps: without it, nothing would be taken for none."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_instantly.tools.catalog import read_data
from mcp_instantly.tools.operation import Operation

OBJECT, RECORD, ARRAY = "object", "record", "array"
"""Kinds of answers; a record is an object with an id."""

LISTS = ("items", "data")
"""The other kinds: objects that hold a list, by its name."""

TELLING = ("bulk_add_leads", "bulk_create_block_list_entries", "reply_to_email", "verify_email")
"""Writes whose answers programs go by: what they have done is told by nothing else at once."""


def answers(operations: Iterable[Operation], facts: Mapping[str, Any]) -> str:
    """The file's text, from the recorded facts of the API: for each tool, a kind.

    An operation of which nothing is recorded, or an empty response, is not in it. What a write has done is not in doubt
    because a field is missing.
    """
    found = {}
    for operation in operations:
        response = facts.get(f"{operation.method} {operation.path}", {}).get("response") or {}
        if len(response) > 1:
            kind = ARRAY if response[""].startswith(ARRAY) else OBJECT
            held = [name for name in LISTS if response.get(name) == "array!"]
            held += [RECORD] if response.get("id") == "string!" else []
            found[operation.name] = held[0] if held and operation.read_only else kind
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


def answers_with_something(operation: Operation) -> bool:
    """Whether a response without a body is none. What was deleted may have nothing to say."""
    return operation.method != "DELETE" and operation.name in _kinds()


def fault_of(operation: Operation, payload: Any) -> str | None:
    """Why a payload is not what an operation answers with, as a clause; None where it is, or nobody knows.

    A write may do without one, unless it is for its answer that it is called: whether its response can be empty has
    been judged by the status and the body.
    """
    kind = _kinds().get(operation.name)
    telling = operation.name in TELLING or (operation.read_only and answers_with_something(operation))
    if kind is None or (payload is None and not telling):
        return None
    if kind == ARRAY:
        return _fault_of_records(payload)
    if not isinstance(payload, dict):
        return "the answer is not an object"
    if kind == RECORD:
        return None if payload.get("id") else "the answer has no id"
    return None if kind == OBJECT else _fault_of_records(payload.get(kind))


def _fault_of_records(records: Any) -> str | None:
    if not isinstance(records, list):
        return "the answer has no list of records"
    return None if all(isinstance(record, dict) for record in records) else "its records are not all objects"


@functools.cache
def _kinds() -> dict[str, str]:
    found: dict[str, str] = read_data("answers.json")
    return found
