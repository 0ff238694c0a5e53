"""One connection to one origin as a transport: what httpx's own has beside it, a pool and locks, costs as much."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import anyio
import h11
import httpx

MAX_HEAD_BYTES = 100 * 1024
"""Of the head of a response."""

MAX_UNREAD_BYTES = 256 * 1024
"""Of a response that are taken in before somebody reads them."""

MAX_READ_AT_ONCE_BYTES = 64 * 1024
"""A longer request may be refused before it was read to its end."""

NEXT_ADDRESS_SECONDS = 0.25
"""After which another address of the host is tried beside the one that does not answer (RFC 8305, section 5)."""


class SingleConnection(httpx.AsyncBaseTransport):
    """Sends one request after another to the origin of `url`, on one connection, which it opens anew when need be.

    An idle connection is kept for `kept_seconds`. A request may carry its path and query as the extension `target`.
    Raises the exceptions of httpx. Runs on asyncio.
    """

    def __init__(self, url: httpx.URL, certificates: ssl.SSLContext, *, kept_seconds: float):
        self._host = url.raw_host
        self._certificates = certificates if url.scheme == "https" else None
        self._port = url.port or (80 if self._certificates is None else 443)
        self._kept_seconds = kept_seconds
        self._wire: _Wire | None = None
        self._kept_until = 0.0
        if self._certificates is not None:
            self._certificates.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        wire = await self._ready(request.extensions.get("timeout", {}).get("connect"))
        try:
            response = await wire.exchange(request)
        except BaseException:
            wire.abort()
            raise
        return httpx.Response(
            response.status_code, headers=response.headers.raw_items(), stream=_Body(wire, self._keep)
        )

    async def _ready(self, seconds: float | None) -> _Wire:
        """The connection of the last request, where another may follow on it, or else a new one."""
        kept = self._wire
        if kept is not None:
            if kept.is_idle() and time.monotonic() < self._kept_until:
                return kept
            kept.abort()
        self._wire = None
        try:
            with anyio.fail_after(seconds):
                self._wire = await self._open()
        except TimeoutError:
            raise httpx.ConnectTimeout("") from None
        except (OSError, RuntimeError) as error:
            # uvloop has the second for some of the first.
            raise httpx.ConnectError(_reason(error)) from error
        return self._wire

    async def _open(self) -> _Wire:
        from aiohappyeyeballs import start_connection

        sock = await start_connection(
            await _addresses(self._host, self._port), happy_eyeballs_delay=NEXT_ADDRESS_SECONDS
        )
        name = self._host.decode("ascii") if self._certificates is not None else None
        _, wire = await asyncio.get_running_loop().create_connection(
            _Wire, sock=sock, ssl=self._certificates, server_hostname=name
        )
        return wire

    def _keep(self) -> None:
        self._kept_until = time.monotonic() + self._kept_seconds

    async def aclose(self) -> None:
        if self._wire is not None:
            self._wire.abort()


def _reason(error: OSError | RuntimeError) -> str:
    """What the system calls the error, without the address; of names and certificates, what their libraries say."""
    named = isinstance(error, OSError) and not isinstance(error, (socket.gaierror, ssl.SSLError)) and error.errno
    return os.strerror(named) if named else str(error)


async def _addresses(host: bytes, port: int) -> list[Any]:
    try:
        # Nobody need be asked what a number means, and no thread to wait for that.
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        return await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)


class _Wire(asyncio.Protocol):
    """An open connection, whose bytes h11 reads as they come."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._transport: asyncio.Transport
        self._more: asyncio.Future[None] | None = None
        self._unread = 0
        self._paused = False
        self._broken: Exception | None = None
        self._is_in_the_way = False
        self._raw: list[tuple[bytes, bytes]] = []
        self._headers: Any = []

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._unread += len(data)
        if self._unread > MAX_UNREAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        self._http.receive_data(b"")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._broken = exc
        self._http.receive_data(b"")
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    # What requests call

    async def exchange(self, request: httpx.Request) -> h11.Response:
        """Send a request, and wait for the head of its response."""
        assert isinstance(request.stream, httpx.AsyncByteStream)
        target = request.extensions.get("target") or request.url.raw_path
        try:
            head = h11.Request(method=request.method, target=target, headers=self._checked(request.headers.raw))
            self._headers = head.headers
            parts = [self._http.send(head)]
            async for chunk in request.stream:
                parts.append(self._http.send(h11.Data(data=chunk)))
            parts.append(self._http.send(h11.EndOfMessage()))
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(str(error)) from error
        whole = b"".join(filter(None, parts))
        self._transport.write(whole)
        while True:
            event = await self.next_event()
            if isinstance(event, h11.Response):
                self._is_in_the_way = event.status_code >= 300 and len(whole) > MAX_READ_AT_ONCE_BYTES
                return event

    def _checked(self, raw: list[tuple[bytes, bytes]]) -> Any:
        """The headers of a request; those of the request before, which h11 has checked, where they are the same."""
        if raw != self._raw:
            self._raw, self._headers = raw, raw
        return self._headers

    async def next_event(self) -> object:
        """The next event of the response."""
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise (
                    httpx.RemoteProtocolError(str(error)) if self._broken is None else httpx.ReadError("")
                ) from error
            if event is not h11.NEED_DATA:
                return event
            await self._wait()

    async def _wait(self) -> None:
        self._unread = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._more = asyncio.get_running_loop().create_future()
        await self._more

    def is_idle(self) -> bool:
        """Whether a request may be sent: nothing is under way, and nothing came that nobody asked for, nor the end.

        The system is asked too: what it has, the event loop may not have heard of, and a write would be lost in doubt.
        """
        return (
            self._http.our_state is h11.IDLE
            and self._http.trailing_data == (b"", False)
            and not self._transport.is_closing()
            and not _has_something_to_read(self._transport.get_extra_info("socket"))
        )

    def finish(self) -> None:
        """The response has been read, or nobody wants more of it: unless it was read to its end, and nothing follows
        it that would be taken for the next one, the connection is closed. So it is where a part of the request may
        still be on its way, for h11 takes as sent what it has handed over: the next one would wait behind that."""
        is_over = self._http.our_state is self._http.their_state is h11.DONE
        if is_over and self._http.trailing_data == (b"", False) and not self._is_in_the_way:
            self._http.start_next_cycle()
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once; nothing of a request waits to be written that anybody waits for."""
        self._transport.abort()


def _has_something_to_read(sock: socket.socket) -> bool:
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    # Unlike select, it takes any number of descriptors.
    asked = select.poll()
    asked.register(sock, select.POLLIN)
    return bool(asked.poll(0))


class _Body(httpx.AsyncByteStream):
    """The body of a response. Once it is closed and another request may follow on its connection, `keep` is called."""

    def __init__(self, wire: _Wire, keep: Callable[[], None]):
        self._wire = wire
        self._keep = keep

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._wire.next_event()
            if not isinstance(event, h11.Data):
                return
            yield bytes(event.data)

    async def aclose(self) -> None:
        self._wire.finish()
        self._keep()
