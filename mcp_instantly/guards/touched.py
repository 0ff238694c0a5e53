"""Which campaigns, lists and accounts a call names, and whose the things are that it acts on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from mcp_instantly.guards.costs import addresses
from mcp_instantly.guards.guards import GuardedCall
from mcp_instantly.tools.operation import Operation

Record = Any
"""What a read answers."""

READ_SECONDS = 5.0
"""For each read that finds out whose a thing is."""

EXCLUDED = "excluded_"
"""How the arguments begin that name what a call does not act on."""

ACCOUNTS, CAMPAIGNS = 1, 2
"""The kinds of things that can be tagged all at once."""


OWNED: dict[str, tuple[str, tuple[str, ...]]] = {
    "/api/v2/subsequences/{id}": ("get_subsequence", ("parent_campaign",)),
    "/api/v2/leads/{id}": ("get_lead", ("campaign", "list_id")),
    "/api/v2/ai-agents/lead-finder/{id}": ("get_lead_finder", ("campaign_id",)),
}
"""Things with an id of their own that belong to a campaign or a list: what reads them, and where it says to which."""

OWNED_BY_ARGUMENT: dict[str, dict[str, str]] = {
    "reply_to_email": {"reply_to_uuid": "get_email"},
    "forward_email": {"reply_to_uuid": "get_email"},
    "move_lead_to_subsequence": {"id": "get_lead", "subsequence_id": "get_subsequence"},
    "remove_lead_from_subsequence": {"id": "get_lead"},
}
"""Tools whose arguments name such things, and what reads them."""

OWNERS = {
    "get_email": ("campaign_id", "list_id"),
    **dict(OWNED.values()),
}

FROM_A_SOURCE = ("move_leads", "bulk_assign_leads")
"""Tools that take leads from anywhere, unless a campaign or a list is named."""


def strings_of(value: Any) -> Iterator[str]:
    """Every text within a value, at any depth, names of fields too; in lower case."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left += [*item, *item.values()]
        elif isinstance(item, list):
            left += item
        elif isinstance(item, str):
            yield item.strip().lower()


def named_ids(arguments: dict[str, Any], ids: Collection[str]) -> set[str]:
    """Which of some ids, in lower case, stand anywhere in the arguments, but for what is excluded."""
    if not ids:
        return set()
    texts = [text for name, value in arguments.items() if not name.startswith(EXCLUDED) for text in strings_of(value)]
    return {one for one in ids if any(one in text for text in texts)}


def named_accounts(arguments: dict[str, Any], accounts: Collection[str]) -> set[str]:
    """Which of some addresses, in lower case, the arguments name: as a text, or as part of a list of addresses.

    An address within a text of more words is no name of an account.
    """
    if not accounts:
        return set()
    named: set[str] = set()
    for name, value in arguments.items():
        for text in strings_of(value) if not name.startswith(EXCLUDED) else ():
            words = re.split(r"[\s,;]+", text)
            if text.endswith(">") or all("@" in word for word in words if word):
                named.update(addresses(text.replace(" ", ",")))
    return {address.strip("<>") for address in named} & set(accounts)


def swept(arguments: dict[str, Any], things: Collection[str], resource_type: int) -> set[str]:
    """Which of some accounts (resource_type 1) or campaigns (2) a call reaches as it acts on all that it does not
    exclude.
    """
    all_accounts = arguments.get("include_all_emails") and resource_type == ACCOUNTS
    if not all_accounts and not (arguments.get("selected_all") and arguments.get("resource_type") == resource_type):
        return set()
    spared = {text for name, value in arguments.items() if name.startswith(EXCLUDED) for text in strings_of(value)}
    return set(things) - spared


def needs_a_source(operation: Operation, arguments: dict[str, Any]) -> bool:
    """Whether a call takes leads from anywhere, so that nobody can tell from where."""
    return operation.name in FROM_A_SOURCE and not any(arguments.get(name) for name in ("campaign", "list_id"))


def owned_things(operation: Operation, arguments: dict[str, Any]) -> list[tuple[str, str]]:
    """The things that a call acts on and that belong to a campaign or a list: what reads each, and its id."""
    path = operation.path
    found = [
        (reader, str(arguments["id"]))
        for place, (reader, _) in OWNED.items()
        if path == place or path.startswith(f"{place}/")
    ]
    named = OWNED_BY_ARGUMENT.get(operation.name, {})
    return found + [(reader, str(arguments[name])) for name, reader in named.items() if name in arguments]


async def owners_of(call: GuardedCall, records: dict[tuple[str, str], Record]) -> set[str]:
    """The campaigns and lists, in lower case, of what a call acts on; what is read for that goes into `records`.

    Raises InstantlyError where something cannot be read.
    """
    found: set[str] = set()
    for asked in owned_things(call.operation, call.arguments):
        reader, thing = asked
        record = records[asked] = await call.read(reader, READ_SECONDS, id=thing)
        for name in OWNERS[reader]:
            value = record.get(name) if isinstance(record, dict) else None
            if isinstance(value, str):
                found.add(value.lower())
    return found
