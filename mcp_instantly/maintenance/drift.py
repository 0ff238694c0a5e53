"""Compare the catalogue with documents of the vendor's API, and say in words what differs.

Null means "not given" here: a field of a change that may be null is one that `clear` names, and elsewhere null says
nothing, but as a value of a free-form object.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from mcp_instantly.maintenance.facts import BOUNDS, Facts, arguments_of, digest, request_key
from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.tools.operation import Operation


@dataclasses.dataclass(frozen=True)
class Difference:
    """`where` names an operation, or a tool and an argument; `kind` is added, removed or changed."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def catalog_facts(catalog: Catalog) -> dict[str, Facts]:
    """The facts of every operation that the vendor lists, by `METHOD path`."""
    return {request_key(op.method, op.path): _tool_facts(op) for op in catalog.operations.values() if op.operation_id}


def _tool_facts(op: Operation) -> Facts:
    arguments = arguments_of(op.request_schema)
    for name in op.placeholders:
        # An empty id would reach another endpoint; the document does not say so.
        arguments[name].pop("minLength", None)
    return {
        "tool": op.name,
        "operation_id": op.operation_id,
        "scopes": [] if op.scopes_inferred else sorted(op.scopes),
        "also_scopes": sorted(op.also_scopes),
        "effects": sorted(op.effects),
        "moving": list(op.moving),
        "changes": op.method == "PATCH" or bool(op.clearable),
        "arguments": arguments,
    }


def compare(ours: dict[str, Facts], theirs: dict[str, Facts]) -> list[Difference]:
    """What a maintainer must do to the catalogue, operation by operation, in the order of the requests."""
    return [difference for request in sorted({*ours, *theirs}) for difference in _compare(request, ours, theirs)]


def _compare(request: str, ours: dict[str, Facts], theirs: dict[str, Facts]) -> Iterator[Difference]:
    if request not in ours:
        name = theirs[request].get("operation_id") or request
        yield Difference("added", name, f"{request} is new; add a schema file for it")
    elif request not in theirs:
        yield Difference("removed", ours[request]["tool"], f"{request} is gone; remove its schema file")
    else:
        yield from _compare_operation(ours[request], _without_lengths_of_placeholders(request, theirs[request]))


def _without_lengths_of_placeholders(request: str, facts: Facts) -> Facts:
    """An empty path value is refused whatever a document says, so its least length is not compared."""
    arguments = {
        name: {key: value for key, value in fact.items() if key != "minLength"} if f"{{{name}}}" in request else fact
        for name, fact in facts["arguments"].items()
    }
    return {**facts, "arguments": arguments}


def _compare_operation(mine: Facts, other: Facts) -> Iterator[Difference]:
    tool = mine["tool"]
    certain = "operation_id" not in other.get("uncertain", ())
    if certain and mine["operation_id"] != other["operation_id"]:
        yield Difference("changed", tool, f"operation_id is {other['operation_id']}, here {mine['operation_id']}")
    if other["scopes"] and mine["scopes"] != other["scopes"]:
        yield Difference("changed", f"{tool}.http.scopes", _changes(mine["scopes"], other["scopes"]))
    elif mine["scopes"] and not other["scopes"]:
        yield Difference("removed", f"{tool}.http.scopes", "the document states none any more; mark them inferred")
    if other["scopes"] and mine["also_scopes"] != other.get("also_scopes", []):
        changes = _changes(mine["also_scopes"], other.get("also_scopes", []))
        yield Difference("changed", f"{tool}.http.also_scopes", changes)
    missing = [effect for effect in other.get("effects", ()) if effect not in mine["effects"]]
    if missing:
        yield Difference("changed", f"{tool}.http.effects", f"new {', '.join(missing)}")
    uncertain = [path for path, fact in other["arguments"].items() if fact.get("uncertain")]
    needed = _with_needed(other["arguments"])
    for path in sorted({*mine["arguments"], *other["arguments"]}):
        if any(path == one or path.startswith((f"{one}.", f"{one}[", f"{one}{{")) for one in uncertain):
            continue
        where, here, there = f"{tool}.{path}", mine["arguments"].get(path), other["arguments"].get(path)
        if here is None and there is not None:
            yield Difference("added", where, f"a new argument: {_describe(there)}")
        elif there is None:
            yield Difference("removed", where, "the document has no such argument")
        elif here is not None:
            if path in mine["moving"] and "enum" not in there:
                # Known values of ours, which limit nothing.
                here = {name: fact for name, fact in here.items() if name != "enum"}
            yield from (Difference("changed", where, what) for what in _compare_argument(path, here, there))
            if mine["changes"] and not _is_given_whole(path, needed):
                yield from (Difference("changed", where, what) for what in _compare_null(here, there))


def _compare_argument(path: str, here: Facts, there: Facts) -> Iterator[str]:
    # Only as a value of a free-form object is null a value like any other.
    mine, other = ([kind for kind in fact["kinds"] if kind != "null" or path.endswith("{}")] for fact in (here, there))
    # A whole number where the document only says number is a closer reading, not a difference.
    if [kind.replace("integer", "number") for kind in mine] != other != mine:
        yield f"its kinds are {', '.join(other) or 'any'}, here {', '.join(mine) or 'any'}"
    if here.get("required", False) != there.get("required", False):
        yield "it is required" if there.get("required") else "it is no longer required"
    if "enum" in there:
        yield from _compare_enum(here.get("enum"), there["enum"])
    elif "enum" in here:
        yield "it is no longer limited to listed values"
    for bound in BOUNDS:
        if bound in there and here.get(bound) != there[bound]:
            yield f"{bound} is {there[bound]}, here {here.get(bound, 'none')}"
        elif bound in here and bound not in there:
            yield f"{bound} is none, here {here[bound]}"


def _with_needed(arguments: dict[str, Facts]) -> tuple[str, ...]:
    """How the paths begin of what is in objects that can be null or have required fields."""
    needed = {name.rpartition(".")[0] for name, fact in arguments.items() if fact.get("required")}
    needed |= {name for name, fact in arguments.items() if "null" in fact["kinds"]}
    return tuple(f"{one}." for one in needed)


def _is_given_whole(path: str, needed: tuple[str, ...]) -> bool:
    """Whether to leave a field out is its null: in lists, and in objects that can be null or have required fields."""
    return "[" in path or "{" in path or path.startswith(needed)


def _compare_null(here: Facts, there: Facts) -> Iterator[str]:
    if "null" in there["kinds"] and "null" not in here["kinds"]:
        yield "it can be null; name it in clear"
    elif "null" in here["kinds"] and "null" not in there["kinds"]:
        yield "it cannot be null any more; take it out of clear"


def _compare_enum(here: list[Any] | None, there: list[Any] | str) -> Iterator[str]:
    if here is None:
        yield "it is limited to listed values now"
    elif isinstance(there, str):
        if digest(here) != there:
            yield f"its listed values differ ({there}; here {digest(here)})"
    elif digest(here) != digest(there):
        yield f"its listed values: {_changes(here, there)}"


def _changes(here: list[Any], there: list[Any]) -> str:
    added = [str(value) for value in there if value not in here]
    gone = [str(value) for value in here if value not in there]
    parts = [f"new {', '.join(added)}"] if added else []
    parts += [f"gone {', '.join(gone)}"] if gone else []
    return "; ".join(parts) or "another order"


def _describe(fact: Facts) -> str:
    return ", ".join([*fact["kinds"], *(["required"] if fact.get("required") else [])]) or "any value"
