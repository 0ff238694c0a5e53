"""One connection as a transport: over TLS, used again, opened anew, and with the errors of httpx."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import httpx
import pytest
import trustme

from mcp_instantly.api.single_connection import SingleConnection

from .held import SECONDS

pytestmark = pytest.mark.anyio

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Upstream:
    """Answers every request with "ok" over TLS, as many on each connection as `per_connection` says."""

    def __init__(self) -> None:
        self.authority = trustme.CA()
        self.heads: list[list[bytes]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self.per_connection = 100
        self.answer = ANSWER

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads: list[bytes] = []
        self.heads.append(heads)
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while len(heads) < self.per_connection:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
                await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.URL]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        server = await asyncio.start_server(self._serve, "localhost", 0, ssl=context)
        async with server:
            yield httpx.URL(f"https://localhost:{server.sockets[0].getsockname()[1]}")
            for writer in self._writers:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


@contextlib.asynccontextmanager
async def opened(
    url: httpx.URL, authority: trustme.CA, *, kept_seconds: float = SECONDS
) -> AsyncIterator[SingleConnection]:
    certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(certificates)
    connection = SingleConnection(url, certificates, kept_seconds=kept_seconds)
    try:
        yield connection
    finally:
        await connection.aclose()


async def begin(connection: SingleConnection, url: httpx.URL, **more: object) -> httpx.Response:
    """A response of which only the head has been read."""
    request = httpx.Request("GET", url.join("/one?two=3"), extensions={"timeout": {"connect": SECONDS}, **more})
    return await connection.handle_async_request(request)


async def ask(connection: SingleConnection, url: httpx.URL, **more: object) -> str:
    response = await begin(connection, url, **more)
    return (await response.aread()).decode()


async def test_requests_follow_each_other_on_one_connection_over_tls() -> None:
    upstream = Upstream()
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        assert [await ask(connection, url), await ask(connection, url, target=b"/other?x=y")] == ["ok", "ok"]
    [heads] = upstream.heads
    assert [head.split(b"\r\n")[0] for head in heads] == [b"GET /one?two=3 HTTP/1.1", b"GET /other?x=y HTTP/1.1"]


async def test_a_connection_that_the_server_has_closed_is_opened_anew() -> None:
    upstream = Upstream()
    upstream.per_connection = 1
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        assert await ask(connection, url) == "ok"
        upstream.per_connection = 100
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):
            # The end may be under way still; the request after it finds it in any case.
            await ask(connection, url)
        assert await ask(connection, url) == "ok"
    assert len(upstream.heads) == 2 and len(upstream.heads[0]) == 1


async def test_a_certificate_of_another_authority_is_refused_before_anything_is_sent() -> None:
    upstream = Upstream()
    async with upstream.running() as url, opened(url, trustme.CA()) as connection:
        with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
            await ask(connection, url)
        assert not any(upstream.heads)


async def test_a_connection_is_not_used_again_after_the_time_for_which_it_is_kept() -> None:
    upstream = Upstream()
    async with upstream.running() as url, opened(url, upstream.authority, kept_seconds=0) as connection:
        assert [await ask(connection, url), await ask(connection, url)] == ["ok", "ok"]
    assert [len(heads) for heads in upstream.heads] == [1, 1]


async def test_a_long_response_in_chunks_is_read_whole_however_slowly() -> None:
    upstream = Upstream()
    chunk = b"x" * 50_000
    upstream.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(
        [*[b"%x\r\n%s\r\n" % (len(chunk), chunk)] * 100, b"0\r\n\r\n"]
    )
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        for _ in range(2):
            response = await begin(connection, url)
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                await anyio.lowlevel.checkpoint()
            assert size == 5_000_000
    assert [len(heads) for heads in upstream.heads] == [2]


async def test_a_response_that_is_left_before_its_end_takes_its_connection_with_it() -> None:
    upstream = Upstream()
    upstream.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok"
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        await (await begin(connection, url)).aclose()
        upstream.answer = ANSWER
        assert await ask(connection, url) == "ok"
    assert [len(heads) for heads in upstream.heads] == [1, 1]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok", httpx.RemoteProtocolError),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", httpx.RemoteProtocolError),
        (b"no head at all\r\n\r\n", httpx.RemoteProtocolError),
        (b"HTTP/1.1 200 OK\r\nx: %s" % (b"y" * 200_000), httpx.RemoteProtocolError),
    ],
)
async def test_a_response_that_is_none_is_told_as_httpx_does(answer: bytes, kind: type[Exception]) -> None:
    upstream = Upstream()
    upstream.per_connection, upstream.answer = 1, answer
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        with anyio.fail_after(SECONDS), pytest.raises(kind):
            await ask(connection, url)


async def test_what_comes_before_the_head_of_the_response_is_passed_over() -> None:
    upstream = Upstream()
    upstream.answer = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" + ANSWER
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        assert await ask(connection, url) == "ok"


async def test_a_host_that_has_no_address_is_a_failure_to_connect() -> None:
    for name in ("there-is-no-such-host.invalid", f"{'a' * 70}.invalid"):
        url = httpx.URL(f"https://{name}")
        async with opened(url, trustme.CA()) as connection:
            with pytest.raises(httpx.ConnectError):
                await ask(connection, url)


async def test_a_request_that_is_given_up_takes_its_connection_with_it() -> None:
    upstream = Upstream()
    upstream.answer = b"HTTP/1.1 200 OK\r\n"
    async with upstream.running() as url, opened(url, upstream.authority) as connection:
        with anyio.move_on_after(SECONDS):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, connection, url)
                while not any(upstream.heads):
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        upstream.answer = ANSWER
        assert await ask(connection, url) == "ok"
    assert [len(heads) for heads in upstream.heads] == [1, 1]


async def test_a_connection_that_was_closed_while_nobody_looked_is_not_used() -> None:
    """The end of it has come, and the event loop has had no turn since to hear of it."""
    closed = threading.Event()

    def serve() -> None:
        first, _ = listener.accept()
        first.recv(65_536)
        first.sendall(ANSWER)
        answered.wait(SECONDS)
        first.close()
        closed.set()
        second, _ = listener.accept()
        with second:
            second.recv(65_536)
            second.sendall(ANSWER)

    answered = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        url = httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with opened(url, trustme.CA()) as connection:
            assert await ask(connection, url) == "ok"
            answered.set()
            assert closed.wait(SECONDS)
            assert await ask(connection, url) == "ok"
        serving.join(SECONDS)


@pytest.mark.parametrize("size", [200_000, 3_000_000])
async def test_no_request_waits_behind_one_that_was_refused_before_it_was_read(size: int) -> None:
    """The buffers of the system take the smaller one, so that it looks as if it were gone."""

    def serve() -> None:
        first, _ = listener.accept()
        with first:
            first.recv(1000)
            first.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            second, _ = listener.accept()
        with second:
            second.recv(65_536)
            second.sendall(ANSWER)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        url = httpx.URL(f"http://127.0.0.1:{listener.getsockname()[1]}")
        async with opened(url, trustme.CA()) as connection:
            with anyio.fail_after(SECONDS):
                refused = await connection.handle_async_request(httpx.Request("POST", url, content=b"x" * size))
                assert (refused.status_code, await refused.aread()) == (413, b"")
                assert await ask(connection, url) == "ok"
        serving.join(SECONDS)
