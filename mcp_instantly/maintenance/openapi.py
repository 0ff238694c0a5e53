"""Documents of the vendor's API, read as facts: its OpenAPI file, supplements to it, and records of both.

Documents can be recorded as facts, with a digest in place of each enum, so that a checkout knows what it was compared
with without carrying them.

A document that supplements the vendor's may say more than OpenAPI does: `x-uncertain` at a field, argument or response
of which too little is known, `x-uncertain-fields` at an operation (such as operationId); `x-scopes` and `x-effects` of
an operation; and `x-withdrawn`, operations that are not to be built. What is uncertain is never a difference.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.maintenance.facts import (
    BOUNDS,
    UNCERTAIN,
    Facts,
    Schema,
    alternatives,
    arguments_of,
    digest,
    kinds_in,
    request_key,
)

METHODS = ("get", "post", "put", "patch", "delete")
MAX_DEPTH = 60
MAX_NODES = 200_000
"""Of an operation, once its references are replaced."""

STATED_SCOPES = re.compile(r"Requires one of the following scopes: ([^\n]*)")


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
    return [request_key(one["method"], one["path"]) for one in operations]


def document_facts(document: Any) -> dict[str, Facts]:
    """The facts of every operation of an OpenAPI document, or of a record of one.

    Raises ConfigError for what is neither, and for an operation that is not as OpenAPI or a record has it.
    """
    if isinstance(document, dict) and isinstance(document.get("operations"), dict) and "sha256" in document:
        found: dict[str, Facts] = document["operations"]
    elif isinstance(document, dict) and isinstance(document.get("paths"), dict):
        found = {
            request_key(method, path): _read_operation(request_key(method, path), item[method], document)
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


def _digested(facts: Facts) -> Facts:
    arguments = {
        path: {**fact, "enum": digest(fact["enum"])} if "enum" in fact else fact
        for path, fact in facts["arguments"].items()
    }
    return {**facts, "arguments": arguments}


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
    success: Schema = next((response for status, response in sorted(responses.items()) if status.startswith("2")), {})
    uncertain = ["operation_id"] if "operationId" in operation.get("x-uncertain-fields", ()) else []
    return {
        "operation_id": operation.get("operationId"),
        "scopes": scopes,
        **({"also_scopes": also} if also else {}),
        **({"effects": sorted(operation["x-effects"])} if operation.get("x-effects") else {}),
        **({"uncertain": uncertain} if uncertain else {}),
        "arguments": arguments_of({"properties": properties, "required": required}),
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
    """Paths of a response with their kinds, `string|null`; a required one ends with `!`. The root's path is empty."""
    branches = [part for one in alternatives(schema) for part in one.get("allOf", [one])]
    kinds = sorted({kind for branch in branches for kind in kinds_in(branch)})
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
