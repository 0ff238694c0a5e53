"""The whole list of tools, converted for each model API and framework as they do it, by rules with their sources."""

from __future__ import annotations

import copy
import dataclasses
import functools
import operator
from typing import Any, Literal

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ConfigDict, Field, create_model

from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.cli import cli
from mcp_instantly.maintenance.lint import lint
from mcp_instantly.maintenance.providers import OPTIONAL, PROVIDERS, misfits
from mcp_instantly.settings import SERVER_NAME
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from .cases import for_each

Schema = dict[str, Any]

CATALOG = load_catalog()
TOOLS = list(CATALOG.tools.values())

FREE = "fields of a person or request that the user names"
WHOLE = "replaced whole with what a read answers, so its shape is not written out again"
FILTERS = "search filters, whose shape would take thousands of tokens"
NOT_STRICT = {
    "bulk_add_leads": FREE,
    "create_lead": FREE,
    "start_job": FREE,
    "update_lead": FREE,
    "create_webhook": FREE,
    "update_webhook": FREE,
    "create_enrichment": FREE,
    "enrich_leads_from_supersearch": FILTERS,
    "count_supersearch_leads": FILTERS,
    "preview_supersearch_leads": FILTERS,
    "create_ai_enrichment": FILTERS,
    "bulk_assign_leads": FILTERS,
    "move_leads": FILTERS,
    "disable_account_warmup": FILTERS,
    "update_campaign": WHOLE,
    "update_subsequence": WHOLE,
    "update_inbox_placement_test": WHOLE,
    "create_inbox_manager": WHOLE,
    "update_inbox_manager": WHOLE,
    "create_lead_finder": FILTERS,
    "update_lead_finder": FILTERS,
    "create_lead_finder_workflow": FREE,
    "create_saved_search": FILTERS,
    "update_saved_search": FILTERS,
    "import_rows": FREE,
    "search_people_values": FILTERS,
    "create_sales_agent": "its config is that of update_sales_agent, and not written out twice",
    "update_sales_agent": "profiles, limits and sending settings are named in words, and enforced",
    "create_inbox_placement_test": "its days are free-form in the API",
    "create_company_list": FILTERS,
    "run_integration": FREE,
}
"""Tools that OpenAI cannot be strict with, and what of them is free-form."""


every_tool = for_each("operation", TOOLS)


# the rules, over the whole list


@pytest.mark.parametrize("preset", ["core", "default", "all"])
@pytest.mark.parametrize("name", [name for name in PROVIDERS if name != OPTIONAL])
def test_every_tool_of_every_preset_passes_for_every_provider(name: str, preset: str) -> None:
    chosen = [CATALOG.tools[tool] for tool in CATALOG.preset(preset)]
    assert [fault for op in chosen for fault in misfits(op, PROVIDERS[name])] == []


def test_what_cannot_be_strict_is_free_form_and_nothing_else() -> None:
    found = {op.name: list(misfits(op, PROVIDERS[OPTIONAL])) for op in TOOLS}
    assert {name for name, faults in found.items() if faults} == set(NOT_STRICT)
    assert {fault.partition(": ")[2] for faults in found.values() for fault in faults} == {
        "a free-form object cannot be strict"
    }


def tool(schema: Schema) -> Operation:
    """A tool with one argument, `a`."""
    whole = CATALOG.operations["verify_email"]
    wanted = {"type": "object", "properties": {"a": schema}, "additionalProperties": False}
    return dataclasses.replace(whole, tool={**whole.tool, "inputSchema": wanted})


BROKEN: list[tuple[str, Schema, str]] = [
    ("openai", {"type": "array"}, "an array has no items"),
    ("openai", {"type": "object", "properties": {"a b": {"type": "string"}}}, "the property name 'a b'"),
    ("anthropic", {"type": "object", "properties": {"x" * 65: {"type": "string"}}}, "the property name"),
    ("openai-strict", {"type": "boolean", "default": False}, "default is refused"),
    ("openai-strict", {"type": "string", "minLength": 1}, "minLength is refused"),
    ("openai-strict", {"oneOf": [{"type": "string"}]}, "oneOf is refused"),
    ("openai-strict", {"type": "string", "format": "uri"}, "the format uri"),
    ("openai-strict", {"type": "string", "pattern": "(?!x)y"}, "looks around"),
    ("openai-strict", {"type": "object"}, "free-form"),
    ("openai-strict", {"type": "object", "additionalProperties": {"type": "string"}}, "free-form"),
    ("openai-strict", {"type": "string", "enum": [str(n) for n in range(1001)]}, "1,000 values"),
    ("openai-strict", {"type": "string", "enum": ["x" * 100 + str(n) for n in range(251)]}, "15,000 characters"),
    ("gemini", {"type": "number", "enum": [1, 2]}, "something else than texts"),
    ("gemini", {"enum": ["a"]}, "something else than texts"),
    ("gemini", {"type": "string", "enum": []}, "an enum is empty"),
    ("gemini", {"type": "string", "format": "uuid"}, "the format uuid"),
    ("gemini", {"type": "number", "exclusiveMinimum": 0}, "exclusiveMinimum is not"),
    ("gemini", {"description": "d", "anyOf": [{"type": "string"}, {"type": "number"}]}, "beside anyOf"),
    ("gemini", {"anyOf": [{"type": "string"}, {"required": ["x"]}]}, "x is required and not defined"),
    ("gemini", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "a takes null"),
    ("gemini", {"type": ["string", "null"]}, "no type, or more than one"),
    ("gemini", {"properties": {"b": {"type": "string"}}}, "stand outside an object"),
    ("crewai", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "a takes null"),
    ("crewai", {"type": "array", "items": {"type": "string", "format": "email"}}, "the format email"),
    ("autogen", {"type": "string", "format": "uuid"}, "the format uuid"),
    ("autogen", {"anyOf": [{"type": "string"}, {"enum": ["a"]}]}, "an alternative of anyOf has no type"),
    ("langchain", {"type": ["string", "null"]}, "a takes null"),
]


@pytest.mark.parametrize(("name", "schema", "fault"), BROKEN, ids=[f"{name}: {fault}" for name, _, fault in BROKEN])
def test_what_a_provider_would_refuse_is_found(name: str, schema: Schema, fault: str) -> None:
    (found, *_) = [problem for problem in lint([tool(schema)], SERVER_NAME, name) if fault in problem]
    assert found.startswith(f"{PROVIDERS[name].title}: verify_email: input")


def test_a_schema_that_is_nested_too_deeply_is_found() -> None:
    schema: Schema = {"type": "string"}
    for _ in range(11):
        schema = {"type": "object", "properties": {"x": schema}}
    assert any("deeper than 10 levels" in fault for fault in misfits(tool(schema), PROVIDERS[OPTIONAL]))


# the list converted


def strict(schema: Schema) -> Schema:
    """As OpenAI's strict mode wants it: every object closed, every field required, optional ones with null."""
    schema = copy.deepcopy(schema)
    if "anyOf" in schema:
        schema["anyOf"] = [strict(branch) for branch in schema["anyOf"]]
    if "items" in schema:
        schema["items"] = strict(schema["items"])
    if schema.get("type") == "object":
        needed = schema.get("required", [])
        schema["properties"] = {
            name: strict(child) if name in needed else {"anyOf": [strict(child), {"type": "null"}]}
            for name, child in schema.get("properties", {}).items()
        }
        schema["required"] = list(schema["properties"])
        schema["additionalProperties"] = False
    return schema


def filled(schema: Schema, value: Any) -> Any:
    """What a strict model writes for a value: every field that it leaves out is null."""
    if isinstance(value, dict) and "properties" in schema:
        written = {name: filled(child, value[name]) for name, child in schema["properties"].items() if name in value}
        return dict.fromkeys(schema["properties"]) | written
    if isinstance(value, list) and "items" in schema:
        return [filled(schema["items"], item) for item in value]
    return value


@for_each("name", [op.name for op in TOOLS if op.name not in NOT_STRICT], str)
def test_a_strict_tool_is_within_the_rules_and_its_nulls_are_not_taken_for_values(name: str) -> None:
    operation = CATALOG.tools[name]
    converted = dataclasses.replace(
        operation, tool={**operation.tool, "inputSchema": strict(operation.input_schema)}, rules={}
    )
    assert list(misfits(converted, PROVIDERS[OPTIONAL])) == []
    for example in operation.examples:
        assert check_arguments(operation, filled(operation.input_schema, example)) == example


GEMINI_TYPES = {"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT"}
GEMINI_FIELDS: dict[str, Any] = {
    "type": str,
    "description": str,
    "enum": list,
    "pattern": str,
    "items": dict,
    "properties": dict,
    "required": list,
    "anyOf": list,
    "minimum": (int, float),
    "maximum": (int, float),
    "minItems": int,
    "maxItems": int,
}
"""Fields of the message Schema of the Gemini API that our tools may use, with what JSON carries them."""


def gemini(schema: Schema) -> Schema:
    """As LangChain and the gateways send it: in `parameters`, without additionalProperties, types in capitals."""
    converted: Schema = {}
    for word, value in schema.items():
        if word == "additionalProperties":
            continue
        assert isinstance(value, GEMINI_FIELDS[word]), word
        if word == "type":
            value = value.upper()
            assert value in GEMINI_TYPES
        elif word == "properties":
            value = {name: gemini(child) for name, child in value.items()}
        elif word == "items":
            value = gemini(value)
        elif word == "anyOf":
            value = [gemini(branch) for branch in value]
        elif word in ("enum", "required"):
            assert value and all(isinstance(one, str) for one in value)
        converted[word] = value
    assert ("type" in converted) != ("anyOf" in converted)
    assert "anyOf" not in converted or len(converted) == 1
    assert set(converted.get("required", ())) <= set(converted.get("properties", ()))
    return converted


@every_tool
def test_a_tool_becomes_a_declaration_of_gemini(operation: Operation) -> None:
    assert set(gemini(operation.input_schema)["properties"]) == set(operation.input_schema["properties"])


PYTHON: dict[str, Any] = {"string": str, "number": float, "integer": int, "boolean": bool}


def python_type(schema: Schema, name: str) -> Any:
    """As CrewAI and AutoGen read it: a pydantic type, an object as a model of its own."""
    if "anyOf" in schema:
        return functools.reduce(operator.or_, (python_type(branch, name) for branch in schema["anyOf"]))
    if "enum" in schema:
        return Literal[tuple(schema["enum"])]
    if schema["type"] == "array":
        return list[python_type(schema["items"], name)]  # type: ignore[misc]
    if schema["type"] == "object":
        return model(schema, name) if schema.get("properties") else dict[str, Any]
    return PYTHON[schema["type"]]


def model(schema: Schema, name: str) -> type[BaseModel]:
    """A model whose optional fields are null unless they are given."""
    fields: dict[str, Any] = {}
    for field, child in schema["properties"].items():
        kind = python_type(child, f"{name}_{field}")
        needed = field in schema.get("required", ())
        fields[f"f_{len(fields)}"] = (kind if needed else kind | None, Field(... if needed else None, alias=field))
    return create_model(name, __config__=ConfigDict(extra="forbid"), **fields)


@every_tool
def test_a_tool_becomes_a_model_of_pydantic_that_says_what_its_examples_say(operation: Operation) -> None:
    """CrewAI and mcp-use send every field of the model, with null for those that nobody gave."""
    arguments = model(operation.input_schema, operation.name)
    for example in operation.examples:
        sent = arguments.model_validate(example).model_dump(by_alias=True)
        assert check_arguments(operation, sent) == example


@every_tool
def test_numbers_that_are_not_advertised_are_still_the_only_ones(operation: Operation) -> None:
    """Enums of numbers have left the wire; the description names them all, and the check keeps to them."""
    for name, schema in operation.full_schema["properties"].items():
        if any(isinstance(value, (int, float)) for value in schema.get("enum", ())):
            assert "enum" not in operation.input_schema["properties"][name]
            assert all(str(number) in schema["description"] for number in schema["enum"])


# the command


def test_the_command_tells_what_one_provider_refuses() -> None:
    fits = CliRunner().invoke(cli, ["tools", "--toolsets", "all", "--lint", "gemini"])
    assert (fits.exit_code, fits.output) == (0, f"{len(TOOLS)} tools, no problems found by the rules of Gemini.\n")
    many = CliRunner().invoke(cli, ["tools", "--toolsets", "all", "--lint", "openai"])
    assert (many.exit_code, many.output) == (1, f"OpenAI: a request takes 128 tools, and these are {len(TOOLS)}\n")
    free = CliRunner().invoke(cli, ["tools", "--tools", "create_lead,get_lead", "--lint", "openai-strict"])
    assert (free.exit_code, len(free.output.splitlines())) == (1, 1)
    assert "create_lead: input.custom_variables: a free-form object cannot be strict" in free.output
    assert CliRunner().invoke(cli, ["tools", "--lint", "nobody"]).exit_code == 2


def test_the_command_asks_every_provider_unless_one_is_named() -> None:
    for arguments in (["--lint", "--toolsets", "core"], ["--toolsets", "core", "--lint"]):
        result = CliRunner().invoke(cli, ["tools", *arguments])
        assert result.exit_code == 0
        assert result.output.startswith(f"{len(CATALOG.preset('core'))} tools, no problems found")
