"""Jobs at work, each a durable workflow of DBOS whose steps are turns: a process that is killed loses none of them.

DBOS is one for a process, works in threads of its own, and knows nothing of clients; each turn is taken in the event
loop of the server, by the invoker of the job's key.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import anyio
import anyio.from_thread
import sqlalchemy as sa
from anyio.abc import TaskGroup
from anyio.to_thread import run_sync as in_thread
from dbos import DBOS

from mcp_instantly.api.fencing import while_it_holds
from mcp_instantly.budgets.line import asking
from mcp_instantly.errors import ConfigError, InstantlyError
from mcp_instantly.guards.confirmation import covered
from mcp_instantly.jobs import kinds
from mcp_instantly.jobs.desk import Desk, ends_the_job, let_go, wait_after
from mcp_instantly.jobs.durable import POLL_SECONDS, Abandoned, enqueue, launch, running
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.job import CANCELLED, DONE, OPEN, RUNNING, STOPPED, WAITING, Job
from mcp_instantly.jobs.lease import BEAT_SHARE, Lease, Lost
from mcp_instantly.jobs.store import Store, runner_name, unusable
from mcp_instantly.log import get_logger
from mcp_instantly.text import error_text
from mcp_instantly.workflows import Context

BUDGET_PATIENCE_SECONDS = 600.0
"""How long a call of a job waits for its turn in the budget, behind those that somebody waits for."""

AGAIN_SECONDS = 5.0
"""After an error, until rows of another process's job are worked on again, or the database is asked again."""

END_TRIES = 12
"""How often it is tried to write down that a job has ended, while its database cannot be reached."""

Open = Callable[[Job], Context]
"""What a job reaches the API through."""


class Engine:
    """Works on the jobs of some owners; `invokers` opens, by owner, what their calls go through."""

    def __init__(self, store: Store, owners: Mapping[str, Open], folders: Folders):
        self._store = store
        self._folders = folders
        self._owners = owners
        self._runner = runner_name()
        # Rows of a job that this process takes over while it works on some are not taken twice.
        self._assistant = runner_name()
        self._assisted: set[str] = set()
        self._left_alone: set[str] = set()
        self._lease = Lease()
        self._portal: anyio.from_thread.BlockingPortal | None = None
        self._kept: dict[str, dict[str, Any]] = {}

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Work on jobs while the context is open. What is not finished then goes on in another process."""
        if running:
            raise ConfigError("Jobs are at work in this process already.")
        async with anyio.from_thread.BlockingPortal() as self._portal, anyio.create_task_group() as tasks:
            running.append(self)
            try:
                await in_thread(self._launch)
                tasks.start_soon(self._look_after, tasks)
                yield
            finally:
                running.clear()
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._portal.stop(cancel_remaining=True)
                    await in_thread(DBOS.destroy)
                    for runner in (self._runner, self._assistant):
                        await in_thread(self._store.release, runner)
                for kept in self._kept.values():
                    let_go(kept)

    def _launch(self) -> None:
        """Raises ConfigError where the database has what DBOS cannot work with, or cannot be reached."""
        try:
            launch(self._store.url, self._runner, list(self._owners))
        except Exception as error:
            raise unusable(error) from error

    async def _look_after(self, tasks: TaskGroup) -> None:
        """Give signs of life, go on with jobs whose process is gone, and work on rows of those of others."""
        last = -math.inf
        while True:
            try:
                if self._lease.now() - last >= BEAT_SHARE * self._lease.seconds:
                    last = self._lease.now()
                    await in_thread(self._beat, last)
                for job in await in_thread(self._find_work):
                    if job.id not in self._assisted:
                        self._assisted.add(job.id)
                        tasks.start_soon(self._assist, job)
            except sa.exc.SQLAlchemyError as error:
                get_logger().error("jobs_database_failed", error_class=type(error).__name__)
                await anyio.sleep(AGAIN_SECONDS)
            await anyio.sleep(POLL_SECONDS)

    def _beat(self, now: float) -> None:
        for runner in (self._runner, self._assistant):
            self._store.beat(runner)
        self._lease.renew(now)

    def _find_work(self) -> list[Job]:
        """Have jobs run that nobody works on; those that others work on."""
        others = []
        for job in self._store.open_jobs(self._owners):
            if not self._may_work_on(job):
                continue
            if self._has_to_be_queued(job):
                enqueue(job, self._runner, self._store.is_alive)
            elif job.state == RUNNING and job.runner != self._runner:
                others.append(job)
        return others

    def _has_to_be_queued(self, job: Job) -> bool:
        """Whether nobody works on a job, or sees to it that somebody does, but for this process."""
        if job.state == WAITING and job.runner in (None, self._runner):
            return True
        return job.runner != self._runner and self._store.take_over(job, self._runner)

    def _may_work_on(self, job: Job) -> bool:
        """Whether the file that a job writes lies in a folder of this process; another one will have the others."""
        if job.target is None or job.cancel or self._folders.covers(job.target):
            return True
        if job.id not in self._left_alone:
            self._left_alone.add(job.id)
            get_logger().warning("job_left_alone", job_id=job.id, reason="Its file lies outside of --files.")
        return False

    # in the threads of workflows

    def wait_for(self, work: Any, *arguments: Any) -> Any:
        """What work in the event loop comes to. Raises Abandoned where this process has nothing to do with it now."""
        assert self._portal is not None
        try:
            return self._portal.call(work, *arguments)
        except Lost:
            # Not before: what is no Exception would end the event loop's portal.
            raise Abandoned from None
        except (concurrent.futures.CancelledError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and running:
                raise
            raise Abandoned from None

    def now(self) -> float:
        """Unix seconds."""
        return self._store.now()

    def claim(self, job_id: str) -> None:
        """Raises Abandoned where another process works on it, or nobody has to."""
        job = self._store.find(job_id)
        if not self._may_work_on(job):
            self._store.hand_back(job)
            raise Abandoned
        if not self._store.take(job, self._runner):
            raise Abandoned

    def end(self, job_id: str, state: str, why: str | None) -> None:
        """Raises Abandoned where another process works on it by now."""
        let_go(self._kept.pop(job_id, {}))
        for left in reversed(range(END_TRIES)):
            try:
                self._end(job_id, state, why)
                return
            except sa.exc.DBAPIError:
                if not left:
                    raise
                time.sleep(AGAIN_SECONDS)

    def _end(self, job_id: str, state: str, why: str | None) -> None:
        self._store.claims.drop(job_id, self._runner)
        try:
            ended = self._store.now()
            self._store.change_own(job_id, self._runner, {"state": state, "why": why, "ended": ended, "runner": None})
        except Lost:
            raise Abandoned from None

    # in the event loop

    async def pause(self, job_id: str, seconds: float) -> None:
        """Wait, but not for what is cancelled meanwhile."""
        with anyio.move_on_after(seconds):
            while not await in_thread(self._store.is_cancelled, job_id):
                await anyio.sleep(min(1.0, seconds))

    async def take_turn(self, job_id: str, position: dict[str, Any]) -> dict[str, Any]:
        """A turn of a job, as DBOS keeps it: `state` where it was the last one. Raises Lost."""
        try:
            return {**await self._take_turn(job_id, position), "ended": self.now()}
        except Lost:
            # Another process goes on with it; or this one, once more.
            await in_thread(self._store.leave, job_id, self._runner)
            raise
        except sa.exc.DBAPIError as error:
            # A server that is started anew, perhaps: the turn is taken again.
            get_logger().warning("jobs_database_failed", job_id=job_id, error_class=type(error).__name__)
            why = f"The database of jobs failed ({type(error).__name__})."
            return {**_idle(position), "why": why, "wait": AGAIN_SECONDS, "ended": self.now()}

    async def _take_turn(self, job_id: str, position: dict[str, Any]) -> dict[str, Any]:
        holds = self._entitlement()
        job = await in_thread(self._store.find, job_id)
        if job.runner != self._runner or job.state not in OPEN:
            raise Lost
        told = _idle(position)
        if job.cancel:
            return told | {"state": CANCELLED}
        desk = self._desk(job, self._kept.setdefault(job_id, {}), self._runner)
        try:
            with _on_behalf_of(job, holds):
                turn = await kinds.find(job.kind).run(desk, position)
            if turn.position is None:
                return told | {"done": turn.done, "state": DONE}
            position = {"position": turn.position}
            await in_thread(self._store.change_own, job_id, self._runner, position)
            return told | dataclasses.asdict(turn)
        except (Lost, sa.exc.DBAPIError):
            raise
        except InstantlyError as error:
            if not holds():
                raise Lost from None
            told.update(why=error_text(error), wait=wait_after(error))
            return told | {"state": STOPPED} if ends_the_job(error) else told
        except Exception as error:
            get_logger().error("job_failed", job_id=job_id, error_class=type(error).__name__, exc_info=True)
            why = f"Internal error ({type(error).__name__}); the server's log has the details."
            return told | {"state": STOPPED, "why": why}

    def _entitlement(self) -> Callable[[], bool]:
        """What tells whether that which begins now is still this process's own."""
        term = self._lease.term
        return lambda: self._lease.holds(term)

    def _desk(self, job: Job, kept: dict[str, Any], runner: str) -> Desk:
        return Desk(job, self._store, self._owners[job.owner](job), kept, self._folders, runner)

    async def _assist(self, job: Job) -> None:
        """Work on rows of a job that another process has, as long as it does and there are any."""
        assist, kept = kinds.find_assistance(job.kind), dict[str, Any]()
        try:
            while assist and job.state == RUNNING and not job.cancel and job.runner not in (None, self._runner):
                with _on_behalf_of(job, self._entitlement()):
                    if not await assist(self._desk(job, kept, self._assistant)):
                        break
                job = await in_thread(self._store.find, job.id)
        except Lost:
            pass
        except Exception as error:
            # The process that has the job meets it too, and says what it means for the job.
            reason = error_text(error) if isinstance(error, InstantlyError) else type(error).__name__
            get_logger().warning("job_not_assisted", job_id=job.id, reason=reason)
            await self._leave(job)
            await anyio.sleep(AGAIN_SECONDS)
        finally:
            with anyio.CancelScope(shield=True):
                await self._leave(job)
            self._assisted.discard(job.id)

    async def _leave(self, job: Job) -> None:
        """Work on none of its rows any more, as far as the database can be told."""
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            await in_thread(self._store.claims.drop, job.id, self._assistant)


@contextlib.contextmanager
def _on_behalf_of(job: Job, holds: Callable[[], bool]) -> Iterator[None]:
    """Calls inside are those of a job, which was confirmed, and are sent only as long as it is this process's own."""
    with covered(job.confirmed), asking(job.id, bulk=True, patience=BUDGET_PATIENCE_SECONDS), while_it_holds(holds):
        yield


def _idle(position: dict[str, Any]) -> dict[str, Any]:
    """What a turn came to that did nothing."""
    return {"position": position, "done": 0, "why": None, "wait": 0.0, "state": None}
