"""The table of operations: what the API listens to, what each accepts, and its handler."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from mcp_instantly.sandbox.engine.responses import public
from mcp_instantly.sandbox.engine.shapes import PAGE, Shape, Validator, fields
from mcp_instantly.sandbox.state.table import Record, Table
from mcp_instantly.sandbox.state.world import World

API = "/api/v2"


@dataclasses.dataclass
class Call:
    """One request that has passed validation: placeholders, query (typed), JSON body ({} when there is none).

    `origin` is where it was sent to, such as http://127.0.0.1:8000.
    """

    path: dict[str, str]
    query: dict[str, Any]
    body: dict[str, Any]
    origin: str = ""

    def given(self, names: Iterable[str], *, nulls: bool = True) -> dict[str, Any]:
        """The fields of the body among these names, with or without those that are null."""
        return {name: self.body[name] for name in names if name in self.body and (nulls or self.body[name] is not None)}


Handler = Callable[[World, Call], Any]
Activity = int | Callable[[Call], int]


@dataclasses.dataclass
class Route:
    method: str
    path: str
    handler: Handler
    params: Validator
    query: Validator
    body: Validator | None
    scope: str | None = None
    audit: Activity | None = None
    also_scope: str | None = None
    or_scope: str | None = None


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    *,
    query: dict[str, Shape] | None = None,
    needs: str = "",
    body: Shape | None = None,
    scope: str | tuple[str, str] | None = None,
    or_scope: str | None = None,
    audit: Activity | None = None,
    **params: Shape,
) -> Callable[[Handler], Handler]:
    """Register a handler `(world, call) -> payload | Response`. `path` stands behind /api/v2.

    `query` names the query arguments (`needs`: those that must be there), `body` the JSON body (None: the operation
    takes none), `params` the shapes of placeholders that are more than text. `scope` is the narrowest scope that is
    enough, None where any key will do, and two where a key needs both; `or_scope` a scope of another resource
    that is enough as well; `audit` the kind of the entry that a success leaves in the audit log, or a function that
    tells it from the call.

    An operation has one handler: raises ValueError for a second one.
    """

    if any((known.method, known.path) == (method, API + path) for known in ROUTES):
        raise ValueError(f"there is a handler for {method} {path} already")

    scope, also_scope = (scope, None) if scope is None or isinstance(scope, str) else scope

    def register(handler: Handler) -> Handler:
        ROUTES.append(
            Route(
                method,
                API + path,
                handler,
                Validator(fields(**params)),
                Validator(fields(needs, **(query or {}))),
                Validator(body) if body is not None else None,
                scope,
                audit,
                also_scope,
                or_scope,
            )
        )
        return handler

    return register


def is_reading(operation: str) -> bool:
    """Whether `GET /campaigns` and the like change nothing, as far as their scope tells."""
    method, _, path = operation.partition(" ")
    return method == "GET" or any(
        (known.method, known.path) == (method, API + path) and (known.scope or "").endswith(":read") for known in ROUTES
    )


def page(
    records: Iterable[Record],
    arguments: dict[str, Any],
    *,
    cursor: Callable[[Record], str] = lambda record: record["id"],
    render: Callable[[Record], Record] = public,
) -> dict[str, Any]:
    """One page of `records`, which already begin behind the cursor.

    As the API does it, every page with items carries a cursor, even when nothing follows; the next page is then empty
    and has none.
    """
    shown = list(itertools.islice(records, arguments.get("limit", 10)))
    following = {"next_starting_after": cursor(shown[-1])} if shown else {}
    return {"items": [render(record) for record in shown], **following}


def page_by_time(
    records: Iterable[Record],
    arguments: dict[str, Any],
    *,
    tie: str = "id",
    name_both: bool = False,
    render: Callable[[Record], Record] = public,
) -> dict[str, Any]:
    """One page of `records`, newest first, for the lists whose cursor is a timestamp.

    Where more records of the same instant follow, the cursor names the last one too (`timestamp&id`), or they would
    be lost between two pages. With `name_both` it always does.
    """
    found = sorted(records, key=lambda record: (record["timestamp_created"], record[tie]), reverse=True)
    at, _, last = arguments.get("starting_after", "").partition("&")
    if at:
        found = [record for record in found if (record["timestamp_created"], record[tie]) < (at, last)]
    following = {record["timestamp_created"]: record[tie] for record in found}

    def cursor(record: Record) -> str:
        if name_both or following[record["timestamp_created"]] != record[tie]:
            return f"{record['timestamp_created']}&{record[tie]}"
        return str(record["timestamp_created"])

    return page(found, arguments, cursor=cursor, render=render)


def page_of_matches(
    table: Table, arguments: dict[str, Any], *names: str, render: Callable[[Record], Record] = public
) -> dict[str, Any]:
    """One page of a table, newest first: the records that hold the words of `search` in the fields of these names."""
    words = arguments.get("search", "").lower()
    records = table.after(arguments.get("starting_after"), newest_first=True)
    found = (record for record in records if words in " ".join(record.get(name) or "" for name in names).lower())
    return page(found, arguments, render=render)


def commas(text: str) -> list[str]:
    """The parts of a list that is written as one string with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


__all__ = ["API", "PAGE", "ROUTES", "Call", "Route", "commas", "page", "page_by_time", "page_of_matches", "route"]
