"""One connection to one origin as a transport: what httpx's own has beside it, a pool, costs a fifth of a request."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import cast

import httpcore
import httpx


class SingleConnection(httpx.AsyncBaseTransport):
    """Sends one request after another to the origin of `url`, on one connection, which it opens anew when need be.

    An idle connection is kept for `kept_seconds`. A request may carry its path and query as the extension `target`.
    Raises the exceptions of httpx.
    """

    def __init__(self, url: httpx.URL, certificates: ssl.SSLContext, *, kept_seconds: float):
        self._url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=b"/")
        self._certificates = certificates
        self._kept_seconds = kept_seconds
        self._connection: httpcore.AsyncHTTPConnection | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        extensions = request.extensions
        if "target" not in extensions:
            extensions = {**extensions, "target": request.url.raw_path}
        with _as_httpx:
            connection = await self._ready()
            response = await connection.handle_async_request(
                httpcore.Request(
                    request.method,
                    self._url,
                    headers=request.headers.raw,
                    content=cast(httpx.AsyncByteStream, request.stream),
                    extensions=extensions,
                )
            )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(cast(httpx.AsyncByteStream, response.stream)),
            extensions=response.extensions,
        )

    async def _ready(self) -> httpcore.AsyncHTTPConnection:
        """The connection of the last request, where another may follow on it, or else a new one."""
        kept = self._connection
        if kept is not None:
            if kept.is_idle() and not kept.has_expired():
                return kept
            await kept.aclose()
        self._connection = httpcore.AsyncHTTPConnection(
            self._url.origin, ssl_context=self._certificates, keepalive_expiry=self._kept_seconds
        )
        return self._connection

    async def aclose(self) -> None:
        if self._connection is not None:
            await self._connection.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: httpx.AsyncByteStream):
        self.body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx:
            async for part in self.body:
                yield part

    async def aclose(self) -> None:
        with _as_httpx:
            await self.body.aclose()


class _ErrorsOfHttpx:
    """Turns what httpcore raises into what httpx has for it, which is of the same name."""

    def __enter__(self) -> None:
        """Nothing is kept, so that one serves all."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        for kind in type(error).__mro__ if isinstance(error, Exception) else ():
            same = getattr(httpx, kind.__name__, None) if kind.__module__.startswith("httpcore") else None
            if same is not None:
                raise same(str(error)) from error


_as_httpx = _ErrorsOfHttpx()
