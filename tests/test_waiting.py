"""Waiting for the end of what goes on after a response, in front of a sandbox whose clock goes on with each pause."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import anyio
import anyio.lowlevel
import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.waiting import is_done, states_of
from mcp_instantly.discovery import Discovery
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog, select
from mcp_instantly.tools.operation import WAIT_SECONDS, Operation

from .answers import facts_of
from .conftest import answer_of, everything, informed

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
WAITING = [op for op in load_catalog().operations.values() if WAIT_SECONDS in op.extras]
every_waiting = pytest.mark.parametrize("operation", WAITING, ids=[op.name for op in WAITING])

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
MAYA = "maya.lindqvist@fjordpay.example"
SLOW = "pending.paula@field.example"
MOVE = {"campaign": ACTIVE, "contacts": [MAYA], "to_campaign_id": DRAFT}

Pause = Callable[[float], Awaitable[Any]]


@dataclasses.dataclass
class Desk:
    """A client, the sandbox behind it, and the pauses that were made, during which the sandbox's clock goes on."""

    client: Client
    world: World
    faults: Any
    pauses: list[float]
    told: list[tuple[float, float | None, str | None]] = dataclasses.field(default_factory=list)

    async def call(self, name: str, /, **arguments: Any) -> Any:
        return answer_of(await self.client.call_tool(name, arguments, progress_callback=self._hear))

    async def _hear(self, done: float, total: float | None, message: str | None) -> None:
        self.told.append((done, total, message))

    @property
    def asked(self) -> list[str]:
        return [
            f"{request['method']} {unquote(request['path']).removeprefix('/api/v2')}" for request in self.world.requests
        ]


Sit = Callable[..., contextlib.AbstractAsyncContextManager[Desk]]


@pytest.fixture
def sit(world: World, catalog: Catalog, settings: Settings) -> Sit:
    """`async with sit() as desk`; `pause` replaces how it is waited, other keywords go to select()."""

    @contextlib.asynccontextmanager
    async def sitting(
        *,
        mode: str = "auto",
        pause: Pause | None = None,
        call_timeout: float = 55,
        invoker: type[Invoker] = Invoker,
        **chosen: Any,
    ) -> AsyncIterator[Desk]:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            world.clock.advance(seconds)
            await (pause(seconds) if pause else anyio.lowlevel.checkpoint())

        selection = select(catalog, **chosen) if chosen else everything()
        patient = dataclasses.replace(settings, call_timeout=call_timeout)
        app = create_app(world)
        transport = httpx.ASGITransport(app)
        async with (
            InstantlyClient(patient, transport=transport, sleep=sleep) as http,
            Client(build_server(invoker(selection, http, patient)), mode=mode) as client,
        ):
            yield Desk(informed(client, selection), world, app.workspaces.faults, pauses)

    return sitting


# what the files say


@every_waiting
def test_a_file_says_how_the_end_is_known(operation: Operation) -> None:
    waiting, operations = operation.waiting, load_catalog().operations
    assert bool(waiting.done) == bool(waiting.state) != bool(waiting.ask)
    for state in waiting.done:
        assert isinstance(state, bool) or str(state) in operation.description, "the model reads the states there"
    if waiting.done:
        assert waiting.state in facts_of(operation)
    for name, places in waiting.ask:
        poller = operations[name]
        assert poller.waiting.done
        assert set(places) == set(poller.input_schema["required"])
        assert name in operation.poll and name in operation.description
        for place in places.values():
            source, _, field = place.partition(".")
            properties = operation.input_schema["required"] if source == "given" else facts_of(operation)
            assert source in ("given", "answer") and (field in properties or field == "id")


def test_what_is_told_by_one_read_that_knows_the_state_can_be_waited_for() -> None:
    pollers = {op.name for op in WAITING if op.waiting.done}
    beginners = {op.name for op in load_catalog().operations.values() if pollers & set(op.poll)}
    by_hand = {"start_google_oauth", "start_microsoft_oauth"}
    """The user has to open their address first, so that they answer at once."""
    assert beginners - by_hand == {op.name for op in WAITING if op.waiting.ask}


@every_waiting
def test_the_argument_is_the_same_everywhere(operation: Operation) -> None:
    assert operation.input_schema["properties"][WAIT_SECONDS] == WAITING[0].input_schema["properties"][WAIT_SECONDS]
    assert operation.rules["properties"][WAIT_SECONDS] == {"minimum": 0, "maximum": 50}
    assert WAIT_SECONDS not in operation.input_schema.get("required", ())


@pytest.mark.parametrize("seconds", [-1, 51, "long"])
async def test_no_longer_wait_than_a_host_has_patience_for(sit: Sit, seconds: Any) -> None:
    async with sit() as desk:
        result = await desk.client.call_tool(
            "get_background_job", {"id": "66d5a0c0f1e2d3c4b5a69701", WAIT_SECONDS: seconds}
        )
    assert result.is_error and "Nothing was sent" in result.content[0].text
    assert desk.asked == []


# to the end

BEGINNINGS: dict[str, dict[str, Any]] = {
    "verify_email": {"email": SLOW},
    "move_leads": MOVE,
    "enable_account_warmup": {"emails": ["chloe@brightpath.example"]},
    "disable_account_warmup": {"emails": ["chloe@brightpath.example"]},
    "create_enrichment": {"resource_id": LIST, "type": "email_verification"},
    "run_enrichment": {"resource_id": LIST},
    "enrich_leads_from_supersearch": {
        "search_filters": {"title": {"include": ["CFO"]}},
        "limit": 5,
        "work_email_enrichment": True,
    },
    "create_ai_enrichment": {
        "resource_id": LIST,
        "resource_type": 2,
        "output_column": "icebreaker",
        "model_version": "gpt-5-mini",
        "prompt": "Write one opening line for {{firstName}}.",
        "limit": 3,
    },
    "create_company_list": {
        "name": "Payments",
        "provider_id": "a_leads",
        "company_source_id": "company_search",
        "filters": {"countries": ["Germany"]},
        "limit": 10,
    },
}


def test_every_beginning_is_tried() -> None:
    assert set(BEGINNINGS) == {op.name for op in WAITING if op.waiting.ask}


@MODES
@pytest.mark.parametrize("name", BEGINNINGS)
async def test_a_write_waits_for_its_end_and_is_sent_once(sit: Sit, catalog: Catalog, name: str, mode: str) -> None:
    operation = catalog.operations[name]
    async with sit(mode=mode) as desk:
        answer = await desk.call(name, **BEGINNINGS[name], wait_seconds=50)
    writes = [request for request in desk.world.requests if request["method"] != "GET"]
    assert len(writes) == 1
    assert all(WAIT_SECONDS not in json.dumps(request) for request in desk.world.requests)
    assert len(desk.world.requests) == 1 + len(desk.pauses) > 1
    assert desk.pauses == sorted(desk.pauses) and desk.pauses[0] == 1 and sum(desk.pauses) < 50
    state = answer.get("_state", answer)
    assert any(is_done(catalog.operations[asked], state) for asked, _ in operation.waiting.ask)
    assert "Not" not in answer.get("_note", ""), answer["_note"]
    # What the write said is all there.
    alone = facts_of(operation)
    assert {path.rstrip("!") for path, kind in alone.items() if kind.endswith("!") and "." not in path} <= set(answer)


async def test_a_state_of_another_record_stands_apart(sit: Sit) -> None:
    async with sit() as desk:
        answer = await desk.call(
            "enrich_leads_from_supersearch", **BEGINNINGS["enrich_leads_from_supersearch"], wait_seconds=50
        )
        assert answer["background_job_id"] == answer["_state"]["id"] != answer["id"]
        answer = await desk.call("create_ai_enrichment", **BEGINNINGS["create_ai_enrichment"], wait_seconds=50)
        assert answer["status"] == 1 and [one["status"] for one in answer["_state"]] == [3]


@MODES
async def test_the_reads_that_tell_the_state_wait_too(sit: Sit, catalog: Catalog, mode: str) -> None:
    async with sit(mode=mode) as desk:
        job = await desk.call("move_leads", **MOVE)
        assert job["_note"] == "Not finished yet: ask get_background_job again later."
        assert (await desk.call("get_background_job", id=job["id"], wait_seconds=10))["status"] == "success"
        await desk.call("verify_email", email=SLOW)
        found = await desk.call("get_email_verification", email=SLOW, wait_seconds=50)
        assert found["verification_status"] == "verified" and "_note" not in found
        await desk.call("create_enrichment", resource_id=LIST, type="email_verification")
        assert (await desk.call("get_enrichment", resource_id=LIST, wait_seconds=50))["in_progress"] is False
        await desk.call("create_ai_enrichment", **BEGINNINGS["create_ai_enrichment"])
        found = await desk.call("get_ai_enrichment_progress", resource_id=LIST, wait_seconds=50)
        assert [one["status"] for one in found["items"]] == [3]
        made = await desk.call("create_company_list", **BEGINNINGS["create_company_list"])
        found = await desk.call("get_company_list", company_list_id=made["id"], wait_seconds=50)
        assert found["status"] == "COMPLETED"


async def test_the_result_of_a_mailbox_connection_is_not_lost_by_reading_it_again(sit: Sit) -> None:
    async with sit() as desk:
        session = (await desk.call("start_google_oauth"))["session_id"]
        found = await desk.call("get_oauth_session_status", sessionId=session, wait_seconds=5)
        assert found["status"] == "pending"
        assert found["_note"].endswith("after 5 s of waiting: ask get_oauth_session_status later.")
        desk.world.clock.advance(595 - 1)
        found = await desk.call("get_oauth_session_status", sessionId=session, wait_seconds=20)
        assert found == {"status": "expired"}
        assert desk.asked.count("GET /oauth/session/status/" + session) == len(desk.pauses) + 2


async def test_what_is_done_at_once_is_not_asked_for(sit: Sit) -> None:
    async with sit() as desk:
        answer = await desk.call("verify_email", email=MAYA, wait_seconds=50)
        assert answer["verification_status"] == "verified"
        assert len(await desk.call("get_ai_enrichment_progress", resource_id=LIST, wait_seconds=50)) <= 1
    assert (desk.pauses, desk.told, len(desk.asked)) == ([], [], 2)


@pytest.mark.parametrize("arguments", [{}, {WAIT_SECONDS: 0}])
async def test_without_seconds_nothing_is_waited_for(sit: Sit, arguments: dict[str, Any]) -> None:
    async with sit() as desk:
        answer = await desk.call("verify_email", email=SLOW, **arguments)
    assert answer["_note"] == "Not finished yet: ask get_email_verification again later."
    assert (desk.pauses, len(desk.asked)) == ([], 1)


# not to the end


async def test_when_time_is_over_the_last_state_comes_with_what_to_ask(sit: Sit) -> None:
    async with sit() as desk:
        answer = await desk.call("verify_email", email=SLOW, wait_seconds=4)
    assert answer["verification_status"] == "pending"
    assert answer["credits_used"] == 1
    assert answer["_note"] == (
        'Not done yet (verification_status "pending") after 4 s of waiting: ask get_email_verification later.'
    )
    assert sum(desk.pauses) == 4
    assert desk.asked == ["POST /email-verification", *[f"GET /email-verification/{SLOW}"] * 3]


async def test_a_wait_ends_before_the_time_of_the_whole_call_does(sit: Sit, events: list[dict[str, Any]]) -> None:
    async with sit(call_timeout=10) as desk:
        answer = await desk.call("verify_email", email=SLOW, wait_seconds=50)
    assert 6 < sum(desk.pauses) <= 7
    assert "after 7 s of waiting" in answer["_note"]
    (event,) = (event for event in events if event["event"] == "tool_call")
    assert (event["outcome"], event["attempts"]) == ("ok", len(desk.asked))


@pytest.mark.parametrize(
    "fault", [{"status": 500, "next": 9}, {"status": 404}, {"html": 502, "next": 9}, {"reset": True, "next": 9}]
)
async def test_a_read_that_fails_after_a_write_does_not_make_the_write_an_error(
    sit: Sit, fault: dict[str, Any], events: list[dict[str, Any]]
) -> None:
    async with sit() as desk:
        desk.faults.add(**fault, operation="GET /background-jobs/{id}")
        answer = await desk.call("move_leads", **MOVE, wait_seconds=20)
    assert answer["status"] == "pending" and answer["id"]
    assert answer["_note"].startswith(
        'Not done yet (status "pending"). get_background_job failed, so it was not waited for: '
    )
    assert desk.asked.count("POST /leads/move") == 1
    (event,) = (event for event in events if event["event"] == "tool_call")
    assert event["outcome"] == "ok" and event["attempts"] == len(desk.asked)


async def test_a_short_disturbance_does_not_end_a_wait(sit: Sit) -> None:
    async with sit() as desk:
        desk.faults.add(status=429, retry_after=7, operation="GET /background-jobs/{id}")
        assert (await desk.call("move_leads", **MOVE, wait_seconds=20))["status"] == "success"
    assert "Instantly answered 429; sending it again in 7 s" in str(desk.told)


async def test_a_write_that_fails_is_not_waited_for(sit: Sit) -> None:
    async with sit() as desk:
        desk.faults.add(error={"success": False, "message": "no"}, operation="POST /email-verification")
        result = await desk.client.call_tool("verify_email", {"email": SLOW, WAIT_SECONDS: 20})
    assert result.is_error and len(desk.asked) == 1 and desk.pauses == []


async def test_a_response_that_names_nothing_to_ask_about_is_told_as_it_is(sit: Sit) -> None:
    async with sit() as desk:
        desk.faults.add(error={"type": "move-leads"}, operation="POST /leads/move")
        answer = await desk.call("move_leads", **MOVE, wait_seconds=20)
    assert answer["type"] == "move-leads"
    assert answer["_note"] == "Not waited for: the response does not say what to ask about."
    assert desk.asked == ["POST /leads/move"]


async def test_a_read_that_is_not_allowed_is_not_made(sit: Sit) -> None:
    async with sit(toolsets=["all"], exclude=["get_background_job"]) as desk:
        answer = await desk.call("move_leads", **MOVE, wait_seconds=20)
    assert answer["_note"] == "Not waited for: get_background_job, which tells the state, is not allowed here."
    assert desk.asked == ["POST /leads/move"]


async def test_the_read_need_not_be_among_the_tools(sit: Sit) -> None:
    async with sit(tools=["move_leads"]) as desk:
        assert (await desk.call("move_leads", **MOVE, wait_seconds=20))["status"] == "success"


# cancelled


@MODES
async def test_cancelling_ends_the_reads_and_the_log_says_so(sit: Sit, events: list[dict[str, Any]], mode: str) -> None:
    paused = anyio.Event()

    async def pause(_: float) -> None:
        if len(desk.pauses) == 2:
            paused.set()
            await anyio.sleep_forever()

    async with sit(mode=mode, pause=pause) as desk:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                call = functools.partial(desk.client.call_tool, "verify_email", {"email": SLOW, WAIT_SECONDS: 50})
                tasks.start_soon(call)
                await paused.wait()
                tasks.cancel_scope.cancel()
            while not [event for event in events if event["event"] == "tool_call"]:
                await anyio.lowlevel.checkpoint()
        assert desk.asked == ["POST /email-verification", f"GET /email-verification/{SLOW}"]
    (event,) = (event for event in events if event["event"] == "tool_call")
    assert (event["outcome"], event["attempts"]) == ("cancelled", 2)


# progress


@MODES
async def test_a_wait_tells_what_it_waits_for_from_its_first_second(sit: Sit, mode: str) -> None:
    async with sit(mode=mode) as desk:
        await desk.call("verify_email", email=SLOW, wait_seconds=50)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
    assert desk.told[0][2] == (
        'Not done yet (verification_status "pending"): asking get_email_verification again in 1 s'
    )
    assert len(desk.told) == len(desk.pauses)


@MODES
async def test_tools_that_are_run_through_another_wait_and_tell_as_well(sit: Sit, mode: str) -> None:
    async with sit(mode=mode, invoker=Discovery) as desk:
        answer = await desk.call("run_write_tool", name="move_leads", arguments={**MOVE, WAIT_SECONDS: 20})
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
    assert answer["status"] == "success"
    assert len(desk.told) == len(desk.pauses) == 2


def test_states_are_found_in_lists_too(catalog: Catalog) -> None:
    poller = catalog.operations["get_ai_enrichment_progress"]
    assert states_of(poller, [{"status": 3}, {"status": 1}]) == [3, 1]
    assert not is_done(poller, [{"status": 3}, {"status": 1}])
    assert not is_done(poller, [])
