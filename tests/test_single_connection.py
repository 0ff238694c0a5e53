"""One connection as a transport: over TLS, used again, opened anew, and with the errors of httpx."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

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
        self.per_connection = 100

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads: list[bytes] = []
        self.heads.append(heads)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while len(heads) < self.per_connection:
                heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(ANSWER)
                await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[httpx.URL]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert("localhost").configure_cert(context)
        server = await asyncio.start_server(self._serve, "localhost", 0, ssl=context)
        async with server:
            yield httpx.URL(f"https://localhost:{server.sockets[0].getsockname()[1]}")


@contextlib.asynccontextmanager
async def opened(url: httpx.URL, authority: trustme.CA) -> AsyncIterator[SingleConnection]:
    certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(certificates)
    connection = SingleConnection(url, certificates, kept_seconds=SECONDS)
    try:
        yield connection
    finally:
        await connection.aclose()


async def ask(connection: SingleConnection, url: httpx.URL, **more: object) -> str:
    request = httpx.Request("GET", url.join("/one?two=3"), extensions={"timeout": {"connect": SECONDS}, **more})
    response = await connection.handle_async_request(request)
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
