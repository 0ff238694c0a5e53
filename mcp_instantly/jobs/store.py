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
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.jobs.job import OPEN, RUNNING, WAITING, Job
from mcp_instantly.jobs.tables import CLAIMS, JOBS, JSON_COLUMNS, META, ROWS, make_tables

BUSY_SECONDS = 30
"""How long SQLite waits for another process that writes."""

LEASE_SECONDS = 20.0
"""After so long without a sign of life, a process counts as gone."""

Row = dict[str, Any]
"""What became of a row: number, subject (an address in lower case), state, why, lead_id, credits."""


class Store:
    """The database at a URL, `sqlite:///...` or `postgresql://...`. Raises ConfigError for one that cannot be used.

    `now` are Unix seconds.
    """

    def __init__(self, url: str, now: Callable[[], float] = time.time):
        self.url = url
        self.now = now
        try:
            self._engine = _open(url)
            make_tables(self._engine)
            self._salt = self._read_salt()
        except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
            reason = str(error).partition("\n")[0]
            raise ConfigError(f"The database of jobs (--jobs-database) cannot be used: {reason}.") from None

    def close(self) -> None:
        self._engine.dispose()

    def _read_salt(self) -> bytes:
        with self._engine.begin() as base:
            base.execute(self._insert(META).values(name="salt", value=secrets.token_hex(16)).on_conflict_do_nothing())
            return str(base.execute(sa.select(META.c.value).where(META.c.name == "salt")).scalar_one()).encode()

    def _insert(self, table: sa.Table) -> Any:
        return (postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert)(table)

    def owner(self, place: str, key: str) -> str:
        """What stands for a key in a place, and does not give the key away."""
        return hmac.new(self._salt, f"{place}\n{key}".encode(), hashlib.sha256).hexdigest()[:32]

    # jobs

    def add(self, job: Job) -> Job:
        """Keep a job; the one that is there already, where one has its key."""
        values = {name: _packed(name, value) for name, value in vars(job).items()}
        with self._engine.begin() as base:
            base.execute(self._insert(JOBS).values(values).on_conflict_do_nothing())
        found = self.by_key(job.owner, job.key)
        assert found is not None
        return found

    def find(self, job_id: str, owner: str | None = None) -> Job:
        """Raises CallError where there is none."""
        mine = [] if owner is None else [JOBS.c.owner == owner]
        found = self._jobs(JOBS.c.id == job_id, *mine)
        if not found:
            raise CallError("There is no job with this id here: list_jobs shows those that there are.")
        return found[0]

    def by_key(self, owner: str, key: str) -> Job | None:
        return next(iter(self._jobs(JOBS.c.owner == owner, JOBS.c.key == key)), None)

    def all(self, owner: str) -> list[Job]:
        """The jobs of an owner, the newest first."""
        return self._jobs(JOBS.c.owner == owner)

    def open_jobs(self, owners: Collection[str]) -> list[Job]:
        return self._jobs(JOBS.c.owner.in_(owners), JOBS.c.state.in_(OPEN))

    def _jobs(self, *conditions: Any) -> list[Job]:
        with self._engine.connect() as base:
            rows = base.execute(sa.select(JOBS).where(*conditions).order_by(JOBS.c.created.desc())).mappings().all()
        return [Job(**{name: _unpacked(name, value) for name, value in row.items()}) for row in rows]

    def change(self, job_id: str, **values: Any) -> None:
        self._update(JOBS.c.id == job_id, values=values)

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
        if job.runner not in (None, runner) and self.is_alive(job.runner or "", job.beat):
            return False
        same = (JOBS.c.attempt == job.attempt, JOBS.c.state.in_(OPEN), JOBS.c.runner.is_not_distinct_from(job.runner))
        values = {"runner": runner, "beat": self.now(), "state": RUNNING}
        return self._update(JOBS.c.id == job.id, *same, values=values) == 1

    def beat(self, runner: str) -> None:
        """A sign of life for all jobs that a process works on."""
        self._update(JOBS.c.runner == runner, JOBS.c.state.in_(OPEN), values={"beat": self.now()})
        self._update_claims(CLAIMS.c.runner == runner, beat=self.now())

    def release(self, runner: str) -> None:
        """The process works on nothing any more."""
        self._update(JOBS.c.runner == runner, JOBS.c.state.in_(OPEN), values={"runner": None, "beat": 0.0})
        self._update_claims(CLAIMS.c.runner == runner, runner=None)

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
        return self.now() - beat < LEASE_SECONDS

    # which of its rows

    def claim(self, job_id: str, runner: str, size: int, total: int) -> tuple[int, int] | None:
        """The first and last of at most so many rows that `runner` alone works on from now on; None where others work
        on all that are left.

        Those that it has already come first, then those of processes that are gone, then rows that nobody had.
        """
        while True:
            claims = self._claims(job_id)
            for one in claims:
                mine = one["runner"] == runner
                if one["done"] or not (mine or one["runner"] is None or not self.is_alive(one["runner"], one["beat"])):
                    continue
                same = (CLAIMS.c.job_id == job_id, CLAIMS.c.first == one["first"], CLAIMS.c.done.is_(False))
                held = CLAIMS.c.runner.is_not_distinct_from(one["runner"])
                if mine or self._update_claims(*same, held, runner=runner, beat=self.now()):
                    return one["first"], one["last"]
            first = 1 + max((one["last"] for one in claims), default=0)
            if first > total:
                return None
            last = min(total, first + size - 1)
            new = {"job_id": job_id, "first": first, "last": last, "runner": runner, "beat": self.now(), "done": False}
            with self._engine.begin() as base:
                if base.execute(self._insert(CLAIMS).values(new).on_conflict_do_nothing()).rowcount == 1:
                    return first, last

    def finish_claim(self, job_id: str, first: int) -> None:
        self._update_claims(CLAIMS.c.job_id == job_id, CLAIMS.c.first == first, done=True)

    def has_claims(self, job_id: str) -> bool:
        """Whether somebody works on rows still."""
        return any(not one["done"] for one in self._claims(job_id))

    def drop_claims(self, job_id: str, runner: str) -> None:
        """The runner works on none of the rows any more; what it has not finished is anybody's."""
        self._update_claims(CLAIMS.c.job_id == job_id, CLAIMS.c.runner == runner, runner=None)

    def _claims(self, job_id: str) -> list[dict[str, Any]]:
        """Those that are not done, and the last one that is, in their order."""
        last_done = sa.select(sa.func.max(CLAIMS.c.first)).where(CLAIMS.c.job_id == job_id).scalar_subquery()
        left = sa.or_(CLAIMS.c.done.is_(False), CLAIMS.c.first == last_done)
        query = sa.select(CLAIMS).where(CLAIMS.c.job_id == job_id, left).order_by(CLAIMS.c.first)
        with self._engine.connect() as base:
            return [dict(row) for row in base.execute(query).mappings()]

    def _update_claims(self, *conditions: Any, **values: Any) -> int:
        with self._engine.begin() as base:
            return base.execute(sa.update(CLAIMS).where(*conditions, CLAIMS.c.done.is_(False)).values(values)).rowcount

    # rows

    def put(self, job_id: str, rows: Iterable[Row]) -> None:
        """Write down what became of rows; what is known of lead and credits stays."""
        values = [
            {"subject": None, "why": None, "lead_id": None, "credits": None, **row, "job_id": job_id} for row in rows
        ]
        if not values:
            return
        statement = self._insert(ROWS)
        new = statement.excluded
        kept = {name: new[name] for name in ("subject", "state", "why")}
        kept |= {name: sa.func.coalesce(new[name], ROWS.c[name]) for name in ("lead_id", "credits")}
        statement = statement.on_conflict_do_update(index_elements=["job_id", "number"], set_=kept)
        with self._engine.begin() as base:
            base.execute(statement, values)

    def drop(self, job_id: str, numbers: Sequence[int]) -> None:
        """Forget rows, which were not sent after all."""
        with self._engine.begin() as base:
            base.execute(sa.delete(ROWS).where(ROWS.c.job_id == job_id, ROWS.c.number.in_(numbers)))

    def between(self, job_id: str, first: int, last: int) -> dict[int, Row]:
        return {row["number"]: row for row in self._rows(job_id, ROWS.c.number.between(first, last))}

    def page(self, job_id: str, states: Collection[str] | None, after: int, limit: int) -> list[Row]:
        """Rows in one of these states, in their order, behind a number."""
        chosen = [] if states is None else [ROWS.c.state.in_(states)]
        return self._rows(job_id, ROWS.c.number > after, *chosen, limit=limit)

    def firsts(self, job_id: str, subjects: Collection[str]) -> dict[str, int]:
        """The number of the first row with each of these subjects."""
        query = sa.select(ROWS.c.subject, sa.func.min(ROWS.c.number)).where(
            ROWS.c.job_id == job_id, ROWS.c.subject.in_(subjects)
        )
        with self._engine.connect() as base:
            return {str(subject): int(number) for subject, number in base.execute(query.group_by(ROWS.c.subject))}

    def _rows(self, job_id: str, *conditions: Any, limit: int | None = None) -> list[Row]:
        query = sa.select(ROWS).where(ROWS.c.job_id == job_id, *conditions).order_by(ROWS.c.number).limit(limit)
        with self._engine.connect() as base:
            return [{name: row[name] for name in row if name != "job_id"} for row in base.execute(query).mappings()]

    def counts(self, job_id: str) -> dict[str, int]:
        """How many rows there are in each state."""
        query = sa.select(ROWS.c.state, sa.func.count()).where(ROWS.c.job_id == job_id).group_by(ROWS.c.state)
        with self._engine.connect() as base:
            return {str(state): int(count) for state, count in base.execute(query)}

    def credits(self, job_id: str) -> int:
        query = sa.select(sa.func.sum(ROWS.c.credits)).where(ROWS.c.job_id == job_id)
        with self._engine.connect() as base:
            return int(base.execute(query).scalar() or 0)


def runner_name() -> str:
    """A name for this process that no other one has or had."""
    return f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(4)}"


def driver_url(url: str) -> str:
    """The URL as SQLAlchemy reads it, with the driver that is installed. Raises ConfigError for another database."""
    if url.startswith("sqlite:///"):
        return url
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg://"):
        if url.startswith(prefix):
            return f"postgresql+psycopg://{url[len(prefix) :]}"
    raise ConfigError("--jobs-database must begin with sqlite:/// or postgresql://.")


def _open(url: str) -> sa.Engine:
    full = driver_url(url)
    if not url.startswith("sqlite:"):
        return sa.create_engine(full, pool_pre_ping=True)
    file = Path(url.removeprefix("sqlite:///"))
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        # Arguments and addresses are nobody else's.
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    engine = sa.create_engine(full, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def _packed(name: str, value: Any) -> Any:
    return json.dumps(value) if name in JSON_COLUMNS else value


def _unpacked(name: str, value: Any) -> Any:
    return json.loads(value) if name in JSON_COLUMNS else value
