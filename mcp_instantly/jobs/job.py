"""A job: what was asked for, how far it is, and the states of jobs and of their rows."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from mcp_instantly.guards.confirmation import Confirmed
from mcp_instantly.text import when

WAITING, RUNNING, DONE, STOPPED, CANCELLED = "waiting", "running", "done", "stopped", "cancelled"
"""Of a job. `stopped` ended early with a reason that somebody can do something about; like `cancelled` it can go on."""

OPEN = (WAITING, RUNNING)

COLLECTED, SENT = "collected", "sent"
"""Of a row that is not finished: it was read, or its call is under way, and nobody knows yet what became of it."""

VERIFIED, INVALID, CATCH_ALL, PENDING, ERROR = "verified", "invalid", "catch_all", "pending", "error"
"""Of a row whose address was verified."""

CREATED, SKIPPED, REFUSED, UNKNOWN = "created", "skipped", "refused", "unknown"
"""Of a row that became a lead, or did not."""

DELETED, MOVED = "deleted", "moved"
"""Of a row that was a lead of a list or campaign, and is there no more."""

TO_ADD, TO_REMOVE, KEPT, ADDED, REMOVED = "to_add", "to_remove", "kept", "added", "removed"
"""Of a row that is an entry of the block list, or is to be one."""

UNFINISHED = (COLLECTED, SENT, TO_ADD, TO_REMOVE)

DUPLICATE = "duplicate"
"""Of a row whose address an earlier row has."""

ROW_STATES = (
    VERIFIED, INVALID, CATCH_ALL, PENDING, ERROR, CREATED, SKIPPED, REFUSED, UNKNOWN, DUPLICATE, COLLECTED, SENT,
    DELETED, MOVED, TO_ADD, TO_REMOVE, KEPT, ADDED, REMOVED,
)  # fmt: skip

RowRecord = dict[str, Any]
"""What became of a row: number, subject (an address in lower case), state, why, lead_id, credits."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a job will take, as far as is known beforehand. `settled` is what it then keeps to: the mapping of columns,
    and by what a file is known again; `calls_per_second` are what the API allows a workspace in the long run.
    `trials` are calls like those that the job would make, by operation and arguments: where one of them would be
    refused, no job is begun.
    """

    rows: int | None
    calls: int | None
    credits: int | None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    settled: dict[str, Any] = dataclasses.field(default_factory=dict)
    calls_per_second: float = 100.0
    trials: tuple[tuple[str, dict[str, Any]], ...] = ()

    def told(self) -> dict[str, Any]:
        found: dict[str, Any] = {"rows": self.rows, "calls": self.calls, "credits_at_most": self.credits}
        if self.calls is not None:
            found["seconds_at_least"] = math.ceil(self.calls / self.calls_per_second)
        return {name: "unknown" if value is None else value for name, value in found.items()} | self.facts


@dataclasses.dataclass(frozen=True)
class Job:
    """`owner` stands for key and place, `confirmed` for how the call that started it was. Times are Unix seconds.

    `runner` is the process that works on it and was alive at `beat`; `position` where its next turn begins.
    """

    id: str
    owner: str
    place: str
    kind: str
    key: str
    arguments: dict[str, Any]
    plan: dict[str, Any]
    settled: dict[str, Any]
    state: str
    why: str | None
    confirmed: Confirmed
    attempt: int
    position: dict[str, Any]
    cancel: bool
    runner: str | None
    beat: float
    created: float
    ended: float | None

    @property
    def target(self) -> str | None:
        """The file that it writes, by its whole path."""
        found: str | None = self.settled.get("target")
        return found

    def told(self, counts: dict[str, int], credits: int) -> dict[str, Any]:
        """A job as people and models read it."""
        found: dict[str, Any] = {"job_id": self.id, "kind": self.kind, "key": self.key, "state": self.state}
        if self.why:
            found["why"] = self.why
        if self.cancel and self.state in OPEN:
            found["cancelling"] = True
        exported = {"exported": self.position["rows"]} if "rows" in self.position else {}
        found["rows"] = {"total": self.plan.get("rows"), **counts, **exported}
        if self.target is not None:
            found["file"] = self.target
        found["credits_used"] = credits
        found["started_at"] = when(self.created)
        if self.ended:
            found["ended_at"] = when(self.ended)
        return found


def repetition(key: str, numbered: str) -> int:
    """The number behind a key, 1 for none; 0 where it is another key."""
    found = re.fullmatch(rf"{re.escape(key)}(?:-([1-9]\d{{0,8}}))?", numbered)
    return int(found[1] or 1) if found else 0
