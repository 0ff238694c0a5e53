"""Compare the catalogue with documents of the vendor's API, and say in words what differs.

Both sides are brought into the same form, the facts of an operation: its request, its scopes, and its arguments by path
(`campaign_schedule.schedules[].timezone`), each with its kinds, bounds, enum, and whether it is required. Null means
"not given" here: a field of a change that may be null is one that `clear` names, and elsewhere null says nothing, but
as a value of a free-form object. Documents
can be recorded as facts, with a digest in place of each enum, so that a checkout knows what it was compared with
without carrying them.

A document that supplements the vendor's may say more than OpenAPI does: `x-uncertain` at a field, argument or answer
of which too little is known, `x-uncertain-fields` at an operation (such as operationId); `x-scopes` and `x-effects` of
an operation; and `x-withdrawn`, operations that are not to be built. What is uncertain is never a difference.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mcp_instantly.catalog import Catalog
from mcp_instantly.errors import ConfigError
from mcp_instantly.operation import Operation

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
METHODS = ("get", "post", "put", "patch", "delete")
MAX_DEPTH = 60
MAX_NODES = 200_000
"""Of an operation, once its references are replaced."""

PUBLISHED = "https://api.instantly.ai/openapi/api_v2.json"
"""Where the vendor publishes its document."""

STATED_SCOPES = re.compile(r"Requires one of the following scopes: ([^\n]*)")


@dataclasses.dataclass(frozen=True)
class Difference:
    """`where` names an operation, or a tool and an argument; `kind` is added, removed or changed."""

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


# facts of the catalogue


def catalog_facts(catalog: Catalog) -> dict[str, Facts]:
    """The facts of every operation that the vendor lists, by `METHOD path`."""
    return {_request(op.method, op.path): _tool_facts(op) for op in catalog.operations.values() if op.operation_id}


def _tool_facts(op: Operation) -> Facts:
    arguments = _arguments(op.request_schema)
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


# facts of documents


def merged_facts(documents: Iterable[Any]) -> dict[str, Facts]:
    """The facts of every operation of several documents. What a later one says of an operation is what holds.

    Raises ConfigError as `document_facts` does.
    """
    found: dict[str, Facts] = {}
    for document in documents:
        facts = document_facts(document)
        for request in _withdrawn(document):
            found.pop(request, None)
        found.update(facts)
    return found


def _withdrawn(document: Any) -> list[str]:
    listed = document.get("x-withdrawn", {})
    operations = listed.get("operations") if isinstance(listed, dict) else None
    if operations is None:
        return []
    if not isinstance(operations, list):
        raise ConfigError("The document's x-withdrawn lists no operations.")
    for one in operations:
        if not (isinstance(one, dict) and isinstance(one.get("method"), str) and isinstance(one.get("path"), str)):
            raise ConfigError("An operation in the document's x-withdrawn has no method or no path.")
    return [_request(one["method"], one["path"]) for one in operations]


def document_facts(document: Any) -> dict[str, Facts]:
    """The facts of every operation of an OpenAPI document, or of a record of one.

    Raises ConfigError for what is neither, and for an operation that is not as OpenAPI or a record has it.
    """
    if isinstance(document, dict) and isinstance(document.get("operations"), dict) and "sha256" in document:
        found: dict[str, Facts] = document["operations"]
    elif isinstance(document, dict) and isinstance(document.get("paths"), dict):
        found = {
            _request(method, path): _read_operation(_request(method, path), item[method], document)
            for path, item in document["paths"].items()
            for method in METHODS
            if method in _object(item, f"The path {path}")
        }
    else:
        raise ConfigError("This is neither an OpenAPI document nor a record of one.")
    for request, facts in found.items():
        _check_facts(request, facts)
    return found


def _read_operation(request: str, operation: Any, document: Any) -> Facts:
    try:
        resolved = _Resolver(document).resolve(operation)
        return _operation_facts(_object(resolved, "The operation"))
    except ConfigError as error:
        raise ConfigError(f"{request}: {error}") from None
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        # A schema can have any shape in any place; what it should have been is in the OpenAPI specification.
        raise ConfigError(f"{request}: this is not an operation as OpenAPI has it ({error!r}).") from None


def _object(value: Any, what: str) -> Schema:
    if not isinstance(value, dict):
        raise ConfigError(f"{what} is not an object.")
    return value


def _check_facts(request: str, facts: Any) -> None:
    """Raise ConfigError unless facts have the form that is compared: names, texts and plain values."""

    def check(condition: bool, what: str) -> None:
        if not condition:
            raise ConfigError(f"{request}: the document's {what} cannot be compared.")

    check(isinstance(facts, dict), "operation")
    check(isinstance(facts.get("operation_id", 0), (str, type(None))), "operation id")
    check(_are_texts(facts.get("scopes")), "scopes")
    for name in ("also_scopes", "effects", "uncertain"):
        check(_are_texts(facts.get(name, [])), name)
    check(isinstance(facts.get("arguments"), dict), "arguments")
    for path, fact in facts["arguments"].items():
        check(isinstance(fact, dict) and _are_texts(fact.get("kinds")), f"argument {path}")
        check(isinstance(fact.get("uncertain", False), bool), f"argument {path}")
        values = fact.get("enum", [])
        check(isinstance(values, str) or _are_plain(values), f"listed values of {path}")
        check(_are_plain([fact[bound] for bound in BOUNDS if bound in fact]), f"bounds of {path}")


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def _are_plain(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, (str, int, float, type(None))) for value in values)


def record(texts: Sequence[str]) -> str:
    """The facts of documents as a file: their hashes, then a line for each operation, with digests for enums."""
    facts = merged_facts(json.loads(text) for text in texts)
    lines = [f"{json.dumps(name)}: {json.dumps(_digested(facts[name]), ensure_ascii=False)}" for name in sorted(facts)]
    digests = json.dumps([hashlib.sha256(text.encode()).hexdigest() for text in texts])
    return f'{{"sha256": {digests}, "operations": {{\n' + ",\n".join(lines) + "\n}}\n"


def _request(method: str, path: str) -> str:
    return f"{method.upper()} {path}"


class _Resolver:
    """Replaces references by what they point to. Raises ConfigError where that is nothing, or has no end."""

    def __init__(self, document: Any):
        self._document = document
        self._nodes = 0

    def resolve(self, node: Any, depth: int = 0) -> Any:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise ConfigError("It is nested too deeply, or its references never end.")
        if isinstance(node, list):
            return [self.resolve(value, depth + 1) for value in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref", {})
        if isinstance(reference, dict):
            # Not given, or the name of a property.
            return {name: self.resolve(value, depth + 1) for name, value in node.items()}
        beside = {name: value for name, value in node.items() if name != "$ref"}
        return self.resolve({**self._target(reference), **beside}, depth + 1)

    def _target(self, reference: Any) -> Schema:
        if not isinstance(reference, str) or not reference.startswith("#/"):
            raise ConfigError(f"The reference {reference!r} does not point into the document.")
        target = self._document
        for part in reference[2:].split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or name not in target:
                raise ConfigError(f"The reference {reference} points to nothing.")
            target = target[name]
        return _object(target, f"What the reference {reference} points to")


def _operation_facts(operation: Schema) -> Facts:
    properties: Schema = {}
    required: list[str] = []
    for parameter in operation.get("parameters", ()):
        if "name" not in parameter:
            raise ConfigError("A parameter has no name.")
        schema = parameter.get("schema", {})
        properties[parameter["name"]] = {**schema, UNCERTAIN: True} if parameter.get(UNCERTAIN) else schema
        if parameter.get("required") or parameter.get("in") == "path":
            required.append(parameter["name"])
    body = _json_schema(operation.get("requestBody") or {})
    properties.update(body.get("properties", {}))
    required += body.get("required", [])
    scopes, also = _scopes(operation)
    responses = operation.get("responses", {})
    success: Schema = next((answer for status, answer in sorted(responses.items()) if status.startswith("2")), {})
    uncertain = ["operation_id"] if "operationId" in operation.get("x-uncertain-fields", ()) else []
    return {
        "operation_id": operation.get("operationId"),
        "scopes": scopes,
        **({"also_scopes": also} if also else {}),
        **({"effects": sorted(operation["x-effects"])} if operation.get("x-effects") else {}),
        **({"uncertain": uncertain} if uncertain else {}),
        "arguments": _arguments({"properties": properties, "required": required}),
        "response": dict(_response_fields(_json_schema(success), "")),
        "errors": sorted(int(status) for status in responses if re.fullmatch("[45][0-9]{2}", status)),
    }


def _scopes(operation: Schema) -> tuple[list[str], list[str]]:
    """The scopes of which one is needed, and those of which one is needed besides; [] where there are none."""
    stated = STATED_SCOPES.findall(operation.get("description") or "")
    listed = operation.get("x-scopes", re.findall(r"`([^`]+)`", stated[-1]) if stated else [])
    groups = listed if any(isinstance(scope, list) for scope in listed) else [listed]
    if len(groups) > 2 or not all(_are_texts(group) for group in groups):
        raise ConfigError("Its scopes are neither a list nor two lists.")
    scopes, also = (*groups, [])[:2]
    return sorted(scopes), sorted(also)


def _json_schema(part: Schema) -> Schema:
    schema: Schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    return schema


def _response_fields(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    """Paths of an answer with their kinds, `string|null`; a required one ends with `!`. The root's path is empty."""
    branches = _branches(schema)
    kinds = sorted({kind for branch in branches for kind in _kinds(branch)})
    if kinds:
        yield path, "|".join(kinds)
    for branch in branches:
        required = branch.get("required", ())
        for name, child in branch.get("properties", {}).items():
            inner = f"{path}.{name}" if path else name
            for where, kind in _response_fields(child, inner):
                yield where, f"{kind}!" if where == inner and name in required else kind
        if isinstance(branch.get("items"), dict):
            yield from _response_fields(branch["items"], f"{path}[]")


# arguments by path


def _arguments(schema: Schema) -> dict[str, Facts]:
    found: dict[str, Facts] = {}
    for name, child in schema.get("properties", {}).items():
        _collect(child, name, name in schema.get("required", ()), found)
    return found


def _collect(schema: Schema | bool, path: str, required: bool, found: dict[str, Facts]) -> None:
    branches = _branches(schema)
    fact: Facts = {"kinds": sorted({kind for branch in branches for kind in _kinds(branch)})}
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


def _branches(schema: Schema | bool) -> list[Schema]:
    if isinstance(schema, bool):
        return [{}]
    options = schema.get("anyOf") or schema.get("oneOf")
    if not options or "properties" in schema:
        return [schema]
    return [branch for option in options for branch in _branches(option)]


def _kinds(schema: Schema) -> list[str]:
    kinds = schema.get("type", "object" if "properties" in schema else [])
    return kinds if isinstance(kinds, list) else [kinds]


def _digested(facts: Facts) -> Facts:
    arguments = {
        path: {**fact, "enum": digest(fact["enum"])} if "enum" in fact else fact
        for path, fact in facts["arguments"].items()
    }
    return {**facts, "arguments": arguments}


def digest(values: list[Any]) -> str:
    """The number of values of an enum and a digest of them, in any order: `102 values, 1f0c...`."""
    text = "\n".join(sorted(json.dumps(value) for value in values))
    return f"{len(values)} values, {hashlib.sha256(text.encode()).hexdigest()[:16]}"


# differences


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
    """An empty path value is refused whatever a document says, so its least length is no fact to compare."""
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
            if mine["changes"] and path.isidentifier():
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
