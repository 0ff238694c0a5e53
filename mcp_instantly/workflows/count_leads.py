"""How many leads there are of each kind, counted page by page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.lead_states import LABELS

MAX_LEADS = 10_000
"""Leads that one call reads at most."""

RESERVED_SECONDS = 5.0
"""What must be left of the call's time for another page to be begun."""

NAMES = {"status": "by_status", "lt_interest_status": "by_interest", "verification_status": "by_verification"}


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read the leads that the arguments choose, and count them. `complete` is false where some were not read."""
    counts: dict[str, Counter[str]] = {field: Counter() for field in NAMES}
    most = arguments.get("max_items", MAX_LEADS)
    filters = {name: value for name, value in arguments.items() if name != "max_items"}
    read = 0
    complete = True
    async for page in context.pages("list_leads", **filters):
        counted = page[: most - read]
        for lead in counted:
            for field, kinds in counts.items():
                kinds[_label(field, lead.get(field))] += 1
        read += len(counted)
        await context.progress(read, message=f"{read} leads read")
        if len(counted) < len(page) or context.seconds_left < RESERVED_SECONDS:
            complete = False
            break
    found: dict[str, Any] = {"leads": read, "complete": complete}
    found |= {NAMES[field]: dict(kinds.most_common()) for field, kinds in counts.items()}
    if not complete:
        context.notes.append(f"The first {read} leads were counted, and there may be more: narrow it, by campaign say.")
    return found


def _label(field: str, value: Any) -> str:
    labels = LABELS[field]
    # Interest states of a workspace's own have numbers of their own.
    return labels.get(value, f"label {value}")
