"""One client on stdin and stdout: no line ends the server, and every call that was taken is answered."""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.message import SessionMessage

from mcp_instantly.errors import ConfigError
from mcp_instantly.log import get_logger
from mcp_instantly.transports.frames import (
    CUT_OFF,
    NOT_INITIALIZED,
    STOPPING,
    Message,
    Unreadable,
    called_tool,
    error_answer,
    write_message,
)
from mcp_instantly.transports.open_calls import OpenCall, OpenCalls
from mcp_instantly.transports.pipes import Batch, End, Reader, Writer
from mcp_instantly.transports.signals import stop_signals
from mcp_instantly.transports.streams import ReadStream, WriteStream

DRAIN_SECONDS = 30.0
"""How long calls may still take once stdin has ended."""

FLUSH_SECONDS = 1.0
"""How long the last answers may take to be written to a client that does not read."""

ABANDONED_SECONDS = 1.0
"""A call older than this at the end of stdin was given up by a client that has gone; see `Connection._is_owed`."""

PROBES = {"server/discover", "ping"}
"""What a client asks before it decides on a revision of the protocol."""


async def serve_stdio(server: Server[Any], *, read_only: Collection[str] = (), grace: float) -> int:
    """Serve one client on stdin and stdout until it goes away, or until a signal; returns the exit status.

    Afterwards calls under way are finished, for DRAIN_SECONDS or after a signal for `grace` seconds, and answered.
    `read_only` names the tools whose calls nobody needs once the client has given them up.
    """
    stdin, stdout = _claim_streams()
    connection = Connection(server, stdin, stdout, read_only=read_only)
    async with anyio.create_task_group() as tasks:
        with stop_signals() as received:
            tasks.start_soon(_stop_on_signal, received, connection, grace)
            await connection.serve()
            tasks.cancel_scope.cancel()
    return connection.status


def _claim_streams() -> tuple[int, int]:
    """Descriptors of the client's pipes. Stray reads and prints of anybody else miss them from now on."""
    if sys.__stdin__ is None or sys.__stdout__ is None:
        raise ConfigError("stdin and stdout are closed; a host connects both, or use --transport http.")
    stdin, stdout = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return stdin, stdout


async def _stop_on_signal(received: AsyncIterator[signal.Signals], connection: Connection, grace: float) -> None:
    async for number in received:
        connection.stop(grace, status=128 + number)
        grace = 0


class Connection:
    """The client at the other end of two descriptors, from its first message to the last answer."""

    def __init__(
        self,
        server: Server[Any],
        stdin: int,
        stdout: int,
        *,
        read_only: Collection[str] = (),
        clock: Callable[[], float] = anyio.current_time,
    ):
        self.status = 0
        self._server = server
        self._read_only = read_only
        self._clock = clock
        self._calls = OpenCalls()
        self._asked: set[types.RequestId] = set()
        self._piped = False
        self._stopping = False
        self._ended_at: float | None = None
        self._closing = anyio.Event()
        self._finishing = anyio.CancelScope()
        self._inbox: deque[Batch] = deque()
        self._came = anyio.Event()
        self._unread: deque[Message | Unreadable] = deque()
        self._reader = Reader(stdin, self._put)
        self._writer = Writer(stdout, self._lost)

    async def serve(self) -> None:
        """Answer the client until it is gone or `stop` was called, and then what is still owed."""
        self._reader.start()
        self._writer.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._finish, tasks.cancel_scope)
            message = await self._next()
            while message is not None:
                message = await self._session(message)
            tasks.cancel_scope.cancel()

    def stop(self, seconds: float, status: int) -> None:
        """Take no more calls, and end after those under way, or after `seconds` at the latest."""
        get_logger().info("stopping", calls=len(self._calls), grace_seconds=seconds)
        self.status = status
        self._stopping = True
        self._close_within(seconds)

    def _close_within(self, seconds: float) -> None:
        self._finishing.deadline = min(self._finishing.deadline, anyio.current_time() + seconds)
        self._closing.set()

    async def _finish(self, everything: anyio.CancelScope) -> None:
        await self._closing.wait()
        with self._finishing:
            await self._calls.all_answered()
        if self._asked:
            self._end_questions()
            with anyio.move_on_after(FLUSH_SECONDS):
                await self._calls.all_answered()
        self._put(End.SERVICE)
        await anyio.sleep(FLUSH_SECONDS)
        everything.cancel()

    def _put(self, batch: Batch) -> None:
        self._inbox.append(batch)
        self._came.set()

    def _lost(self) -> None:
        """Nobody reads the answers any more."""
        self._stopping = True
        self._put(End.INPUT)

    async def _next(self) -> Message | None:
        """The next message for a session, or None at the end. What must not reach a session is answered here."""
        while True:
            while self._unread:
                message = self._unread.popleft()
                if isinstance(message, Unreadable):
                    get_logger().warning("unreadable_message", code=message.code, reason=message.sentence)
                    await self._write(message.answer())
                elif isinstance(message, types.JSONRPCRequest) and self._stopping:
                    await self._write(error_answer(message.id, types.CONNECTION_CLOSED, STOPPING))
                else:
                    return message
            while not self._inbox and not self._unread:
                self._came = anyio.Event()
                await self._came.wait()
            if self._unread:
                continue
            batch = self._inbox.popleft()
            if batch is End.SERVICE:
                return None
            if batch is End.INPUT:
                self._end_input()
            else:
                self._reader.taken()
                self._unread.extend(batch)

    def _end_input(self) -> None:
        if self._ended_at is None:
            self._ended_at = self._clock()
            given_up = [call for call in self._calls if not self._is_owed(call) and call.tool in self._read_only]
            self._unread.extend(map(_cancellation, given_up))
            self._end_questions()
            self._close_within(DRAIN_SECONDS)

    def _end_questions(self) -> None:
        """What the client was asked, and will not answer any more, ends as if the connection were closed."""
        closed = types.ErrorData(code=types.CONNECTION_CLOSED, message="The connection is closed.")
        self._unread.extend(types.JSONRPCError(jsonrpc="2.0", id=one, error=closed) for one in self._asked)
        self._asked.clear()
        self._came.set()

    def _is_owed(self, call: OpenCall) -> bool:
        """Whether anybody waits for an answer that comes after the end of stdin.

        Whoever pipes calls into the server does: they come all at once, or right before the end. A client that talks
        with the server closes stdin when it goes. Older ones (mcp 1.x) break on what is written after that, and only
        calls that they have stopped waiting for can be open then.
        """
        if self._ended_at is None:
            return True
        return not self._writer.broken and (self._piped or self._ended_at - call.came <= ABANDONED_SECONDS)

    async def _session(self, first: Message) -> Message | None:
        """Serve messages from the first on; returns the one that begins another session, or None at the end.

        A connection that was only probed, as with `server/discover`, begins anew when `initialize` comes: the SDK
        would refuse the handshake, and a client falls back to it when the answer to its probe took too long.
        """
        unread: Message | None = first
        asked: set[str] = set()

        async def read() -> SessionMessage | Exception | None:
            nonlocal unread
            message = unread or await self._next()
            while isinstance(message, types.JSONRPCRequest) and "initialize" not in asked and _is_too_early(message):
                get_logger().warning("not_initialized", method=message.method[:100])
                await self._write(error_answer(message.id, types.INVALID_REQUEST, NOT_INITIALIZED))
                message = await self._next()
            if isinstance(message, types.JSONRPCRequest):
                if message.method == "initialize" and asked and asked <= PROBES:
                    await self._calls.all_answered()
                    unread = message
                    return None
                asked.add(message.method)
            unread = None
            if message is None:
                return None
            self._note(message)
            return SessionMessage(message)

        options = self._server.create_initialization_options()
        await self._server.run(ReadStream[SessionMessage | Exception](read), WriteStream(self._answer), options)
        return unread

    def _note(self, message: Message) -> None:
        if isinstance(message, types.JSONRPCRequest):
            if message.method not in (*PROBES, "initialize") and self._calls and not self._calls.any_answered:
                self._piped = True
            self._calls.begin(message.id, called_tool(message), self._clock())
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._calls.drop((message.params or {}).get("requestId"))
        elif isinstance(message, (types.JSONRPCResponse, types.JSONRPCError)) and message.id is not None:
            self._asked.discard(coerce_request_id(message.id))

    async def _answer(self, item: SessionMessage) -> None:
        message = item.message
        if not isinstance(message, (types.JSONRPCResponse, types.JSONRPCError)):
            if isinstance(message, types.JSONRPCRequest):
                self._asked.add(message.id)
            if self._ended_at is None:
                await self._write(write_message(message))
            elif self._asked:
                self._end_questions()
            return
        call = self._calls.find(message.id)
        try:
            if self._ended_at is None or (call is not None and self._is_owed(call)):
                if isinstance(message, types.JSONRPCError) and message.error.code == types.CONNECTION_CLOSED:
                    await self._write(error_answer(message.id, types.CONNECTION_CLOSED, CUT_OFF))
                else:
                    await self._write(write_message(message))
        finally:
            self._calls.end(message.id)

    async def _write(self, line: bytes) -> None:
        await self._writer.write(line + b"\n")


def _is_too_early(request: types.JSONRPCRequest) -> bool:
    """Whether a request needs an `initialize` before it: it is none by itself, and says no revision of its own."""
    meta = (request.params or {}).get("_meta")
    says = isinstance(meta, dict) and types.PROTOCOL_VERSION_META_KEY in meta
    return not says and request.method not in (*PROBES, "initialize")


def _cancellation(call: OpenCall) -> Message:
    params = {"requestId": call.id, "reason": "The client has gone."}
    return types.JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params)
