"""The jobs of one key in one place: planned, started, looked up, cancelled."""

from __future__ import annotations

import functools
import hashlib
import json
import secrets
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.guards.confirmation import Confirmed
from mcp_instantly.jobs import kinds
from mcp_instantly.jobs.consent import APPROVED, awaited, with_consent, without_consent
from mcp_instantly.jobs.desk import Planner
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.job import (
    CANCELLED,
    DONE,
    OPEN,
    ROW_STATES,
    STOPPED,
    WAITING,
    Job,
    Plan,
    RowRecord,
    repetition,
)
from mcp_instantly.jobs.writing import part_of, parts_of

if TYPE_CHECKING:
    from mcp_instantly.jobs.store import Store

KEY_CHARACTERS = 12

Given = ParamSpec("Given")
Found = TypeVar("Found")


def _asks_database(ask: Callable[Given, Found]) -> Callable[Given, Found]:
    """What fails in the database, which was opened before, is said as a CallError."""

    @functools.wraps(ask)
    def asking(*given: Given.args, **named: Given.kwargs) -> Found:
        try:
            return ask(*given, **named)
        except CallError:
            raise
        except Exception as error:
            from sqlalchemy.exc import SQLAlchemyError

            if not isinstance(error, SQLAlchemyError):
                raise
            raise CallError(
                f"The database of jobs failed ({type(error).__name__}). Call again in a minute: the same start_job "
                "starts no second job. If it fails again, tell the person who runs this server."
            ) from error

    return asking


class Jobs:
    """`open_store` is called when there is something to do. `wake` has this process work on jobs, and gives what keeps
    it from that; where there is none, a worker has to. What asks the database may wait for other processes: it belongs
    into a thread. Raises CallError where the database cannot be used.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        api_key: str,
        place: str,
        folders: Folders,
        wake: Callable[[], Awaitable[str | None]] | None = None,
    ):
        self._open_store = open_store
        self._api_key = api_key
        self._place = place
        self._wake = wake
        self._one_at_a_time = threading.Lock()
        self.folders = folders

    @property
    def works(self) -> bool:
        """Whether this process works on jobs."""
        return self._wake is not None

    async def wake(self) -> str | None:
        """Have this process work on jobs, if it ever does. What keeps it from that, where it is known soon."""
        return await self._wake() if self._wake else None

    @functools.cached_property
    def _store(self) -> Store:
        try:
            return self._open_store()
        except ConfigError as error:
            raise CallError(f"Nothing was sent: {error}") from None

    @functools.cached_property
    def owner(self) -> str:
        return self._store.owner(self._place, self._api_key)

    async def plan(self, planner: Planner, kind: str, arguments: dict[str, Any]) -> Plan:
        """What a job would take. Raises CallError for one that cannot be done."""
        return await kinds.find(kind).plan(planner, arguments)

    @_asks_database
    def start(
        self,
        kind: str,
        arguments: dict[str, Any],
        plan: Plan,
        key: str | None,
        confirmed: Confirmed,
        approved: str | None = None,
    ) -> tuple[Job, str]:
        """Have a job worked on, and how: `started`, `continued`, `going on` already, or `done` before.

        `approved` is the token of a plan that was seen. Raises CallError where the key belongs to a job with other
        arguments, or the file that it would write is there.
        """
        with self._one_at_a_time:
            key, there = self._key_and_job(kind, arguments, plan, key, approved)
            if there is None:
                self._refuse_to_overwrite(plan.settled)
            job_id = f"job-{secrets.token_hex(4)}"
            new = Job(
                id=job_id,
                owner=self.owner,
                place=self._place,
                kind=kind,
                key=key,
                arguments=arguments,
                plan=plan.told(),
                settled=with_consent(_with_part(plan.settled, job_id), approved),
                state=WAITING,
                why=None,
                confirmed=confirmed,
                attempt=1,
                position={},
                cancel=False,
                runner=None,
                beat=self._store.now(),
                created=self._store.now(),
                ended=None,
            )
            job = self._store.add(new)
            if job.id == new.id:
                return job, "started"
            _refuse_another(job, kind, arguments, plan)
            return self.resume(job, confirmed, approved, plan.facts.get("plan_token"))

    def _refuse_to_overwrite(self, settled: dict[str, Any]) -> None:
        """Raise CallError where the file that a job would write is there, or is to be that of another one."""
        if "target" not in settled:
            return
        path = Path(settled["target"])
        if path.exists():
            raise CallError(
                f"Nothing was started: {path.name} exists already, and no file is overwritten. Choose another name."
            )
        there = parts_of(path)
        for job in self._store.unfinished_with(settled["target"]):
            if job.state in OPEN or path.with_name(job.settled.get("part", part_of(path).name)) in there:
                # Another key's is none of the caller's business.
                mine = job.owner == self.owner
                which = f"{job.id} ({job.state})" if mine else "a job of another API key"
                goes_on = " To go on with it, give its arguments, which get_job tells." if mine else ""
                raise CallError(f"Nothing was started: {which} writes {path.name}. Choose another name.{goes_on}")
        if there:
            raise CallError(
                f"Nothing was started: {there[0].name} exists already, with rows of an export that was not finished. "
                "Choose another name."
            )

    @_asks_database
    def resume(
        self, job: Job, confirmed: Confirmed, approved: str | None = None, planned: str | None = None
    ) -> tuple[Job, str]:
        """Go on with a job that ended early. Raises CallError for consent to what is neither the plan that waits for
        it, nor the one that was `planned` just now, whose token it is.
        """
        token = job.position.get("token")
        if approved is not None and token is not None and approved not in (token, planned) and job.state != DONE:
            raise CallError(
                f"Nothing was changed: this is not the plan_token of what {job.id} would do now. get_job tells it."
            )
        if job.state == DONE:
            return job, "done"
        if job.target is not None and not self.folders.covers(job.target):
            raise CallError(f"Nothing was started: {job.id} is left alone here. {self._uncovered(job.target)}")
        if job.state in OPEN and not job.cancel:
            return job, "going on"
        if job.state not in (STOPPED, CANCELLED):
            raise CallError(f"Nothing was started: {job.id} is still being cancelled; call again once it is cancelled.")
        self._store.change(job.id, confirmed=confirmed, settled=with_consent(job.settled, approved))
        self._store.reopen(job)
        return self._store.find(job.id), "continued"

    @_asks_database
    def find(self, job_id: str) -> Job:
        """The job of this id. Raises CallError where there is none."""
        return self._store.find(job_id, self.owner)

    @_asks_database
    def all(self) -> list[Job]:
        """The newest first."""
        return self._store.all(self.owner)

    @_asks_database
    def cancel(self, job_id: str) -> Job:
        """Have a job stop at the next row. Raises CallError for one that has ended."""
        with self._one_at_a_time:
            job = self.find(job_id)
            if job.state not in OPEN:
                raise CallError(f"Nothing was cancelled: {job_id} is {job.state}.")
            self._store.change(job_id, cancel=True)
            return self.find(job_id)

    @_asks_database
    def rows(self, job_id: str, state: str | None, after: int, limit: int) -> list[RowRecord]:
        self.find(job_id)
        if state is not None and state not in ROW_STATES:
            raise CallError(f"Rows have no state {state!r}; there are {', '.join(ROW_STATES)}.")
        return self._store.page(job_id, None if state is None else [state], after, limit)

    @_asks_database
    def told(self, job: Job) -> dict[str, Any]:
        """A job as people and models read it."""
        told = job.told(self._store.counts(job.id), self._store.credits(job.id))
        if self.works and job.state in OPEN and job.target is not None and not self.folders.covers(job.target):
            told["why"] = f"This process leaves it alone. {self._uncovered(job.target)}"
        return told | (awaited(job.position, job.settled) if job.state == STOPPED else {})

    def _uncovered(self, target: str) -> str:
        """Why this process does not work on the job of a file."""
        allowed = ", ".join(map(str, self.folders.paths)) or "none at all"
        return f"{target} lies outside the folders of --files ({allowed}): a process whose --files allow it goes on."

    @_asks_database
    def earlier(
        self, kind: str, arguments: dict[str, Any], plan: Plan, key: str | None, approved: str | None
    ) -> Job | None:
        """The job that `start` would find instead of starting another; None where it would start one. Raises CallError
        where the key is that of a job with other arguments, or of a file that was changed since, as `start` does.
        """
        _, job = self._key_and_job(kind, arguments, plan, key, approved)
        if job is not None:
            _refuse_another(job, kind, arguments, plan)
        return job

    def _key_and_job(
        self, kind: str, arguments: dict[str, Any], plan: Plan, named: str | None, approved: str | None
    ) -> tuple[str, Job | None]:
        """The key of a job, and the job that has it. One that is not named is another one each time that what the last
        one did is outdated; but a call with consent that was used is a repetition of the one it was used for.
        """
        if named:
            return named, self._store.by_key(self.owner, named)
        key = _key_of(kind, arguments, plan.settled)
        jobs = self._store.repeated(self.owner, key)
        if not jobs:
            return key, None
        last = jobs[-1]
        if last.state != DONE or not kinds.is_outdated(last):
            return last.key, last
        used = [job for job in jobs if approved and job.state == DONE and job.settled.get(APPROVED) == approved]
        if used:
            return used[-1].key, used[-1]
        return f"{key}-{repetition(key, last.key) + 1}", None


def _refuse_another(job: Job, kind: str, arguments: dict[str, Any], plan: Plan) -> None:
    """Raise CallError where the job that has a key has other arguments, or its file was changed before it was done."""
    if (job.kind, job.arguments) != (kind, arguments):
        raise CallError(
            f"Nothing was started: key {job.key!r} belongs to {job.id}, a job with other arguments. Give those to "
            "go on with it, or another key."
        )
    reads_file = "changed" in plan.settled
    if reads_file and without_consent(job.settled) != plan.settled and job.state != DONE:
        raise CallError(
            f"Nothing was started: key {job.key!r} belongs to {job.id}, and its file was changed since. Put the "
            "file back to go on with it, or give another key."
        )


def _with_part(settled: dict[str, Any], job_id: str) -> dict[str, Any]:
    """With the name of the part in which a job, and no other, keeps the rows of the file that it writes."""
    return {**settled, "part": part_of(Path(settled["target"]), job_id).name} if "target" in settled else settled


def _key_of(kind: str, arguments: dict[str, Any], settled: dict[str, Any]) -> str:
    """The same for the same job over the same file."""
    text = json.dumps([kind, arguments, settled], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_CHARACTERS]
