"""How far a call has come, for clients that asked to hear of it: from its first second until it ends."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import anyio

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Tells the client how far a call has come: done, of how much (None: not known), and in words."""

FIRST_SECONDS = 1.0
"""After which a call that has told nothing says that it is at work."""

BEAT_SECONDS = 5.0
"""Between two signs of life after the first."""

STEP = 0.01
"""How much further a report is that counts nothing: MCP wants each to be further than the one before."""

Value = TypeVar("Value")

_current: contextvars.ContextVar[_Progress | None] = contextvars.ContextVar("progress", default=None)


class _Progress:
    """What is told of one call: what it counts, and in small steps what it waits for."""

    def __init__(self, report: Report, tool: str):
        self._report = report
        self._tool = tool
        self._done = 0.0
        self._total: float | None = None
        self.waits_for: Callable[[], str] = lambda: "waiting for Instantly"

    async def count(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Tell how much is done, of how much."""
        self._total = total
        await self._tell(done, message)

    async def say(self, message: str) -> None:
        """Tell what is waited for."""
        await self._tell(self._done, message)

    async def _tell(self, done: float, message: str | None) -> None:
        self._done = done if done > self._done else round(self._done + STEP, 2)
        # Where the client has gone, its transport says whether that ends the call.
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._report(self._done, self._total, message)

    async def beat(self, sleep: Callable[[float], Awaitable[Any]]) -> None:
        """Give signs of life for ever, whenever nothing else was told for a while."""
        before, seconds = 0.0, FIRST_SECONDS
        while True:
            await sleep(seconds)
            if self._done == before:
                await self.say(f"{self._tool}: {self.waits_for()}")
            before, seconds = self._done, BEAT_SECONDS


async def say(message: str) -> None:
    """Tell the client of the call under way, if it asked to hear of it, what is waited for."""
    progress = _current.get()
    if progress is not None:
        await progress.say(message)


@contextlib.contextmanager
def waiting_for(said: Callable[[], str]) -> Iterator[None]:
    """Inside, signs of life of the call under way say what it waits for, as it is then."""
    progress = _current.get()
    if progress is None:
        yield
        return
    before = progress.waits_for
    progress.waits_for = said
    try:
        yield
    finally:
        progress.waits_for = before


async def reported(
    report: Report,
    tool: str,
    work: Callable[..., Awaitable[Value]],
    *,
    sleep: Callable[[float], Awaitable[Any]] | None = None,
) -> Value:
    """Do the work of a call and return what it returns, or raise what it raises; meanwhile `report` is told of it.

    The work is given `report=`, to tell its own counts to. `sleep` waits between signs of life, in seconds; without it
    there are none.
    """
    progress = _Progress(report, tool)
    before = _current.set(progress)
    try:
        if sleep is None:
            return await work(report=progress.count)
        return await _with_signs_of_life(progress, work, sleep)
    finally:
        _current.reset(before)


async def _with_signs_of_life(
    progress: _Progress, work: Callable[..., Awaitable[Value]], sleep: Callable[[float], Awaitable[Any]]
) -> Value:
    failed: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(progress.beat, sleep)
        try:
            found = await work(report=progress.count)
        except Exception as error:
            # As it is: what leaves a task group does so in a group of exceptions.
            failed = error
        tasks.cancel_scope.cancel()
    if failed is not None:
        raise failed
    return found
