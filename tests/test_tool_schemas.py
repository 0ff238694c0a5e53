"""Rules that hold over every schema file."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.arguments.schema import enum_labels
from mcp_instantly.maintenance.lint import lint
from mcp_instantly.settings import RESULT_LIMIT_CHARACTERS, SERVER_NAME
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.composition import WORKFLOWS
from mcp_instantly.tools.operation import Operation

from .cases import for_each

ROOT = Path(__file__).parent.parent
FILES = sorted(file for file in (ROOT / "tool_schemas").glob("*/*.json") if file.parent.name not in WORKFLOWS)
OPERATIONS = list(load_catalog().operations.values())
ALL = list(load_catalog().tools.values())
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

every_operation = for_each("operation", OPERATIONS)


def test_every_file_is_one_tool_named_like_the_file() -> None:
    assert [file.stem for file in sorted(FILES, key=lambda f: f.stem)] == [op.name for op in OPERATIONS]


@for_each("file", FILES)
def test_a_file_has_the_known_keys_in_their_order(file: Path) -> None:
    known = ["name", "title", "description", "inputSchema", "annotations", "_meta", "http"]
    known += ["extras", "emptied", "meant_empty", "rules", "examples", "narrowing", "uncertain", "moving", "fields"]
    known += ["waiting", "tells", "strangers", "secrets", "new_secrets", "paging"]
    keys = list(json.loads(file.read_text()))
    assert keys == [key for key in known if key in keys]
    assert {*known[:4], "annotations", "http", "examples"} <= set(keys)


def test_what_is_emptied_can_be_cleared_and_is_a_list_or_an_object() -> None:
    for operation in OPERATIONS:
        kinds = [operation.input_schema["properties"][name]["type"] for name in operation.emptied]
        assert set(operation.emptied) <= set(operation.clearable) and set(kinds) <= {"array", "object"}


def test_no_two_tools_make_the_same_request() -> None:
    requests = [(op.method, op.path) for op in OPERATIONS]
    assert len(set(requests)) == len(requests)


@every_operation
def test_titles_and_descriptions_keep_their_form(operation: Operation) -> None:
    assert 0 < len(operation.title) <= 60
    assert operation.description.endswith(".")
    assert operation.description == operation.description.strip()


@every_operation
def test_schemas_and_rules_are_valid(operation: Operation) -> None:
    Draft202012Validator.check_schema(operation.input_schema)
    Draft202012Validator.check_schema(operation.rules)


@pytest.mark.parametrize("preset", ["core", "default"])
def test_no_host_refuses_a_tool(preset: str) -> None:
    catalog = load_catalog()
    assert lint([catalog.tools[name] for name in catalog.preset(preset)], SERVER_NAME) == []


def test_all_tools_together_are_too_many_for_a_request_and_nothing_else() -> None:
    assert lint(OPERATIONS, SERVER_NAME) == [f"OpenAI: a request takes 128 tools, and these are {len(OPERATIONS)}"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "Verify"}, "the name must be"),
        ({"name": "x" * 47}, "the name must be"),
        ({"description": "x" * 1001}, "1 to 1000 characters"),
        ({"outputSchema": {}}, "outputSchema"),
        ({"inputSchema": {"type": "object"}}, "an object with properties"),
        ({"inputSchema": {"type": "object", "properties": {}}}, "additionalProperties false"),
        ({"inputSchema": {"type": "object", "properties": {}, "anyOf": []}}, "anyOf stands at the top"),
        ({"inputSchema": {"type": "object", "properties": {"a": {"$ref": "#/b"}}}}, "input.a: $ref"),
        (
            {"inputSchema": {"type": "object", "properties": {"a": {"type": ["string", "null"]}}}},
            "input.a: several types",
        ),
        ({"inputSchema": {"type": "object", "properties": {"a": {"type": "array"}}}}, "input.a: an array needs items"),
        ({"inputSchema": {"type": "object", "properties": {"a b": {}}}}, 'the property name "a b"'),
        (
            {
                "inputSchema": {
                    "type": "object",
                    "properties": {"a": {"anyOf": [{"type": "array", "items": {"enum": []}}]}},
                }
            },
            "input.a[]: an enum needs values",
        ),
    ],
)
def test_what_a_host_would_refuse_is_found(change: dict[str, Any], problem: str) -> None:
    whole = load_catalog().operations["verify_email"]
    broken = dataclasses.replace(whole, tool={**whole.tool, **change})
    assert any(problem in found for found in lint([broken], SERVER_NAME))


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
    properties = operation.full_schema["properties"]
    assert operation.method in ("GET", "POST", "PUT", "PATCH", "DELETE")
    assert operation.path.startswith("/api/v2/")
    assert operation.scopes
    assert set(operation.effects) <= EFFECTS
    assert set(operation.poll) <= load_catalog().operations.keys()
    for name in operation.placeholders:
        assert name in operation.input_schema["required"]
        assert properties[name].get("minLength") == 1 or "format" in properties[name]
    left = set(properties) - set(operation.placeholders) - set(operation.extras)
    assert set(operation.extras) <= set(properties)
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
    for schema in numeric_enums(operation.full_schema):
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
    tools = load_catalog().tools.values()
    assert set(toolsets) == {op.toolset for op in tools}
    for toolset in toolsets.values():
        assert toolset.title
        assert toolset.description.endswith(".")
        assert set(toolset.core) <= {op.name for op in tools if op.toolset == toolset.name}


def test_differences_from_the_vendors_document_have_reasons() -> None:
    differences = json.loads((ROOT / "tests" / "differences.json").read_text())
    assert all(isinstance(reason, str) and len(reason) > 20 for reason in differences.values())
    assert {key.split(".")[0] for key in differences} <= load_catalog().operations.keys()


# What changes nothing and spends nothing, whatever the method; and what does, although it is read with GET.

READING_POSTS = {
    "check_domain_availability": "asks registrars, orders nothing",
    "count_supersearch_leads": "counts, costs no credits",
    "export_campaign": "answers the campaign as it is",
    "get_deliverability_insights": "computes from results that exist",
    "get_inbox_placement_stats_by_date": "computes from results that exist",
    "get_inbox_placement_stats_by_test": "computes from results that exist",
    "get_warmup_analytics": "a read whose addresses go in the body",
    "list_leads": "a read whose filters go in the body",
    "list_prewarmed_domains": "a read of what is for sale",
    "list_signal_keywords": "a read of the values of a filter",
    "preview_supersearch_leads": "shows people without addresses, costs no credits",
    "suggest_similar_domains": "proposes names, orders nothing",
    "test_account_vitals": "asks DNS, changes nothing",
}
CONSUMING_GETS = {
    "get_oauth_session_status": "the final answer is given once; reading it a second time finds nothing",
}


def test_what_reads_says_so_and_what_writes_says_so() -> None:
    posts = {op.name for op in OPERATIONS if op.read_only and op.method != "GET"}
    gets = {op.name for op in OPERATIONS if not op.read_only and op.method == "GET"}
    assert posts == set(READING_POSTS)
    assert gets == set(CONSUMING_GETS)


SETTING_A_STATE = {
    "activate_campaign",
    "bulk_delete_block_list_entries",
    "delete_block_list_entry",
    "enable_account_warmup",
    "mark_account_fixed",
    "resume_account",
    "resume_subsequence",
    "toggle_custom_tag",
    "update_block_list_entry",
    "update_campaign",
    "update_enrichment_settings",
    "update_inbox_manager",
    "update_inbox_placement_test",
    "update_lead_finder",
    "update_sales_agent",
    "update_subsequence",
}
"""What has emails sent or credits spent later on, by a state that a second call does not change."""


def test_what_has_mail_sent_or_credits_spent_may_be_repeated_only_where_it_sets_a_state() -> None:
    costly = {"sends_email", "spends_credits", "spends_money"}
    repeated = {op.name for op in OPERATIONS if op.idempotent and costly & set(op.effects)}
    assert repeated == SETTING_A_STATE, "a call that sends or spends itself must not be idempotent"


def test_nothing_that_creates_or_spends_money_is_called_idempotent() -> None:
    """The retry obeys this hint, so a wrong one sends mail or spends credits twice."""
    for operation in OPERATIONS:
        if operation.idempotent and not operation.read_only:
            assert not operation.name.startswith(
                ("create_", "duplicate_", "reply_", "forward_", "send_", "merge_", "bulk_add")
            )
            assert "spends_money" not in operation.effects


def test_every_deletion_is_called_destructive() -> None:
    for operation in OPERATIONS:
        if operation.method == "DELETE" and operation.name != "cancel_workspace_removal":
            assert operation.destructive, operation.name


def test_every_update_says_that_it_overwrites() -> None:
    """A hint that is false promises that nothing but additions are made: hosts let such calls through unasked."""
    updates = [op for op in OPERATIONS if op.method in ("PATCH", "PUT")]
    assert len(updates) > 20
    assert [op.name for op in updates if not op.destructive] == []
    assert {op.effect for op in updates} == {"changes"}


def test_about_eight_tools_are_always_loaded_where_a_host_hides_the_others() -> None:
    always = {op.name for op in ALL if op.tool.get("_meta", {}).get("anthropic/alwaysLoad")}
    assert 6 <= len(always) <= 10
    assert always <= set(load_catalog().preset("default"))


def test_every_list_may_be_as_long_as_the_server_makes_it() -> None:
    sizes = {op.name: size for op in ALL if (size := op.tool.get("_meta", {}).get("anthropic/maxResultSizeChars"))}
    assert set(sizes.values()) == {RESULT_LIMIT_CHARACTERS}
    lists = {
        op.name
        for op in OPERATIONS
        if op.read_only
        and (op.name.startswith("list_") or {"starting_after", "offset"} & set(op.input_schema["properties"]))
    }
    assert lists - set(sizes) == set()
    assert all(op.read_only for op in ALL if op.name in sizes)


def test_meta_has_nothing_that_no_host_reads() -> None:
    known = {"anthropic/alwaysLoad", "anthropic/maxResultSizeChars"}
    assert {key for op in ALL for key in op.tool.get("_meta", {})} == known


NAMED_AND_OFF = {
    ("bulk_assign_leads", "list_workspace_members"): "nothing of the preset tells the ids of people",
    ("count_supersearch_leads", "list_signal_keywords"): "nothing of the preset tells the fields of signals",
    ("create_enrichment", "create_ai_enrichment"): "it says which other tool there is for what it cannot do",
}
"""Tools of the default preset that name one that is not in it, and why: to call that one tells how it is turned on."""


def test_tools_of_the_default_preset_name_others_of_it_wherever_one_does_the_same() -> None:
    catalog = load_catalog()
    names = set(catalog.preset("default"))
    off = set(catalog.tools) - names
    found = set()
    for tool in (catalog.tools[name] for name in names):
        said = json.dumps([tool.description, tool.input_schema, tool.rules])
        found |= {(tool.name, other) for other in set(re.findall(r"[a-z]+(?:_[a-z]+)+", said)) & off}
    assert found == set(NAMED_AND_OFF)
