"""The scoped HTTP client: one origin, one key."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import anyio
import httpx

from mcp_instantly.errors import FailedInside, NoAnswer, NotFound, ServerError, Unreachable, from_response, is_page
from mcp_instantly.operation import Operation
from mcp_instantly.request import Request
from mcp_instantly.retry import attempts
from mcp_instantly.settings import Settings, is_loopback

REDACTED_FROM = 12
"""Shortest key that is struck out of answers; a shorter one would be an ordinary word in them."""


@dataclasses.dataclass(frozen=True)
class Reply:
    """A successful answer. `payload` is the JSON value, the text of another media type, or None when it is empty."""

    status: int
    payload: Any
    media_type: str
    size: int
    attempts: int


class InstantlyClient:
    """Sends requests to the origin of `settings` with its key, and to no other.

    `transport` replaces the network (the sandbox in process); `sleep` waits between attempts, in seconds. Use it as
    an async context manager, or call `aclose`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[Any]] = anyio.sleep,
    ):
        self._settings = settings
        self._sleep = sleep
        key = settings.api_key
        self._secrets = {key, quote(key, safe="")} if len(key) >= REDACTED_FROM else set()
        headers = {
            "Authorization": f"Bearer {settings.api_key}",
            "User-Agent": settings.user_agent,
            "Accept": "application/json, text/csv;q=0.9, */*;q=0.1",
        }
        if settings.workspace:
            headers["x-as-workspace"] = settings.workspace
        self._http = httpx.AsyncClient(
            headers=headers,
            transport=transport,
            follow_redirects=False,
            # A proxy from the environment has no business between this machine and itself.
            trust_env=not is_loopback(httpx.URL(settings.base_url).host),
            timeout=httpx.Timeout(
                connect=settings.connect_timeout,
                read=settings.read_timeout,
                write=settings.write_timeout,
                pool=settings.pool_timeout,
            ),
            limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=15),
        )

    async def __aenter__(self) -> InstantlyClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def send(self, operation: Operation, request: Request) -> Reply:
        """Send a request and return the answer; repeat it only where that is safe.

        Raises ApiError when Instantly refuses, TransportError when no whole answer came. Both carry the number of
        attempts.
        """
        made = 0
        doubtful = False
        try:
            async for attempt in attempts(operation, self._sleep):
                with attempt:
                    made += 1
                    try:
                        return await self._attempt(operation, request, made)
                    except (NoAnswer, ServerError):
                        doubtful = True
                        raise
        except NotFound as error:
            error.attempts = made
            if doubtful and request.method == "DELETE":
                raise _done_before(error) from None
            raise
        except BaseException as error:
            error.attempts = made  # type: ignore[attr-defined]
            raise
        raise AssertionError("the attempts end with a reply or an error")

    async def _attempt(self, operation: Operation, request: Request, number: int) -> Reply:
        # The path is encoded already; joined as text, httpx leaves it as it is.
        url = httpx.URL(self._settings.base_url.rstrip("/") + request.path)
        try:
            response = await self._http.request(
                request.method,
                url,
                params=list(request.query) or None,
                content=None if request.body is None else json.dumps(request.body, ensure_ascii=False, allow_nan=False),
                headers=None if request.body is None else {"Content-Type": "application/json"},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError) as error:
            raise Unreachable(self._settings.origin, _reason(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(operation.name, _reason(error), safe=operation.idempotent) from None
        # JSON is UTF-8 (RFC 8259); the charset of a header could name any codec of Python's.
        text = response.content.decode("utf-8-sig", "replace")
        if not response.is_success:
            raise from_response(
                response.status_code,
                self._clean_text(text),
                response.headers,
                scopes=() if operation.scopes_inferred else operation.scopes,
                safe=operation.idempotent,
            )
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        payload = self._decode(operation, text, media_type)
        return Reply(response.status_code, payload, media_type, len(response.content), number)

    def _decode(self, operation: Operation, text: str, media_type: str) -> Any:
        if not text.strip():
            return None
        if is_page(text):
            advice = "The proxy in front of Instantly answered instead of the API. "
            advice += "Call it later." if operation.idempotent else "Read the state before you call it again."
            raise FailedInside(200, "an HTML page", advice=advice)
        if media_type == "text/csv":
            return self._clean(text)
        try:
            return self._clean(_parse(text))
        except (ValueError, RecursionError):
            if "json" in media_type:
                reason = "the JSON of the answer is cut or damaged"
                raise NoAnswer(operation.name, reason, safe=operation.idempotent) from None
            return self._clean(text)

    def _clean(self, value: Any) -> Any:
        """The same value without the key, and with a question mark for each lone surrogate, which cannot be sent on.

        Both may stand in the JSON in escaped form, so they are looked for in what it means.
        """
        if isinstance(value, str):
            for secret in self._secrets:
                value = value.replace(secret, "[key]")
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        if isinstance(value, dict):
            return {self._clean(name): self._clean(item) for name, item in value.items()}
        return [self._clean(item) for item in value] if isinstance(value, list) else value

    def _clean_text(self, text: str) -> str:
        """The same for the body of an error, in whatever form it came."""
        try:
            return json.dumps(self._clean(_parse(text)), ensure_ascii=False)
        except (ValueError, RecursionError):
            return self._clean(text)


def _done_before(error: NotFound) -> NotFound:
    """The answer to a deletion that was sent again: what it wanted gone is gone."""
    advice = "An earlier attempt of this call got no answer, and has probably deleted it."
    found = NotFound(404, error.message, advice=advice)
    found.attempts = error.attempts
    return found


def _parse(text: str) -> Any:
    return json.loads(text, parse_constant=lambda _: None, parse_float=_finite)


def _finite(digits: str) -> float | None:
    """A number of an answer; one that is too large for a float is no number to JSON any more."""
    value = float(digits)
    return value if math.isfinite(value) else None


def _reason(error: Exception) -> str:
    """What went wrong, in words, without the address that the exception may hold."""
    words = {
        httpx.ConnectTimeout: "connecting took too long",
        httpx.ReadTimeout: "the answer took too long",
        httpx.WriteTimeout: "sending took too long",
        httpx.PoolTimeout: "too many requests are under way",
        httpx.RemoteProtocolError: "the connection was closed or cut before the answer was complete",
        httpx.ReadError: "the connection broke",
        httpx.WriteError: "the connection broke",
    }
    return words.get(type(error)) or re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
