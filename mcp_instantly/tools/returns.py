"""The fields of the records of answers, which `tool_schemas/returns.json` keeps for the argument `fields`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_instantly.tools.operation import Operation

FREE = frozenset(("payload", "data", "enrichment_payload", "outreach_settings", "config", "metadata"))
"""Objects that hold more than is named in them, and other things for each record."""


def returns(operations: Iterable[Operation], facts: Mapping[str, Any]) -> str:
    """The file's text, from the recorded facts of the API: for each tool that takes `fields`, the paths of a record.

    A path that ends with `.*` stands for any below it. A list whose records are not described has those of the tool
    that reads one of them; where there is none either, it is not in the file, and takes any path.
    """
    found = {}
    for operation in operations:
        if "fields" in operation.extras:
            paths = _paths(_response(operation.method, operation.path, facts)) or _paths(_of_one(operation, facts))
            if paths:
                found[operation.name] = paths
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(paths)}" for name, paths in sorted(found.items()))
    return f"{{\n{lines}\n}}\n"


def _response(method: str, path: str, facts: Mapping[str, Any]) -> dict[str, str]:
    return dict(facts.get(f"{method} {path}", {}).get("response") or {})


def _of_one(operation: Operation, facts: Mapping[str, Any]) -> dict[str, str]:
    """What is recorded of the answer that shows one record of a list."""
    near = [request for request in facts if request.rpartition("/{")[0] == f"GET {operation.path}"]
    return dict(facts[near[0]].get("response") or {}) if near else {}


def _paths(response: dict[str, str]) -> list[str]:
    """The paths of a record, from those of the answer that holds it."""
    begin = next((at for at in ("items[]", "data[]", "[]") if at in response), "")
    if not begin and ("items" in response or ("data" in response and response["data"].startswith("array"))):
        return []
    found: dict[str, None] = {}
    for path, kind in response.items():
        inner = path[len(begin) :] if path.startswith(begin) else ""
        name = inner.replace("[]", "").strip(".")
        if name:
            found[name] = None
            if _is_free(path, kind, response):
                found[f"{name}.*"] = None
    return list(found)


def _is_free(path: str, kind: str, response: dict[str, str]) -> bool:
    if path.rpartition(".")[2] in FREE:
        return True
    nested = any(one.startswith((f"{path}.", f"{path}[]")) for one in response)
    return not nested and ("object" in kind or "array" in kind)
