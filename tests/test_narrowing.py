"""A blank filter never widens a call: it is refused where something changes, and told where something is read."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.sandbox import World
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from .cases import for_each
from .conftest import Connect, answer_of

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())
OPERATION = {op.name: op for op in OPERATIONS}
CHANGING = [op for op in OPERATIONS if op.narrowing.by and not op.read_only]
CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"

BLANKS: list[Any] = [
    "",
    " ",
    "\t\n",
    "\u200b",
    "\u3164\u2800",
    "\ufeff \u00a0",
    [],
    [""],
    [[]],
    {},
    [{}],
    {"filter": ""},
]
TEXTS_OF_BLANKS = ["[]", "{}", '[""]', '"[]"']
"""Taken as what they say where no string fits."""

NARROWED = {
    "approve_sales_agent_activities",
    "bulk_assign_leads",
    "bulk_delete_agent_items",
    "bulk_delete_block_list_entries",
    "bulk_delete_leads",
    "bulk_pause_accounts",
    "cancel_dfy_accounts",
    "create_ai_enrichment",
    "create_enrichment",
    "delete_all_block_list_entries",
    "disable_account_warmup",
    "enable_account_warmup",
    "enrich_leads_from_supersearch",
    "move_accounts",
    "move_leads",
    "reject_sales_agent_activities",
    "run_enrichment",
    "toggle_custom_tag",
    "create_lead_finder",
    "create_saved_search",
    "update_lead_finder",
    "update_lead_interest_status",
    "update_saved_search",
}

NAMED = {
    "bulk_add_leads": "adds the leads that it is given",
    "bulk_create_block_list_entries": "adds the entries that it is given",
    "cancel_workspace_removal": "the workspace of the key",
    "change_workspace_owner": "acts on the workspace of the key",
    "delete_lead_label": "the label named in the path; the leads that have it lose it",
    "delete_workspace_whitelabel_domain": "the domain of the workspace of the key",
    "merge_leads": "the two leads that it is given, both by their ids",
    "move_lead_to_subsequence": "the lead that it is given, by its id",
    "pause_deliverability_affected_accounts": "the accounts of the finding named in the path",
    "pause_deliverability_campaign_sending": "the accounts of the finding named in the path",
    "remove_lead_from_subsequence": "the lead that it is given, by its id",
    "resume_lead_finder": "the agent named in the path, and its campaign",
    "schedule_workspace_removal": "the workspace of the key",
    "set_workspace_whitelabel_domain": "the workspace of the key",
    "update_default_deliverability_settings": "the one default agent of the workspace",
    "update_workspace": "the workspace of the key",
}
"""Tools that change or delete and have nothing to narrow, and what they act on instead.

Those that act on one thing, which their path names, need no entry.
"""

VERBS = ("delete", "move", "merge", "mark", "pause", "bulk", "remove", "cancel", "toggle", "schedule")


def refused(operation: Operation, arguments: dict[str, Any]) -> str:
    with pytest.raises(InvalidArguments) as caught:
        check_arguments(operation, arguments)
    return str(caught.value)


def test_every_tool_that_changes_many_or_destroys_is_narrowed_or_acts_on_what_it_names() -> None:
    acting = {
        op.name
        for op in OPERATIONS
        if not op.read_only and (op.destructive or "bulk" in op.effects or op.name.startswith(VERBS))
    }
    assert {op.name for op in CHANGING} == NARROWED
    addressed = {op.name for op in OPERATIONS if op.placeholders and "bulk" not in op.effects}
    assert acting - NARROWED - addressed == set(NAMED)


@pytest.mark.parametrize("operation", CHANGING, ids=[op.name for op in CHANGING])
async def test_a_blank_in_a_narrowing_argument_is_refused_with_what_would_have_happened(
    connect: Connect, world: World, operation: Operation
) -> None:
    async with connect(tools=[operation.name]) as client:
        for name in operation.narrowing.by:
            for example in operation.examples:
                takes = operation.input_schema["properties"][name].get("type", "string")
                for blank in [*BLANKS, *(TEXTS_OF_BLANKS if takes != "string" else [])]:
                    result = await client.call_tool(operation.name, {**example, name: blank})
                    text = result.content[0].text
                    assert result.is_error, (name, blank, text)
                    assert text.startswith("Nothing was sent")
                    assert f"{name}" in text
                    if blank in ("", [], {}):
                        assert f"{name}: is blank and narrows nothing, so {operation.narrowing.blank}." in text
    assert world.requests == []


@pytest.mark.parametrize(
    "operation", [op for op in CHANGING if "search_filters" in op.narrowing.by], ids=lambda op: op.name
)
@pytest.mark.parametrize("blank", [{}, {"include": []}, {"include": None}])
def test_a_filter_within_a_narrowing_argument_is_not_blank_either(operation: Operation, blank: Any) -> None:
    filters = {"level": ["VP-Level"], "title": blank}
    assert "is blank and narrows nothing" in refused(operation, {**operation.examples[0], "search_filters": filters})


@pytest.mark.parametrize("operation", [op for op in CHANGING if "limit" in op.narrowing.by], ids=lambda op: op.name)
@pytest.mark.parametrize("limit", [0, -1, 0.0, "0"])
def test_a_limit_of_nothing_is_refused(operation: Operation, limit: Any) -> None:
    assert "limit: " in refused(operation, {**operation.examples[0], "limit": limit})
    assert "limits nothing" in refused(operation, {**operation.examples[0], "limit": limit})


@pytest.mark.parametrize("operation", [op for op in CHANGING if op.narrowing.one_of], ids=lambda op: op.name)
def test_a_tool_that_would_take_everything_requires_a_filter(operation: Operation) -> None:
    bare = {
        name: value
        for name, value in operation.examples[0].items()
        if name not in operation.narrowing.one_of and name not in operation.narrowing.by
    }
    told = refused(operation, bare)
    assert f"Give at least one of {', '.join(operation.narrowing.one_of)}: without one," in told
    assert operation.narrowing.without in told


PICKING = [op for op in CHANGING if op.narrowing.picks]


def with_nulls(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """As frameworks send a call that fill in each argument which was left out."""
    return {**dict.fromkeys(operation.input_schema["properties"]), **arguments}


async def test_a_call_that_is_wide_only_for_its_nulls_is_refused_and_says_how_to_mean_all(
    connect: Connect, world: World
) -> None:
    leads = len(world.leads)
    async with connect(toolsets=["all"]) as client:
        for given in ({"campaign_id": CAMPAIGN, "ids": None}, {"list_id": LIST, "status": "null", "limit": None}):
            result = await client.call_tool("bulk_delete_leads", given)
            assert result.is_error
            text = result.content[0].text
            assert "null picks nothing, so every lead that the other arguments match would be deleted for good" in text
            assert "Give ids, status or limit; if all of them are meant, limit, at least as many as there are." in text
        assert (world.requests, len(world.leads)) == ([], leads)
        everything = with_nulls(OPERATION["bulk_delete_leads"], {"list_id": LIST, "limit": 10_000})
        assert not (await client.call_tool("bulk_delete_leads", everything)).is_error
        emptied = with_nulls(OPERATION["delete_all_block_list_entries"], {"domains_only": False})
        assert not (await client.call_tool("delete_all_block_list_entries", emptied)).is_error
    assert len(world.leads) < leads and len(world.block_list) == 0


@pytest.mark.parametrize(
    ("tool", "given", "said"),
    [
        (
            "move_leads",
            {"campaign": CAMPAIGN, "to_list_id": LIST, "excluded_ids": None},
            "excluded_ids: null picks nothing, so every lead",
        ),
        (
            "disable_account_warmup",
            {"include_all_emails": True, "excluded_emails": None},
            "excluded_emails: null narrows nothing, so warmup would be turned off",
        ),
        (
            "toggle_custom_tag",
            {
                "tag_ids": [LIST],
                "resource_type": 1,
                "assign": False,
                "selected_all": True,
                "excluded_resource_ids": None,
                "search": None,
            },
            "excluded_resource_ids and search: null narrows nothing",
        ),
        ("run_enrichment", {"resource_id": LIST, "lead_ids": None}, "lead_ids: null narrows nothing, so more leads"),
        ("create_enrichment", {"resource_id": LIST, "type": "work_email_enrichment", "limit": None}, "limit: null"),
    ],
)
def test_a_null_that_no_framework_wrote_is_refused_as_a_blank_is(tool: str, given: dict[str, Any], said: str) -> None:
    """A framework would have written null for every argument that narrows."""
    assert said in refused(OPERATION[tool], given)
    if "picks" not in said:
        everything = with_nulls(OPERATION[tool], given)
        assert check_arguments(OPERATION[tool], everything) == {
            name: value for name, value in given.items() if value is not None
        }


def test_a_null_is_no_matter_where_another_argument_picks() -> None:
    for tool, given in (
        ("move_leads", {"campaign": CAMPAIGN, "to_list_id": LIST, "limit": 5}),
        ("disable_account_warmup", {"include_all_emails": True, "search": "brightpath"}),
    ):
        spared = "excluded_ids" if tool == "move_leads" else "excluded_emails"
        assert check_arguments(OPERATION[tool], {**given, spared: None}) == given


@pytest.mark.parametrize("operation", PICKING, ids=lambda op: op.name)
def test_where_others_are_null_one_argument_that_picks_is_enough(operation: Operation) -> None:
    for example in operation.examples:
        bare = {name: value for name, value in example.items() if name not in operation.narrowing.picks}
        assert "null picks nothing" in refused(operation, with_nulls(operation, bare))
        if set(example) & set(operation.narrowing.picks):
            assert check_arguments(operation, with_nulls(operation, example)) == example


@for_each("operation", OPERATIONS)
def test_null_for_each_argument_that_was_left_out_makes_the_same_call(operation: Operation) -> None:
    """But where an argument that picks is needed among nulls."""
    for example in operation.examples:
        if not operation.narrowing.picks or set(example) & set(operation.narrowing.picks):
            full = with_nulls(operation, example)
            assert check_arguments(operation, full) == check_arguments(operation, example)


def test_a_change_that_is_narrowed_by_choice_needs_an_argument_that_picks_or_says_all_in_another_way() -> None:
    """Those without one name each thing that they act on, say all by an argument of their own, or are given null for
    every filter by strict clients, which could not enrich a whole list otherwise.
    """
    chosen = {op.name for op in CHANGING if not set(op.narrowing.by) & set(op.input_schema.get("required", ()))}
    assert chosen - {op.name for op in PICKING} == {
        "create_ai_enrichment",  # strict clients
        "create_enrichment",  # strict clients
        "run_enrichment",  # strict clients
        "disable_account_warmup",  # include_all_emails
        "enable_account_warmup",  # include_all_emails
        "update_lead_finder",  # what is not given stays
        "update_saved_search",  # what is not given stays
    }


async def test_leads_are_moved_by_a_source_or_a_filter_and_never_for_a_blank_one(
    connect: Connect, world: World
) -> None:
    move = {"campaign": CAMPAIGN, "to_list_id": LIST}
    before = [lead.get("list_id") for lead in world.leads]
    async with connect() as client:
        for blank in ({"contacts": []}, {"search": ""}, {"queries": []}, {"limit": 0}, {"excluded_ids": []}):
            result = await client.call_tool("move_leads", {**move, **blank})
            assert result.is_error
            assert "every lead that the other arguments match would be moved" in result.content[0].text
        alone = await client.call_tool("move_leads", {"to_campaign_id": CAMPAIGN})
        assert "every lead in the workspace would be moved" in alone.content[0].text
        assert not (await client.call_tool("move_leads", {**move, "limit": 1})).is_error
    assert [lead.get("list_id") for lead in world.leads] == before
    assert len(world.requests) == 1


async def test_the_block_list_is_not_emptied_by_a_blank_search(connect: Connect, world: World) -> None:
    entries = len(world.block_list)
    async with connect() as client:
        for search in ("", " "):
            result = await client.call_tool("delete_all_block_list_entries", {"search": search})
            assert result.is_error
            assert "these people could be emailed again" in result.content[0].text
    assert len(world.block_list) == entries > 0


SEARCHING = [op for op in CHANGING if "search" in op.narrowing.by]


@pytest.mark.parametrize("operation", SEARCHING, ids=[op.name for op in SEARCHING])
@pytest.mark.parametrize("search", ["*", " * ", "%", ".", ".*", "*@*", "?"])
def test_a_search_for_everything_is_refused_as_a_blank_one_is(operation: Operation, search: str) -> None:
    told = refused(operation, {**operation.examples[0], "search": search})
    assert f"search: is only a wildcard and narrows nothing, so {operation.narrowing.blank}." in told


def test_a_search_within_a_filter_is_held_to_the_same() -> None:
    filtered = next(one for one in OPERATION["toggle_custom_tag"].examples if one.get("selected_all"))
    told = refused(OPERATION["toggle_custom_tag"], {**filtered, "filter": {"search": "*"}})
    assert "filter.search: is only a wildcard and narrows nothing" in told


@pytest.mark.parametrize("search", ["a", "7", "@acme.example", "\u00e9", "*acme*"])
def test_a_search_for_something_goes_through(search: str) -> None:
    move = {"campaign": CAMPAIGN, "to_list_id": LIST, "search": search}
    assert check_arguments(OPERATION["move_leads"], move)["search"] == search


async def test_accounts_that_are_named_and_all_of_them_are_not_both_meant(connect: Connect, world: World) -> None:
    named = {"emails": ["chloe@brightpath.example"], "include_all_emails": True}
    tags = {
        "tag_ids": ["7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"],
        "resource_type": 1,
        "assign": True,
        "resource_ids": ["chloe@brightpath.example"],
        "selected_all": True,
    }
    async with connect() as client:
        for tool, given in (
            ("disable_account_warmup", named),
            ("enable_account_warmup", named),
            ("toggle_custom_tag", tags),
        ):
            result = await client.call_tool(tool, given)
            assert result.is_error
            assert "not both" in result.content[0].text
    assert world.requests == []


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("get_campaign_analytics", "all campaigns of the workspace"),
        ("get_campaign_analytics_overview", "totals of the whole workspace"),
    ],
)
async def test_numbers_of_the_whole_workspace_say_so(connect: Connect, tool: str, said: str) -> None:
    async with connect() as client:
        blank = await client.call_tool(tool, {"ids": []})
        absent = await client.call_tool(tool, {})
    for result in (blank, absent):
        assert not result.is_error
        assert said in answer_of(result)["_note"]
    assert "ids was blank and was left out" in answer_of(blank)["_note"]


@pytest.mark.parametrize("tool", ["get_campaign_steps_analytics", "get_daily_campaign_analytics"])
async def test_numbers_without_a_campaign_say_that_they_are_of_all(connect: Connect, tool: str) -> None:
    async with connect() as client:
        everything = await client.call_tool(tool, {})
        one = await client.call_tool(tool, {"campaign_id": CAMPAIGN})
    assert "whole workspace, all campaigns together" in answer_of(everything)["_note"]
    assert "_note" not in answer_of(one)


async def test_a_blank_filter_of_a_list_is_left_out_and_reported(connect: Connect, world: World) -> None:
    async with connect() as client:
        result = await client.call_tool("list_emails", {"lead": "", "search": " ", "limit": 1})
        of_ids = await client.call_tool("list_leads", {"campaign": "", "limit": 1})
        first = await client.call_tool("list_campaigns", {"search": "", "limit": 1})
        plain = await client.call_tool("list_campaigns", {"limit": 1})
        every = await client.call_tool("list_campaigns", {"search": "*", "limit": 1})
    assert "lead and search were blank and left out: they narrow nothing." in answer_of(result)["_note"]
    assert "search was blank and was left out: it narrows nothing." in answer_of(first)["_note"]
    assert answer_of(of_ids)["_note"].startswith("campaign was blank and was left out: it narrows nothing.")
    assert "_note" not in answer_of(plain)
    assert "search is only a wildcard and was left out: it narrows nothing." in answer_of(every)["_note"]
    assert len(answer_of(every)["items"]) == 1
    assert [(request["path"], request["query"]) for request in world.requests] == [
        ("/api/v2/emails", [["limit", "1"]]),
        ("/api/v2/leads/list", []),
        *[("/api/v2/campaigns", [["limit", "1"]])] * 3,
    ]
    assert world.requests[1]["body"] == {"limit": 1}
