"""Jobs and what became of their rows, in the database in which DBOS keeps its workflows."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.jobs import lease
from mcp_instantly.jobs.claims import Claims, still_holds
from mcp_instantly.jobs.database import insert, open_database
from mcp_instantly.jobs.job import DONE, OPEN, RUNNING, WAITING, Job, RowRecord, repetition
from mcp_instantly.jobs.lease import Lost
from mcp_instantly.jobs.tables import JOBS, JSON_COLUMNS, META, ROWS, make_tables

ASKED_SUBJECTS = 500
"""In one query: older databases take no more than a thousand."""


class Store:
    """The database at a URL, `sqlite:///...` or `postgresql://...`. Raises ConfigError for one that cannot be used.

    `now` are Unix seconds.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.time):
        self.url = url
        self.now = now
        try:
            self._engine = open_database(url)
            make_tables(self._engine)
            self._salt = self._read_salt()
            self.claims = Claims(self._engine, now, self.is_alive)
        except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
            raise unusable(error) from None

    def close(self) -> None:
        self._engine.dispose()

    def _read_salt(self) -> bytes:
        with self._engine.begin() as base:
            base.execute(
                insert(self._engine, META).values(name="salt", value=secrets.token_hex(16)).on_conflict_do_nothing()
            )
            return str(base.execute(sa.select(META.c.value).where(META.c.name == "salt")).scalar_one()).encode()

    def owner(self, place: str, key: str) -> str:
        """What stands for a key in a place, and does not give the key away."""
        return hmac.new(self._salt, f"{place}\n{key}".encode(), hashlib.sha256).hexdigest()[:32]

    # jobs

    def add(self, job: Job) -> Job:
        """Keep a job; the one that is there already, where one has its key."""
        values = {name: _packed(name, value) for name, value in vars(job).items()}
        with self._engine.begin() as base:
            base.execute(insert(self._engine, JOBS).values(values).on_conflict_do_nothing())
        found = self.by_key(job.owner, job.key)
        assert found is not None
        return found

    def find(self, job_id: str, owner: str | None = None) -> Job:
        """The job of this id, of one owner or anybody's. Raises CallError where there is none."""
        mine = [] if owner is None else [JOBS.c.owner == owner]
        found = self._jobs(JOBS.c.id == job_id, *mine)
        if not found:
            raise CallError("There is no job with this id here: list_jobs shows those that there are.")
        return found[0]

    def by_key(self, owner: str, key: str) -> Job | None:
        """The job of an owner with this key, None where there is none."""
        return next(iter(self._jobs(JOBS.c.owner == owner, JOBS.c.key == key)), None)

    def repeated(self, owner: str, key: str) -> list[Job]:
        """The jobs whose key is this one, or this one and a number: `KEY`, `KEY-2`, `KEY-3`, in their order."""
        numbered = JOBS.c.key.startswith(f"{key}-", autoescape=True)
        found = self._jobs(JOBS.c.owner == owner, (JOBS.c.key == key) | numbered)
        numbers = {repetition(key, job.key): job for job in found}
        return [numbers[number] for number in sorted(number for number in numbers if number)]

    def all(self, owner: str) -> list[Job]:
        """The jobs of an owner, the newest first."""
        return self._jobs(JOBS.c.owner == owner)

    def unfinished_with(self, target: str) -> list[Job]:
        """The jobs of all owners that write a file and are not done."""
        names_it = JOBS.c.settled.contains(json.dumps(target), autoescape=True)
        return [job for job in self._jobs(JOBS.c.state != DONE, names_it) if job.settled.get("target") == target]

    def open_jobs(self, owners: Collection[str]) -> list[Job]:
        """The jobs of these owners that wait or are worked on, the newest first."""
        return self._jobs(JOBS.c.owner.in_(owners), JOBS.c.state.in_(OPEN))

    def _jobs(self, *conditions: Any) -> list[Job]:
        with self._engine.connect() as base:
            rows = base.execute(sa.select(JOBS).where(*conditions).order_by(JOBS.c.created.desc())).mappings().all()
        return [Job(**{name: _unpacked(name, value) for name, value in row.items()}) for row in rows]

    def change(self, job_id: str, **values: Any) -> None:
        """Change columns of a job, whoever works on it."""
        self._update(JOBS.c.id == job_id, values=values)

    def change_own(self, job_id: str, runner: str, values: dict[str, Any]) -> None:
        """Change a job that `runner` works on. Raises Lost where it does not any more."""
        if not self._update(*_own(job_id, runner), values=values):
            raise Lost

    def is_cancelled(self, job_id: str) -> bool:
        with self._engine.connect() as base:
            return bool(base.execute(sa.select(JOBS.c.cancel).where(JOBS.c.id == job_id)).scalar())

    def reopen(self, job: Job) -> bool:
        """Have a job that ended early go on, as another attempt; False where somebody else did so."""
        values: dict[str, Any] = {
            "state": WAITING,
            "why": None,
            "cancel": False,
            "attempt": job.attempt + 1,
            "ended": None,
        }
        values |= {"runner": None, "beat": self.now()}
        same = (JOBS.c.attempt == job.attempt, JOBS.c.state == job.state)
        return self._update(JOBS.c.id == job.id, *same, values=values) == 1

    def _update(self, *conditions: Any, values: dict[str, Any]) -> int:
        packed = {name: _packed(name, value) for name, value in values.items()}
        with self._engine.begin() as base:
            return base.execute(sa.update(JOBS).where(*conditions).values(packed)).rowcount

    # who works on them

    def take(self, job: Job, runner: str) -> bool:
        """Work on a job from now on; False where a process that lives does."""
        return (job.state == WAITING or self._is_left(job, runner)) and self._take(job, runner, RUNNING)

    def take_over(self, job: Job, runner: str) -> bool:
        """Have whoever comes first work on a job that was left, for which `runner` sees to it that it comes to
        somebody; False where a process that lives works on it, or sees to that.
        """
        return self._is_left(job, runner) and self._take(job, runner, WAITING)

    def _is_left(self, job: Job, runner: str) -> bool:
        return job.runner in (None, runner) or not self.is_alive(job.runner or "", job.beat)

    def _take(self, job: Job, runner: str, state: str) -> bool:
        if job.state not in OPEN:
            return False
        same = (
            JOBS.c.attempt == job.attempt,
            JOBS.c.state == job.state,
            JOBS.c.runner.is_not_distinct_from(job.runner),
        )
        values = {"runner": runner, "beat": self.now(), "state": state}
        return self._update(JOBS.c.id == job.id, *same, values=values) == 1

    def hand_back(self, job: Job) -> None:
        """Have a job that waits come to another process, as another attempt."""
        same = (JOBS.c.attempt == job.attempt, JOBS.c.state == WAITING)
        values = {"attempt": job.attempt + 1, "runner": None, "beat": self.now()}
        self._update(JOBS.c.id == job.id, *same, values=values)

    def beat(self, runner: str) -> None:
        """A sign of life for all jobs that a process works on."""
        self._update(JOBS.c.runner == runner, JOBS.c.state.in_(OPEN), values={"beat": self.now()})
        self.claims.beat(runner)

    def release(self, runner: str) -> None:
        """The process works on nothing any more."""
        self._update(JOBS.c.runner == runner, JOBS.c.state.in_(OPEN), values={"runner": None, "beat": 0.0})
        self.claims.drop_all(runner)

    def leave(self, job_id: str, runner: str) -> None:
        """The runner works on this job no more, and on none of its rows: whoever comes takes it."""
        self.claims.drop(job_id, runner)
        self._update(*_own(job_id, runner), values={"runner": None, "beat": 0.0})

    def is_alive(self, runner: str, beat: float) -> bool:
        """Whether the process that was seen at `beat` still lives, as far as can be told from here."""
        host, _, number = runner.rpartition("/")[0].rpartition("/")
        if host == socket.gethostname() and sys.platform != "win32":
            try:
                os.kill(int(number), 0)
            except ProcessLookupError:
                return False
            except PermissionError:
                pass
        return self.now() - beat < lease.LEASE_SECONDS

    # rows

    def put(self, job_id: str, rows: Iterable[RowRecord], runner: str, claim: int | None) -> None:
        """Write down what became of rows; what is known of lead and credits stays.

        Raises Lost, and writes nothing, where the claim that begins at row `claim`, or else the job, is not the
        runner's any more.
        """
        values = [
            {"subject": None, "why": None, "lead_id": None, "credits": None, **row, "job_id": job_id} for row in rows
        ]
        if not values:
            return
        statement = insert(self._engine, ROWS)
        new = statement.excluded
        kept = {name: new[name] for name in ("subject", "state", "why")}
        kept |= {name: sa.func.coalesce(new[name], ROWS.c[name]) for name in ("lead_id", "credits")}
        statement = statement.on_conflict_do_update(index_elements=["job_id", "number"], set_=kept)
        with self._engine.begin() as base:
            if not self._is_own(base, job_id, runner, claim):
                raise Lost
            base.execute(statement, values)

    def forget_behind(self, job_id: str, number: int, runner: str) -> None:
        """Forget rows with larger numbers. Raises Lost where the job is not the runner's any more."""
        with self._engine.begin() as base:
            if not self._is_own(base, job_id, runner, None):
                raise Lost
            base.execute(sa.delete(ROWS).where(ROWS.c.job_id == job_id, ROWS.c.number > number))

    def _is_own(self, base: sa.Connection, job_id: str, runner: str, claim: int | None) -> bool:
        """Whether it is the runner's, and stays so to the end of the transaction, whose first statement this is."""
        if claim is not None:
            return still_holds(base, job_id, runner, claim, self.now())
        return base.execute(sa.update(JOBS).where(*_own(job_id, runner)).values(beat=self.now())).rowcount == 1

    def between(self, job_id: str, first: int, last: int) -> dict[int, RowRecord]:
        """The rows from `first` to `last`, both included, by their numbers."""
        return {row["number"]: row for row in self._rows(job_id, ROWS.c.number.between(first, last))}

    def page(self, job_id: str, states: Collection[str] | None, after: int, limit: int) -> list[RowRecord]:
        """Rows in one of these states, in their order, behind a number."""
        chosen = [] if states is None else [ROWS.c.state.in_(states)]
        return self._rows(job_id, ROWS.c.number > after, *chosen, limit=limit)

    def firsts(self, job_id: str, subjects: Sequence[str]) -> dict[str, int]:
        """The number of the first row with each of these subjects."""
        found: dict[str, int] = {}
        columns = sa.select(ROWS.c.subject, sa.func.min(ROWS.c.number)).group_by(ROWS.c.subject)
        with self._engine.connect() as base:
            for at in range(0, len(subjects), ASKED_SUBJECTS):
                asked = ROWS.c.subject.in_(subjects[at : at + ASKED_SUBJECTS])
                rows = base.execute(columns.where(ROWS.c.job_id == job_id, asked))
                found |= {str(subject): int(number) for subject, number in rows}
        return found

    def _rows(self, job_id: str, *conditions: Any, limit: int | None = None) -> list[RowRecord]:
        query = sa.select(ROWS).where(ROWS.c.job_id == job_id, *conditions).order_by(ROWS.c.number).limit(limit)
        with self._engine.connect() as base:
            return [{name: row[name] for name in row if name != "job_id"} for row in base.execute(query).mappings()]

    def counts(self, job_id: str) -> dict[str, int]:
        """How many rows there are in each state."""
        query = sa.select(ROWS.c.state, sa.func.count()).where(ROWS.c.job_id == job_id).group_by(ROWS.c.state)
        with self._engine.connect() as base:
            return {str(state): int(count) for state, count in base.execute(query)}

    def credits(self, job_id: str) -> int:
        """The credits that all rows together have cost."""
        query = sa.select(sa.func.sum(ROWS.c.credits)).where(ROWS.c.job_id == job_id)
        with self._engine.connect() as base:
            return int(base.execute(query).scalar() or 0)


def unusable(error: Exception) -> ConfigError:
    """What to say of a database that cannot be opened, or worked with."""
    reason = str(error).partition("\n")[0]
    return ConfigError(f"The database of jobs (--jobs-database) cannot be used: {reason}.")


def runner_name() -> str:
    """A name for this process that no other one has or had."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def _own(job_id: str, runner: str) -> tuple[Any, ...]:
    return JOBS.c.id == job_id, JOBS.c.runner == runner, JOBS.c.state.in_(OPEN)


def _packed(name: str, value: Any) -> Any:
    return json.dumps(value) if name in JSON_COLUMNS else value


def _unpacked(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON_COLUMNS else value
