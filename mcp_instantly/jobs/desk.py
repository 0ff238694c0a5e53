"""What the kinds of jobs work with: the job, calls that go through the guards, and what is known of its rows."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from mcp_instantly.errors import (
    ApiError,
    CallError,
    InstantlyError,
    InvalidArguments,
    NotFound,
    OverBudget,
    RateLimited,
    RepeatHeld,
    ServerError,
)
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.job import Job, RowRecord
from mcp_instantly.workflows import Context, OutOfTime
from mcp_instantly.workflows.parts.batch import ends_the_rest

if TYPE_CHECKING:
    from mcp_instantly.jobs.store import Store

TRIES = 5
"""After so many turns in the same place, rows that still fail are given up, and the job goes on without them."""

RATE_LIMIT_SECONDS = 60.0
MAX_BUDGET_WAIT_SECONDS = 120.0
"""How long a job waits for the budget where nobody says how long, and for how long at most until it tries again."""

NO_ID, SOME_ADDRESS = "00000000-0000-0000-0000-000000000000", "lead@example.com"
"""Stand for a lead or an entry, and for an address, while it is found out whether any would be refused."""

Position = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a turn came to: where the next one begins, None at the end; how many rows it finished; `why` some are not
    finished yet; and the seconds to wait, where there is something to wait for.
    """

    position: Position | None
    done: int = 0
    why: str = ""
    wait: float = 0.0


@dataclasses.dataclass
class Desk:
    """`kept` lasts as long as the process works on the job; nothing in it may be needed after a kill. `runner` works
    on the job, or where `claim` is a row, on those that are claimed from there on.
    """

    job: Job
    store: Store
    context: Context
    kept: dict[str, Any]
    folders: Folders
    runner: str
    claim: int | None = None

    def put(self, rows: Iterable[RowRecord]) -> None:
        """Write down what became of rows. Raises Lost where somebody else works on them by now."""
        self.store.put(self.job.id, rows, self.runner, self.claim)

    def forget_behind(self, number: int) -> None:
        """Forget the rows with larger numbers. Raises Lost as `put` does."""
        self.store.forget_behind(self.job.id, number, self.runner)

    async def call(self, operation: str, /, **arguments: Any) -> Any:
        """As `context.call`, with the time of a whole call for each."""
        self.context.begin()
        return await self.context.call(operation, **arguments)

    @property
    def is_cancelled(self) -> bool:
        return self.store.is_cancelled(self.job.id)

    def tried(self, place: object) -> int:
        """How many turns began at this place, one after the other, this one included."""
        if self.kept.get("place") != place:
            self.kept.update(place=place, tries=0)
        self.kept["tries"] += 1
        return int(self.kept["tries"])


def let_go(kept: dict[str, Any]) -> None:
    """Close files that a process kept open for a job."""
    for one in kept.values():
        if isinstance(one, contextlib.AbstractContextManager):
            one.__exit__(None, None, None)
    kept.clear()


@dataclasses.dataclass(frozen=True)
class Planner:
    """What a plan is made with: bounded reads, and the folders whose files may be used.

    `require` raises ToolNotEnabled or PolicyRefusal for operations that the job would need and may not call.
    """

    call: Callable[..., Awaitable[Any]]
    may_call: Callable[[str], bool]
    require: Callable[..., None]
    folders: Folders


def ends_the_job(error: InstantlyError) -> bool:
    """Whether no other row can work either, until somebody does something about it."""
    if isinstance(error, (RateLimited, OverBudget, OutOfTime, RepeatHeld)):
        return False
    if isinstance(error, CallError):
        return not isinstance(error, InvalidArguments)
    # What is not found is what the whole job is about.
    return ends_the_rest(error) or isinstance(error, NotFound)


def wait_after(error: InstantlyError) -> float:
    """The seconds until the budget has room again; 0.0 where it is not the budget that was lacking."""
    if not isinstance(error, (RateLimited, OverBudget)):
        return 0.0
    return min(MAX_BUDGET_WAIT_SECONDS, error.retry_after or RATE_LIMIT_SECONDS)


def is_of_the_row(error: InstantlyError) -> bool:
    """Whether the same row would be refused again, and others need not be."""
    if isinstance(error, CallError):
        return isinstance(error, InvalidArguments)
    return (
        isinstance(error, ApiError) and not isinstance(error, (RateLimited, ServerError)) and error.outcome == "refused"
    )
