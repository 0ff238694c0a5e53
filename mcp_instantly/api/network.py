"""The way to Instantly: TLS and proxy as the environment wants them, and the connections that are kept."""

from __future__ import annotations

import functools
import os
import re
import ssl
import time
import urllib.request
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

import anyio
import h11
import httpx

from mcp_instantly.api.single_connection import SingleConnection
from mcp_instantly.budgets.windows import Slot
from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import Settings, is_loopback
from mcp_instantly.text import shorten

CONNECTIONS = 200
"""That may be open at once, so that slow responses leave some for other calls."""

KEPT_CONNECTIONS = 50
KEPT_SECONDS = 15
"""How many idle connections are kept, and for how long."""

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)
"""What httpx raises before the first byte of a request has left."""

TLS_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


def open_network(settings: Settings) -> Lanes:
    """The transport to the origin of `settings`, through the proxy that is set for it, if there is one.

    A proxy is set by the environment or, on macOS and Windows, by the system. Raises ConfigError when these settings,
    or those of TLS, cannot be used.
    """
    parts = urlsplit(settings.base_url)
    # A proxy from the environment has no business between this machine and itself.
    trusted = not is_loopback(parts.hostname or "")
    try:
        if trusted:
            _check_certificates()
        certificates = certificates_of(trusted, *map(os.environ.get, TLS_VARIABLES))
        proxy = proxy_for(parts) if trusted else None
        if proxy is None:
            url = httpx.URL(settings.base_url)
            return Lanes(
                lambda: SingleConnection(url, certificates, kept_seconds=KEPT_SECONDS),
                takes_targets=True,
            )
        # A proxy is told where to go in the place of the target.
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)
        return Lanes(lambda: httpx.AsyncHTTPTransport(verify=certificates, proxy=proxy, limits=limits))
    except OSError as error:
        raise ConfigError(_unusable("TLS", TLS_VARIABLES, error.strerror or str(error))) from None
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise ConfigError(_unusable("proxy", PROXY_VARIABLES, str(error))) from None


@functools.lru_cache(maxsize=4)
def certificates_of(trusted: bool, *_: str | None) -> ssl.SSLContext:
    """What TLS connections are checked with, from the environment where it is `trusted`; the values of TLS_VARIABLES
    only tell one environment from another. Reading them takes longer than many a call, so clients share them."""
    return httpx.create_ssl_context(trust_env=trusted)


class Lanes(httpx.AsyncBaseTransport):
    """As many transports, of one connection each, as there are requests at once; the one used last is used next.

    A pool of connections looks at all of them, and asks the system about each, whenever a request begins or ends: with
    32 that takes longer than the request. `takes_targets` tells whether a request may carry its path and
    query as the extension `target`, which then need not stand in its URL.
    """

    def __init__(
        self,
        open_lane: Callable[[], httpx.AsyncBaseTransport],
        *,
        takes_targets: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.takes_targets = takes_targets
        self._open_lane = open_lane
        self._clock = clock
        # The first is opened now, so that settings which cannot be used are told at the start.
        self._lanes = {first := open_lane()}
        self._idle = deque([(clock(), first)])
        self._room = anyio.Semaphore(CONNECTIONS, fast_acquire=True)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._room.acquire()
        lane = self._take()
        try:
            response = await lane.handle_async_request(request)
        except BaseException:
            await self._give_back(lane)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _Body(response.stream, lambda: self._give_back(lane))
        return response

    def _take(self) -> httpx.AsyncBaseTransport:
        if self._idle:
            return self._idle.pop()[1]
        lane = self._open_lane()
        self._lanes.add(lane)
        return lane

    async def _give_back(self, lane: httpx.AsyncBaseTransport) -> None:
        now = self._clock()
        self._idle.append((now, lane))
        self._room.release()
        # While one is closed, others may be taken.
        while self._idle and (len(self._idle) > KEPT_CONNECTIONS or self._idle[0][0] < now - KEPT_SECONDS):
            _, unused = self._idle.popleft()
            self._lanes.discard(unused)
            await unused.aclose()

    async def aclose(self) -> None:
        for lane in self._lanes:
            await lane.aclose()


class _Body(httpx.AsyncByteStream):
    """The body of an answer; once it is closed, `done` is called."""

    def __init__(self, body: httpx.AsyncByteStream, done: Callable[[], Awaitable[None]]):
        self._body = body
        self._done = done

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.__aiter__()

    async def aclose(self) -> None:
        try:
            _distrust(self._body)
            await self._body.aclose()
        finally:
            await self._done()


def _distrust(stream: Any) -> None:
    """Let a connection to a proxy be closed on which something follows the answer, or it would be taken for the next.

    httpx's transport looks for such bytes in the socket only, not among those that it has read already, and shows them
    to nobody; so this follows its private parts, and does nothing where they are others.
    """
    for name in ("_httpcore_stream", "_stream", "_connection", "_h11_state"):
        stream = getattr(stream, name, stream)
    if isinstance(stream, h11.Connection) and stream.trailing_data[0]:
        stream.send_failed()


def reason_of(error: Exception) -> str:
    """What went wrong, in words, without the address that the exception may hold."""
    words: dict[type[Exception], str] = {
        httpx.ConnectTimeout: "connecting took too long",
        httpx.PoolTimeout: "too many requests are under way",
        httpx.RemoteProtocolError: "the connection was closed or cut before the answer was complete",
        httpx.ReadError: "the connection broke",
        httpx.WriteError: "the connection broke",
    }
    return words.get(type(error)) or re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def _check_certificates() -> None:
    """Raise OSError for a folder of certificates that is not there: OpenSSL would take it without a word."""
    folders = os.environ.get("SSL_CERT_DIR")
    if folders and not any(map(os.path.isdir, folders.split(os.pathsep))):
        raise OSError("there is no such directory")


def proxy_for(server: SplitResult) -> str | None:
    """The URL of the proxy to a server, if there is one. Raises ValueError, which repeats nothing of a password."""
    if urllib.request.proxy_bypass(server.netloc):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(server.scheme) or proxies.get("all")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        usable = False
    if not usable:
        raise ValueError("the address of the proxy is not valid; it is written as http://HOST:PORT")
    return url


def _unusable(kind: str, names: Sequence[str], reason: str) -> str:
    """A sentence that names the variables that are set, without their values: they may hold a password."""
    given = ", ".join(name for name in names if os.environ.get(name))
    return (
        f"The {kind} settings of the environment{f' ({given})' if given else ''} cannot be used: "
        f"{shorten(reason, 160)}."
    )


class Content(httpx.AsyncByteStream):
    """The body of a request. `begun` tells whether the request may be on its way: from when its transport asks for the
    body, which ours does before it writes anything; httpx's own writes the head first, and tells of that as its
    extension `trace`.
    """

    def __init__(self, data: bytes, slot: Slot):
        self._data = data
        self._slot = slot
        self.size = len(data)
        self.begun = False

    async def hear(self, event: str, about: Mapping[str, Any]) -> None:
        """Take note of what httpx's transport does. A CONNECT opens the way through a proxy, and is not the request."""
        if event.endswith(".send_request_headers.started") and about["request"].method != b"CONNECT":
            self._begin()

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._begin()
        return self._chunks()

    def _begin(self) -> None:
        self.begun = True
        self._slot.write()

    async def _chunks(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data
