"""Waiting for work that goes on after the response: the state is read again, in growing pauses, until it is final.

What was written is never sent again; only the read that tells the state is.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import anyio

from mcp_instantly.api.request import Response
from mcp_instantly.errors import InstantlyError
from mcp_instantly.progress import say
from mcp_instantly.tools.operation import WAIT_SECONDS, Operation
from mcp_instantly.tools.schema_paths import values_at

STATE = "_state"
"""The name under which the state stands beside the response, where it is not that of the same record."""

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 8.0
GROWTH = 1.5
"""Of the pauses: the longest wait makes ten requests, so that many calls can wait within the API's rate limits."""

RESERVED_SECONDS = 3.0
"""Of the time of the whole call, that are left for reading the state a last time."""

Event = dict[str, Any]

Send = Callable[[Operation, dict[str, Any], Event, float], Awaitable[Response]]
"""Sends the request of an operation within some seconds, and adds to the log event what it cost."""


@dataclasses.dataclass(frozen=True)
class Waiter:
    """`allows` tells whether an operation may be called, `send` calls it; `sleep` waits seconds, which `now` counts."""

    operations: Mapping[str, Operation]
    allows: Callable[[Operation], bool]
    send: Send
    sleep: Callable[[float], Awaitable[Any]]
    now: Callable[[], float] = anyio.current_time

    async def until_done(
        self, operation: Operation, sent: dict[str, Any], reply: Response, event: Event, seconds: float
    ) -> Response:
        """The response with the final state of what it began, or with the last one and a note on what to ask later.

        `sent` are the arguments with wait_seconds, `seconds` what is left of the time of the whole call. No error of
        the reads becomes one of the call, which has worked; it becomes a note.
        """
        asked = self._whom(operation, sent, reply.payload)
        if asked is None:
            return _noted(reply, "Not waited for: the response does not say what to ask about.")
        poller, arguments = asked
        if is_done(poller, reply.payload) or (poller is operation and not states_of(poller, reply.payload)):
            return reply
        if not self.allows(poller):
            return _noted(reply, f"Not waited for: {poller.name}, which tells the state, is not allowed here.")
        limit = min(sent[WAIT_SECONDS], seconds - RESERVED_SECONDS)
        return await self._poll(poller, arguments, reply, event, limit, own=poller is operation)

    def _whom(
        self, operation: Operation, sent: dict[str, Any], payload: Any
    ) -> tuple[Operation, dict[str, Any]] | None:
        """The operation that tells the state, with its arguments."""
        if operation.waiting.done:
            return operation, {name: value for name, value in sent.items() if name != WAIT_SECONDS}
        if not isinstance(payload, dict):
            return None
        for name, places in operation.waiting.ask:
            known = {"given": sent, "answer": payload}
            found = {argument: next(values_at(known, place), ("", None))[1] for argument, place in places.items()}
            if None not in found.values():
                return self.operations[name], found
        return None

    async def _poll(
        self, poller: Operation, arguments: dict[str, Any], reply: Response, event: Event, seconds: float, *, own: bool
    ) -> Response:
        """Ask until it is done or the seconds are over; `own` says that the response is one of the poller's own."""
        began = self.now()
        waited = 0.0
        found, last = reply, reply.payload
        for pause in _pauses(seconds):
            await say(f"{_words(poller, last)}: asking {poller.name} again in {pause:.2g} s")
            await self.sleep(pause)
            # By the clock that is ahead, so that neither slow responses nor a frozen clock keep it waiting.
            waited = max(waited + pause, self.now() - began)
            try:
                answer = await self.send(poller, arguments, event, max(seconds - waited, 0.0) + RESERVED_SECONDS)
            except InstantlyError as error:
                event["attempts"] += error.attempts
                return _noted(found, f"{_words(poller, last)}. {poller.name} failed, so it was not waited for: {error}")
            found, last = _joined(reply, answer, own=own), answer.payload
            if is_done(poller, last):
                return found
            if self.now() - began >= seconds:
                break
        return _noted(found, f"{_words(poller, last)} after {waited:.0f} s of waiting: ask {poller.name} later.")


def _pauses(seconds: float) -> Iterator[float]:
    """Growing pauses, which end with some seconds."""
    pause = FIRST_PAUSE_SECONDS
    while seconds > 0:
        yield min(pause, seconds)
        seconds -= pause
        pause = min(pause * GROWTH, LONGEST_PAUSE_SECONDS)


def states_of(poller: Operation, payload: Any) -> list[Any]:
    """What a response of an operation that tells states says of them: one, or that of each record of a list."""
    return [value for _, value in values_at(payload, poller.waiting.state)]


def is_done(poller: Operation, payload: Any) -> bool:
    """Whether all states of a response are final, and there is one."""
    states = states_of(poller, payload)
    return bool(states) and all(state in poller.waiting.done for state in states)


def _words(poller: Operation, payload: Any) -> str:
    states = dict.fromkeys(json.dumps(state) for state in states_of(poller, payload))
    name = poller.waiting.state.rpartition(".")[2]
    return f"Not done yet ({name} {', '.join(states)})" if states else "Not done yet"


def _joined(reply: Response, answer: Response, *, own: bool) -> Response:
    """The response of a call with the state that was read after it; what a write said is all there."""
    written, state = reply.payload, answer.payload
    if own:
        return dataclasses.replace(reply, status=answer.status, payload=state)
    same = isinstance(state, dict) and state.get("id", written.get("id")) == written.get("id")
    payload = {**written, **state} if same else {**written, STATE: state}
    return dataclasses.replace(reply, status=answer.status, payload=payload)


def _noted(reply: Response, note: str) -> Response:
    return dataclasses.replace(reply, notes=(*reply.notes, note))
