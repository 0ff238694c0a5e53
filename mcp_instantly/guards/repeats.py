"""Calls that send or spend and are made twice in a row: the second one is answered with the result of the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import anyio

from mcp_instantly.api.request import Response
from mcp_instantly.errors import Outcome, RepeatHeld
from mcp_instantly.guards.guards import GuardedCall, Proceed, outcome_of
from mcp_instantly.guards.releases import NOTHING, Things, ended_now, known_by
from mcp_instantly.guards.sameness import canonical
from mcp_instantly.settings import REPEAT_WINDOW_SECONDS
from mcp_instantly.tools.operation import Operation

ONCE = ("sends_email", "spends_credits", "spends_money")
"""Effects of which there should be one for each call that is meant."""


JOB = "job_id"
"""In the context of calls that a job makes: it keeps account of them itself, and repeats none without a look."""


@dataclasses.dataclass
class _Held:
    """A call that was made. `ended` is None while it is under way; `response` None where its outcome is unknown.

    `known` is by what other calls may end the hold: those of other tools, and those of any tool.
    """

    over: anyio.Event
    known: tuple[Things, Things] = NOTHING
    ended: float | None = None
    response: Response | None = None


class Repeats:
    """A guard that holds the first result of a call that sends or spends, for `window` seconds after its end.

    Held are operations whose repetition has a further effect. Whoever makes the same call meanwhile waits for the
    first. What certainly changed nothing is not held; an unknown outcome is. A write that took back what the call did
    ends it: to delete a lead and add it again is no repetition, and neither is to move one there, back, and there
    again. An unknown outcome is held to the end. `now` are seconds of a clock that never goes back.
    """

    def __init__(self, window: float = REPEAT_WINDOW_SECONDS, now: Callable[[], float] = anyio.current_time):
        self._window = window
        self._now = now
        self._held: dict[tuple[str, str], _Held] = {}

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.request is None or call.operation.read_only or JOB in call.context:
            return await proceed()
        if not sends_once(call.operation):
            return await self._make(call, proceed)
        key = (call.operation.name, canonical(call.operation, call.arguments))
        while True:
            self._forget()
            held = self._held.get(key)
            if held is None:
                return await self._first(key, call, proceed)
            await held.over.wait()
            if self._held.get(key) is held:
                return self._again(call, held)

    async def _make(self, call: GuardedCall, proceed: Proceed) -> Response:
        """Make a call, and let go of what it took back."""
        try:
            response = await proceed()
            outcome = outcome_of(response)
            return response
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            self._release(call, outcome)

    async def _first(self, key: tuple[str, str], call: GuardedCall, proceed: Proceed) -> Response:
        held = self._held[key] = _Held(anyio.Event())
        try:
            held.response = await self._make(call, proceed)
            outcome = outcome_of(held.response)
            held.known = known_by(call, held.response.payload)
            return held.response
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            held.ended = self._now()
            if outcome in ("not sent", "refused") and self._held.get(key) is held:
                del self._held[key]
            held.over.set()

    def _again(self, call: GuardedCall, held: _Held) -> Response:
        assert held.ended is not None
        ago = self._now() - held.ended
        if held.response is None:
            raise RepeatHeld(call.operation.name, ago, self._window)
        note = (
            f"Not sent again: the same call was made {ago:.0f} s ago, and this is its result. For "
            f"{self._window:g} s (--repeat-window) the same arguments are sent once."
        )
        return dataclasses.replace(held.response, notes=(*held.response.notes, note))

    def _forget(self) -> None:
        """Let go of what was held for long enough."""
        now = self._now()
        for key, held in list(self._held.items()):
            if held.ended is not None and now - held.ended >= self._window:
                del self._held[key]

    def _release(self, call: GuardedCall, outcome: Outcome) -> None:
        """Let go of calls that a write took back."""
        things, states = ended_now(call, outcome)
        for key, held in list(self._held.items()):
            known, everywhere = held.known
            if (key[0] != call.operation.name and known & things) or everywhere & states:
                del self._held[key]


def sends_once(operation: Operation) -> bool:
    """Whether a second call with the same arguments would send or spend a second time."""
    return not operation.idempotent and bool(set(ONCE) & set(operation.effects))
