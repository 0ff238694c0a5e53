"""The API's rate limits are kept before requests are sent, and filled, in the time of the sandbox's clock."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import functools
import heapq
import random
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from click.testing import CliRunner
from mcp import Client
from mcp_types import Implementation

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import build_request
from mcp_instantly.budgets.budget import Budget
from mcp_instantly.budgets.budgets import Budgets
from mcp_instantly.budgets.documented import OF_THE_ADDRESS, OPERATIONS, WORKSPACE, Limit, Shared
from mcp_instantly.budgets.line import BULK_TURN, asking
from mcp_instantly.budgets.windows import LANDING_SECONDS, Slot, Windows
from mcp_instantly.cli import cli
from mcp_instantly.errors import ConfigError, OverBudget, PaymentRequired, RateLimited, ServerError
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import KEY, World, create_app
from mcp_instantly.sandbox.state.clock import START
from mcp_instantly.server import build_server
from mcp_instantly.service.web import build_app
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.transports.access import make_access

from .conftest import everything, informed
from .frames import call

pytestmark = pytest.mark.anyio

COUNT = "count_unread_emails"


class Paced:
    """Our server in front of a sandbox that enforces its limits, in the time of the sandbox's clock."""

    def __init__(self, world: World, catalog: Catalog, settings: Settings):
        world.budgets = True
        self.world = world
        self.catalog = catalog
        self.settings = settings
        self.statuses: Counter[int] = Counter()
        self.under_way = 0
        self.others: Callable[[], object] = lambda: None
        self.instead: list[httpx.Response] = []
        """Responses in the place of the sandbox's next ones."""
        self.budget = self.make_budget()
        self._app = httpx.ASGITransport(create_app(world))
        self.http = self.open_client(self.budget)

    def make_budget(self, **given: Any) -> Budget:
        return Budget(clock=self.now, rest=self.rest, **given)

    def open_client(self, budget: Budget) -> InstantlyClient:
        return InstantlyClient(self.settings, transport=Watched(self), sleep=self.sleep, budget=budget)

    def now(self) -> float:
        return (self.world.clock.now() - START).total_seconds()

    async def sleep(self, seconds: float) -> None:
        """A pause before a repeat: time goes on for all."""
        await self.rest(seconds, anyio.Event())

    async def rest(self, seconds: float, wake: anyio.Event) -> None:
        """Let time go on, once all that can be done now is done."""
        quiet = 0
        while quiet < 20 and not wake.is_set():
            quiet = 0 if self.under_way else quiet + 1
            await anyio.lowlevel.checkpoint()
        if not wake.is_set():
            self.world.clock.advance(seconds)
            self.others()

    async def send(self, tool: str, **arguments: Any) -> Any:
        operation = self.catalog.operations[tool]
        return (await self.http.send(operation, build_request(operation, arguments))).payload

    @contextlib.asynccontextmanager
    async def client(self, name: str = "host") -> AsyncIterator[Client]:
        selection = everything()
        server = build_server(Invoker(selection, self.http, self.settings), sleep=no_beat)
        async with Client(server, client_info=Implementation(name=name, version="1")) as client:
            yield informed(client, selection)


class Watched(httpx.AsyncBaseTransport):
    """The way to the sandbox, which counts what is under way and what comes back."""

    def __init__(self, paced: Paced):
        self._paced = paced

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._paced.under_way += 1
        try:
            if self._paced.instead:
                response = self._paced.instead.pop()
            else:
                response = await self._paced._app.handle_async_request(request)
        finally:
            self._paced.under_way -= 1
        self._paced.statuses[response.status_code] += 1
        return response


async def no_beat(_: float) -> None:
    await anyio.sleep_forever()


@pytest.fixture
def paced(world: World, catalog: Catalog, settings: Settings) -> Paced:
    return Paced(world, catalog, dataclasses.replace(settings, call_timeout=3600, agent_check=False))


def text_of(result: Any) -> str:
    text: str = result.content[0].text
    return text


async def test_a_workspace_is_asked_as_often_as_it_allows_and_never_refuses(paced: Paced) -> None:
    async with paced.client() as client, anyio.create_task_group() as tasks:
        for _ in range(300):
            tasks.start_soon(client.call_tool, COUNT, {})
    assert paced.statuses == {200: 300}
    assert 2 <= paced.now() <= 2 * 1.02
    assert paced.budget.waits.count == 200
    assert paced.budget.waits.queued == 0


Way = Callable[[float], float]
"""How many seconds a request takes that sets off then, to the API or back."""


async def simulate(calls: int, there: Way, back: Way) -> tuple[list[float], float]:
    """When an API counted calls that were let through at once where possible, and when the last was let through."""
    now = 0.0
    budget = Budget(operations={}, clock=lambda: now)
    (windows,) = budget._workspace
    arrivals: list[float] = []
    answers: list[tuple[float, int, Slot]] = []
    while len(arrivals) < calls:
        free = windows.free(now)
        if free <= now:
            slot = await budget.claim(COUNT, 0)
            slot.write()
            arrivals.append(now + there(now))
            heapq.heappush(answers, (arrivals[-1] + back(arrivals[-1]), len(arrivals), slot))
        elif answers and answers[0][0] <= free:
            now, _, slot = heapq.heappop(answers)
            budget.answered(slot)
        else:
            now = max(free, now + 0.001)
    return sorted(arrivals), now


def assert_kept(arrivals: list[float]) -> None:
    """Neither sliding windows nor such of the clock have counted more than their limit."""
    for limit in WORKSPACE.limits:
        for place, arrived in enumerate(arrivals):
            assert place - bisect.bisect_right(arrivals, arrived - limit.seconds) < limit.calls
        for offset in (0.0, 0.31):
            assert max(Counter((arrived + offset) // limit.seconds for arrived in arrivals).values()) <= limit.calls


@pytest.mark.parametrize("seed", range(3))
async def test_budgets_are_kept_and_filled_when_requests_take_their_time(seed: int) -> None:
    dice = random.Random(seed)
    arrivals, took = await simulate(
        3000,
        lambda _: 0.02 + dice.expovariate(1 / 0.004),
        lambda _: 0.03 + dice.choice([0, 0, 0, 0, 0.1]) + dice.expovariate(1 / 0.003),
    )
    assert_kept(arrivals)
    assert took <= 29 * 1.06, "the way to the API is no time to wait"


@pytest.mark.parametrize("seed", range(3))
async def test_budgets_are_kept_when_a_busy_machine_holds_requests_up(seed: int) -> None:
    dice = random.Random(seed)
    arrivals, _ = await simulate(1000, lambda _: dice.choice([0.001, 0.002, 0.3, 0.9]), lambda _: 0.001)
    assert_kept(arrivals)


async def test_budgets_are_kept_when_an_api_wakes_up_with_the_first_requests() -> None:
    arrivals, took = await simulate(1000, lambda at: 0.002 if at > 0 else 0.4, lambda at: 0.002 if at > 0.5 else 0.001)
    assert_kept(arrivals)
    assert took <= 9 * 1.06


def test_responses_that_come_late_do_not_hold_a_budget_up() -> None:
    windows = Windows(Shared("one", (Limit(1, 1),)))
    now = 0.0
    slot = Slot((windows,), now, lambda: now)
    windows.take(slot)
    slot.write()
    assert windows.free(0.1) > 0.1
    assert windows.free(1.5) > 1.5, "it may have been counted only just"
    assert windows.free(2.5) == 2.5, "though there is no response yet"
    late = Slot((windows,), 2.5, lambda: now)
    windows.take(late)
    assert windows.free(9.0) > 9.0, "it has not been written yet"
    now = 9.0
    late.write()
    assert windows.free(now + LANDING_SECONDS + 0.5) == pytest.approx(10 + LANDING_SECONDS, abs=0.02)
    late.end()


async def test_a_tool_with_a_budget_of_its_own_keeps_it_and_stands_in_nobodys_way(paced: Paced) -> None:
    async with paced.client() as client, anyio.create_task_group() as tasks:
        for _ in range(20):
            await client.call_tool("list_emails", {})
        tasks.start_soon(client.call_tool, "list_leads", {})
        refused = await client.call_tool("list_emails", {})
    assert refused.is_error
    assert text_of(refused) == (
        "Instantly's rate limit for list_emails in this workspace is 20 calls in 70 s, and is used up for now. "
        "Nothing was sent; call again in 71 s."
    )
    assert paced.statuses == {200: 21}
    assert paced.now() < 1


async def test_who_is_patient_waits_for_an_operation_and_hears_of_it(paced: Paced) -> None:
    paced.budget.patience = 100
    heard: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        heard.append(message)

    async with paced.client() as client:
        for _ in range(20):
            await client.call_tool("list_emails", {})
        result = await client.call_tool("list_emails", {}, progress_callback=hear)
    assert not result.is_error
    assert heard == ["list_emails: waiting for its turn within Instantly's rate limit, about 70 s"]
    assert paced.statuses == {200: 21}
    assert 70 <= paced.now() < 71


async def test_a_write_that_waits_for_too_long_says_that_nothing_was_sent(paced: Paced, events: Any) -> None:
    test = {
        "eaccount": "nobody@example.com",
        "to_address_email_list": "a@example.com",
        "subject": "Hello",
        "body": {"html": "Hello"},
    }
    async with paced.client() as client:
        for number in range(10):
            await client.call_tool("send_test_email", {**test, "subject": str(number)})
        refused = await client.call_tool("send_test_email", test)
    assert "Nothing was sent; call again in 6" in text_of(refused)
    assert [event for event in events if event["event"] == "tool_call"][-1]["write"] == "not sent"
    assert paced.statuses == {200: 10}


async def test_no_request_begins_in_the_last_part_of_a_calls_time(
    world: World, catalog: Catalog, settings: Settings
) -> None:
    paced = Paced(world, catalog, dataclasses.replace(settings, call_timeout=1))
    for _ in range(100):
        await paced.send(COUNT)
    with pytest.raises(OverBudget, match=r"100 calls in 1 s and 6,000 calls in 60 s.*call again in 2 s"):
        await paced.send(COUNT)
    assert paced.statuses == {200: 100}


async def test_a_repeat_that_finds_no_room_leaves_what_the_first_attempt_may_have_done_unknown(
    catalog: Catalog, settings: Settings
) -> None:
    asked: list[str] = []

    def fail(request: httpx.Request) -> httpx.Response:
        asked.append(request.method)
        return httpx.Response(503, text="{}")

    budget = Budget(workspace=Shared("workspace", (Limit(1, 3600),)))
    operation = catalog.operations["pause_campaign"]
    request = build_request(operation, operation.examples[0])
    async with InstantlyClient(settings, transport=httpx.MockTransport(fail), sleep=no_pause, budget=budget) as http:
        with pytest.raises(ServerError) as failure:
            await http.send(operation, request)
        assert (failure.value.outcome, failure.value.attempts, asked) == ("unknown", 1, ["POST"])
        with pytest.raises(OverBudget) as refusal:
            await http.send(operation, request)
        assert (refusal.value.outcome, refusal.value.attempts, asked) == ("not sent", 0, ["POST"])


async def no_pause(_: float) -> None:
    """Between attempts."""


async def test_a_call_is_answered_within_a_second_while_ten_thousand_wait(paced: Paced) -> None:
    async def work() -> None:
        with asking("job", bulk=True, patience=3600):
            await paced.send(COUNT)

    async with paced.client() as client, anyio.create_task_group() as tasks:
        for _ in range(10_000):
            tasks.start_soon(work)
        while paced.budget.waits.queued < 9_900:
            await anyio.lowlevel.checkpoint()
        began = paced.now()
        result = await client.call_tool(COUNT, {})
        assert not result.is_error
        assert paced.now() - began <= 1.01
        assert paced.budget.waits.queued > 9_000
        tasks.cancel_scope.cancel()
    assert paced.budget.waits.queued == 0
    assert set(paced.statuses) == {200}


async def test_clients_take_turns_however_much_one_of_them_asks(paced: Paced) -> None:
    async with paced.client("greedy") as greedy, paced.client("modest") as modest, anyio.create_task_group() as tasks:
        for _ in range(500):
            tasks.start_soon(greedy.call_tool, COUNT, {})
        while paced.budget.waits.queued < 400:
            await anyio.lowlevel.checkpoint()
        began = paced.now()
        assert not (await modest.call_tool(COUNT, {})).is_error
        assert paced.now() - began < 1.01
        assert paced.budget.waits.queued > 250
        tasks.cancel_scope.cancel()


async def test_bulk_goes_on_while_others_ask_without_end(paced: Paced) -> None:
    done: Counter[str] = Counter()

    async def work(caller: str, bulk: bool) -> None:
        while True:
            with asking(caller, bulk=bulk):
                await paced.send(COUNT)
            done[caller] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(120):
            tasks.start_soon(work, "people", False)
            tasks.start_soon(work, "job", True)
        while sum(done.values()) < 400:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    assert done["job"] >= 200 / BULK_TURN
    assert done["people"] > done["job"]


async def test_a_call_that_is_cancelled_while_it_waits_leaves_its_place_to_others(paced: Paced) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(150):
            tasks.start_soon(paced.send, COUNT)
        while paced.budget.waits.queued < 50:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    await paced.send(COUNT)
    assert paced.budget.waits.queued == 0
    assert paced.budget._workspace[0]._flying == {}


async def test_a_429_that_comes_anyway_slows_the_limiter_which_recovers(paced: Paced, events: Any) -> None:
    eater = httpx.AsyncClient(
        transport=paced._app, base_url="http://sandbox.localhost", headers={"Authorization": f"Bearer {KEY}"}
    )
    for _ in range(60):
        assert (await eater.get("/api/v2/emails/unread/count")).status_code == 200
    async with anyio.create_task_group() as tasks:
        for _ in range(100):
            tasks.start_soon(paced.send, COUNT)
    assert paced.statuses[200] == 100, "what was refused is sent again"
    assert paced.statuses[429] >= 1
    slowed = [event for event in events if event["event"] == "budget_slowed"]
    assert slowed[0]["pace"] == 0.5
    paced.world.clock.advance(2)
    assert paced.budget.left()["workspace/1s"] < 100
    before = paced.statuses[429]
    async with anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(paced.send, COUNT)
    assert paced.statuses[429] == before
    paced.world.clock.advance(120)
    assert paced.budget.left()["workspace/1s"] == 100


@pytest.mark.parametrize(
    ("tool", "named", "closed", "whose"),
    [
        (COUNT, "45", 45, "the workspace"),
        (COUNT, "60000", 60, "the workspace"),
        (COUNT, "1795774089", 60, "the workspace"),
        (COUNT, "Fri, 31 Dec 2100 23:59:59 GMT", 60, "the workspace"),
        ("list_emails", "999999999999", 70, "list_emails in this workspace"),
        ("test_ai_reply_label", "999999999999", 3600, "test_ai_reply_label in this workspace"),
        ("start_google_oauth", "7200", 7200, "start_google_oauth in this workspace"),
        ("start_google_oauth", "1795774089", 60, "start_google_oauth in this workspace"),
    ],
)
async def test_a_pause_that_a_429_names_is_kept_as_far_as_a_limit_explains_it(
    paced: Paced, catalog: Catalog, tool: str, named: str, closed: float, whose: str
) -> None:
    given = catalog.operations[tool].examples[0]
    paced.budget.patience = 30
    paced.instead = [httpx.Response(429, json={}, headers={"Retry-After": named})]
    with pytest.raises(RateLimited):
        await paced.send(tool, **given)
    for other in [tool, "list_campaigns"] if whose == "the workspace" else [tool]:
        with pytest.raises(OverBudget) as refused:
            await paced.send(other, **catalog.operations[other].examples[0])
        assert str(refused.value) == (
            f"Instantly has refused a call for {whose} with 429, and named a pause. Nothing was sent; "
            f"call again in {closed:g} s."
        )
    if whose != "the workspace":
        await paced.send(COUNT)
    paced.world.clock.advance(closed + 0.1)
    paced.instead = [httpx.Response(200, json={"count": 1})]
    await paced.send(tool, **given)


async def test_a_402_that_is_a_rate_limit_slows_the_limiter_as_a_429_does(
    paced: Paced, catalog: Catalog, events: Any
) -> None:
    tool = "count_supersearch_leads"
    body = {"statusCode": 402, "error": "Payment Required", "message": "Rate limit exceeded"}
    paced.instead = [httpx.Response(402, json=body)]
    assert await paced.send(tool, **catalog.operations[tool].examples[0])
    assert paced.statuses == {402: 1, 200: 1}, "nothing was done, so it is sent again"
    paced.instead = [httpx.Response(402, json=body | {"message": "Your workspace does not have an active plan"})]
    with pytest.raises(PaymentRequired):
        await paced.send(COUNT)
    assert [event["pace"] for event in events if event["event"] == "budget_slowed"] == [0.5]


async def test_holders_of_tokens_take_turns_over_http_however_much_one_of_them_asks(
    paced: Paced, catalog: Catalog
) -> None:
    all_wait = anyio.Event()

    async def rest(seconds: float, wake: anyio.Event) -> None:
        await all_wait.wait()
        await paced.rest(seconds, wake)

    # Half of what the API allows, so that half as many have to ask before one waits.
    budget = Budget(workspace=Shared("workspace", (Limit(50, 1),)), clock=paced.now, rest=rest)
    caller = Invoker(select(catalog, toolsets=["all"]), paced.open_client(budget), paced.settings)
    tokens = {"greedy": "greedy-0123456789", "modest": "modest-0123456789"}
    access = make_access("127.0.0.1", "127.0.0.1", tokens=tokens)
    gate = build_app(functools.partial(build_server, sleep=no_beat), caller, access, most=400)
    done: list[str] = []

    async def ask(name: str) -> None:
        headers = {"Accept": "application/json, text/event-stream", "Authorization": f"Bearer {tokens[name]}"}
        response = await http.post("/mcp", json=call(1, COUNT), headers=headers)
        assert response.status_code == 200 and '"isError":true' not in response.text
        done.append(name)

    async with (
        gate._app.router.lifespan_context(gate._app),
        httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://localhost") as http,
        anyio.create_task_group() as tasks,
    ):
        for name, count, waiting in (("greedy", 150, 100), ("modest", 1, 101)):
            for _ in range(count):
                tasks.start_soon(ask, name)
            with anyio.fail_after(30):
                while budget.waits.queued < waiting:
                    await anyio.lowlevel.checkpoint()
        all_wait.set()
    assert len(done) == 151
    assert done.index("modest") < 100, "the modest one does not wait for what the greedy one had asked for before"


async def test_what_is_left_and_how_long_was_waited_can_be_read(paced: Paced) -> None:
    assert paced.http.budget.left()["list_emails/70s"] == 20
    await paced.send("list_emails")
    left = paced.http.budget.left()
    assert (left["workspace/1s"], left["workspace/60s"], left["list_emails/70s"]) == (99, 5999, 19)
    assert left["check_domain_availability/3600s"] == 900
    assert dataclasses.asdict(paced.http.budget.waits) == {
        "count": 0,
        "seconds": 0,
        "queued": 0,
        "alone": False,
    }


def test_each_key_has_a_budget_of_its_own_and_one_key_never_two() -> None:
    budgets = Budgets()
    one = budgets.of("https://api.instantly.ai", "key", None)
    assert budgets.of("https://api.instantly.ai", "key", None) is one
    others = [("https://api.instantly.ai", "other", None), ("https://api.instantly.ai", "key", "sub")]
    others.append(("https://another.example", "key", None))
    assert len({id(budgets.of(*other)) for other in others} | {id(one)}) == 4


async def test_the_budget_of_a_key_that_is_gone_is_forgotten_once_nothing_counts_in_it() -> None:
    now = 0.0
    budgets = Budgets(clock=lambda: now)
    for number in range(50):
        which = ("https://api.instantly.ai", f"key {number}", None)
        budget = budgets.of(*which)
        (await budget.claim("list_emails", 1)).end()
        slot = await budget.claim("list_emails", 1)
        slot.write()
        slot.end()
        await budgets.release(*which)
        assert budgets.of(*which) is budget, "what it has used still counts"
        await budgets.release(*which)
        now += 20
    assert len(budgets) <= 5
    kept = ("https://api.instantly.ai", "kept", None)
    budgets.of(*kept)
    budget = budgets.of(*kept)
    now += 1000
    await budgets.release(*kept)
    assert len(budgets) == 1 and budgets.of(*kept) is budget, "another still uses it"
    monthly = await budget.claim("test_ai_reply_label", 1)
    monthly.write()
    monthly.end()
    await budgets.release(*kept)
    await budgets.release(*kept)
    now += 7200
    assert budgets.of(*kept) is budget, "what counts for a month is remembered for a month"
    await budgets.release(*kept)
    now += 31 * 86_400
    other = ("https://api.instantly.ai", "other", None)
    budgets.of(*other)
    await budgets.release(*other)
    assert len(budgets) == 0


async def test_starts_of_oauth_from_this_address_count_for_all_workspaces_together() -> None:
    budgets = Budgets()
    taken = 0
    for key in ("one", "two", "three"):
        budget = budgets.of("https://api.instantly.ai", key, None)
        with pytest.raises(OverBudget):
            for _ in range(76):
                slot = await budget.claim("start_google_oauth", 0.5)
                slot.write()
                taken += 1
    assert taken == 150


async def test_without_redis_each_of_several_replicas_keeps_to_its_part() -> None:
    left = Budgets(replicas=4).of("https://api.instantly.ai", "key", None).left()
    assert (left["workspace/1s"], left["list_emails/70s"], left["send_test_email/60s"]) == (25, 5, 2)


def test_every_budget_is_that_of_a_tool(catalog: Catalog) -> None:
    assert set(OPERATIONS) <= set(catalog.operations)
    assert set(OPERATIONS) >= OF_THE_ADDRESS
    for budget in (WORKSPACE, *OPERATIONS.values()):
        assert sorted(budget.limits, key=lambda limit: limit.seconds) == list(budget.limits)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost",
        "http://localhost:6379",
        "redis://",
        "redis://host:port",
        "redis://localhost/name",
        "redis://localhost/0?no_such_option=1",
        "redis://localhost/0?socket_timeout=soon",
        "unix:///",
    ],
)
def test_what_cannot_be_a_redis_ends_the_start_in_a_sentence(url: str) -> None:
    result = CliRunner().invoke(cli, ["call", "list_leads", "--sandbox", "--redis", url])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith("--redis (INSTANTLY_REDIS_URL) takes redis://HOST:PORT/0")


def test_a_server_starts_without_loading_what_only_redis_needs() -> None:
    code = (
        "import sys; from mcp_instantly import server, startup; from mcp_instantly.api import client; "
        "from mcp_instantly.budgets.budgets import Budgets; "
        "Budgets(redis='redis://localhost').of('https://api.instantly.ai', 'key', None); "
        "sys.exit('redis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
