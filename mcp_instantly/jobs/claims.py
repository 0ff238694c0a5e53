"""Which process works on which rows of a job: each claims some, and nobody else has those while it lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from mcp_instantly.jobs.database import insert
from mcp_instantly.jobs.tables import CLAIMS

IsAlive = Callable[[str, float], bool]
"""Whether a process that gave a sign of life at an instant still lives, as far as can be told."""


class Claims:
    """Claims in a database. `now` are Unix seconds."""

    def __init__(self, engine: sa.Engine, now: Callable[[], float], is_alive: IsAlive):
        self._engine = engine
        self._now = now
        self._is_alive = is_alive

    def take(self, job_id: str, runner: str, size: Callable[[int], int], total: int) -> tuple[int, int] | None:
        """The first and last row of those that `runner` alone works on from now on; None where others work on all that
        are left. `size` says how many it has at most, of so many that nobody had.

        Those that it has already come first, then those of processes that are gone, then rows that nobody had.
        """
        while True:
            claims = self._left(job_id)
            for one in claims:
                mine = one["runner"] == runner
                if one["done"] or not (mine or one["runner"] is None or not self._is_alive(one["runner"], one["beat"])):
                    continue
                held = CLAIMS.c.runner.is_not_distinct_from(one["runner"])
                if mine or self._update(*_of(job_id, one["first"]), held, runner=runner, beat=self._now()):
                    return one["first"], one["last"]
            first = 1 + max((one["last"] for one in claims), default=0)
            if first > total:
                return None
            last = min(total, first + size(total - first + 1) - 1)
            new = {"job_id": job_id, "first": first, "last": last, "runner": runner, "beat": self._now(), "done": False}
            with self._engine.begin() as base:
                if base.execute(insert(self._engine, CLAIMS).values(new).on_conflict_do_nothing()).rowcount == 1:
                    return first, last

    def finish(self, job_id: str, runner: str, first: int) -> None:
        """Note that the rows from `first` on are done, where the runner still holds them."""
        self._update(*_of(job_id, first), CLAIMS.c.runner == runner, done=True)

    def any_left(self, job_id: str) -> bool:
        """Whether somebody works on rows still."""
        return any(not one["done"] for one in self._left(job_id))

    def drop(self, job_id: str, runner: str) -> None:
        """The runner works on none of the rows any more; what it has not finished is anybody's."""
        self._update(CLAIMS.c.job_id == job_id, CLAIMS.c.runner == runner, runner=None)

    def drop_all(self, runner: str) -> None:
        """As `drop`, for the rows of all jobs."""
        self._update(CLAIMS.c.runner == runner, runner=None)

    def beat(self, runner: str) -> None:
        """A sign of life for all that a process has claimed."""
        self._update(CLAIMS.c.runner == runner, beat=self._now())

    def _left(self, job_id: str) -> list[dict[str, Any]]:
        """Those that are not done, and the last one that is, in their order."""
        last_done = sa.select(sa.func.max(CLAIMS.c.first)).where(CLAIMS.c.job_id == job_id).scalar_subquery()
        left = sa.or_(CLAIMS.c.done.is_(False), CLAIMS.c.first == last_done)
        query = sa.select(CLAIMS).where(CLAIMS.c.job_id == job_id, left).order_by(CLAIMS.c.first)
        with self._engine.connect() as base:
            return [dict(row) for row in base.execute(query).mappings()]

    def _update(self, *conditions: Any, **values: Any) -> int:
        with self._engine.begin() as base:
            return base.execute(sa.update(CLAIMS).where(*conditions, CLAIMS.c.done.is_(False)).values(values)).rowcount


def still_holds(base: sa.Connection, job_id: str, runner: str, first: int, now: float) -> bool:
    """Whether a claim is the runner's, and stays so to the end of the transaction."""
    held = (*_of(job_id, first), CLAIMS.c.runner == runner, CLAIMS.c.done.is_(False))
    # A write first of all: it begins the transaction in SQLite, and locks the row in PostgreSQL.
    return base.execute(sa.update(CLAIMS).where(*held).values(beat=now)).rowcount == 1


def _of(job_id: str, first: int) -> tuple[Any, ...]:
    return CLAIMS.c.job_id == job_id, CLAIMS.c.first == first
