"""Retries: what is sent again after which failure, and how long to wait before; on the wire, in test_client.py."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from mcp_instantly import errors
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.retry import FAILURES, Failure, failure_of, pause_before
from mcp_instantly.errors import SAID, InstantlyError, NoResponse, RateLimited, ServerError, Unreachable
from mcp_instantly.invocation import Invoker
from mcp_instantly.results.result import Result
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import FAULT_KINDS
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import fresh_world, no_sleep

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


# The table, and everything that the sandbox can do to a call

LATE_SECONDS = 0.05
"""Of a call whose response comes later than it may."""

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 418, 422, 429, 451, 500, 501, 502, 503, 504, 520, 599)
FAULTS: list[dict[str, Any]] = [
    *({"status": status} for status in STATUSES),
    {"status": 429, "retry_after": 3},
    {"latency": 30, "real": True},
    {"reset": True},
    {"truncated": True},
    *({"html": status} for status in (200, 302, 404, 429, 501, 503)),
    {"error": {"error": "Something went wrong", "statusCode": 500}},
]
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_campaign", {"id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"}),
    ("update_lead", {"id": "01991f00-0001-7000-8000-000000000001", "first_name": "Marked"}),
    ("create_lead_list", {"name": "Marked"}),
]


def cases() -> Iterator[Any]:
    for fault in FAULTS:
        late = "latency" in fault or "truncated" in fault
        for when in ("after",) if late else ("before", "after"):
            for tool, arguments in CALLS:
                name = f"{json.dumps(fault)} {when} {tool}"
                yield pytest.param(fault if late else {**fault, "when": when}, tool, arguments, id=name)


def test_every_kind_of_fault_that_the_sandbox_has_is_tried() -> None:
    assert {kind for fault in FAULTS for kind in fault} >= set(FAULT_KINDS)


@pytest.mark.anyio
@pytest.mark.parametrize(("fault", "tool", "arguments"), [*cases()])
async def test_what_the_table_says_is_what_happens(
    catalog: Catalog, settings: Settings, fault: dict[str, Any], tool: str, arguments: dict[str, Any]
) -> None:
    operation = catalog.operations[tool]
    settings = dataclasses.replace(settings, call_timeout=LATE_SECONDS if "latency" in fault else 55)
    world = fresh_world()
    before = len(world.lead_lists)
    done = await outcome(world, settings, catalog, fault, tool, arguments)
    sent = len(world.requests)
    made = len(world.lead_lists) - before
    # What the call ends with where the fault does not pass.
    lasting = await outcome(fresh_world(), settings, catalog, {**fault, "every": 1}, tool, arguments)
    assert lasting.error is not None
    failure = failure_of(lasting.error)
    if failure.again == "any call" or (failure.again == "if idempotent" and operation.idempotent):
        assert (sent, done.error) == (2, None)
    else:
        assert sent == 1 and done.error is not None
        if not operation.read_only:
            assert SAID[failure.became].partition(":")[0].rstrip(".").lower() in done.text.lower()
    # A refusal is believed, and whoever answers 429 or 400 after having done the work cannot be helped.
    assert made <= 1 or failure.became == "refused"


async def outcome(
    world: World, settings: Settings, catalog: Catalog, fault: dict[str, Any], tool: str, arguments: dict[str, Any]
) -> Result:
    """How a call ends in this world while something goes wrong."""
    app = create_app(world)
    app.workspaces.faults.add(**fault)
    async with InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as client:
        return await Invoker(select(catalog, tools=[tool]), client, settings).invoke(tool, arguments)


def test_every_error_of_an_attempt_has_one_place_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.ApiError)]
    raised = [kind(status) for kind in kinds for status in range(300, 600)]
    raised += [NoResponse("x", "cut", safe=True), NoResponse("x", "late", safe=True, late=True)]
    raised += [Unreachable("https://x", "no"), errors.ResponseTooLong("x", 1, safe=True)]
    raised.append(errors.OverBudget("It is used up", 1.0))
    assert {failure_of(error) for error in raised} == set(FAILURES)
    for error in raised:
        assert error.outcome == failure_of(error).became, error


@pytest.mark.parametrize("failure", FAILURES, ids=[failure.name for failure in FAILURES])
def test_a_call_is_sent_again_unasked_only_where_nothing_was_done(failure: Failure) -> None:
    if failure.again == "any call":
        assert failure.became in ("not sent", "refused")
