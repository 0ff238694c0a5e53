"""Records that are not what the document says: programs never go by them, and never end in an error of ours."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.guards import Guard
from mcp_instantly.guards.locks import UNLOCKED, CampaignLock
from mcp_instantly.guards.reconciliation import Reconcile
from mcp_instantly.invocation import Invoker
from mcp_instantly.jobs.service import Service
from mcp_instantly.sandbox import create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import load_catalog, read_data
from mcp_instantly.tools.records import misfit

from .conftest import everything, fresh_world, informed, no_sleep

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
EMAIL = "01991f80-0002-7000-8000-000000000002"
THREAD = "c0-demoThread0000000000001"
MAYA = "maya.lindqvist@fjordpay.example"
OURS = {"campaign_id": CAMPAIGN}
NEW = {"email": "a@b.example", "size": "1"}
EDIT = {"action": "change_variant", "step": 1, "variant": "A", "body": "<p>Hello</p>"}

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "check_campaign": ("check_campaign", {"id": CAMPAIGN}),
    "clean_list": ("start_job", {"clean_list": OURS, "preview": True}),
    "count_leads": ("count_leads", {"campaign": CAMPAIGN}),
    "draft_reply": ("draft_reply", {"reply_to_uuid": EMAIL, "body": {"text": "x"}}),
    "edit_sequence": ("edit_sequence", {**OURS, "edits": [EDIT]}),
    "export_leads": ("start_job", {"export_leads": {"file": "leads.csv", "filters": {}}, "preview": True}),
    "get_workspace_overview": ("get_workspace_overview", {}),
    "handle_reply": ("handle_reply", {"email_id": EMAIL, "body": {"text": "x"}, "interest_value": 1}),
    "import_leads": ("start_job", {"import_leads": {**OURS, "rows": [NEW]}, "preview": True}),
    "import_rows": ("import_rows", {**OURS, "rows": [NEW, {"email": MAYA}]}),
    "mark_threads_read": ("mark_threads_read", {"thread_ids": [THREAD]}),
    "report_campaigns": ("report_campaigns", {}),
    "search_people_values": ("search_people_values", {"words": ["fintech"]}),
    "set_interest": ("set_interest", {"leads": [{"lead_email": MAYA}], "interest_value": 1}),
    "stop_contacting": ("stop_contacting", {"who": ["ledgerly.example", MAYA]}),
    "triage_replies": ("triage_replies", {}),
}
"""Workflows that read records, each with a call that reads all that it can."""

GONE = object()
ODD: dict[str, Any] = {"number": 5, "text": "odd", "object": {"x": {}}, "list": [None], "null": None, "gone": GONE}

Change = Callable[[str, Any], Any]
"""What an operation answers instead."""


@contextlib.asynccontextmanager
async def served(
    settings: Settings, folder: Path, change: Change, guards: Sequence[Guard] = (), lock: CampaignLock = UNLOCKED
) -> AsyncIterator[Client]:
    """A client of a server in front of the demo workspace, whose answers are changed."""
    sandbox = httpx.ASGITransport(create_app(fresh_world()))

    async def answer(request: httpx.Request) -> httpx.Response:
        response = await sandbox.handle_async_request(request)
        body = await response.aread()
        tool = _tool_of(request.method, request.url.path)
        if response.status_code == 200 and body[:1] in (b"{", b"[") and tool:
            body = json.dumps(change(tool, json.loads(body))).encode()
        return httpx.Response(response.status_code, content=body, headers={"Content-Type": "application/json"})

    folder.mkdir(exist_ok=True)
    drafts = Drafts(folder / "drafts.sqlite", settings.api_key)
    jobs = Service(f"sqlite:///{folder / 'jobs.sqlite'}", [folder], works=False)
    async with InstantlyClient(settings, transport=httpx.MockTransport(answer), sleep=no_sleep) as http:
        mine = jobs.jobs_of(settings.api_key, "sandbox")
        invoker = Invoker(everything(), http, settings, guards, lock, drafts=drafts, jobs=mine)
        async with Client(build_server(invoker)) as client:
            yield informed(client, everything())


@functools.cache
def _tool_of(method: str, path: str) -> str:
    operations = sorted(load_catalog().operations.values(), key=lambda one: one.path.count("{"))
    fits = (one for one in operations if one.method == method and re.fullmatch(_pattern(one.path), path))
    return next((one.name for one in fits), "")


def _pattern(path: str) -> str:
    return re.sub(r"\\?\{[^}]+\\?\}", "[^/]+", path)


async def called(settings: Settings, folder: Path, case: str, change: Change) -> Any:
    tool, arguments = CALLS[case]
    async with served(settings, folder, change) as client:
        return await client.call_tool(tool, arguments)


async def answers_to(settings: Settings, folder: Path, case: str) -> dict[str, Any]:
    """What the operations that a workflow calls answer to it, each the longest answer."""
    found: dict[str, Any] = {}

    def keep(tool: str, payload: Any) -> Any:
        found[tool] = max(found.get(tool), payload, key=lambda one: len(json.dumps(one)))
        return payload

    assert not (await called(settings, folder, case, keep)).is_error
    return found


def unread(value: Any, types: dict[str, str], odd: Any, path: str = "", *, whole: bool) -> Any:
    """An answer, in which all is odd that programs are not said to read; or without `whole`, what it consists of."""
    inside = not whole or not path or path in types
    if isinstance(value, list) and value and inside:
        items = (unread(item, types, odd, f"{path}[]", whole=whole) for item in value)
        return [item for item in items if item is not GONE]
    if isinstance(value, dict) and value and inside:
        parts = {name: unread(one, types, odd, f"{path}.{name}".strip("."), whole=whole) for name, one in value.items()}
        return {name: one for name, one in parts.items() if one is not GONE}
    return value if path in types or (odd is GONE and not path) else odd


@pytest.mark.parametrize("odd", list(ODD))
@pytest.mark.parametrize("case", list(CALLS))
async def test_what_no_program_reads_may_be_anything(settings: Settings, tmp_path: Path, case: str, odd: str) -> None:
    types = read_data("records.json")
    for whole in (True, False):

        def change(tool: str, payload: Any, whole: bool = whole) -> Any:
            return unread(payload, types.get(tool, {}), ODD[odd], whole=whole)

        result = await called(settings, tmp_path / str(whole), case, change)
        assert not result.is_error, result.content[0].text


GO_ON = {
    ("clean_list", "get_workspace_plan"),
    *((case, "list_leads") for case in ("clean_list", "export_leads")),  # plans count alone
    *(("handle_reply", tool) for tool in ("list_inbox_managers", "reply_to_email")),
    ("mark_threads_read", "list_emails"),
    ("set_interest", "list_leads"),
    ("stop_contacting", "bulk_create_block_list_entries"),
}
"""Workflows, and what they can do without: they read something else, or say that they do not know."""


@pytest.mark.parametrize("case", list(CALLS))
async def test_what_programs_read_is_refused_in_words(settings: Settings, tmp_path: Path, case: str) -> None:
    answers = await answers_to(settings, tmp_path / "as it is", case)
    for tool in answers.keys() & read_data("records.json").keys():
        judged = [path for path in leaves_of(tool) if with_odd(answers[tool], parts_of(path)) != answers[tool]]
        for path in judged:
            said = misfit(tool, with_odd(answers[tool], parts_of(path)))
            assert said and re.sub(r"\[\d+\]", "[]", said.split(" ")[0]) == path, (tool, path, said)
        for path in judged[:1]:
            result = await called(settings, tmp_path / tool, case, functools.partial(odd_at, tool, path))
            text = result.content[0].text
            told = f"{tool} did not answer as Instantly documents it: " in text
            assert told or (not result.is_error and (case, tool) in GO_ON), (tool, path, text)


def leaves_of(tool: str) -> list[str]:
    types: dict[str, str] = read_data("records.json")[tool]
    return [path for path, said in types.items() if not re.search("object|array", said)]


def odd_at(tool: str, path: str, name: str, payload: Any) -> Any:
    return with_odd(payload, parts_of(path)) if name == tool else payload


def with_odd(value: Any, path: list[str]) -> Any:
    """An answer with an object in the place of all that stands at a path."""
    if not path:
        return {"x": [{}]}
    name, *rest = path
    if name == "[]":
        return [with_odd(item, rest) for item in value] if isinstance(value, list) else value
    return {**value, name: with_odd(value[name], rest)} if isinstance(value, dict) and name in value else value


def parts_of(path: str) -> list[str]:
    return path.replace("[]", ".[]").lstrip(".").split(".")


@pytest.mark.parametrize("kind", ["3", None])
async def test_a_thread_that_does_not_tell_what_was_an_answer_is_not_answered(
    settings: Settings, tmp_path: Path, kind: str | None
) -> None:
    written: list[str] = []

    def change(tool: str, payload: Any) -> Any:
        written.extend([tool] if tool == "reply_to_email" else [])
        if tool != "list_emails":
            return payload
        one = payload["items"][0]
        return {"items": [*payload["items"], {**one, "id": "another", "ue_type": kind}]}

    result = await called(settings, tmp_path / "odd", "handle_reply", change)
    assert "ue_type" in result.content[0].text and not written, result.content[0].text


async def test_guards_go_by_what_they_read_whatever_stands_beside_it(settings: Settings, tmp_path: Path) -> None:
    def change(tool: str, payload: Any) -> Any:
        if tool == "get_email":
            return {**payload, "i_status": "odd"}
        if tool == "list_emails":
            payload["items"][-1]["i_status"] = "odd"
        return {"error": "gateway"} if tool == "reply_to_email" else payload

    lock, reconcile = CampaignLock(CAMPAIGN), Reconcile(everything().catalog.operations, no_sleep)
    answer = {"reply_to_uuid": EMAIL, "eaccount": "ada@brightpath.example", "subject": "Re", "body": {"text": "xyz"}}
    async with served(settings, tmp_path / "odd", change, [lock, reconcile], lock) as client:
        result = await client.call_tool("reply_to_email", answer)
    assert not result.is_error and "shows that it was carried out" in result.content[0].text, result.content[0].text
