"""Streamable HTTP: the server at `/mcp` on a port."""

from __future__ import annotations

import contextlib
import functools
import logging
import math
import re
import signal
import socket
import sys
import time
from asyncio import TimerHandle, Transport
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, TransportSecuritySettings
from pydantic_core import from_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars
from uvicorn.protocols.http.h11_impl import H11Protocol

from mcp_instantly.access import Access
from mcp_instantly.errors import ConfigError
from mcp_instantly.frames import CUT_OFF, STOPPING, error_answer, read_message
from mcp_instantly.log import get_logger
from mcp_instantly.settings import SERVER_NAME
from mcp_instantly.signals import stop_signals

PATH = "/mcp"

OPENING_SECONDS = 30.0
"""How long a connection may take to send the head of a request."""

BODY_SECONDS = 30.0
"""How long a request may take to send its body."""

FLUSH_SECONDS = 1
"""How long the answers of calls that were cut off may take."""

SPARE_DESCRIPTORS = 256
"""Descriptors that connections leave to the rest of the process."""

HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""What may be an unpaired surrogate: JSON.stringify writes them so, and the SDK cannot read them."""

UNPAIRED_SURROGATE = "The message contains an unpaired surrogate; nothing was done. Send valid Unicode."


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: any free one). Raises ConfigError when that is not possible."""
    if not host.strip():
        raise ConfigError("--host is empty; name an address, or leave it out to listen on 127.0.0.1.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio switches off Nagle's algorithm on what it accepts; answers would wait 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except (OSError, UnicodeError) as error:
        sock.close()
        raise ConfigError(f"{host}:{port} cannot be used: {getattr(error, 'strerror', None) or error}.") from None
    return sock


def url_of(sock: socket.socket, path: str = "/") -> str:
    """The URL at which a bound socket is reached."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


class _Uvicorn(uvicorn.Server):
    """uvicorn, told when to end by us: its own handlers would end the streams of calls at once, and the process with
    the signal's status."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if sys.platform == "win32":
            with super().capture_signals():
                yield
        else:
            yield


def _uvicorn(app: Any) -> _Uvicorn:
    # Its backlog is also how many connections asyncio accepts in a row, before one is refused.
    config = uvicorn.Config(
        app,
        http=_Connection,
        ws="none",
        backlog=128,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
    )
    return _Uvicorn(config)


class _Connection(H11Protocol):
    """A connection that is closed when it takes too long to send the head of a request, or is one too many."""

    _opening: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _most_connections():
            transport.abort()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_busy():
            self._stop_waiting()
        elif self._opening is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _is_busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _wait(self) -> None:
        self._opening = self.loop.call_later(OPENING_SECONDS, self._close_if_idle)

    def _stop_waiting(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    def _close_if_idle(self) -> None:
        self._opening = None
        if not self._is_busy():
            self.transport.close()


class _Sparing(logging.Filter):
    """Lets one event a minute pass about descriptors that have run out: asyncio writes one for each attempt to accept
    a connection, and one for each of them that it would try again after the port was closed."""

    _silent_until = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith("Exception in callback BaseSelectorEventLoop._start_serving("):
            return False
        if not text.startswith("socket.accept() out of system resource"):
            return True
        now = time.monotonic()
        if now < self._silent_until:
            return False
        self._silent_until = now + 60
        return True


@functools.cache
def _most_connections() -> float:
    try:
        import resource
    except ImportError:
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else max(soft - SPARE_DESCRIPTORS, soft // 2)


class Gate:
    """Turns requests away that may not call, and knows the calls that are under way."""

    def __init__(self, app: ASGIApp, access: Access):
        self.closing = False
        self._app = app
        self._access = access
        self._exchanges: set[_Exchange] = set()
        self._all_done = anyio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body: bytes | Response | None = self._refusal(request := Request(scope))
        if body is None and request.url.path == PATH:
            body = _readable(await _read_body(receive))
            if body is None:
                return
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        exchange = _Exchange(body or b"", receive, send)
        self._exchanges.add(exchange)
        try:
            with self._named(request):
                await exchange.carry_out(self._app, scope)
        finally:
            self._exchanges.discard(exchange)
            if not self._exchanges:
                self._all_done.set()
                self._all_done = anyio.Event()

    def _refusal(self, request: Request) -> Response | None:
        reached = (request.scope.get("server") or ("",))[0]
        if not self._access.allows_host(request.headers.get("host", ""), reached):
            return _refuse(421, "This host name is not allowed; the server's --allowed-host adds names.")
        origins = request.headers.getlist("origin")
        if not all(map(self._access.allows_origin, origins)):
            return _refuse(403, "Pages of this origin may not call; the server's --allowed-origin names who may.")
        if self._access.digests and self._caller(request) is None:
            wrong = ', error="invalid_token"' if "authorization" in request.headers else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="{SERVER_NAME}"{wrong}'}
            return _refuse(401, "Send a token that the server knows: Authorization: Bearer TOKEN.", challenge)
        if self.closing:
            return _refuse(503, STOPPING, {"Connection": "close", "Retry-After": "5"})
        if request.url.path == PATH and request.method != "POST":
            # A GET would open a stream for messages that this server never sends.
            return _refuse(405, "Messages are sent with POST; there are no others to listen to.", {"Allow": "POST"})
        return None

    def _caller(self, request: Request) -> str | None:
        return self._access.caller(request.headers.get("authorization", ""))

    def _named(self, request: Request) -> contextlib.AbstractContextManager[Any]:
        """The caller's name in each event of the call."""
        name = self._caller(request)
        return bound_contextvars(caller=name) if name else contextlib.nullcontext()

    async def close(self, seconds: float) -> None:
        """Let no more calls in; those under way have `seconds` to end, and are then cut off and told so."""
        get_logger().info("stopping", calls=len(self._exchanges), grace_seconds=seconds)
        self.closing = True
        with anyio.move_on_after(seconds):
            await self._wait()
        await self.cut_off()

    async def cut_off(self) -> None:
        """End the calls under way now."""
        for exchange in self._exchanges:
            exchange.scope.cancel()
        with anyio.move_on_after(FLUSH_SECONDS):
            await self._wait()

    async def _wait(self) -> None:
        if self._exchanges:
            await self._all_done.wait()


class _Exchange:
    """A request whose body has come, and how far its response is."""

    def __init__(self, body: bytes, receive: Receive, send: Send):
        self.scope = anyio.CancelScope()
        self._body: bytes | None = body
        self._receive = receive
        self._send = send
        self._started: Message | None = None

    async def carry_out(self, app: ASGIApp, scope: Scope) -> None:
        body = self._body or b""
        with self.scope:
            await app(scope, self._replay, self._pass_on)
        if self.scope.cancelled_caught:
            await self._say_cut_off(body)

    async def _replay(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = message
        await self._send(message)

    async def _say_cut_off(self, body: bytes) -> None:
        answer = error_answer(getattr(read_message(body), "id", None), types.CONNECTION_CLOSED, CUT_OFF)
        if self._started is None:
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await self._send({"type": "http.response.start", "status": 503, "headers": headers})
        elif any(b"event-stream" in value for _, value in self._started["headers"]):
            answer = b"event: message\r\ndata: " + answer + b"\r\n\r\n"
        else:
            answer = b""
        await self._send({"type": "http.response.body", "body": answer, "more_body": False})


def _refuse(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    get_logger().warning("request_refused", http_status=status)
    answer = error_answer(None, types.INVALID_REQUEST, sentence)
    return Response(answer, status_code=status, headers=headers, media_type="application/json")


async def _read_body(receive: Receive) -> bytes | Response | None:
    """The body of a request; a response when it is too long or too slow, None when the client broke off."""
    body = bytearray()
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if len(body) > DEFAULT_MAX_REQUEST_BODY_SIZE:
                limit = f"The message is longer than {DEFAULT_MAX_REQUEST_BODY_SIZE:,} bytes; nothing was done."
                return _refuse(413, limit, {"Connection": "close"})
            if not message.get("more_body", False):
                return bytes(body)
    return _refuse(408, "The message did not come in time; nothing was done.", {"Connection": "close"})


def _readable(body: bytes | Response | None) -> bytes | Response | None:
    """The same, but for a message with an unpaired surrogate: its sender is told so under its id."""
    if not isinstance(body, bytes) or not HALF.search(body):
        return body
    try:
        from_json(body)
    except ValueError:
        identity = getattr(read_message(body), "id", None)
        answer = error_answer(identity, types.PARSE_ERROR, UNPAIRED_SURROGATE)
        return Response(answer, status_code=400, media_type="application/json")
    return body


def build_app(server: Server[Any], access: Access) -> Gate:
    """The MCP server as an ASGI application; every call stands on its own, so that any replica can answer it."""
    checked_here = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app = server.streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=False, transport_security=checked_here
    )
    return Gate(app, access)


async def serve_http(server: Server[Any], sock: socket.socket, access: Access, *, grace: float) -> int:
    """Serve MCP over streamable HTTP on a bound socket; one event says where. Returns the exit status."""
    gate = build_app(server, access)
    with stop_signals() as received:
        get_logger().info("listening", url=url_of(sock, PATH))
        return await _serve(gate, sock, received, gate, grace)


async def serve_app(app: Any, sock: socket.socket) -> int:
    """Serve an ASGI application on a bound socket until a signal ends it; returns the exit status."""
    with stop_signals() as received:
        return await _serve(app, sock, received)


async def _serve(
    app: Any,
    sock: socket.socket,
    received: AsyncIterator[signal.Signals],
    gate: Gate | None = None,
    grace: float = 0,
) -> int:
    """Until a signal; the calls that are inside the gate then have `grace` seconds. A second one ends them at once."""
    server = _uvicorn(app)
    interrupted = False

    async def stop() -> None:
        if gate is not None:
            await gate.close(grace)
        server.should_exit = True

    async def stop_on_signal() -> None:
        nonlocal interrupted
        async with anyio.create_task_group() as stopping:
            stopped = False
            async for number in received:
                interrupted = number == signal.SIGINT
                if not stopped:
                    stopping.start_soon(stop)
                elif gate is not None:
                    await gate.cut_off()
                else:
                    server.force_exit = True
                stopped = True

    logging.getLogger("asyncio").addFilter(_Sparing())
    with contextlib.closing(sock):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal)
            await server.serve(sockets=[sock])
            tasks.cancel_scope.cancel()
    return 130 if interrupted else 0


@contextlib.asynccontextmanager
async def running_app(app: Any, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application beside other work; yields its URL, without a slash at the end."""
    server = _uvicorn(app)
    with contextlib.closing(bind(host, port)) as sock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: server.serve(sockets=[sock]))
            try:
                yield url_of(sock, "")
            finally:
                server.should_exit = True
