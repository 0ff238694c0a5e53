"""What stands between a call and what it does, as anyone who adds a guard relies on it."""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import Response
from mcp_instantly.errors import CallError
from mcp_instantly.guards.guards import GuardedCall, Outcome, Proceed, outcome_of
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .conftest import answer_of, everything, no_sleep

pytestmark = pytest.mark.anyio


class Watch:
    """Writes down what it sees, under a name."""

    def __init__(self, name: str, seen: list[tuple[str, str, Outcome | str]]):
        self.name = name
        self.seen = seen

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        self.seen.append((self.name, call.operation.name, "before"))
        try:
            response = await proceed()
        except BaseException as error:
            self.seen.append((self.name, call.operation.name, outcome_of(error, call)))
            raise
        self.seen.append((self.name, call.operation.name, outcome_of(response, call)))
        return response


class Refuse:
    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.operation.read_only:
            return await proceed()
        raise CallError("Not today.")


class Answer:
    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.operation.read_only:
            return await proceed()
        return Response(200, {"declined": call.operation.name}, "application/json", 0, 0, ("Nobody agreed.",), False)


async def called(
    catalog: Catalog, world: World, settings: Settings, guards: list[Any], name: str, arguments: dict[str, Any]
) -> Any:
    transport = httpx.ASGITransport(create_app(world))
    async with (
        InstantlyClient(settings, transport=transport, sleep=no_sleep) as http,
        Client(build_server(Invoker(everything(), http, settings, guards))) as client,
    ):
        return await client.call_tool(name, arguments)


async def test_the_first_guard_stands_outermost_and_each_sees_the_outcome(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    seen: list[Any] = []
    guards = [Watch("outer", seen), Watch("inner", seen)]
    assert not (await called(catalog, world, settings, guards, "create_lead_list", {"name": "A"})).is_error
    places = [("outer", "before"), ("inner", "before"), ("inner", "done"), ("outer", "done")]
    assert seen == [(name, "create_lead_list", what) for name, what in places]


async def test_a_refusal_sends_nothing_and_guards_further_in_never_hear_of_it(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    seen: list[Any] = []
    guards = [Watch("outer", seen), Refuse(), Watch("inner", seen)]
    result = await called(catalog, world, settings, guards, "create_lead_list", {"name": "A"})
    assert (result.is_error, result.content[0].text) == (True, "Not today. Nothing was sent.")
    assert [what for _, _, what in seen] == ["before", "not sent"]
    assert world.requests == []


async def test_what_is_postponed_until_the_client_brings_something_was_not_sent(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    class Ask:
        async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
            raise CallError("Who says so?")

    seen: list[Any] = []
    async with InstantlyClient(settings, transport=httpx.ASGITransport(create_app(world))) as http:
        guards = [Watch("one", seen), Repeats(60), Ask()]
        invoker = Invoker(everything(), http, settings, guards)
        for _ in range(2):
            assert (
                await invoker.invoke("verify_email", {"email": "a@b.example"})
            ).text == "Who says so? Nothing was sent."
    assert [what for _, _, what in seen] == ["before", "not sent"] * 2
    assert world.requests == []


async def test_an_answer_of_a_guard_is_shown_as_it_is(catalog: Catalog, world: World, settings: Settings) -> None:
    answer = answer_of(await called(catalog, world, settings, [Answer()], "create_lead_list", {"name": "A"}))
    assert answer == {"declined": "create_lead_list", "_note": "Nobody agreed."}
    assert world.requests == []


async def test_what_a_workflow_calls_goes_through_the_guards_and_so_does_the_workflow(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    seen: list[Any] = []
    await called(catalog, world, settings, [Watch("one", seen)], "count_leads", {"max_items": 1})
    assert [(tool, what) for _, tool, what in seen] == [
        ("count_leads", "before"),
        ("list_leads", "before"),
        ("list_leads", "done"),
        ("count_leads", "done"),
    ]


@pytest.mark.parametrize(("status", "outcome"), [(400, "refused"), (404, "refused"), (500, "unknown")])
async def test_what_instantly_refused_is_told_from_what_nobody_knows(
    catalog: Catalog, settings: Settings, status: int, outcome: Outcome
) -> None:
    seen: list[Any] = []
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"message": "no"}))
    async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [Watch("one", seen)])
        await invoker.invoke("create_lead_list", {"name": "A"})
    assert seen[-1][2] == outcome


async def test_a_success_that_carries_an_error_is_unknown(catalog: Catalog, settings: Settings) -> None:
    seen: list[Any] = []
    failing = httpx.MockTransport(lambda _: httpx.Response(200, json={"success": False, "message": "no"}))
    async with InstantlyClient(settings, transport=failing, sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [Watch("one", seen)])
        await invoker.invoke("create_lead_list", {"name": "A"})
    assert seen[-1][2] == "unknown"


LIST = {"id": "01991f80-0001-7000-8000-000000000001"}

CUTS = {
    "before": "not sent",
    "reading before": "not sent",
    "waiting after 429": "refused",
    "waiting after 500": "unknown",
    "sending": "unknown",
    "sending after 429": "unknown",
    "waiting to read after": "unknown",
}
"""When a call is cut off, and what is then known of it."""


@pytest.mark.parametrize(("cut", "outcome"), CUTS.items())
async def test_a_call_that_is_cut_off_is_unknown_from_when_its_request_may_have_left(
    catalog: Catalog, settings: Settings, events: list[dict[str, Any]], cut: str, outcome: Outcome
) -> None:
    class Reads:
        async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
            if cut == "before":
                await end()
            await call.read("get_lead_list", 5, **LIST)
            response = await proceed()
            await call.read("get_lead_list", 5, **LIST)
            return response

    async def respond(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            await end_if("reading before")
            if cut == "waiting to read after" and sent:
                return httpx.Response(429, headers={"Retry-After": "0"})
            return httpx.Response(200, json={**LIST, "name": "B"})
        sent.append(request.method)
        await end_if("sending")
        if len(sent) == 2:
            await end_if("sending after 429")
        status = 429 if cut.endswith("429") else 500 if cut.endswith("500") else 200
        return httpx.Response(status, json={**LIST, "name": "A"}, headers={"Retry-After": "0"})

    async def end_if(place: str) -> None:
        if cut == place:
            await end()

    async def end() -> None:
        scope.cancel()
        await anyio.sleep_forever()

    async def pause(_: float) -> None:
        if cut.startswith("waiting"):
            await end()

    sent: list[str] = []
    seen: list[Any] = []
    async with InstantlyClient(settings, transport=httpx.MockTransport(respond), sleep=pause) as http:
        invoker = Invoker(everything(), http, settings, [Watch("one", seen), Reads()])
        with anyio.CancelScope() as scope:
            await invoker.invoke("update_lead_list", {**LIST, "name": "A"})
    assert scope.cancelled_caught
    assert seen[-1][2] == outcome
    assert (events[-1]["outcome"], events[-1]["write"]) == ("cancelled", outcome)
