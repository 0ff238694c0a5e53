"""A call that comes again at another process is sent once: calls are entered in a register that processes share."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

from mcp_instantly.api.request import Response
from mcp_instantly.errors import Outcome, RepeatHeld
from mcp_instantly.guards.guards import GuardedCall, Proceed, made, outcome_of
from mcp_instantly.guards.releases import NOTHING, Things, ended_now, known_by
from mcp_instantly.guards.repeats import JOB, not_sent_again, sends_once
from mcp_instantly.guards.sameness import canonical, for_the_same
from mcp_instantly.guards.shared_register import ANY_TOOL, Register
from mcp_instantly.log import get_logger
from mcp_instantly.settings import CALL_TIMEOUT_SECONDS

UNDER_WAY_SECONDS = 120.0
"""For which a call that another process makes counts as under way: that process may have died."""

LOOK_SECONDS = 0.1

MAX_TEXT_BYTES = 256_000
"""Of a result that is remembered; of a longer one it is known only that there was one."""


class SharedRepeats:
    """What Repeats is within a process, among processes: stands inside of it. `scope` tells keys apart.

    A call waits for the same one of another process for `call_timeout` seconds at most, as that may have died.
    """

    def __init__(
        self,
        window: float,
        register: Register,
        scope: str,
        call_timeout: float = CALL_TIMEOUT_SECONDS,
        now: Callable[[], float] = time.time,
    ):
        self._window = window
        self._register = register
        self._scope = scope
        self._call_timeout = call_timeout
        self._now = now

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.request is None or call.operation.read_only or JOB in call.context:
            return await proceed()
        if not sends_once(call.operation):
            return await self._make(call, proceed)
        tool, name = call.operation.name, self._name(call)
        await self._refuse_reworded(call, name)
        began, freed = anyio.current_time(), None
        while not await self._ask(self._register.claim, name, tool, self._window + UNDER_WAY_SECONDS):
            before = await self._ask(self._register.freed, name)
            text = await self._ask(self._register.read, name)
            if text:
                return self._again(tool, json.loads(text))
            if text is not None:
                freed = before
                waited = anyio.current_time() - began
                if waited >= min(call.seconds, self._call_timeout):
                    raise RepeatHeld(tool, waited, self._window)
            await anyio.sleep(LOOK_SECONDS)
        return await self._first(name, call, proceed, freed, began)

    async def _first(
        self, name: str, call: GuardedCall, proceed: Proceed, freed: float | None, began: float
    ) -> Response:
        """Make a call that has an entry, and enter what became of it.

        `freed` is not None where one that was under way was waited for, since `began`: that must have been freed since.
        """
        tool = call.operation.name
        response, things = None, NOTHING
        outcome: Outcome = "unknown"
        is_free = freed is None
        try:
            if freed is not None:
                is_free = await self._ask(self._register.freed, name) > freed
            if not is_free:
                # The register was lost, or is away: nobody knows what became of that one.
                raise RepeatHeld(tool, anyio.current_time() - began, self._window)
            response = await self._make(call, proceed)
            outcome = outcome_of(response, call)
            things = known_by(call, response.payload)
            return response
        except BaseException as error:
            outcome = outcome_of(error, call) if is_free else "unknown"
            raise
        finally:
            if outcome in ("not sent", "refused"):
                await self._note(self._register.free, name, self._window)
            else:
                text = self._text(response)
                await self._note(self._register.write, name, tool, text, self._things(*things), self._window)
            if outcome == "unknown" and (same := self._for_the_same(call)):
                await self._note(self._register.write, same, tool, self._text(None), (), self._window)

    async def _refuse_reworded(self, call: GuardedCall, name: str) -> None:
        """Raise RepeatHeld for a call whose like, in other words, has an outcome that is unknown."""
        same = self._for_the_same(call)
        if (
            same
            and not await self._ask(self._register.read, name)
            and (text := await self._ask(self._register.read, same))
        ):
            ended, _ = json.loads(text)
            raise RepeatHeld(call.operation.name, max(0.0, self._now() - ended), self._window, reworded=True)

    async def took_back(self, call: GuardedCall, seconds_ago: float) -> bool:
        """Whether a write, of any process, took back what a call did that ended some seconds ago."""
        ended = self._now() - seconds_ago
        return bool(await self._ask(self._register.released, self._name(call)) > ended)

    async def _make(self, call: GuardedCall, proceed: Proceed) -> Response:
        """Make a call, and have the register forget what it took back."""
        return await made(call, proceed, lambda outcome: self._release(call, outcome))

    async def _release(self, call: GuardedCall, outcome: Outcome) -> None:
        things, states = ended_now(call, outcome)
        for tool, ended in ((call.operation.name, things), (ANY_TOOL, states)):
            if ended:
                await self._note(self._register.release, tool, self._things(ended), self._window)

    async def _ask(self, question: Callable[..., Any], *given: Any) -> Any:
        """What the register answers: in a thread, as it reads and writes a file, or waits for Redis."""
        return await anyio.to_thread.run_sync(question, *given)

    async def _note(self, question: Callable[..., None], *given: Any) -> None:
        """Enter what became of a call, even one that is cancelled. Nothing that goes wrong here takes its place."""
        try:
            with anyio.CancelScope(shield=True):
                await self._ask(question, *given)
        except Exception:
            get_logger().exception("register_failed")

    def _name(self, call: GuardedCall) -> str:
        return self._digest(call.operation.name, canonical(call.operation, call.arguments))

    def _for_the_same(self, call: GuardedCall) -> str | None:
        same = for_the_same(call.operation, call.arguments)
        return same and self._digest(call.operation.name, same)

    def _text(self, response: Response | None) -> str:
        whole = json.dumps([self._now(), response and dataclasses.asdict(response)])
        return whole if len(whole) <= MAX_TEXT_BYTES else json.dumps([self._now(), None])

    def _again(self, tool: str, told: list[Any]) -> Response:
        ended, response = told
        ago = max(0.0, self._now() - ended)
        if response is None:
            raise RepeatHeld(tool, ago, self._window)
        return Response(**{**response, "notes": (*response["notes"], not_sent_again(ago, self._window))})

    def _digest(self, *parts: str) -> str:
        return hashlib.sha256(json.dumps([self._scope, *parts]).encode()).hexdigest()

    def _things(self, *kinds: Things) -> list[str]:
        return [self._digest("thing", thing) for things in kinds for thing in things]
