"""A job as a durable workflow of DBOS, whose steps are turns: it goes on behind the last that is known to be over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from dbos import DBOS, SetWorkflowID, WorkflowStatus

from mcp_instantly.jobs.database import driver_url
from mcp_instantly.jobs.job import STOPPED, WAITING, Job
from mcp_instantly.jobs.old_sqlite import make_up_for_old_sqlite
from mcp_instantly.log import get_logger

APPLICATION = "mcp-instantly"
VERSION = "1"
"""Of the workflow: processes with the same one can take over from each other."""

POLL_SECONDS = 0.25
"""How often the queue is looked at, and jobs without a living process."""

END_SECONDS = 0.05
"""How often DBOS looks whether it is to end, where it has no notifications of a database to wait for."""

JOBS_AT_ONCE = 4
"""Jobs of one key that a process works on at the same time."""

MAX_IDLE_TURNS = 10
"""After so many turns that finished no row, one after the other, a job stops."""

MAX_BACKOFF_SECONDS = 30.0


class Worker(Protocol):
    """What takes turns in this process: see engine."""

    def now(self) -> float: ...

    def claim(self, job_id: str) -> None: ...

    def end(self, job_id: str, state: str, why: str | None) -> None: ...

    def wait_for(self, work: Callable[..., Any], *arguments: Any) -> Any: ...

    async def take_turn(self, job_id: str, position: dict[str, Any]) -> dict[str, Any]: ...

    async def pause(self, job_id: str, seconds: float) -> None: ...


class Abandoned(BaseException):
    """Ends a workflow without an end: another process goes on with it, or this one when it is started again."""


running: list[Worker] = []


def working_engine() -> Worker:
    if not running:
        raise Abandoned
    return running[0]


@DBOS.step(name="turn")
def turn(job_id: str, position: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = working_engine().wait_for(working_engine().take_turn, job_id, position)
    return told


@DBOS.workflow(name="job")
def work(job_id: str, position: dict[str, Any]) -> str:
    """Take turns until the end."""
    engine = working_engine()
    engine.claim(job_id)
    try:
        return take_turns(engine, job_id, position)
    except Exception as error:
        # The database itself, perhaps; whoever looks at the job must not wait for ever.
        get_logger().error("job_failed", job_id=job_id, error_class=type(error).__name__, exc_info=True)
        engine.end(job_id, STOPPED, f"Its database or engine failed ({type(error).__name__}).")
        raise


def take_turns(engine: Worker, job_id: str, position: dict[str, Any]) -> str:
    idle = 0
    while True:
        told = turn(job_id, position)
        idle = 0 if told["done"] else idle + 1
        if told["state"] is None and idle >= MAX_IDLE_TURNS:
            told.update(state=STOPPED, why=f"No progress in {MAX_IDLE_TURNS} attempts: {told['why']}")
        if told["state"] is not None:
            engine.end(job_id, told["state"], told["why"])
            return str(told["state"])
        position = told["position"]
        wait = told["wait"] or (min(2.0 ** (idle - 1), MAX_BACKOFF_SECONDS) if idle else 0.0)
        # Turns that an earlier process took are gone through again, but not waited for again.
        left = told.get("ended", 0.0) + wait - engine.now()
        if left > 0:
            engine.wait_for(engine.pause, job_id, left)


def launch(url: str, runner: str, owners: Sequence[str]) -> None:
    """Have DBOS work in this process, as `runner`, on the jobs of some owners."""
    logging.getLogger("dbos").setLevel(logging.CRITICAL)
    make_up_for_old_sqlite()
    DBOS(
        config={
            "name": APPLICATION,
            "system_database_url": driver_url(url),
            "application_version": VERSION,
            "executor_id": runner,
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": END_SECONDS,
        }
    )
    queues = [_queue(owner) for owner in owners]
    DBOS.listen_queues(queues)
    DBOS.launch()
    for queue in queues:
        DBOS.register_queue(
            queue, worker_concurrency=JOBS_AT_ONCE, polling_interval_sec=POLL_SECONDS, on_conflict="always_update"
        )


def enqueue(job: Job, runner: str, is_alive: Callable[[str, float], bool]) -> None:
    """Have the workflow of a job's attempt run, from its last step on; nothing happens to one that does."""
    name = f"{job.id}-{job.attempt}"
    found = DBOS.get_workflow_status(name)
    if found is None:
        with SetWorkflowID(name):
            DBOS.enqueue_workflow(_queue(job.owner), work, job.id, job.position)
    elif job.state != WAITING or _is_left(found, runner, is_alive):
        DBOS.resume_workflow(name, queue_name=_queue(job.owner))


def _is_left(workflow: WorkflowStatus, runner: str, is_alive: Callable[[str, float], bool]) -> bool:
    """Whether a process took a workflow out of the queue, and ended before it said so."""
    by = workflow.executor_id
    if workflow.status != "PENDING" or by is None or by == runner:
        return False
    return not is_alive(by, (workflow.dequeued_at or 0) / 1000)


def _queue(owner: str) -> str:
    return f"jobs-{owner}"
