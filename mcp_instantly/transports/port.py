"""A port: an ASGI application is served on a bound socket, until a signal or beside other work."""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

import anyio
import uvicorn

from mcp_instantly.errors import ConfigError
from mcp_instantly.transports.connection import connection_type
from mcp_instantly.transports.signals import stop_signals

IDLE_SECONDS = 75
"""How long a connection is kept for another request: longer than proxies keep theirs (nginx 60 seconds), as one that
they use at the moment when it is closed loses its request, and a POST is not sent again."""


class Door(Protocol):
    """What lets calls in: it can be closed, and those that are inside be ended."""

    async def close(self, seconds: float) -> None: ...

    async def cut_off(self) -> None: ...


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: any free one). Raises ConfigError when that is not possible."""
    if not host.strip():
        raise ConfigError("--host is empty; name an address, or leave it out to listen on 127.0.0.1.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio switches off Nagle's algorithm on what it accepts; answers would wait 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except (OSError, UnicodeError) as error:
        sock.close()
        raise ConfigError(f"{host}:{port} cannot be used: {getattr(error, 'strerror', None) or error}.") from None
    return sock


def url_of(sock: socket.socket, path: str = "/") -> str:
    """The URL at which a bound socket is reached."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


class _Uvicorn(uvicorn.Server):
    """uvicorn, told when to end by us: its own handlers would end the streams of calls at once, and the process with
    the signal's status."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        if sys.platform == "win32":
            with super().capture_signals():
                yield
        else:
            yield


def _uvicorn(app: Any, *, dates: bool = True) -> _Uvicorn:
    # Its backlog is also how many connections asyncio accepts in a row, before one is refused.
    config = uvicorn.Config(
        app,
        http=connection_type(),
        ws="none",
        backlog=128,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=5,
        timeout_keep_alive=IDLE_SECONDS,
        date_header=dates,
    )
    return _Uvicorn(config)


class _Sparing(logging.Filter):
    """Lets one event a minute pass about descriptors that have run out: asyncio writes one for each attempt to accept
    a connection, and one for each of them that it would try again after the port was closed."""

    _silent_until = -math.inf

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith("Exception in callback BaseSelectorEventLoop._start_serving("):
            return False
        if not text.startswith("socket.accept() out of system resource"):
            return True
        now = time.monotonic()
        if now < self._silent_until:
            return False
        self._silent_until = now + 60
        return True


async def serve_app(app: Any, sock: socket.socket) -> int:
    """Serve an ASGI application that dates its responses itself on a bound socket, until a signal ends it; returns the
    exit status.
    """
    with stop_signals() as received:
        return await serve_until(received, app, sock, dates=False)


async def serve_until(
    received: AsyncIterator[signal.Signals],
    app: Any,
    sock: socket.socket,
    door: Door | None = None,
    grace: float = 0,
    dates: bool = True,
) -> int:
    """Serve until a signal; calls inside the door then have `grace` seconds, and a second signal ends them at once.

    `dates` says whether responses get the time of this machine. Returns the exit status.
    """
    server = _uvicorn(app, dates=dates)
    interrupted = False

    async def stop() -> None:
        if door is not None:
            await door.close(grace)
        server.should_exit = True

    async def stop_on_signal() -> None:
        nonlocal interrupted
        async with anyio.create_task_group() as stopping:
            stopped = False
            async for number in received:
                interrupted = number == signal.SIGINT
                if not stopped:
                    stopping.start_soon(stop)
                elif door is not None:
                    await door.cut_off()
                else:
                    server.force_exit = True
                stopped = True

    logger, sparing = logging.getLogger("asyncio"), _Sparing()
    logger.addFilter(sparing)
    with contextlib.closing(sock), contextlib.ExitStack() as at_end:
        at_end.callback(logger.removeFilter, sparing)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal)
            await server.serve(sockets=[sock])
            tasks.cancel_scope.cancel()
    return 130 if interrupted else 0


@contextlib.asynccontextmanager
async def running_app(app: Any, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application beside other work; yields its URL, without a slash at the end."""
    server = _uvicorn(app)

    async def serve() -> None:
        # It ends by itself below: cancelled, it would leave parts of it behind, which then complain.
        with anyio.CancelScope(shield=True):
            await server.serve(sockets=[sock])

    with contextlib.closing(bind(host, port)) as sock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(serve)
            try:
                yield url_of(sock, "")
            finally:
                server.should_exit = True
