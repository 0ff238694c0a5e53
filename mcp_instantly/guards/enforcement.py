"""The guard that holds every call to the policy of a person."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from mcp_instantly.api.request import Response
from mcp_instantly.errors import InstantlyError, Outcome, PolicyRefusal, never_called
from mcp_instantly.guards.costs import KINDS, addresses, really_used
from mcp_instantly.guards.guards import GuardedCall, Proceed, outcome_of
from mcp_instantly.guards.ledger import Exhausted, Ledger, LedgerUnusable
from mcp_instantly.guards.mailboxes import reached_accounts, reaches_more
from mcp_instantly.guards.policy import WRITTEN, Policy, allows
from mcp_instantly.guards.policy_file import ID
from mcp_instantly.guards.prohibitions import (
    daily_use,
    exhausted,
    not_a_recipient,
    refuse_by_arguments,
    things_of,
    unchecked,
)
from mcp_instantly.guards.touched import CAMPAIGNS, READ_SECONDS, Record, named_ids, owners_of, swept
from mcp_instantly.log import get_logger
from mcp_instantly.text import name_some

ANSWERED = "reply_to_uuid"

MAY_HIDE_BLOCKERS = "may_hide_blockers"
"""Where a check names those parts of its `unknown` in which blockers may be."""

Found = TypeVar("Found")

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
        self._turns = anyio.Lock()

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        await self.refuse(call)
        try:
            if not call.writes:
                return await self._noted(call, await proceed())
            reserved, used_up = await self._in_turn(self._begin, call)
            return await self._noted(call, await self._settled(call, reserved, used_up, proceed))
        except LedgerUnusable as error:
            raise _unusable(error) from None

    async def refuse(self, call: GuardedCall) -> None:
        """Raise PolicyRefusal for what a rule forbids, by its arguments, the clock, the ledger and what is read."""
        if call.operation.name in self._policy.never_call:
            raise never_called(call.operation.name)
        if not call.writes:
            return
        try:
            await self._in_turn(
                refuse_by_arguments, self._policy, call.operation, call.arguments, self._now(), self._ledger
            )
        except LedgerUnusable as error:
            raise _unusable(error) from None
        await self._refuse_what_is_read(call)

    async def _in_turn(self, work: Callable[..., Found], *given: Any) -> Found:
        """What work with the ledger comes to: in a thread, as another process may have the file, and in the order in
        which it was asked for. What has begun is waited for, whatever is cancelled.
        """
        if self._ledger is None:
            return work(*given)
        async with self._turns:
            return await anyio.to_thread.run_sync(work, *given)

    # what must be read

    async def _refuse_what_is_read(self, call: GuardedCall) -> None:
        """Raise PolicyRefusal for what acts on a thing of a protected campaign, reaches a protected account, or writes
        to whom it may not.
        """
        records: dict[tuple[str, str], Record] = {}
        protected = {*self._policy.campaigns, *self._policy.lists}
        if protected:
            try:
                owners = set[str]().union(*await owners_of(call, records))
            except InstantlyError as error:
                raise PolicyRefusal("protect", f"Whose it is could not be found out: {error}") from None
            if owners & protected:
                raise PolicyRefusal("protect", f"It belongs to {name_some(sorted(owners & protected))}.")
        if self._policy.accounts and reaches_more(call.operation.name):
            try:
                reached = await reached_accounts(call) & set(self._policy.accounts)
            except InstantlyError as error:
                why = f"Which accounts it would reach could not be found out: {error}"
                raise PolicyRefusal("protect.accounts", why) from None
            if reached:
                why = f"It would reach {name_some(sorted(reached))}, by a tag or as a sender of what it starts."
                raise PolicyRefusal("protect.accounts", why)
        for kind, allowed in self._policy.recipients.items():
            if WRITTEN[kind] == call.operation.name == "reply_to_email":
                for sender in await _senders(call, records, f"recipients.{kind}"):
                    if not allows(allowed, sender):
                        raise not_a_recipient(kind, sender)

    # what is counted

    def _begin(self, call: GuardedCall) -> tuple[dict[str, int], Checks]:
        """Write down what the call may use, and which checks it uses up; neither where PolicyRefusal is raised."""
        reserved = self._reserve(call)
        try:
            return reserved, self._use_up_checks(call)
        except PolicyRefusal:
            if self._ledger is not None:
                self._ledger.settle(reserved, dict.fromkeys(KINDS, 0))
            raise

    def _reserve(self, call: GuardedCall) -> dict[str, int]:
        """Write down what the call may use. Raises PolicyRefusal where that is more than is left."""
        per_day = self._policy.per_day
        if self._ledger is None or not per_day:
            return {}
        try:
            return self._ledger.reserve(daily_use(self._policy, call.operation, call.arguments), per_day)
        except Exhausted as error:
            raise exhausted(error, per_day[error.kind]) from None

    async def _settled(
        self, call: GuardedCall, reserved: dict[str, int], used_up: Checks, proceed: Proceed
    ) -> Response:
        """Make the call, and write down what it has used."""
        try:
            response = await proceed()
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._in_turn(self._close, call, reserved, used_up, outcome_of(error, call), None)
            raise
        with anyio.CancelScope(shield=True):
            await self._in_turn(self._close, call, reserved, used_up, outcome_of(response, call), response.payload)
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

    async def _noted(self, call: GuardedCall, response: Response) -> Response:
        """The response, after writing down what it says of the things that are checked."""
        if self._ledger is not None and call.operation.name in self._checks and response.sent:
            with anyio.CancelScope(shield=True):
                await self._in_turn(self._note, self._ledger, call, response)
        return response

    @staticmethod
    def _note(ledger: Ledger, call: GuardedCall, response: Response) -> None:
        name, payload = call.operation.name, response.payload
        found = payload if isinstance(payload, dict) else {}
        left_out = _left_out(found)
        for thing in _ids(call.arguments):
            if found.get("blockers"):
                ledger.forget_passed(thing, name)
            elif left_out:
                ledger.note_incomplete(name, thing, left_out)
            else:
                ledger.note_passed(name, thing)

    def _use_up_checks(self, call: GuardedCall) -> Checks:
        """A check holds for one call. It is forgotten before the call, so that it is for certain. Raises PolicyRefusal
        where another call has used it up since it was looked at.
        """
        found: Checks = []
        if self._ledger is None:
            return found
        for one in self._policy.before:
            for thing in things_of(call.arguments) if one.call == call.operation.name else ():
                if any((tool, other) == (one.needs, thing) for tool, other, _ in found):
                    continue
                ago = self._ledger.take_passed(one.needs, thing)
                if ago is None:
                    for tool, other, seconds_ago in found:
                        self._ledger.note_passed(tool, other, seconds_ago)
                    raise unchecked(one, thing, self._ledger)
                found.append((one.needs, thing, ago))
        return found


def _unusable(error: LedgerUnusable) -> PolicyRefusal:
    return PolicyRefusal("ledger", f"What was used so far cannot be read or written ({error}).")


async def _senders(call: GuardedCall, records: dict[tuple[str, str], Record], rule: str) -> list[str]:
    """Who wrote the email that is answered, and gets the reply. Raises PolicyRefusal where that is not known."""
    asked = ("get_email", call.arguments[ANSWERED])
    try:
        record = records.get(asked) or await call.read(asked[0], READ_SECONDS, id=asked[1])
    except InstantlyError as error:
        raise PolicyRefusal(rule, f"Who would get the reply could not be found out: {error}") from None
    told = record if isinstance(record, dict) else {}
    found = [one for name in ("from_address_email", "reply_to") for one in addresses(told.get(name))]
    if not list(addresses(told.get("from_address_email"))):
        raise PolicyRefusal(rule, "Who would get the reply could not be found out: the email has no sender.")
    return found


def _ids(arguments: dict[str, Any]) -> list[str]:
    """The ids among the arguments, in lower case."""
    texts = [value.strip().lower() for value in arguments.values() if isinstance(value, str)]
    return [text for text in texts if re.fullmatch(ID, text)]


def _left_out(found: dict[str, Any]) -> str:
    """The parts in which a check may have missed blockers, each with why it is unknown; all that are, where the check
    does not say which. Empty for a whole check.
    """
    unknown = found.get("unknown")
    if not isinstance(unknown, dict):
        return ""
    hiding = found.get(MAY_HIDE_BLOCKERS, unknown)
    return ", ".join(f"{part} ({why})" for part, why in unknown.items() if part in hiding)
