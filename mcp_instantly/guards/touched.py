"""Which campaigns, lists and accounts a call names, and whose the things are that it acts on."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.arguments.narrowing import EXCLUDED
from mcp_instantly.errors import CallError
from mcp_instantly.guards.costs import addresses
from mcp_instantly.guards.guards import GuardedCall
from mcp_instantly.tools.operation import CLEAR, Operation

Record = Any
"""What a read answers."""

READ_SECONDS = 5.0
"""For each read that finds out whose a thing is."""

ACCOUNTS, CAMPAIGNS = 1, 2
"""The kinds of things that can be tagged all at once."""


OWNED = {
    "/api/v2/subsequences/{id}": "get_subsequence",
    "/api/v2/leads/{id}": "get_lead",
    "/api/v2/emails/{id}": "get_email",
    "/api/v2/ai-agents/lead-finder/{id}": "get_lead_finder",
}
"""Things with an id of their own that belong to a campaign or a list, and what reads them."""

THREAD, FINDERS = "list_emails", "list_lead_finders"
"""What reads several things at once: the emails of a thread, and the lead finders among agents."""

OWNED_BY_ARGUMENT: dict[str, dict[str, str]] = {
    "reply_to_email": {"reply_to_uuid": "get_email"},
    "forward_email": {"reply_to_uuid": "get_email"},
    "mark_thread_as_read": {"thread_id": THREAD},
    "merge_leads": {"lead_id": "get_lead", "destination_lead_id": "get_lead"},
    "move_lead_to_subsequence": {"id": "get_lead", "subsequence_id": "get_subsequence"},
    "remove_lead_from_subsequence": {"id": "get_lead"},
    "bulk_delete_agent_items": {"items": FINDERS},
}
"""Tools whose arguments name such things, and what reads them."""

OWNERS = {
    "get_email": ("campaign_id", "list_id"),
    THREAD: ("campaign_id", "list_id"),
    "get_subsequence": ("parent_campaign",),
    "get_lead": ("campaign", "list_id"),
    "get_lead_finder": ("payload.campaign_id",),
    FINDERS: ("payload.campaign_id",),
}
"""Where a record says to which campaign and list it belongs."""

NEVER_UNOWNED = ("get_subsequence", "get_lead_finder", FINDERS)
"""Reads of what always belongs to a campaign: one that shows none has not been understood."""

FROM_A_SOURCE = ("move_leads", "bulk_assign_leads", "update_lead_interest_status")
"""Tools that act on leads wherever they are, unless a campaign or a list is named."""

THROUGH_AGENTS = (
    "approve_sales_agent_activity",
    "approve_sales_agent_activities",
    "pause_deliverability_affected_accounts",
    "pause_deliverability_campaign_sending",
    "create_inbox_manager",
)
"""Tools with which an agent acts on campaigns or accounts that the call does not name."""

SETTINGS_OF_AGENTS = {
    "update_sales_agent": ("status", "config.outreach_settings", "config.autonomy_settings"),
    "update_inbox_manager": ("payload",),
}
"""Arguments, or fields inside of them, with which other tools do so: an agent hands them on, or acts by them itself."""

STARTS = ("create_sales_agent", "update_inbox_manager")
"""Tools that start an agent where the status is `ACTIVE`, and else hold it back."""

ACTIVE = 1

SOURCES = ("campaign", "campaign_id", "list_id")


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

    An address within a text of more words is not the name of an account.
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
    """Whether a call acts on leads wherever they are, so that nobody can tell whose they are."""
    return operation.name in FROM_A_SOURCE and not any(arguments.get(name) for name in SOURCES)


def acts_through_agent(operation: Operation, arguments: dict[str, Any]) -> bool:
    """Whether an agent acts on campaigns or accounts that nobody can tell from the call."""
    name = operation.name
    return (
        name in THROUGH_AGENTS
        or (name in STARTS and arguments.get("status") == ACTIVE)
        or any(_changes(arguments, path) for path in SETTINGS_OF_AGENTS.get(name, ()))
    )


def _changes(arguments: dict[str, Any], path: str) -> bool:
    """Whether arguments give a field, or empty it or one inside of it."""
    value: Any = arguments
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    given = value is not None and not _holds_nothing(value)
    return given or any(f"{one}.".startswith(f"{path}.") for one in arguments.get(CLEAR) or ())


def _holds_nothing(value: Any) -> bool:
    """Whether a value is an object with no field but such objects: what is left of one whose fields were null."""
    return isinstance(value, dict) and all(map(_holds_nothing, value.values()))


def owned_things(operation: Operation, arguments: dict[str, Any]) -> list[tuple[str, str]]:
    """The things that a call acts on and that belong to a campaign or a list: what reads each, and its id."""
    path = operation.path
    found = [
        (reader, str(arguments["id"]))
        for place, reader in OWNED.items()
        if path == place or path.startswith(f"{place}/")
    ]
    for name, reader in OWNED_BY_ARGUMENT.get(operation.name, {}).items():
        given = arguments.get(name, [])
        things = [item["id"] for item in given] if isinstance(given, list) else [given]
        found += [(reader, str(thing)) for thing in things]
    return found


async def owners_of(call: GuardedCall, records: dict[tuple[str, str], Record]) -> list[set[str]]:
    """For each thing that a call acts on, the campaigns and lists that it belongs to, in lower case.

    What is read for that goes into `records`. Raises InstantlyError where something cannot be read, or is not all
    there.
    """
    found: list[set[str]] = []
    for reader, thing in owned_things(call.operation, call.arguments):
        for record in await _records_of(call, reader, thing, records):
            owners = set(_owners(reader, record))
            if not owners and reader in NEVER_UNOWNED:
                raise CallError(f"{reader} does not show the campaign of {thing}.")
            found.append(owners)
    return found


async def _records_of(
    call: GuardedCall, reader: str, thing: str, records: dict[tuple[str, str], Record]
) -> list[Record]:
    """The records that tell whose a thing is: its own, those of a thread, none of an agent but a lead finder."""
    if reader == THREAD:
        page = await call.read(THREAD, READ_SECONDS, search=f"thread:{thing}", limit=LARGEST_PAGE)
        emails = [email for email in records_of(page) if isinstance(email, dict) and email.get("thread_id") == thing]
        if not emails or _goes_on(page):
            raise CallError("The thread has no email." if not emails else "The thread has more emails than one page.")
        return [email for email in emails if set(_owners(reader, email))] or emails[:1]
    if reader == FINDERS:
        asked = (FINDERS, "")
        if asked not in records:
            records[asked] = await call.read(FINDERS, READ_SECONDS, limit=LARGEST_PAGE)
        finders = [one for one in records_of(records[asked]) if isinstance(one, dict)]
        mine = [one for one in finders if str(one.get("id")).lower() == thing.lower()]
        if not mine and _goes_on(records[asked]):
            raise CallError("There are more lead finders than one page; delete_lead_finder deletes one of them.")
        return mine
    if (reader, thing) not in records:
        records[reader, thing] = await call.read(reader, READ_SECONDS, id=thing)
    return [records[reader, thing]]


def _goes_on(page: Any) -> bool:
    """Whether there are more records than those of a page."""
    return cursor_behind(page, set()) is not None and len(records_of(page)) >= LARGEST_PAGE


def _owners(reader: str, record: Record) -> Iterator[str]:
    for path in OWNERS[reader]:
        value = record
        for name in path.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if value and isinstance(value, str):
            yield value.lower()
