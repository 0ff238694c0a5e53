"""Each request to the server that it is for: of the tools that its headers leave, and with the key that it brings."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any, cast

import anyio
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bound_contextvars, get_contextvars

from mcp_instantly.caller import Caller
from mcp_instantly.redaction import struck_out
from mcp_instantly.service.exchange import BODY
from mcp_instantly.service.narrowed import READ_ONLY, TOOLSETS, Narrowing, narrow, read_narrowing
from mcp_instantly.service.owners import read_owner, refuse_owner
from mcp_instantly.service.per_request import calling_through
from mcp_instantly.service.refusal import Refused
from mcp_instantly.service.tenants import Tenants
from mcp_instantly.service.visitor import VISITOR, Visitor
from mcp_instantly.transports.access import Access
from mcp_instantly.transports.frames import called_tool, read_message

KEPT_SERVERS = 32
"""Narrowings whose servers are kept."""

Build = Callable[[Caller], Server[Any]]

ANYONE = Visitor()

_server: ContextVar[Server[Any]] = ContextVar("server")


class _ServerOfRequest:
    """What the SDK takes for the one server: in a request, it is the one that the request is for."""

    def __init__(self, whole: Server[Any]):
        self._whole = whole

    def __getattr__(self, name: str) -> Any:
        return getattr(_server.get(self._whole), name)


class Router:
    """An ASGI application for the endpoint. `tenants`: each request brings its own key, and `caller` has none.

    Raises Refused for headers with which nothing can be done, before anything of the response is sent.
    """

    def __init__(self, build: Build, caller: Caller, access: Access, tenants: Tenants | None = None):
        self._access = access
        self._caller = caller
        self._tenants = tenants
        self._whole = build(caller)
        self._narrowed = functools.lru_cache(KEPT_SERVERS)(lambda narrowing: build(self._left(narrowing)))
        self._writes = functools.lru_cache(KEPT_SERVERS)(self._find_writes)
        # Hosts and origins are checked at the gate.
        checked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._manager = StreamableHTTPSessionManager(
            app=cast(Server[Any], _ServerOfRequest(self._whole)), stateless=True, security_settings=checked
        )

    @contextlib.asynccontextmanager
    async def running(self, _: Any = None) -> AsyncIterator[None]:
        """What stands around the time in which requests are served."""
        async with self._manager.run(), anyio.create_task_group() as tasks:
            if self._tenants is not None:
                tasks.start_soon(self._tenants.sweep)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        visitor: Visitor = scope.get(VISITOR, ANYONE)
        narrowing = self._narrowing(headers)
        if visitor.lacks is not None:
            self._refuse_write(scope[BODY], visitor, narrowing)
            narrowing = dataclasses.replace(narrowing, read_only=True, lacks=visitor.lacks)
        if self._tenants is None:
            refuse_owner(headers)
            await self._answer(narrowing, scope, receive, send)
            return
        owner = read_owner(headers, self._access, visitor.token)
        named = {"caller": owner.name} if "caller" not in get_contextvars() else {"key": owner.name}
        with bound_contextvars(**named), struck_out(owner.key):
            async with self._tenants.using(owner) as tenant:
                with calling_through(tenant.view(narrowing)):
                    await self._answer(narrowing, scope, receive, send)

    def _narrowing(self, headers: Headers) -> Narrowing:
        if TOOLSETS not in headers and READ_ONLY not in headers:
            return Narrowing()
        catalog = self._caller.selection.catalog
        return read_narrowing(headers.getlist(TOOLSETS), headers.getlist(READ_ONLY), catalog)

    def _refuse_write(self, body: bytes, visitor: Visitor, narrowing: Narrowing) -> None:
        """Raises Refused for the call of a tool that another token could make."""
        name = called_tool(read_message(body))
        if name in self._writes(narrowing):
            said = f"{name} needs the scope {visitor.lacks}, which the access token lacks, so nothing was sent."
            raise Refused(403, f"{said} Ask for a token with that scope.", WWW_Authenticate=visitor.challenge)

    def _find_writes(self, narrowing: Narrowing) -> frozenset[str]:
        """The tools that change something, of those that are offered."""
        offered = self._left(narrowing).offered
        return frozenset(tool["name"] for tool in offered if not tool["annotations"]["readOnlyHint"])

    def _left(self, narrowing: Narrowing) -> Caller:
        return self._caller.narrowed(lambda selection: narrow(selection, narrowing)) if narrowing else self._caller

    async def _answer(self, narrowing: Narrowing, scope: Scope, receive: Receive, send: Send) -> None:
        token = _server.set(self._narrowed(narrowing) if narrowing else self._whole)
        try:
            await self._manager.handle_request(scope, receive, send)
        finally:
            _server.reset(token)
