"""Workflows: tools that are composed of operations, through client, server and sandbox."""

from __future__ import annotations

import dataclasses
import json
import pkgutil
import sys
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from mcp import Client

from mcp_instantly import workflows
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.cli import cli
from mcp_instantly.errors import ApiError, ConfigError, ToolNotEnabled
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog, minimum_scopes, select
from mcp_instantly.tools.composition import Workflow, read_workflow
from mcp_instantly.workflows import Context

from .conftest import ROOT, Connect, answer_of, no_sleep

pytestmark = pytest.mark.anyio

WORKFLOWS = list(load_catalog().workflows.values())
every_workflow = pytest.mark.parametrize("workflow", WORKFLOWS, ids=[one.name for one in WORKFLOWS])

NEEDS_MORE = ("send_draft", "get_job", "cancel_job", "get_job_rows")
"""What works only on what is there already; tests/test_drafts.py and tests/test_bulk_jobs.py do."""

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"

Run = Callable[[Context, dict[str, Any]], Awaitable[dict[str, Any]]]


# each of them


def test_every_workflow_has_its_module_and_every_module_its_workflow() -> None:
    modules = pkgutil.iter_modules(workflows.__path__)
    assert {module.name for module in modules if not module.ispkg} == {one.name for one in WORKFLOWS}
    for one in WORKFLOWS:
        assert callable(workflows.find(one.name))


@every_workflow
def test_a_file_has_the_known_keys_in_their_order(workflow: Workflow) -> None:
    known = ["name", "title", "description", "inputSchema", "_meta"]
    known += ["calls", "may_call", "kinds", "local", "rules", "examples", "narrowing", "strangers"]
    file = ROOT / "tool_schemas" / workflow.toolset / f"{workflow.name}.json"
    keys = list(json.loads(file.read_text()))
    assert keys == [key for key in known if key in keys]
    assert set(known) - set(keys) <= {"_meta", "may_call", "kinds", "local", "rules", "narrowing", "strangers"}
    Draft202012Validator.check_schema(workflow.input_schema)
    Draft202012Validator.check_schema(workflow.rules)
    assert 0 < len(workflow.title) <= 60 and workflow.description.endswith(".")


@every_workflow
def test_its_hints_effects_and_scopes_are_those_of_what_it_calls(workflow: Workflow) -> None:
    parts = workflow.parts.values()
    writes = json.loads((ROOT / "tool_schemas" / workflow.toolset / f"{workflow.name}.json").read_text()).get("local")
    assert workflow.read_only == (all(part.read_only for part in parts) and writes != "writes")
    assert workflow.destructive == any(part.destructive for part in parts)
    assert workflow.idempotent == (all(part.idempotent for part in parts) and writes != "writes")
    assert set(workflow.effects) == {effect for part in parts for effect in part.effects}
    assert minimum_scopes([workflow]) == minimum_scopes(workflow.needed)


@every_workflow
async def test_its_examples_are_valid_and_call_nothing_that_its_file_does_not_name(
    connect: Connect, workflow: Workflow
) -> None:
    first = workflow.examples[0]
    assert all(len(first) <= len(example) for example in workflow.examples)
    for example in workflow.examples:
        assert check_arguments(workflow, example) == example
        if workflow.name in NEEDS_MORE:
            continue
        async with connect(tools=[workflow.name]) as client:
            answer = answer_of(await client.call_tool(workflow.name, example))
        assert set(answer["_calls"]) <= set(workflow.parts)
        assert sum(answer["_calls"].values()) > 0 or not workflow.parts


@every_workflow
async def test_unknown_and_missing_arguments_are_refused_with_nothing_sent(
    connect: Connect, world: World, workflow: Workflow
) -> None:
    async with connect(tools=[workflow.name]) as client:
        unknown = await client.call_tool(workflow.name, {**workflow.examples[0], "no_such_argument": 1})
        assert "no_such_argument: unknown." in unknown.content[0].text
        for name in workflow.input_schema.get("required", ()):
            left = {key: value for key, value in workflow.examples[0].items() if key != name}
            assert f"{name}: missing" in (await client.call_tool(workflow.name, left)).content[0].text
    assert world.requests == []


@pytest.mark.parametrize("damage", [{"calls": ["no_such_operation"]}, {"calls": None}, {"examples": None}])
def test_a_damaged_file_is_named(tmp_path: Any, catalog: Catalog, damage: dict[str, Any]) -> None:
    file = ROOT / "tool_schemas" / "workflows" / "count_leads.json"
    broken = tmp_path / "count_leads.json"
    broken.write_text(json.dumps({**json.loads(file.read_text()), **damage}))
    with pytest.raises(ConfigError, match=r"count_leads\.json cannot be used"):
        read_workflow(broken, catalog.operations)


# selections


def test_a_workflow_needs_what_it_calls_and_not_that_it_is_offered(catalog: Catalog) -> None:
    assert set(select(catalog, tools=["count_leads"]).tools) == {"count_leads"}
    assert "count_leads" in select(catalog, toolsets=["workflows"], read_only=True).tools
    assert "count_leads" in select(catalog, toolsets=["all"], scopes=["leads:read"]).tools
    for chosen in ({"exclude": ["list_leads"]}, {"scopes": ["campaigns:read"]}):
        assert "count_leads" not in select(catalog, toolsets=["all"], **chosen).tools


def test_a_workflow_that_is_off_says_which_flag_would_enable_it(catalog: Catalog) -> None:
    with pytest.raises(ToolNotEnabled, match="names list_leads, which it calls"):
        select(catalog, toolsets=["all"], exclude=["list_leads"]).find("count_leads")
    with pytest.raises(ToolNotEnabled, match="leads:read, leads:all, all:read, all:all"):
        select(catalog, toolsets=["all"], scopes=["campaigns:read"]).find("count_leads")


def test_a_workflow_that_writes_is_off_on_a_read_only_server(made: Made) -> None:
    catalog = made(nothing, calls=("get_lead",), may_call=("update_lead",))
    assert "try_out" in select(catalog, toolsets=["workflows"]).tools
    assert "try_out" not in select(catalog, toolsets=["workflows"], read_only=True).tools


def test_the_command_line_lists_what_a_workflow_calls() -> None:
    listed = json.loads(CliRunner().invoke(cli, ["tools", "--tools", "count_leads", "--json"]).stdout)
    assert [(tool["name"], tool["calls"], tool["method"]) for tool in listed] == [("count_leads", ["list_leads"], None)]


# at work, with a workflow that is made up

Made = Callable[..., Catalog]


async def nothing(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return {}


@pytest.fixture
def made(catalog: Catalog) -> Iterator[Made]:
    """A catalogue with a workflow `try_out` beside the others, which runs a function of the test."""
    name = "mcp_instantly.workflows.try_out"

    def make(run: Run, calls: tuple[str, ...], may_call: tuple[str, ...] = ()) -> Catalog:
        module = types.ModuleType(name)
        module.run = run  # type: ignore[attr-defined]
        sys.modules[name] = module
        like = catalog.workflows["count_leads"]
        parts = [catalog.operations[part] for part in (*calls, *may_call)]
        hints = {**like.tool["annotations"], "readOnlyHint": all(part.read_only for part in parts)}
        schema = {"type": "object", "properties": {}, "additionalProperties": False}
        workflow = dataclasses.replace(
            like,
            tool={**like.tool, "name": "try_out", "inputSchema": schema, "annotations": hints},
            rules={},
            examples=({},),
            needed=tuple(parts[: len(calls)]),
            optional=tuple(parts[len(calls) :]),
        )
        return dataclasses.replace(catalog, workflows={**catalog.workflows, "try_out": workflow})

    yield make
    sys.modules.pop(name, None)


async def try_out(
    catalog: Catalog, world: World, settings: Settings, progress: Any = None, **chosen: Any
) -> tuple[Any, str]:
    """The result of the workflow that is made up, and its text."""
    selection = select(catalog, **(chosen or {"toolsets": ["all"]}))
    transport = httpx.ASGITransport(create_app(world))
    async with (
        InstantlyClient(settings, transport=transport, sleep=no_sleep) as http,
        Client(build_server(Invoker(selection, http, settings))) as client,
    ):
        result = await client.call_tool("try_out", {}, progress_callback=progress)
    return result, result.content[0].text


async def test_every_inner_call_is_checked_counted_and_logged(
    made: Made, world: World, settings: Settings, events: list[dict[str, Any]]
) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        made_lists = [await context.call("create_lead_list", name=f"List {number}") for number in range(2)]
        await context.call("get_lead_list", id=made_lists[0]["id"])
        await context.progress(1, 2, "half")
        await context.progress(0.5, 2)
        return {"names": [one["name"] for one in made_lists]}

    told: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))

    catalog = made(run, calls=("create_lead_list", "get_lead_list"))
    result, _ = await try_out(catalog, world, settings, progress=hear)
    calls = {"create_lead_list": 2, "get_lead_list": 1}
    assert answer_of(result) == {"names": ["List 0", "List 1"], "_calls": calls}
    assert told == [(1, 2, "half"), (1.01, 2, None)]
    logged = [event for event in events if event["event"] == "tool_call"]
    assert Counter(event["tool"] for event in logged) == {**calls, "try_out": 1}
    assert [event.get("workflow") for event in logged] == ["try_out", "try_out", "try_out", None]
    assert (logged[-1]["calls"], logged[-1]["attempts"], logged[-1]["outcome"]) == (3, 3, "ok")
    assert len({event["request_id"] for event in logged}) == 1


async def test_an_error_of_an_inner_call_says_what_had_been_done(
    made: Made, world: World, settings: Settings, events: list[dict[str, Any]]
) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        for number in range(2):
            await context.call("create_lead_list", name=f"List {number}")
        await context.call("get_lead_list", id="01991f00-ffff-7000-8000-00000000ffff")
        return {}

    result, text = await try_out(made(run, calls=("create_lead_list", "get_lead_list")), world, settings)
    assert result.is_error
    assert text.startswith("try_out stopped at get_lead_list: ")
    assert text.endswith("Before that, these had worked: create_lead_list (2 times).")
    assert [event["outcome"] for event in events if event["event"] == "tool_call"] == ["ok", "ok", "error", "error"]


async def test_arguments_that_do_not_fit_stop_a_workflow_before_anything_is_changed(
    made: Made, world: World, settings: Settings
) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        await context.call("create_lead_list")
        return {}

    result, text = await try_out(made(run, calls=("create_lead_list",)), world, settings)
    assert result.is_error
    assert "name: missing" in text
    assert text.endswith("Nothing had been changed before.")
    assert world.requests == []


async def test_a_workflow_may_handle_an_error_and_go_on(made: Made, world: World, settings: Settings) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            await context.call("get_lead_list", id="01991f00-ffff-7000-8000-00000000ffff")
        except ApiError as error:
            return {"status": error.status}
        return {}

    result, _ = await try_out(made(run, calls=("get_lead_list",)), world, settings)
    assert answer_of(result) == {"status": 404, "_calls": {"get_lead_list": 1}}


async def test_what_is_excluded_is_called_by_no_workflow(made: Made, world: World, settings: Settings) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        await context.call("get_workspace")
        return {"may": context.may_call("create_lead_list"), "made": await context.call("create_lead_list", name="A")}

    catalog = made(run, calls=("get_workspace",), may_call=("create_lead_list",))
    result, text = await try_out(catalog, world, settings, tools=["try_out"], exclude=["create_lead_list"])
    assert result.is_error
    assert "create_lead_list is not allowed, so nothing was sent" in text and "--exclude-tools" in text
    assert len(world.requests) == 1


async def test_an_undeclared_call_is_a_bug(made: Made, world: World, settings: Settings) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"found": await context.call("get_workspace")}

    selection = select(made(run, calls=("get_lead_list",)), tools=["try_out"])
    async with InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http:
        with pytest.raises(KeyError, match="get_workspace"):
            await Invoker(selection, http, settings).invoke("try_out", {})
    assert world.requests == []


async def test_no_call_begins_when_the_time_of_the_whole_call_is_over(
    made: Made, world: World, settings: Settings
) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"made": await context.call("create_lead_list", name="First")}

    out_of_time = dataclasses.replace(settings, call_timeout=0)
    result, text = await try_out(made(run, calls=("create_lead_list",)), world, out_of_time)
    assert result.is_error
    assert "--call-timeout) is over. Nothing was sent." in text
    assert world.requests == []


async def test_what_must_be_said_of_a_change_is_said_of_the_workflow(
    made: Made, world: World, settings: Settings
) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        known = {"email": "maya.lindqvist@fjordpay.example"}
        return {"added": await context.call("bulk_add_leads", campaign_id=ACTIVE, leads=[known, {"email": "x"}])}

    result, text = await try_out(made(run, calls=("bulk_add_leads",)), world, settings)
    assert "_note" in answer_of(result), text


async def test_a_workflow_can_wait_for_what_it_began(made: Made, world: World, settings: Settings) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"found": await context.call("verify_email", email="pending.paula@field.example", wait_seconds=3)}

    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    result, _ = await try_out(made(run, calls=("verify_email",)), world, settings, progress=hear)
    answer = answer_of(result)
    assert answer["found"]["verification_status"] == "pending"
    assert "after 3 s of waiting: ask get_email_verification later." in answer["_note"]
    assert len(told) == 3 and answer["_calls"] == {"verify_email": 1}
    assert [request["method"] for request in world.requests] == ["POST", "GET", "GET", "GET"]


# counting


async def test_leads_are_counted_over_all_pages(connect: Connect, world: World) -> None:
    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    async with connect(tools=["count_leads"]) as client:
        result = await client.call_tool("count_leads", {"campaign": ACTIVE}, progress_callback=hear)
    answer = answer_of(result)
    leads = [lead for lead in world.leads if lead.get("campaign") == ACTIVE]
    assert (answer["leads"], answer["complete"]) == (len(leads), True)
    for name in ("by_status", "by_interest", "by_verification"):
        assert sum(answer[name].values()) == len(leads)
    assert answer["by_status"]["active"] == sum(lead["status"] == 1 for lead in leads)
    assert answer["by_interest"]["interested"] == sum(lead.get("lt_interest_status") == 1 for lead in leads)
    assert told[0] == "100 leads read"
    assert len(result.content[0].text) < 600


@pytest.mark.parametrize(("most", "complete"), [(50, False), (120, True), (121, True)])
async def test_a_count_that_is_not_complete_says_so(connect: Connect, most: int, complete: bool) -> None:
    async with connect(tools=["count_leads"]) as client:
        answer = answer_of(await client.call_tool("count_leads", {"campaign": ACTIVE, "max_items": most}))
    assert (answer["leads"], answer["complete"]) == (min(most, 120), complete)
    assert ("there may be more" in answer.get("_note", "")) != complete
