"""Streamable HTTP: the server at `/mcp` on a port."""

from __future__ import annotations

import contextlib
import functools
import re
import socket
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE, TransportSecuritySettings
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from mcp_instantly.log import get_logger
from mcp_instantly.settings import SERVER_NAME
from mcp_instantly.transports.access import Access
from mcp_instantly.transports.frames import CUT_OFF, STOPPING, error_answer, read_message
from mcp_instantly.transports.port import serve_until, url_of
from mcp_instantly.transports.signals import stop_signals

PATH = "/mcp"

BODY_SECONDS = 30.0
"""How long a request may take to send its body."""

FLUSH_SECONDS = 1
"""How long the answers of calls that were cut off may take."""

KEPT_HOSTS = 64
"""Host headers of which it is kept whether they are allowed."""

HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""What may be an unpaired surrogate: JSON.stringify writes them so, and the SDK cannot read them."""

UNPAIRED_SURROGATE = "The message contains an unpaired surrogate; nothing was done. Send valid Unicode."


class Gate:
    """Turns requests away that may not call, and knows the calls that are under way."""

    def __init__(self, app: ASGIApp, messages: ASGIApp, access: Access):
        """`messages` takes the requests to PATH, `app` all others."""
        self.closing = False
        self._app = app
        self._messages = messages
        self._access = access
        # A client names the same host in each request.
        self._allows_host = functools.lru_cache(KEPT_HOSTS)(access.allows_host)
        self._exchanges: set[_Exchange] = set()
        self._all_done: anyio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        body: bytes | Response | None = self._refusal(scope, headers)
        app = self._app
        if body is None and scope["path"] == PATH:
            app = self._messages
            body = _readable(await _read_body(receive))
            if body is None:
                return
        if isinstance(body, Response):
            await body(scope, receive, send)
            return
        exchange = _Exchange(body or b"", receive, send)
        self._exchanges.add(exchange)
        try:
            with self._named(headers):
                await exchange.carry_out(app, scope)
        finally:
            self._exchanges.discard(exchange)
            if self._all_done is not None and not self._exchanges:
                self._all_done.set()
                self._all_done = None

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        reached = (scope.get("server") or ("",))[0]
        if not self._allows_host(headers.get("host", ""), reached):
            return _refuse(421, "This host name is not allowed; the server's --allowed-host adds names.")
        origins = headers.getlist("origin")
        if not all(map(self._access.allows_origin, origins)):
            return _refuse(403, "Pages of this origin may not call; the server's --allowed-origin names who may.")
        if self._access.digests and self._caller(headers) is None:
            wrong = ', error="invalid_token"' if "authorization" in headers else ""
            challenge = {"WWW-Authenticate": f'Bearer realm="{SERVER_NAME}"{wrong}'}
            return _refuse(401, "Send a token that the server knows: Authorization: Bearer TOKEN.", challenge)
        if self.closing:
            return _refuse(503, STOPPING, {"Connection": "close", "Retry-After": "5"})
        if scope["path"] == PATH and scope["method"] != "POST":
            # A GET would open a stream for messages that this server never sends.
            return _refuse(405, "Messages are sent with POST; there are no others to listen to.", {"Allow": "POST"})
        return None

    def _caller(self, headers: Headers) -> str | None:
        return self._access.caller(headers.get("authorization", ""))

    def _named(self, headers: Headers) -> contextlib.AbstractContextManager[Any]:
        """The caller's name in each event of the call."""
        name = self._caller(headers) if self._access.digests else None
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
            if self._all_done is None:
                self._all_done = anyio.Event()
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
    return Gate(app, server.session_manager.handle_request, access)


async def serve_http(server: Server[Any], sock: socket.socket, access: Access, *, grace: float) -> int:
    """Serve MCP over streamable HTTP on a bound socket; one event says where. Returns the exit status."""
    gate = build_app(server, access)
    with stop_signals() as received:
        get_logger().info("listening", url=url_of(sock, PATH))
        return await serve_until(received, gate, sock, gate, grace)
