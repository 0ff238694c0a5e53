"""All tools behind four, as a host sees them that has no room for long lists."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from jsonschema import Draft202012Validator
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.discovery import Discovery, discovery_tools
from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.risks import HOST_ASKS
from mcp_instantly.maintenance.lint import lint
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import RESULT_LIMIT_CHARACTERS, SERVER_NAME, Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.tools.search_index import SearchIndex

from .conftest import ROOT, Connect, answer_of, command, everything, no_sleep, over_stdio, served

pytestmark = pytest.mark.anyio

FOUR = ["search_tools", "describe_tools", "run_read_tool", "run_write_tool"]
LEAD = "01991f00-0001-7000-8000-000000000001"
MODES = pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])

REQUESTS: dict[str, list[str]] = json.loads((ROOT / "tests" / "discovery_requests.json").read_text())
"""What people ask for, in their words, and the tools that are right. They were written before the search, so that it is
measured by them: change the search, never a request, and a mapping only where it is wrong.
"""
"""Tools that are right and need not be there yet."""


@pytest.fixture
def discover(world: World, catalog: Catalog, settings: Settings) -> Connect:
    """`async with discover() as client`: as `connect`, with the four tools in front."""

    @contextlib.asynccontextmanager
    async def connected(*, mode: str = "auto", limit: int = 0, **chosen: Any) -> AsyncIterator[Client]:
        selection = select(catalog, **chosen) if chosen else everything()
        chosen_settings = Settings(**{**vars(settings), "result_limit": limit}) if limit else settings
        async with (
            InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world)), sleep=no_sleep) as http,
            Client(build_server(Discovery(selection, http, chosen_settings)), mode=mode) as client,
        ):
            yield client

    return connected


def names_of(result: Any) -> list[str]:
    return [tool["name"] for tool in answer_of(result)["tools"]]


def refusal_of(result: Any) -> str:
    (block,) = result.content
    assert result.is_error
    return str(block.text)


@pytest.fixture(autouse=True)
def quiet(events: list[dict[str, Any]]) -> None:
    """Log events are kept, and not printed."""


# finding by words


def test_there_are_many_requests_and_some_for_each_toolset(catalog: Catalog) -> None:
    assert len(REQUESTS) >= 220
    right = {name for names in REQUESTS.values() for name in names}
    assert right <= set(catalog.tools)
    assert {catalog.tools[name].toolset for name in right} == set(catalog.toolsets)


def test_what_people_ask_for_is_found(catalog: Catalog, record_property: Callable[[str, object], None]) -> None:
    index = SearchIndex(catalog, catalog.tools.values())
    first, early, missed = 0, 0, []
    for request, right in REQUESTS.items():
        found = [tool.name for tool in index.find(request, 5)]
        first += found[:1] != [] and found[0] in right
        early += bool(set(found) & set(right))
        if not set(found) & set(right):
            missed.append(f"{request}: {', '.join(found)} instead of {', '.join(right)}")
    record_property("found first", f"{first / len(REQUESTS):.3f}")
    record_property("found among five", f"{early / len(REQUESTS):.3f}")
    assert early / len(REQUESTS) >= 0.97, missed
    assert first / len(REQUESTS) >= 0.80


def test_every_synonym_is_for_a_tool_that_there_is_and_in_words_that_a_query_has(catalog: Catalog) -> None:
    synonyms = json.loads((ROOT / "tool_schemas" / "synonyms.json").read_text())
    assert set(synonyms["tools"]) - set(catalog.tools) == set()
    for part in synonyms.values():
        assert list(part) == sorted(part)
        assert all(text.strip() for text in part.values())
    assert all(phrase == " ".join(phrase.lower().split()) and phrase.isascii() for phrase in synonyms["words"])


@pytest.mark.parametrize(
    "query",
    ["", '"', "' OR 1=1 --", "a AND", "NEAR(", "name:", "* ^ {", "\x00", "ünïcode 日本", "the of and", "x" * 5000],
)
def test_no_query_breaks_the_search(catalog: Catalog, query: str) -> None:
    assert len(SearchIndex(catalog, catalog.tools.values()).find(query, 5)) <= 5


def test_a_python_without_full_text_search_is_told_in_one_line(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bare(sqlite3.Connection):
        def execute(self, *_: Any) -> Any:
            raise sqlite3.OperationalError("no such module: fts5")

    opened = sqlite3.connect
    with contextlib.closing(opened(":memory:", factory=Bare)) as bare:
        monkeypatch.setattr(sqlite3, "connect", lambda *_, **__: bare)
        with pytest.raises(ConfigError, match=r"full-text search \(FTS5\)"):
            SearchIndex(catalog, catalog.tools.values())
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    with pytest.raises(ConfigError, match=r"full-text search \(FTS5\)"):
        SearchIndex(catalog, catalog.tools.values())


# the four tools


def test_the_four_tools_are_small_and_no_host_refuses_them() -> None:
    tools = discovery_tools()
    wire = [
        {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        for tool in tools.values()
    ]
    assert len(json.dumps(wire, separators=(",", ":"), ensure_ascii=False).encode()) / 4 <= 1500
    assert lint(list(tools.values()), SERVER_NAME) == []
    for tool in tools.values():
        Draft202012Validator.check_schema(tool.input_schema)
        assert tool.tool["_meta"].get("anthropic/alwaysLoad") is True
        assert tool.tool["_meta"].get("anthropic/maxResultSizeChars") in (None, RESULT_LIMIT_CHARACTERS)


@MODES
async def test_the_list_has_four_tools_whose_hints_are_true(discover: Connect, mode: str, revision: str) -> None:
    async with discover(mode=mode) as client:
        assert client.protocol_version == revision
        listed = (await client.list_tools()).tools
    file = json.loads((ROOT / "tool_schemas" / "discovery.json").read_text())
    file[FOUR.index("run_write_tool")].setdefault("_meta", {})[HOST_ASKS] = True
    assert [tool.model_dump(by_alias=True, exclude_none=True) for tool in listed] == file
    assert [tool.name for tool in listed] == FOUR
    hints = {tool.name: tool.annotations for tool in listed}
    assert [name for name in FOUR if hints[name].read_only_hint] == FOUR[:3]
    assert hints["run_write_tool"].destructive_hint and not hints["run_write_tool"].idempotent_hint


async def test_a_search_tells_enough_to_choose_and_to_call(discover: Connect) -> None:
    async with discover() as client:
        found = answer_of(await client.call_tool("search_tools", {"query": "put the campaign on hold", "limit": 3}))
        nothing = answer_of(await client.call_tool("search_tools", {"query": "xyzzy"}))
        eight = names_of(await client.call_tool("search_tools", {"query": "campaign"}))
    assert found["tools"][0] == {
        "name": "pause_campaign",
        "purpose": "Stop the sending of a campaign until activate_campaign; leads keep their place.",
        "run_with": "run_write_tool",
        "required": ["id"],
    }
    assert len(found["tools"]) == 3
    assert nothing == {"tools": [], "_note": "No tool has any of these words: say in other words what is to be done."}
    assert len(eight) == 8


async def test_a_description_is_what_the_list_of_all_tools_would_have_said(discover: Connect, catalog: Catalog) -> None:
    async with discover() as client:
        found = answer_of(await client.call_tool("describe_tools", {"names": ["list_leads", "reply_to_email", "nope"]}))
        refused = refusal_of(await client.call_tool("describe_tools", {"names": ["nope"]}))
        many = refusal_of(await client.call_tool("describe_tools", {"names": ["get_lead"] * 6}))
    for told in found["tools"]:
        tool = catalog.tools[told["name"]]
        assert (told["description"], told["inputSchema"]) == (tool.description, tool.input_schema)
    assert [tool["run_with"] for tool in found["tools"]] == ["run_read_tool", "run_write_tool"]
    assert found["tools"][1]["effects"] == ["sends_email"]
    assert "There is no tool 'nope'." in found["_note"]
    assert "There is no tool 'nope'." in refused
    assert "names" in many


async def test_descriptions_that_would_be_too_long_together_are_left_out_whole(discover: Connect) -> None:
    large = ["create_campaign", "create_inbox_placement_test", "create_subsequence"]
    async with discover(limit=12_000) as client:
        found = answer_of(await client.call_tool("describe_tools", {"names": large}))
    assert [tool["name"] for tool in found["tools"]] == large[:1]
    assert f"{large[1]} is left out, as this would be too long: describe it by itself." in found["_note"]


async def test_every_tool_can_be_found_and_described_and_is_run_as_it_is(discover: Connect, catalog: Catalog) -> None:
    async with discover() as client:
        names = list(catalog.tools)
        told: dict[str, str] = {}
        for start in range(0, len(names), 5):
            answer = answer_of(await client.call_tool("describe_tools", {"names": names[start : start + 5]}))
            told |= {tool["name"]: tool["run_with"] for tool in answer["tools"]}
        for name in names:
            assert names_of(await client.call_tool("search_tools", {"query": name, "limit": 1})) == [name]
    assert told == {op.name: "run_read_tool" if op.read_only else "run_write_tool" for op in catalog.tools.values()}


# running


@MODES
async def test_what_is_run_answers_as_if_it_were_called_itself(
    discover: Connect, connect: Connect, mode: str, revision: str
) -> None:
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("run_read_tool", "get_lead", {"id": LEAD}),
        ("run_read_tool", "get_lead", {"id": 5}),
        ("run_read_tool", "get_lead", {"id": "01991f00-ffff-7000-8000-00000000ffff"}),
        ("run_read_tool", "count_leads", {}),
        ("run_write_tool", "create_lead_list", {"nme": "A"}),
        ("run_write_tool", "bulk_delete_leads", {"campaign_id": None}),
    ]
    async with discover(mode=mode) as through, connect(mode=mode) as plain:
        for runner, name, arguments in calls:
            found = await through.call_tool(runner, {"name": name, "arguments": arguments})
            wanted = await plain.call_tool(name, arguments)
            assert (found.is_error, found.content) == (wanted.is_error, wanted.content)


async def test_a_write_is_carried_out(discover: Connect, world: World) -> None:
    async with discover() as client:
        made = answer_of(
            await client.call_tool("run_write_tool", {"name": "create_lead_list", "arguments": {"name": "Q3"}})
        )
        read = await client.call_tool("run_read_tool", {"name": "get_lead_list", "arguments": {"id": made["id"]}})
    assert answer_of(read)["name"] == "Q3"


async def test_arguments_that_a_host_sends_as_text_are_read(discover: Connect) -> None:
    async with discover() as client:
        text = json.dumps({"id": LEAD})
        found = await client.call_tool("run_read_tool", {"name": "get_lead", "arguments": text})
        bare = await client.call_tool("run_read_tool", {"name": "get_workspace"})
        null = await client.call_tool("run_read_tool", {"name": "get_workspace", "arguments": None})
    assert answer_of(found)["id"] == LEAD
    assert answer_of(bare)["name"] == answer_of(null)["name"] == "Brightpath"


async def test_each_runner_refuses_what_the_other_one_runs(discover: Connect, world: World, catalog: Catalog) -> None:
    """So that a permission that a person gives a host for reads holds for reads alone."""
    async with discover() as client:
        for tool in catalog.tools.values():
            right, wrong, does = "run_write_tool", "run_read_tool", "changes something"
            if tool.read_only:
                right, wrong, does = wrong, right, "only reads"
            result = await client.call_tool(wrong, {"name": tool.name, "arguments": tool.examples[0]})
            said = f"Nothing was sent: {tool.name} {does}, so it is not run by {wrong}."
            assert refusal_of(result) == f"{said} Call {right} with the same name and arguments."
    assert world.requests == []


async def test_a_tool_that_is_called_by_itself_is_told_how_it_is_run(discover: Connect, world: World) -> None:
    async with discover() as client:
        result = await client.call_tool("pause_campaign", {"id": LEAD})
        assert refusal_of(result) == (
            "Nothing was sent: pause_campaign is not called by itself here. Call run_write_tool with "
            '{"name": "pause_campaign", "arguments": {...}}.'
        )
        with pytest.raises(MCPError, match="Did you mean verify_email"):
            await client.call_tool("verify_emial", {})
        nested = await client.call_tool("run_read_tool", {"name": "search_tools", "arguments": {"query": "x"}})
        assert "call it by itself" in refusal_of(nested)
    assert world.requests == []


async def test_an_unknown_name_is_answered_with_the_nearest(discover: Connect) -> None:
    async with discover() as client:
        slip = await client.call_tool("run_write_tool", {"name": "verify_emial", "arguments": {}})
        idea = await client.call_tool("run_read_tool", {"name": "get_unibox_replies"})
        lost = await client.call_tool("run_read_tool", {"name": "xyzzy"})
    assert "There is no tool 'verify_emial'. Did you mean verify_email?" in refusal_of(slip)
    assert "There is no tool 'get_unibox_replies'." in refusal_of(idea) and "list_emails" in refusal_of(idea)
    assert refusal_of(lost) == "There is no tool 'xyzzy'. Ask search_tools."


async def test_arguments_beside_the_name_are_told_where_they_belong(discover: Connect, world: World) -> None:
    async with discover() as client:
        result = await client.call_tool("run_read_tool", {"name": "get_lead", "id": LEAD})
        unnamed = await client.call_tool("run_read_tool", {})
    assert "id: unknown." in refusal_of(result)
    assert 'The arguments of the tool go into "arguments", an object beside its name.' in refusal_of(result)
    assert "name: missing" in refusal_of(unnamed)
    assert world.requests == []


async def test_the_selection_holds_behind_the_four_tools_too(discover: Connect, world: World) -> None:
    async with discover(toolsets=["all"], read_only=True, exclude=["list_leads"]) as client:
        found = names_of(await client.call_tool("search_tools", {"query": "pause a campaign, list leads", "limit": 20}))
        paused = await client.call_tool("run_write_tool", {"name": "pause_campaign", "arguments": {"id": LEAD}})
        excluded = await client.call_tool("run_read_tool", {"name": "list_leads"})
    assert not {"pause_campaign", "list_leads"} & set(found)
    assert "--read-only" in refusal_of(paused)
    assert "--exclude-tools" in refusal_of(excluded)
    assert world.requests == []


async def test_the_log_has_the_tool_that_was_run_and_by_what(discover: Connect, events: list[dict[str, Any]]) -> None:
    async with discover() as client:
        await client.call_tool("search_tools", {"query": "leads"})
        await client.call_tool("run_read_tool", {"name": "get_lead", "arguments": {"id": LEAD}})
        await client.call_tool("run_write_tool", {"name": "get_lead", "arguments": {"id": LEAD}})
        await client.call_tool("run_write_tool", {"nam": "get_lead"})
        await client.call_tool("run_read_tool", {"name": "nothing_at_all"})
        await client.call_tool("get_lead", {"id": LEAD})
        await client.call_tool("run_read_tool", {"name": "count_leads", "arguments": {"max_items": 1}})
    calls = [event for event in events if event["event"] == "tool_call"]
    assert [(event["tool"], event.get("via"), event["outcome"], event["error_class"]) for event in calls] == [
        ("search_tools", None, "ok", None),
        ("get_lead", "run_read_tool", "ok", None),
        ("get_lead", "run_write_tool", "error", "WrongRunner"),
        ("run_write_tool", None, "error", "InvalidArguments"),
        ("nothing_at_all", "run_read_tool", "error", "UnknownTool"),
        ("get_lead", None, "error", "ToolNotEnabled"),
        ("list_leads", "run_read_tool", "ok", None),
        ("count_leads", "run_read_tool", "ok", None),
    ]
    assert calls[1]["operation_id"] == "getLead" and calls[1]["http_status"] == 200


async def test_progress_comes_through_and_a_name_with_the_prefix_of_a_host_is_understood(discover: Connect) -> None:
    told: list[float] = []

    async def report(done: float, _: float | None, __: str | None) -> None:
        told.append(done)

    async with discover() as client:
        await client.call_tool("run_read_tool", {"name": "count_leads"}, progress_callback=report)
        prefixed = await client.call_tool("run_read_tool", {"name": "mcp__instantly__list_emails"})
    assert told and told == sorted(told)
    assert "list_emails" in refusal_of(prefixed)


# the command line


async def use(client: Client) -> None:
    """What a model does: search, describe, read, and change something."""
    assert [tool.name for tool in (await client.list_tools()).tools] == FOUR
    assert "search_tools" in client.instructions and "webhooks" in client.instructions
    found = names_of(await client.call_tool("search_tools", {"query": "post replies to our CRM in real time"}))
    assert found[0] == "create_webhook"
    (told,) = answer_of(await client.call_tool("describe_tools", {"names": found[:1]}))["tools"]
    assert "target_hook_url" in told["inputSchema"]["properties"]
    given = {"target_hook_url": "https://crm.example.com/hook", "event_type": "reply_received"}
    made = await client.call_tool(told["run_with"], {"name": told["name"], "arguments": given})
    read = await client.call_tool("run_read_tool", {"name": "get_webhook", "arguments": {"id": answer_of(made)["id"]}})
    assert answer_of(read)["target_hook_url"] == given["target_hook_url"]


@MODES
async def test_a_client_uses_the_four_tools_over_stdio(tmp_path: Path, mode: str, revision: str) -> None:
    server = command("serve", "--sandbox", "--discovery")
    with (tmp_path / "stderr").open("w") as errlog, anyio.fail_after(60):
        async with Client(over_stdio(server, errlog=errlog), mode=mode) as client:
            assert client.protocol_version == revision
            await use(client)


@MODES
async def test_a_client_uses_the_four_tools_over_http(mode: str, revision: str) -> None:
    with (
        served("serve", "--sandbox", "--transport", "http", INSTANTLY_DISCOVERY="1") as (process, url),
        anyio.fail_after(60),
    ):
        async with Client(url, mode=mode) as client:
            assert client.protocol_version == revision
            await use(client)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


async def test_a_selection_narrows_what_is_behind_the_four_tools(tmp_path: Path) -> None:
    server = command("serve", "--sandbox", "--discovery", "--toolsets", "emails")
    with (tmp_path / "stderr").open("w") as errlog, anyio.fail_after(60):
        async with Client(over_stdio(server, errlog=errlog)) as client:
            found = names_of(await client.call_tool("search_tools", {"query": "campaigns, leads, emails", "limit": 20}))
            off = await client.call_tool("run_read_tool", {"name": "list_leads"})
    assert set(found) <= {file.stem for file in (ROOT / "tool_schemas" / "emails").glob("*.json")}
    assert "--toolsets emails,leads" in refusal_of(off)
