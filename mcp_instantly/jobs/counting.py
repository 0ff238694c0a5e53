"""How many records a list has, as far as its first pages tell."""

from __future__ import annotations

from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.jobs.desk import Planner

COUNTED_PAGES = 5
"""Pages that are read to count."""


async def count_records(planner: Planner, operation: str, filters: dict[str, Any]) -> tuple[int, bool]:
    """How many records the first pages of a list have, and whether those are all of them."""
    rows = 0
    after: dict[str, str] = {}
    for _ in range(COUNTED_PAGES):
        page = await planner.call(operation, **filters, **after, limit=LARGEST_PAGE)
        rows += len(records_of(page))
        cursor = cursor_behind(page, set(after.values()))
        if cursor is None:
            return rows, True
        after = {"starting_after": cursor}
    return rows, False
