"""Streamable HTTP: the server at `/mcp` on a port."""

from __future__ import annotations

import codecs
import contextlib
import functools
import re
import socket
from collections.abc import Iterator

import anyio
import mcp_types as types
from mcp.server.transport_security import DEFAULT_MAX_REQUEST_BODY_SIZE
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from mcp_instantly.caller import Caller
from mcp_instantly.log import get_logger
from mcp_instantly.redaction import struck_out
from mcp_instantly.service.exchange import Exchange, Place
from mcp_instantly.service.metrics import Metrics
from mcp_instantly.service.pages import open_to_pages
from mcp_instantly.service.probes import Probes
from mcp_instantly.service.refusal import Refused
from mcp_instantly.service.router import Build, Router
from mcp_instantly.service.tenants import Tenants
from mcp_instantly.service.visitor import VISITOR, Doorkeeper, TokenDoorkeeper, Visitor
from mcp_instantly.settings import MAX_CONCURRENCY
from mcp_instantly.transports.access import Access
from mcp_instantly.transports.frames import STOPPING, Unreadable, error_answer, read_message
from mcp_instantly.transports.port import serve_until, url_of
from mcp_instantly.transports.signals import stop_signals

PATH = "/mcp"

BODY_SECONDS = 30.0
"""How long a request may take to send its body."""

FLUSH_SECONDS = 1
"""How long the answers of calls that were cut off may take, and the bodies of requests that are let in no more."""

KEPT_HOSTS = 64
"""Host headers of which it is kept whether they are allowed."""

BUSY = (
    "The server is answering as many requests as it may (--max-concurrency); nothing was done. Call again in a second."
)

ODD = re.compile(rb"\\u[dD][89a-fA-F]|[\x00-\x1f]")
"""What may be an unpaired surrogate, as JSON.stringify writes it, or a control character in a text: the SDK reads
neither, and its words for them say nothing."""

NOT_JSON = (
    "The message contains an unpaired surrogate, or a control character that is not escaped; nothing was done. Send "
    "valid JSON."
)


class Gate:
    """Turns requests away that may not call, and knows the calls that are under way."""

    def __init__(
        self,
        app: ASGIApp,
        messages: ASGIApp,
        access: Access,
        *,
        doorkeeper: Doorkeeper | None = None,
        most: int = MAX_CONCURRENCY,
        probes: Probes | None = None,
        metrics: Metrics | None = None,
    ):
        """`messages` takes the requests to PATH, `most` at once; `probes` those about the server's health and figures;
        `app` all others."""
        self.closing = False
        self._most = most
        self._inside = 0
        self._probes = probes
        self._metrics = metrics
        self._app = app
        self._messages = messages
        self._access = access
        self._doorkeeper = doorkeeper or TokenDoorkeeper(access)
        # A client names the same host in each request.
        self._allows_host = functools.lru_cache(KEPT_HOSTS)(access.allows_host)
        self._admitting = open_to_pages(self._admit, access.origins)
        self._exchanges: set[Exchange] = set()
        self._all_done: anyio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        response = self._foreign(scope, Headers(scope=scope))
        if response is None:
            await self._admitting(scope, receive, send)
        else:
            await self._turn_away(response, scope, receive, send)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        response = None
        if self._probes is not None:
            response = await self._probes.answer(scope, headers, closing=self.closing)
        response = response or self._doorkeeper.answer(scope)
        if response is None:
            try:
                visitor = await self._doorkeeper.identify(headers)
            except Refused as refused:
                response = _refuse(refused.status, refused.sentence, refused.headers)
        if response is None and self.closing:
            # Closed with a part of it unread, the connection would take the response with it.
            with anyio.move_on_after(FLUSH_SECONDS):
                while (await receive()).get("more_body", False):
                    pass
            response = _refuse(503, STOPPING, {"Connection": "close", "Retry-After": "5"})
        response = response or self._refusal(scope)
        if response is None:
            scope = {**scope, VISITOR: visitor}
            place = Place(self._count, send)
            try:
                response = await self._carry_out(scope, headers, receive, place.send)
            finally:
                place.leave()
        if response is not None:
            await self._turn_away(response, scope, receive, send)

    async def _turn_away(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        if self._metrics is not None and response.status_code >= 400:
            self._metrics.refused(response.status_code)
        await response(scope, receive, send)

    def _count(self, more: int) -> None:
        self._inside += more
        if self._metrics is not None:
            self._metrics.under_way(self._inside)

    async def _carry_out(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> Response | None:
        """Have a request answered; or the response with which it is turned away."""
        app, body = self._app, b""
        if scope["path"] == PATH:
            app = self._messages
            read = _readable(await _read_body(receive))
            if not isinstance(read, bytes):
                return read
            body = read.removeprefix(codecs.BOM_UTF8)
        exchange = Exchange(body, receive, send)
        self._exchanges.add(exchange)
        try:
            with _known(scope[VISITOR]):
                await exchange.carry_out(app, scope)
        except Refused as refused:
            identity = getattr(read_message(body), "id", None)
            return _refuse(refused.status, refused.sentence, refused.headers, identity=identity)
        finally:
            self._exchanges.discard(exchange)
            if self._all_done is not None and not self._exchanges:
                self._all_done.set()
                self._all_done = None
        found = exchange.unreadable
        return None if found is None else _refuse(400, found.sentence, identity=found.id, code=found.code)

    def _foreign(self, scope: Scope, headers: Headers) -> Response | None:
        """What a page of another site gets, whatever it asks for."""
        reached = (scope.get("server") or ("",))[0]
        if len(headers.getlist("host")) > 1:
            return _refuse(400, "A request has one Host header (RFC 9112); nothing was done.")
        if not self._allows_host(headers.get("host", ""), reached):
            return _refuse(421, "This host name is not allowed; the server's --allowed-host adds names.")
        origins = headers.getlist("origin")
        if not all(map(self._access.allows_origin, origins)):
            return _refuse(403, "Pages of this origin may not call; the server's --allowed-origin names who may.")
        return None

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["path"] == PATH and scope["method"] != "POST":
            # A GET would open a stream for messages that this server never sends.
            return _refuse(405, "Messages are sent with POST; there are no others to listen to.", {"Allow": "POST"})
        if self._inside >= self._most:
            return _refuse(503, BUSY, {"Retry-After": "1"})
        return None

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


def _known(visitor: Visitor) -> contextlib.AbstractContextManager[None]:
    """The visitor's name in each event inside, and no token in any."""
    return contextlib.nullcontext() if visitor.name is None and visitor.token is None else _marked(visitor)


@contextlib.contextmanager
def _marked(visitor: Visitor) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if visitor.name is not None:
            stack.enter_context(bound_contextvars(caller=visitor.name))
        if visitor.token is not None:
            stack.enter_context(struck_out(visitor.token))
        yield


def _refuse(
    status: int,
    sentence: str,
    headers: dict[str, str] | None = None,
    *,
    identity: str | int | None = None,
    code: int = types.INVALID_REQUEST,
) -> Response:
    get_logger().warning("request_refused", http_status=status)
    answer = error_answer(identity, code, sentence)
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
                # Not closed, which would lose the response: the rest is read and dropped, for OPENING_SECONDS at most.
                return _refuse(413, limit)
            if not message.get("more_body", False):
                return bytes(body)
    return _refuse(408, "The message did not come in time; nothing was done.", {"Connection": "close"})


def _readable(body: bytes | Response | None) -> bytes | Response | None:
    """The same, but for a message that we could read and the SDK cannot: its sender is told so under its id."""
    if not isinstance(body, bytes) or not ODD.search(body):
        return body
    try:
        from_json(body)
    except ValueError:
        message = read_message(body)
        if message is not None and not isinstance(message, Unreadable):
            return _refuse(400, NOT_JSON, identity=getattr(message, "id", None), code=types.PARSE_ERROR)
    return body


def build_app(
    build: Build,
    caller: Caller,
    access: Access,
    *,
    tenants: Tenants | None = None,
    doorkeeper: Doorkeeper | None = None,
    most: int = MAX_CONCURRENCY,
    probes: Probes | None = None,
    metrics: Metrics | None = None,
) -> Gate:
    """MCP servers as one ASGI application; every call stands on its own, so that any replica can answer it.

    `build` makes a server of what calls tools: of `caller`, or less of it where a request says so.
    """
    router = Router(build, caller, access, tenants)
    app = Starlette(lifespan=router.running)
    return Gate(app, router, access, doorkeeper=doorkeeper, most=most, probes=probes, metrics=metrics)


async def serve_http(gate: Gate, sock: socket.socket, *, grace: float, announced: bool = False) -> int:
    """Serve MCP over streamable HTTP on a bound socket; one event says where, unless it is `announced` by another
    process. Returns the exit status."""
    with stop_signals() as received:
        if not announced:
            get_logger().info("listening", url=url_of(sock, PATH))
        return await serve_until(received, gate, sock, gate, grace)
