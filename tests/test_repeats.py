"""A call that sends or spends, made twice in a row: by a model that repeats itself, or a host that tries again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.errors import RepeatHeld
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.results.result import Result
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .conftest import Connect, answer_of, everything, no_sleep

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])

DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
REPLY = {
    "reply_to_uuid": "01991f80-0027-7000-8000-000000000027",
    "eaccount": "ben@brightpath.example",
    "subject": "Re: Hi",
    "body": {"text": "Thanks"},
}


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@MODES
async def test_an_email_that_is_written_twice_in_a_row_is_sent_once(connect: Connect, world: World, mode: str) -> None:
    clock = Clock()
    before = len(list(world.emails))
    async with connect(mode=mode, guards=[Repeats(60, clock)]) as client:
        first = answer_of(await client.call_tool("reply_to_email", REPLY))
        clock.seconds = 59.4
        again = answer_of(await client.call_tool("reply_to_email", dict(reversed(REPLY.items()))))
        assert (again["id"], len(list(world.emails))) == (first["id"], before + 1)
        assert "Not sent again: the same call was made 59 s ago, and this is its result." in again["_note"]
        other = answer_of(await client.call_tool("reply_to_email", {**REPLY, "body": {"text": "Thanks!"}}))
        clock.seconds = 60
        later = answer_of(await client.call_tool("reply_to_email", REPLY))
    assert len({first["id"], other["id"], later["id"]}) == 3
    assert "_note" not in later


async def test_a_runner_of_discovery_is_no_way_around(connect: Connect, world: World) -> None:
    before = len(list(world.emails))
    async with connect(guards=[Repeats(60, Clock())], discovery=True) as client:
        for _ in range(2):
            await client.call_tool("run_write_tool", {"name": "reply_to_email", "arguments": REPLY})
    assert len(list(world.emails)) == before + 1


async def test_what_neither_sends_nor_spends_is_called_as_often_as_it_is_asked_for(connect: Connect) -> None:
    async with connect(guards=[Repeats(60, Clock())]) as client:
        made = [answer_of(await client.call_tool("create_lead_list", {"name": "A"})) for _ in range(2)]
        assert made[0]["id"] != made[1]["id"]
        for tool in ("activate_campaign", "pause_campaign", "activate_campaign"):
            result = await client.call_tool(tool, {"id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"})
            assert "Not sent again" not in result.content[0].text


async def test_another_write_on_the_same_thing_ends_the_hold(connect: Connect) -> None:
    lead = {"campaign": DRAFT, "email": "a@b.example"}
    async with connect(guards=[Repeats(60, Clock())]) as client:
        first = answer_of(await client.call_tool("create_lead", lead))
        assert answer_of(await client.call_tool("create_lead", lead))["id"] == first["id"]
        await client.call_tool("delete_lead", {"id": first["id"]})
        assert answer_of(await client.call_tool("create_lead", lead))["id"] != first["id"]


Respond = Callable[[httpx.Request], "httpx.Response | Awaitable[httpx.Response]"]


async def calls(catalog: Catalog, settings: Settings, respond: Any, *emails: str) -> list[Result]:
    """The results of verify_email for each address, called one after the other."""
    async with InstantlyClient(settings, transport=httpx.MockTransport(respond), sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [Repeats(60, Clock())])
        return [await invoker.invoke("verify_email", {"email": email}) for email in emails]


async def test_what_was_refused_is_not_held(catalog: Catalog, settings: Settings) -> None:
    sent: list[int] = []

    def respond(_: httpx.Request) -> httpx.Response:
        sent.append(402 if not sent else 200)
        return httpx.Response(sent[-1], json={"email": "a@b.example"})

    first, second = await calls(catalog, settings, respond, "a@b.example", "a@b.example")
    assert first.error is not None and second.error is None
    assert sent == [402, 200]


async def test_what_certainly_was_not_sent_is_not_held(catalog: Catalog, settings: Settings) -> None:
    attempts: list[str] = []

    def respond(_: httpx.Request) -> httpx.Response:
        attempts.append("x")
        raise httpx.ConnectError("no route")

    first, second = await calls(catalog, settings, respond, "a@b.example", "a@b.example")
    assert type(first.error) is type(second.error)
    assert len(attempts) >= 2


async def test_an_unknown_outcome_is_held_and_says_so(catalog: Catalog, settings: Settings) -> None:
    sent: list[str] = []

    def respond(_: httpx.Request) -> httpx.Response:
        sent.append("x")
        raise httpx.ReadError("cut")

    first, second = await calls(catalog, settings, respond, "a@b.example", "a@b.example")
    assert "may have been carried out" in first.text
    assert isinstance(second.error, RepeatHeld)
    assert second.text.startswith("Nothing was sent: the same call of verify_email was made 0 s ago")
    assert "nobody knows whether it was carried out" in second.text
    assert "if it shows nothing, call again after 60 s." in second.text
    assert len(sent) == 1


@pytest.mark.parametrize("status", [200, 402])
async def test_the_same_call_at_the_same_time_waits_for_the_first(
    catalog: Catalog, settings: Settings, status: int
) -> None:
    sent: list[str] = []
    arrived, go = anyio.Event(), anyio.Event()

    async def respond(_: httpx.Request) -> httpx.Response:
        sent.append("x")
        arrived.set()
        await go.wait()
        return httpx.Response(status if len(sent) == 1 else 200, json={"email": "a@b.example", "number": len(sent)})

    results: list[Result] = []
    async with InstantlyClient(settings, transport=httpx.MockTransport(respond), sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [Repeats(60, Clock())])

        async def verify() -> None:
            results.append(await invoker.invoke("verify_email", {"email": "a@b.example"}))

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for _ in range(3):
                    tasks.start_soon(verify)
                await arrived.wait()
                assert (len(sent), results) == (1, [])
                go.set()
    assert len(sent) == (1 if status == 200 else 2)
    noted = [result for result in results if "Not sent again" in result.text]
    assert len(noted) == (2 if status == 200 else 1)


async def test_a_call_that_is_cut_off_is_held(catalog: Catalog, settings: Settings) -> None:
    sent: list[str] = []

    async def respond(_: httpx.Request) -> httpx.Response:
        sent.append("x")
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    async with InstantlyClient(settings, transport=httpx.MockTransport(respond), sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [Repeats(60, Clock())])
        with anyio.CancelScope() as scope:
            await invoker.invoke("verify_email", {"email": "a@b.example"})
        second = await invoker.invoke("verify_email", {"email": "a@b.example"})
    assert isinstance(second.error, RepeatHeld)
    assert len(sent) == 1


async def test_a_call_waits_for_the_same_one_no_longer_than_a_call_may_take(
    catalog: Catalog, settings: Settings
) -> None:
    async def never(_: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    async with InstantlyClient(settings, transport=httpx.MockTransport(never), sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [Repeats(60, call_timeout=0.1)])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(invoker.invoke, "verify_email", {"email": "a@b.example"})
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(5):
                second = await invoker.invoke("verify_email", {"email": "a@b.example"})
            tasks.cancel_scope.cancel()
    assert isinstance(second.error, RepeatHeld)
