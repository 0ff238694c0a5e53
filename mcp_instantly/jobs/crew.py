"""Calls of rows of a job, many at once: what they mean to do and what came of it is written down for many together."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import anyio
from anyio.to_thread import run_sync as in_thread

from mcp_instantly.api.fencing import NoLongerHeld
from mcp_instantly.errors import InstantlyError
from mcp_instantly.jobs.desk import Desk, ends_the_job, wait_after
from mcp_instantly.jobs.job import COLLECTED, SENT, RowRecord
from mcp_instantly.jobs.lease import Lost

AT_ONCE = 48
"""Calls that are under way at the same time: enough to fill the budget where each takes half a second."""

INTENDED_ROWS = 48
"""Rows that are written down as SENT together, before the first of their calls."""

LOOK_SECONDS = 0.25
"""How often it is looked whether the job is cancelled."""

Work = Callable[[RowRecord], Awaitable["RowRecord | None"]]
"""What becomes of a row, None where nothing is to be written down. Raises InstantlyError where it is not finished."""


class Crew:
    """Works on rows of a desk. With `intends`, a row is SENT before its work begins, and COLLECTED again where it
    certainly had no effect.
    """

    def __init__(self, desk: Desk, work: Work, *, intends: bool):
        self.is_cancelled = False
        self._desk = desk
        self._work = work
        self._intends = intends
        self._notes = Notes(desk)
        self._todo: deque[RowRecord] = deque()
        self._ready: deque[RowRecord] = deque()
        self._choosing = anyio.Lock()
        self._looked_at = anyio.current_time()
        self._end: Exception | None = None
        self._failed: dict[int, InstantlyError] = {}
        self.over_budget: InstantlyError | None = None
        self._done = 0

    async def work(self, rows: Sequence[RowRecord]) -> tuple[int, dict[int, InstantlyError]]:
        """How many rows are finished, and the errors of those that are not, by their numbers.

        Where one is `over_budget`, no other is begun: those say nothing of the rows.
        Raises what ends the job, and Lost where somebody else works on the rows by now.
        """
        self._todo.extend(rows)
        async with anyio.create_task_group() as tasks:
            for _ in range(min(AT_ONCE, len(rows))):
                tasks.start_soon(self._go_on)
        if isinstance(self._end, Lost):
            raise self._end
        # What was not begun is as it was; of what may have been sent before, nobody knows more.
        untouched = [_back(row) for row in self._ready if row["state"] != SENT]
        if untouched and self._intends:
            await self._notes.write(untouched)
        if self._end is not None:
            raise self._end
        return self._done, self._failed

    async def _go_on(self) -> None:
        """Work on one row after the other. All ends with the first error that ends the job."""
        try:
            while (row := await self._next()) is not None:
                told = await self._outcome(row)
                if told is not None:
                    await self._notes.write([told])
        except Exception as error:
            self._end = self._end or error

    async def _next(self) -> RowRecord | None:
        async with self._choosing:
            if anyio.current_time() - self._looked_at >= LOOK_SECONDS:
                self._looked_at = anyio.current_time()
                self.is_cancelled = await in_thread(lambda: self._desk.is_cancelled)
            if self._end is not None or self.over_budget is not None or self.is_cancelled:
                return None
            if not self._ready:
                group = [self._todo.popleft() for _ in range(min(INTENDED_ROWS, len(self._todo)))]
                if self._intends:
                    await self._notes.write([{**row, "state": SENT} for row in group])
                self._ready.extend(group)
            return self._ready.popleft() if self._ready else None

    async def _outcome(self, row: RowRecord) -> RowRecord | None:
        try:
            told = await self._work(row)
        except NoLongerHeld:
            raise Lost from None
        except InstantlyError as error:
            if ends_the_job(error):
                self._end = self._end or error
            elif wait_after(error):
                self.over_budget = error
            else:
                self._failed[row["number"]] = error
            was_sent = error.outcome == "unknown" or row["state"] == SENT
            return None if was_sent or not self._intends else _back(row)
        if told is not None:
            self._done += 1
        return told


def _back(row: RowRecord) -> RowRecord:
    return {"number": row["number"], "subject": row["subject"], "state": COLLECTED}


@dataclasses.dataclass
class _Batch:
    rows: list[RowRecord] = dataclasses.field(default_factory=list)
    error: Exception | None = None
    is_written: bool = False


class Notes:
    """Writes rows down: together, in a thread, those that come while others are being written."""

    def __init__(self, desk: Desk):
        self._desk = desk
        self._next = _Batch()
        self._writing = anyio.Lock()

    async def write(self, rows: Sequence[RowRecord]) -> None:
        """Ends when they are written. Raises Lost, and what goes wrong with the database."""
        mine = self._next
        mine.rows += rows
        async with self._writing:
            if not mine.is_written:
                self._next = _Batch()
                mine.is_written = True
                try:
                    await in_thread(self._desk.put, mine.rows)
                except Exception as error:
                    mine.error = error
        if mine.error is not None:
            raise mine.error
