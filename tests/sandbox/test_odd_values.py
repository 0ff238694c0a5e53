"""Whatever stands in a request, the answer is one of the API's: never a failure of the sandbox."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
import pytest

from mcp_instantly.api.request import build_request
from mcp_instantly.sandbox import KEY, World, create_app
from mcp_instantly.sandbox.engine.faults import Reply
from mcp_instantly.sandbox.engine.gate import CLOCK_TICK_REQUEST, Gate
from mcp_instantly.sandbox.state.table import Table
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from ..conftest import fresh_world
from .refusals import check_refusal

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())

ODD: list[Any] = [
    None,
    "",
    [],
    {},
    0,
    -1,
    0.5,
    1e308,
    10**30,
    True,
    "x" * 5000,
    "half a pair: \ud83d",
    "0000-00-00",
    "0001-01-01",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "2026-02-30",
    [None],
    [{}],
    {"a": {"b": 1}},
    "00000000-0000-4000-8000-000000000000",
    "NaN",
    "a&b=%00",
]
NOBODY = "00000000-0000-4000-8000-000000000000"
PER_PLACE = 4
"""Odd values that are tried in each place; the places take turns."""


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all that stands in a body."""
    yield path
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], (*path, name))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def put(value: Any, path: tuple[Any, ...], odd: Any) -> Any:
    if not path:
        return odd
    value = copy.deepcopy(value)
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = odd
    return value


def cases(operation: Operation) -> Iterator[tuple[list[tuple[str, str]], Any]]:
    """Queries and bodies, each with something odd in one place."""
    request = build_request(operation, operation.examples[-1])
    names = [name for name in operation.request_schema["properties"] if name not in operation.placeholders]
    turn = len(operation.name)
    query, body = list(request.query), request.body
    if operation.send == "query":
        for name in names:
            for odd in ODD:
                if isinstance(odd, str) and odd.isascii():
                    yield [*[pair for pair in query if pair[0] != name], (name, odd)], body
    elif operation.send == "body":
        known = dict.fromkeys(names) | (body or {})
        for path in places(known):
            for number in range(PER_PLACE):
                turn += 1
                yield query, put(body or {}, path, ODD[(turn * 7 + number) % len(ODD)])


def ask(app: Gate, method: str, path: str, query: list[tuple[str, str]], sent: str | None) -> Reply:
    """The answer to a request, as a server hands it over: a client takes longer than the sandbox, for thousands.

    A refusal must be one that the real API would give.
    """
    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    if sent is not None:
        headers.append((b"content-type", b"application/json"))
    scope = {
        **CLOCK_TICK_REQUEST,
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": urlencode(query).encode(),
        "headers": headers,
    }
    answer, _ = app.answer(scope, (sent or "").encode())
    if answer.status >= 400:
        asked = httpx.Request(method, f"http://sandbox{path}")
        check_refusal(httpx.Response(answer.status, content=answer.body, request=asked))
    return answer


def records_of(world: World) -> dict[str, Any]:
    """All that the workspace holds, and what is to happen."""
    tables = {name: table.dump() for name, table in vars(world).items() if isinstance(table, Table)}
    return tables | {"agenda": world.agenda}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_an_odd_value_is_taken_or_refused(api: httpx.AsyncClient, world: World, operation: Operation) -> None:
    app = create_app(world)
    request = build_request(operation, operation.examples[-1])
    taken = False
    for query, body in cases(operation):
        sent = None if body is None and operation.send != "body" else json.dumps(body)
        answer = ask(app, request.method, request.path, query, sent)
        assert answer.status < 500, (query, body)
        taken |= answer.status < 400
        if b"json" in dict(answer.headers).get(b"content-type", b""):
            json.loads(answer.body)
    shown = ["/_sandbox/requests", "/_sandbox/page/calls"]
    if not taken:
        assert records_of(world) == records_of(fresh_world())
    elif not operation.read_only:
        # What a write has left behind is worked on for a day, and shown.
        world.clock.advance(86_400)
        world.run_due()
        shown += ["/", "/_sandbox/page/leads", "/_sandbox/page/unibox"]
    for path in shown:
        assert (await api.get(f"http://sandbox{path}")).status_code == 200, path


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "[" * 100_000, "\x00"])
async def test_what_is_no_json_is_a_bad_request(api: httpx.AsyncClient, text: str) -> None:
    body = '{"label": "Odd", "description": ' + text + "}"
    answer = await api.post("/custom-tags", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["message"]


async def test_half_a_pair_is_replaced_and_a_whole_one_kept(api: httpx.AsyncClient) -> None:
    body = b'{"label": "half \\ud83d, whole \\ud83d\\ude00"}'
    made = await api.post("/custom-tags", content=body, headers={"content-type": "application/json"})
    assert made.json()["label"] == "half \ufffd, whole \U0001f600"
    log = (await api.get("http://sandbox/_sandbox/requests")).json()["items"]
    assert log[-1]["body"] == {"label": "half \ufffd, whole \U0001f600"}


async def test_dates_before_all_time_are_refused(api: httpx.AsyncClient) -> None:
    query = {"emails": "ada@brightpath.example", "end_date": "0001-01-01"}
    assert (await api.get("/accounts/analytics/daily", params=query)).status_code == 400


@pytest.mark.parametrize("instant", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
async def test_instants_that_utc_does_not_have_are_refused(api: httpx.AsyncClient, instant: str) -> None:
    for path, name in (
        ("/campaigns/analytics", "start_date"),
        ("/campaigns/analytics/overview", "end_date"),
        ("/campaigns/analytics/daily", "start_date"),
        ("/campaigns/analytics/steps", "end_date"),
        ("/emails", "min_timestamp_created"),
    ):
        assert (await api.get(path, params={name: instant})).status_code == 400, path


async def test_years_of_three_digits_lie_before_those_of_four(api: httpx.AsyncClient) -> None:
    found = (await api.get("/emails", params={"min_timestamp_created": "0300-01-01", "limit": 1})).json()["items"]
    assert found


@pytest.mark.parametrize("days", [-1, -1e300, -(10**9), 1e300, 10**30, 0, 0.5])
async def test_a_smart_view_takes_any_number_of_days(api: httpx.AsyncClient, days: float) -> None:
    """A period that ends in the future holds nobody, one longer than all time everybody."""
    query = {"actionType": "last-contacted", "values": {"occurrence-days": days}}
    answer = await api.post("/leads/list", json={"queries": [query], "limit": 1})
    assert (answer.status_code, len(answer.json()["items"])) == (200, 1 if days > 1 else 0)
    moved = await api.post("/leads/bulk-assign", json={"organization_user_ids": [NOBODY], "queries": [query]})
    assert moved.status_code < 500


@pytest.mark.parametrize("first", ["0001-01-01", "2026-01-01"])
@pytest.mark.parametrize("last", ["0001-01-01", "9999-12-31"])
async def test_there_is_nothing_before_the_first_of_all_days(
    api: httpx.AsyncClient, world: World, first: str, last: str
) -> None:
    test = next(iter(world.placement_tests))["id"]
    body = {"test_id": test, "date_from": first, "date_to": last, "show_previous": True}
    answer = await api.post("/inbox-placement-analytics/deliverability-insights", json=body)
    assert answer.status_code < 500
