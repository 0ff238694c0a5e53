"""Rules that hold over every schema file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_instantly.arguments import check_arguments, enum_labels
from mcp_instantly.catalog import load_catalog
from mcp_instantly.operation import Operation

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "tool_schemas").glob("*/*.json"))
OPERATIONS = list(load_catalog().operations.values())
EFFECTS = {
    "administration",
    "bulk",
    "returns_or_takes_secrets",
    "sends_email",
    "spends_credits",
    "spends_money",
    "third_party_text",
}
HINTS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}

every_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=[op.name for op in OPERATIONS])


def nodes(schema: Any) -> Any:
    """Every object inside a schema, itself included."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


def test_every_file_is_one_tool_named_like_the_file() -> None:
    assert [file.stem for file in sorted(FILES, key=lambda f: f.stem)] == [op.name for op in OPERATIONS]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_a_file_has_the_known_keys_in_their_order(file: Path) -> None:
    known = ["name", "title", "description", "inputSchema", "annotations", "http", "rules", "examples"]
    keys = list(json.loads(file.read_text()))
    assert keys == [key for key in known if key in keys]
    assert set(known) - set(keys) <= {"rules"}


def test_no_two_tools_make_the_same_request() -> None:
    requests = [(op.method, op.path) for op in OPERATIONS]
    assert len(set(requests)) == len(requests)


@every_operation
def test_names_titles_and_descriptions_keep_their_form(operation: Operation) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]{2,45}", operation.name)
    assert 0 < len(operation.title) <= 60
    assert 0 < len(operation.description) <= 1000
    assert operation.description.endswith(".")
    assert operation.description == operation.description.strip()


@every_operation
def test_inputs_are_portable(operation: Operation) -> None:
    schema = operation.input_schema
    Draft202012Validator.check_schema(schema)
    Draft202012Validator.check_schema(operation.rules)
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert not {"anyOf", "oneOf", "allOf", "not", "if"} & set(schema)
    for node in nodes(schema):
        assert "$ref" not in node
        assert not isinstance(node.get("type"), list), "a nullable argument is spelled anyOf with null"
        if node.get("type") == "array":
            assert "items" in node
        if isinstance(node.get("properties"), dict):
            assert all(re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", name) for name in node["properties"])


@every_operation
def test_all_four_hints_are_written_down_and_agree(operation: Operation) -> None:
    assert set(operation.tool["annotations"]) == HINTS
    assert all(isinstance(value, bool) for value in operation.tool["annotations"].values())
    if operation.read_only:
        assert operation.idempotent
        assert not operation.destructive
    spending = {"sends_email", "spends_credits", "spends_money"}
    if operation.read_only:
        assert not spending & set(operation.effects)


@every_operation
def test_the_request_is_complete(operation: Operation) -> None:
    properties = operation.input_schema["properties"]
    assert operation.method in ("GET", "POST", "PATCH", "DELETE")
    assert operation.path.startswith("/api/v2/")
    assert operation.scopes
    assert set(operation.effects) <= EFFECTS
    assert set(operation.poll) <= load_catalog().operations.keys()
    for name in operation.placeholders:
        assert name in operation.input_schema["required"]
        assert properties[name]["minLength"] == 1
    left = set(properties) - set(operation.placeholders)
    assert operation.send in (("query", "body") if left else (None, "query", "body"))


def numeric_enums(schema: dict[str, Any], described: str = "") -> Any:
    """Schemas that hold a numeric enum, with the description that must explain it."""
    described = schema.get("description", described)
    if any(isinstance(value, (int, float)) for value in schema.get("enum", ())):
        yield {**schema, "description": described}
    for branch in [
        *schema.get("anyOf", ()),
        *schema.get("oneOf", ()),
        *([schema["items"]] if "items" in schema else []),
    ]:
        yield from numeric_enums(branch, described)
    for child in schema.get("properties", {}).values():
        yield from numeric_enums(child)


@every_operation
def test_every_number_of_an_enum_is_explained_in_words(operation: Operation) -> None:
    for schema in numeric_enums(operation.input_schema):
        labels = enum_labels(schema)
        assert set(labels) == set(schema["enum"])
        assert len(set(labels.values())) == len(labels)


@every_operation
def test_every_example_is_valid_and_the_first_is_minimal(operation: Operation) -> None:
    assert operation.examples
    for example in operation.examples:
        assert check_arguments(operation, example) == example
    first = operation.examples[0]
    assert all(len(first) <= len(example) for example in operation.examples)
    assert set(operation.input_schema.get("required", ())) <= set(first)


def test_every_toolset_has_a_title_a_sentence_and_its_folder() -> None:
    toolsets = load_catalog().toolsets
    assert set(toolsets) == {file.parent.name for file in FILES}
    for toolset in toolsets.values():
        assert toolset.title
        assert toolset.description.endswith(".")
        assert set(toolset.core) <= {op.name for op in OPERATIONS if op.toolset == toolset.name}


def test_differences_from_the_vendors_document_have_reasons() -> None:
    differences = json.loads((ROOT / "tests" / "differences.json").read_text())
    assert all(isinstance(reason, str) and len(reason) > 20 for reason in differences.values())
    assert {key.split(".")[0] for key in differences} <= load_catalog().operations.keys()
