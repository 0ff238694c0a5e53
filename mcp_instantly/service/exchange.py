"""A request while it is answered: the place that it takes, and how far its response is."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import mcp_types as types
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_instantly.transports.frames import CUT_OFF, error_answer, read_message


class Place:
    """One of the places for requests: taken now, and free again before the client hears the end of its response."""

    def __init__(self, count: Callable[[int], None], send: Send):
        self._count = count
        self._send = send
        self._taken = True
        count(1)

    def leave(self) -> None:
        if self._taken:
            self._taken = False
            self._count(-1)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.leave()
        await self._send(message)


class Exchange:
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
