"""What became of a write: one of done, not sent, refused and unknown, in words, in the log and for programs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.tells import tell_of
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog, select
from mcp_instantly.tools.operation import Operation
from mcp_instantly.workflows.parts.batch import outcome_of

from .cases import for_each
from .conftest import everything, fresh_world, informed, no_sleep

pytestmark = pytest.mark.anyio

FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
MAYA_LEAD = "01991f00-0001-7000-8000-000000000001"
NOBODY = "01991f00-0001-7000-8000-00000000ffff"
ADD, CHANGE, DELETE = "POST /leads", "PATCH /leads/{id}", "DELETE /leads/{id}"

Connected = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Client, Faults]]]

NOTHING_TELLS = {
    "change_workspace_owner",
    "get_oauth_session_status",
    "run_integration",
    "send_test_email",
    "suggest_lead_finder_audience",
    "test_ai_reply_label",
    "test_webhook",
}
"""Writes that leave nothing behind which a read shows."""


@pytest.fixture
def connected(world: World, catalog: Catalog, settings: Settings) -> Connected:
    @contextlib.asynccontextmanager
    async def opened(**chosen: Any) -> AsyncIterator[tuple[Client, Faults]]:
        app = create_app(world)
        selection = select(catalog, **chosen) if chosen else everything()
        async with (
            InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(selection, http, settings), structured=True)) as client,
        ):
            yield informed(client, selection), app.workspaces.faults

    return opened


LEAD = {"email": "nils.berg@fraktlinje.example", "campaign": FINTECH}
RENAMED = {"id": MAYA_LEAD, "job_title": "CEO"}


@pytest.mark.parametrize(
    ("tool", "arguments", "fault", "outcome", "words"),
    [
        ("create_lead", LEAD, None, "done", ""),
        ("create_lead", {**LEAD, "emial": "x"}, None, "not sent", "Nothing was sent"),
        ("update_lead", {**RENAMED, "id": NOBODY}, None, "refused", "It was not carried out."),
        ("create_lead", LEAD, {"operation": ADD, "status": 400}, "refused", "It was not carried out."),
        ("create_lead", LEAD, {"operation": ADD, "status": 429, "next": 3}, "refused", "It was not carried out."),
        ("create_lead", LEAD, {"operation": ADD, "status": 500}, "unknown", "Outcome unknown"),
        ("create_lead", LEAD, {"operation": ADD, "status": 503, "when": "after"}, "unknown", "Outcome unknown"),
        ("create_lead", LEAD, {"operation": ADD, "reset": True, "when": "after"}, "unknown", "Outcome unknown"),
        ("create_lead", LEAD, {"operation": ADD, "truncated": True}, "unknown", "Outcome unknown"),
        ("create_lead", LEAD, {"operation": ADD, "html": 200}, "unknown", "Outcome unknown"),
        ("create_lead", LEAD, {"operation": ADD, "error": {"success": False}}, "unknown", "Outcome unknown"),
        ("update_lead", RENAMED, {"operation": CHANGE, "reset": True, "next": 3}, "unknown", "Outcome unknown"),
    ],
)
async def test_every_write_says_what_became_of_it(
    connected: Connected, events: Any, tool: str, arguments: dict[str, Any], fault: Any, outcome: str, words: str
) -> None:
    async with connected() as (client, faults):
        if fault:
            faults.add(**fault)
        result = await client.call_tool(tool, arguments)
    assert (result.is_error, result.structured_content["_outcome"]) == (outcome != "done", outcome)
    assert words in result.content[0].text
    assert [event["write"] for event in events if event["event"] == "tool_call"] == [outcome]


async def test_what_is_only_read_has_no_outcome(connected: Connected, events: Any) -> None:
    async with connected() as (client, _):
        result = await client.call_tool("get_lead", {"id": MAYA_LEAD})
        failed = await client.call_tool("get_lead", {"id": NOBODY})
    assert "_outcome" not in result.structured_content
    assert failed.structured_content is None and "carried out" not in failed.content[0].text
    assert not any("write" in event for event in events)


async def test_a_refusal_after_an_attempt_without_a_response_is_unknown(connected: Connected) -> None:
    async with connected() as (client, faults):
        faults.add(operation=DELETE, reset=True, when="after")
        result = await client.call_tool("delete_lead", {"id": MAYA_LEAD})
        faults.add(operation=CHANGE, reset=True, when="after")
        faults.add(operation=CHANGE, status=400)
        other = await client.call_tool("update_lead", {"id": "01991f00-0002-7000-8000-000000000002", "phone": "1"})
    for ended in (result, other):
        assert ended.structured_content["_outcome"] == "unknown", ended
        assert "Outcome unknown" in ended.content[0].text


async def test_an_unknown_outcome_names_the_read_that_tells(connected: Connected) -> None:
    async with connected() as (client, faults):
        faults.add(operation=ADD, reset=True, when="after")
        result = await client.call_tool("create_lead", LEAD)
        told = 'list_leads {"contacts":["nils.berg@fraktlinje.example"],"campaign":"' + FINTECH + '"} tells.'
        assert result.content[0].text.endswith(told)
        found = await client.call_tool("list_leads", {"contacts": [LEAD["email"]], "campaign": FINTECH})
        assert LEAD["email"] in found.content[0].text


REPEATED = {
    "bulk_delete_block_list_entries": {"ids": ["3b10c0de-4d5e-4f60-8a71-8293a4b5c601"]},
    "bulk_pause_accounts": {"emails": ["chloe@brightpath.example"]},
    "bulk_delete_agent_items": {"items": [{"id": "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"}]},
}
"""Writes that find nothing left to do when they are repeated, and then say so."""


@pytest.mark.parametrize("tool", list(REPEATED))
@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 502}], ids=["reset", "502"])
async def test_a_repeat_does_not_deny_what_an_earlier_attempt_has_done(
    connected: Connected, catalog: Catalog, events: Any, tool: str, fault: Any
) -> None:
    operation = catalog.operations[tool]
    async with connected() as (client, faults):
        faults.add(operation=f"{operation.method} {operation.path.removeprefix('/api/v2')}", when="after", **fault)
        result = await client.call_tool(tool, REPEATED[tool])
        again = await client.call_tool(tool, REPEATED[tool])
    note = result.structured_content["_note"]
    assert "an earlier attempt of this call got no answer, and has probably done what is missing or failed" in note
    assert note.endswith(f"Outcome unknown: it may have been carried out. {operation.tells['tool']} tells.")
    for denial in ("Nothing was deleted", "not changed", "of the items failed"):
        assert denial not in note
    assert result.structured_content["_outcome"] == "unknown"
    assert [event["write"] for event in events if event.get("tool") == tool] == ["unknown", "done"]
    assert "earlier attempt" not in again.content[0].text


async def test_the_repeat_of_any_write_tells_what_the_first_attempt_would_have_told(
    catalog: Catalog, settings: Settings
) -> None:
    for operation in catalog.operations.values():
        if operation.read_only or not operation.idempotent:
            continue
        app = create_app(fresh_world())
        app.workspaces.faults.add(
            operation=f"{operation.method} {operation.path.removeprefix('/api/v2')}", when="after", status=502
        )
        async with InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http:
            found = await Invoker(everything(), http, settings).invoke(operation.name, operation.examples[0])
        doubted = "earlier attempt of this call got no answer, and has probably" in found.text
        assert doubted == (found.outcome == "unknown"), (operation.name, found.text)
        deleted = operation.method == "DELETE" and found.error is not None
        assert doubted == (operation.name in REPEATED or deleted), (operation.name, found.text)


async def test_a_read_that_is_not_offered_is_not_named(connected: Connected) -> None:
    async with connected(tools=["create_lead"]) as (client, faults):
        faults.add(operation=ADD, reset=True, when="after")
        result = await client.call_tool("create_lead", LEAD)
    assert "Outcome unknown" in result.content[0].text
    assert "list_leads" not in result.content[0].text


WRITES = [operation for operation in load_catalog().operations.values() if not operation.read_only]


@for_each("operation", WRITES)
def test_a_read_tells_of_every_write(operation: Operation, catalog: Catalog) -> None:
    for example in operation.examples:
        tell = tell_of(operation, example, catalog.operations)
        assert (tell is None) == (operation.name in NOTHING_TELLS)
        if tell is not None:
            reader = catalog.operations[tell.tool]
            assert set(tell.arguments) <= set(reader.input_schema["properties"])
            assert reader.read_only or reader.name == "get_oauth_session_status"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [("done", "unknown"), ("unknown", "unknown"), ("not sent", "not done"), ("refused", "not done")],
)
def test_a_workflow_that_fails_after_its_write_never_takes_that_for_undone(outcome: str, told: str) -> None:
    bug = RuntimeError()
    assert outcome_of(bug) == "unknown"
    bug.outcome = outcome  # type: ignore[attr-defined]
    assert outcome_of(bug) == told
