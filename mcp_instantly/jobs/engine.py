"""Jobs at work, each a durable workflow of DBOS whose steps are turns: a process that is killed loses none of them.

DBOS is one for a process, works in threads of its own, and knows nothing of clients; each turn is taken in the event
loop of the server, by the invoker of the job's key.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import anyio
import anyio.from_thread
import sqlalchemy as sa
from anyio.abc import TaskGroup
from dbos import DBOS, SetWorkflowID, WorkflowStatus

from mcp_instantly.api.fencing import while_it_holds
from mcp_instantly.budgets.line import asking
from mcp_instantly.errors import ConfigError, InstantlyError
from mcp_instantly.guards.confirmation import Confirmed, covered
from mcp_instantly.jobs import kinds
from mcp_instantly.jobs.database import driver_url
from mcp_instantly.jobs.desk import Desk, ends_the_job, let_go, wait_after
from mcp_instantly.jobs.durable import Abandoned, running, work
from mcp_instantly.jobs.folders import Folders
from mcp_instantly.jobs.job import CANCELLED, DONE, OPEN, RUNNING, STOPPED, WAITING, Job
from mcp_instantly.jobs.lease import BEAT_SHARE, Lease, Lost
from mcp_instantly.jobs.old_sqlite import make_up_for_old_sqlite
from mcp_instantly.jobs.store import Store, runner_name
from mcp_instantly.log import get_logger
from mcp_instantly.text import error_text
from mcp_instantly.workflows import Context

APPLICATION = "mcp-instantly"
VERSION = "1"
"""Of the workflow: processes with the same one can take over from each other."""

POLL_SECONDS = 0.25
"""How often the queue is looked at, and jobs without a living process."""

PATIENCE_SECONDS = 600.0
"""How long a call of a job waits for its turn in the budget, behind those that somebody waits for."""

AGAIN_SECONDS = 5.0
"""After an error, until rows of another process's job are worked on again, or the database is asked again."""


AT_ONCE = 4
"""Jobs of one key that a process works on at the same time."""

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
                await anyio.to_thread.run_sync(self._launch)
                tasks.start_soon(self._look_after, tasks)
                yield
            finally:
                running.clear()
                tasks.cancel_scope.cancel()
                with anyio.CancelScope(shield=True):
                    await self._portal.stop(cancel_remaining=True)
                    await anyio.to_thread.run_sync(DBOS.destroy)
                    for runner in (self._runner, self._assistant):
                        self._store.release(runner)
                for kept in self._kept.values():
                    let_go(kept)

    def _launch(self) -> None:
        logging.getLogger("dbos").setLevel(logging.CRITICAL)
        make_up_for_old_sqlite()
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": driver_url(self._store.url),
                "application_version": VERSION,
                "executor_id": self._runner,
                "log_level": "CRITICAL",
                "notification_listener_polling_interval_sec": 1.0,
            }
        )
        queues = [_queue(owner) for owner in self._owners]
        DBOS.listen_queues(queues)
        DBOS.launch()
        for queue in queues:
            DBOS.register_queue(
                queue, worker_concurrency=AT_ONCE, polling_interval_sec=POLL_SECONDS, on_conflict="always_update"
            )

    async def _look_after(self, tasks: TaskGroup) -> None:
        """Give signs of life, go on with jobs whose process is gone, and work on rows of those of others."""
        last = -math.inf
        while True:
            try:
                if time.monotonic() - last >= BEAT_SHARE * self._lease.seconds:
                    last = time.monotonic()
                    await anyio.to_thread.run_sync(self._beat, last)
                for job in await anyio.to_thread.run_sync(self._find_work):
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
            if job.state == WAITING or (job.runner != self._runner and self._store.take(job, self._runner)):
                self._enqueue(job)
            elif job.runner != self._runner:
                others.append(job)
        return others

    def _enqueue(self, job: Job) -> None:
        """Have the workflow of a job's attempt run, from its last step on; nothing happens to one that does."""
        name = f"{job.id}-{job.attempt}"
        found = DBOS.get_workflow_status(name)
        if found is None:
            with SetWorkflowID(name):
                DBOS.enqueue_workflow(_queue(job.owner), work, job.id, job.position)
        elif job.state != WAITING or self._is_left(found):
            DBOS.resume_workflow(name, queue_name=_queue(job.owner))

    def _is_left(self, workflow: WorkflowStatus) -> bool:
        """Whether a process took a workflow out of the queue, and ended before it said so."""
        runner = workflow.executor_id
        if workflow.status != "PENDING" or runner is None or runner == self._runner:
            return False
        return not self._store.is_alive(runner, (workflow.dequeued_at or 0) / 1000)

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
        if not self._store.take(self._store.find(job_id), self._runner):
            raise Abandoned

    def end(self, job_id: str, state: str, why: str | None) -> None:
        """Raises Abandoned where another process works on it by now."""
        self._store.claims.drop(job_id, self._runner)
        let_go(self._kept.pop(job_id, {}))
        try:
            ended = self._store.now()
            self._store.change_own(job_id, self._runner, {"state": state, "why": why, "ended": ended, "runner": None})
        except Lost:
            raise Abandoned from None

    # in the event loop

    async def pause(self, job_id: str, seconds: float) -> None:
        """Wait, but not for what is cancelled meanwhile."""
        with anyio.move_on_after(seconds):
            while not self._store.is_cancelled(job_id):
                await anyio.sleep(min(1.0, seconds))

    async def take_turn(self, job_id: str, position: dict[str, Any]) -> dict[str, Any]:
        """A turn of a job, as DBOS keeps it: `state` where it was the last one. Raises Lost."""
        try:
            return {**await self._take_turn(job_id, position), "ended": self.now()}
        except Lost:
            # Another process goes on with it; or this one, once more.
            await anyio.to_thread.run_sync(self._store.leave, job_id, self._runner)
            raise

    async def _take_turn(self, job_id: str, position: dict[str, Any]) -> dict[str, Any]:
        holds = self._entitlement()
        job = self._store.find(job_id)
        if job.runner != self._runner or job.state not in OPEN:
            raise Lost
        told: dict[str, Any] = {"position": position, "done": 0, "why": None, "wait": 0.0, "state": None}
        if job.cancel:
            return told | {"state": CANCELLED}
        desk = self._desk(job, self._kept.setdefault(job_id, {}), self._runner)
        try:
            with _on_behalf_of(job, holds):
                turn = await kinds.find(job.kind).run(desk, position)
            if turn.position is None:
                return told | {"done": turn.done, "state": DONE}
            self._store.change_own(job_id, self._runner, {"position": turn.position})
            return told | dataclasses.asdict(turn)
        except Lost:
            raise
        except InstantlyError as error:
            if not holds():
                raise Lost from None
            told.update(why=error_text(error), wait=wait_after(error))
            return told | {"state": STOPPED} if ends_the_job(error) else told
        except Exception as error:
            get_logger().error("job_failed", job_id=job_id, error_class=type(error).__name__, exc_info=True)
            return told | {"state": STOPPED, "why": f"It failed in a way that nobody foresaw ({type(error).__name__})."}

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
                job = self._store.find(job.id)
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
            await anyio.to_thread.run_sync(self._store.claims.drop, job.id, self._assistant)


@contextlib.contextmanager
def _on_behalf_of(job: Job, holds: Callable[[], bool]) -> Iterator[None]:
    """Calls inside are those of a job, which was confirmed, and are sent only as long as it is this process's own."""
    with covered(_confirmed(job)), asking(job.id, bulk=True, patience=PATIENCE_SECONDS), while_it_holds(holds):
        yield


def _queue(owner: str) -> str:
    return f"jobs-{owner}"


def _confirmed(job: Job) -> Confirmed:
    return job.confirmed  # type: ignore[return-value]
