"""The scoped HTTP client: one origin, one key."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.to_thread
import httpx

from mcp_instantly.api.completeness import refuse_missing_body
from mcp_instantly.api.fencing import NoLongerHeld, refuse_unless_held
from mcp_instantly.api.network import NOT_SENT, Content, open_network, reason_of
from mcp_instantly.api.refusals import from_response, is_html_page
from mcp_instantly.api.request import Request, Response
from mcp_instantly.api.retry import (
    MAX_RETRY_SHARE,
    Write,
    WritesUnderWay,
    error_to_tell,
    pause_before,
    refuse_overtaken,
)
from mcp_instantly.api.server_clock import ServerClock
from mcp_instantly.api.tracing import traced
from mcp_instantly.body import (
    ENCODINGS,
    Damaged,
    TooLong,
    parse_json,
    read_body,
    to_text,
)
from mcp_instantly.budgets.budget import Budget
from mcp_instantly.budgets.windows import Slot
from mcp_instantly.errors import (
    MAY_HAVE_WORKED,
    ConfigError,
    ErrorInSuccess,
    InstantlyError,
    NoResponse,
    Outcome,
    Overtaken,
    ResponseTooLong,
    ServerError,
    TransportError,
    Unreachable,
    cause_of,
)
from mcp_instantly.progress import say
from mcp_instantly.redaction import ResponseRedactor
from mcp_instantly.settings import Settings
from mcp_instantly.tools.operation import Operation

MAX_ERROR_BYTES = 1_000_000
"""Of the body of an error that are read."""

PARSED_AT_ONCE_BYTES = 256_000
"""A larger answer is parsed in a thread, so that other calls go on."""

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclasses.dataclass
class _Progress:
    """How far a call has come. `content` is of the attempt under way, `ended` what became of the one before; `doubtful`
    is the last error after which nobody knows what Instantly has done."""

    attempts: int = 0
    content: Content | None = None
    ended: Outcome = "not sent"
    doubtful: InstantlyError | None = None

    @property
    def outcome(self) -> Outcome:
        """What becomes of the call if it is cut off now."""
        begun = self.content is not None and self.content.begun
        return "unknown" if begun or self.doubtful is not None else self.ended


class InstantlyClient:
    """Sends requests to the origin of `settings` with its key, and to no other.

    It is a bare transport, without cookies and redirects. `transport` replaces the network (the sandbox in process);
    `sleep` waits between attempts, in seconds. Each attempt waits for its turn within `budget`; without one there is
    no limit. Use it as an async context manager, or call `aclose`. Raises ConfigError for a server, or for TLS or proxy
    settings of the environment, that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[Any]] = anyio.sleep,
        budget: Budget | None = None,
    ):
        self.budget = budget or Budget.unlimited()
        self._settings = settings
        self.sleep = sleep
        self.clock = ServerClock()
        self._writes = WritesUnderWay()
        self._base = settings.base_url.rstrip("/")
        try:
            self._url = httpx.URL(self._base)
        except httpx.InvalidURL as error:
            raise ConfigError(f"The server {settings.origin} cannot be used: {error}.") from None
        self._path = self._url.raw_path.decode("ascii").rstrip("/")
        self._takes_targets = False
        if transport is None:
            self._takes_targets = (transport := open_network(settings)).takes_targets
        self._transport = transport
        self._timeouts = httpx.Timeout(None, connect=settings.connect_timeout).as_dict()
        headers = [
            ("Host", self._url.netloc.decode()),
            *([("Authorization", f"Bearer {settings.api_key}")] if settings.api_key else []),
            ("User-Agent", settings.user_agent),
            ("Accept", "application/json, text/csv;q=0.9, */*;q=0.1"),
            ("Accept-Encoding", ENCODINGS),
        ]
        headers += [("x-as-workspace", settings.workspace)] if settings.workspace else []
        self._headers = httpx.Headers(headers)
        self._headers_of_json = httpx.Headers([*headers, ("Content-Type", "application/json")])
        self._redactor = ResponseRedactor(settings.api_key, *settings.other_keys)

    async def __aenter__(self) -> InstantlyClient:
        await self._transport.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def send(self, operation: Operation, request: Request, seconds: float = math.inf) -> Response:
        """Send a request and return the answer; repeat it only where that is safe.

        It ends after `seconds` or `call_timeout`, whichever is less, pauses included; no attempt begins in the last
        part of that. Raises ApiError when Instantly refuses, OverBudget when its turn would come too late,
        TransportError when no answer came that can be used. All carry the number of attempts; what cuts it off, such as
        a cancellation, has an `outcome` as those do.
        """
        progress = _Progress()
        write = None if operation.read_only else self._writes.begin(operation.name, request)
        try:
            limit = min(seconds, self._settings.call_timeout)
            with anyio.move_on_after(limit):
                return await self._attempts(operation, request, progress, write, limit)
            raise self._out_of_time(operation, progress, limit)
        except BaseException as error:
            error.attempts = progress.attempts  # type: ignore[attr-defined]
            if not isinstance(error, InstantlyError):
                error.outcome = progress.outcome  # type: ignore[attr-defined]
            raise
        finally:
            if write is not None:
                self._writes.end(write)

    async def _attempts(
        self, operation: Operation, request: Request, progress: _Progress, write: Write | None, limit: float
    ) -> Response:
        began = anyio.current_time()
        elapsed = 0.0
        error: InstantlyError | None = None
        while True:
            try:
                async with self.budget.turn(operation.name, MAX_RETRY_SHARE * limit - elapsed) as slot:
                    refuse_unless_held(operation, progress.doubtful)
                    if error is not None:
                        refuse_overtaken(operation, write, error, progress.doubtful)
                    attempt = self._attempt(operation, request, progress, slot)
                    return await traced(operation, self._settings.origin, progress.attempts, attempt)
            except (Overtaken, NoLongerHeld):
                raise
            except InstantlyError as raised:
                error, progress.content, progress.ended = raised, None, raised.outcome
            if isinstance(error, (NoResponse, ServerError)):
                progress.doubtful = error
            pause = pause_before(
                progress.attempts + 1,
                operation,
                error,
                elapsed=anyio.current_time() - began,
                call_timeout=limit,
            )
            if pause is None:
                raise error_to_tell(request, error, progress.doubtful)
            if write is None or write.overtaken_by is None:
                await say(f"{operation.name}: {cause_of(error)}; sending it again in {pause:.2g} s")
                await self.sleep(pause)
            refuse_overtaken(operation, write, error, progress.doubtful)
            elapsed = anyio.current_time() - began

    async def _attempt(self, operation: Operation, request: Request, progress: _Progress, slot: Slot) -> Response:
        progress.attempts += 1
        progress.content = content = Content(b"" if request.body is None else _encode(request.body).encode(), slot)
        outgoing = self._outgoing(operation, request, content)
        try:
            response = await self._transport.handle_async_request(outgoing)
        except NOT_SENT as error:
            slot.release()
            raise Unreachable(self._settings.origin, reason_of(error)) from None
        except httpx.HTTPError as error:
            raise NoResponse(operation.name, reason_of(error), safe=operation.idempotent) from None
        self.budget.answered(slot)
        return await self._receive(operation, response, progress)

    def _outgoing(self, operation: Operation, request: Request, content: Content) -> httpx.Request:
        """The request as the transport takes it."""
        address: httpx.URL | str = self._base + request.target
        extensions: dict[str, Any] = {"timeout": self._timeouts, "trace": content.hear}
        if self._takes_targets:
            # It is encoded, and no longer than a URL may be: to take the URL apart again takes longer than all else.
            address, extensions["target"] = self._url, (self._path + request.target).encode("ascii")
        outgoing = httpx.Request(
            request.method,
            address,
            headers=self._headers if request.body is None else self._headers_of_json,
            stream=content,
            extensions=extensions,
        )
        if request.body is not None or request.method not in ("GET", "DELETE"):
            outgoing.headers["Content-Length"] = str(content.size)
        return outgoing

    async def _receive(self, operation: Operation, response: httpx.Response, progress: _Progress) -> Response:
        # Plain ones: httpx's own look through all of them each time that one is asked for.
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}
        self.clock.hear(headers.get("date", ""))
        raw, error = await self._read(operation, response, headers)
        if not response.is_success:
            raise from_response(
                response.status_code,
                self._redactor.clean_text(raw),
                response.headers,
                scopes=() if operation.scopes_inferred else operation.scopes,
                also_scopes=operation.also_scopes,
                safe=operation.idempotent,
                meant=operation.refusals,
            )
        if error is not None:
            raise error
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        refuse_missing_body(operation, response.status_code, headers, raw)
        if len(raw) > PARSED_AT_ONCE_BYTES:
            payload = await anyio.to_thread.run_sync(self._decode, operation, raw, media_type, True)
        else:
            payload = self._decode(operation, raw, media_type, False)
        in_doubt = progress.doubtful is not None
        return Response(response.status_code, payload, media_type, len(raw), progress.attempts, in_doubt=in_doubt)

    async def _read(
        self, operation: Operation, response: httpx.Response, headers: dict[str, str]
    ) -> tuple[bytes, TransportError | None]:
        """The body of an answer, or why there is none. Its connection is free or closed afterwards."""
        limit = self._settings.max_response_bytes if response.is_success else MAX_ERROR_BYTES
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        try:
            return await read_body(stream, headers, limit), None
        except TooLong:
            return b"", ResponseTooLong(operation.name, limit, safe=operation.idempotent)
        except Damaged as error:
            return b"", NoResponse(operation.name, str(error), safe=operation.idempotent)
        except httpx.HTTPError as error:
            return b"", NoResponse(operation.name, reason_of(error), safe=operation.idempotent)
        finally:
            await stream.aclose()

    def _decode(self, operation: Operation, raw: bytes, media_type: str, in_thread: bool) -> Any:
        text = to_text(raw)
        if media_type != "text/csv":
            try:
                return self._redactor.clean(raw, parse_json(text, in_thread=in_thread))
            except (ValueError, RecursionError):
                if not text.strip():
                    return None
        if is_html_page(text):
            advice = "Call it later." if operation.idempotent else MAY_HAVE_WORKED
            said = f"The proxy in front of Instantly answered instead of the API. {advice}"
            raise ErrorInSuccess(200, "an HTML page", advice=said)
        if media_type != "text/csv" and ("json" in media_type or text.lstrip().startswith(("{", "["))):
            raise NoResponse(operation.name, "the JSON of the answer is cut or damaged", safe=operation.idempotent)
        return self._redactor.clean(raw, text) if text.strip() else None

    def _out_of_time(self, operation: Operation, progress: _Progress, seconds: float) -> InstantlyError:
        """What to say of a call that was ended after `seconds`, the time limit of the whole call."""
        limit = f"{seconds:g} s" + (" (--call-timeout)" if seconds == self._settings.call_timeout else "")
        if progress.content is not None and progress.content.begun:
            return NoResponse(operation.name, f"it took longer than {limit}", safe=operation.idempotent, late=True)
        return progress.doubtful or Unreachable(self._settings.origin, f"no connection within {limit}")
