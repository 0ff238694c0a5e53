"""Calls that send or spend and are made twice in a row: the second one is answered with the result of the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable

import anyio

from mcp_instantly.api.request import Response
from mcp_instantly.errors import Outcome, RepeatHeld
from mcp_instantly.guards.guards import GuardedCall, Proceed, made, outcome_of
from mcp_instantly.guards.releases import NOTHING, Things, ended_now, known_by
from mcp_instantly.guards.sameness import canonical, for_the_same
from mcp_instantly.settings import CALL_TIMEOUT_SECONDS, REPEAT_WINDOW_SECONDS
from mcp_instantly.tools.operation import Operation

ONCE = ("sends_email", "spends_credits", "spends_money")
"""Effects of which there should be one for each call that is meant."""


JOB = "job_id"
"""In the context of calls that a job makes: it keeps account of them itself, and repeats none without a look."""


TookBack = Callable[[GuardedCall, float], Awaitable[bool]]


@dataclasses.dataclass
class _Held:
    """A call that was made. `ended` is None while it is under way; `response` None where its outcome is unknown. Times
    are in seconds.

    `known` is by what other calls may end the hold: those of other tools, and those of any tool.
    """

    over: anyio.Event
    began: float
    known: tuple[Things, Things] = NOTHING
    ended: float | None = None
    response: Response | None = None


class Repeats:
    """A guard that holds the first result of a call that sends or spends, for `window` seconds after its end.

    Held are operations whose repetition has a further effect. Whoever makes the same call meanwhile waits for the
    first. What certainly changed nothing is not held; an unknown outcome is. A write that took back what the call did
    ends it: to delete a lead and add it again is not a repetition, and neither is to move one there, back, and there
    again. An unknown outcome is held to the end, and so are other words for the same email. `now` are seconds of a
    clock that never goes back.

    A call waits for the same one for `call_timeout` seconds at most. `took_back` tells of a call that ended some
    seconds ago whether another process took back what it did.
    """

    def __init__(
        self,
        window: float = REPEAT_WINDOW_SECONDS,
        now: Callable[[], float] = anyio.current_time,
        call_timeout: float = CALL_TIMEOUT_SECONDS,
        took_back: TookBack | None = None,
    ):
        self._window = window
        self._now = now
        self._call_timeout = call_timeout
        self._took_back = took_back
        self._held: dict[tuple[str, str], _Held] = {}

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if not call.writes or JOB in call.context:
            return await proceed()
        if not sends_once(call.operation):
            return await self._make(call, proceed)
        key = (call.operation.name, canonical(call.operation, call.arguments))
        deadline = anyio.current_time() + min(call.seconds, self._call_timeout)
        while True:
            self._forget()
            held = self._held.get(key)
            if held is None:
                self._refuse_reworded(call)
                return await self._first(key, call, proceed)
            with anyio.CancelScope(deadline=deadline):
                await held.over.wait()
            if held.ended is None:
                raise RepeatHeld(call.operation.name, self._now() - held.began, self._window)
            if await self._was_taken_back(call, held):
                self._drop(key, held)
            elif self._held.get(key) is held:
                return self._again(call, held)

    async def _was_taken_back(self, call: GuardedCall, held: _Held) -> bool:
        """Whether another process took back what a call did that was carried out."""
        if self._took_back is None or held.response is None or held.ended is None:
            return False
        return await self._took_back(call, self._now() - held.ended)

    async def _make(self, call: GuardedCall, proceed: Proceed) -> Response:
        """Make a call, and let go of what it took back."""
        return await made(call, proceed, lambda outcome: self._release(call, outcome))

    async def _first(self, key: tuple[str, str], call: GuardedCall, proceed: Proceed) -> Response:
        held = self._held[key] = _Held(anyio.Event(), self._now())
        try:
            held.response = await self._make(call, proceed)
            outcome = outcome_of(held.response, call)
            held.known = known_by(call, held.response.payload)
            return held.response
        except BaseException as error:
            outcome = outcome_of(error, call)
            raise
        finally:
            held.ended = self._now()
            same = for_the_same(call.operation, call.arguments)
            if outcome in ("not sent", "refused"):
                self._drop(key, held)
            elif outcome == "unknown" and same is not None:
                self._held[call.operation.name, same] = held
            held.over.set()

    def _refuse_reworded(self, call: GuardedCall) -> None:
        """Raise RepeatHeld for a call whose like, in other words, has an outcome that is unknown."""
        same = for_the_same(call.operation, call.arguments)
        held = None if same is None else self._held.get((call.operation.name, same))
        if held is not None and held.ended is not None:
            raise RepeatHeld(call.operation.name, self._now() - held.ended, self._window, reworded=True)

    def _again(self, call: GuardedCall, held: _Held) -> Response:
        assert held.ended is not None
        ago = self._now() - held.ended
        if held.response is None:
            raise RepeatHeld(call.operation.name, ago, self._window)
        return dataclasses.replace(held.response, notes=(*held.response.notes, not_sent_again(ago, self._window)))

    def _drop(self, key: tuple[str, str], held: _Held) -> None:
        if self._held.get(key) is held:
            del self._held[key]

    def _forget(self) -> None:
        """Let go of what was held for long enough."""
        now = self._now()
        for key, held in list(self._held.items()):
            if held.ended is not None and now - held.ended >= self._window:
                del self._held[key]

    async def _release(self, call: GuardedCall, outcome: Outcome) -> None:
        """Let go of calls that a write took back."""
        things, states = ended_now(call, outcome)
        for key, held in list(self._held.items()):
            known, everywhere = held.known
            if (key[0] != call.operation.name and known & things) or everywhere & states:
                del self._held[key]


def not_sent_again(ago: float, window: float) -> str:
    """The note on a result that is given once more; both in seconds."""
    return (
        f"Not sent again: the same call was made {ago:.0f} s ago, and this is its result. For {window:g} s "
        "(--repeat-window) the same arguments are sent once."
    )


def sends_once(operation: Operation) -> bool:
    """Whether a second call with the same arguments would send or spend a second time."""
    return not operation.idempotent and bool(set(ONCE) & set(operation.effects))
