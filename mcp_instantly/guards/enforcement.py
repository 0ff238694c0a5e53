"""The guard that holds every call to the policy of a person."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from typing import Any

from mcp_instantly.api.request import Response
from mcp_instantly.errors import InstantlyError, Outcome, PolicyRefusal, never_called
from mcp_instantly.guards.costs import (
    CREDITS,
    EMAILS,
    KINDS,
    LEADS,
    UNITS,
    addresses,
    most_used,
    named_recipients,
    really_used,
)
from mcp_instantly.guards.guards import GuardedCall, Proceed, outcome_of
from mcp_instantly.guards.ledger import Exhausted, Ledger, LedgerUnusable
from mcp_instantly.guards.policy import THINGS, WRITTEN, Policy, allows
from mcp_instantly.guards.policy_file import ID
from mcp_instantly.guards.touched import (
    ACCOUNTS,
    CAMPAIGNS,
    READ_SECONDS,
    Record,
    named_accounts,
    named_ids,
    needs_a_source,
    owned_things,
    owners_of,
    swept,
)
from mcp_instantly.log import get_logger
from mcp_instantly.text import name_some
from mcp_instantly.tools.operation import Operation

ADVICE = {
    LEADS: ": give it a limit, if it has one",
    EMAILS: "",
    CREDITS: ", and limits.credits.assumed does not say what to take it for",
}

ANSWERED = "reply_to_uuid"


Checks = list[tuple[str, str, float]]
"""Checks that were passed: the tool, the thing, and how many seconds ago."""


def utc_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


class PolicyGuard:
    """Refuses what the policy forbids, and keeps count. `now` is the time of day; `ledger` is needed where the policy
    `needs_ledger`. A workflow as a whole is only looked up among what is never called: its operations come by
    themselves.
    """

    def __init__(self, policy: Policy, ledger: Ledger | None, now: Callable[[], datetime.datetime] = utc_now):
        self._policy = policy
        self._ledger = ledger
        self._now = now
        self._checks = {one.needs for one in policy.before}

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.operation.name in self._policy.never_call:
            raise never_called(call.operation.name)
        try:
            if call.request is None or call.operation.read_only:
                return self._noted(call, await proceed())
            refuse_what_stands_there(self._policy, call.operation, call.arguments, self._now(), self._ledger)
            await self._refuse_what_is_read(call)
            reserved = self._reserve(call)
            return self._noted(call, await self._settled(call, reserved, self._use_up_checks(call), proceed))
        except LedgerUnusable as error:
            raise PolicyRefusal("ledger", f"What was used so far cannot be read or written ({error}).") from None

    # what must be read

    async def _refuse_what_is_read(self, call: GuardedCall) -> None:
        """Raise PolicyRefusal for what acts on a thing of a protected campaign, or writes to whom it may not."""
        records: dict[tuple[str, str], Record] = {}
        protected = {*self._policy.campaigns, *self._policy.lists}
        if protected and owned_things(call.operation, call.arguments):
            try:
                owners = set[str]().union(*await owners_of(call, records))
            except InstantlyError as error:
                raise PolicyRefusal("protect", f"Whose it is could not be found out: {error}") from None
            if owners & protected:
                raise PolicyRefusal("protect", f"It belongs to {name_some(sorted(owners & protected))}.")
        for kind, allowed in self._policy.recipients.items():
            if WRITTEN[kind] == call.operation.name == "reply_to_email":
                for sender in await _senders(call, records, f"recipients.{kind}"):
                    if not allows(allowed, sender):
                        raise not_a_recipient(kind, sender)

    # what is counted

    def _reserve(self, call: GuardedCall) -> dict[str, int]:
        """Write down what the call may use. Raises PolicyRefusal where that is more than is left."""
        per_day = self._policy.per_day
        if self._ledger is None or not per_day:
            return {}
        try:
            return self._ledger.reserve(asked_of_day(self._policy, call.operation, call.arguments), per_day)
        except Exhausted as error:
            raise exhausted(error, per_day[error.kind]) from None

    async def _settled(
        self, call: GuardedCall, reserved: dict[str, int], used_up: Checks, proceed: Proceed
    ) -> Response:
        """Make the call, and write down what it has used."""
        try:
            response = await proceed()
        except BaseException as error:
            self._close(call, reserved, used_up, outcome_of(error), None)
            raise
        self._close(call, reserved, used_up, outcome_of(response), response.payload)
        return response

    def _close(
        self, call: GuardedCall, reserved: dict[str, int], used_up: Checks, outcome: Outcome, payload: Any
    ) -> None:
        """What cannot be written down stays reserved and used up: the call itself has its end already."""
        if self._ledger is None:
            return
        try:
            if outcome in ("not sent", "refused"):
                self._ledger.settle(reserved, dict.fromkeys(KINDS, 0))
                for tool, thing, seconds_ago in used_up:
                    self._ledger.note_passed(tool, thing, seconds_ago)
                return
            if outcome == "done":
                self._ledger.settle(reserved, really_used(call.operation, payload))
            passed = self._ledger.things_passed() if self._checks else set()
            for thing in named_ids(call.arguments, passed) | swept(call.arguments, passed, CAMPAIGNS):
                self._ledger.forget_passed(thing)
        except LedgerUnusable as error:
            get_logger().warning("ledger_unusable", reason=str(error))

    # what must have been called before

    def _noted(self, call: GuardedCall, response: Response) -> Response:
        """The response, after writing down what it says of the things that are checked."""
        if self._ledger is not None and call.operation.name in self._checks and response.sent:
            for thing in _ids(call.arguments):
                if _has_blockers(response.payload):
                    self._ledger.forget_passed(thing, call.operation.name)
                else:
                    self._ledger.note_passed(call.operation.name, thing)
        return response

    def _use_up_checks(self, call: GuardedCall) -> Checks:
        """A check holds for one call. It is forgotten before the call, so that it is for certain."""
        found: Checks = []
        for one in self._policy.before:
            if self._ledger is not None and one.call == call.operation.name:
                for thing in _things(call.arguments):
                    ago = self._ledger.passed(one.needs, thing)
                    self._ledger.forget_passed(thing, one.needs)
                    found += [(one.needs, thing, ago)] if ago is not None else []
        return found


def refuse_what_stands_there(
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
            things = _things(arguments)
            if not things:
                raise PolicyRefusal("before", f"{one.needs} must be called before, for the campaign that it is about.")
            for thing in things:
                ago = ledger.passed(one.needs, thing)
                if ago is None or not 0 <= ago <= one.within_minutes * 60:
                    raise PolicyRefusal(
                        "before",
                        f"Call {one.needs} for {thing} first: it must have found no blockers within the "
                        f"{one.within_minutes} minutes before {one.call}, and nothing may have changed since.",
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
            said = f"With up to {amount:,} {UNITS[kind]} it is above the {limit.per_call:,} of one call."
            yield PolicyRefusal(f"limits.{kind}.per_call", said)


def asked_of_day(policy: Policy, operation: Operation, arguments: dict[str, Any]) -> dict[str, int]:
    """What a call may use of what is limited by the day."""
    amounts = most_used(operation, arguments, policy.assumed_credits)
    return {kind: amounts[kind] or 0 for kind in policy.per_day}


def not_a_recipient(kind: str, address: str) -> PolicyRefusal:
    return PolicyRefusal(f"recipients.{kind}", f"{WRITTEN[kind]} may not write to {name_some([address])}.")


def exhausted(error: Exhausted, most: int) -> PolicyRefusal:
    return PolicyRefusal(
        f"limits.{error.kind}.per_day",
        f"It needs room for {error.asked:,} {UNITS[error.kind]}; {error.used:,} of {most:,} are used within 24 hours.",
    )


async def _senders(call: GuardedCall, records: dict[tuple[str, str], Record], rule: str) -> list[str]:
    """Who wrote the email that is answered, and gets the reply. Raises PolicyRefusal where that is not known."""
    asked = ("get_email", str(call.arguments[ANSWERED]))
    try:
        record = records.get(asked) or await call.read(asked[0], READ_SECONDS, id=asked[1])
    except InstantlyError as error:
        raise PolicyRefusal(rule, f"Who would get the reply could not be found out: {error}") from None
    told = record if isinstance(record, dict) else {}
    found = [one for name in ("from_address_email", "reply_to") for one in addresses(told.get(name))]
    if not list(addresses(told.get("from_address_email"))):
        raise PolicyRefusal(rule, "Who would get the reply could not be found out: the email has no sender.")
    return found


def _things(arguments: dict[str, Any]) -> list[str]:
    return [str(arguments[name]).lower() for name in THINGS if arguments.get(name)]


def _ids(arguments: dict[str, Any]) -> list[str]:
    """The ids among the arguments, in lower case."""
    texts = [value.strip().lower() for value in arguments.values() if isinstance(value, str)]
    return [text for text in texts if re.fullmatch(ID, text)]


def _has_blockers(payload: Any) -> bool:
    return isinstance(payload, dict) and bool(payload.get("blockers"))
