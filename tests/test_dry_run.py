"""With --dry-run, what changes something is checked and described, and nothing of it is sent."""

from __future__ import annotations

import dataclasses
import sys
import types
from typing import Any

import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.dry_run import DryRun
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.workflows import Context

from .conftest import Connect, answer_of, no_sleep

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"


@MODES
async def test_a_write_is_described_and_not_sent(connect: Connect, world: World, mode: str) -> None:
    async with connect(mode=mode, guards=[Repeats(60), DryRun()]) as client:
        for _ in range(2):
            answer = answer_of(await client.call_tool("pause_campaign", {"id": ACTIVE}))
            assert answer["dry_run"] is True
            assert answer["would_send"]["method"] == "POST"
            assert answer["would_send"]["path"] == f"/api/v2/campaigns/{ACTIVE}/pause"
            assert answer["_note"].startswith("Nothing was sent: the server was started with --dry-run.")
    assert world.requests == []


async def test_the_body_is_shown_as_it_would_be_sent_without_secrets(connect: Connect, world: World) -> None:
    account: dict[str, Any] = {
        "email": "new@brightpath.example",
        "first_name": "New",
        "last_name": "One",
        "provider_code": 1,
        "imap_username": "new",
        "imap_password": "hunter2",
        "imap_host": "imap.example.com",
        "imap_port": 993,
        "smtp_username": "new",
        "smtp_password": "hunter2",
        "smtp_host": "smtp.example.com",
        "smtp_port": 465,
    }
    async with connect(guards=[DryRun()]) as client:
        result = await client.call_tool("create_account", account)
    body = answer_of(result)["would_send"]["body"]
    assert "hunter2" not in result.content[0].text
    assert (body["imap_password"], body["imap_host"]) == ("[secret]", "imap.example.com")
    assert world.requests == []


async def test_effects_are_named_and_wrong_arguments_are_refused_as_ever(connect: Connect, world: World) -> None:
    async with connect(guards=[DryRun()]) as client:
        answer = answer_of(await client.call_tool("verify_email", {"email": "a@b.example"}))
        assert answer["would_send"]["effects"] == ["changes", "spends_credits"]
        assert (await client.call_tool("verify_email", {"mail": 5})).is_error
    assert world.requests == []


async def test_reads_go_through_and_so_do_workflows_that_only_read(connect: Connect, world: World) -> None:
    async with connect(guards=[DryRun()]) as client:
        assert answer_of(await client.call_tool("get_campaign", {"id": ACTIVE}))["id"] == ACTIVE
        assert answer_of(await client.call_tool("count_leads", {"campaign": ACTIVE}))["leads"] == 120


async def test_a_workflow_ends_at_its_first_write(
    catalog: Catalog, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
        await context.call("get_campaign", id=ACTIVE)
        await context.call("pause_campaign", id=ACTIVE)
        raise AssertionError("it goes on")

    module = types.ModuleType("mcp_instantly.workflows.try_out")
    module.run = run  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    like = catalog.workflows["count_leads"]
    parts = tuple(catalog.operations[name] for name in ("get_campaign", "pause_campaign"))
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    tool = {**like.tool, "name": "try_out", "inputSchema": schema}
    tool["annotations"] = {**tool["annotations"], "readOnlyHint": False}
    workflow = dataclasses.replace(like, tool=tool, rules={}, examples=({},), needed=parts)
    with_it = dataclasses.replace(catalog, workflows={**catalog.workflows, "try_out": workflow})
    transport = httpx.ASGITransport(create_app(world))
    async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
        invoker = Invoker(select(with_it, toolsets=["all"]), http, settings, [DryRun()])
        result = await invoker.invoke("try_out", {})
    assert result.structured is not None
    assert result.structured["would_send"]["tool"] == "pause_campaign"
    assert result.structured["_calls"] == {"get_campaign": 1, "pause_campaign": 1}
    assert "try_out stopped at pause_campaign" in result.structured["_note"]
    assert [request["method"] for request in world.requests] == ["GET"]
