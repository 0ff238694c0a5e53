"""With --reconcile: what is found out after a write whose outcome is unknown, and that no write is ever repeated."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.audit import Audit
from mcp_instantly.guards.audit_file import AuditFile, read_trail
from mcp_instantly.guards.reconciliation import Reconcile
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .conftest import answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

FINTECH, LOGISTICS = (f"c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b0{n}" for n in (1, 2))
MAYA_LEAD = "01991f00-0001-7000-8000-000000000001"
MAYAS_REPLY = "01991f80-0002-7000-8000-000000000002"
WARM_SENDERS = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"
HOOK = {"target_hook_url": "https://hooks.brightpath.example/other", "event_type": "email_sent"}
SCHEDULE = {
    "schedules": [
        {
            "name": "Days",
            "timing": {"from": "09:00", "to": "17:00"},
            "days": {"1": True},
            "timezone": "America/Detroit",
        }
    ]
}
REPLY = {
    "reply_to_uuid": MAYAS_REPLY,
    "eaccount": "ada@brightpath.example",
    "subject": "Re: Month-end close",
    "body": {"html": "<p>Thursday at ten <b>works</b>.</p>"},
}

CREATES: list[tuple[str, dict[str, Any]]] = [
    ("create_lead", {"email": "nils.berg@fraktlinje.example", "campaign": FINTECH}),
    ("create_custom_tag", {"label": "Agency"}),
    ("create_block_list_entry", {"bl_value": "rude.example"}),
    ("create_webhook", HOOK),
    ("create_campaign", {"name": "Winter", "campaign_schedule": SCHEDULE}),
    ("create_lead_list", {"name": "Winter"}),
]
by_create = pytest.mark.parametrize(("tool", "arguments"), CREATES, ids=[tool for tool, _ in CREATES])

Reconciled = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Client, Faults]]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
def reconciled(world: World, catalog: Catalog, settings: Settings, file: Path) -> Reconciled:
    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Client, Faults]]:
        app = create_app(world)
        selection = everything()
        audit = Audit(AuditFile(file), catalog.operations)
        guards = [audit, Reconcile(catalog.operations, no_sleep), audit.begin]
        async with (
            InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(selection, http, settings, guards), structured=True)) as client,
        ):
            yield informed(client, selection), app.workspaces.faults

    return opened


def endpoint(catalog: Catalog, tool: str) -> str:
    operation = catalog.operations[tool]
    return f"{operation.method} {operation.path.removeprefix('/api/v2')}"


LOST = [
    {"reset": True, "when": "after"},
    {"status": 500, "when": "after"},
    {"truncated": True},
    {"status": 504, "when": "after"},
]


@pytest.mark.parametrize("fault", LOST, ids=["lost", "500", "truncated", "504"])
@by_create
async def test_what_was_carried_out_without_a_response_is_found(
    reconciled: Reconciled, catalog: Catalog, file: Path, tool: str, arguments: dict[str, Any], fault: dict[str, Any]
) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation=endpoint(catalog, tool), **fault)
        result = await client.call_tool(tool, arguments)
    answer = answer_of(result)
    assert f"it was carried out: id {answer['id']}. Do not call it again." in answer["_note"]
    assert result.structured_content["_outcome"] == "done"
    (entry,) = read_trail(file).entries.values()
    assert entry["outcome"] == "done"


@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 500}], ids=["lost", "500"])
@by_create
async def test_what_was_not_carried_out_is_told_and_not_repeated(
    reconciled: Reconciled, catalog: Catalog, file: Path, tool: str, arguments: dict[str, Any], fault: dict[str, Any]
) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation=endpoint(catalog, tool), **fault)
        result = await client.call_tool(tool, arguments)
        assert len(faults.log) == 1
        assert result.is_error and "It was not carried out." in result.content[0].text
        assert "unknown" not in result.content[0].text
        assert result.structured_content["_outcome"] == "refused"
        # Nothing was there, so that the call that is made again is the first.
        again = answer_of(await client.call_tool(tool, arguments))
    assert "carried out" not in again.get("_note", "")
    assert [entry["outcome"] for entry in read_trail(file).entries.values()] == ["refused", "done"]


@pytest.mark.parametrize("status", [408, 502, 504, 524])
async def test_behind_a_gateway_what_is_not_there_yet_stays_unknown(reconciled: Reconciled, status: int) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="POST /custom-tags", status=status)
        result = await client.call_tool("create_custom_tag", {"label": "Agency"})
    assert result.structured_content["_outcome"] == "unknown"
    assert "Outcome unknown" in result.content[0].text and "still unknown" in result.content[0].text


async def test_a_record_that_was_there_before_is_not_taken_for_a_new_one(reconciled: Reconciled) -> None:
    async with reconciled() as (client, faults):
        first = answer_of(await client.call_tool("create_webhook", HOOK))
        faults.add(operation="POST /webhooks", reset=True)
        result = await client.call_tool("create_webhook", HOOK)
        assert f"shows only what was there before, with id {first['id']}" in result.content[0].text
        faults.add(operation="POST /webhooks", reset=True, when="after")
        second = answer_of(await client.call_tool("create_webhook", HOOK))
    assert second["id"] != first["id"]


async def test_an_email_is_found_by_its_words_in_its_thread(reconciled: Reconciled, catalog: Catalog) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="POST /emails/reply", reset=True, when="after")
        answer = answer_of(await client.call_tool("reply_to_email", REPLY))
        assert "it was carried out" in answer["_note"]
        # The same words once more: the email of before is not taken for this one.
        faults.add(operation="POST /emails/reply", reset=True)
        result = await client.call_tool("reply_to_email", REPLY)
    assert "still unknown" in result.content[0].text
    assert result.structured_content["_outcome"] == "unknown"


async def test_an_email_that_does_not_show_is_never_said_to_be_unsent(reconciled: Reconciled) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="POST /emails/reply", status=500)
        result = await client.call_tool("reply_to_email", REPLY)
        assert [one["fault"] for one in faults.log] == ["fault-1"]
    assert "It was not carried out" not in result.content[0].text
    assert "still unknown" in result.content[0].text


STATES: list[tuple[str, dict[str, Any]]] = [
    ("update_lead", {"id": MAYA_LEAD, "job_title": "CEO"}),
    ("pause_campaign", {"id": FINTECH}),
    ("delete_campaign", {"id": LOGISTICS}),
    (
        "toggle_custom_tag",
        {"tag_ids": [WARM_SENDERS], "resource_type": 1, "assign": True, "resource_ids": ["chloe@brightpath.example"]},
    ),
]


@pytest.mark.parametrize(("tool", "arguments"), STATES, ids=[tool for tool, _ in STATES])
async def test_a_state_tells_of_what_changes_or_deletes(
    reconciled: Reconciled, catalog: Catalog, tool: str, arguments: dict[str, Any]
) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation=endpoint(catalog, tool), status=500, next=3)
        result = await client.call_tool(tool, arguments)
        assert "It was not carried out." in result.content[0].text
        faults.clear()
        faults.add(operation=endpoint(catalog, tool), reset=True, when="after", next=3)
        result = await client.call_tool(tool, arguments)
    assert not result.is_error and "it was carried out" in answer_of(result)["_note"]
    assert result.structured_content["_outcome"] == "done"


async def test_where_the_look_fails_too_the_outcome_stays_unknown(reconciled: Reconciled) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="POST /custom-tags", reset=True, when="after")
        answer_of(await client.call_tool("list_custom_tags", {}))
        faults.add(operation="GET /custom-tags", status=500, next=9)
        result = await client.call_tool("create_custom_tag", {"label": "Agency"})
    assert "still unknown" in result.content[0].text
    assert result.structured_content["_outcome"] == "unknown"


async def test_a_page_of_a_proxy_does_not_tell_that_something_is_gone(reconciled: Reconciled, world: World) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="DELETE /campaigns/{id}", status=500, next=3)
        faults.add(operation="GET /campaigns/{id}", html=404, next=9)
        result = await client.call_tool("delete_campaign", {"id": LOGISTICS})
    assert "still unknown" in result.content[0].text
    assert LOGISTICS in world.campaigns


async def test_what_no_read_tells_of_is_left_as_it_is(reconciled: Reconciled) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="POST /emails/test", reset=True, when="after")
        given = {
            "eaccount": "ada@brightpath.example",
            "to_address_email_list": "ben@brightpath.example",
            "subject": "A",
            "body": {"html": "B"},
        }
        result = await client.call_tool("send_test_email", given)
    assert "Outcome unknown" in result.content[0].text and "still" not in result.content[0].text


async def test_handle_reply_looks_by_itself(reconciled: Reconciled, world: World) -> None:
    async with reconciled() as (client, faults):
        faults.add(operation="POST /emails/reply", reset=True, when="after")
        given = {"email_id": MAYAS_REPLY, "body": {"text": "Thursday at ten."}, "mark_as_read": False}
        found = answer_of(await client.call_tool("handle_reply", given))
    assert found["answer"]["outcome"] == "done"
    assert found["_calls"] == {"get_email": 1, "list_emails": 2, "reply_to_email": 1}
