"""Workers and replicas that know what each other did: a call is sent once, wherever it comes again."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.errors import RepeatHeld
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.guards.seals import Seals, use_in_register
from mcp_instantly.guards.shared_register import FileRegister, RedisRegister, Register
from mcp_instantly.guards.shared_repeats import SharedRepeats
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .conftest import everything, no_sleep, served
from .deployment import compose
from .frames import call
from .held import SECONDS
from .many import HTTP
from .redis_server import running_redis
from .services import free_port
from .test_repeats import DRAFT, REPLY
from .test_service import ACCEPT, answer_in

pytestmark = pytest.mark.anyio

VERIFY = ("verify_email", {"email": "a@b.example"})

Replica = Callable[..., contextlib.AbstractAsyncContextManager[Invoker]]


@pytest.fixture(params=["file", "redis"])
def registers(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Register]]:
    """What makes the register of one process after another, each of which knows what the others do."""
    if request.param == "file":
        yield lambda: FileRegister(str(tmp_path / "register.sqlite3"))
        return
    with running_redis(tmp_path) as redis, contextlib.ExitStack() as stack:

        def register() -> Register:
            made = RedisRegister(redis.url)
            stack.callback(made.close)
            return made

        yield register


@pytest.fixture
def replica(world: World, catalog: Catalog, settings: Settings) -> Replica:
    """An invoker as another process has it, before the same workspace."""

    @contextlib.asynccontextmanager
    async def opened(
        register: Register, scope: str = "one key", transport: Any = None, call_timeout: float = 55
    ) -> AsyncIterator[Invoker]:
        shared = SharedRepeats(60, register, scope, call_timeout)
        guards = [Repeats(60, took_back=shared.took_back), shared]
        transport = transport or httpx.ASGITransport(create_app(world))
        async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as client:
            yield Invoker(everything(), client, settings, guards)

    return opened


async def test_a_call_that_comes_again_at_another_replica_is_sent_once(
    registers: Callable[[], Register], replica: Replica, world: World
) -> None:
    before = len(list(world.emails))
    async with replica(registers()) as one, replica(registers()) as other, replica(registers(), "another key") as third:
        first = await one.invoke("reply_to_email", REPLY)
        again = await other.invoke("reply_to_email", dict(reversed(REPLY.items())))
        assert first.error is None and again.error is None
        assert first.structured["id"] == again.structured["id"]
        assert "Not sent again" in again.structured["_note"]
        assert len(list(world.emails)) == before + 1
        assert (await third.invoke("reply_to_email", REPLY)).structured["id"] != first.structured["id"]


async def test_a_redis_that_is_started_anew_as_the_compose_file_has_it_has_forgotten_no_call(
    replica: Replica, world: World, tmp_path: Path
) -> None:
    before = len(list(world.emails))
    with running_redis(tmp_path, *compose()["services"]["redis"]["command"][1:]) as redis:
        async with replica(RedisRegister(redis.url)) as one, replica(RedisRegister(redis.url)) as other:
            assert (await one.invoke("reply_to_email", REPLY)).error is None
            redis.kill()
            redis.start()
            assert "Not sent again" in (await other.invoke("reply_to_email", REPLY)).text
    assert len(list(world.emails)) == before + 1


async def test_calls_at_two_replicas_at_once_are_sent_once(
    registers: Callable[[], Register], replica: Replica, world: World
) -> None:
    before = len(list(world.emails))
    found: list[Any] = []
    async with replica(registers()) as one, replica(registers()) as other, anyio.create_task_group() as tasks:

        async def reply(invoker: Invoker) -> None:
            found.append((await invoker.invoke("reply_to_email", REPLY)).structured["id"])

        for invoker in (one, other, one, other):
            tasks.start_soon(reply, invoker)
    assert len(set(found)) == 1 and len(list(world.emails)) == before + 1


async def test_to_take_something_back_at_one_replica_and_do_it_again_at_another_is_no_repetition(
    registers: Callable[[], Register], replica: Replica
) -> None:
    lead = {
        "email": "again@customer.example",
        "campaign": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01",
        "verify_leads_on_import": True,
    }
    async with replica(registers()) as one, replica(registers()) as other:
        made = await one.invoke("create_lead", lead)
        assert made.error is None, made.text
        assert (await other.invoke("delete_lead", {"id": made.structured["id"]})).error is None
        anew = await other.invoke("create_lead", lead)
        assert anew.error is None and anew.structured["id"] != made.structured["id"]
        assert (await one.invoke("delete_lead", {"id": anew.structured["id"]})).error is None
        last = await other.invoke("create_lead", lead)
    assert last.error is None and last.structured["id"] != anew.structured["id"]


async def test_a_state_that_replicas_set_in_turn_is_the_last_one(
    registers: Callable[[], Register], replica: Replica
) -> None:
    async with replica(registers()) as one, replica(registers()) as other, replica(registers()) as third:
        last = ((third, 1, True), (other, 1, False), (one, 1, False), (one, -1, True), (other, 1, True))
        for invoker, value, is_sent in ((one, 1, True), (other, -1, True), *last):
            given = {"lead_email": "maya.lindqvist@fjordpay.example", "interest_value": value}
            result = await invoker.invoke("update_lead_interest_status", given)
            assert result.error is None and ("Not sent again" not in result.text) == is_sent


async def test_an_unknown_outcome_is_held_at_all_replicas_whatever_comes_between(
    registers: Callable[[], Register], replica: Replica
) -> None:
    lead = {"lead_email": "maya.lindqvist@fjordpay.example"}

    def lose(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    async with (
        replica(registers(), transport=httpx.MockTransport(lose)) as one,
        replica(registers()) as other,
        replica(registers()) as third,
    ):
        await one.invoke("update_lead_interest_status", {**lead, "interest_value": 1})
        assert (await other.invoke("update_lead_interest_status", {**lead, "interest_value": -1})).error is None
        again = await third.invoke("update_lead_interest_status", {**lead, "interest_value": 1})
    assert isinstance(again.error, RepeatHeld)


async def test_a_call_whose_outcome_is_unknown_at_one_replica_is_not_sent_by_another(
    registers: Callable[[], Register], replica: Replica
) -> None:
    sent: list[str] = []

    def lose(request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            sent.append(request.url.path)
        raise httpx.ReadError("gone")

    lost = httpx.MockTransport(lose)
    async with replica(registers(), transport=lost) as one, replica(registers(), transport=lost) as other:
        assert (await one.invoke("reply_to_email", REPLY)).error is not None
        again = await other.invoke("reply_to_email", REPLY)
        reworded = await other.invoke("reply_to_email", {**REPLY, "body": {"text": "Thank you"}})
    assert isinstance(again.error, RepeatHeld) and "the same call" in str(again.error)
    assert isinstance(reworded.error, RepeatHeld) and "for the same email" in str(reworded.error)
    assert sent == ["/api/v2/emails/reply"]


async def test_what_was_refused_at_one_replica_is_sent_by_another(
    registers: Callable[[], Register], replica: Replica
) -> None:
    wrong = {**REPLY, "reply_to_uuid": "01991f80-ffff-7000-8000-00000000ffff"}
    async with replica(registers()) as one, replica(registers()) as other:
        first, again = await one.invoke("reply_to_email", wrong), await other.invoke("reply_to_email", wrong)
    assert type(first.error) is type(again.error) and not isinstance(again.error, RepeatHeld)


async def test_jobs_keep_account_of_their_calls_themselves(
    registers: Callable[[], Register], replica: Replica, world: World
) -> None:
    before = len(list(world.emails))
    async with replica(registers()) as one, replica(registers()) as other:
        for invoker in (one, other):
            assert (await invoker.invoke("reply_to_email", REPLY, job_id="job-1")).error is None
    assert len(list(world.emails)) == before + 2


def test_a_call_asks_redis_as_little_after_a_thousand_others_as_after_one(tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis, contextlib.closing(RedisRegister(redis.url)) as register:

        def asked() -> int:
            return int(register._redis.info("stats")["total_commands_processed"])

        costs = []
        for name in map(str, range(1000)):
            before = asked()
            register.claim(name, "verify_email", 60)
            register.release("verify_email", ["the path of all of them"], 60)
            register.write(name, "verify_email", "said", ["the path of all of them"], 60)
            costs.append(asked() - before)
        assert max(costs[1:]) <= costs[1]
        register.release("delete_lead", ["the path of all of them"], 60)
        assert register.read("1") is None and register.read("999") is None


def test_a_seal_that_was_used_at_one_replica_is_used_at_all(registers: Callable[[], Register]) -> None:
    key = b"0" * 32
    one, other = (Seals(key, "server", 300, use=use_in_register(registers())) for _ in range(2))
    seal, second = one.give("preview", "tool", {"a": 1}), one.give("preview", "tool", {"a": 1})
    assert other.take(seal, "preview", "tool", {"a": 1}) == "good"
    assert one.take(seal, "preview", "tool", {"a": 1}) == "used"
    assert one.take(second, "preview", "tool", {"a": 2}) == "wrong"
    assert one.take(second, "preview", "tool", {"a": 1}) == "good"


async def test_a_redis_that_goes_away_stops_nothing_and_is_told_of_once(
    replica: Replica, events: list[dict[str, Any]]
) -> None:
    away = RedisRegister(f"redis://127.0.0.1:{free_port()}/0")
    async with replica(away) as one:
        first, again = await one.invoke("reply_to_email", REPLY), await one.invoke("reply_to_email", REPLY)
    assert first.error is None and first.structured["id"] == again.structured["id"]
    assert [event["event"] for event in events].count("redis_away") == 1
    away.close()


async def test_a_register_that_something_removes_is_made_again(
    replica: Replica, world: World, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    file = tmp_path / "folder" / "register.sqlite3"
    file.parent.mkdir()
    before = len(list(world.emails))
    async with replica(FileRegister(str(file))) as one, replica(FileRegister(str(file))) as other:
        for number, remove in enumerate((file.unlink, lambda: shutil.rmtree(file.parent)), 1):
            remove()
            reply = {**REPLY, "subject": f"Re: {number}"}
            first, again = await one.invoke("reply_to_email", reply), await other.invoke("reply_to_email", reply)
            assert first.error is None and first.structured["id"] == again.structured["id"]
            assert (await other.invoke("pause_campaign", {"id": DRAFT})).error is None
            assert len(list(world.emails)) == before + number
            assert [event["event"] for event in events].count("register_gone") == number
    assert file.parent.stat().st_mode & 0o077 == 0


async def test_a_register_that_cannot_be_made_again_stops_nothing_and_is_told_of_once(
    replica: Replica, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    file = tmp_path / "folder" / "register.sqlite3"
    file.parent.mkdir()
    async with replica(FileRegister(str(file))) as one:
        shutil.rmtree(file.parent)
        file.parent.write_text("")
        first, again = await one.invoke("reply_to_email", REPLY), await one.invoke("reply_to_email", REPLY)
    assert first.error is None and first.structured["id"] == again.structured["id"]
    assert [event["event"] for event in events].count("register_away") == 1


async def test_a_register_that_is_lost_during_a_call_takes_nothing_from_its_result(
    replica: Replica, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "register.sqlite3"
    app = httpx.ASGITransport(create_app(world))

    async def lose(request: httpx.Request) -> httpx.Response:
        file.unlink()
        return await app.handle_async_request(request)

    async with replica(FileRegister(str(file)), transport=httpx.MockTransport(lose)) as one:
        first = await one.invoke("reply_to_email", REPLY)
    async with replica(FileRegister(str(file))) as other:
        again = await other.invoke("reply_to_email", REPLY)
    assert first.error is None and first.structured["id"] == again.structured["id"]


@pytest.mark.parametrize("refusals", [0, 1])
async def test_a_call_that_waits_for_one_under_way_is_not_sent_because_the_register_is_lost(
    replica: Replica, tmp_path: Path, refusals: int
) -> None:
    file = tmp_path / "register.sqlite3"
    sent: list[str] = []
    arrived = anyio.Event()

    async def stuck(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.path)
        if len(sent) <= refusals:
            return httpx.Response(400, json={"message": "Not now"})
        arrived.set()
        await anyio.sleep_forever()
        raise AssertionError

    class Lost(FileRegister):
        """One whose file is gone once an entry was read."""

        def read(self, name: str) -> str | None:
            found = super().read(name)
            file.unlink()
            return found

    transport = httpx.MockTransport(stuck)
    async with (
        replica(FileRegister(str(file)), transport=transport) as one,
        replica(Lost(str(file)), transport=transport) as other,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(refusals):
            await one.invoke(*VERIFY)
        tasks.start_soon(one.invoke, *VERIFY)
        with anyio.fail_after(5):
            await arrived.wait()
            again = await other.invoke(*VERIFY)
        tasks.cancel_scope.cancel()
    assert isinstance(again.error, RepeatHeld) and len(sent) == refusals + 1


async def test_a_call_that_waits_for_one_that_is_refused_is_sent(
    registers: Callable[[], Register], replica: Replica
) -> None:
    arrived, go = anyio.Event(), anyio.Event()

    async def refuse(_: httpx.Request) -> httpx.Response:
        arrived.set()
        await go.wait()
        return httpx.Response(402, json={"message": "No credits"})

    def verify(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"email": "a@b.example"})

    results: dict[str, Any] = {}
    async with (
        replica(registers(), transport=httpx.MockTransport(refuse)) as one,
        replica(registers(), transport=httpx.MockTransport(verify)) as other,
        anyio.create_task_group() as tasks,
    ):

        async def call_of(name: str, invoker: Invoker) -> None:
            results[name] = await invoker.invoke(*VERIFY)

        with anyio.fail_after(5):
            tasks.start_soon(call_of, "first", one)
            await arrived.wait()
            tasks.start_soon(call_of, "second", other)
            await anyio.wait_all_tasks_blocked()
            go.set()
    assert results["first"].error is not None and results["second"].error is None
    assert "Not sent again" not in results["second"].text


async def test_a_register_that_is_busy_keeps_nobody_else_waiting(
    replica: Replica, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    file = str(tmp_path / "register.sqlite3")
    results: list[Any] = []
    async with replica(FileRegister(file)) as one:

        async def reply() -> None:
            results.append(await one.invoke("reply_to_email", REPLY))

        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as busy:
            busy.execute("begin exclusive")
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reply)
                await anyio.wait_all_tasks_blocked()
                assert results == []
                busy.execute("rollback")
    assert results[0].error is None
    assert not [event for event in events if event["event"].startswith("register")]


async def test_a_call_waits_for_one_of_a_process_that_died_no_longer_than_a_call_may_take(
    registers: Callable[[], Register], replica: Replica
) -> None:
    arrived = anyio.Event()

    async def stuck(_: httpx.Request) -> httpx.Response:
        # As far as another process can see, this is as good as dead.
        arrived.set()
        await anyio.sleep_forever()
        raise AssertionError

    async with (
        replica(registers(), transport=httpx.MockTransport(stuck)) as one,
        replica(registers(), call_timeout=0.2) as other,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(one.invoke, *VERIFY)
        with anyio.fail_after(5):
            await arrived.wait()
            again = await other.invoke(*VERIFY)
        assert isinstance(again.error, RepeatHeld)
        tasks.cancel_scope.cancel()


async def test_a_call_that_is_cancelled_is_not_under_way_for_others(
    registers: Callable[[], Register], replica: Replica
) -> None:
    async def cut(_: httpx.Request) -> httpx.Response:
        scope.cancel()
        await anyio.sleep_forever()
        raise AssertionError

    async with (
        replica(registers(), transport=httpx.MockTransport(cut)) as one,
        replica(registers()) as other,
    ):
        with anyio.CancelScope() as scope:
            await one.invoke(*VERIFY)
        with anyio.fail_after(5):
            assert isinstance((await other.invoke(*VERIFY)).error, RepeatHeld)


async def test_a_call_that_a_host_repeats_on_many_connections_is_sent_once_by_all_workers() -> None:
    ids: list[str] = []
    with (
        served("sandbox", "--no-budgets") as (_, base),
        served(*HTTP, "--server", base, "--workers", "3", INSTANTLY_API_KEY="sandbox") as (_, url),
        anyio.fail_after(60),
    ):

        async def reply() -> None:
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
                response = await http.post(url, json=call(1, "reply_to_email", **REPLY), headers=ACCEPT)
                ids.append(answer_in(response)["id"])

        async with anyio.create_task_group() as tasks:
            for _ in range(12):
                tasks.start_soon(reply)
    assert len(ids) == 12 and len(set(ids)) == 1
