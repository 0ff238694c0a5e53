"""Workflows at work: each is a module here, named like its tool, with `async def run(context, arguments)`.

A module is loaded at the first call of its tool. It reads and writes through `context.call` alone, so that what it does
is checked, limited, repeated and logged like any other call.
"""

from __future__ import annotations

import datetime as dt
import importlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio

from mcp_instantly.api.paging import LARGEST_PAGE, cursor_behind, records_of
from mcp_instantly.errors import CallError, InstantlyError, Outcome
from mcp_instantly.progress import Report as Report
from mcp_instantly.tools.catalog import Selection
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation

CALLS = "_calls"
"""The name under which a workflow tells what it called, and how often."""


async def unreported(done: float, total: float | None, message: str | None) -> None:
    """Progress that nobody asked to hear of."""


if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.jobs.folders import Folders
    from mcp_instantly.jobs.jobs import Jobs


Ask = Callable[[Operation, dict[str, Any], float], Awaitable[tuple[Any, tuple[str, ...]]]]
"""Calls an operation within some seconds: its payload, and what is to be said of it."""


Refuse = Callable[[Operation, dict[str, Any]], Awaitable[None]]
"""Raises what would refuse a call of an operation, and does not make it."""


class OutOfTime(InstantlyError):
    """The time of the whole call was over before the next operation began."""

    outcome: Outcome = "not sent"


class Stopped(InstantlyError):
    """An operation ended its workflow; the text says which, why, and what had been changed before."""

    def __init__(self, workflow: Workflow, operation: str, error: InstantlyError, changed: Counter[str]):
        done = "" if workflow.read_only else f" {_said(changed)}"
        super().__init__(f"{workflow.name} stopped at {operation}: {error}{done}")
        self.status = error.status
        self.cause = error
        self.changed = changed
        # Where others had worked before, neither done nor undone is true of the whole; a read alone does nothing.
        read = workflow.parts[operation].read_only
        self.outcome = "unknown" if changed else "not sent" if read else error.outcome

    def say_outcome(self) -> None:
        """The text says it of the operation that ended the workflow, and what had worked before."""
        self.told = self.outcome


def _said(changed: Counter[str]) -> str:
    if not changed:
        return "Nothing had been changed before."
    return f"Before that, these had worked: {', '.join(times(name, count) for name, count in changed.items())}."


def times(name: str, count: int) -> str:
    """A name, and how many times it is meant where that is more than one."""
    return name if count == 1 else f"{name} ({count} times)"


class Context:
    """What a workflow works with. `calls` counts what was called, and worked or not, by operation.

    `kept` lasts from one call of the workflow to the next, and belongs to the workspace that is asked. Where there is
    `only_campaign`, reads that name none are narrowed to it, which a note says, and those of another are refused. `now`
    tells the present by the API's clock, in UTC.
    """

    def __init__(
        self,
        workflow: Workflow,
        ask: Ask,
        selection: Selection,
        report: Report,
        seconds: float,
        kept: dict[str, Any],
        drafts: Drafts | None = None,
        files: Sequence[Path] = (),
        jobs: Jobs | None = None,
        only_campaign: str | None = None,
        *,
        now: Callable[[], dt.datetime],
        refuse: Refuse,
    ):
        self._workflow = workflow
        self._ask = ask
        self._selection = selection
        self._report = report
        self._drafts = drafts
        self._files = files
        self._jobs = jobs
        self._seconds = seconds
        self.now = now
        self._refuse = refuse
        self.begin()
        self._reported = 0.0
        self._last: tuple[str, InstantlyError] | None = None
        self.kept = kept
        self.only_campaign = only_campaign
        self.calls: Counter[str] = Counter()
        self.changed: Counter[str] = Counter()
        self.notes: list[str] = []

    def begin(self) -> None:
        """Start the clock: until now the call may have waited for a person."""
        self._deadline = anyio.current_time() + self._seconds

    @property
    def seconds_left(self) -> float:
        """Seconds until the call must have ended: a loop stops in time, and says that it did."""
        return max(0.0, self._deadline - anyio.current_time())

    @property
    def drafts(self) -> Drafts:
        """The drafts that are kept on this machine. Raises CallError where none are kept."""
        if self._drafts is None:
            raise CallError("Nothing was sent: this server keeps no drafts; it would with --drafts.")
        return self._drafts

    @property
    def files(self) -> Folders:
        """The folders whose files may be used, which are none where the operator named none."""
        from mcp_instantly.jobs.folders import Folders

        return Folders(self._files)

    @property
    def jobs(self) -> Jobs:
        """The jobs of this key. Raises CallError where none are kept."""
        if self._jobs is None:
            raise CallError("Nothing was sent: this server keeps no jobs; it would with --toolsets jobs.")
        return self._jobs

    def may_call(self, name: str, /) -> bool:
        """Whether an operation of `may_call` is left by the selection: its scopes, --read-only, --exclude-tools."""
        return self._selection.allows(self._workflow.parts[name])

    def advise(self, *names: str) -> str:
        """Tools to call next, one after the other, of these that clients are offered; empty where it is none."""
        return ", then ".join(name for name in names if name in self._selection.tools)

    def require(self, *names: str) -> None:
        """Raise ToolNotEnabled or PolicyRefusal for an operation of `may_call` without which nothing should begin."""
        for name in names:
            self._selection.refuse_unless_allowed(self._workflow.parts[name])

    def schema_of(self, name: str, /) -> dict[str, Any]:
        """The schema of an operation's arguments, with what its rules know of them."""
        return self._workflow.parts[name].full_schema

    async def call(self, name: str, /, **arguments: Any) -> Any:
        """Call an operation of `calls` or `may_call`: the JSON value that the API answers, as it is.

        Raises what a call of the tool would have as its error; what is not caught ends the workflow with a sentence
        that says what had been changed before. Raises KeyError, a bug, for what the schema file does not name.
        """
        operation = self._workflow.parts[name]
        self.calls[name] += 1
        try:
            if self.seconds_left == 0:
                raise OutOfTime("The time of the whole call (--call-timeout) is over. Nothing was sent.")
            payload, notes = await self._ask(operation, arguments, self.seconds_left)
        except InstantlyError as error:
            self._last = (name, error)
            raise
        if not operation.read_only:
            self.changed[name] += 1
        self.notes += [note for note in notes if note not in self.notes]
        return payload

    async def refuse(self, name: str, /, **arguments: Any) -> None:
        """Raise what would refuse a call of an operation now, before anything begins that leads to it."""
        await self._refuse(self._workflow.parts[name], arguments)

    async def pages(self, name: str, /, **arguments: Any) -> AsyncIterator[list[Any]]:
        """The pages of a list, each with its records, until there are no more or the caller has enough."""
        arguments = {"limit": LARGEST_PAGE, **arguments}
        seen: set[str] = set()
        while True:
            page = await self.call(name, **arguments)
            yield records_of(page)
            cursor = cursor_behind(page, seen)
            if cursor is None:
                return
            arguments["starting_after"] = cursor

    async def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """Tell the client how far the work has come; `done` never falls."""
        self._reported = max(self._reported, done)
        await self._report(self._reported, total, message)

    def ended_by(self, error: InstantlyError) -> InstantlyError:
        """What to say of a workflow that an error ended."""
        if self._last is None or self._last[1] is not error:
            return error
        return Stopped(self._workflow, self._last[0], error, self.changed)

    def not_sent(self, name: str, /) -> str:
        """What to say of a workflow that ended at an operation which a guard answered in the place of Instantly."""
        done = "" if self._workflow.read_only else f" {_said(self.changed)}"
        return f"{self._workflow.name} stopped at {name}, which was not sent.{done}"


Run = Callable[[Context, dict[str, Any]], Awaitable[dict[str, Any]]]


def find(name: str) -> Run:
    """The function of a workflow, by the name of its tool."""
    return cast(Run, importlib.import_module(f"{__name__}.{name}").run)


def find_foresight(name: str) -> Run | None:
    """The function that says what a workflow would do, where it has one: `async def foresee(context, arguments)`."""
    found: Run | None = getattr(importlib.import_module(f"{__name__}.{name}"), "foresee", None)
    return found


def find_rehearsal(workflow: Workflow) -> Run | None:
    """The function that finds out by its calls whether a workflow would be refused: `rehearse`, where it has one; or
    what runs it, where that keeps nothing on this machine.
    """
    module = importlib.import_module(f"{__name__}.{workflow.name}")
    found: Run | None = getattr(module, "rehearse", None if workflow.keeps else module.run)
    return found
