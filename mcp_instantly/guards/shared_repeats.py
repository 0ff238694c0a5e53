"""A call that comes again at another process is sent once: calls are entered in a register that processes share."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from mcp_instantly.api.request import Response
from mcp_instantly.errors import RepeatHeld
from mcp_instantly.guards.guards import GuardedCall, Proceed, outcome_of
from mcp_instantly.guards.releases import NOTHING, Things, ended_now, known_by
from mcp_instantly.guards.repeats import JOB, sends_once
from mcp_instantly.guards.sameness import canonical
from mcp_instantly.guards.shared_register import ANY_TOOL, Register

UNDER_WAY_SECONDS = 120.0
"""For which a call that another process makes counts as under way: that process may have died."""

LOOK_SECONDS = 0.1

MAX_TEXT_BYTES = 256_000
"""Of a result that is remembered; of a longer one it is known only that there was one."""


class SharedRepeats:
    """What Repeats is within a process, among processes: stands inside of it. `scope` tells keys apart."""

    def __init__(
        self,
        window: float,
        register: Register,
        scope: str,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = anyio.sleep,
    ):
        self._window = window
        self._register = register
        self._scope = scope
        self._now = now
        self._sleep = sleep

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.request is None or call.operation.read_only or JOB in call.context:
            return await proceed()
        if not sends_once(call.operation):
            return await self._make(call, proceed)
        tool = call.operation.name
        name = self._digest(tool, canonical(call.operation, call.arguments))
        waited = 0.0
        while not self._register.claim(name, tool, self._window + UNDER_WAY_SECONDS):
            text = self._register.read(name)
            if text:
                return self._again(tool, json.loads(text))
            if text == "" and waited >= min(call.seconds, UNDER_WAY_SECONDS):
                raise RepeatHeld(tool, waited, self._window)
            await self._sleep(LOOK_SECONDS)
            waited += LOOK_SECONDS
        response, things = None, NOTHING
        try:
            response = await self._make(call, proceed)
            outcome = outcome_of(response)
            things = known_by(call, response.payload)
            return response
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            if outcome in ("not sent", "refused"):
                self._register.free(name)
            else:
                self._register.write(name, tool, self._text(response), self._things(*things), self._window)

    async def _make(self, call: GuardedCall, proceed: Proceed) -> Response:
        """Make a call, and have the register forget what it took back."""
        try:
            response = await proceed()
            outcome = outcome_of(response)
            return response
        except BaseException as error:
            outcome = outcome_of(error)
            raise
        finally:
            things, states = ended_now(call, outcome)
            self._register.release(call.operation.name, self._things(things))
            self._register.release(ANY_TOOL, self._things(states))

    def _text(self, response: Response | None) -> str:
        whole = json.dumps([self._now(), response and dataclasses.asdict(response)])
        return whole if len(whole) <= MAX_TEXT_BYTES else json.dumps([self._now(), None])

    def _again(self, tool: str, told: list[Any]) -> Response:
        ended, response = told
        ago = max(0.0, self._now() - ended)
        if response is None:
            raise RepeatHeld(tool, ago, self._window)
        note = (
            f"Not sent again: the same call was made {ago:.0f} s ago, and this is its result. For "
            f"{self._window:g} s (--repeat-window) the same arguments are sent once."
        )
        return Response(**{**response, "notes": (*response["notes"], note)})

    def _digest(self, *parts: str) -> str:
        return hashlib.sha256(json.dumps([self._scope, *parts]).encode()).hexdigest()

    def _things(self, *kinds: Things) -> list[str]:
        return [self._digest("thing", thing) for things in kinds for thing in things]
