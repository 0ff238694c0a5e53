"""Whether an answer fits the recorded facts of the vendor's response schemas: names, kinds, what is required."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp_instantly.operation import Operation

RECORD = json.loads((Path(__file__).parent / "upstream.json").read_text())["operations"]

KNOWN = {
    "send_test_email.error": "required by the document, which describes the failure only; a success has none",
}
"""Where the real API is known to differ from its document."""

FREE = {"payload", "data", "enrichment_payload"}
"""Objects that hold what a lead, a kind of job or of enrichment brings along, besides the named fields."""


def is_array(operation: Operation) -> bool:
    """Whether the API answers a bare array here, which structured content cannot be."""
    return _facts(operation).get("") == "array"


def misfits(operation: Operation, answer: Any) -> list[str]:
    """Where the answer of an operation does not fit its facts; [] for operations that the vendor does not list."""
    facts = _facts(operation)
    found = _problems(answer, facts, "") if facts else ()
    return [problem for problem in found if f"{operation.name}.{problem.split(': ')[0]}" not in KNOWN]


def _facts(operation: Operation) -> dict[str, str]:
    return RECORD.get(f"{operation.method} {operation.path}", {}).get("response", {})


def _problems(value: Any, facts: dict[str, str], path: str) -> Iterator[str]:
    """Fields below a path without facts are free."""
    kinds = facts[path].rstrip("!").split("|")
    kind = _kind_of(value)
    if kind not in kinds and not (kind == "integer" and "number" in kinds):
        yield f"{path}: {kind}, not {facts[path]}"
    prefix = f"{path}." if path else ""
    if isinstance(value, dict):
        children = {
            name.removeprefix(prefix)
            for name in facts
            if name.startswith(prefix)
            and name
            and "." not in name.removeprefix(prefix)
            and "[" not in name.removeprefix(prefix)
        } - {""}
        for name, item in value.items():
            if f"{prefix}{name}" in facts:
                yield from _problems(item, facts, f"{prefix}{name}")
            elif children and path.rpartition(".")[2] not in FREE:
                yield f"{prefix}{name}: not in the document"
        for name in children - set(value):
            if facts[f"{prefix}{name}"].endswith("!"):
                yield f"{prefix}{name}: missing"
    elif isinstance(value, list) and f"{path}[]" in facts:
        for item in value:
            yield from _problems(item, facts, f"{path}[]")


def _kind_of(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names[type(value)]
