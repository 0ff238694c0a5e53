"""Before a reply by hand: whether an AI inbox manager answers the same people, through client, server and sandbox."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from mcp_instantly.api.agent_check import KEPT_SECONDS, AgentCheck
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .confirming import Desk, Human
from .conftest import answer_of, clean_environment, everything, informed, no_sleep
from .processes import forking

pytestmark = pytest.mark.anyio

MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
WARM_SENDERS = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"
MANAGERS = "/api/v2/ai-agents/inbox-manager"
ADA = "ada@brightpath.example"
REPLY = {
    "reply_to_uuid": "01991f80-0002-7000-8000-000000000002",
    "eaccount": ADA,
    "subject": "Re: Month-end close",
    "body": {"text": "Thursday at ten suits us."},
}
FORWARD = {**REPLY, "to_address_email_list": "nora@brightpath.example"}

Served = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Client, Any]]]


@pytest.fixture
def served(world: World, catalog: Catalog, settings: Settings) -> Served:
    """`async with served() as (client, app)`: a server with every tool, and the sandbox behind it."""

    @contextlib.asynccontextmanager
    async def connected(*, key: str = "sandbox", check: bool = True) -> AsyncIterator[tuple[Client, Any]]:
        chosen = dataclasses.replace(settings, api_key=key, agent_check=check)
        app = create_app(world)
        async with (
            InstantlyClient(chosen, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(everything(), http, chosen))) as client,
        ):
            yield informed(client, everything()), app

    return connected


def asked(world: World) -> int:
    """How often the sandbox was asked for inbox managers."""
    return sum(request["method"] == "GET" and request["path"] == MANAGERS for request in world.requests)


async def note_of(client: Client, tool: str = "reply_to_email", arguments: dict[str, Any] = REPLY) -> str:
    """Our note beside the answer of a reply, which was sent."""
    answer = answer_of(await client.call_tool(tool, arguments))
    assert answer["ue_type"] == 3
    return str(answer.get("_note", ""))


async def activate(client: Client, **payload: Any) -> None:
    change = {"payload": payload} if payload else {}
    answer_of(await client.call_tool("update_inbox_manager", {"id": MANAGER, "status": 1, **change}))


async def test_a_reply_says_that_an_active_inbox_manager_answers_too(served: Served, world: World) -> None:
    async with served() as (client, _):
        await activate(client)
        note = await note_of(client)
        assert "Brightpath replies" in note and "two replies" in note and ADA in note
        # And that is what happens: both answers go out.
        world.clock.advance(600)
        mails = answer_of(await client.call_tool("list_emails", {"lead": "maya.lindqvist@fjordpay.example"}))["items"]
    assert [mail.get("ai_agent_id") for mail in mails if mail["ue_type"] == 3] == [MANAGER, None]


async def test_a_reply_says_nothing_where_every_inbox_manager_is_paused(served: Served, world: World) -> None:
    async with served() as (client, _):
        assert "inbox manager" not in await note_of(client)
    assert asked(world) == 1


async def test_one_that_covers_tags_may_answer_too(served: Served) -> None:
    async with served() as (client, _):
        await activate(client, tags=[WARM_SENDERS])
        note = await note_of(client)
    assert f"if it covers {ADA}" in note


async def test_the_check_can_be_turned_off_and_concerns_nothing_but_replies(served: Served, world: World) -> None:
    async with served(check=False) as (client, _):
        await activate(client)
        assert "inbox manager" not in await note_of(client)
    async with served() as (client, _):
        assert "inbox manager" not in await note_of(client, "forward_email", FORWARD)
    assert asked(world) == 0


async def test_it_is_asked_once_for_many_replies(served: Served, world: World) -> None:
    async with served() as (client, _):
        await activate(client)
        assert len({await note_of(client) for _ in range(3)}) == 1
    assert asked(world) == 1


async def test_what_was_found_holds_for_a_minute(world: World, catalog: Catalog, settings: Settings) -> None:
    now = [100.0]
    reply = catalog.operations["reply_to_email"]
    async with InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world)), sleep=no_sleep) as http:
        check = AgentCheck(http, catalog.operations["list_inbox_managers"], now=lambda: now[0])
        for moment, count in ((100.0, 1), (100.0 + KEPT_SECONDS - 1, 1), (100.0 + KEPT_SECONDS, 2)):
            now[0] = moment
            assert await check.notes(reply, REPLY) == ()
            assert asked(world) == count


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"status": 500}, "Instantly answered 500"),
        ({"status": 402}, "Instantly answered 402"),
        ({"html": 200}, "could not be found out"),
        ({"html": 403}, "Instantly answered 403"),
        ({"error": {"surprise": 1}}, "the response is not a list"),
        ({"reset": True}, "could not be found out"),
    ],
    ids=["500", "402", "a page", "a page that refuses", "another shape", "no answer"],
)
async def test_a_check_that_fails_says_so_and_the_reply_is_sent(
    served: Served, fault: dict[str, Any], reason: str
) -> None:
    async with served() as (client, app):
        app.workspaces.faults.add(every=1, operation="GET /ai-agents/inbox-manager", **fault)
        note = await note_of(client)
    assert reason in note and "list_agent_items" in note


async def test_a_check_that_takes_too_long_is_given_up(
    world: World, catalog: Catalog, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mcp_instantly.api.agent_check.SECONDS", 0.05)

    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await anyio.sleep_forever()
            raise AssertionError

    async with InstantlyClient(settings, transport=Hanging(), sleep=no_sleep) as http:
        check = AgentCheck(http, catalog.operations["list_inbox_managers"])
        with anyio.fail_after(5):
            (note,) = await check.notes(catalog.operations["reply_to_email"], REPLY)
    assert "no response within 0.05 s" in note


async def test_a_key_that_may_not_read_agents_is_not_asked_with_again_and_each_reply_says_so(
    served: Served, world: World
) -> None:
    async with served() as (client, _):
        made = await client.call_tool("create_api_key", {"name": "Unibox", "scopes": ["emails:all"]})
        key = answer_of(made)["key"]
    async with served(key=key) as (client, _):
        nowhere = {**REPLY, "reply_to_uuid": "01991f80-ffff-7000-8000-000000000002"}
        assert (await client.call_tool("reply_to_email", nowhere)).is_error
        for _ in range(2):
            assert "is not known" in (note := await note_of(client)) and "ai_agents:read" in note
    assert asked(world) == 1


async def test_what_was_found_is_forgotten_when_inbox_managers_are_changed_from_here(
    served: Served, world: World
) -> None:
    async with served() as (client, _):
        assert "inbox manager" not in await note_of(client)
        await activate(client)
        assert "two replies" in await note_of(client)
        answer_of(await client.call_tool("update_inbox_manager", {"id": MANAGER, "status": 0}))
        assert "inbox manager" not in await note_of(client)
        made = {"name": "Warm replies", "payload": {"configuration_type": 1}}
        answer_of(await client.call_tool("create_inbox_manager", made))
        assert "Warm replies" in await note_of(client)
    assert asked(world) == 4


async def test_a_change_whose_outcome_is_unknown_is_asked_about_again(served: Served, world: World) -> None:
    async with served() as (client, app):
        assert "inbox manager" not in await note_of(client)
        app.workspaces.faults.add(every=1, operation="PATCH /ai-agents/inbox-manager/{id}", status=503, when="after")
        assert (await client.call_tool("update_inbox_manager", {"id": MANAGER, "status": 1})).is_error
        assert "two replies" in await note_of(client)


@pytest.mark.parametrize("tool", ["reply_to_email", "handle_reply"])
async def test_a_preview_and_the_question_to_a_person_say_it_before(
    world: World, catalog: Catalog, settings: Settings, tool: str
) -> None:
    arguments = REPLY if tool == "reply_to_email" else {"email_id": REPLY["reply_to_uuid"], "body": REPLY["body"]}
    world.inbox_managers.change(world.inbox_managers[MANAGER], status=1)
    human = Human("decline")
    async with Desk(catalog, world, dataclasses.replace(settings, agent_check=True)).client(human) as client:
        told = answer_of(await client.call_tool("preview_call", {"tool": tool, "arguments": arguments}))
        assert "two replies" in told["would"]["warning"] and "_note" not in told
        await client.call_tool(tool, arguments)
    (form,) = human.forms
    assert "two replies" in form.message
    assert asked(world) == 1


async def test_a_preview_of_a_reply_has_no_warning_where_every_inbox_manager_is_paused(
    world: World, catalog: Catalog, settings: Settings
) -> None:
    async with Desk(catalog, world, settings).client() as client:
        told = answer_of(await client.call_tool("preview_call", {"tool": "reply_to_email", "arguments": REPLY}))
    assert "warning" not in told["would"]


async def test_a_selection_whose_scopes_leave_agents_out_is_not_asked_with(
    world: World, catalog: Catalog, settings: Settings
) -> None:
    selection = select(catalog, toolsets=["all"], scopes=["emails:all"])
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world)), sleep=no_sleep) as http,
        Client(build_server(Invoker(selection, http, settings))) as client,
    ):
        assert "ai_agents:read" in await note_of(client)
    assert asked(world) == 0


@pytest.mark.parametrize(("flags", "warned"), [([], True), (["--no-agent-check"], False)])
async def test_the_command_line_turns_it_off(tmp_path: Any, flags: list[str], warned: bool) -> None:
    kept = ["--sandbox", "--state", str(tmp_path / "world")]

    async def call(tool: str, arguments: dict[str, Any], *more: str) -> dict[str, Any]:
        command = [sys.executable, "-m", "mcp_instantly", "call", tool, json.dumps(arguments), *kept, *more]
        with forking():
            done = await anyio.run_process(command, env=clean_environment(), check=False)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    await call("update_inbox_manager", {"id": MANAGER, "status": 1})
    assert ("two replies" in (await call("reply_to_email", REPLY, *flags)).get("_note", "")) == warned
