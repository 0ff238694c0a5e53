"""Calls that send or spend and are made twice in a row: the second one is answered with the result of the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import anyio

from mcp_instantly.api.request import Response
from mcp_instantly.errors import RepeatHeld
from mcp_instantly.guards.guards import GuardedCall, Proceed, outcome_of
from mcp_instantly.guards.sameness import canonical
from mcp_instantly.settings import REPEAT_WINDOW_SECONDS
from mcp_instantly.tools.operation import Operation

ONCE = ("sends_email", "spends_credits", "spends_money")
"""Effects of which there should be one for each call that is meant."""


JOB = "job_id"
"""In the context of calls that a job makes: it keeps account of them itself, and repeats none without a look."""


@dataclasses.dataclass
class _Held:
    """A call that was made. `ended` is None while it is under way; `response` None where its outcome is unknown."""

    over: anyio.Event
    touched: set[str]
    ended: float | None = None
    response: Response | None = None


class Repeats:
    """A guard that holds the first result of a call that sends or spends, for `window` seconds after its end.

    Held are operations whose repetition has a further effect. Whoever makes the same call meanwhile waits for the
    first. What certainly changed nothing is not held; an unknown outcome is. Another write on the same thing ends it:
    to delete a lead and add it again is no repetition. `now` are seconds of a clock that never goes back.
    """

    def __init__(self, window: float = REPEAT_WINDOW_SECONDS, now: Callable[[], float] = anyio.current_time):
        self._window = window
        self._now = now
        self._held: dict[tuple[str, str], _Held] = {}

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.request is None or call.operation.read_only or JOB in call.context:
            return await proceed()
        touched = set(call.request.touched)
        if not sends_once(call.operation):
            self._release(call.operation.name, touched)
            return await proceed()
        key = (call.operation.name, canonical(call.operation, call.arguments))
        while True:
            self._forget()
            held = self._held.get(key)
            if held is None:
                return await self._first(key, touched, proceed)
            await held.over.wait()
            if self._held.get(key) is held:
                return self._again(call, held)

    async def _first(self, key: tuple[str, str], touched: set[str], proceed: Proceed) -> Response:
        self._release(key[0], touched)
        held = self._held[key] = _Held(anyio.Event(), touched)
        try:
            held.response = await proceed()
            outcome = outcome_of(held.response)
            held.touched.update(ids_in(held.response.payload))
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
        return dataclasses.replace(held.response, notes=(*held.response.notes, not_sent_again(ago, self._window)))

    def _forget(self) -> None:
        """Let go of what was held for long enough."""
        now = self._now()
        for key, held in list(self._held.items()):
            if held.ended is not None and now - held.ended >= self._window:
                del self._held[key]

    def _release(self, name: str, touched: set[str]) -> None:
        """Let go of calls of other tools that act on the same."""
        for key, held in list(self._held.items()):
            if key[0] != name and held.ended is not None and held.touched & touched:
                del self._held[key]


def sends_once(operation: Operation) -> bool:
    """Whether a second call with the same arguments would send or spend a second time."""
    return not operation.idempotent and bool(set(ONCE) & set(operation.effects))


def not_sent_again(ago: float, window: float) -> str:
    """The note on a result that is given once more; both in seconds."""
    return (
        f"Not sent again: the same call was made {ago:.0f} s ago, and this is its result. For {window:g} s "
        "(--repeat-window) the same arguments are sent once."
    )


def ids_in(payload: Any) -> Iterator[str]:
    """What a record that was made can be named by in a later call."""
    for name in ("id", "email"):
        value = payload.get(name) if isinstance(payload, dict) else None
        if isinstance(value, str):
            yield value.lower()
