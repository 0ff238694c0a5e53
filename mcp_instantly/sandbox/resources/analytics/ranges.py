"""The ranges of time that analytics are asked for."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.state.clock import parse, stamp

FIRST_YEAR = 1970

LONGEST = 31
"""Days that one request for daily figures may cover."""

ALWAYS = ("", "~")
"""A range of stamps in which everything lies."""


def read_range(query: dict[str, Any]) -> tuple[str, str]:
    """The stamps between which something must have happened; a mere date is its first instant in UTC."""
    return _edge(query.get("start_date"), ALWAYS[0]), _edge(query.get("end_date"), ALWAYS[1])


def _edge(given: str | None, default: str) -> str:
    return stamp(read_instant(given)) if given else default


def read_instant(given: str) -> dt.datetime:
    try:
        instant = parse(given)
        if instant.year < FIRST_YEAR:
            raise ValueError("before the time of computers")
        return instant
    except ValueError:
        raise bad_request(f"Invalid date: {given}") from None


def bad_request(message: str) -> ApiRefusal:
    """A 400 in the shape of the analytics: the message, nothing else."""
    return ApiRefusal(400, message, body={"message": message})


def check_length(first: dt.date, last: dt.date) -> None:
    """Raise a 400 where more days are asked for, first and last included, than one request may cover."""
    if (last - first).days >= LONGEST:
        raise bad_request(f"Analytics date range cannot exceed {LONGEST} days")
