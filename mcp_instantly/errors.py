"""Every exception of the package, and what each tells the reader to do next.

InstantlyError
  ConfigError               the server cannot start: one sentence on stderr, exit 2
  CallError                 a better call would have worked; nothing was sent
    UnknownTool             no tool has this name
    ToolNotEnabled          the tool exists, but the selection leaves it out
    InvalidArguments        the arguments do not fit the tool
  TransportError            no response came that could be used
    Unreachable             the request was not sent
    NoResponse              the request was sent, the response is missing or cut
    ResponseTooLong         the request was sent, the response is longer than it may be
    Overtaken               the request was not repeated, since a later call acted on the same object
  ApiError(status)          Instantly answered, and refused
    BadRequest 400, Unauthorized 401, PaymentRequired 402, Forbidden 403, NotFound 404, Conflict 409,
    TooLarge 413, 414 and 431, RateLimited 429, ServerError 5xx and 408
    ErrorInSuccess          status 200, with an error in the response
"""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_instantly.text import shorten

MAX_QUOTED_WAIT_SECONDS = 86_400
"""Seconds; a server that asks for a longer wait is not quoted."""

MAX_PROBLEMS = 20
"""Problems of one call after which the others are not looked for: a list may have as many as it has items."""

MAY_HAVE_WORKED = "It may have been carried out: read the state before you call it again."


class InstantlyError(Exception):
    """Base of all that a user or a model can act on; its text is one or two sentences."""

    attempts: int = 0
    """Requests that were sent before this was raised."""

    status: int | None = None
    """HTTP status of the answer, where there was one."""


class ConfigError(InstantlyError):
    """The server cannot start as it was asked to."""


class CallError(InstantlyError):
    """The call could not be made as it stands. Nothing was sent."""


class UnknownTool(CallError):
    """No operation has this name."""


class ToolNotEnabled(CallError):
    """The tool exists, and the selection at start leaves it out."""


class InvalidArguments(CallError):
    """`problems`: one sentence each, in the order of the arguments; `stopped` says that there may be more."""

    def __init__(self, tool: str, problems: Sequence[str], *, stopped: bool = False):
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        told = [*problems, *(["There may be more: checking stopped here."] if stopped else [])]
        super().__init__(f"Nothing was sent: {tool} has {count} in its arguments. " + " ".join(told))
        self.tool = tool
        self.problems = list(problems)


class TransportError(InstantlyError):
    """No answer came from Instantly that could be used."""


class Unreachable(TransportError):
    """No connection could be made, so nothing was sent."""

    def __init__(self, origin: str, reason: str):
        super().__init__(
            f"{origin} could not be reached ({reason}). Nothing was sent; check the network and the server's address, "
            "then call again."
        )


class NoResponse(TransportError):
    """The request went out and no whole answer came back. `safe`: repeating it has no further effect."""

    def __init__(self, tool: str, reason: str, *, safe: bool):
        advice = "The call changes nothing when it is repeated; call it again." if safe else MAY_HAVE_WORKED
        super().__init__(f"{tool} was sent, but no complete answer came back ({reason}). {advice}")


class ResponseTooLong(TransportError):
    """The answer has more than `limit` bytes. `safe`: repeating the request has no further effect."""

    def __init__(self, tool: str, limit: int, *, safe: bool):
        advice = "Ask for less at once: a smaller limit, a narrower filter, a shorter range." if safe else ""
        super().__init__(
            f"{tool} was sent, and its answer was dropped: it is longer than {limit:,} bytes (--max-response-bytes). "
            f"{advice or MAY_HAVE_WORKED}"
        )


class Overtaken(TransportError):
    """A write that failed with `error` was not repeated, as `later`, another tool, was called on the same object.

    `doubtful`: one of its attempts may have been carried out.
    """

    def __init__(self, tool: str, later: str, error: InstantlyError, *, doubtful: bool):
        self.status = error.status
        cause = "no complete answer came back"
        if isinstance(error, Unreachable):
            cause = "Instantly could not be reached"
        elif error.status is not None:
            cause = f"Instantly answered {error.status}"
        outcome = "It may have been carried out" if doubtful else "It was not carried out"
        super().__init__(
            f"{tool} did not succeed ({cause}), and was not sent again because {later} was called on the same object "
            f"in the meantime. {outcome}: read the state before you call it again."
        )


class ApiError(InstantlyError):
    """Instantly refused. `status` is the HTTP status, `message` the API's own words, short."""

    advice = "Read the message, change the call, then try again."

    def __init__(self, status: int, message: str = "", *, advice: str | None = None, retry_after: float | None = None):
        self.status = status
        self.message = message
        self.retry_after = retry_after
        quoted = f': "{message}"' if message else ""
        super().__init__(f"Instantly answered {status}{quoted}. {advice or self.advice}")


class BadRequest(ApiError):
    advice = "Change the arguments as the message says; the API names one problem at a time."


class Unauthorized(ApiError):
    advice = (
        "The API key is missing, wrong or revoked, or its scopes or plan do not cover this call; "
        "check INSTANTLY_API_KEY. Trying again will not help."
    )


class PaymentRequired(ApiError):
    advice = "The workspace has no active paid plan or not enough credits for this; trying again will not help."


class Forbidden(ApiError):
    advice = "This key may not do that; trying again will not help."


class NotFound(ApiError):
    advice = "Check the id: take it from a list call, in the same workspace."


class Conflict(ApiError):
    advice = "It conflicts with the current state; read that first."


class TooLarge(ApiError):
    advice = "Ask for less at once: a narrower filter, a shorter range, fewer items."


class RateLimited(ApiError):
    advice = "Too many requests; wait a minute, then call again."


class ServerError(ApiError):
    advice = "Instantly had an internal error; try again later."


class ErrorInSuccess(ApiError):
    advice = (
        "Instantly answered success, but the operation failed, or only a part of it was done: "
        "read the state before you call it again."
    )


_CLASSES: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    408: ServerError,
    409: Conflict,
    413: TooLarge,
    414: TooLarge,
    422: BadRequest,
    429: RateLimited,
    431: TooLarge,
}


def from_response(
    status: int,
    text: str,
    headers: Mapping[str, str],
    *,
    scopes: Sequence[str] = (),
    also_scopes: Sequence[str] = (),
    safe: bool = True,
) -> ApiError:
    """The exception for an HTTP response that is not a success.

    `text` is the body as it came, in any of the API's envelopes or none; `scopes` are those that would allow the
    call, and `also_scopes` those of which one is needed besides, named when it is refused for want of one; `safe` says
    whether repeating the call has no further effect.
    """
    kind = _CLASSES.get(status, ServerError if status >= 500 else ApiError)
    wait = retry_after(headers)
    page = proxy_message(text)
    message = page or message_of(text)
    advice = None
    if issubclass(kind, ServerError) and not safe:
        # A gateway that answers instead of the API does not know either what the API has done.
        advice = MAY_HAVE_WORKED
    elif 300 <= status < 400:
        advice = "Redirects are not followed, so that the key is never sent elsewhere; check the server's address."
    elif page and not issubclass(kind, (TooLarge, RateLimited)):
        advice = "This came from the proxy in front of Instantly, not from the API; the key is not the reason."
    elif said := _advice_in(status, _object(text)):
        advice = said
    elif status in (401, 403) and scopes:
        besides = f"; and besides one of: {', '.join(also_scopes)}" if also_scopes else ""
        advice = f"{kind.advice} Scopes that allow it: {', '.join(scopes)}{besides}."
    elif status == 402 and "rate limit" in message.lower():
        advice = "This is a rate limit of the search, not a matter of the plan; wait a minute, then call again."
    elif status == 429 and wait is not None:
        soon = (
            f"call again in {max(1, math.ceil(wait))} s" if wait <= MAX_QUOTED_WAIT_SECONDS else "wait, then call again"
        )
        advice = f"Too many requests; {soon}."
    return kind(status, message, advice=advice, retry_after=wait)


def _object(text: str) -> dict[str, Any]:
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


_ADVICE_BY_CODE = {
    "CREDIT_RESERVATION_CONFLICT": (
        "Running jobs of the workspace hold the credits: wait until they are done, then call again; there is no need "
        "to buy any."
    ),
    "COMPANY_LIST_NOT_FOUND": "company_list_id names no company list of this workspace; take it from the list of them.",
    "COMPANY_LIST_NOT_READY": (
        "The company list of company_list_id is still being built, or could not be: ask for that list until it is "
        "completed, then call again."
    ),
}


def _advice_in(status: int, body: dict[str, Any]) -> str | None:
    """What to do, as far as the fields of a refusal tell: wait for credits or buy some, ask for fewer leads."""
    code = body.get("errorCode") or body.get("code")
    numbers = {name: f"{value:,}" for name, value in body.items() if _is_count(value)}
    needed, available = numbers.get("creditsRequired"), numbers.get("creditsAvailable")
    counted = f"It needs {needed} credits and {available} are available. " if needed and available else ""
    if isinstance(code, str) and code in _ADVICE_BY_CODE:
        return f"{counted}{_ADVICE_BY_CODE[code]}"
    if status == 402 and counted:
        return f"{counted}Ask for less, or have credits bought; trying again as it is will not help."
    if status == 403 and "leadsRemaining" in numbers and "leadsRequested" in numbers:
        return (
            f"The plan takes {numbers['leadsRemaining']} more leads and {numbers['leadsRequested']} were asked for: "
            "lower the limit, or have the plan changed; trying again as it is will not help."
        )
    if status == 403 and isinstance(body.get("error"), str) and "statusCode" not in body and "message" not in body:
        return "One of the filters may not be used by this workspace; leave it out. The key is not the reason."
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def proxy_message(text: str) -> str:
    """What a page of the proxy says, in a few words; empty when the body is the API's."""
    code = re.fullmatch(r"\s*error code:?\s*(\d{3,4})\s*", text[:200], re.IGNORECASE)
    if code:
        return f"Cloudflare error {code[1]}"
    if not re.match(r"\s*<(!doctype|html|head|body|\?xml)", text, re.IGNORECASE):
        return ""
    title = re.search(r"<title[^>]*>(.*?)</title>", text[:20_000], re.IGNORECASE | re.DOTALL)
    return f"an HTML page titled {shorten(title[1])}" if title else "an HTML page"


def is_html_page(text: str) -> bool:
    """Whether a body is an HTML page or a notice of the proxy instead of an answer of the API."""
    return bool(proxy_message(text))


def message_of(text: str) -> str:
    """The API's own words out of any of its envelopes: message, then error, then the text as it is. Short."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return shorten(text)
    if body in ({}, [], None):
        return ""
    if isinstance(body, dict):
        words = next((body[key] for key in ("message", "error", "errorCode", "code") if body.get(key)), body)
        if body.get("keyword"):
            words = f"{words} ({body['keyword']})"
    else:
        words = body
    return shorten(words if isinstance(words, str) else json.dumps(words, ensure_ascii=False))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3); None without one."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if re.fullmatch(r"[0-9]+", value):
        return float(value[:12])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
