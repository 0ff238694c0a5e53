"""Pages of a list: where the records stand in an answer, and which page comes next."""

from __future__ import annotations

from typing import Any

NEXT_CURSOR = "next_starting_after"

OLD_CURSOR = "next_cursor"
"""What some lists call the same cursor as well."""

RECORDS = ("items", "data")
"""What the records of a page are called."""

LARGEST_PAGE = 100
"""Records that a page of every list may have."""


def name_of_records(answer: dict[str, Any]) -> str:
    """Under which name an answer has its records."""
    return next((name for name in RECORDS if isinstance(answer.get(name), list)), RECORDS[0])


def records_of(payload: Any) -> list[Any]:
    """The records of an answer; [] for one that has none."""
    found = payload.get(name_of_records(payload)) if isinstance(payload, dict) else payload
    return found if isinstance(found, list) else []


def cursor_behind(payload: Any, seen: set[str]) -> str | None:
    """The cursor of the next page, which joins those that were seen; None at the end.

    The end is a page without records or without a cursor, and a cursor that was there before, which turns in circles.
    """
    cursor = payload.get(NEXT_CURSOR) if isinstance(payload, dict) else None
    if not cursor or not records_of(payload) or str(cursor) in seen:
        return None
    seen.add(str(cursor))
    return str(cursor)
