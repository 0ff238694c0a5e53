"""When a request is sent again, and how long to wait before. Never when it may have had an effect.

Pure: the client sends and waits. What is decided stands in one table, FAILURES, which the pages for users show.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable
from typing import Literal

from mcp_instantly.api.request import Request
from mcp_instantly.errors import (
    ApiError,
    ErrorInSuccess,
    InstantlyError,
    NoResponse,
    NotFound,
    Outcome,
    OverBudget,
    Overtaken,
    RateLimited,
    ResponseTooLong,
    ServerError,
    Unreachable,
)
from mcp_instantly.tools.operation import Operation

ATTEMPTS = 3

MAX_RETRY_SECONDS = 30.0
MAX_RETRY_SHARE = 0.6
"""An attempt that would begin later than this after the first one, or in the last 40 % of the call's time, is left."""

BACKOFF_SECONDS = 0.5
RATE_BACKOFF_SECONDS = 2.0
"""The first pause where the response names none, doubled each time; the API counts its rate limits by the minute."""

JITTER_SECONDS = 0.5

Again = Literal["any call", "if idempotent", "never"]


@dataclasses.dataclass(frozen=True)
class Failure:
    """A kind of failed attempt: which errors it is, what became of the request, and whether it is sent again.

    `pause` is the first one in seconds, where the response names none.
    """

    name: str
    is_it: Callable[[InstantlyError], bool]
    became: Outcome
    again: Again
    pause: float = BACKOFF_SECONDS


def _is(kind: type[InstantlyError], *statuses: int) -> Callable[[InstantlyError], bool]:
    return lambda error: isinstance(error, kind) and (not statuses or error.status in statuses)


FAILURES = (
    Failure("the wait for the API's rate limit would be too long", _is(OverBudget), "not sent", "never"),
    Failure("no connection was made", _is(Unreachable), "not sent", "any call"),
    Failure(
        "429, and 402 where it says that a rate limit is exceeded",
        _is(RateLimited),
        "refused",
        "any call",
        RATE_BACKOFF_SECONDS,
    ),
    Failure(
        "the time of the call is over", lambda error: isinstance(error, NoResponse) and error.late, "unknown", "never"
    ),
    Failure(
        "the connection broke, or the response was cut, damaged or empty", _is(NoResponse), "unknown", "if idempotent"
    ),
    Failure("a response longer than `--max-response-bytes`", _is(ResponseTooLong), "unknown", "never"),
    Failure("501", _is(ServerError, 501), "unknown", "never"),
    Failure("408, any other 5xx", _is(ServerError), "unknown", "if idempotent"),
    Failure("success with an error or a page of HTML in it", _is(ErrorInSuccess), "unknown", "never"),
    Failure("any other 4xx, a redirect", _is(ApiError), "refused", "never"),
)
"""Every way in which an attempt fails; the first that fits is meant.

A rate limit and a connection that was never made did nothing. Where it is not known whether a request was carried out,
only an operation whose repetition has no further effect is repeated, and only where another response can be hoped for.
"""


def failure_of(error: InstantlyError) -> Failure:
    """The row of the table for what an attempt raised."""
    return next(failure for failure in FAILURES if failure.is_it(error))


def is_retryable(operation: Operation, error: InstantlyError) -> bool:
    """Whether the request can go out again after `error` without any risk of doing something twice."""
    again = failure_of(error).again
    return again == "any call" or (again == "if idempotent" and operation.idempotent)


def pause_before(
    attempt: int, operation: Operation, error: InstantlyError, *, elapsed: float, call_timeout: float
) -> float | None:
    """Seconds to wait before attempt number `attempt` (2 is the first repeat), or None when there is to be none.

    What Retry-After says, but never less than the backoff, which grows and jitters. `elapsed` counts the seconds since
    the first attempt, `call_timeout` those that the whole call may take.
    """
    if attempt > ATTEMPTS or not is_retryable(operation, error):
        return None
    asked = error.retry_after if isinstance(error, ApiError) else None
    first = failure_of(error).pause if asked is None else BACKOFF_SECONDS
    pause = max(asked or 0.0, first * 2 ** (attempt - 2) + random.uniform(0, JITTER_SECONDS))
    return pause if elapsed + pause < min(MAX_RETRY_SECONDS, MAX_RETRY_SHARE * call_timeout) else None


@dataclasses.dataclass(eq=False)
class Write:
    """A write under way. `overtaken_by` names the tool that was called on the same object after it."""

    objects: tuple[str, ...]
    overtaken_by: str | None = None


class WritesUnderWay:
    """The writes that have no response yet, by object, so that a repeat never overtakes a later call on its object."""

    def __init__(self) -> None:
        self._writes: dict[str, list[Write]] = {}

    def begin(self, tool: str, request: Request) -> Write:
        """Take note of a write that is about to be sent: all others on one of its objects are overtaken by it."""
        for name in request.touched:
            for earlier in self._writes.get(name, ()):
                earlier.overtaken_by = tool
        write = Write(request.objects)
        for name in write.objects:
            self._writes.setdefault(name, []).append(write)
        return write

    def end(self, write: Write) -> None:
        """Forget a write that will not be sent again."""
        for name in write.objects:
            left = self._writes[name]
            left.remove(write)
            if not left:
                del self._writes[name]


def refuse_overtaken(
    operation: Operation, write: Write | None, error: InstantlyError, doubtful: InstantlyError | None
) -> None:
    """Raise Overtaken for a write that failed with `error`, where a later call has acted on the same object since."""
    if write is not None and write.overtaken_by is not None:
        raise Overtaken(operation.name, write.overtaken_by, error, doubtful=doubtful is not None)


def error_to_tell(request: Request, error: InstantlyError, doubtful: InstantlyError | None) -> InstantlyError:
    """The error to tell after the last attempt: an earlier one may know more."""
    if doubtful is not None and isinstance(error, NotFound) and request.method == "DELETE":
        # What the deletion wanted gone is gone.
        advice = "An earlier attempt of this call got no answer, and has probably deleted it."
        gone = NotFound(404, error.message, advice=advice)
        gone.outcome = "unknown"
        return gone
    if doubtful is None:
        return error
    # "Nothing was sent" is true of the last attempt only; and so is a refusal.
    error.outcome = "unknown"
    return doubtful if isinstance(error, (OverBudget, Unreachable)) else error
