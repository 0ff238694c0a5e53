"""What the sandbox tells those who listen: a mail sent, opened or answered, a lead unsubscribed, a campaign done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

Listener = Callable[[World, str, dict[str, Any]], None]
LISTENERS: list[Listener] = []


def listener(function: Listener) -> Listener:
    """Register a function `(world, event, facts)`; event names are those of webhook subscriptions."""
    LISTENERS.append(function)
    return function


def announce(world: World, event: str, *, lead: Record | None = None, email: Record | None = None, **more: Any) -> None:
    """Tell every listener. The facts are the records themselves, under `lead` and `email`, and what else is given."""
    facts = {"lead": lead, "email": email, **more}
    for listen in LISTENERS:
        listen(world, event, facts)
