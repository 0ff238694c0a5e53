"""Every exception of the package, and what each tells the reader to do next.

InstantlyError
  ConfigError               the server cannot start: one sentence on stderr, exit 2
  CallError                 a better call would have worked; nothing was sent
    UnknownTool             no tool has this name
    ToolNotEnabled          the tool exists, but the selection leaves it out
    InvalidArguments        the arguments do not fit the tool
  TransportError            no answer came
    Unreachable             the request was not sent
    NoAnswer                the request was sent, the answer is missing or cut
  ApiError(status)          Instantly answered, and refused
    BadRequest 400, Unauthorized 401, PaymentRequired 402, Forbidden 403, NotFound 404, Conflict 409,
    TooLarge 413, RateLimited 429, ServerError 5xx
    FailedInside            status 200, with an error in the answer
"""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_instantly.text import shorten

DAY = 86_400
"""Seconds; a server that asks for a longer wait is not quoted."""

TOLD = 20
"""Problems of one call that are told; a list with one wrong field has as many as it has items."""


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
    """`problems`: one sentence each, in the order of the arguments."""

    def __init__(self, tool: str, problems: Sequence[str]):
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        told = [*problems[:TOLD], *([f"And {len(problems) - TOLD} more."] if len(problems) > TOLD else [])]
        super().__init__(f"Nothing was sent: {tool} has {count} in its arguments. " + " ".join(told))
        self.tool = tool
        self.problems = list(problems)


class TransportError(InstantlyError):
    """No answer came from Instantly."""


class Unreachable(TransportError):
    """No connection could be made, so nothing was sent."""

    def __init__(self, origin: str, reason: str):
        super().__init__(
            f"{origin} could not be reached ({reason}). Nothing was sent; check the network and the server's address, "
            "then call again."
        )


class NoAnswer(TransportError):
    """The request went out and no whole answer came back. `safe`: repeating it has no further effect."""

    def __init__(self, tool: str, reason: str, *, safe: bool):
        advice = (
            "The call changes nothing when it is repeated; call it again."
            if safe
            else "It may have been carried out all the same: read the state before you call it again."
        )
        super().__init__(f"{tool} was sent, but no complete answer came back ({reason}). {advice}")


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
    advice = "It clashes with something that exists already, or is not ready yet; read the present state first."


class TooLarge(ApiError):
    advice = "Ask for less at once: a narrower filter, a shorter range, fewer items."


class RateLimited(ApiError):
    advice = "Too many requests; wait, then call again."


class ServerError(ApiError):
    advice = "The fault is on Instantly's side; try again later."


class FailedInside(ApiError):
    advice = "The call was answered with success, and did not do what it should."


_CLASSES: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    402: PaymentRequired,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    422: BadRequest,
    429: RateLimited,
}


def from_response(
    status: int,
    text: str,
    headers: Mapping[str, str],
    *,
    scopes: Sequence[str] = (),
    safe: bool = True,
) -> ApiError:
    """The exception for an HTTP answer that is no success.

    `text` is the body as it came, in any of the API's envelopes or none; `scopes` are those that would allow the
    call, named when it is refused for want of one; `safe` says whether repeating the call has no further effect.
    """
    kind = _CLASSES.get(status, ServerError if status >= 500 else ApiError)
    blocked = _proxy_page(text)
    if blocked:
        return kind(status, blocked, advice=_PROXY_ADVICE, retry_after=retry_after(headers))
    message = message_of(text)
    advice = None
    if 300 <= status < 400:
        advice = "Redirects are not followed, so that the key stays with its own server; check the server's address."
    elif status in (401, 403) and scopes:
        advice = f"{kind.advice} Scopes that allow it: {', '.join(scopes)}."
    elif status == 402 and "rate limit" in message.lower():
        advice = "This is a rate limit of the search, not a matter of the plan; wait a minute, then call again."
    elif status == 429:
        wait = retry_after(headers)
        if wait is not None and wait <= DAY:
            advice = f"Too many requests; call again in {wait:.0f} s."
    elif status >= 500 and not safe:
        advice = "It may have been carried out all the same: read the state before you call it again."
    return kind(status, message, advice=advice, retry_after=retry_after(headers))


_PROXY_ADVICE = "This came from the proxy in front of Instantly, not from the API; the key is not the reason."


def _proxy_page(text: str) -> str:
    """What a page of the proxy says, in a few words; empty when the body is the API's."""
    code = re.fullmatch(r"\s*error code:?\s*(\d{3,4})\s*", text[:200], re.IGNORECASE)
    if code:
        return f"Cloudflare error {code[1]}"
    if not re.match(r"\s*<(!doctype|html|head|body|\?xml)", text, re.IGNORECASE):
        return ""
    title = re.search(r"<title[^>]*>(.*?)</title>", text[:20_000], re.IGNORECASE | re.DOTALL)
    return f"an HTML page titled {shorten(title[1])}" if title else "an HTML page"


def is_page(text: str) -> bool:
    """Whether a body is an HTML page or a notice of the proxy instead of an answer of the API."""
    return bool(_proxy_page(text))


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
