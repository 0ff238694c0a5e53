"""What every connection to the HTTP port has: bounds in time and number, and answers that are written at once."""

from __future__ import annotations

import asyncio
import functools
import math
from asyncio import Handle, TimerHandle, Transport, get_running_loop
from typing import Any, cast

OPENING_SECONDS = 30.0
"""How long a connection may take to send the head of a request."""

SPARE_DESCRIPTORS = 256
"""Descriptors that connections leave to the rest of the process."""


class Bounded(asyncio.Protocol):
    """A connection that is closed when it takes too long to send the head of a request, or is one too many."""

    cycle: Any
    connections: set[Any]
    loop: asyncio.AbstractEventLoop
    transport: Transport
    _opening: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(Transport, _Joining(transport)))
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

    def _should_upgrade(self) -> bool:
        """There is no other protocol to go on with; uvicorn would warn of each client that offers one."""
        return False

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


class _Joining:
    """A transport that writes the head of a response together with what follows at once: one packet, one system call.

    uvicorn hands over both, one after the other. A head that nothing follows leaves with the loop's next turn.
    """

    def __init__(self, transport: Transport):
        self._transport = transport
        self._head = b""
        self._leaving: Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._transport.is_closing():
            # asyncio's own passes over what comes too late, and uvloop's raises.
            return
        if self._head:
            data = self._taken() + data
        elif data.startswith(b"HTTP/") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
            self._leaving = get_running_loop().call_soon(self._leave)
            return
        if data:
            self._transport.write(data)

    def close(self) -> None:
        self._leave()
        self._transport.close()

    def _leave(self) -> None:
        if self._head and not self._transport.is_closing():
            self._transport.write(self._taken())

    def _taken(self) -> bytes:
        head, self._head = self._head, b""
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None
        return head


@functools.cache
def _most_connections() -> float:
    try:
        import resource
    except ImportError:
        return math.inf
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if soft == resource.RLIM_INFINITY else max(soft - SPARE_DESCRIPTORS, soft // 2)
