"""What a person's policy forbids of a write, as far as the arguments, the clock and the ledger tell it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

from mcp_instantly.errors import PolicyRefusal, never_called
from mcp_instantly.guards.costs import CREDITS, EMAILS, LEADS, count_units, most_used, named_recipients
from mcp_instantly.guards.ledger import Exhausted, Ledger
from mcp_instantly.guards.policy import THINGS, WRITTEN, Policy, Precondition, allows
from mcp_instantly.guards.touched import (
    ACCOUNTS,
    CAMPAIGNS,
    acts_through_agent,
    named_accounts,
    named_ids,
    needs_a_source,
    swept,
)
from mcp_instantly.text import name_some
from mcp_instantly.tools.operation import Operation

ADVICE = {
    LEADS: ": give it a limit, if it has one",
    EMAILS: "",
    CREDITS: ", and limits.credits.assumed does not say what to take it for",
}


def refuse_by_arguments(
    policy: Policy,
    operation: Operation,
    arguments: dict[str, Any],
    now: datetime.datetime,
    ledger: Ledger | None,
) -> None:
    """Raise PolicyRefusal for a write that a rule forbids, as far as the arguments, clock and ledger tell. Raises
    LedgerUnusable.
    """
    for refusal in _refusals(policy, operation, arguments, now):
        raise refusal
    if ledger is None:
        return
    for one in policy.before:
        if one.call == operation.name:
            things = things_of(arguments)
            if not things:
                raise PolicyRefusal("before", f"{one.needs} must be called before, for the campaign that it is about.")
            for thing in things:
                ago = ledger.passed(one.needs, thing)
                if ago is None or not 0 <= ago <= one.within_minutes * 60:
                    raise unchecked(one, thing, ledger)
    try:
        ledger.refuse_too_much(daily_use(policy, operation, arguments), policy.per_day)
    except Exhausted as error:
        raise exhausted(error, policy.per_day[error.kind]) from None


def unchecked(one: Precondition, thing: str, ledger: Ledger) -> PolicyRefusal:
    """What to do first, and why the last check did not count where it was not whole. Raises LedgerUnusable."""
    left_out = ledger.left_out(one.needs, thing)
    why = (
        f" The last one does not count, as it did not read all in which blockers may be: {left_out}. Where it never "
        f"can, {one.call} is for a person, outside of this server."
        if left_out
        else ""
    )
    return PolicyRefusal(
        "before",
        f"Call {one.needs} for {thing} first: it must have found no blockers within the {one.within_minutes} minutes "
        f"before {one.call}, and nothing may have changed since.{why}",
    )


def _refusals(
    policy: Policy, operation: Operation, arguments: dict[str, Any], now: datetime.datetime
) -> Iterator[PolicyRefusal]:
    """Why rules that need nothing but the arguments and the clock forbid a write."""
    if operation.name in policy.never_call:
        yield never_called(operation.name)
    touched = {
        "campaigns": named_ids(arguments, policy.campaigns) | swept(arguments, policy.campaigns, CAMPAIGNS),
        "lists": named_ids(arguments, policy.lists),
        "accounts": named_accounts(arguments, policy.accounts) | swept(arguments, policy.accounts, ACCOUNTS),
    }
    for name, things in touched.items():
        if things:
            yield PolicyRefusal(f"protect.{name}", f"It would touch {name_some(sorted(things))}.")
    if (policy.campaigns or policy.lists) and needs_a_source(operation, arguments):
        yield PolicyRefusal("protect", "It may act on leads anywhere; name the campaign or list that they are in.")
    if (policy.campaigns or policy.lists or policy.accounts) and acts_through_agent(operation, arguments):
        yield PolicyRefusal("protect", "An agent would act on campaigns or accounts that the call does not name.")
    for kind, allowed in policy.recipients.items():
        if WRITTEN[kind] == operation.name:
            for address in named_recipients(operation, arguments):
                if not allows(allowed, address):
                    yield not_a_recipient(kind, address)
    yield from _too_much(policy, operation, arguments)
    for quiet in policy.quiet_hours if "sends_email" in operation.effects else ():
        if quiet.hold(now):
            yield PolicyRefusal("quiet_hours", f"Nothing that sends email is called {quiet}.")


def _too_much(policy: Policy, operation: Operation, arguments: dict[str, Any]) -> Iterator[PolicyRefusal]:
    amounts = most_used(operation, arguments, policy.assumed_credits)
    for kind, limit in policy.limits.items():
        amount = amounts[kind]
        if amount is None:
            yield PolicyRefusal(f"limits.{kind}", f"Nobody can tell beforehand how many {kind} it takes{ADVICE[kind]}.")
        elif limit.per_call is not None and amount > limit.per_call:
            said = f"With up to {count_units(kind, amount)} it is above the {limit.per_call:,} of one call."
            yield PolicyRefusal(f"limits.{kind}.per_call", said)


def daily_use(policy: Policy, operation: Operation, arguments: dict[str, Any]) -> dict[str, int]:
    """What a call may use of what is limited by the day."""
    amounts = most_used(operation, arguments, policy.assumed_credits)
    return {kind: amounts[kind] or 0 for kind in policy.per_day}


def not_a_recipient(kind: str, address: str) -> PolicyRefusal:
    return PolicyRefusal(f"recipients.{kind}", f"{WRITTEN[kind]} may not write to {name_some([address])}.")


def exhausted(error: Exhausted, most: int) -> PolicyRefusal:
    return PolicyRefusal(
        f"limits.{error.kind}.per_day",
        f"It needs room for {count_units(error.kind, error.asked)}; used within 24 hours: {error.used:,} of {most:,}.",
    )


def things_of(arguments: dict[str, Any]) -> list[str]:
    """The campaigns and lists that a call is about, as checks name them."""
    return [str(arguments[name]).lower() for name in THINGS if arguments.get(name)]
