"""Responses that are not a success, read: the API's own words in any of its envelopes, and what to do about them."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mcp_instantly.errors import (
    MAY_HAVE_WORKED,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    PaymentRequired,
    RateLimited,
    RefusedByProxy,
    ServerError,
    TooLarge,
    Unauthorized,
)
from mcp_instantly.text import shorten

MAX_QUOTED_WAIT_SECONDS = 86_400
"""Seconds; a server that asks for a longer wait is not quoted."""

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
    meant: Mapping[int, str] | None = None,
) -> ApiError:
    """The exception for an HTTP response that is not a success.

    `text` is the body as it came, in any of the API's envelopes or none; `scopes` are those that would allow the
    call, and `also_scopes` those of which one is needed besides, named when it is refused for want of one; `safe` says
    whether repeating the call has no further effect; `meant` is what a status means here that is not about the key.
    """
    kind = _CLASSES.get(status, ServerError if status >= 500 else ApiError)
    wait = retry_after(headers)
    page = proxy_message(text)
    message = page or message_of(text)
    body = _object(text)
    if status == 402 and any("rate limit exceeded" in str(body.get(name)).lower() for name in ("message", "error")):
        kind = RateLimited
    if page and 400 <= status < 500 and not issubclass(kind, (TooLarge, RateLimited, ServerError)):
        kind = RefusedByProxy
    advice = None
    if issubclass(kind, ServerError) and not safe:
        # A gateway that responds instead of the API does not know what the API has done.
        advice = MAY_HAVE_WORKED
    elif 300 <= status < 400:
        advice = "Redirects are not followed, so that the key is never sent elsewhere; check the server's address."
    elif page and not issubclass(kind, (TooLarge, RateLimited)):
        advice = RefusedByProxy.advice
    elif said := _advice_in(status, body, meant or {}):
        advice = said
    elif status in (401, 403) and scopes:
        besides = f"; and besides one of: {', '.join(also_scopes)}" if also_scopes else ""
        advice = f"{kind.advice} Scopes that allow it: {', '.join(scopes)}{besides}."
    elif kind is RateLimited and status == 402 and wait is None:
        advice = "This is a rate limit of the search, not a matter of the plan; wait a minute, then call again."
    elif kind is RateLimited and wait is not None:
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


def _advice_in(status: int, body: dict[str, Any], meant: Mapping[int, str]) -> str | None:
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
    # What is about the key comes in the API's usual envelope.
    about_the_key = status == 403 and (not body or "statusCode" in body)
    return None if about_the_key else meant.get(status)


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
    """Whether a body is an HTML page or a notice of the proxy instead of a response of the API."""
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
    """Seconds of a Retry-After header, given as seconds or as a date (RFC 9110, 10.2.3); None without one.

    A date is compared with that of the response, so that the clock of this machine may be wrong.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if re.fullmatch(r"[0-9]+", value):
        return float(value[:12])
    until, said = _instant(value), _instant(headers.get("date", ""))
    return None if until is None else max(0.0, until - (time.time() if said is None else said))


def _instant(date: str) -> float | None:
    """Seconds since 1970 of a date as HTTP writes it; None for what is none."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
