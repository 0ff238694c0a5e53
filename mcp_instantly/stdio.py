"""One client on stdin and stdout: no line ends the server, and every call that was taken is answered.

Reading and writing block, so each has a thread; both are daemons that hold no lock, and never keep the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import enum
import math
import os
import queue
import select
import signal
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from typing import Any

import anyio
import mcp_types as types
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server.lowlevel import Server
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.message import SessionMessage

from mcp_instantly.errors import ConfigError
from mcp_instantly.frames import (
    CUT_OFF,
    STOPPING,
    Message,
    Unreadable,
    error_answer,
    read_message,
    too_long,
    write_message,
)
from mcp_instantly.log import get_logger
from mcp_instantly.signals import stop_signals

LINE_LIMIT_BYTES = 32 * 1024 * 1024
"""The longest message that is kept; HTTP takes less."""

EDGE_BYTES = 64 * 1024
"""How much of each end of a longer one is kept, to find its id."""

CHUNK_BYTES = 64 * 1024

DRAIN_SECONDS = 30.0
"""How long calls may still take once stdin has ended."""

FLUSH_SECONDS = 1.0
"""How long the last answers may take to be written to a client that does not read."""

ABANDONED_SECONDS = 1.0
"""A call older than this at the end of stdin was given up by a client that has gone; see `Connection._is_owed`."""

PIPE_BYTES = 512 if sys.platform == "win32" else select.PIPE_BUF
"""So much can be written to a pipe that is ready without waiting."""

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
    if sys.stdin is None or sys.stdout is None:
        raise ConfigError("stdin and stdout are closed; a host connects both, or use --transport http.")
    stdin, stdout = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(2 if sys.stderr is not None else nothing, 1)
    os.close(nothing)
    return stdin, stdout


async def _stop_on_signal(received: AsyncIterator[signal.Signals], connection: Connection, grace: float) -> None:
    async for number in received:
        connection.stop(grace, status=128 + number)
        grace = 0


class End(enum.Enum):
    """What comes instead of messages: the client has closed its side, or the service is over."""

    INPUT = enum.auto()
    SERVICE = enum.auto()


Batch = list[Message | Unreadable] | End


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
        self._calls = _Calls()
        self._piped = False
        self._stopping = False
        self._ended_at: float | None = None
        self._closing = anyio.Event()
        self._finishing = anyio.CancelScope()
        self._sender, self._inbox = anyio.create_memory_object_stream[Batch](math.inf)
        self._unread: deque[Message | Unreadable] = deque()
        self._reader = _Reader(stdin, self._put)
        self._writer = _Writer(stdout, self._lost)

    async def serve(self) -> None:
        """Answer the client until it is gone or `stop` was called, and then what is still owed."""
        self._reader.start()
        self._writer.start()
        with self._sender, self._inbox:
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
        self._put(End.SERVICE)
        await anyio.sleep(FLUSH_SECONDS)
        everything.cancel()

    def _put(self, batch: Batch) -> None:
        with contextlib.suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
            self._sender.send_nowait(batch)

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
            batch = await self._inbox.receive()
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
            self._close_within(DRAIN_SECONDS)

    def _is_owed(self, call: _Call) -> bool:
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
        sender, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        answering, answers = anyio.create_memory_object_stream[SessionMessage](0)
        options = self._server.create_initialization_options()
        asked: set[str] = set()
        message: Message | None = first
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._answer, answers)
            tasks.start_soon(self._server.run, messages, answering, options)
            async with sender:
                while message is not None:
                    if isinstance(message, types.JSONRPCRequest):
                        if message.method == "initialize" and asked and asked <= PROBES:
                            await self._calls.all_answered()
                            break
                        asked.add(message.method)
                    self._note(message)
                    await sender.send(SessionMessage(message))
                    message = await self._next()
        return message

    def _note(self, message: Message) -> None:
        if isinstance(message, types.JSONRPCRequest):
            if message.method not in (*PROBES, "initialize") and self._calls and not self._calls.any_answered:
                self._piped = True
            tool = (message.params or {}).get("name") if message.method == "tools/call" else None
            self._calls.begin(message.id, tool, self._clock())
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._calls.drop((message.params or {}).get("requestId"))

    async def _answer(self, answers: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async with answers:
            async for item in answers:
                message = item.message
                if not isinstance(message, (types.JSONRPCResponse, types.JSONRPCError)):
                    if self._ended_at is None:
                        await self._write(write_message(message))
                    continue
                call = self._calls.find(message.id)
                if self._ended_at is None or (call is not None and self._is_owed(call)):
                    if isinstance(message, types.JSONRPCError) and message.error.code == types.CONNECTION_CLOSED:
                        await self._write(error_answer(message.id, types.CONNECTION_CLOSED, CUT_OFF))
                    else:
                        await self._write(write_message(message))
                self._calls.end(message.id)

    async def _write(self, line: bytes) -> None:
        await self._writer.write(line + b"\n")


@dataclasses.dataclass
class _Call:
    """A request that waits for its answer; `count` more than one where a client used its id again."""

    id: types.RequestId
    tool: str | None
    came: float
    count: int = 1


class _Calls:
    """The requests that have not been answered."""

    def __init__(self) -> None:
        self.any_answered = False
        self._open: dict[types.RequestId, _Call] = {}
        self._none_open = anyio.Event()

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[_Call]:
        return iter(list(self._open.values()))

    def begin(self, identity: types.RequestId, tool: str | None, now: float) -> None:
        key = coerce_request_id(identity)
        if (call := self._open.get(key)) is not None:
            call.count += 1
        else:
            self._open[key] = _Call(identity, tool, now)

    def find(self, identity: types.RequestId | None) -> _Call | None:
        return None if identity is None else self._open.get(coerce_request_id(identity))

    def end(self, identity: types.RequestId | None) -> None:
        self.any_answered = True
        if (call := self.find(identity)) is not None:
            call.count -= 1
            if not call.count:
                self.drop(identity)

    def drop(self, identity: Any) -> None:
        if isinstance(identity, (str, int)):
            self._open.pop(coerce_request_id(identity), None)
            if not self._open:
                self._none_open.set()
                self._none_open = anyio.Event()

    async def all_answered(self) -> None:
        if self._open:
            await self._none_open.wait()


def _cancellation(call: _Call) -> Message:
    params = {"requestId": call.id, "reason": "The client has gone."}
    return types.JSONRPCNotification(jsonrpc="2.0", method="notifications/cancelled", params=params)


class _Reader:
    """A thread that reads messages from a descriptor, a few batches ahead at most."""

    def __init__(self, descriptor: int, put: Callable[[Batch], None]):
        self._descriptor = descriptor
        self._put = put
        self._room = threading.Semaphore(2)

    def start(self) -> None:
        """Begin to hand over batches, and End.INPUT after the last, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="stdin", daemon=True).start()

    def taken(self) -> None:
        """Make room for another batch."""
        self._room.release()

    def _run(self) -> None:
        for lines in read_lines(self._chunks()):
            messages = [message for line in lines if (message := _read(line)) is not None]
            if messages:
                self._room.acquire()
                self._hand_over(messages)
        self._hand_over(End.INPUT)

    def _hand_over(self, batch: Batch) -> None:
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._put, batch)

    def _chunks(self) -> Iterator[bytes]:
        while True:
            try:
                chunk = os.read(self._descriptor, CHUNK_BYTES)
            except BlockingIOError:
                select.select([self._descriptor], [], [])
                continue
            except OSError:
                return
            if not chunk:
                return
            yield chunk


def _read(line: bytes | Unreadable) -> Message | Unreadable | None:
    return line if isinstance(line, Unreadable) else read_message(line)


def read_lines(chunks: Iterable[bytes], limit: int = LINE_LIMIT_BYTES) -> Iterator[list[bytes | Unreadable]]:
    """The lines that each chunk completes, and at last what follows the last line feed.

    Of a line of more than `limit` bytes only the ends are kept, and what is to be answered stands for it.
    """
    line = _Line(limit)
    for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        lines: list[bytes | Unreadable] = []
        for end in ends:
            line.add(end)
            lines.append(line.whole())
            line = _Line(limit)
        line.add(rest)
        if lines:
            yield lines
    if line.size:
        yield [line.whole()]


class _Line:
    def __init__(self, limit: int):
        self.size = 0
        self._limit = limit
        self._parts: list[bytes] = []
        self._head = self._tail = b""

    def add(self, part: bytes) -> None:
        self.size += len(part)
        self._parts.append(part)
        if self.size > self._limit:
            kept = b"".join(self._parts)
            self._head = self._head or kept[:EDGE_BYTES]
            self._tail = (self._tail + kept)[-EDGE_BYTES:]
            self._parts = []

    def whole(self) -> bytes | Unreadable:
        if self.size > self._limit:
            return too_long(self._head, self._tail, self._limit)
        return b"".join(self._parts)


class _Writer:
    """Writes to a descriptor that may block: what fits at once is written at once, and the rest in a thread."""

    def __init__(self, descriptor: int, lost: Callable[[], None]):
        self.broken = False
        self._descriptor = descriptor
        self._lost = lost
        self._lock = anyio.Lock()
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[bool]]] = queue.SimpleQueue()
        self._ready = select.poll() if hasattr(select, "poll") else None

    def start(self) -> None:
        """Begin to watch and to write, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="stdout", daemon=True).start()
        if self._ready is not None:
            self._ready.register(self._descriptor, select.POLLOUT)
            threading.Thread(target=self._watch, name="stdout's reader", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write all of it. Once nobody reads any more, nothing is written, and nothing raised."""
        async with self._lock:
            if not self.broken:
                data = data[self._write_at_once(data) :]
            if data and not self.broken:
                done = self._loop.create_future()
                self._waiting.put((data, done))
                if not await done:
                    self._break()

    def _write_at_once(self, data: bytes) -> int:
        """How much was written without waiting."""
        if len(data) > PIPE_BYTES or self._ready is None or not self._ready.poll(0):
            return 0
        try:
            return os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._break()
            return 0

    def _run(self) -> None:
        while True:
            data, done = self._waiting.get()
            written = self._write_all(data)
            with contextlib.suppress(RuntimeError):  # The loop is closed.
                self._loop.call_soon_threadsafe(_settle, done, written)

    def _write_all(self, data: bytes) -> bool:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])
            except OSError:
                return False
        return True

    def _watch(self) -> None:
        """Wait until nobody reads any more, which writing alone would show too late."""
        watch = select.poll()
        watch.register(self._descriptor, 0)
        watch.poll()
        with contextlib.suppress(RuntimeError):  # The loop is closed.
            self._loop.call_soon_threadsafe(self._break)

    def _break(self) -> None:
        if not self.broken:
            self.broken = True
            self._lost()


def _settle(done: asyncio.Future[bool], written: bool) -> None:
    if not done.done():
        done.set_result(written)
