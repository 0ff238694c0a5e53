"""What the sandbox tells its listeners: an email sent, opened or replied to, a lead unsubscribed, a campaign done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

Listener = Callable[[World, str, dict[str, Any]], None]
LISTENERS: dict[str, Listener] = {}

ORDER = ("notify", "block_unsubscribed", "wake_inbox_managers", "notice_no_shows", "note_for_sales_agent")
"""The listeners by name, in the order in which they hear of an event: the ids of what they make follow from it, and
with them whether a sandbox that was kept in a file can be opened again."""


def listener(function: Listener) -> Listener:
    """Register a function `(world, event, facts)` that ORDER names; event names are those of webhook subscriptions.

    Raises ValueError for one that is registered already, or that has no place in the order.
    """
    if function.__name__ in LISTENERS or function.__name__ not in ORDER:
        raise ValueError(f"the listener {function.__name__} is registered already or has no place in ORDER")
    LISTENERS[function.__name__] = function
    return function


def announce(world: World, event: str, *, lead: Record | None = None, email: Record | None = None, **more: Any) -> None:
    """Tell every listener. The facts are the records themselves, under `lead` and `email`, and what else is given."""
    facts = {"lead": lead, "email": email, **more}
    for name in ORDER:
        LISTENERS[name](world, event, facts)
