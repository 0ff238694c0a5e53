"""Requests that may be sent only as long as whoever sends them is entitled to: a worker whose lease holds."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator

from mcp_instantly.errors import InstantlyError, TransportError
from mcp_instantly.tools.operation import Operation

_holds: contextvars.ContextVar[Callable[[], bool] | None] = contextvars.ContextVar("holds", default=None)


class NoLongerHeld(TransportError):
    """A call of a job that another process may work on by now. `doubtful`: an attempt may have been carried out."""

    def __init__(self, tool: str, *, doubtful: bool):
        self.outcome = "unknown" if doubtful else "not sent"
        super().__init__(
            f"{tool} was not sent: this process was paused or cut off for so long that another one may have taken "
            "over its work."
        )


@contextlib.contextmanager
def while_it_holds(holds: Callable[[], bool]) -> Iterator[None]:
    """Inside, each request is sent only where `holds()` says so right before, also when it is sent again."""
    before = _holds.set(holds)
    try:
        yield
    finally:
        _holds.reset(before)


def refuse_unless_held(operation: Operation, doubtful: InstantlyError | None) -> None:
    """Raise NoLongerHeld; `doubtful` is the error of an earlier attempt that may have been carried out."""
    holds = _holds.get()
    if holds is not None and not holds():
        raise NoLongerHeld(operation.name, doubtful=doubtful is not None)
