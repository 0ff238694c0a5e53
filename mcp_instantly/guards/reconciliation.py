"""A guard that looks, after a write whose outcome is unknown, whether it was carried out. It never repeats a write.

It tells only of what a read shows for certain: new records are those that were not there before, and an email is found
by its thread and its words. What a read does not show may still be on its way, where a gateway answered or the time was
over; then, and for every email, the outcome stays unknown.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.api.request import Response
from mcp_instantly.errors import ErrorInSuccess, InstantlyError, NotCarriedOut, NotFound
from mcp_instantly.guards.guards import GuardedCall, Proceed
from mcp_instantly.guards.snapshot import INTEREST, place_of
from mcp_instantly.guards.tells import reader_of, tell_of
from mcp_instantly.results.comparison import same_value
from mcp_instantly.results.mail import written_in
from mcp_instantly.settings import CALL_TIMEOUT_SECONDS
from mcp_instantly.tools.operation import Operation

LOOK_SECONDS = 3.0
"""That one look may take, with all of its reads."""

OVERTIME_SECONDS = 4.0
"""By which the looks may go beyond the time of the call: together they stay below a minute, which hosts wait."""

PAUSE_SECONDS = 1.5
"""Before another look, where the first one shows nothing."""

REPLY = "reply_to_email"
OWN_CHECK = "handle_reply"
"""The workflow that looks by itself."""

KNOWN_BY = {
    "create_block_list_entry": ("bl_value",),
    "create_campaign": ("name",),
    "create_custom_tag": ("label",),
    "create_email_template": ("name",),
    "create_lead": ("email",),
    "create_lead_label": ("label",),
    "create_lead_list": ("name",),
    "create_subsequence": ("name", "parent_campaign"),
    "create_webhook": ("target_hook_url", "event_type", "campaign"),
}
"""The fields by which a record is found that was made, in the list that tells."""

SWITCHED_TO = {"activate_": 1, "resume_": 1, "pause_": 2}
"""The status behind a switch, by how its tool begins."""

GATEWAY = (408, 502, 504)
"""Answers in the place of an API that may still be at work; those from 520 on are too."""

Records = dict[str, dict[str, Any]]

Look = Callable[[], Awaitable[Any]]


class Untold(Exception):
    """What was read does not tell."""


class Reconcile:
    """`sleep` waits between two looks, in seconds; `call_timeout` is what a call may take without them."""

    def __init__(
        self,
        operations: Mapping[str, Operation],
        sleep: Callable[[float], Awaitable[Any]] = anyio.sleep,
        *,
        call_timeout: float = CALL_TIMEOUT_SECONDS,
    ) -> None:
        self._operations = operations
        self._call_timeout = call_timeout
        self._sleep = sleep

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        name = call.operation.name
        if not call.writes or call.workflow == OWN_CHECK:
            return await proceed()
        deadline = anyio.current_time() + min(call.seconds, self._call_timeout) + OVERTIME_SECONDS
        before: Records | None = None
        if name == REPLY or name in KNOWN_BY:
            before = await _bounded(lambda: self._records(call))
        try:
            return await proceed()
        except InstantlyError as error:
            if error.outcome != "unknown":
                raise
            look = self._look_for(call, before)
            if look is None:
                raise
            # Of what was there before, one is named where nothing new is found.
            older = next(iter(before), None) if before and name != REPLY else None
            return await self._told(call, error, *look, older, deadline)

    def _look_for(self, call: GuardedCall, before: Records | None) -> tuple[str, Look] | None:
        """The read that tells, and a look that answers with the record, or None where nothing was done."""
        operation = call.operation
        if operation.name == REPLY:
            return "list_emails", lambda: self._new(call, before)
        if operation.name in KNOWN_BY:
            tell = tell_of(operation, call.arguments, self._operations)
            return None if tell is None else (tell.tool, lambda: self._new(call, before))
        reader = reader_of(operation, self._operations)
        if operation.method == "DELETE":
            return None if reader is None else (reader.name, lambda: self._deleted(call, reader))
        place = place_of(operation, call.arguments, self._operations)
        return None if place is None else (place.tool, lambda: self._changed(call))

    async def _told(
        self, call: GuardedCall, error: InstantlyError, reader: str, look: Look, older: str | None, deadline: float
    ) -> Response:
        """What became of a call whose error does not tell. Raises the error, or NotCarriedOut."""
        name = call.operation.name
        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                with anyio.fail_after(LOOK_SECONDS):
                    found = await look()
                if found is None and not _may_be_at_work(error) and name != REPLY:
                    await self._sleep(PAUSE_SECONDS)
                    with anyio.fail_after(LOOK_SECONDS):
                        found = await look()
                    if found is None:
                        told = NotCarriedOut(name, error, reader, older)
                        told.attempts = error.attempts
                        raise told from error
        except (Untold, TimeoutError):
            found = None
        except NotCarriedOut:
            raise
        except InstantlyError:
            found = None
        if found is None:
            error.say_outcome()
            error.say(f"{reader} was asked at once and does not tell: still unknown.")
            raise error
        which = f": id {found['id']}" if isinstance(found.get("id"), str) else ""
        note = (
            f"No usable response came to {name}, and {reader}, which was asked afterwards, shows that it was carried "
            f"out{which}. Do not call it again."
        )
        return Response(200, found, "application/json", 0, error.attempts, (note,))

    # what a look shows

    async def _new(self, call: GuardedCall, before: Records | None) -> dict[str, Any] | None:
        if before is None:
            raise Untold
        found = await self._records(call)
        new = [record for name, record in found.items() if name not in before]
        if call.operation.name == REPLY:
            return written_in(new, call.arguments.get("body"))
        if len(new) > 1:
            raise Untold
        return new[0] if new else None

    async def _records(self, call: GuardedCall) -> Records:
        """The records by their ids among which a new one would be. Raises Untold where there may be more of them."""
        operation, given = call.operation, call.arguments
        if operation.name == REPLY:
            mail = await call.read("get_email", LOOK_SECONDS, id=given["reply_to_uuid"])
            thread = mail.get("thread_id") if isinstance(mail, dict) else None
            if not thread:
                raise Untold
            page = await call.read("list_emails", LOOK_SECONDS, search=f"thread:{thread}", limit=LARGEST_PAGE)
            rows = [row for row in records_of(page) if row.get("thread_id") == thread]
            return _by_id(rows)
        tell = tell_of(operation, given, self._operations)
        if tell is None or (operation.name == "create_lead" and len(tell.arguments) < 2):
            raise Untold
        rows = records_of(await call.read(tell.tool, LOOK_SECONDS, **{**tell.arguments, "limit": LARGEST_PAGE}))
        if len(rows) >= LARGEST_PAGE:
            raise Untold
        fields = [name for name in KNOWN_BY[operation.name] if given.get(name)]
        return _by_id([row for row in rows if all(_same(row.get(name), given[name]) for name in fields)])

    async def _deleted(self, call: GuardedCall, reader: Operation) -> dict[str, Any] | None:
        asked = {name: call.arguments[name] for name in reader.placeholders}
        try:
            await call.read(reader.name, LOOK_SECONDS, **asked)
        except NotFound:
            return {}
        return None

    async def _changed(self, call: GuardedCall) -> dict[str, Any] | None:
        """The record where it shows what was sent; None where it shows nothing of it."""
        operation = call.operation
        place = place_of(operation, call.arguments, self._operations)
        assert place is not None
        payload = await call.read(place.tool, LOOK_SECONDS, **place.arguments)
        state = place.state(payload)
        wanted = place.sent or {"status": _switched_to(operation.name)}
        if state is None:
            raise Untold
        shown = place.of_sent(state)
        same = [same_value(value, shown.get(name)) for name, value in wanted.items()]
        if all(same):
            return payload if place.kind == "record" and isinstance(payload, dict) else {}
        if any(same) or operation.name == INTEREST or None in same:
            # A part only; or queued, to be done later.
            raise Untold
        return None


def _by_id(rows: Sequence[dict[str, Any]]) -> Records:
    """Records by their ids. Raises Untold where one has none."""
    if not all(isinstance(row.get("id"), str) for row in rows):
        raise Untold
    return {row["id"]: row for row in rows}


def _switched_to(tool: str) -> int | None:
    """The status that a switch leaves."""
    return next((status for begin, status in SWITCHED_TO.items() if tool.startswith(begin)), None)


def _same(shown: Any, sent: Any) -> bool:
    return str(shown).strip().casefold() == str(sent).strip().casefold()


def _may_be_at_work(error: InstantlyError) -> bool:
    """Whether Instantly may still be carrying out what it gave no response to."""
    status = error.status or 0
    late = getattr(error, "late", False)
    return bool(late) or status in GATEWAY or status >= 520 or isinstance(error, ErrorInSuccess)


async def _bounded(read: Callable[[], Awaitable[Records]]) -> Records | None:
    """What a read shows before the call, None where it does not tell in time."""
    try:
        with anyio.fail_after(LOOK_SECONDS):
            return await read()
    except (Untold, TimeoutError, InstantlyError):
        return None
