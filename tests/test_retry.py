"""Retries: how long to wait before the next attempt, if there is to be one. What is repeated is in test_client.py."""

from __future__ import annotations

import pytest

from mcp_instantly.api.retry import pause_before
from mcp_instantly.errors import InstantlyError, NoResponse, RateLimited, ServerError, Unreachable
from mcp_instantly.tools.catalog import Catalog

BUSY = RateLimited(429)


def pause(
    catalog: Catalog, attempt: int, error: InstantlyError, *, tool: str = "get_campaign", elapsed: float = 0.0
) -> float | None:
    return pause_before(attempt, catalog.operations[tool], error, elapsed=elapsed, call_timeout=55)


def test_pauses_grow_and_jitter(catalog: Catalog) -> None:
    first = [pause(catalog, 2, ServerError(503)) for _ in range(20)]
    assert all(seconds and 0.5 <= seconds <= 1.0 for seconds in first)
    assert len(set(first)) > 1
    assert 1.0 <= (pause(catalog, 3, ServerError(503)) or 0) <= 1.5


def test_there_are_three_attempts(catalog: Catalog) -> None:
    assert pause(catalog, 4, BUSY) is None


def test_what_the_answer_asks_for_is_kept_to_but_never_less_than_the_backoff(catalog: Catalog) -> None:
    assert pause(catalog, 2, RateLimited(429, retry_after=7)) == 7
    assert (pause(catalog, 2, RateLimited(429, retry_after=0)) or 0) >= 0.5


def test_no_attempt_begins_after_thirty_seconds_or_late_in_the_time_of_the_call(catalog: Catalog) -> None:
    assert pause(catalog, 2, RateLimited(429, retry_after=20), elapsed=9) == 20
    assert pause(catalog, 2, RateLimited(429, retry_after=20), elapsed=11) is None
    operation = catalog.operations["get_campaign"]
    assert pause_before(2, operation, RateLimited(429, retry_after=7), elapsed=0, call_timeout=10) is None


@pytest.mark.parametrize("error", [ServerError(500), NoResponse("x", "cut", safe=False)], ids=["500", "cut"])
def test_what_may_have_worked_is_repeated_only_where_that_changes_nothing(
    catalog: Catalog, error: InstantlyError
) -> None:
    assert pause(catalog, 2, error, tool="pause_campaign")
    assert pause(catalog, 2, error, tool="reply_to_email") is None
    assert pause(catalog, 2, BUSY, tool="reply_to_email")
    assert pause(catalog, 2, Unreachable("https://x", "no"), tool="reply_to_email")
    assert pause(catalog, 2, ServerError(501)) is None
