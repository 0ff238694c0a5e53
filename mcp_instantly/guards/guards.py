"""What stands between a call and what it does: guards, which may refuse it, answer it, and see its outcome."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import anyio.lowlevel

from mcp_instantly.api.request import Request, Response
from mcp_instantly.errors import InstantlyError, Outcome
from mcp_instantly.tools.operation import Operation

Read = Callable[..., Awaitable[Any]]
"""`await read(operation_name, seconds, **arguments)`: the payload of a bounded read. Raises InstantlyError."""

Warn = Callable[[Operation, dict[str, Any]], Awaitable[str]]
"""`await warn(operation, arguments)`: what is to be known before a call is made; empty where there is nothing."""


CONFIRMED = "confirmed"
"""The name under which the context of a call tells how it was confirmed: form, preview, host or none."""

WRITE = "write"
"""The name under which the context of a write tells what became of it so far: nothing was sent until a request of it
may have left."""


@dataclasses.dataclass(frozen=True)
class GuardedCall:
    """A call that has been checked and is about to be made.

    `operation` is what is called: an operation with its `request`, by itself or for `workflow`; or a workflow as a
    whole, with `request` None, whose operations come through the guards too, each by itself. `arguments` are as they
    are sent. `context` is what the server knows of the client, and what guards tell each other and the log, each under
    a name of its own (`confirmed`: by what). `seconds` are left of the time for the whole call. `read` asks Instantly
    something, past the guards. `facts` are what a workflow can say of what it would do, before it does it; `warning`
    says what is to be known of such a call before, and is empty where that is nothing.
    """

    operation: Operation
    arguments: dict[str, Any]
    request: Request | None
    workflow: str | None
    context: dict[str, Any]
    read: Read
    seconds: float = math.inf
    facts: Callable[[], Awaitable[dict[str, Any]]] | None = None
    warning: Warn | None = None

    @property
    def writes(self) -> bool:
        """Whether it is an operation, and no workflow as a whole, that may change something."""
        return self.request is not None and not self.operation.read_only


Proceed = Callable[[], Awaitable[Response]]
"""Makes the call, through the guards that stand further in. Raises as the client does."""


class Guard(Protocol):
    """Stands around calls: `return await proceed()` lets one through.

    It refuses with a CallError that it raises before, and answers in the place of Instantly with a Response whose
    `sent` is False. What it has to say goes into the `notes` of the Response. The outcome is what `proceed` returns or
    raises (`outcome_of`); a call that is cut off, as by its client, ends with that exception.
    """

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response: ...


@runtime_checkable
class Limit(Protocol):
    """A guard that holds calls to what a person decided at the start.

    `refuse` raises what `around` would refuse a call with, and writes nothing down: a call can be tried without making
    it.
    """

    async def refuse(self, call: GuardedCall) -> None: ...


@runtime_checkable
class Previewer(Protocol):
    """A guard that can say of a call what it would do, as an object."""

    async def preview(self, call: GuardedCall) -> dict[str, Any]: ...


class NotSent(Exception):
    """Ends a workflow at an operation that a guard answered in the place of Instantly, with `payload`.

    Nothing failed: it is not an InstantlyError, so that no workflow tells of it as one.
    """

    outcome: Outcome = "not sent"

    def __init__(self, operation: str, payload: dict[str, Any], notes: tuple[str, ...]):
        super().__init__(f"{operation} was not sent.")
        self.operation = operation
        self.payload = payload
        self.notes = notes


async def guarded(guards: Sequence[Guard], call: GuardedCall, send: Proceed) -> Response:
    """Make a call through the guards; the first of them stands outermost."""
    if not guards:
        # What was cut off while a guard worked in a thread, which nothing interrupts, is not begun.
        await anyio.lowlevel.checkpoint_if_cancelled()
        return await send()
    first, *others = guards
    return await first.around(call, lambda: guarded(others, call, send))


async def made(call: GuardedCall, proceed: Proceed, tell: Callable[[Outcome], Awaitable[None]]) -> Response:
    """Make a call, and tell what became of it, however it ended."""
    try:
        response = await proceed()
        outcome = outcome_of(response, call)
        return response
    except BaseException as error:
        outcome = outcome_of(error, call)
        raise
    finally:
        await tell(outcome)


def outcome_of(end: Response | BaseException, call: GuardedCall) -> Outcome:
    """What became of a call that ended so. What is not known to have changed nothing is unknown."""
    if isinstance(end, Response):
        return "not sent" if not end.sent else "unknown" if end.in_doubt else "done"
    if isinstance(end, InstantlyError):
        return end.outcome
    # It was cut off: the exception, which may come from anywhere, knows nothing of this call.
    outcome: Outcome = call.context.get(WRITE, "unknown")
    return outcome
