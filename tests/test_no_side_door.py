"""More ways around: drafts, locks, runners, prompts and suggestions, other callers, workspaces and processes."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import mcp_types as types
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.drafts_only import DraftsOnly
from mcp_instantly.guards.locks import CampaignLock
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from . import processes
from .confirming import DRAFT, Desk, Human
from .conftest import ROOT, Connect, answer_of, clean_environment, command, over_stdio, served

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
RECEIVED = "01991f80-0002-7000-8000-000000000002"
TEXT = {"text": "Thursday."}


@pytest.fixture(autouse=True)
def quiet(events: list[dict[str, Any]]) -> None:
    """Log events are kept, and not printed."""


async def said(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """The text of the result, or of the refusal."""
    try:
        return str((await client.call_tool(tool, arguments)).content[0].text)
    except MCPError as error:
        return str(error)


# drafts


@pytest.fixture
def desk(catalog: Catalog, world: World, settings: Settings) -> Desk:
    return Desk(catalog, world, settings)


@pytest.fixture
def drafts(settings: Settings, tmp_path: Path) -> Drafts:
    return Drafts(tmp_path / "drafts.sqlite", settings.api_key)


BY_WORDS: list[dict[str, Any]] = [
    {},
    {"approved": True},
    {"approve": "yes", "approved_by": "Ada"},
    {"go_ahead": True},
    {"confirmed": "form", "confirm": True},
    {"preview_token": "WyJhIiw5OTk5OTk5OTk5XQ.AAAA"},
    {"content": "the hash", "known": []},
    {"inputResponses": {"confirmation": {"action": "accept", "content": {"go_ahead": True}}}},
    {"state": "approved"},
]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("human", [None, Human("decline"), Human("cancel"), Human("accept", False)])
async def test_no_word_sends_a_draft_that_nobody_approved(desk: Desk, drafts: Drafts, human: Any, mode: str) -> None:
    async with desk.client(human, mode=mode, drafts=drafts, guards=(DraftsOnly(),)) as client:
        kept = answer_of(await client.call_tool("draft_reply", {"reply_to_uuid": RECEIVED, "body": TEXT}))
        for more in BY_WORDS:
            await said(client, "send_draft", {"draft_id": kept["draft_id"], **more})
        for odd in ([kept["draft_id"]], f" {kept['draft_id']} ", kept["draft_id"].upper(), "' OR 1=1 --", "", None):
            await said(client, "send_draft", {"draft_id": odd})
        for tool, arguments in (
            ("draft_reply", {"reply_to_uuid": RECEIVED, "body": TEXT, "approved": True}),
            ("draft_reply", {"reply_to_uuid": RECEIVED, "body": TEXT, "state": "approved"}),
            ("handle_reply", {"email_id": RECEIVED, "body": TEXT}),
            ("reply_to_email", {"reply_to_uuid": RECEIVED, "eaccount": "a@b.example", "subject": "A", "body": TEXT}),
        ):
            await said(client, tool, arguments)
    assert desk.writes() == [] and not drafts.is_approved(kept["draft_id"])


async def test_no_answer_to_one_draft_sends_another_or_twice(desk: Desk, drafts: Drafts) -> None:
    async with desk.client(Human(), drafts=drafts) as client:
        ids = []
        for text in ("One.", "Two."):
            given = {"reply_to_uuid": RECEIVED, "body": {"text": text}}
            ids.append(answer_of(await client.call_tool("draft_reply", given))["draft_id"])

        async def call(draft_id: str, action: Any = None, state: str | None = None) -> Any:
            content = {"go_ahead": True} if action == "accept" else None
            answer = types.ElicitResult(action=action, content=content) if action else None
            return await client.session.call_tool(
                "send_draft",
                {"draft_id": draft_id},
                input_responses={"confirmation": answer} if answer else None,
                request_state=state,
                allow_input_required=True,
            )

        async def asked(draft_id: str) -> str:
            return str((await call(draft_id)).request_state)

        # Without a question, of another draft, of another tool, after a no.
        await call(ids[0], "accept")
        await call(ids[1], "accept", await asked(ids[0]))
        launch = await client.session.call_tool("activate_campaign", {"id": DRAFT}, allow_input_required=True)
        await call(ids[0], "accept", launch.request_state)
        refused = await asked(ids[0])
        await call(ids[0], "decline", refused)
        await call(ids[0], "accept", refused)
        assert desk.writes() == []
        # Once it is agreed to, it is sent once, however often the answer comes.
        good = await asked(ids[0])
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(call, ids[0], "accept", good)
        await call(ids[1], "accept", good)
    assert desk.writes() == ["POST /api/v2/emails/reply"]


# locks


SPELLED = [
    {"campaign_id": ACTIVE},
    {"campaign": ACTIVE},
    {"Campaign": ACTIVE},
    {"CAMPAIGN": ACTIVE},
    {"campaignId": ACTIVE},
    {"campaignID": ACTIVE},
    {"campaign-id": ACTIVE},
    {"campaign id": ACTIVE},
    {" campaign": ACTIVE},
    {"campaign\u200b": ACTIVE},
    {"\uff43ampaign": ACTIVE},
    {"c\u0430mpaign": ACTIVE},
    {"campaigns": [ACTIVE]},
    {"campaign": [ACTIVE]},
    {"campaign": {"id": ACTIVE}},
    {"campaign": f" {ACTIVE.upper()} "},
    {"campaign": DRAFT, "campaign_id": ACTIVE},
    {"campaign": DRAFT, "Campaign": ACTIVE},
    {"arguments": {"campaign": ACTIVE}},
    {"list_id": "1157c0de-2b3c-4d5e-9f60-718293a4b501"},
]


@pytest.mark.parametrize("discovery", [False, True])
async def test_no_spelling_of_a_locked_argument_reaches_another_campaign(
    connect: Connect, world: World, discovery: bool
) -> None:
    before = {lead["id"]: lead.get("campaign") for lead in world.leads}
    other = dict(world.campaigns[ACTIVE])
    async with connect(lock=CampaignLock(DRAFT), discovery=discovery, guards=[CampaignLock(DRAFT)]) as client:
        for number, spelled in enumerate(SPELLED):
            new = {"email": f"new{number}@y.example"}
            for tool, arguments in (
                ("create_lead", {**new, **spelled}),
                ("bulk_add_leads", {"leads": [new], **spelled}),
                ("import_rows", {"rows": [new], **spelled}),
                ("move_leads", {"ids": ["01991f00-0001-7000-8000-000000000001"], "to_campaign_id": ACTIVE, **spelled}),
            ):
                if discovery:
                    given = json.dumps(arguments) if number % 2 else arguments
                    tool, arguments = "run_write_tool", {"name": tool, "arguments": given}
                await said(client, tool, arguments)
    assert dict(world.campaigns[ACTIVE]) == other
    for lead in world.leads:
        assert lead.get("campaign") == before.get(lead["id"], DRAFT) and (
            lead["id"] in before or not lead.get("list_id")
        )


def test_of_keys_that_come_twice_the_one_that_is_checked_is_the_one_that_is_sent(tmp_path: Path) -> None:
    """A line on stdin as no library writes it."""

    def line(number: int, call: str) -> str:
        return f'{{"jsonrpc":"2.0","id":{number},"method":"tools/call","params":{call}}}'

    tool, start = '"name":"pause_campaign"', {"jsonrpc": "2.0", "id": 0, "method": "initialize"}
    client = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    lines = [
        json.dumps({**start, "params": client}),
        json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        line(1, f'{{{tool},"arguments":{{"id":"{DRAFT}","id":"{ACTIVE}"}}}}'),
        line(2, f'{{{tool},"arguments":{{"id":"{DRAFT}"}},"arguments":{{"id":"{ACTIVE}"}}}}'),
        line(3, f'{{"name":"get_campaign",{tool},"arguments":{{"id":"{ACTIVE}"}}}}'),
        line(4, f'{{"name":"get_campaign","arguments":{{"id":"{ACTIVE}"}}}}'),
    ]
    policy = tmp_path / "policy.toml"
    policy.write_text('never_call = ["delete_campaign"]\n')
    done = processes.run(
        *("serve", "--sandbox", "--toolsets", "all", "--only-campaign", DRAFT, "--policy", str(policy)),
        environment=clean_environment(),
        stdin="\n".join(lines) + "\n",
    )
    answers = {one["id"]: one for one in map(json.loads, done.stdout.splitlines())}
    for number in (1, 2, 3):
        assert "--only-campaign" in json.dumps(answers[number]), answers[number]
    assert "--only-campaign" in json.dumps(answers[4])


# side doors


Door = Callable[[Client], Awaitable[Any]]


async def by_prompts(client: Client) -> None:
    for prompt in (await client.list_prompts()).prompts:
        given = {argument.name: ACTIVE for argument in prompt.arguments or ()}
        await client.get_prompt(prompt.name, given)


async def by_suggestions(client: Client) -> None:
    for prompt in (await client.list_prompts()).prompts:
        for argument in prompt.arguments or ():
            ref = types.PromptReference(name=prompt.name)
            await client.complete(ref, {"name": argument.name, "value": ""})


async def by_resources(client: Client) -> None:
    for resource in (await client.list_resources()).resources:
        await client.read_resource(resource.uri)
    for template in (await client.list_resource_templates()).resource_templates:
        try:
            await client.read_resource(template.uri_template.partition("{")[0] + "activate_campaign")
        except MCPError:
            continue


async def by_search(client: Client) -> None:
    await said(client, "search_tools", {"query": "activate_campaign {}"})
    await said(client, "describe_tools", {"names": ["activate_campaign"], "arguments": {"id": DRAFT}})
    for name in ("call_tool", "run_read_tool", "search_tools", "preview_call", "tools/call"):
        await said(client, "run_write_tool", {"name": name, "arguments": {"name": "activate_campaign"}})
        await said(client, name, {"name": "activate_campaign", "arguments": {"id": DRAFT}})


@pytest.mark.parametrize("discovery", [False, True])
@pytest.mark.parametrize("door", [by_prompts, by_suggestions, by_resources, by_search])
async def test_what_stands_beside_the_tools_is_no_way_around(desk: Desk, door: Door, discovery: bool) -> None:
    for human, confirm in ((None, "always"), (Human("decline"), "auto")):
        async with desk.client(human, discovery=discovery, confirm=confirm) as client:
            await door(client)
    assert desk.writes() == []


async def test_suggestions_read_nothing_that_a_policy_never_calls(connect: Connect, world: World) -> None:
    lists = ["list_campaigns", "list_lead_lists", "list_accounts"]
    async with connect(toolsets=["all"], forbidden=lists) as client:
        await by_suggestions(client)
    assert [one["path"] for one in world.requests if one["path"].endswith(("/campaigns", "/lead-lists"))] == []


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("read", ["get_email", "preview_call"])
async def test_under_lockdown_what_was_read_in_any_way_and_anywhere_is_remembered(
    several: bool, read: str, tmp_path: Path
) -> None:
    keys = {"INSTANTLY_KEYS_FILE": str(ROOT / "examples" / "agency_keys.txt")} if several else {}
    here, there = ({"workspace": "agency"}, {"workspace": "kestrel"}) if several else ({}, {})
    world = ["--scenario", "agency" if several else "demo"]
    server = command("serve", "--sandbox", *world, "--toolsets", "all", "--lockdown", **keys)
    with (tmp_path / "log").open("w") as errlog, anyio.fail_after(60):
        async with Client(over_stdio(server, errlog=errlog)) as client:
            by_hand = {"reply_to_uuid": RECEIVED, "eaccount": "a@b.example", "subject": "A", "body": TEXT}
            assert "needs a preview" not in await said(client, "reply_to_email", {**by_hand, **there})
            page = answer_of(
                await client.call_tool("list_emails", {"fields": ["id"], "email_type": "received", **here})
            )
            assert "needs a preview" not in await said(client, "reply_to_email", {**by_hand, **there})
            (email, *_) = page["items"]
            if read == "get_email":
                shown = await said(client, "get_email", {"id": email["id"], **here})
            else:
                asked = {"tool": "handle_reply", "arguments": {"email_id": email["id"], "body": TEXT}}
                shown = await said(client, "preview_call", {**asked, **here})
            assert "_strangers" in shown
            assert "needs a preview after text of strangers" in await said(
                client, "reply_to_email", {**by_hand, **there}
            )


# other callers, other workspaces, other processes


@pytest.mark.skipif(sys.platform != "linux", reason="where the data folder is told by XDG_DATA_HOME")
async def test_a_token_is_good_for_one_caller_in_one_workspace_on_any_replica_once(tmp_path: Path) -> None:
    tokens = {"anna": "a" * 40, "ben": "b" * 40}
    environment = {
        "INSTANTLY_AUTH_TOKENS": ",".join(f"{name}={token}" for name, token in tokens.items()),
        "INSTANTLY_KEYS_FILE": str(ROOT / "examples" / "agency_keys.txt"),
        "INSTANTLY_STATE_KEY": "k" * 64,
        "XDG_DATA_HOME": str(tmp_path),
    }
    serve = (
        "serve",
        "--sandbox",
        "--scenario",
        "agency",
        "--transport",
        "http",
        "--require-preview",
        "--repeat-window",
        "0",
    )
    asked = {"tool": "verify_email", "arguments": {"email": "x@y.example"}}

    async def tell(url: str, caller: str, tool: str, arguments: dict[str, Any]) -> str:
        headers = {"Authorization": f"Bearer {tokens[caller]}"}
        async with (
            httpx.AsyncClient(headers=headers, timeout=30) as http,
            Client(streamable_http_client(url, http_client=http)) as client,
        ):
            return await said(client, tool, arguments)

    with served(*serve, **environment) as (_, one), served(*serve, **environment) as (_, two), anyio.fail_after(90):
        shown = await tell(one, "anna", "preview_call", {"workspace": "kestrel", **asked})
        token = json.loads(shown)["preview_token"]
        given = {"workspace": "kestrel", "email": "x@y.example", "preview_token": token}
        wrong = "is not that of a preview of this tool with exactly these arguments"
        for url in (one, two):
            assert wrong in await tell(url, "ben", "verify_email", given)
            assert wrong in await tell(url, "anna", "verify_email", {**given, "workspace": "lumen"})
            assert wrong in await tell(url, "anna", "verify_email", {**given, "email": "z@y.example"})
        for workspace in ("KESTREL", ["kestrel", "lumen"], "kestrel,lumen", "", None):
            assert "credits_used" not in await tell(two, "anna", "verify_email", {**given, "workspace": workspace})
        assert "credits_used" in await tell(two, "anna", "verify_email", given)
        for url in (one, two):
            assert "was used before" in await tell(url, "anna", "verify_email", given)
