"""Pages of lists, as they come, and how many records a list has, as far as its first pages tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mcp_instantly.api.completeness import OddResponse
from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.jobs.desk import Planner

COUNTED_PAGES = 5
"""Pages that are read to count."""


async def page_of(call: Callable[..., Awaitable[Any]], operation: str, arguments: dict[str, Any]) -> Any:
    """A page of a list, of whatever types the fields of its records are: for those who count or copy them."""
    try:
        return await call(operation, **arguments, limit=LARGEST_PAGE)
    except OddResponse as odd:
        return odd.payload


async def count_records(planner: Planner, operation: str, filters: dict[str, Any]) -> tuple[int, bool]:
    """How many records the first pages of a list have, and whether those are all of them."""
    rows = 0
    after: dict[str, str] = {}
    for _ in range(COUNTED_PAGES):
        page = await page_of(planner.call, operation, {**filters, **after})
        rows += len(records_of(page))
        cursor = cursor_behind(page, set(after.values()))
        if cursor is None:
            return rows, True
        after = {"starting_after": cursor}
    return rows, False
