"""The client on a real loopback port: what is repeated, what never is, and where the key goes.

The server here is scripted byte by byte, since no framework can be made to reset a connection or cut an answer.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import anyio.abc
import pytest

from mcp_instantly.catalog import Catalog
from mcp_instantly.client import InstantlyClient
from mcp_instantly.errors import ApiError, FailedInside, InstantlyError, NoAnswer, RateLimited, ServerError, Unreachable
from mcp_instantly.request import build_request
from mcp_instantly.settings import Settings

pytestmark = pytest.mark.anyio

KEY = "a-very-secret-key-0123456789"
CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"

RESET = b"reset"
"""Stands for a connection that is reset after the request was read."""


def answer(status: int, body: str = "{}", *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", *headers]
    lines += [f"Content-Length: {len(body.encode()) if length is None else length}", "Connection: close", "", body]
    return "\r\n".join(lines).encode()


class Rude:
    """A server that answers each request with the next of its lines, and keeps what it was sent."""

    def __init__(self, *answers: bytes):
        self.answers = list(answers)
        self.received: list[bytes] = []
        self.port = 0

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
                await stream.send(reply)


@contextlib.asynccontextmanager
async def rude(*answers: bytes) -> AsyncIterator[Rude]:
    server = Rude(*answers)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    server.port = listener.extra(anyio.abc.SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, server.handle)
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
SAFE_WRITE = ("pause_campaign", {"id": CAMPAIGN})
CUT = answer(200, '{"id": "1', length=500)

BROKEN = pytest.mark.parametrize(
    ("broken", "kind"),
    [(answer(502), ServerError), (answer(500), ServerError), (RESET, NoAnswer), (CUT, NoAnswer), (b"", NoAnswer)],
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
    outcome = await call(*READ, answer(429), answer(429), answer(200))
    first, second = outcome.waits
    assert 0.5 <= first <= 1.0
    assert 1.0 <= second <= 1.5


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


async def test_a_silent_server_runs_into_the_time_limit(catalog: Catalog) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        settings = Settings(base_url=f"http://127.0.0.1:{silent.getsockname()[1]}/", api_key=KEY, read_timeout=0.05)
        operation = catalog.operations["create_lead_list"]
        async with InstantlyClient(settings) as client:
            with pytest.raises(NoAnswer, match="took too long"):
                await client.send(operation, build_request(operation, {"name": "A"}))


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
    outcome = await call(*READ, answer(401, echoed))
    assert KEY not in str(outcome.error)
    assert "bad key [key]" in str(outcome.error)
    assert KEY not in repr((await call(*READ, answer(200, echoed))).reply)


async def test_a_page_of_html_with_status_200_is_an_error(call: Any) -> None:
    outcome = await call(*READ, answer(200, "<!DOCTYPE html><title>Just a moment</title>", "X: y"))
    assert isinstance(outcome.error, FailedInside)
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
    assert isinstance(outcome.error, NoAnswer)
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


async def test_a_deletion_that_an_earlier_attempt_did_says_so(call: Any) -> None:
    lead = {"id": "01991f00-0001-7000-8000-000000000001"}
    outcome = await call("delete_lead", lead, RESET, answer(404, '{"message": "Lead not found"}'))
    assert "An earlier attempt" in str(outcome.error)
    assert outcome.error.attempts == 2
    outcome = await call("delete_lead", lead, answer(404, '{"message": "Lead not found"}'))
    assert "An earlier attempt" not in str(outcome.error)
