"""The pipes to a client: messages that come in, a few batches ahead, and lines that go out without holding up anyone.

What blocks has a thread; each is a daemon that holds no lock, and never keeps the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import queue
import select
import stat
import threading
from collections.abc import Callable, Iterator

from mcp_instantly.descriptors import PIPE_BYTES, write_all
from mcp_instantly.transports.frames import Message, Unreadable, read_message, too_long

LINE_LIMIT_BYTES = 32 * 1024 * 1024
"""The longest message that is kept; HTTP takes less."""

EDGE_BYTES = 64 * 1024
"""How much of each end of a longer one is kept, to find its id."""

CHUNK_BYTES = 64 * 1024

MAX_BATCHES_AHEAD = 2

PARSED_AT_ONCE_BYTES = 256_000
"""Longer lines are parsed in a thread, so that other calls go on."""


class End(enum.Enum):
    """What comes instead of messages: the client has closed its side, or the service is over."""

    INPUT = enum.auto()
    SERVICE = enum.auto()


Batch = list[Message | Unreadable] | End


class Reader:
    """Reads messages from a descriptor, a few batches ahead at most.

    They are read in the event loop, where that can tell when there is something to read: of a pipe, a socket or a
    terminal. A thread, which each message would have to wait for twice, reads files, and everything on Windows.
    """

    def __init__(self, descriptor: int, put: Callable[[Batch], None]):
        self._descriptor = descriptor
        self._put = put
        self._lines = Lines()
        self._ahead = 0
        self._room = threading.Semaphore(MAX_BATCHES_AHEAD)
        self._in_loop = True
        self._is_reading = self._is_parsing = self._has_ended = False

    def start(self) -> None:
        """Begin to hand over batches, and End.INPUT after the last, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        try:
            # A loop may watch a file and never tell of its end, as those of macOS do.
            self._in_loop = not stat.S_ISREG(os.fstat(self._descriptor).st_mode)
            if self._in_loop:
                self._read_or_not()
        except (NotImplementedError, OSError):
            self._in_loop = False
        if not self._in_loop:
            threading.Thread(target=self._run, name="stdin", daemon=True).start()

    def taken(self) -> None:
        """Make room for another batch."""
        if self._in_loop:
            self._ahead -= 1
            self._read_or_not()
        else:
            self._room.release()

    # in the event loop

    def _read_or_not(self) -> None:
        """Be told by the loop when there is something to read, while there is room for it."""
        reads = self._ahead < MAX_BATCHES_AHEAD and not (self._is_parsing or self._has_ended)
        if reads and not self._is_reading:
            self._loop.add_reader(self._descriptor, self._read_at_once)
        elif not reads and self._is_reading:
            self._loop.remove_reader(self._descriptor)
        self._is_reading = reads

    def _read_at_once(self) -> None:
        try:
            chunk = os.read(self._descriptor, CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""
        self._has_ended = not chunk
        lines = self._lines.add(chunk) if chunk else self._lines.end()
        if sum(len(line) for line in lines if isinstance(line, bytes)) <= PARSED_AT_ONCE_BYTES:
            self._take(_read_all(lines))
            return
        self._is_parsing = True
        self._read_or_not()
        self._loop.run_in_executor(None, _read_all, lines).add_done_callback(self._parsed)

    def _parsed(self, parsing: asyncio.Future[list[Message | Unreadable]]) -> None:
        self._is_parsing = False
        if not parsing.cancelled():
            self._take(parsing.result())

    def _take(self, messages: list[Message | Unreadable]) -> None:
        if messages:
            self._ahead += 1
            self._put(messages)
        if self._has_ended:
            self._put(End.INPUT)
        self._read_or_not()

    # in a thread

    def _run(self) -> None:
        for chunk in self._chunks():
            self._hand_over(_read_all(self._lines.add(chunk)))
        self._hand_over(_read_all(self._lines.end()))
        self._call(End.INPUT)

    def _hand_over(self, messages: list[Message | Unreadable]) -> None:
        if messages:
            self._room.acquire()
            self._call(messages)

    def _call(self, batch: Batch) -> None:
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


def _read_all(lines: list[bytes | Unreadable]) -> list[Message | Unreadable]:
    found = (line if isinstance(line, Unreadable) else read_message(line) for line in lines)
    return [message for message in found if message is not None]


class Lines:
    """Puts lines together from chunks.

    Of a line of more than `limit` bytes only the ends are kept, and what is to be answered stands for it.
    """

    def __init__(self, limit: int = LINE_LIMIT_BYTES):
        self._limit = limit
        self._line = _Line(limit)

    def add(self, chunk: bytes) -> list[bytes | Unreadable]:
        """The lines that a chunk completes."""
        *ends, rest = chunk.split(b"\n")
        lines: list[bytes | Unreadable] = []
        for end in ends:
            self._line.add(end)
            lines.append(self._line.whole())
            self._line = _Line(self._limit)
        self._line.add(rest)
        return lines

    def end(self) -> list[bytes | Unreadable]:
        """What follows the last line feed."""
        return [self._line.whole()] if self._line.size else []


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


class Writer:
    """Writes to a descriptor that may block: what fits at once is written at once, and the rest in a thread."""

    def __init__(self, descriptor: int, lost: Callable[[], None]):
        self.broken = False
        self._descriptor = descriptor
        self._lost = lost
        self._queued = 0
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._ready = select.poll() if hasattr(select, "poll") else None

    def start(self) -> None:
        """Begin to watch and to write, in the running event loop."""
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._run, name="stdout", daemon=True).start()
        if self._ready is not None:
            self._ready.register(self._descriptor, select.POLLOUT)
            threading.Thread(target=self._watch, name="stdout's reader", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write all of it, also when the wait for that is cancelled: half a line would spoil the next.

        Once nobody reads any more, nothing is written, and nothing raised.
        """
        if not self.broken and not self._queued:
            data = data[self._write_at_once(data) :]
        if data and not self.broken:
            done = self._loop.create_future()
            self._queued += 1
            self._waiting.put((data, done))
            await done

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
                self._loop.call_soon_threadsafe(self._settle, done, written)

    def _settle(self, done: asyncio.Future[None], written: bool) -> None:
        self._queued -= 1
        if not written:
            self._break()
        if not done.done():
            done.set_result(None)

    def _write_all(self, data: bytes) -> bool:
        try:
            write_all(self._descriptor, data)
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
