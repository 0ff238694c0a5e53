"""The kinds of jobs: each is a module here, named like its argument of start_job, which has its schema.

`async def plan(planner, arguments) -> Plan` says beforehand what a job takes, and raises CallError for one that cannot
be done. `async def run(desk, position) -> Turn` takes a turn: from a position, {} at the start, to the next one. A turn
may end anywhere, also by a kill, and is then taken again from the same position: what it finishes it writes down with
`desk.put`, what has an effect it writes down as SENT before it is called, and what it finds SENT it looks up with
a read before it calls it again.

A kind that verifies has `async def assist(desk) -> bool` too, with which a process works on rows of a job that another
has, as long as there are more: each claims some with `desk.store.claims.take`, and nobody else has those.

A kind that costs nothing to do once more has `def is_outdated(job) -> bool`: whether what a job did, which is done, may
not hold any more. Then the same call is another job; of other kinds, a repetition does nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

from mcp_instantly.jobs.desk import Desk, Planner, Position, Turn
from mcp_instantly.jobs.job import Job, Plan


class Kind(Protocol):
    def plan(self, planner: Planner, arguments: dict[str, Any]) -> Awaitable[Plan]: ...

    def run(self, desk: Desk, position: Position) -> Awaitable[Turn]: ...


def find_assistance(name: str) -> Callable[[Desk], Awaitable[bool]] | None:
    """What works on rows of a job that another process has; None where one process does all."""
    found: Callable[[Desk], Awaitable[bool]] | None = getattr(find(name), "assist", None)
    return found


def is_outdated(job: Job) -> bool:
    """Whether a job that is done is done once more by the same call."""
    asked: Callable[[Job], bool] | None = getattr(find(job.kind), "is_outdated", None)
    return asked is not None and asked(job)


def find(name: str) -> Kind:
    return cast(Kind, importlib.import_module(f"{__name__}.{name}"))
