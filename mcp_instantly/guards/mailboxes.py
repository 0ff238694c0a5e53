"""Which accounts a call reaches without naming them: by tags, or as the senders of what it starts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.errors import CallError
from mcp_instantly.guards.guards import GuardedCall
from mcp_instantly.guards.touched import READ_SECONDS, strings_of

BY_TAG = {
    "create_campaign": "email_tag_list",
    "update_campaign": "email_tag_list",
    "create_inbox_placement_test": "tags",
    "delete_custom_tag": "id",
}
"""Tools that act on the accounts of tags, and the argument that names those."""

STARTED = {"activate_campaign": ("get_campaign", "email_list", "email_tag_list")}
"""Tools that start what sends; what reads it, and where it names its senders by address and by tag."""

MAX_PAGES = 10
"""Of the accounts of a tag, each of a hundred."""


def reaches_more(tool: str) -> bool:
    """Whether a tool may reach accounts that its arguments do not name."""
    return tool in BY_TAG or tool in STARTED


async def reached_accounts(call: GuardedCall) -> set[str]:
    """The accounts, in lower case, that a call reaches by tags or as senders. Raises InstantlyError where something
    cannot be read, or not to its end.
    """
    name, found = call.operation.name, set[str]()
    tags = list(strings_of(call.arguments.get(BY_TAG[name]))) if name in BY_TAG else []
    if name in STARTED:
        reader, by_address, by_tag = STARTED[name]
        record = await call.read(reader, READ_SECONDS, id=call.arguments["id"])
        found |= set(_texts(record, by_address))
        tags += _texts(record, by_tag)
    for tag in dict.fromkeys(tags):
        found |= await _accounts_of(call, tag)
    return found


def _texts(record: Any, name: str) -> Iterator[str]:
    return strings_of(record.get(name) if isinstance(record, dict) else None)


async def _accounts_of(call: GuardedCall, tag: str) -> set[str]:
    found, seen = set[str](), set[str]()
    after: dict[str, str] = {}
    for _ in range(MAX_PAGES):
        page = await call.read("list_accounts", READ_SECONDS, tag_ids=tag, limit=LARGEST_PAGE, **after)
        found.update(str(account.get("email")).lower() for account in records_of(page) if isinstance(account, dict))
        cursor = cursor_behind(page, seen)
        if cursor is None:
            return found
        after = {"starting_after": cursor}
    raise CallError(f"The tag {tag} has more accounts than the {MAX_PAGES * LARGEST_PAGE:,} that are read.")
