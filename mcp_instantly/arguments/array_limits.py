"""How many items arrays may have: asked first, before anything looks at the items."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

from mcp_instantly.arguments.schema import Schema, branches_of
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.tools.operation import Operation

MAX_PROBLEMS = 20
"""Problems of one call after which the others are not looked for: a list may have as many as it has items."""

Limits = dict[str, Any]
"""The part of a schema that bounds arrays: `most` items, and the limits of the `items` or of the `properties`."""


def refuse_long_arrays(operation: Operation, arguments: dict[str, Any]) -> None:
    """Refuse arrays of more items than the schema takes, before anything looks at their items."""
    problems = list(itertools.islice(_long_arrays(arguments, _limits_of(operation), ""), MAX_PROBLEMS))
    if problems:
        raise InvalidArguments(operation.name, problems)


@functools.cache
def _limits_of(operation: Operation) -> Limits:
    return _limits(operation.full_schema)


def _limits(schema: Schema) -> Limits:
    found: Limits = {}
    for branch in branches_of(schema):
        if "maxItems" in branch:
            found["most"] = branch["maxItems"]
        properties = {name: _limits(child) for name, child in branch.get("properties", {}).items()}
        inside = {
            "items": _limits(branch.get("items", {})),
            "properties": {name: limits for name, limits in properties.items() if limits},
        }
        found.update({key: limits for key, limits in inside.items() if limits})
    return found


def _long_arrays(value: Any, limits: Limits, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in limits.get("properties", {}).items():
            if name in value:
                yield from _long_arrays(value[name], inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        most = limits.get("most", math.inf)
        if len(value) > most:
            yield f"{path}: needs at most {most} items, got {len(value)}; split it over several calls."
        elif "items" in limits:
            for place, item in enumerate(value):
                yield from _long_arrays(item, limits["items"], f"{path}[{place}]")
