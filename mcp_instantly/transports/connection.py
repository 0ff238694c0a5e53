"""A connection to the HTTP port, of the kind that this installation has."""

from __future__ import annotations

import asyncio
import functools

from uvicorn.protocols.http.h11_impl import H11Protocol

from mcp_instantly.transports.bounds import Bounded


class Connection(Bounded, H11Protocol):
    """A connection that h11 reads, which bounds heads, trailers and the lines of chunks by itself."""


@functools.cache
def connection_type() -> type[asyncio.Protocol]:
    """The kind of connection that this installation has: httptools reads requests faster where it is installed."""
    try:
        from mcp_instantly.transports.fast_connection import FastConnection
    except ImportError:
        return Connection
    return FastConnection
