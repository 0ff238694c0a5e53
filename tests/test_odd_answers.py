"""A success that says nothing, or something else than it should, is never taken for none, nor for done."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.invocation import Invoker
from mcp_instantly.jobs.service import Service
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings

from .conftest import answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
EMAIL = "01991f80-0002-7000-8000-000000000002"

BODIES = [b"", b"null", b"[]", b"[null]", b'"x"', b"5", b"true", b"NaN", b"{}", b'{"items": null}', b'{"items": {}}']
BODIES += [b'{"items": [null]}', b'{"items": ["x"]}']

CALLS: list[tuple[str, dict[str, Any]]] = [
    ("check_campaign", {"id": CAMPAIGN}),
    ("count_leads", {"campaign": CAMPAIGN}),
    ("draft_reply", {"reply_to_uuid": EMAIL, "body": {"text": "x"}}),
    ("edit_sequence", {"campaign_id": CAMPAIGN, "edits": [{"action": "remove_step", "step": 1}]}),
    ("get_workspace_overview", {}),
    ("handle_reply", {"email_id": EMAIL, "body": {"text": "x"}, "interest_value": 1}),
    ("import_rows", {"campaign_id": CAMPAIGN, "rows": [{"email": "a@b.example", "size": "1"}]}),
    ("report_campaigns", {}),
    ("search_people_values", {"words": ["fintech"]}),
    ("start_job", {"export_leads": {"file": "leads.csv", "filters": {"campaign": CAMPAIGN}}, "preview": True}),
    ("start_job", {"verify_emails": {"campaign_id": CAMPAIGN}, "preview": True}),
    ("stop_contacting", {"who": ["a@b.example"], "preview": True}),
    ("triage_replies", {}),
]
"""Workflows that read before anything else."""


@contextlib.asynccontextmanager
async def answered(
    body: bytes, settings: Settings, folder: Path, status: int = 200, *, place: str = "", world: World | None = None
) -> AsyncIterator[Client]:
    """A client of a server whose every request is answered with a success and a body; with a world, only those to
    paths that end with `place`.
    """
    sandbox = httpx.ASGITransport(create_app(world)) if world else None

    async def answer(request: httpx.Request) -> httpx.Response:
        if sandbox and not request.url.path.endswith(place):
            return await sandbox.handle_async_request(request)
        headers = {"Content-Type": "application/json"} if body else {}
        return httpx.Response(status, content=body, headers=headers)

    transport = httpx.MockTransport(answer)
    selection = everything()
    drafts = Drafts(folder / "drafts.sqlite", settings.api_key)
    jobs = Service(f"sqlite:///{folder / 'jobs.sqlite'}", [folder], works=False)
    async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
        mine = jobs.jobs_of(settings.api_key, "sandbox")
        invoker = Invoker(selection, http, settings, drafts=drafts, jobs=mine)
        async with jobs.at_work([invoker]), Client(build_server(invoker)) as client:
            yield informed(client, selection)


@pytest.mark.parametrize("body", BODIES, ids=[body.decode() or "nothing" for body in BODIES])
async def test_a_workflow_whose_reads_tell_nothing_says_so(settings: Settings, tmp_path: Path, body: bytes) -> None:
    async with answered(body, settings, tmp_path) as client:
        for tool, arguments in CALLS:
            if (tool, body) == ("report_campaigns", b"[]") or (tool, body[:1]) == ("search_people_values", b"{"):
                # What an API without figures answers, and an object without a count, which is told without one.
                continue
            result = await client.call_tool(tool, arguments)
            text = result.content[0].text
            if tool == "get_workspace_overview" and body.startswith(b"{"):
                # Every part of it is unknown, and the plan was told of by an object that says nothing of it.
                assert set(answer_of(result)) == {"unknown", "_calls"}
                assert set(answer_of(result)["unknown"]) == {"replies", "senders", "campaigns", "plan"}
                continue
            assert result.is_error and "no complete response came back" in text, (tool, text)
            assert "Outcome unknown" not in text, (tool, text)


@pytest.mark.parametrize("tool", ["get_campaign", "list_leads"])
async def test_a_read_of_nothing_is_no_success(settings: Settings, tmp_path: Path, tool: str) -> None:
    async with answered(b"", settings, tmp_path) as client:
        result = await client.call_tool(tool, {"id": CAMPAIGN} if tool == "get_campaign" else {})
    assert result.is_error and "the answer is empty" in result.content[0].text


async def test_a_collection_of_pages_without_records_is_no_end_of_the_list(settings: Settings, tmp_path: Path) -> None:
    async with answered(b"{}", settings, tmp_path) as client:
        result = await client.call_tool("list_leads", {"max_items": 5})
    assert result.is_error and "the answer has no list of records" in result.content[0].text


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b"null")])
async def test_a_write_that_says_itself_that_it_has_nothing_to_say_is_done_within_a_workflow_too(
    settings: Settings, tmp_path: Path, status: int, body: bytes
) -> None:
    lead = {"lead_email": "a@b.example"}
    async with answered(body, settings, tmp_path, status) as client:
        result = await client.call_tool("update_lead_interest_status", {**lead, "interest_value": 1})
        assert not result.is_error and "answers with no content" in result.content[0].text
        found = answer_of(await client.call_tool("set_interest", {"leads": [lead], "interest_value": 1}))
    assert [one["lead_email"] for one in found["accepted"]] == ["a@b.example"] and "unknown" not in found


@pytest.mark.parametrize(("status", "body"), [(204, b""), (200, b"null")])
async def test_an_import_that_was_answered_with_nothing_does_not_know_what_was_added(
    settings: Settings, tmp_path: Path, world: World, status: int, body: bytes
) -> None:
    rows = {"campaign_id": CAMPAIGN, "rows": [{"email": "a@quiet-firm.example"}]}
    async with answered(body, settings, tmp_path, status, place="/leads/add", world=world) as client:
        result = await client.call_tool("import_rows", rows)
    assert result.is_error and "Outcome unknown" in result.content[0].text, result.content[0].text


async def test_of_a_write_that_was_answered_with_nothing_nobody_knows(settings: Settings, tmp_path: Path) -> None:
    async with answered(b"", settings, tmp_path) as client:
        result = await client.call_tool("create_lead", {"campaign": CAMPAIGN, "email": "a@b.example"})
        assert result.is_error and "Outcome unknown" in result.content[0].text
        result = await client.call_tool("share_campaign", {"id": CAMPAIGN})
        assert not result.is_error and "answers with no content" in result.content[0].text
