"""Where the emails of placement tests landed: row by row, and counted from the rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, choice, fields, text, uuid
from mcp_instantly.sandbox.resources.inbox_placement.dates import DATES, falls_between
from mcp_instantly.sandbox.resources.inbox_placement.runs import RECEIVED, SENT
from mcp_instantly.sandbox.resources.inbox_placement.tests import find
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

TRAITS = ("recipient_geo", "recipient_type", "recipient_esp")
CHOSEN = {
    **DATES,
    "recipient_geo": array(choice(1, 2, 3, 4)),
    "recipient_type": array(choice(1, 2)),
    "recipient_esp": array(choice(1, 2, 8, 12, 13)),
}


def _fits(row: Record, given: dict[str, Any]) -> bool:
    """Whether a row is among those that a request chooses, dates aside. An empty choice chooses all."""
    return all(not given.get(name) or row[name] in given[name] for name in TRAITS) and (
        not given.get("sender_email") or row["sender_email"] == given["sender_email"].lower()
    )


def _rows(world: World, test_id: str, given: dict[str, Any], kind: int | None = None) -> list[Record]:
    return [
        row
        for row in world.placement_rows.where(test_id=test_id)
        if (kind is None or row["record_type"] == kind) and _fits(row, given) and falls_between(row, given)
    ]


@route(
    "GET",
    "/inbox-placement-analytics",
    scope="inbox_placement_analytics:read",
    query={
        **PAGE,
        "test_id": uuid(),
        **DATES,
        **{name: text() for name in TRAITS},
        "sender_email": text(),
    },
    needs="test_id",
)
def list_rows(world: World, call: Call) -> Record:
    """In the order in which things happened."""
    query = call.query
    given = {**query, **{name: [_number(word) for word in commas(query.get(name, ""))] for name in TRAITS}}
    rows = world.placement_rows.select(query.get("starting_after"), test_id=query["test_id"].lower())
    return page((row for row in rows if _fits(row, given) and falls_between(row, given)), query)


def _number(word: str) -> int:
    """What no row has, for a word that is none."""
    return int(word) if word.isdecimal() else -1


@route("GET", "/inbox-placement-analytics/{id}", scope="inbox_placement_analytics:read", id=uuid())
def get_row(world: World, call: Call) -> Record:
    row = world.placement_rows.get(call.path["id"])
    if not row:
        raise not_found("Inbox placement analytics")
    return public(row)


def _tally(rows: Iterable[Record]) -> dict[str, int]:
    """How many of the received emails landed where; each is counted once."""
    found = {"count": 0, "spam": 0, "inbox": 0, "category": 0}
    for row in rows:
        found["count"] += 1
        found["spam" if row["is_spam"] else "category" if row["has_category"] else "inbox"] += 1
    return found


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 2) if whole else 0


@route(
    "POST",
    "/inbox-placement-analytics/stats-by-test-id",
    scope="inbox_placement_analytics:read",
    body=fields("test_ids", test_ids=array(uuid(), minItems=1), **CHOSEN, sender_email=text()),
)
def count_by_test(world: World, call: Call) -> Any:
    answer = []
    for test_id in dict.fromkeys(test_id.lower() for test_id in call.body["test_ids"]):
        found = _tally(_rows(world, find(world, test_id)["id"], call.body, RECEIVED))
        entry: Record = {"test_id": test_id, "count": found["count"]}
        for name in ("spam", "inbox", "category"):
            entry[f"{name}_count"] = found[name]
            entry[f"{name}_percent"] = _percent(found[name], found["count"])
        answer.append(entry)
    return answer


@route(
    "POST",
    "/inbox-placement-analytics/stats-by-date",
    scope="inbox_placement_analytics:read",
    body=fields("test_id", test_id=uuid(), **CHOSEN, sender_email=text()),
)
def count_by_date(world: World, call: Call) -> Any:
    """One entry for each day on which emails were sent or received."""
    days: dict[str, list[Record]] = {}
    for row in _rows(world, find(world, call.body["test_id"].lower())["id"], call.body):
        days.setdefault(row["timestamp_created_date"], []).append(row)
    answer = []
    for day, rows in sorted(days.items()):
        found = _tally(row for row in rows if row["record_type"] == RECEIVED)
        answer.append(
            {
                "timestamp_created_date": day,
                "sent_count": sum(row["record_type"] == SENT for row in rows),
                "received_count": found["count"],
                **{f"{name}_count": found[name] for name in ("spam", "inbox", "category")},
            }
        )
    return answer


@route(
    "POST",
    "/inbox-placement-analytics/deliverability-insights",
    scope="inbox_placement_analytics:read",
    body=fields(
        "test_id",
        test_id=uuid(),
        **CHOSEN,
        previous_date_from=text(),
        previous_date_to=text(),
        show_previous=boolean(),
    ),
)
def get_insights(world: World, call: Call) -> Any:
    """Percentages for each pair of providers, and those of an earlier time beside them if that is asked for."""
    body = call.body
    test_id = find(world, body["test_id"].lower())["id"]
    spans = {"": body}
    if body.get("show_previous"):
        earlier = {"date_from": body.get("previous_date_from"), "date_to": body.get("previous_date_to")}
        if not any(earlier.values()):
            earlier = _span_before(body)
        spans["prev_"] = {**body, **earlier} if any(earlier.values()) else {**body, "date_to": "0"}
    pairs: dict[tuple[int, int], Record] = {}
    for prefix, given in spans.items():
        for pair, rows in _by_providers(_rows(world, test_id, given, RECEIVED)).items():
            found = _tally(rows)
            shares = {f"{prefix}{name}_percentage": _percent(found[name], found["count"]) for name in found}
            shares.pop(f"{prefix}count_percentage")
            pairs.setdefault(pair, {}).update(shares)
    dates = {
        "from": body.get("date_from"),
        "to": body.get("date_to"),
        "previous_from": spans.get("prev_", {}).get("date_from"),
        "previous_to": spans.get("prev_", {}).get("date_to"),
    }
    return [
        public({"test_id": test_id, **dates, "sender_esp": pair[0] or None, "recipient_esp": pair[1], **shares})
        for pair, shares in sorted(pairs.items())
    ]


def _by_providers(rows: list[Record]) -> dict[tuple[int, int], list[Record]]:
    """Received rows by the providers of both sides; 0 for a sender of no known provider."""
    found: dict[tuple[int, int], list[Record]] = {}
    for row in rows:
        found.setdefault((row.get("sender_esp") or 0, row["recipient_esp"]), []).append(row)
    return found


def _span_before(body: dict[str, Any]) -> dict[str, str | None]:
    """As many days as were asked for, right before them; nothing where there are none."""
    try:
        first, last = (dt.date.fromisoformat(body[name][:10]) for name in ("date_from", "date_to"))
        days = dt.timedelta(days=(last - first).days + 1)
        return {"date_from": (first - days).isoformat(), "date_to": (last - days).isoformat()}
    except (KeyError, ValueError, OverflowError):
        return {}
