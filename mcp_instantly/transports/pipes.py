"""The pipes to a client: messages that come in, a few batches ahead, and lines that go out without holding up anyone.

Reading and writing block, so each has a thread; both are daemons that hold no lock, and never keep the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import os
import queue
import select
import sys
import threading
from collections.abc import Callable, Iterable, Iterator

from mcp_instantly.transports.frames import Message, Unreadable, read_message, too_long

LINE_LIMIT_BYTES = 32 * 1024 * 1024
"""The longest message that is kept; HTTP takes less."""

EDGE_BYTES = 64 * 1024
"""How much of each end of a longer one is kept, to find its id."""

CHUNK_BYTES = 64 * 1024

PIPE_BYTES = 512 if sys.platform == "win32" else select.PIPE_BUF
"""So much can be written to a pipe that is ready without waiting."""


class End(enum.Enum):
    """What comes instead of messages: the client has closed its side, or the service is over."""

    INPUT = enum.auto()
    SERVICE = enum.auto()


Batch = list[Message | Unreadable] | End


class Reader:
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
