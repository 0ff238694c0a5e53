"""From when to when: the dates by which the results of placement tests are chosen."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.shapes import text
from mcp_instantly.sandbox.state.table import Record

DATES = {"date_from": text(), "date_to": text()}


def falls_between(row: Record, given: dict[str, Any], prefix: str = "") -> bool:
    """Whether a row is of the time from `date_from` to `date_to`. A bare date means its whole day."""
    first, last = given.get(f"{prefix}date_from") or "", given.get(f"{prefix}date_to") or ""
    at = row["timestamp_created"]
    return at >= first and (not last or at[: max(len(last), 10)] <= last)
