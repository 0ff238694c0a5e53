"""The client on a real loopback port: what is repeated, what never is, and where the key goes.

The server here is scripted byte by byte, since no framework can be made to reset a connection or cut an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
import httpx
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.network import Lanes
from mcp_instantly.api.request import build_request
from mcp_instantly.errors import (
    ApiError,
    ErrorInSuccess,
    InstantlyError,
    NoResponse,
    Overtaken,
    RateLimited,
    ResponseTooLong,
    ServerError,
    Unreachable,
)
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

pytestmark = pytest.mark.anyio

KEY = "a-very-secret-key-0123456789"
CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"

RESET = b"reset"
"""Stands for a connection that is reset after the request was read."""

HOLD = b"hold"
"""At the end of an answer: the connection stays open, and no more comes."""


def answer(
    status: int,
    body: str | bytes = "{}",
    *headers: str,
    length: int | None = None,
    media_type: str | None = "application/json",
) -> bytes:
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body) if length is None else length}"]
    lines += [f"Content-Type: {media_type}"] if media_type else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


class Rude:
    """A server that answers each request with the next of its lines, and keeps what it was sent."""

    def __init__(self, *answers: bytes):
        self.answers = list(answers)
        self.received: list[bytes] = []
        self.port = 0
        self.serving = anyio.CancelScope()

    async def handle(self, stream: anyio.abc.SocketStream) -> None:
        async with stream:
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive()
            head, _, body = data.partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while lengths and len(body) < int(lengths[0].split(b":")[1]):
                body += await stream.receive()
            self.received.append(head + b"\r\n\r\n" + body)
            reply = self.answers.pop(0)
            if reply == RESET:
                raw = stream.extra(anyio.abc.SocketAttribute.raw_socket)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            else:
                await stream.send(reply.removesuffix(HOLD))
            if reply.endswith(HOLD):
                await anyio.sleep_forever()


@contextlib.asynccontextmanager
async def rude(*answers: bytes) -> AsyncIterator[Rude]:
    server = Rude(*answers)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server.port = listener.extra(anyio.abc.SocketAttribute.local_port)

    async def serve() -> None:
        async with listener:
            with server.serving:
                await listener.serve(server.handle)

    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(serve)
        yield server
        tasks.cancel_scope.cancel()


class Outcome:
    """What came of a call: the reply or the error, the waits between attempts, and what the server received."""

    def __init__(self) -> None:
        self.reply: Any = None
        self.error: InstantlyError | None = None
        self.waits: list[float] = []
        self.received: list[bytes] = []


@pytest.fixture
def call(catalog: Catalog) -> Callable[..., Any]:
    async def calling(tool: str, arguments: dict[str, Any], *answers: bytes, **settings: Any) -> Outcome:
        outcome = Outcome()

        async def sleep(seconds: float) -> None:
            outcome.waits.append(seconds)

        with anyio.fail_after(20):
            async with rude(*answers) as server:
                given = Settings(base_url=f"http://127.0.0.1:{server.port}/", api_key=KEY, **settings)
                operation = catalog.operations[tool]
                async with InstantlyClient(given, sleep=sleep) as client:
                    try:
                        outcome.reply = await client.send(operation, build_request(operation, arguments))
                    except InstantlyError as error:
                        outcome.error = error
                outcome.received = server.received
        return outcome

    return calling


READ = ("get_campaign", {"id": CAMPAIGN})
CREATE = ("create_lead_list", {"name": "A"})
SHARE = ("share_campaign", {"id": CAMPAIGN})
DELETE = ("delete_campaign", {"id": CAMPAIGN})
SAFE_WRITE = ("pause_campaign", {"id": CAMPAIGN})
CUT = answer(200, '{"id": "1', length=500)

BROKEN = pytest.mark.parametrize(
    ("broken", "kind"),
    [(answer(502), ServerError), (answer(500), ServerError), (RESET, NoResponse), (CUT, NoResponse), (b"", NoResponse)],
    ids=["502", "500", "reset", "cut", "closed"],
)


@BROKEN
async def test_a_read_is_repeated_after_a_fault(call: Any, broken: bytes, kind: type) -> None:
    outcome = await call(*READ, broken, broken, answer(200, '{"id": "1"}'))
    assert outcome.reply.payload == {"id": "1"}
    assert outcome.reply.attempts == 3 == len(outcome.received)
    assert len(outcome.waits) == 2


@BROKEN
async def test_a_write_whose_repetition_changes_nothing_is_repeated_too(call: Any, broken: bytes, kind: type) -> None:
    assert (await call(*SAFE_WRITE, broken, answer(200))).reply.attempts == 2


@BROKEN
async def test_a_write_is_sent_once_and_says_that_it_may_have_worked(call: Any, broken: bytes, kind: type) -> None:
    outcome = await call(*CREATE, broken, answer(200))
    assert len(outcome.received) == 1
    assert isinstance(outcome.error, kind)
    assert outcome.error.attempts == 1
    assert "may have been carried out" in str(outcome.error)


@pytest.mark.parametrize("tool", [READ, CREATE], ids=["read", "write"])
async def test_a_429_is_repeated_whatever_the_tool(call: Any, tool: Any) -> None:
    outcome = await call(*tool, answer(429, "{}", "Retry-After: 3"), answer(200))
    assert outcome.reply.attempts == 2
    assert outcome.waits == [3]


async def test_without_retry_after_the_waits_grow_and_jitter(call: Any) -> None:
    outcome = await call(*READ, answer(503), answer(503), answer(200))
    first, second = outcome.waits
    assert 0.5 <= first <= 1.0
    assert 1.0 <= second <= 1.5


async def test_a_429_that_names_no_time_waits_longer_and_says_to_wait_a_minute(call: Any) -> None:
    outcome = await call(*READ, answer(429), answer(429), answer(429))
    first, second = outcome.waits
    assert 2.0 <= first <= 2.5
    assert 4.0 <= second <= 4.5
    assert "wait a minute" in str(outcome.error)


@pytest.mark.parametrize("when", ["0", "Mon, 01 Jan 2001 00:00:00 GMT"])
async def test_a_retry_after_that_has_passed_pauses_all_the_same(call: Any, when: str) -> None:
    outcome = await call(*READ, answer(429, "{}", f"Retry-After: {when}"), answer(200))
    assert outcome.waits[0] >= 0.5


async def test_after_three_attempts_the_error_is_told(call: Any) -> None:
    outcome = await call(*READ, *[answer(429)] * 5)
    assert isinstance(outcome.error, RateLimited)
    assert outcome.error.attempts == 3 == len(outcome.received)


async def test_a_wait_that_would_end_after_thirty_seconds_is_not_begun(call: Any) -> None:
    outcome = await call(*READ, answer(429, "{}", "Retry-After: 31"), answer(200))
    assert isinstance(outcome.error, RateLimited)
    assert outcome.waits == []
    assert "in 31 s" in str(outcome.error)


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 413, 501])
async def test_what_will_not_change_is_not_repeated(call: Any, status: int) -> None:
    outcome = await call(*READ, answer(status), answer(200))
    assert isinstance(outcome.error, ApiError)
    assert len(outcome.received) == 1


async def test_a_refused_connection_was_not_sent_and_is_tried_again(catalog: Catalog) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings = Settings(base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/", api_key=KEY)
        operation = catalog.operations["create_lead_list"]
        async with InstantlyClient(settings, sleep=sleep) as client:
            with pytest.raises(Unreachable, match="Nothing was sent") as caught:
                await client.send(operation, build_request(operation, {"name": "A"}))
    assert caught.value.attempts == 3
    assert len(waits) == 2


HALF = answer(200, '{"id": "1', length=500)


@pytest.mark.parametrize("silence", [HOLD, HALF + HOLD], ids=["no answer", "half an answer"])
async def test_a_call_ends_at_its_time_limit_however_far_the_answer_has_come(call: Any, silence: bytes) -> None:
    read = await call(*READ, silence, call_timeout=0.2)
    assert isinstance(read.error, NoResponse)
    assert "longer than 0.2 s" in str(read.error)
    assert read.error.attempts == 1
    write = await call(*CREATE, silence, call_timeout=0.2)
    assert "may have been carried out" in str(write.error)


async def test_no_repeat_is_begun_late_in_the_time_of_a_call(call: Any) -> None:
    outcome = await call(*READ, answer(429, "{}", "Retry-After: 7"), answer(200), call_timeout=10)
    assert isinstance(outcome.error, RateLimited)
    assert outcome.waits == []


class Stuck(httpx.AsyncBaseTransport):
    """A network on which no connection comes about."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(60, r"within 0\.1 s \(--call-timeout\)\)\. Nothing was"), (0.05, r"within 0\.05 s\)\. Nothing was")],
)
async def test_a_call_that_waits_for_a_connection_to_the_end_was_not_sent(
    catalog: Catalog, seconds: float, said: str
) -> None:
    settings = Settings(base_url="https://api.example/", api_key=KEY, call_timeout=0.1)
    operation = catalog.operations["create_lead_list"]
    async with InstantlyClient(settings, transport=Stuck()) as client:
        with pytest.raises(Unreachable, match=said):
            await client.send(operation, build_request(operation, {"name": "A"}), seconds)


async def test_a_call_that_is_cancelled_from_outside_is_cancelled(catalog: Catalog) -> None:
    settings = Settings(base_url="https://api.example/", api_key=KEY)
    operation = catalog.operations["create_lead_list"]
    with anyio.move_on_after(0.1) as scope:
        async with InstantlyClient(settings, transport=Stuck()) as client:
            await client.send(operation, build_request(operation, {"name": "A"}))
    assert scope.cancelled_caught


@pytest.mark.parametrize(("scheme", "outcome"), [("http", "unknown"), ("https", "not sent")])
async def test_what_is_cut_off_on_its_way_through_a_proxy_may_have_been_sent(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, scheme: str, outcome: str
) -> None:
    """It is more than any buffer takes, so that it never comes to the body; a CONNECT is not a part of it."""
    come, over, closed = anyio.Event(), anyio.Event(), anyio.Event()
    ended: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        come.set()
        await over.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        closed.set()

    async def send(client: InstantlyClient) -> None:
        operation = catalog.operations["delete_lead_list"]
        try:
            await client.send(operation, build_request(operation, {"id": CAMPAIGN}))
        except BaseException as error:
            ended.append(error.outcome)  # type: ignore[attr-defined]
            raise

    async with await asyncio.start_server(listen, "127.0.0.1", 0, limit=1) as proxy:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}")
        settings = Settings(base_url=f"{scheme}://api.example/", api_key=KEY, user_agent="x" * 10_000_000)
        async with InstantlyClient(settings) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(send, client)
            with anyio.fail_after(20):
                await come.wait()
            tasks.cancel_scope.cancel()
        over.set()
        with anyio.fail_after(20):
            await closed.wait()
    assert ended == [outcome]


async def test_slow_answers_leave_room_for_other_calls(catalog: Catalog) -> None:
    operation = catalog.operations["get_campaign"]
    request = build_request(operation, READ[1])
    async with rude(*[HOLD] * 80, answer(200)) as server:
        settings = Settings(base_url=f"http://127.0.0.1:{server.port}/", api_key=KEY)
        async with InstantlyClient(settings) as client, anyio.create_task_group() as tasks:
            with anyio.fail_after(20):
                for count in range(80):
                    tasks.start_soon(client.send, operation, request)
                    while len(server.received) <= count:
                        await anyio.lowlevel.checkpoint()
                assert (await client.send(operation, request)).payload == {}
            tasks.cancel_scope.cancel()


async def test_an_answer_that_is_too_long_is_dropped_and_not_asked_for_again(call: Any) -> None:
    long = answer(200, json.dumps(["x" * 100] * 100))
    read = await call(*READ, long, answer(200), max_response_bytes=10_000)
    assert isinstance(read.error, ResponseTooLong)
    assert "longer than 10,000 bytes" in str(read.error)
    assert "Ask for less" in str(read.error)
    assert len(read.received) == 1
    write = await call(*CREATE, long, max_response_bytes=10_000)
    assert "may have been carried out" in str(write.error)
    assert (await call(*READ, long, max_response_bytes=11_000)).reply.payload == ["x" * 100] * 100


async def test_an_answer_without_end_is_left(call: Any) -> None:
    endless = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n" + HOLD
    assert isinstance((await call(*READ, endless, max_response_bytes=1000)).error, ResponseTooLong)


GZIP = "Content-Encoding: gzip"


async def test_a_compressed_answer_is_read_and_never_grows_beyond_the_limit(call: Any) -> None:
    assert (await call(*READ, answer(200, gzip.compress(b'{"id": "1"}'), GZIP))).reply.payload == {"id": "1"}
    bomb = gzip.compress(b"0" * 50_000_000)
    tracemalloc.start()
    try:
        assert isinstance(
            (await call(*READ, answer(200, bomb, GZIP), max_response_bytes=100_000)).error, ResponseTooLong
        )
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b'{"id": "1"}')[:-8], "gzip"),
        (gzip.compress(b'{"id": "1"}')[:-1], "gzip"),
        (gzip.compress(b'{"id": "1"}')[:4], "gzip"),
        (gzip.compress(b'{"id": "1"}') + b"more", "gzip"),
        (b'{"id": "1"}', "gzip"),
        (gzip.compress(gzip.compress(b'{"id": "1"}')), "gzip, gzip"),
        (b'{"id": "1"}', "br"),
    ],
    ids=["no trailer", "cut trailer", "cut", "more", "plain", "twice", "unknown"],
)
async def test_a_compressed_answer_that_is_not_whole_is_no_answer(call: Any, body: bytes, encoding: str) -> None:
    outcome = await call(*CREATE, answer(200, body, f"Content-Encoding: {encoding}"))
    assert isinstance(outcome.error, NoResponse)
    assert "may have been carried out" in str(outcome.error)


@pytest.mark.parametrize("media_type", ["text/plain", "application/octet-stream", None])
async def test_half_an_object_is_no_answer_whatever_it_is_called(call: Any, media_type: str | None) -> None:
    outcome = await call(*CREATE, answer(200, '{"id": "1', media_type=media_type))
    assert isinstance(outcome.error, NoResponse)
    whole = await call(*CREATE, answer(200, '{"id": "1"}', media_type=media_type))
    assert whole.reply.payload == {"id": "1"}


async def test_an_empty_answer_that_only_the_end_of_the_connection_ends_is_no_answer(call: Any) -> None:
    outcome = await call(*SHARE, *[b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\n\r\n"] * 3)
    assert isinstance(outcome.error, NoResponse)
    chunked = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    for nothing in (answer(200, ""), chunked, b"HTTP/1.1 200 X\r\n\r\n"):
        assert (await call(*SHARE, nothing)).reply.payload is None


@pytest.mark.parametrize("body", ["", " \r\n"])
@pytest.mark.parametrize("media_type", ["application/json", None])
async def test_an_empty_answer_where_there_is_something_to_say_is_no_answer(
    call: Any, body: str, media_type: str | None
) -> None:
    nothing = answer(200, body, media_type=media_type)
    outcome = await call(*CREATE, nothing)
    assert isinstance(outcome.error, NoResponse) and "may have been carried out" in str(outcome.error)
    assert len(outcome.received) == 1
    assert (await call(*READ, nothing, answer(200, '{"id": "1"}'))).reply.payload == {"id": "1"}
    outcome = await call(*READ, nothing, nothing, nothing)
    assert "no complete response came back (the answer is empty)" in str(outcome.error)
    for status in (204, 205):
        head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n\r\n"
        assert (await call(*CREATE, head.encode())).reply.payload is None
    for tool in (SHARE, DELETE):
        assert (await call(*tool, nothing)).reply.payload is None


async def test_a_refusal_counts_even_if_its_body_is_cut_or_without_end(call: Any) -> None:
    assert (await call(*CREATE, answer(400, '{"message": "no', length=500))).error.status == 400
    assert (await call(*CREATE, answer(400, "x" * 2_000_000))).error.status == 400
    outcome = await call(*CREATE, answer(429, "{", length=500), answer(200))
    assert outcome.reply.attempts == 2


async def test_what_follows_an_answer_is_not_taken_for_the_next_one(catalog: Catalog) -> None:
    connections = []

    async def handle(stream: anyio.abc.SocketStream) -> None:
        connections.append(stream)
        async with stream:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while await stream.receive():
                    good = answer(200, '{"name": "good"}').replace(b"Connection: close\r\n", b"")
                    await stream.send(good + good.replace(b"good", b"evil"))

    operation = catalog.operations["create_lead_list"]
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with InstantlyClient(Settings(base_url=f"http://127.0.0.1:{port}/", api_key=KEY)) as client:
            for _ in range(3):
                reply = await client.send(operation, build_request(operation, {"name": "A"}))
                assert reply.payload == {"name": "good"}
        tasks.cancel_scope.cancel()
    assert len(connections) == 3


async def test_connections_are_used_again_and_calls_that_follow_each_other_need_one(catalog: Catalog) -> None:
    used: list[int] = []
    numbers = itertools.count(1)
    crowd, full = 5, anyio.Event()

    async def handle(stream: anyio.abc.SocketStream) -> None:
        number = next(numbers)
        async with stream:
            with contextlib.suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                while await stream.receive():
                    used.append(number)
                    if len(used) == crowd:
                        full.set()
                    await full.wait()
                    await stream.send(answer(200).replace(b"Connection: close\r\n", b""))

    operation = catalog.operations["get_campaign"]
    request = build_request(operation, READ[1])
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with InstantlyClient(Settings(base_url=f"http://127.0.0.1:{port}/", api_key=KEY)) as client:
            with anyio.fail_after(20):
                async with anyio.create_task_group() as calls:
                    for _ in range(crowd):
                        calls.start_soon(client.send, operation, request)
                for _ in range(crowd):
                    assert (await client.send(operation, request)).payload == {}
        tasks.cancel_scope.cancel()
    assert sorted(used[:crowd]) == [1, 2, 3, 4, 5]
    assert len(used) == 2 * crowd
    assert len(set(used[crowd:])) == 1


PAGE = "<!DOCTYPE html><title>Bad gateway</title>"


@pytest.mark.parametrize("status", [408, 500, 501, 502, 503, 504, 520, 522, 524, 530])
@pytest.mark.parametrize(
    "body", [PAGE, "error code: 520", "", '{"message": "x"}'], ids=["page", "code", "none", "json"]
)
async def test_a_write_that_a_gateway_gave_up_on_may_have_worked_whatever_the_body(
    call: Any, status: int, body: str
) -> None:
    outcome = await call(*CREATE, answer(status, body), answer(200))
    assert isinstance(outcome.error, ServerError)
    assert "may have been carried out" in str(outcome.error)
    assert len(outcome.received) == 1


async def test_a_408_is_repeated_where_a_repetition_has_no_further_effect(call: Any) -> None:
    assert (await call(*READ, answer(408), answer(200))).reply.attempts == 2


async def test_a_page_instead_of_the_answer_to_a_write_says_that_it_may_have_worked(call: Any) -> None:
    outcome = await call(*CREATE, answer(200, PAGE))
    assert isinstance(outcome.error, ErrorInSuccess)
    assert "may have been carried out" in str(outcome.error)


async def test_a_call_that_was_sent_once_does_not_say_that_nothing_was_sent(catalog: Catalog) -> None:
    operation = catalog.operations["pause_campaign"]
    async with rude(RESET) as server:
        settings = Settings(base_url=f"http://127.0.0.1:{server.port}/", api_key=KEY)

        async def sleep(_: float) -> None:
            server.serving.cancel()
            await anyio.wait_all_tasks_blocked()

        async with InstantlyClient(settings, sleep=sleep) as client:
            with pytest.raises(NoResponse) as caught:
                await client.send(operation, build_request(operation, SAFE_WRITE[1]))
    assert caught.value.attempts == 3


@pytest.fixture
def between_two_attempts(catalog: Catalog) -> Callable[..., Any]:
    """Make the call `earlier`, fail at its first attempt, and make the call `later` before the second.

    Returns what came of the first call, and the request lines that the server received.
    """

    async def calling(earlier: tuple[str, Any], fault: bytes, later: tuple[str, Any]) -> tuple[Any, list[str]]:
        async def send(tool: str, arguments: dict[str, Any]) -> Any:
            operation = catalog.operations[tool]
            return await client.send(operation, build_request(operation, arguments))

        made = []

        async def sleep(_: float) -> None:
            made.append(await send(*later))

        async with rude(fault, answer(200), answer(200)) as server:
            settings = Settings(base_url=f"http://127.0.0.1:{server.port}/", api_key=KEY)
            async with InstantlyClient(settings, sleep=sleep) as client:
                try:
                    found = await send(*earlier)
                except InstantlyError as error:
                    found = error
            assert len(made) == 1
            return found, [head.split(b" HTTP")[0].decode() for head in server.received]

    return calling


ACTIVATE = ("activate_campaign", {"id": CAMPAIGN})
PAUSE = ("pause_campaign", {"id": CAMPAIGN})
ADDRESS = "ann@x.example"


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (RESET, "may have been carried out"),
        (answer(502), "may have been carried out"),
        (answer(429), "not carried out"),
    ],
    ids=["reset", "502", "429"],
)
async def test_a_repeat_does_not_overtake_a_later_call_on_the_same_object(
    between_two_attempts: Any, first: bytes, words: str
) -> None:
    error, received = await between_two_attempts(ACTIVATE, first, PAUSE)
    assert isinstance(error, Overtaken)
    assert "pause_campaign was called on the same object" in str(error)
    assert words in str(error)
    assert [line.rpartition("/")[2] for line in received] == ["activate", "pause"]
    assert error.attempts == 1


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (("resume_account", {"email": "Ann@x.example"}), ("bulk_pause_accounts", {"emails": [ADDRESS]})),
        (("enable_account_warmup", {"emails": [ADDRESS]}), ("disable_account_warmup", {"emails": [ADDRESS]})),
        (("schedule_workspace_removal", {}), ("cancel_workspace_removal", {})),
    ],
    ids=["one and many", "many and many", "the workspace itself"],
)
async def test_an_object_is_the_same_wherever_a_call_names_it(
    between_two_attempts: Any, earlier: Any, later: Any
) -> None:
    error, received = await between_two_attempts(earlier, answer(502), later)
    assert isinstance(error, Overtaken)
    assert len(received) == 2


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (ACTIVATE, ("get_campaign", {"id": CAMPAIGN})),
        (ACTIVATE, ("pause_campaign", {"id": CAMPAIGN.replace("c0a8", "c0a9")})),
        (ACTIVATE, ("bulk_add_leads", {"campaign_id": CAMPAIGN, "leads": [{"email": ADDRESS}]})),
        (CREATE, CREATE),
    ],
    ids=["a read", "another object", "what it only names", "two of a kind"],
)
async def test_a_repeat_is_not_kept_back_by_what_does_not_change_its_object(
    between_two_attempts: Any, earlier: Any, later: Any
) -> None:
    reply, received = await between_two_attempts(earlier, answer(429), later)
    assert reply.attempts == 2
    assert len(received) == 3


async def test_a_redirect_is_not_followed_and_the_key_goes_nowhere_else(call: Any) -> None:
    async with rude(answer(200)) as elsewhere:
        location = f"Location: http://127.0.0.1:{elsewhere.port}/"
        outcome = await call(*READ, answer(302, "", location))
        assert elsewhere.received == []
    assert "Redirects are not followed" in str(outcome.error)


async def test_a_request_carries_key_agent_and_workspace(call: Any) -> None:
    outcome = await call(*CREATE, answer(200), workspace="w-1", user_agent="my-agent/1")
    head = outcome.received[0].decode()
    assert head.startswith("POST /api/v2/lead-lists HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}" in head
    assert "User-Agent: my-agent/1" in head
    assert "x-as-workspace: w-1" in head
    assert "Content-Type: application/json" in head
    assert json.loads(head.partition("\r\n\r\n")[2]) == {"name": "A"}


async def test_a_request_without_a_body_has_no_content_type(call: Any) -> None:
    head = (await call(*SAFE_WRITE, answer(200))).received[0].lower()
    assert b"content-type" not in head
    assert head.endswith(b"\r\n\r\n")


async def test_the_default_agent_names_the_program_and_its_page(call: Any) -> None:
    head = (await call(*READ, answer(200))).received[0].decode()
    assert "User-Agent: mcp-instantly/" in head
    assert "(+https://" in head


async def test_a_base_url_may_have_a_path_in_front(catalog: Catalog) -> None:
    async with rude(answer(200)) as server:
        settings = Settings(base_url=f"http://127.0.0.1:{server.port}/gateway/", api_key=KEY)
        operation = catalog.operations["get_account"]
        async with InstantlyClient(settings) as client:
            await client.send(operation, build_request(operation, {"email": "a/b@x.example"}))
    assert server.received[0].startswith(b"GET /gateway/api/v2/accounts/a%2Fb%40x.example HTTP/1.1")


async def test_the_key_is_struck_out_of_answers_and_errors(call: Any) -> None:
    echoed = json.dumps({"message": f"bad key {KEY}"})
    for body in (echoed, f"bad key {KEY}"):
        outcome = await call(*READ, answer(401, body))
        assert KEY not in str(outcome.error)
        assert "bad key [key]" in str(outcome.error)
    assert KEY not in repr((await call(*READ, answer(200, echoed))).reply)


async def test_a_page_of_html_with_status_200_is_an_error(call: Any) -> None:
    outcome = await call(*READ, answer(200, "<!DOCTYPE html><title>Just a moment</title>", "X: y"))
    assert isinstance(outcome.error, ErrorInSuccess)
    assert "proxy" in str(outcome.error)


async def test_an_answer_of_null_or_nothing_is_no_error(call: Any) -> None:
    assert (await call(*READ, answer(200, "null"))).reply.payload is None
    assert (await call(*READ, answer(204, ""))).reply.payload is None


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        ('{"a": NaN, "b": -Infinity, "c": 1e999, "d": 1.5}', {"a": None, "b": None, "c": None, "d": 1.5}),
        ('{"a": "x\\ud800y", "\\uDFFF": ["\\ud83d\\ude00"]}', {"a": "x?y", "?": ["😀"]}),
        ("5", 5),
        ('"text"', "text"),
    ],
)
async def test_odd_values_in_an_answer_become_values_that_can_be_sent_on(call: Any, body: str, payload: Any) -> None:
    assert (await call(*READ, answer(200, body))).reply.payload == payload


@pytest.mark.parametrize(
    "body", ["[" * 100_000 + "]" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"a"'], ids=["deep", "big", "cut"]
)
async def test_json_that_cannot_be_read_is_no_answer(call: Any, body: str) -> None:
    outcome = await call(*CREATE, answer(200, body))
    assert isinstance(outcome.error, NoResponse)
    assert "may have been carried out" in str(outcome.error)


async def test_an_error_whose_body_is_nested_without_end_is_told_all_the_same(call: Any) -> None:
    outcome = await call(*READ, answer(400, "[" * 100_000 + "]" * 100_000))
    assert isinstance(outcome.error, ApiError)
    assert len(str(outcome.error)) < 500


@pytest.mark.parametrize("charset", ["utf-16", "hex", "rot13", "undefined", "idna", "bogus", "unicode_escape"])
async def test_a_strange_charset_does_not_matter_since_json_is_utf_8(call: Any, charset: str) -> None:
    good = answer(200, '{"id": "é"}').replace(b"application/json", f"application/json; charset={charset}".encode())
    assert (await call(*CREATE, good)).reply.payload == {"id": "é"}


async def test_a_byte_order_mark_does_no_harm(call: Any) -> None:
    assert (await call(*CREATE, answer(200, '\ufeff{"id": "1"}'))).reply.payload == {"id": "1"}


@pytest.mark.parametrize("tool", [READ, CREATE], ids=["read", "write"])
async def test_the_words_error_code_in_an_answer_are_no_page_of_the_proxy(call: Any, tool: Any) -> None:
    reply = (await call(*tool, answer(200, '{"subject": "Re: error code 404"}'))).reply
    assert reply.payload == {"subject": "Re: error code 404"}
    outcome = await call(*tool, answer(400, '{"message": "SMTP error code 535: authentication failed"}'))
    assert "SMTP error code 535: authentication failed" in str(outcome.error)


async def test_half_a_character_in_an_error_can_be_sent_on(call: Any) -> None:
    outcome = await call(*READ, answer(400, '{"message": "bad \\ud83d"}'))
    assert "bad ?" in str(outcome.error)
    str(outcome.error).encode()


async def test_the_key_is_struck_out_in_whatever_form_it_comes_back(call: Any) -> None:
    escaped = '{"message": "' + "".join(f"\\u{ord(char):04x}" for char in KEY) + '"}'
    assert (await call(*READ, answer(200, escaped))).reply.payload == {"message": "[key]"}
    assert KEY not in str((await call(*READ, answer(400, escaped))).error)


@pytest.mark.parametrize(
    "shown",
    ["abc/def+ghi/jkl==", "abc%2Fdef%2Bghi%2Fjkl%3D%3D", "abc%2fdef%2bghi%2fjkl%3d%3d", "abc\\/def+ghi\\/jkl=="],
    ids=["plain", "quoted", "quoted in lower case", "escaped slashes"],
)
async def test_a_key_with_slashes_is_struck_out_as_well(catalog: Catalog, shown: str) -> None:
    operation = catalog.operations["get_campaign"]
    for status in (200, 400):
        async with rude(answer(status, f'{{"message": "{shown}"}}')) as server:
            settings = Settings(base_url=f"http://127.0.0.1:{server.port}/", api_key="abc/def+ghi/jkl==")
            async with InstantlyClient(settings) as client:
                try:
                    said = str(await client.send(operation, build_request(operation, READ[1])))
                except ApiError as error:
                    said = str(error)
        assert "[key]" in said
        assert "def" not in said


async def test_a_deletion_that_an_earlier_attempt_did_says_so(call: Any) -> None:
    lead = {"id": "01991f00-0001-7000-8000-000000000001"}
    outcome = await call("delete_lead", lead, RESET, answer(404, '{"message": "Lead not found"}'))
    assert "An earlier attempt" in str(outcome.error)
    assert outcome.error.attempts == 2
    outcome = await call("delete_lead", lead, answer(404, '{"message": "Lead not found"}'))
    assert "An earlier attempt" not in str(outcome.error)
    # A page of whatever stands in front of the API tells nothing of what is there.
    outcome = await call("delete_lead", lead, RESET, answer(404, PAGE))
    assert "probably deleted" not in str(outcome.error) and outcome.error.outcome == "unknown"


class SlowToClose(httpx.AsyncBaseTransport):
    """Answers at once, and is closed when `may_close` is set."""

    def __init__(self, may_close: anyio.Event):
        self._may_close = may_close

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    async def aclose(self) -> None:
        await self._may_close.wait()


async def test_a_connection_may_be_taken_while_one_that_was_idle_is_closed() -> None:
    now, may_close = [0.0], anyio.Event()
    lanes = Lanes(lambda: SlowToClose(may_close), clock=lambda: now[0])
    request = httpx.Request("GET", "http://instantly.example/")

    async def call() -> Any:
        return (await lanes.handle_async_request(request)).stream

    first, second = await call(), await call()
    await first.aclose()
    now[0] = 60.0
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(second.aclose)
            await anyio.wait_all_tasks_blocked()
            third = await call()
            may_close.set()
        await third.aclose()
        await lanes.aclose()
