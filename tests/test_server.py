"""The server in front of the sandbox, as a client sees it."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.risks import HOST_ASKS, asks_host
from mcp_instantly.guards.safeguards import tell_limits
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import FIRST, build_server, instructions
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import Connect, answer_of

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent
REVISIONS = pytest.mark.parametrize("mode", ["auto", "legacy"])


def text_of(result: Any) -> str:
    (block,) = result.content
    return block.text


@REVISIONS
async def test_the_list_of_tools_equals_the_files(connect: Connect, catalog: Catalog, mode: str) -> None:
    files = {}
    for file in (ROOT / "tool_schemas").glob("*/*.json"):
        data = json.loads(file.read_text())
        wire = ("name", "title", "description", "inputSchema", "annotations", "_meta")
        derived = catalog.workflows[file.stem].tool if file.stem in catalog.workflows else {}
        files[file.stem] = {key: data.get(key, derived.get(key)) for key in wire if key in data or key in derived}
        if asks_host(catalog.tools[file.stem]):
            files[file.stem]["_meta"] = {**data.get("_meta", {}), HOST_ASKS: True}
    async with connect(mode=mode) as client:
        page = await client.list_tools()
    assert page.next_cursor is None
    listed = {tool.name: tool.model_dump(by_alias=True, exclude_none=True) for tool in page.tools}
    assert listed == files
    assert list(listed) == sorted(listed)


@REVISIONS
async def test_a_call_answers_with_text_once(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        result = await client.call_tool("get_workspace", {})
    assert answer_of(result)["name"] == "Brightpath"
    assert result.structured_content is None


@REVISIONS
async def test_a_program_may_ask_for_the_same_as_structure(
    catalog: Catalog, world: World, settings: Settings, mode: str
) -> None:
    async with InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http:
        server = build_server(Invoker(select(catalog), http, settings), structured=True)
        async with Client(server, mode=mode) as client:
            result = await client.call_tool("get_workspace", {})
            refused = await client.call_tool("get_workspace", {"x": 1})
            listed = (await client.list_tools()).tools
    assert answer_of(result) == result.structured_content
    assert result.structured_content["name"] == "Brightpath"
    assert refused.is_error and refused.structured_content is None
    assert all(tool.output_schema is None for tool in listed)


async def test_bad_arguments_are_reported_and_nothing_is_sent(connect: Connect, world: World) -> None:
    async with connect() as client:
        result = await client.call_tool("create_lead_list", {"nme": "A"})
    assert result.is_error
    assert text_of(result) == (
        "Nothing was sent: create_lead_list has 2 problems in its arguments. "
        "name: missing, expected a string. nme: unknown. Did you mean name?"
    )
    assert world.requests == []


@pytest.mark.parametrize("value", ["../workspaces/current", "..", ".", "", "%2e%2e", "x/../../workspaces/current"])
async def test_an_id_cannot_reach_another_endpoint(connect: Connect, world: World, value: str) -> None:
    arguments = {"get_account": "email", "get_lead": "id", "mark_thread_as_read": "thread_id", "delete_lead": "id"}
    async with connect() as client:
        for tool, name in arguments.items():
            result = await client.call_tool(tool, {name: value})
            # "%2e%2e" is a thread like any other, and of one that is unknown this tool says nothing.
            assert result.is_error == ((tool, value) != ("mark_thread_as_read", "%2e%2e"))
    reached = {request["path"] for request in world.requests}
    assert all(path.startswith(("/api/v2/accounts/", "/api/v2/emails/threads/")) for path in reached)
    assert all(path.count("/") == "/api/v2/accounts/x".count("/") or path.endswith("/mark-as-read") for path in reached)


async def test_an_error_of_the_api_is_quoted_and_marked(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("get_lead", {"id": "01991f00-ffff-7000-8000-00000000ffff"})
    assert result.is_error
    assert text_of(result).startswith('Instantly answered 404: "')
    assert result.structured_content is None


async def test_a_tool_that_is_off_is_answered_with_the_flag_that_enables_it(connect: Connect, world: World) -> None:
    async with connect(toolsets=["emails"]) as client:
        result = await client.call_tool("create_lead", {})
    assert result.is_error
    assert "--toolsets emails,leads" in text_of(result)
    assert world.requests == []


async def test_a_tool_that_exists_nowhere_is_a_protocol_error(connect: Connect) -> None:
    async with connect() as client:
        with pytest.raises(MCPError, match="Did you mean verify_email") as caught:
            await client.call_tool("verify_emial", {})
    assert caught.value.code == -32602


async def test_every_call_is_logged_once_whatever_its_end(connect: Connect, events: list[dict[str, Any]]) -> None:
    async with connect(toolsets=["workspaces", "lead_lists"]) as client:
        await client.call_tool("get_workspace", {})
        await client.call_tool("create_lead_list", {})
        await client.call_tool("get_lead_list", {"id": "1157c0de-2b3c-4d5e-9f60-718293a4b5ff"})
        await client.call_tool("create_lead", {})
        with pytest.raises(MCPError):
            await client.call_tool("nothing", {})
    calls = [event for event in events if event["event"] == "tool_call"]
    assert [(event["tool"], event["outcome"], event["error_class"], event["http_status"]) for event in calls] == [
        ("get_workspace", "ok", None, 200),
        ("create_lead_list", "error", "InvalidArguments", None),
        ("get_lead_list", "error", "NotFound", 404),
        ("create_lead", "error", "ToolNotEnabled", None),
        ("nothing", "error", "UnknownTool", None),
    ]
    for event in calls:
        assert event["request_id"] is not None
        assert event["client_name"] and event["client_version"]
        assert event["duration_ms"] >= 0
        assert "arguments" not in event
    assert calls[0]["operation_id"] == "getWorkspace"
    assert calls[0]["attempts"] == 1 and calls[0]["bytes"] > 100


async def test_a_call_that_is_cancelled_is_logged_too(
    catalog: Catalog, settings: Settings, events: list[dict[str, Any]]
) -> None:
    started = anyio.Event()

    async def never(_: Any, __: Any, ___: Any) -> None:
        started.set()
        await anyio.sleep_forever()

    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(never)) as http,
        anyio.create_task_group() as tasks,
    ):
        invoker = Invoker(select(catalog), http, settings)
        tasks.start_soon(lambda: invoker.invoke("get_workspace", {}))
        await started.wait()
        tasks.cancel_scope.cancel()
    (event,) = events
    assert (event["outcome"], event["error_class"], event["attempts"]) == ("cancelled", "Cancelled", 1)


async def test_a_fault_of_our_own_is_answered_without_its_details(
    catalog: Catalog, settings: Settings, events: list[dict[str, Any]]
) -> None:
    async def broken(_: Any, __: Any, ___: Any) -> None:
        raise RuntimeError("internal detail")

    async with InstantlyClient(settings, transport=httpx.ASGITransport(broken)) as http:
        for mode in ("auto", "legacy"):
            async with Client(build_server(Invoker(select(catalog), http, settings)), mode=mode) as client:
                with pytest.raises(MCPError) as caught:
                    await client.call_tool("get_workspace", {})
                assert "internal detail" not in str(caught.value)
                assert "may have been carried out" in str(caught.value)
    assert [event["event"] for event in events] == ["tool_call", "tool_call_crashed"] * 2
    assert events[0]["outcome"] == "crashed"


async def test_arguments_are_logged_only_when_asked_for_and_then_masked(
    catalog: Catalog, world: World, events: list[dict[str, Any]]
) -> None:
    settings = Settings(base_url="http://sandbox.localhost/", api_key="sandbox", log_arguments=True)
    async with InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http:
        await Invoker(select(catalog), http, settings).invoke("verify_email", {"email": "ada@example.com"})
    assert events[0]["arguments"] == {"email": "a***@example.com"}


def test_the_instructions_are_short_and_name_what_is_on_and_off(catalog: Catalog) -> None:
    for chosen in ({}, {"toolsets": ["all"]}, {"tools": ["verify_email"]}):
        for discovery in (False, True):
            text = instructions(select(catalog, **chosen), sandbox=True, discovery=discovery)
            assert len(text.encode()) <= 2048  # Claude Code cuts after 2 KB
    assert "Off: accounts" in text
    assert "sandbox" in text
    assert "sandbox" not in instructions(select(catalog))


def test_the_instructions_tell_of_every_limit_and_stay_short(catalog: Catalog) -> None:
    options = {
        "only_campaign": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02",
        "workspace": "w" * 200,
        "dry_run": True,
        "drafts_only": True,
        "policy": "policy.toml",
    }
    limits = tell_limits(options)
    assert [sentence for sentence in limits if "campaign alone" in sentence and options["only_campaign"] in sentence]
    for discovery in (False, True):
        for chosen in ({}, {"toolsets": ["core"]}, {"toolsets": ["all"]}):
            text = instructions(select(catalog, **chosen), sandbox=True, discovery=discovery, limits=limits)
            assert len(text.encode()) <= 2048
            for word in ("Dry run", "draft_reply", "sub-workspace www", "policy"):
                assert word in text
    assert tell_limits(dict.fromkeys(options)) == []


WORDS = ("replies", "unibox", "launch", "pause", "open", "reply", "bounce", "rate", "warmup", "deliverability")
WORDS += ("leads", "prospects", "sequence", "verify")
"""What people say when they want something of Instantly."""


def test_the_instructions_begin_with_the_words_that_people_use_and_with_the_first_tools(catalog: Catalog) -> None:
    """Hosts that hide tools show the first 500 characters, or search them, before they load any."""
    for discovery in (False, True):
        begun = instructions(select(catalog), discovery=discovery)[:500]
        assert [word for word in WORDS if not re.search(rf"\b{word}\b", begun)] == []
        first = ["search_tools", "describe_tools", "run_read_tool", "run_write_tool"]
        if not discovery:
            first = ["get_workspace_overview", "triage_replies", "report_campaigns", "list_leads", "list_accounts"]
        assert [name for name in first if name not in begun] == []


def test_the_instructions_name_no_tool_that_is_off(catalog: Catalog) -> None:
    text = instructions(select(catalog, toolsets=["all"], exclude=["list_emails"]))
    assert "list_campaigns" in text and "list_emails" not in text and "triage_replies" not in text
    assert "Begin with" not in instructions(select(catalog, tools=["verify_email"]))


async def test_a_tool_says_how_long_its_results_may_be_as_the_server_was_started(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    smaller = dataclasses.replace(settings, result_limit=5000)
    async with (
        InstantlyClient(smaller, transport=httpx.ASGITransport(create_app(world))) as http,
        Client(build_server(Invoker(select(catalog), http, smaller))) as client,
    ):
        meta = {tool.name: tool.meta for tool in (await client.list_tools()).tools}
    assert meta["list_leads"] == {"anthropic/alwaysLoad": True, "anthropic/maxResultSizeChars": 5000}
    assert meta["delete_campaign"] is None


def test_the_instructions_name_what_there_is(catalog: Catalog) -> None:
    assert {name for names, _ in FIRST for name in names} <= set(catalog.preset("default"))
    assert "list_emails (replies)" in instructions(select(catalog, toolsets=["core"]))
