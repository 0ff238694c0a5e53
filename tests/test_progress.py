"""Progress: what a client that asked for it hears of a call that takes its time."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import mcp_types as types
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])
ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"

Told = list[tuple[float, float | None, str | None]]


class Hearing:
    """A client that asks for progress; `faults` are those of the sandbox behind the server."""

    def __init__(self, client: Client, faults: Any):
        self.client = client
        self.faults = faults
        self.told: Told = []

    async def call(self, name: str, /, **arguments: Any) -> Any:
        result = await self.client.call_tool(name, arguments, progress_callback=self.hear)
        # What was told before the result is heard by now; its callbacks still have to run.
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        return result

    async def hear(self, done: float, total: float | None, message: str | None) -> None:
        self.told.append((done, total, message))

    @property
    def messages(self) -> list[str | None]:
        return [message for _, _, message in self.told]

    @property
    def rises(self) -> bool:
        done = [one for one, _, _ in self.told]
        return all(later > earlier for earlier, later in itertools.pairwise(done))


Listen = Callable[..., contextlib.AbstractAsyncContextManager[Hearing]]


@pytest.fixture
def listen(world: World, catalog: Catalog, settings: Settings) -> Listen:
    """`async with listen() as hearing`: keywords change the settings."""

    @contextlib.asynccontextmanager
    async def listening(
        *, mode: str = "auto", transport: Any = None, server: dict[str, Any] | None = None, **changed: Any
    ) -> AsyncIterator[Hearing]:
        selection = everything()
        app = create_app(world)
        chosen = dataclasses.replace(settings, **changed)
        async with (
            InstantlyClient(chosen, transport=transport or httpx.ASGITransport(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(selection, http, chosen), **(server or {})), mode=mode) as client,
        ):
            yield Hearing(informed(client, selection), app.workspaces.faults)

    return listening


@MODES
async def test_pauses_before_a_request_is_sent_again_are_told(listen: Listen, mode: str) -> None:
    async with listen(mode=mode) as hearing:
        hearing.faults.add(status=429, retry_after=7, operation="GET /campaigns/{id}")
        hearing.faults.add(status=503, operation="GET /campaigns/{id}")
        assert not (await hearing.call("get_campaign", id=ACTIVE)).is_error
    assert hearing.messages[0] == "get_campaign: Instantly answered 429; sending it again in 7 s"
    (second,) = hearing.messages[1:]
    assert second and second.startswith("get_campaign: Instantly answered 503; sending it again in 1")
    assert hearing.rises


@MODES
async def test_smaller_pages_are_told(listen: Listen, mode: str) -> None:
    async with listen(mode=mode, result_limit=6000) as hearing:
        answer = answer_of(await hearing.call("list_leads", campaign=ACTIVE, limit=100))
    assert hearing.messages == [f"The page was too long: asking for one of {len(answer['items'])}"]


@MODES
async def test_pauses_inside_a_workflow_are_told_beside_its_counts(listen: Listen, mode: str) -> None:
    async with listen(mode=mode) as hearing:
        hearing.faults.add(status=429, retry_after=2, every=2, operation="POST /leads/list")
        await hearing.call("count_leads", campaign=ACTIVE)
    assert (100, None, "100 leads read") in hearing.told
    assert "list_leads: Instantly answered 429; sending it again in 2 s" in hearing.messages
    assert hearing.rises


@MODES
async def test_a_quick_call_tells_nothing(listen: Listen, mode: str) -> None:
    async with listen(mode=mode) as hearing:
        assert not (await hearing.call("get_campaign", id=ACTIVE)).is_error
    assert hearing.told == []


async def test_nobody_is_told_who_did_not_ask(world: World, catalog: Catalog, settings: Settings) -> None:
    heard: list[Any] = []

    async def note(message: Any) -> None:
        heard.append(message)

    app = create_app(world)
    app.workspaces.faults.add(status=503, operation="GET /campaigns/{id}")
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
        Client(build_server(Invoker(select(catalog), http, settings)), mode="legacy", message_handler=note) as client,
    ):
        assert not (await client.call_tool("get_campaign", {"id": ACTIVE})).is_error
    assert not [one for one in heard if isinstance(one, types.ProgressNotification)]


async def test_a_response_that_is_late_is_waited_for_with_signs_of_life(listen: Listen, world: World) -> None:
    app = create_app(world)
    slept: list[float] = []
    enough = anyio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        await enough.wait()
        await app(scope, receive, send)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 3:
            enough.set()
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    upstream = httpx.ASGITransport(late)
    async with listen(mode="legacy", transport=upstream, server={"sleep": sleep}) as hearing:
        with anyio.fail_after(20):
            assert not (await hearing.call("get_campaign", id=ACTIVE)).is_error
    assert slept == [1, 5, 5, 5]
    assert hearing.messages == ["get_campaign: waiting for Instantly"] * 3
    assert hearing.rises


async def test_what_was_told_just_now_is_not_repeated_as_a_sign_of_life(listen: Listen, world: World) -> None:
    app = create_app(world)
    app.workspaces.faults.add(status=503, operation="GET /campaigns/{id}")
    slept: list[float] = []
    requests: list[str] = []
    enough = anyio.Event()

    async def late(scope: Any, receive: Any, send: Any) -> None:
        requests.append(scope["path"])
        if len(requests) > 1:
            await enough.wait()
        await app(scope, receive, send)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        while not hearing.told:
            await anyio.lowlevel.checkpoint()
        if len(slept) > 2:
            enough.set()
            await anyio.sleep_forever()

    upstream = httpx.ASGITransport(late)
    async with listen(mode="legacy", transport=upstream, server={"sleep": sleep}) as hearing:
        with anyio.fail_after(20):
            assert not (await hearing.call("get_campaign", id=ACTIVE)).is_error
    assert slept == [1, 5, 5]
    assert [str(message).partition(" again")[0] for message in hearing.messages] == [
        "get_campaign: Instantly answered 503; sending it",
        "get_campaign: waiting for Instantly",
    ]


async def test_signs_of_life_leave_errors_as_they_are(listen: Listen) -> None:
    async with listen(mode="legacy") as hearing:
        result = await hearing.call("get_campaign", id="c0a80101-1d2e-4f3a-8b4c-5d6e7f8affff")
    assert result.is_error and "404" in result.content[0].text
