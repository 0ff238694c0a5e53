"""Streamable HTTP as clients, browsers and networks use and misuse it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.abc import SocketStream
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.service import web
from mcp_instantly.service.web import build_app
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.transports import bounds, connection, port
from mcp_instantly.transports.access import Access
from mcp_instantly.transports.port import running_app

from .conftest import clean_environment, served, served_by
from .frames import META, call, modern, request
from .held import SECONDS, held
from .processes import run, start

pytestmark = pytest.mark.anyio

HTTP = ("serve", "--transport", "http")
ACCEPT = {"Accept": "application/json, text/event-stream"}
PING = request(1, "ping")
TOKEN = "0123456789abcdef-of-alice"
KEY = "key-of-the-test-0123"


def headers_of(frame: dict[str, Any]) -> dict[str, str]:
    """What the revision of 2026 wants in headers too."""
    if "_meta" not in frame["params"]:
        return ACCEPT
    version = META["io.modelcontextprotocol/protocolVersion"]
    named = {"Mcp-Name": frame["params"]["name"]} if "name" in frame["params"] else {}
    return ACCEPT | {"MCP-Protocol-Version": version, "Mcp-Method": frame["method"]} | named


def answer_of(response: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC answer, whether it came as JSON or as an event."""
    text = response.text
    return json.loads(text.split("data: ", 1)[1] if text.startswith("event:") else text)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        yield client


def failed(*arguments: str, **environment: str) -> str:
    """The one line on stderr with which a start ends."""
    done = run(*arguments, environment=clean_environment(**environment))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    return done.stderr


# Who may call


PAGE = {"Origin": "https://app.example.com"}


def asked_beforehand(http: httpx.Client, url: str, origin: str, method: str = "POST", **more: str) -> httpx.Response:
    """What a browser asks before a script of a page may call."""
    headers = "authorization,content-type,mcp-method,mcp-protocol-version,x-instantly-api-key,x-mcp-toolsets"
    wants = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return http.request("OPTIONS", url, headers={"Origin": origin, **wants, **more})


def test_a_page_of_an_allowed_origin_may_ask_call_and_read(http: httpx.Client) -> None:
    page, tokens = PAGE["Origin"], {"INSTANTLY_AUTH_TOKENS": f"alice={TOKEN}"}
    with served(*HTTP, "--sandbox", "--allowed-origin", page, **tokens) as (_, url):
        for method in ("POST", "GET", "DELETE"):
            asked = asked_beforehand(http, url, page, method, **{"Access-Control-Request-Private-Network": "true"})
            assert asked.is_success and asked.headers["Access-Control-Allow-Origin"] == page
            assert method in asked.headers["Access-Control-Allow-Methods"]
            allowed = asked.headers["Access-Control-Allow-Headers"]
            assert all(name in allowed for name in ("authorization", "x-instantly-api-key", "mcp-method"))
            assert "Origin" in asked.headers["Vary"] and "Access-Control-Allow-Credentials" not in asked.headers
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        answers = (
            (200, http.post(url, json=PING, headers=ACCEPT | PAGE | bearer)),
            (401, http.post(url, json=PING, headers=ACCEPT | PAGE)),
            (405, http.get(url, headers=ACCEPT | PAGE | bearer)),
            (400, http.post(url, content=b"nonsense", headers=ACCEPT | PAGE | bearer)),
            (400, http.post(url, json=PING, headers=ACCEPT | PAGE | bearer | {"x-mcp-readonly": "perhaps"})),
            (413, http.post(url, content=b"x" * (4 * 1024 * 1024 + 1), headers=ACCEPT | PAGE | bearer)),
        )
        for status, answer in answers:
            assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (status, page)
            assert "Origin" in answer.headers["Vary"]
            shown = answer.headers["Access-Control-Expose-Headers"]
            assert all(name in shown for name in ("WWW-Authenticate", "Retry-After", "Mcp-Session-Id"))


def test_a_page_of_any_other_origin_may_neither_ask_nor_read(http: httpx.Client) -> None:
    for named in ((), ("--allowed-origin", PAGE["Origin"])):
        with served(*HTTP, "--sandbox", *named) as (_, url):
            others = ["https://evil.example", "null", "http://localhost:3000", *([] if named else [PAGE["Origin"]])]
            for origin in others:
                asked = asked_beforehand(http, url, origin)
                answer = http.post(url, json=PING, headers=ACCEPT | {"Origin": origin})
                assert not asked.is_success
                for response in (asked, answer):
                    assert "Access-Control-Allow-Origin" not in response.headers
            if named:
                assert asked_beforehand(http, url, PAGE["Origin"], Host="evil.example").status_code == 421


@pytest.mark.parametrize("arguments", [("--host", "127.0.0.1"), ("--host", "0.0.0.0", "--no-auth")], ids=["own", "all"])
def test_host_and_origin_are_checked_on_every_address(http: httpx.Client, arguments: tuple[str, ...]) -> None:
    extra = ("--allowed-host", "mcp.example.com", "--allowed-origin", "https://app.example.com")
    with served(*HTTP, "--sandbox", *arguments, *extra) as (_, url):
        url = url.replace("0.0.0.0", "127.0.0.1")

        def status(**headers: str) -> int:
            return http.post(url, json=PING, headers=ACCEPT | headers).status_code

        for host in ("localhost", "127.0.0.1", "[::1]", "localhost:1", "mcp.example.com", "mcp.example.com:8443"):
            assert status(Host=host) == 200, host
        for host in ("evil.example", "evil.example:8000", "localhost.evil.example"):
            assert status(Host=host) == 421, host
        for origin in ("http://localhost", "http://127.0.0.1:6274", "https://app.example.com"):
            assert status(Origin=origin) == 200, origin
        for origin in ("null", "https://evil.example", "http://app.example.com", "http://localhost:80@evil.example"):
            assert status(Origin=origin) == 403, origin
        assert status(Host="evil.example", Origin="https://evil.example") == 421
        with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port), timeout=SECONDS) as stream:
            stream.sendall(
                b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nContent-Length: 2\r\n\r\n{}"
            )
            assert stream.recv(1000).startswith(b"HTTP/1.1 400 ")
        refused = http.post(url, json=PING, headers=ACCEPT | {"Host": "evil.example"}).json()
        assert "--allowed-host" in refused["error"]["message"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "0"])
def test_beyond_loopback_the_server_does_not_start_without_tokens(host: str) -> None:
    message = failed(*HTTP, "--sandbox", "--port", "0", "--host", host)
    assert "--auth-token FILE" in message and "--no-auth" in message


@pytest.mark.parametrize("host", ["", " "])
def test_an_empty_host_is_refused(host: str) -> None:
    assert "--host is empty" in failed(*HTTP, "--sandbox", "--port", "0", "--host", host)


def test_a_token_on_the_command_line_is_refused_and_not_repeated() -> None:
    assert TOKEN not in failed(*HTTP, "--sandbox", "--auth-token", f"alice={TOKEN}")


@pytest.mark.parametrize("by", ["file", "variable"])
async def test_only_callers_with_a_token_are_served_and_the_log_names_them(by: str, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"alice={TOKEN}\nbob={TOKEN[::-1]}\n")
    given = {"INSTANTLY_AUTH_TOKENS_FILE": str(file)}
    if by == "variable":
        given = {"INSTANTLY_AUTH_TOKENS": file.read_text()}
    with served(*HTTP, "--sandbox", "--host", "0.0.0.0", **given) as (process, url), anyio.fail_after(60):
        url = url.replace("0.0.0.0", "127.0.0.1")
        async with httpx.AsyncClient(trust_env=False) as http:
            for header, challenge in (
                ({}, 'Bearer realm="instantly"'),
                ({"Authorization": "Bearer wrong"}, 'Bearer realm="instantly", error="invalid_token"'),
            ):
                response = await http.post(url, json=PING, headers=ACCEPT | header)
                assert response.status_code == 401
                assert response.headers["WWW-Authenticate"] == challenge
            for frame, token in ((call(1, "get_workspace"), TOKEN), (modern(call(2, "get_workspace")), TOKEN[::-1])):
                response = await http.post(
                    url, json=frame, headers=headers_of(frame) | {"Authorization": f"Bearer {token}"}
                )
                assert answer_of(response)["result"]["isError"] is False
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    events = [json.loads(line) for line in err.splitlines()]
    calls = [(event["caller"], event["client_name"]) for event in events if event["event"] == "tool_call"]
    assert calls == [("alice", f"python-httpx/{httpx.__version__}"), ("bob", "raw")]
    assert TOKEN not in err and TOKEN[::-1] not in err


async def test_a_client_of_the_sdk_is_told_apart_by_its_token_too() -> None:
    from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

    with served(*HTTP, "--sandbox", INSTANTLY_AUTH_TOKENS=f"alice={TOKEN}") as (_, url), anyio.fail_after(60):
        for mode in ("auto", "legacy"):
            async with (
                create_mcp_http_client(headers={"Authorization": f"Bearer {TOKEN}"}) as http,
                Client(streamable_http_client(url, http_client=http), mode=mode) as client,
            ):
                assert not (await client.call_tool("get_workspace", {})).is_error


# The end


def post_in_background(tasks: Any, url: str, frame: dict[str, Any], answers: list[httpx.Response]) -> None:
    async def post() -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
            answers.append(await http.post(url, json=frame, headers=headers_of(frame)))

    tasks.start_soon(post)


def stop(process: subprocess.Popen[str], number: signal.Signals = signal.SIGTERM) -> None:
    """Send a signal, and wait until it has been heard."""
    process.send_signal(number)
    while '"stopping"' not in (line := process.stderr.readline()):
        assert line, "the server ended without a word"


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGINT, 130)])
@pytest.mark.parametrize("revision", ["2025", "2026"])
async def test_a_signal_lets_calls_of_each_revision_end_and_takes_no_more(
    revision: str, number: signal.Signals, status: int
) -> None:
    frame = call(1, "create_lead_list", name="A")
    frame = modern(frame) if revision == "2026" else frame
    answers: list[httpx.Response] = []
    with (
        anyio.fail_after(60),
        held() as upstream,
        served(*HTTP, "--server", upstream.url, INSTANTLY_API_KEY=KEY) as (process, url),
    ):
        async with anyio.create_task_group() as tasks:
            post_in_background(tasks, url, frame, answers)
            await anyio.to_thread.run_sync(upstream.wait)
            stop(process, number)
            async with httpx.AsyncClient(trust_env=False) as http:
                refused = await http.post(url, json=frame, headers=headers_of(frame))
            assert (await anyio.to_thread.run_sync(said_to, url, b"x" * 4_000_000))[0] == 503
            upstream.release.set()
        _, err = process.communicate(timeout=SECONDS)
    assert refused.status_code == 503
    assert "nothing was sent" in refused.json()["error"]["message"]
    assert answer_of(answers[0])["result"]["isError"] is False
    assert upstream.answered == ["POST /api/v2/lead-lists"]
    assert process.returncode == status
    assert "Traceback" not in err


@pytest.mark.parametrize("second", ["grace", "signal"])
@pytest.mark.parametrize("revision", ["2025", "2026"])
async def test_a_call_that_is_cut_off_is_told_that_it_may_have_been_carried_out(revision: str, second: str) -> None:
    frame = call(1, "create_lead_list", name="A")
    frame = modern(frame) if revision == "2026" else frame
    answers: list[httpx.Response] = []
    grace = "0.05" if second == "grace" else "60"
    with (
        anyio.fail_after(60),
        held() as upstream,
        served(*HTTP, "--server", upstream.url, "--grace", grace, INSTANTLY_API_KEY=KEY) as (process, url),
    ):
        async with anyio.create_task_group() as tasks:
            post_in_background(tasks, url, frame, answers)
            await anyio.to_thread.run_sync(upstream.wait)
            stop(process)
            if second == "signal":
                process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    answer = answer_of(answers[0])
    assert answer["id"] == 1
    assert "may have been carried out" in answer["error"]["message"]
    assert process.returncode == 0
    assert '"outcome": "cancelled"' in err and "Traceback" not in err


def said_to(url: str, body: bytes) -> tuple[int, Any]:
    """The answer to a client that writes all before it reads: a connection that is closed meanwhile is lost with it."""
    parts = httpx.URL(url)
    with contextlib.closing(HTTPConnection(parts.host, parts.port, timeout=SECONDS)) as client:
        client.request("POST", parts.path, body, ACCEPT)
        response = client.getresponse()
        return response.status, json.loads(response.read())


async def test_an_idle_connection_does_not_keep_the_server() -> None:
    with served(*HTTP, "--sandbox") as (process, url):
        parts = httpx.URL(url)
        with socket.create_connection((parts.host, parts.port)) as idle:
            idle.sendall(b"POST /mcp HTTP/1.1\r\nHost: loc")
            stop(process)
            assert process.wait(timeout=SECONDS) == 0


# What networks do


@contextlib.asynccontextmanager
async def running(catalog: Catalog, world: World, settings: Settings) -> Any:
    """The server on a port of this process."""
    transport = httpx.ASGITransport(create_app(world))
    async with InstantlyClient(settings, transport=transport) as client:
        app = build_app(build_server, Invoker(select(catalog), client, settings), Access())
        async with running_app(app) as url:
            yield url


async def connect_to(url: str) -> SocketStream:
    parts = httpx.URL(url)
    return await anyio.connect_tcp(parts.host, parts.port)


HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"


@pytest.fixture(params=["httptools", "h11"])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two that read requests, in turn."""
    if request.param == "h11":
        monkeypatch.setattr(port, "connection_type", lambda: connection.Connection)
    else:
        assert connection.connection_type() is not connection.Connection
    return str(request.param)


@pytest.mark.parametrize("sent", [b"", b"POST /mcp HTTP/1.1\r\nHost: loc"])
async def test_a_connection_that_sends_no_request_is_closed(
    reader: str, catalog: Catalog, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(bounds, "OPENING_SECONDS", 0.05)
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            if sent:
                await stream.send(sent)
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()


async def test_a_connection_that_begins_a_second_request_and_stops_is_closed(
    reader: str, catalog: Catalog, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "OPENING_SECONDS", 0.05)
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            await stream.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 405")
            await stream.send(b"GET /mcp HT")
            with pytest.raises(anyio.EndOfStream):
                while True:
                    await stream.receive()


async def test_a_body_that_does_not_come_is_not_waited_for(
    reader: str, catalog: Catalog, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "BODY_SECONDS", 0.05)
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            await stream.send(HEAD + b'{"jsonrpc"')
            assert (await stream.receive()).startswith(b"HTTP/1.1 408")


async def test_one_connection_too_many_is_closed_and_the_others_are_served(
    reader: str, catalog: Catalog, world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "_most_connections", lambda: 2)
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, httpx.AsyncClient(trust_env=False) as http:
            assert (await http.post(f"{url}/mcp", json=PING, headers=ACCEPT)).status_code == 200
            async with await connect_to(url), await connect_to(url) as surplus:
                with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                    await surplus.receive()
                assert (await http.post(f"{url}/mcp", json=PING, headers=ACCEPT)).status_code == 200


CHUNKED = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"GET /", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"X-More: 0123456789\r\n" * 500),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ", b"x" * 10_000),
        (CHUNKED + b"1;", b"x" * 10_000),
        (CHUNKED + b"0\r\n", b"X-Trailer: 0123456789\r\n" * 500),
    ],
    ids=["target", "headers", "value", "extension", "trailers"],
)
async def test_a_request_whose_head_has_no_end_is_broken_off(
    reader: str, catalog: Catalog, world: World, settings: Settings, begin: bytes, more: bytes
) -> None:
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            sent = 0
            with contextlib.suppress(anyio.BrokenResourceError, anyio.EndOfStream):
                await stream.send(begin)
                while sent < 50_000_000:
                    await stream.send(more)
                    sent += len(more)
            assert sent < 50_000_000


async def test_a_trailer_is_not_taken_for_a_header(
    reader: str, catalog: Catalog, world: World, settings: Settings
) -> None:
    body = json.dumps(PING).encode()
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: application/json\r\nAccept: */*\r\n\r\n")
    chunk = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\nX-MCP-Toolsets: nonsense\r\n\r\n"
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            await stream.send(head + chunk)
            assert (await stream.receive()).startswith(b"HTTP/1.1 200")


OFFERS = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    "websocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
    "TLS": b"Upgrade: TLS/1.2\r\nUpgrade: HTTP/3\r\nConnection: upgrade\r\n",
    "nothing": b"Upgrade: h2c\r\n",
}


def posted(body: bytes, more: bytes = b"", *, chunked: bool = False) -> tuple[bytes, bytes]:
    """The head and body of a POST with these header lines."""
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    lines = b"Host: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    head = b"POST /mcp HTTP/1.1\r\n" + lines + more + length + b"\r\n\r\n"
    return head, b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body


async def received(stream: SocketStream) -> bytes:
    """All that comes until the connection is closed."""
    found = b""
    with contextlib.suppress(anyio.EndOfStream):
        while True:
            found += await stream.receive()
    return found


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_a_request_that_offers_another_protocol_is_served_like_any_other(
    reader: str, catalog: Catalog, world: World, settings: Settings, offer: bytes, chunked: bool
) -> None:
    messages = [json.dumps(request(number, "ping")).encode() for number in (1, 2, 3)]
    first, second, last = (
        posted(messages[0], offer, chunked=chunked),
        posted(messages[1], offer, chunked=chunked),
        posted(messages[2], b"Connection: close\r\n"),
    )
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url:
            async with await connect_to(url) as stream:
                await stream.send(b"".join([*first, *second, *last]))
                together = await received(stream)
            async with await connect_to(url) as stream:
                for piece in (*first, second[0][:90], second[0][90:], second[1][:5], second[1][5:], *last):
                    await stream.send(piece)
                    await anyio.wait_all_tasks_blocked()
                apart = await received(stream)
    for found in (together, apart):
        assert found.count(b"HTTP/1.1 200 OK") == found.count(b"HTTP/1.1 ") == 3
        assert all(b'"id":%d' % number in found for number in (1, 2, 3))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
async def test_the_body_of_a_request_is_never_taken_for_another_request(
    reader: str, catalog: Catalog, world: World, settings: Settings, offer: bytes, together: bool
) -> None:
    hidden = b"".join(posted(json.dumps(call(66, "create_lead_list", name="Hidden")).encode()))
    head, body = posted(hidden, offer)
    last = b"".join(posted(json.dumps(PING).encode(), b"Connection: close\r\n"))
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            for piece in [head + body, last] if together else [head, body, last]:
                await stream.send(piece)
                await anyio.wait_all_tasks_blocked()
            found = await received(stream)
    assert found.startswith(b"HTTP/1.1 400") and found.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200" in found
    assert not world.requests


async def test_nothing_is_read_after_a_request_for_a_tunnel(catalog: Catalog, world: World, settings: Settings) -> None:
    hidden = b"".join(posted(json.dumps(call(66, "create_lead_list", name="Hidden")).encode()))
    with anyio.fail_after(SECONDS):
        async with running(catalog, world, settings) as url, await connect_to(url) as stream:
            await stream.send(b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost\r\n\r\n" + hidden)
            found = await received(stream)
    assert found.startswith(b"HTTP/1.1 400") and found.count(b"HTTP/1.1 ") == 1


def test_a_flood_of_connections_fills_neither_the_log_nor_the_server_for_good(http: httpx.Client) -> None:
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    process = start(
        *(*HTTP, "--sandbox", "--port", "0"),
        environment=clean_environment(),
        preexec_fn=few_descriptors,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with served_by(process) as url:
        parts = httpx.URL(url)
        with contextlib.ExitStack() as flood:
            for _ in range(120):
                flood.enter_context(socket.create_connection((parts.host, parts.port), timeout=SECONDS))
        assert served_again(http, url).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    assert len(err.splitlines()) < 10


def served_again(http: httpx.Client, url: str) -> httpx.Response:
    """The first answer after a flood. Until the server has noticed that its connections are gone, a new one may be one
    too many, and is closed: it counts as not served, and the next try opens another."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return http.post(url, json=PING, headers=ACCEPT)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError, httpx.ConnectError):
            assert time.monotonic() < deadline, "the server does not recover from the flood"


def test_a_client_that_breaks_off_in_its_body_leaves_no_traceback(http: httpx.Client) -> None:
    with served(*HTTP, "--sandbox") as (process, url):
        parts = httpx.URL(url)
        for _ in range(5):
            with socket.create_connection((parts.host, parts.port)) as stream:
                stream.sendall(HEAD + b'{"jsonrpc": "2.0"')
        assert http.post(url, json=PING, headers=ACCEPT).status_code == 200
        stop(process)
        _, err = process.communicate(timeout=SECONDS)
    assert "Traceback" not in err and "error" not in err


@pytest.mark.parametrize("anyio_backend", [("asyncio", {"use_uvloop": True})], ids=["uvloop"])
async def test_what_is_written_to_a_connection_that_is_gone_is_passed_over() -> None:
    """A client that has sent two requests may go before the first is answered; the second then finds it gone."""
    pytest.importorskip("uvloop")
    gone = anyio.Event()

    class Served(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            made.append(transport)
            transport.abort()

        def connection_lost(self, _: Exception | None) -> None:
            gone.set()

    made: list[asyncio.Transport] = []
    async with await asyncio.get_running_loop().create_server(Served, "127.0.0.1", 0) as server:
        host, number = server.sockets[0].getsockname()
        async with await anyio.connect_tcp(host, number):
            with anyio.fail_after(SECONDS):
                await gone.wait()
    joining = bounds._Joining(made[0])
    joining.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await anyio.lowlevel.checkpoint()
    joining.write(b"more")
    joining.close()


@pytest.mark.parametrize("more", [{}, {"Last-Event-ID": "1"}, {"MCP-Protocol-Version": "2025-06-18"}])
def test_there_is_no_stream_to_listen_to(http: httpx.Client, more: dict[str, str]) -> None:
    with served(*HTTP, "--sandbox") as (_, url):
        for method in ("GET", "DELETE", "PUT", "OPTIONS"):
            response = http.request(method, url, headers=ACCEPT | more)
            assert (response.status_code, response.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("revision", ["2025", "2026"])
def test_half_a_character_is_told_under_the_right_id(http: httpx.Client, revision: str) -> None:
    frame = call(5, "update_lead", id="01991f00-0001-7000-8000-000000000001", first_name="Ann \ud83d")
    frame = modern(frame) if revision == "2026" else frame
    last = {name: frame[name] for name in ("method", "params", "jsonrpc", "id")}
    whole = call(6, "verify_email", email="ann\U0001f600@example.com")
    json_type = {"Content-Type": "application/json"}
    with served(*HTTP, "--sandbox") as (_, url):
        response = http.post(url, content=json.dumps(last), headers=headers_of(frame) | json_type)
        assert response.status_code == 400
        assert response.json()["id"] == 5
        assert "surrogate" in response.json()["error"]["message"]
        assert http.post(url, content=json.dumps(whole), headers=ACCEPT | json_type).status_code == 200


NAMED = '{"jsonrpc":"2.0","id":%s,"method":"tools/list"}'


@pytest.mark.parametrize("revision", [None, "2025-06-18", "2026-07-28"])
def test_what_is_not_a_message_is_told_so_under_its_id(http: httpx.Client, revision: str | None) -> None:
    wrong: list[tuple[str, str | int | None, int, str]] = [
        *((NAMED % identity, None, -32600, "see id") for identity in ("null", "1.5", "true", "[]", "{}", "9.0")),
        ('{"jsonrpc":"2.0","id":4,"method":5}', 4, -32600, "see method"),
        ('{"id":"a","method":"ping"}', "a", -32600, "see jsonrpc"),
        ('{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}', 7, -32600, "see params"),
        (f"[{NAMED % 1}]", None, -32600, "batches"),
        ("nonsense", None, -32700, "JSON"),
        ('{"jsonrpc":"2.0","id":8,"method":"ping"', 8, -32700, "JSON"),
        (f'{{"jsonrpc":"2.0","id":9,"method":"ping","params":{{"a":{"9" * 5_000}}}}}', 9, -32700, "too many digits"),
        ("", None, -32700, "empty"),
        (
            '{"jsonrpc":"2.0","id":10,"method":"ping","params":{"a":"\t"}}',
            10,
            -32700,
            "a control character that is not",
        ),
        (
            '{"jsonrpc":"2.0","id":11,"method":"ping","params":{"a":"\\ud83d\\ude00"}',
            11,
            -32700,
            "cannot be read as JSON",
        ),
    ]
    json_type = {"Content-Type": "application/json"} | ({"MCP-Protocol-Version": revision} if revision else {})
    with served(*HTTP, "--sandbox", "--metrics") as (_, url):
        for body, identity, code, said in wrong:
            response = http.post(url, content=body, headers=ACCEPT | json_type)
            answer = response.json()
            assert (response.status_code, answer["id"], answer["error"]["code"]) == (400, identity, code), body
            assert said in answer["error"]["message"] and "\n" not in answer["error"]["message"]
        figures = http.get(url.replace("/mcp", "/metrics")).text
    assert f'mcp_instantly_refused_requests_total{{status="400"}} {len(wrong)}.0' in figures


def test_a_message_may_begin_with_a_byte_order_mark_and_a_notification_is_taken(http: httpx.Client) -> None:
    json_type = {"Content-Type": "application/json"}
    with served(*HTTP, "--sandbox") as (_, url):
        response = http.post(url, content=b"\xef\xbb\xbf" + json.dumps(PING).encode(), headers=ACCEPT | json_type)
        assert (response.status_code, answer_of(response)["id"]) == (200, 1)
        told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        assert http.post(url, json=told, headers=ACCEPT).status_code == 202


def test_a_message_that_is_too_long_is_refused(http: httpx.Client) -> None:
    with served(*HTTP, "--sandbox") as (_, url):
        for size in (4 * 1024 * 1024 + 1, 9_000_000):
            status, answer = said_to(url, b"x" * size)
            assert (status, answer["error"]["message"]) == (
                413,
                "The message is longer than 4,194,304 bytes; nothing was done.",
            )
        assert http.post(url, json=PING, headers=ACCEPT).status_code == 200
