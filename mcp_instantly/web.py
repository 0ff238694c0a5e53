"""Streamable HTTP: the server at `/mcp` on a port."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette

from mcp_instantly.errors import ConfigError
from mcp_instantly.log import get_logger
from mcp_instantly.settings import is_loopback

PATH = "/mcp"


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: any free one). Raises ConfigError when that is not possible."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio switches off Nagle's algorithm on what it accepts; answers would wait 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise ConfigError(f"{host}:{port} cannot be used: {error.strerror or error}.") from None
    return sock


def url_of(sock: socket.socket, path: str = "/") -> str:
    """The URL at which a bound socket is reached."""
    host, port = sock.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def _uvicorn(app: Any) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=5)
    )


async def serve_app(app: Any, sock: socket.socket) -> None:
    """Serve an ASGI application on a bound socket until a signal ends it."""
    with contextlib.closing(sock):
        await _uvicorn(app).serve(sockets=[sock])


@contextlib.asynccontextmanager
async def running_app(app: Any, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve an ASGI application beside other work; yields its URL, without a slash at the end."""
    server = _uvicorn(app)
    with contextlib.closing(bind(host, port)) as sock:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: server.serve(sockets=[sock]))
            try:
                yield url_of(sock, "")
            finally:
                server.should_exit = True


def build_app(server: Server[Any], host: str = "127.0.0.1") -> Starlette:
    """The MCP server as an ASGI application; every call stands on its own, so that any replica can answer it.

    On a loopback address, foreign hosts and origins are turned away: a page in a browser could reach it otherwise.
    """
    security = None
    if is_loopback(host):
        names = dict.fromkeys([f"[{host}]" if ":" in host else host, "127.0.0.1", "localhost", "[::1]"])
        security = TransportSecuritySettings(
            allowed_hosts=[f"{name}:*" for name in names], allowed_origins=[f"http://{name}:*" for name in names]
        )
    return server.streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=False, host=host, transport_security=security
    )


async def serve_http(server: Server[Any], sock: socket.socket) -> None:
    """Serve MCP over streamable HTTP on a bound socket; one event says where."""
    host = sock.getsockname()[0]
    get_logger().info("listening", url=url_of(sock, PATH))
    if not is_loopback(host):
        get_logger().warning("open_to_the_network", host=host, risk="whoever reaches this port acts with the API key")
    await serve_app(build_app(server, host), sock)
