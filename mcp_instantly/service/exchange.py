"""A request while it is answered: the place that it takes, and how far its response is."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import mcp_types as types
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_instantly.transports.frames import CUT_OFF, Unreadable, error_answer, read_message

BODY = "mcp_instantly.body"
"""Under which the scope of a request has its body, for who looks at it before it is received."""

UNREAD = (202, 400)
"""Statuses with which the SDK takes a message for a notification, or says that it cannot be read. Older revisions have
it take for a notification, too, what has an id that is not valid."""

EMPTY = Unreadable(None, types.PARSE_ERROR, "The message is empty; nothing was done.")


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
    """A request whose body has come, and how far its response is.

    `unreadable` says why the body is not a message, where it is not: the response is then still to be sent.
    """

    def __init__(self, body: bytes, receive: Receive, send: Send):
        self.scope = anyio.CancelScope()
        self.unreadable: Unreadable | None = None
        self._whole = body
        self._body: bytes | None = body
        self._receive = receive
        self._send = send
        self._started: Message | None = None

    async def carry_out(self, app: ASGIApp, scope: Scope) -> None:
        with self.scope:
            await app({**scope, BODY: self._whole}, self._replay, self._pass_on)
        if self.scope.cancelled_caught and self.unreadable is None:
            await self._say_cut_off()

    async def _replay(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] in UNREAD:
                found = read_message(self._whole) or EMPTY
                self.unreadable = found if isinstance(found, Unreadable) else None
            if self.unreadable is None:
                self._started = message
        if self.unreadable is None:
            await self._send(message)

    async def _say_cut_off(self) -> None:
        answer = error_answer(getattr(read_message(self._whole), "id", None), types.CONNECTION_CLOSED, CUT_OFF)
        if self._started is None:
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            await self._send({"type": "http.response.start", "status": 503, "headers": headers})
        elif any(b"event-stream" in value for _, value in self._started["headers"]):
            answer = b"event: message\r\ndata: " + answer + b"\r\n\r\n"
        else:
            answer = b""
        await self._send({"type": "http.response.body", "body": answer, "more_body": False})
