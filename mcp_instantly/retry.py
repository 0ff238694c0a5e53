"""When a request is sent again, and how long to wait before. Never when it may have had an effect."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import tenacity

from mcp_instantly.errors import ApiError, InstantlyError, NoAnswer, RateLimited, ServerError, Unreachable
from mcp_instantly.operation import Operation

ATTEMPTS = 3
TOTAL_SECONDS = 30.0
"""A wait that would end later than this after the first attempt is not begun."""

_backoff = tenacity.wait_exponential(multiplier=0.5, max=10) + tenacity.wait_random(0, 0.5)


def may_repeat(operation: Operation, error: BaseException) -> bool:
    """Whether the request can go out again after `error` without any risk of doing something twice.

    A 429 and a connection that was never made did nothing. After a 5xx, a time-out or a cut answer nobody knows, so
    only an operation whose repetition has no further effect is repeated. 501 will not change.
    """
    if isinstance(error, (RateLimited, Unreachable)):
        return True
    return isinstance(error, (ServerError, NoAnswer)) and operation.idempotent and error.status != 501


def wait(state: tenacity.RetryCallState) -> float:
    """Seconds until the next attempt: what Retry-After says, otherwise exponential with jitter."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ApiError) and error.retry_after is not None:
        return error.retry_after
    return _backoff(state)


def attempts(operation: Operation, sleep: Callable[[float], Awaitable[Any]]) -> tenacity.AsyncRetrying:
    """The attempts of one call: at most three, none begun later than 30 s after the first."""
    return tenacity.AsyncRetrying(
        sleep=sleep,
        wait=wait,
        stop=tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(TOTAL_SECONDS),
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, InstantlyError) and may_repeat(operation, error)
        ),
        reraise=True,
    )
