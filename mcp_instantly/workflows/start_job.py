"""A job of many rows is planned, and started; or gone on with, where there is one already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.guards.confirmation import how_covered
from mcp_instantly.jobs.consent import awaited
from mcp_instantly.jobs.desk import Planner
from mcp_instantly.jobs.job import DONE, OPEN, Job, Plan
from mcp_instantly.jobs.kinds import is_outdated
from mcp_instantly.workflows import Context

KINDS = (
    "verify_emails",
    "import_leads",
    "export_leads",
    "export_emails",
    "export_analytics",
    "clean_list",
    "sync_block_list",
)

PREVIEW = "preview"

NEXT = {
    "started": "Nothing waits for it: get_job tells how far it is, get_job_rows what became of each row.",
    "continued": "It resumes where it stopped; get_job shows its progress.",
    "going on": "It was going on already, and no second one was started: get_job tells how far it is.",
}
NO_WORKER = "This process does not work on jobs: run mcp-instantly worker, or mcp-instantly jobs resume with its id."

NOT_AT_WORK = (
    "It is kept, but this process cannot work on jobs ({trouble}). Once that is fixed, the same start_job goes on with "
    "it; so does mcp-instantly worker."
)


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Start the job, or only tell what it would take. Raises CallError for one that cannot be done."""
    kind, given = _asked(arguments)
    plan, there = await _plan(context, arguments)
    if arguments.get(PREVIEW):
        earlier = _earlier(there, arguments, plan)
        if not earlier:
            context.notes.append("Nothing was started: leave out preview to start it.")
        return {"kind": kind, "plan": plan.told(), **earlier}
    job, how = await in_thread(
        context.jobs.start, kind, given, plan, arguments.get("key"), how_covered(), arguments.get("plan_token")
    )
    told = await in_thread(context.jobs.told, job)
    return {**told, "outcome": how, "plan": job.plan, "next": await _next(context, how, job, plan, arguments)}


async def _next(context: Context, how: str, job: Job, plan: Plan, arguments: dict[str, Any]) -> str:
    """What becomes of the job now, as a sentence."""
    if how == "done":
        return _done(job, plan, arguments)
    if not context.jobs.works:
        return NEXT[how] if how == "going on" else NO_WORKER
    trouble = await context.jobs.wake()
    return NEXT[how] if trouble is None else NOT_AT_WORK.format(trouble=trouble)


def _done(job: Job, plan: Plan, arguments: dict[str, Any]) -> str:
    """Why nothing is started, what has changed since the job was done, and how it is done once more."""
    again, since = "Give another key (--key)", ""
    if not arguments.get("key") and is_outdated(job):
        # Without consent, which was used for this one, it would be another job.
        again = "Leave out plan_token"
    elif job.target is not None and Path(job.target).exists():
        again = "Name another file"
    elif job.target is not None:
        since = f" Its file {Path(job.target).name} is not there any more."
    elif any(job.settled.get(name) != plan.settled.get(name) for name in ("size", "changed")):
        since = f" Its file {Path(job.settled['file']).name} was changed since."
    return f"It was done before, and nothing was started.{since} {again} to do it once more."


def _earlier(job: Job | None, arguments: dict[str, Any], plan: Plan) -> dict[str, dict[str, str]]:
    """The job that would be found instead of starting one, and what becomes of it; {} where one would be started."""
    if job is None:
        return {}
    if job.state == DONE:
        becomes = _done(job, plan, arguments)
    elif job.state in OPEN:
        becomes = "It is going on, and no second one would be started: get_job tells how far it is."
    else:
        becomes = "It would go on where it stopped: leave out preview for that."
    return {"earlier_job": {"job_id": job.id, "state": job.state, "next": becomes}}


async def foresee(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a person is told before it is started. Raises what would refuse it."""
    plan, job = await _plan(context, arguments)
    told: dict[str, Any] = {"job": _asked(arguments)[0], **plan.told()}
    if job is None:
        return told
    done = {"done_before_by": job.id} if job.state == DONE else {}
    return {**told, **done, **awaited(job.position, job.settled).get("would", {})}


rehearse = foresee
"""Its plan tells both."""


def _asked(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return next((kind, arguments[kind]) for kind in KINDS if kind in arguments)


async def _plan(context: Context, arguments: dict[str, Any]) -> tuple[Plan, Job | None]:
    """The plan of a job, and the job that would be found instead of starting one. Raises what would refuse the calls of
    one that would be started, so that nothing is spent on the way there.
    """
    kind, given = _asked(arguments)
    planner = Planner(context.call, context.may_call, context.require, context.jobs.folders)
    plan = await context.jobs.plan(planner, kind, given)
    key, approved = arguments.get("key"), arguments.get("plan_token")
    job = await in_thread(context.jobs.earlier, kind, given, plan, key, approved)
    if job is None:
        # One that is there may itself have used up what its trials would ask for.
        for name, tried in plan.trials:
            await context.refuse(name, **tried)
    return plan, job
