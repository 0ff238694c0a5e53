"""What a call adds, sends and spends at most, before it is made; and what it did, as far as its answer tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mcp_instantly.tools.operation import Operation

LEADS, EMAILS, CREDITS = KINDS = ("leads", "emails", "credits")
"""What a policy can limit: leads added, emails written by hand (one for each recipient), credits spent."""

UNITS = {LEADS: "leads added", EMAILS: "emails written by hand", CREDITS: "credits spent"}

Arguments = dict[str, Any]
Amount = Callable[[Arguments], "int | None"]
"""The most that a call with these arguments uses; None where nobody can tell beforehand."""

ADDRESS = re.compile(r"[^\s<>,;\"']+@[^\s<>,;\"']+")


def count_units(kind: str, amount: int) -> str:
    """So many of a kind: `1 lead added`, `1,200 leads added`."""
    things, _, done = UNITS[kind].partition(" ")
    return f"{amount:,} {things.removesuffix('s') if amount == 1 else things} {done}"


def addresses(value: Any) -> Iterator[str]:
    """The email addresses of a text such as `Ada <ada@example.com>, bo@example.com`, or of a list, in lower case.

    A part that is not an address for certain comes as it is, so that nobody is overlooked.
    """
    for text in value if isinstance(value, list) else [value]:
        for part in re.split(r"[,;]", text.lower()) if isinstance(text, str) else ():
            found = ADDRESS.findall(part)
            yield from found
            if part.strip() and (not found or part.count("@") != len(found)):
                yield part.strip()


RECIPIENTS = {
    "reply_to_email": ("additional_recipients", "cc_address_email_list", "bcc_address_email_list"),
    "forward_email": ("to_address_email_list", "cc_address_email_list", "bcc_address_email_list"),
    "send_test_email": ("to_address_email_list",),
}
"""The arguments of emails written by hand that name who gets them; a reply goes to the email's sender besides."""


def named_recipients(operation: Operation, arguments: Arguments) -> list[str]:
    """Who gets an email written by hand, as far as the arguments name them."""
    return [found for name in RECIPIENTS.get(operation.name, ()) for found in addresses(arguments.get(name))]


def _listed(name: str) -> Amount:
    return lambda arguments: len(arguments.get(name) or ())


def _limit(arguments: Arguments) -> int | None:
    limit = arguments.get("limit")
    return None if limit is None else int(limit)


def _moved(arguments: Arguments) -> int | None:
    """Leads that are named, or the limit: what is smaller."""
    named = [len(arguments[name]) for name in ("ids", "contacts") if arguments.get(name)]
    known = [number for number in (*named, _limit(arguments)) if number is not None]
    return min(known) if known else None


def _unknown(_: Arguments) -> None:
    return None


def _verified(count: Amount) -> Amount:
    """As many credits as leads, where they are verified."""
    switches = ("verify_leads_on_import", "verify_leads_for_lead_finder")
    return lambda arguments: count(arguments) if any(arguments.get(name) for name in switches) else 0


def _one(_: Arguments) -> int:
    return 1


def _written(operation: Operation, arguments: Arguments) -> int:
    return len(named_recipients(operation, arguments)) + (operation.name == "reply_to_email")


ADDED: dict[str, Amount] = {
    "create_lead": _one,
    "bulk_add_leads": _listed("leads"),
    "move_leads": _moved,
    "enrich_leads_from_supersearch": _limit,
    "create_lead_finder": _unknown,
    "update_lead_finder": _unknown,
    "resume_lead_finder": _unknown,
    "create_sales_agent": _unknown,
    "update_sales_agent": _unknown,
    "approve_sales_agent_activity": _unknown,
    "approve_sales_agent_activities": _unknown,
}
"""Leads that a call brings into a campaign or a list."""

SPENT: dict[str, Amount] = {
    "verify_email": _one,
    "create_lead": _verified(_one),
    "bulk_add_leads": _verified(_listed("leads")),
}
"""Credits; of everything else that spends them, nobody knows how many before."""


def most_used(operation: Operation, arguments: Arguments, assumed: Mapping[str, int]) -> dict[str, int | None]:
    """What a call uses at most, by kind; None where that cannot be told. `assumed` are credits for a call, by tool."""
    found: dict[str, int | None] = dict.fromkeys(KINDS, 0)
    if operation.read_only or _only_stops(arguments):
        return found
    if operation.name in ADDED:
        found[LEADS] = ADDED[operation.name](arguments)
    if operation.name in RECIPIENTS:
        found[EMAILS] = _written(operation, arguments)
    if operation.name in assumed:
        found[CREDITS] = assumed[operation.name]
    elif "spends_credits" in operation.effects:
        found[CREDITS] = SPENT.get(operation.name, _unknown)(arguments)
    return found


def _only_stops(arguments: Arguments) -> bool:
    """Whether an agent is switched off, and nothing else."""
    return set(arguments) == {"id", "status"} and arguments["status"] == 0


def really_used(operation: Operation, payload: Any) -> dict[str, int]:
    """What a call that worked has used, by kind, where its answer tells."""
    told = payload if isinstance(payload, dict) else {}
    found: dict[str, int] = {}
    if operation.name == "bulk_add_leads" and _is_count(told.get("leads_uploaded")):
        found[LEADS] = told["leads_uploaded"]
    if _is_count(told.get("credits_used")):
        found[CREDITS] = told["credits_used"]
    return found


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
