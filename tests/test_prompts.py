"""Prompts and completions, as clients of both generations see them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guidance import completion
from mcp_instantly.guidance.manual import jobs
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_URL, Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import Connect

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])


async def completed(client: Client, prompt: str, argument: str, typed: str = "") -> list[str]:
    """What a client is offered for an argument."""
    result = await client.complete(PromptReference(name=prompt), {"name": argument, "value": typed})
    return result.completion.values


async def text_of(client: Client, name: str, **arguments: str) -> str:
    """What a model reads of a prompt."""
    (message,) = (await client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    return message.content.text


def reads_of(world: World) -> list[str]:
    return [request["path"].removeprefix("/api/v2") for request in world.requests]


@MODES
async def test_every_job_is_a_prompt_with_its_arguments(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        listed = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in listed] == list(jobs())
    for prompt in listed:
        guide = jobs()[prompt.name]
        assert (prompt.title, prompt.description) == (guide.title, guide.description)
        assert [(one.name, bool(one.required)) for one in prompt.arguments] == [
            (one.name, one.required) for one in guide.arguments
        ]


@MODES
async def test_a_prompt_has_what_was_given_what_was_not_and_the_steps(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        text = await text_of(client, "launch-campaign", campaign=' Fintech "CFOs" ', test_address=" ")
    assert '- campaign, as the user gave it: "Fintech \\"CFOs\\""\n' in text
    assert "- test_address, not given (The user's own address for a test email.): ask if it matters." in text
    assert text.endswith(jobs()["launch-campaign"].text)


@MODES
@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("launch-campaing", {}, "There is no prompt 'launch-campaing'. Did you mean launch-campaign?"),
        ("launch-campaign", {}, "The prompt launch-campaign needs campaign."),
        ("launch-campaign", {"campaign": "  "}, "The prompt launch-campaign needs campaign."),
        ("launch-campaign", {"campain": "A"}, "does not take 'campain'. Did you mean campaign?"),
        ("launch-campaign", {"campaign": "A" * 20_001}, "campaign has 20,001 characters; it may have 20,000."),
    ],
)
async def test_what_does_not_fit_a_prompt_is_refused_in_a_sentence(
    connect: Connect, mode: str, name: str, arguments: dict[str, str], said: str
) -> None:
    async with connect(mode=mode) as client:
        with pytest.raises(MCPError, match=said.replace("?", r"\?")) as caught:
            await client.get_prompt(name, arguments)
    assert caught.value.error.code == -32602


async def test_a_job_whose_tools_are_off_is_left_out_and_asking_for_it_says_which(connect: Connect) -> None:
    async with connect(toolsets=["default"], read_only=True) as client:
        names = {prompt.name for prompt in (await client.list_prompts()).prompts}
        with pytest.raises(MCPError, match=r"launch-campaign is off, since it needs tools that are off: activate_camp"):
            await client.get_prompt("launch-campaign", {"campaign": "A"})
    assert {"handle-replies", "review-campaigns", "check-senders", "find-leads", "write-sequence", "test-copy"} == names


async def test_a_prompt_says_which_of_its_tools_are_off(connect: Connect) -> None:
    async with connect(toolsets=["core"], exclude=["pause_account"]) as client:
        text = await text_of(client, "check-senders")
    (off,) = [line for line in text.splitlines() if line.startswith("Off on this server: ")]
    assert "pause_account, bulk_pause_accounts" in off
    assert "Say what that leaves out" in off
    assert "list_accounts" not in off


@MODES
async def test_campaigns_lists_and_senders_are_completed_from_the_workspace(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        assert await completed(client, "launch-campaign", "campaign", "fin") == ["Fintech CFOs, autumn"]
        assert await completed(client, "launch-campaign", "campaign", "PILOTS") == ["Logistics pilots"]
        assert "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01" in await completed(client, "test-copy", "campaign", "c0a8")
        assert await completed(client, "check-senders", "sender", "ada@") == ["ada@brightpath.example"]
        assert len(await completed(client, "import-leads", "list")) > 0
        assert await completed(client, "launch-campaign", "campaign", "no such thing") == []


async def test_campaigns_of_the_same_name_are_told_apart_by_their_ids(connect: Connect, world: World) -> None:
    async with connect() as client:
        await client.call_tool("duplicate_campaign", {"id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "name": "Twins"})
        await client.call_tool("duplicate_campaign", {"id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "name": "Twins"})
        offered = await completed(client, "launch-campaign", "campaign", "twins")
    ids = {campaign["id"] for campaign in world.campaigns if campaign["name"] == "Twins"}
    assert set(offered) == {f"Twins ({identity})" for identity in ids} and len(ids) == 2


async def test_whoever_types_causes_one_read_in_a_minute(
    connect: Connect, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(completion.Completer.__init__, "__defaults__", (lambda: now,))
    async with connect() as client:
        for typed in ("", "f", "fi", "fin"):
            await completed(client, "launch-campaign", "campaign", typed)
        assert reads_of(world) == ["/campaigns"]
        now = completion.FRESH_SECONDS + 1
        await completed(client, "launch-campaign", "campaign", "fint")
        assert reads_of(world) == ["/campaigns"] * 2


async def test_in_a_large_workspace_the_api_searches(connect: Connect, world: World) -> None:
    async with connect() as client:
        for number in range(120):
            await client.call_tool("create_lead_list", {"name": f"Batch {number}"})
        world.requests.clear()
        result = await client.complete(PromptReference(name="import-leads"), {"name": "list", "value": ""})
        assert (len(result.completion.values), result.completion.has_more) == (100, True)
        assert set(await completed(client, "import-leads", "list", "Batch 11")) == {
            "Batch 11",
            *(f"Batch 11{number}" for number in range(10)),
        }
    assert reads_of(world) == ["/lead-lists"] * 2


async def test_a_list_that_is_off_leaves_nothing_to_choose(connect: Connect, world: World) -> None:
    async with connect(toolsets=["core"], exclude=["list_campaigns"]) as client:
        assert await completed(client, "launch-campaign", "campaign") == []
    assert reads_of(world) == []


async def test_a_list_that_fails_leaves_nothing_to_choose_and_is_not_asked_for_with_each_letter(
    catalog: Catalog, world: World, events: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(completion.Completer.__init__, "__defaults__", (lambda: now,))
    settings = Settings(base_url=SANDBOX_URL, api_key="another-key")
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http,
        Client(build_server(Invoker(select(catalog), http, settings))) as client,
    ):
        assert await completed(client, "launch-campaign", "campaign") == []
        assert await completed(client, "launch-campaign", "campaign", "f") == []
        failed = ("list_campaigns", "completion", "error", 401)
        assert [(one["tool"], one["purpose"], one["outcome"], one["http_status"]) for one in events] == [failed]
        # Soon after it is, however long an answer would be good for.
        now = completion.FAILED_SECONDS + 1
        assert await completed(client, "launch-campaign", "campaign", "fi") == []
    assert len(events) == 2


@MODES
async def test_other_arguments_are_completed_from_what_is_suggested(connect: Connect, mode: str) -> None:
    async with connect(mode=mode) as client:
        assert await completed(client, "review-campaigns", "period", "last") == [
            "last 7 days",
            "last 30 days",
            "last month",
        ]
        assert await completed(client, "launch-campaign", "test_address", "a") == []
        with pytest.raises(MCPError, match=r"does not take 'perriod'\. Did you mean period"):
            await completed(client, "review-campaigns", "perriod")


@MODES
async def test_names_of_tools_are_completed(connect: Connect, mode: str) -> None:
    template = ResourceTemplateReference(uri="instantly://tools/{name}")
    async with connect(mode=mode, toolsets=["core"]) as client:
        result = await client.complete(template, {"name": "name", "value": "campaign"})
        assert "list_campaigns" in result.completion.values
        begun = await client.complete(template, {"name": "name", "value": "reply"})
        assert begun.completion.values == ["reply_to_email"]
        with pytest.raises(MCPError, match="There is one template"):
            await client.complete(ResourceTemplateReference(uri="x://{y}"), {"name": "y", "value": ""})
