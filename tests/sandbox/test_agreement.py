"""The sandbox's own shapes against the tool schemas: two hand-written accounts of the same API must agree."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mcp_instantly.sandbox.engine.routes import ROUTES, Route, route
from mcp_instantly.sandbox.resources.leads.enrichment_runs import enricher
from mcp_instantly.sandbox.state.world import action
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from ..cases import for_each

Schema = dict[str, Any]

FACTS = ("enum", "minimum", "maximum", "minItems", "maxItems", "minLength", "maxLength", "pattern", "minProperties")

BY_REQUEST = {(op.method, op.path): op for op in load_catalog().operations.values()}
PAIRS = [(route, BY_REQUEST[route.method, route.path]) for route in ROUTES]


def flat(schema: Schema) -> Schema:
    """`anyOf` with null as a list of types, as the sandbox writes it."""
    options = schema.get("anyOf")
    if options and {"type": "null"} in options and len(options) == 2:
        (kept,) = [option for option in options if option != {"type": "null"}]
        kept = copy.deepcopy(kept)
        kinds = kept.get("type", "object")
        kept["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
        return kept
    return schema


def differences(ours: Schema, theirs: Schema, where: str) -> list[str]:
    """Where a tool's schema and the sandbox's shape differ; alternatives are compared as a whole elsewhere.

    The sandbox takes null in more places than a tool sends it: only what a change can clear is compared.
    """
    ours, theirs = flat(ours), flat(theirs)
    if any("anyOf" in side or "oneOf" in side for side in (ours, theirs)):
        return []
    found = []
    for name in ("type", *FACTS):
        mine, other = ours.get(name), theirs.get(name)
        if name == "type":
            mine, other = kinds(ours), kinds(theirs)
            if not (where.count(".") == 1 and "[" not in where and where.startswith("update_")):
                other -= {"null"} - mine
        if name == "enum" and mine is not None and other is not None:
            mine, other = ({str(value) for value in values if value is not None} for values in (mine, other))
        if mine != other and not (name == "minLength" and "{" in where):
            found.append(f"{where} {name}: {mine} in the schema, {other} in the sandbox")
    for name in ours.get("properties", {}).keys() ^ theirs.get("properties", {}).keys():
        found.append(f"{where}.{name}: only on one side")
    for name in ours.get("properties", {}).keys() & theirs.get("properties", {}).keys():
        found += differences(ours["properties"][name], theirs["properties"][name], f"{where}.{name}")
    if set(ours.get("required", ())) != set(theirs.get("required", ())):
        found.append(f"{where} required: {ours.get('required')} in the schema, {theirs.get('required')} in the sandbox")
    if isinstance(ours.get("items"), dict) and isinstance(theirs.get("items"), dict):
        found += differences(ours["items"], theirs["items"], f"{where}[]")
    return found


def kinds(schema: Schema) -> set[str]:
    found = schema.get("type", "object" if "properties" in schema else ())
    return {found} if isinstance(found, str) else set(found)


def left(operation: Operation) -> Schema:
    """The tool's schema without what the path takes."""
    merged = operation.request_schema
    properties = {k: v for k, v in merged["properties"].items() if k not in operation.placeholders}
    required = [name for name in merged.get("required", ()) if name not in operation.placeholders]
    return {"type": "object", "properties": properties, "required": required}


@for_each("pair", PAIRS, lambda pair: pair[1].name)
def test_the_sandbox_accepts_what_the_tool_sends(pair: tuple[Route, Operation]) -> None:
    route, operation = pair
    shape = route.query.shape if operation.send == "query" else route.body.shape if route.body else {"type": "object"}
    theirs = {**shape, "type": "object"}
    theirs.pop("minProperties", None)
    assert differences(left(operation), theirs, operation.name) == []


def test_every_tool_of_the_catalogue_has_a_route() -> None:
    assert set(BY_REQUEST) == {(route.method, route.path) for route in ROUTES}


def test_a_second_handler_or_action_of_the_same_name_is_refused_when_it_is_registered() -> None:
    def get_campaign(*_: Any) -> None: ...

    def retry_delivery(*_: Any) -> None: ...

    with pytest.raises(ValueError, match=r"GET /campaigns/\{id\} already"):
        route("GET", "/campaigns/{id}")(get_campaign)
    with pytest.raises(ValueError, match="action retry_delivery already"):
        action(retry_delivery)
    with pytest.raises(ValueError, match="finder for email_verification already"):
        enricher("email_verification")(get_campaign)
