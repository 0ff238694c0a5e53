"""Calls whose answers are too long, and what of them may be written back, through client, server and sandbox."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import MAX_SMALLER_PAGES, Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog, select

from .conftest import answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
MAYA = "01991f00-0001-7000-8000-000000000001"
CUT = "Hello … [cut by mcp_instantly: 6146 characters in all]"

Limited = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Client, Any]]]


@pytest.fixture
def limited(world: World, catalog: Catalog, settings: Settings) -> Limited:
    """`async with limited(5000) as (client, app)`: a server with that result limit, and the sandbox behind it."""

    @contextlib.asynccontextmanager
    async def connected(limit: int) -> AsyncIterator[tuple[Client, Any]]:
        chosen = dataclasses.replace(settings, result_limit=limit)
        app = create_app(world)
        async with (
            InstantlyClient(chosen, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(everything(), http, chosen))) as client,
        ):
            yield informed(client, everything()), app

    return connected


def calls(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == "tool_call"]


# Pages


@pytest.mark.parametrize("limit", [4_000, 9_000, 30_000])
async def test_paging_through_answers_that_do_not_fit_shows_every_record_once(
    limited: Limited, world: World, limit: int
) -> None:
    seen: list[str] = []
    async with limited(limit) as (client, _):
        arguments: dict[str, Any] = {"campaign": ACTIVE, "limit": 100}
        while True:
            result = await client.call_tool("list_leads", arguments)
            page = answer_of(result)
            assert len(result.content[0].text) <= limit
            seen += [lead["id"] for lead in page["items"]]
            if not page.get("next_starting_after"):
                break
            arguments["starting_after"] = page["next_starting_after"]
    everyone = [lead["id"] for lead in world.leads if lead.get("campaign") == ACTIVE]
    assert sorted(seen) == sorted(everyone) and len(everyone) == 120


async def test_a_page_that_does_not_fit_is_asked_for_with_a_limit_that_does(
    limited: Limited, world: World, events: list[dict[str, Any]]
) -> None:
    async with limited(10_000) as (client, _):
        result = await client.call_tool("list_leads", {"campaign": ACTIVE})
    page = answer_of(result)
    first, second = world.requests
    count = len(page["items"])
    assert 5 < count < 20
    assert page["_note"] == f"The page was too long, so it was asked for with limit {count}: page on for the others."
    assert page["next_starting_after"] == page["items"][-1]["id"]
    assert len(result.content[0].text) > 7_000, "the limit is used"
    (event,) = calls(events)
    assert (event["outcome"], event["http_status"], event["attempts"]) == ("ok", 200, 2)
    assert event["bytes"] > len(result.content[0].text)
    assert first["path"] == second["path"]


async def test_a_page_that_fits_is_asked_for_once(limited: Limited, world: World) -> None:
    async with limited(60_000) as (client, _):
        assert "_note" not in answer_of(await client.call_tool("list_leads", {"campaign": ACTIVE, "limit": 20}))
    assert len(world.requests) == 1


async def test_a_list_by_query_is_asked_again_too(limited: Limited, world: World) -> None:
    async with limited(5_000) as (client, _):
        page = answer_of(await client.call_tool("list_emails", {"limit": 50}))
    assert len(world.requests) == 2
    assert page["next_starting_after"] and "limit" in page["_note"]


async def test_no_page_is_asked_for_more_than_twice_again(limited: Limited, world: World) -> None:
    record = {"id": "1", "note": "n" * 4_000}
    async with limited(10_000) as (client, app):
        app.workspaces.faults.add(
            error={"items": [record] * 20, "next_starting_after": "20"}, every=1, operation="GET /campaigns"
        )
        page = answer_of(await client.call_tool("list_campaigns", {}))
    assert len(world.requests) == 1 + MAX_SMALLER_PAGES
    assert "next_starting_after" not in page, "its records are not all shown"
    assert f"ask again with limit {len(page['items'])}" in page["_note"]


@pytest.mark.parametrize("fault", [{"status": 401}, {"status": 404}, {"html": 200}])
async def test_the_page_that_there_is_stands_when_a_smaller_one_cannot_be_had(
    limited: Limited, events: list[dict[str, Any]], fault: dict[str, Any]
) -> None:
    async with limited(10_000) as (client, app):
        whole = {"items": [{"id": str(number), "note": "n" * 900} for number in range(20)], "next_starting_after": "19"}
        app.workspaces.faults.add(error=whole, operation="GET /campaigns")
        app.workspaces.faults.add(every=1, operation="GET /campaigns", **fault)
        page = answer_of(await client.call_tool("list_campaigns", {}))
    assert len(page["items"]) > 5
    assert "next_starting_after" not in page
    assert f"{len(page['items'])} of 20 records in items are shown" in page["_note"]
    (event,) = calls(events)
    assert event["outcome"] == "ok"
    assert event["attempts"] == 2


async def test_what_changes_something_is_never_sent_again_for_its_length(limited: Limited, world: World) -> None:
    leads = [{"email": f"person{number}@field.example"} for number in range(200)]
    async with limited(5_000) as (client, _):
        added = answer_of(await client.call_tool("bulk_add_leads", {"campaign_id": DRAFT, "leads": leads}))
    assert len(world.requests) == 1
    assert added["leads_uploaded"] == 200
    assert "of 200 records in created_leads are shown" in added["_note"]


async def test_one_record_that_is_too_long_keeps_its_id_and_the_cursor(limited: Limited, world: World) -> None:
    variables = {f"note{number}": "v" * 900 for number in range(20)}
    async with limited(5_000) as (client, _):
        await client.call_tool("update_lead", {"id": MAYA, "custom_variables": variables})
        page = answer_of(await client.call_tool("list_leads", {"campaign": ACTIVE, "limit": 1}))
        lead = answer_of(await client.call_tool("get_lead", {"id": MAYA}))
    assert page["next_starting_after"] == page["items"][0]["id"] == MAYA
    for shown in (page["items"][0], lead):
        assert "payload" not in shown
        assert shown["first_name"] == "Maya"
    assert "payload is left out" in page["_note"] and "payload is left out" in lead["_note"]


async def test_a_huge_email_keeps_its_short_text_part(limited: Limited) -> None:
    mail = {"id": "1", "subject": "Monday", "body": {"html": "<p>x</p>" * 20_000, "text": "Could we speak on Monday?"}}
    async with limited(60_000) as (client, app):
        app.workspaces.faults.add(error=mail, operation="GET /emails/{id}")
        shown = answer_of(await client.call_tool("get_email", {"id": MAYA}))
    assert shown["body"]["text"] == "Could we speak on Monday?"
    assert len(shown["body"]["html"]) > 30_000
    assert "of 2" not in shown["_note"]


# What was cut is never written back


def campaign_with(body: str) -> dict[str, Any]:
    variants = [{"subject": f"Subject {number}", "body": body} for number in range(12)]
    return {"sequences": [{"steps": [{"type": "email", "delay": 2, "variants": variants}]}]}


@pytest.mark.parametrize(
    ("get", "listing", "update", "given"),
    [
        ("get_campaign", "list_campaigns", "update_campaign", campaign_with("<p>Hello</p>" * 500)),
        ("get_lead", "list_leads", "update_lead", {"custom_variables": {f"n{n}": "v" * 9_000 for n in range(9)}}),
        ("get_lead", "list_leads", "update_lead", {"personalization": "p" * 70_000}),
        ("get_email_template", "list_email_templates", "update_email_template", {"body": "<p>Hello</p>" * 6_000}),
        (
            "get_custom_prompt_template",
            "list_custom_prompt_templates",
            "update_custom_prompt_template",
            {"prompt": "Write. " * 10_000},
        ),
        ("get_subsequence", "list_subsequences", "update_subsequence", campaign_with("<p>Hello</p>" * 500)),
    ],
)
async def test_what_a_model_may_write_back_is_shown_whole_or_not_at_all(
    limited: Limited, catalog: Catalog, world: World, get: str, listing: str, update: str, given: dict[str, Any]
) -> None:
    record_id = catalog.operations[update].examples[0]["id"]
    (name,) = given
    shown_as = {"custom_variables": "payload"}.get(name, name)
    async with limited(60_000) as (client, _):
        changed = answer_of(await client.call_tool(update, {"id": record_id, **given}))
        one = answer_of(await client.call_tool(get, {"id": record_id}))
        more = catalog.operations[listing].examples[0]
        many = answer_of(await client.call_tool(listing, {**more, "limit": 1}))
    for answer in (changed, one):
        assert answer["id"] == record_id
        assert shown_as not in answer
        left_out = re.match(r"The answer was too long\. (.*?) (is|are) left out", answer["_note"])
        assert left_out and shown_as in left_out[1].split(", ")
        assert "--result-limit" in answer["_note"]
    assert "[cut by" not in json.dumps([changed, one, many])
    async with limited(200_000) as (client, _):
        whole = answer_of(await client.call_tool(get, {"id": record_id}))
    assert whole[shown_as] and "_note" not in whole


OPERATIONS = [op for op in load_catalog().operations.values() if op.examples[0]]


def holding_cut_text(value: Any) -> Any:
    """The same arguments with a cut text in the last place that a value can be put."""
    if isinstance(value, dict) and value:
        *_, last = value
        return {**value, last: holding_cut_text(value[last])}
    if isinstance(value, list) and value:
        return [*value[:-1], holding_cut_text(value[-1])]
    return CUT


async def test_no_tool_takes_a_text_that_was_cut(limited: Limited, world: World) -> None:
    async with limited(60_000) as (client, _):
        for operation in OPERATIONS:
            given = holding_cut_text(operation.examples[0])
            as_text = {name: json.dumps(value) for name, value in given.items()}
            for arguments in (given, as_text):
                refused = await client.call_tool(operation.name, arguments)
                assert refused.is_error, operation.name
                said = refused.content[0].text
                assert said.startswith("Nothing was sent: "), said
                assert "holds a text that an answer showed cut" in said and "Read the record on its own" in said, said
    assert world.requests == []


async def test_a_text_that_was_cut_is_refused_on_the_way_back(limited: Limited, world: World) -> None:
    long = {"id": MAYA, "eaccount": "ada@brightpath.example", "subject": "Monday", "body": {"text": "Hello. " * 20_000}}
    async with limited(60_000) as (client, app):
        app.workspaces.faults.add(error=long, operation="GET /emails/{id}")
        mail = answer_of(await client.call_tool("get_email", {"id": MAYA}))
        answer = {"reply_to_uuid": mail["id"], "eaccount": mail["eaccount"], "subject": "Re", "body": mail["body"]}
        sent = len(world.requests)
        result = await client.call_tool("reply_to_email", answer)
    assert result.is_error
    assert "body: holds a text that an answer showed cut" in result.content[0].text
    assert len(world.requests) == sent


# Nesting


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("depth", [80, 200, 300])
async def test_a_deeply_nested_answer_to_a_write_says_that_it_worked(
    world: World, catalog: Catalog, settings: Settings, structured: bool, depth: int
) -> None:
    deep: Any = 1
    for _ in range(depth):
        deep = {"a": deep}
    app = create_app(world)
    app.workspaces.faults.add(error={"id": MAYA, "deep": deep}, when="after", operation="PATCH /leads/{id}")
    async with InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http:
        server = build_server(Invoker(select(catalog), http, settings), structured=structured)
        async with Client(server) as client:
            result = await client.call_tool("update_lead", {"id": MAYA, "job_title": "CFO"})
    answer = answer_of(result)
    assert answer["id"] == MAYA
    assert "the call itself worked" in answer["_note"]
    assert result.structured_content == ({**answer, "_outcome": "done"} if structured else None)
