"""Replicas share one budget through Redis, and keep to their parts of it while Redis is away."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute, SocketStream
from mcp import Client

from mcp_instantly.budgets.budget import Budget
from mcp_instantly.budgets.budgets import identity_of
from mcp_instantly.budgets.documented import Limit, Shared
from mcp_instantly.budgets.shared_log import HELD_SECONDS, Event, SharedLog
from mcp_instantly.errors import OverBudget
from mcp_instantly.sandbox import KEY

from .conftest import clean_environment, served
from .processes import run
from .redis_server import RedisServer, running_redis

pytestmark = pytest.mark.anyio

SMALL = {"list_emails": Shared("list_emails", (Limit(4, 60),))}
WORKSPACE = Shared("workspace", (Limit(20, 1),))
IDENTITY = identity_of("https://api.instantly.ai", KEY, None)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


@contextlib.asynccontextmanager
async def replicas(redis: RedisServer, count: int = 3, **given: Any) -> AsyncIterator[list[Budget]]:
    found = [
        Budget(workspace=WORKSPACE, operations=SMALL, replicas=count, log=SharedLog(redis.url, IDENTITY), **given)
        for _ in range(count)
    ]
    try:
        yield found
    finally:
        for budget in found:
            await budget.aclose()


async def take(budget: Budget, tool: str = "list_leads", seconds: float = 30) -> float:
    """Let one request through that is answered at once; when the API counts it."""
    async with budget.turn(tool, seconds) as slot:
        slot.write()
        arrived = time.monotonic()
        budget.answered(slot)
        return arrived


async def take_many(budgets: list[Budget], each: int) -> list[float]:
    times: list[float] = []

    async def work(budget: Budget) -> None:
        for _ in range(each):
            times.append(await take(budget))

    async with anyio.create_task_group() as tasks:
        for budget in budgets:
            tasks.start_soon(work, budget)
    return sorted(times)


def most_at_once(times: list[float], seconds: float = 1.0) -> int:
    """The most of them within a second."""
    return max(sum(1 for other in times if at <= other < at + seconds) for at in times)


async def test_replicas_stay_within_one_budget_and_use_it(redis: RedisServer) -> None:
    async with replicas(redis) as budgets:
        times = await take_many(budgets, 15)
        assert len(times) == 45 and most_at_once(times) == 20
        for budget, left in zip([*budgets, budgets[0]], (4, 3, 2, 1), strict=True):
            assert left
            await take(budget, "list_emails")
        with pytest.raises(OverBudget, match=r"Nothing was sent; call again in \d+ s"):
            await take(budgets[2], "list_emails", seconds=0.2)


class SlowWay:
    """A way to Redis that can be closed: what is asked meanwhile arrives once it is open again."""

    def __init__(self, redis: RedisServer):
        self._redis = redis
        self._open = anyio.Event()
        self._open.set()
        self.waits = anyio.Event()

    def close(self) -> None:
        self._open, self.waits = anyio.Event(), anyio.Event()

    def open(self) -> None:
        self._open.set()

    async def __call__(self, asker: SocketStream) -> None:
        async def answer() -> None:
            with contextlib.suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                while True:
                    await asker.send(await redis.receive())

        redis = await anyio.connect_tcp("127.0.0.1", self._redis.port)
        async with asker, redis, anyio.create_task_group() as tasks:
            tasks.start_soon(answer)
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    asked = await asker.receive()
                    if not self._open.is_set():
                        self.waits.set()
                        await self._open.wait()
                    await redis.send(asked)
            tasks.cancel_scope.cancel()


async def test_a_replica_whose_question_is_late_counts_what_others_were_given_meanwhile(redis: RedisServer) -> None:
    refused: list[OverBudget] = []
    way = SlowWay(redis)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    url = f"redis://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/0"

    async def be_late() -> None:
        try:
            await take(slow, "list_emails", seconds=2)
        except OverBudget as error:
            refused.append(error)

    async with replicas(redis, 1) as (quick,), anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, way)
        slow = Budget(workspace=WORKSPACE, operations=SMALL, replicas=2, log=SharedLog(url, IDENTITY))
        for budget in (slow, quick):
            await take(budget, "list_emails")
        way.close()
        async with anyio.create_task_group() as late:
            late.start_soon(be_late)
            await way.waits.wait()
            for _ in range(2):
                await take(quick, "list_emails")
            way.open()
        assert len(refused) == 1, "five calls were let through, of four that the budget has"
        assert not slow.waits.alone
        await slow.aclose()
        tasks.cancel_scope.cancel()
    await listener.aclose()


async def test_a_call_counts_from_when_it_was_answered_and_not_at_all_when_it_was_not_sent(redis: RedisServer) -> None:
    one, other = SharedLog(redis.url, IDENTITY), SharedLog(redis.url, IDENTITY)
    budget = Shared("one", (Limit(1, 60),))

    async def wait() -> float:
        refused = await other.take([budget], "second", [])
        assert refused is not None and refused[0] == 0
        return refused[1]

    assert await one.take([budget], "first", []) is None
    assert 58 < await wait() <= 60.01, "it may be counted yet, and is not over"
    await one.tell([Event(budget, "first", 20.0)])
    assert 38 < await wait() <= 40.01, "it was counted 20 seconds ago"
    await one.tell([Event(budget, "first", -HELD_SECONDS)])
    assert 58 < await wait() <= 60.01, "it is still under way"
    await one.tell([Event(budget, "first", None)])
    assert await other.take([budget], "second", []) is None
    await one.aclose()
    await other.aclose()


async def test_calls_that_were_let_through_and_not_sent_leave_their_room_to_others(redis: RedisServer) -> None:
    async with replicas(redis, 1) as (budget,):
        for _ in range(10):
            slot = await budget.claim("list_emails", 5)
            slot.release()


async def test_nothing_of_a_key_is_in_redis(redis: RedisServer) -> None:
    from redis.asyncio import Redis

    async with replicas(redis, 1) as (budget,):
        await take(budget)
        await take(budget, "list_emails")
        store = Redis.from_url(redis.url)
        names = sorted([name.decode() async for name in store.scan_iter()])
        assert names == [f"mcp-instantly:budget:{IDENTITY}:{name}" for name in ("list_emails", "workspace")]
        assert KEY not in IDENTITY
        stored = [value for name in names for value in await store.zrange(name, 0, -1)]
        assert all(re.fullmatch(b"[0-9a-f]{32}", value) for value in stored)
        assert all([await store.pttl(name) > 0 for name in names])
        await store.aclose()


async def test_a_redis_that_goes_away_leaves_each_replica_its_part_and_one_warning(
    redis: RedisServer, events: Any
) -> None:
    async with replicas(redis) as budgets:
        times = await take_many(budgets, 2)
        redis.kill()
        times += await take_many(budgets, 12)
        assert most_at_once(sorted(times)) <= 20
        assert [budget.waits.alone for budget in budgets] == [True] * 3
        assert budgets[0].left()["list_emails/60s"] <= 1
        warnings = [event for event in events if event["log_level"] == "warning"]
        assert [event["event"] for event in warnings] == ["budget_alone"] * 3
        redis.start()
        deadline = time.monotonic() + 10
        while any(budget.waits.alone for budget in budgets):
            assert time.monotonic() < deadline
            times += await take_many(budgets, 2)
        assert most_at_once(sorted(times)) <= 20


async def test_a_redis_that_was_never_there_does_not_stop_a_server(redis: RedisServer, events: Any) -> None:
    redis.kill()
    async with replicas(redis, 1) as (budget,):
        began = time.monotonic()
        await take(budget)
        assert time.monotonic() - began < 5
        assert [event["event"] for event in events] == ["budget_alone"]


def start_with(url: str) -> tuple[int, str]:
    """How a server ends that finds no reason not to start: its stdin is closed."""
    done = run("serve", "--sandbox", "--redis", url, environment=clean_environment())
    return done.returncode, done.stderr


def test_a_redis_that_refuses_the_password_ends_the_start_in_one_line(tmp_path: Path) -> None:
    with running_redis(tmp_path, "--requirepass", "right-password") as redis:
        address = f"127.0.0.1:{redis.port}/0"
        for url in (f"redis://:wrong-password@{address}", f"redis://{address}"):
            status, said = start_with(url)
            assert status == 2 and len(said.splitlines()) == 1
            assert "--redis (INSTANTLY_REDIS_URL): Redis refuses the user or the password" in said
            assert "wrong-password" not in said
        status, said = start_with(f"redis://:right-password@{address}")
        assert status == 0 and "refuses" not in said


def test_a_redis_that_lets_no_script_run_ends_the_start_in_one_line(tmp_path: Path) -> None:
    user = ("--user", "small", "on", ">secret", "~*", "+@all", "-eval", "-evalsha")
    with running_redis(tmp_path, *user) as redis:
        status, said = start_with(f"redis://small:secret@127.0.0.1:{redis.port}/0")
    assert status == 2 and len(said.splitlines()) == 1 and "Redis refuses to run a script (NoPermissionError)" in said


def test_what_is_no_redis_ends_the_start_in_one_line() -> None:
    with served("sandbox") as (_, api):
        address = api.removeprefix("http://").removesuffix("/api/v2")
        for scheme, reason in (("redis", "the server that answers there is not Redis"), ("rediss", "TLS fails")):
            status, said = start_with(f"{scheme}://{address}")
            assert status == 2 and len(said.splitlines()) == 1 and reason in said


def test_a_redis_that_cannot_be_reached_does_not_end_the_start(redis: RedisServer) -> None:
    redis.kill()
    status, said = start_with(redis.url)
    assert status == 0 and "INSTANTLY_REDIS_URL" not in said


def drain(lines: Iterable[str], found: list[str]) -> None:
    with contextlib.suppress(ValueError):
        found.extend(lines)


async def test_three_servers_and_one_workspace_survive_the_end_of_redis(redis: RedisServer) -> None:
    logs: list[list[str]] = [[], [], []]
    with contextlib.ExitStack() as stack:
        _, api = stack.enter_context(served("sandbox"))
        origin = api.removesuffix("/api/v2")
        urls = []
        for log in logs:
            server = ["serve", "--transport", "http", "--toolsets", "all", "--server", origin, "--redis", redis.url]
            process, url = stack.enter_context(served(*server, "--replicas", "3", INSTANTLY_API_KEY=KEY))
            threading.Thread(target=drain, args=[process.stderr, log], daemon=True).start()
            urls.append(url)
        failed: list[str] = []

        async def work(url: str, calls: int) -> None:
            async with Client(url) as client:
                for _ in range(calls):
                    result = await client.call_tool("count_unread_emails", {})
                    if result.is_error:
                        failed.append(result.content[0].text)  # type: ignore[union-attr]

        async def work_all(calls: int) -> None:
            async with anyio.create_task_group() as tasks:
                for url in urls * 3:
                    tasks.start_soon(work, url, calls)

        await work_all(4)
        redis.kill()
        await work_all(4)
        async with httpx.AsyncClient(timeout=30) as http:
            requests = (await http.get(f"{origin}/_sandbox/requests")).json()["items"]
        assert Counter(request["status"] for request in requests) == {200: 72}
        assert failed == []
    assert [sum("budget_alone" in line for line in log) for log in logs] == [1, 1, 1]
    assert not any(KEY in line for log in logs for line in log)
