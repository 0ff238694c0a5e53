"""A job as a durable workflow of DBOS, whose steps are turns: it goes on behind the last that is known to be over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from dbos import DBOS

from mcp_instantly.jobs.job import STOPPED
from mcp_instantly.log import get_logger

MAX_IDLE_TURNS = 10
"""After so many turns that finished no row, one after the other, a job stops."""

MAX_WAIT_SECONDS = 30.0


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
            told.update(state=STOPPED, why=f"Nothing worked any more: {told['why']}")
        if told["state"] is not None:
            engine.end(job_id, told["state"], told["why"])
            return str(told["state"])
        position = told["position"]
        wait = told["wait"] or (min(2.0 ** (idle - 1), MAX_WAIT_SECONDS) if idle else 0.0)
        # Turns that an earlier process took are gone through again, but not waited for again.
        left = told["ended"] + wait - engine.now()
        if left > 0:
            engine.wait_for(engine.pause, job_id, left)
