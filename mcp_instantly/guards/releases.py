"""Which writes end the hold of a call, so that to make it again is not a repetition: those that undid what it did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.errors import Outcome
from mcp_instantly.guards.guards import GuardedCall

Things = frozenset[str]
"""Ids, addresses and paths, and what is told of them: `interest ada@example.com`."""

NOTHING: tuple[Things, Things] = (frozenset(), frozenset())

FINAL = (
    "reply_to_email",
    "forward_email",
    "send_test_email",
    "create_inbox_placement_test",
    "verify_email",
    "run_integration",
)
"""Tools whose effect no other call takes back: an email that was sent stays sent, whatever becomes of its record."""

CREATIONS = ("create_lead", "bulk_add_leads")
"""Tools that add leads to a campaign or list."""

CLEARING = "bulk_delete_leads"
"""The tool that deletes the leads of a campaign or list, unless its arguments choose among them."""

TAKING = ("delete_lead", CLEARING, "merge_leads", "move_leads")
"""Tools after which a lead is no longer where it was added; any other write leaves it there."""

PLACES = ("campaign", "campaign_id", "list_id", "to_campaign_id", "to_list_id")
"""Arguments that name where leads are, or go."""


def known_by(call: GuardedCall, payload: Any) -> tuple[Things, Things]:
    """By what a call is known that was carried out: to writes of other tools, and to those of any tool.

    `payload` is what Instantly answered.
    """
    assert call.request is not None
    name = call.operation.name
    if name in FINAL:
        return NOTHING
    things = frozenset([*call.request.touched, *_made(payload)])
    if name in CREATIONS:
        return frozenset(f"lead {one}" for one in things - {call.request.path}), _leads_of_places(call)
    return things, _states(call, held=True)


def ended_now(call: GuardedCall, outcome: Outcome) -> tuple[Things, Things]:
    """What a write ends: the things by which calls of other tools are known, and of any tool.

    One whose outcome is unknown may have set a state, which may then be set anew; it has taken nothing back for sure.
    """
    assert call.request is not None
    if outcome not in ("done", "unknown"):
        return NOTHING
    if outcome == "unknown":
        return frozenset(), _states(call, held=False)
    things = frozenset(call.request.touched)
    if len(things) > 1:
        # What names its things acts on nothing else that has its path.
        things -= {call.request.path}
    if call.operation.name in TAKING and not call.arguments.get("copy_leads"):
        things |= {f"lead {one}" for one in things}
    if call.operation.name == CLEARING and set(call.arguments) <= set(PLACES):
        return things, _leads_of_places(call)
    return things, _states(call, held=False)


def _leads_of_places(call: GuardedCall) -> Things:
    return frozenset(f"leads of {place}" for place in _values(call.arguments, *PLACES))


def _states(call: GuardedCall, held: bool) -> Things:
    """The states and places that a call sets, with whose they are. A copy takes nothing from its place.

    A move of some leads and one of all that are somewhere may be about the same: `held` says for which side it is.
    """
    name, given = call.operation.name, call.arguments
    if name == "update_lead_interest_status":
        return frozenset(f"interest {one}" for one in _values(given, "lead_email"))
    if name in ("move_lead_to_subsequence", "remove_lead_from_subsequence"):
        return frozenset(f"subsequence {one}" for one in _values(given, "id"))
    if name != "move_leads" or given.get("copy_leads"):
        return frozenset()
    leads, places = set(_values(given, "ids", "contacts")), set(_values(given, *PLACES))
    everyone = frozenset(f"all of {place}" for place in places)
    if held:
        return everyone.union(f"place {one}" for one in leads or places)
    if not leads:
        return everyone
    return frozenset(f"place {one}" for one in leads | places).union(f"subsequence {one}" for one in leads)


def _values(arguments: dict[str, Any], *names: str) -> Iterator[str]:
    """The texts of some arguments, or in their lists, as the same things are always written."""
    for name in names:
        value = arguments.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield one.strip().casefold()


def _made(payload: Any) -> Iterator[str]:
    """What the records that were made can be named by in a later call."""
    if not isinstance(payload, dict):
        return
    leads = payload.get("created_leads")
    for record in (payload, *(leads if isinstance(leads, list) else ())):
        for name in ("id", "email"):
            value = record.get(name) if isinstance(record, dict) else None
            if isinstance(value, str):
                yield value.lower()
