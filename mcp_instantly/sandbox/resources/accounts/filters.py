"""Which accounts and campaigns an operation means: by state, by tag, by search."""

from __future__ import annotations

from collections.abc import Callable

from mcp_instantly.sandbox.engine.shapes import Shape, boolean, choice, nullable, text
from mcp_instantly.sandbox.state.table import Record

STATES: dict[str, Callable[[Record], bool]] = {
    "ACC_FILTER_PAUSED": lambda account: account.get("status") == 2,
    "ACC_FILTER_ERROR": lambda account: account.get("status", 1) < 0,
    "ACC_FILTER_NO_CTD": lambda account: not account.get("tracking_domain_name"),
    "ACC_FILTER_PW_ACCOUNTS": lambda account: bool(account.get("_prewarmed")),
    "ACC_FILTER_DFY": lambda account: account["is_managed_account"],
    "ACC_FILTER_DFY_SETUP_PENDING": lambda account: account["is_managed_account"] and account["setup_pending"],
    "ACC_FILTER_W_ACTIVE": lambda account: account["warmup_status"] == 1,
    "ACC_FILTER_W_PAUSED": lambda account: account["warmup_status"] == 0,
    "ACC_FILTER_W_ERROR": lambda account: account["warmup_status"] < 0,
}

STATE = choice(*STATES)

SELECTION: dict[str, Shape] = {
    "emails": {"type": "array", "items": text(), "maxItems": 100},
    "include_all_emails": boolean(),
    "excluded_emails": {"type": "array", "items": text(), "maxItems": 100},
    "filter": nullable({"type": "object", "properties": {"tag_id": text(), "filter": nullable(STATE)}}),
    "search": text(),
}
"""A selection of accounts: by name, or all that fit."""


def in_state(account: Record, state: str | None) -> bool:
    return state is None or STATES[state](account)


def named_like(account: Record, search: str | None) -> bool:
    """Whether the search text occurs in the address or the sender's name."""
    name = f"{account['email']} {account.get('first_name', '')} {account.get('last_name', '')}"
    return not search or search.lower() in name.lower()
