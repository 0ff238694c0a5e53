"""With --dry-run, what changes something is checked and described, and nothing of it is sent."""

from __future__ import annotations

import dataclasses
import sys
import types
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.dry_run import DryRun
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.settings import SANDBOX_KEY, Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.workflows import Context

from .conftest import Connect, answer_of, no_sleep

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
MAYAS_REPLY = "01991f80-0002-7000-8000-000000000002"
READ_BY_POST = ("/api/v2/leads/list",)


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
    said = "try_out stopped at pause_campaign, which was not sent. Nothing had been changed before."
    assert said in result.structured["_note"]
    assert [request["method"] for request in world.requests] == ["GET"]


THREAD = "c0-demoThread0000000000001"
EVERY_WRITE: dict[str, tuple[str, dict[str, Any]]] = {
    "handle_reply": ("reply_to_email", {"email_id": MAYAS_REPLY, "body": {"text": "Thursday suits us."}}),
    "set_interest": (
        "update_lead_interest_status",
        {"leads": [{"lead_email": "maya.lindqvist@fjordpay.example"}], "interest_value": 1},
    ),
    "mark_threads_read": ("mark_thread_as_read", {"thread_ids": [THREAD]}),
    "stop_contacting": ("bulk_create_block_list_entries", {"who": ["fjordpay.example"]}),
    "import_rows": ("bulk_add_leads", {"campaign_id": ACTIVE, "rows": [{"email": "new@prospect.example"}]}),
    "edit_sequence": (
        "update_campaign",
        {"campaign_id": ACTIVE, "edits": [{"action": "change_delay", "step": 1, "delay": 5}]},
    ),
}
"""By workflow, its first write, and arguments with which it comes to that."""


@pytest.mark.parametrize("discovery", [False, True], ids=["by_itself", "discovery"])
@pytest.mark.parametrize("tool", EVERY_WRITE)
async def test_each_workflow_describes_its_first_write_and_fails_at_nothing(
    connect: Connect, world: World, events: Any, tool: str, discovery: bool
) -> None:
    write, arguments = EVERY_WRITE[tool]
    called = ("run_write_tool", {"name": tool, "arguments": arguments}) if discovery else (tool, arguments)
    async with connect(guards=[DryRun()], discovery=discovery) as client:
        # The second time too: the first one left nothing behind.
        for _ in range(2):
            answer = answer_of(await client.call_tool(*called))
            assert answer["dry_run"] is True and answer["would_send"]["tool"] == write
            assert f"{tool} stopped at {write}, which was not sent. Nothing had been changed before." in answer["_note"]
            assert "Nothing was sent: the server was started with --dry-run." in answer["_note"]
            assert not {"answer", "failed", "not_tried", "unknown"} & set(answer)
    assert {request["method"] for request in world.requests} <= {"GET", "POST"}
    assert all(request["method"] == "GET" or request["path"] in READ_BY_POST for request in world.requests)
    inner = [event for event in events if event["event"] == "tool_call" and event["tool"] == write]
    assert {(event["outcome"], event["write"], event["error_class"]) for event in inner} == {("ok", "not sent", None)}


def test_every_workflow_that_writes_is_tried_in_a_dry_run(catalog: Catalog) -> None:
    """Jobs and drafts are told of by what they would do, not by their first write."""
    kept = ("jobs", "drafts")
    writing = {one.name for one in catalog.workflows.values() if not one.read_only and one.toolset not in kept}
    assert writing == set(EVERY_WRITE)


async def test_a_draft_that_is_not_sent_in_a_dry_run_stays_approved(connect: Connect, tmp_path: Path) -> None:
    written = {"reply_to_uuid": MAYAS_REPLY, "body": {"text": "Thursday suits us."}}
    async with connect(guards=[DryRun()]) as client:
        draft = answer_of(await client.call_tool("draft_reply", written))["draft_id"]
        drafts = Drafts(tmp_path / "drafts.sqlite", SANDBOX_KEY)
        drafts.approve(draft, "Ada", content=drafts.find(draft).content)
        for _ in range(2):
            answer = answer_of(await client.call_tool("send_draft", {"draft_id": draft}))
            assert answer["would_send"]["tool"] == "reply_to_email"
            assert answer["would_send"]["body"]["body"] == written["body"]
            (kept,) = answer_of(await client.call_tool("list_drafts", {"draft_id": draft}))["drafts"]
            assert kept["state"] == "approved"
