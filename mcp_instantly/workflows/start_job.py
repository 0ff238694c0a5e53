"""A job of many rows is planned, and started; or gone on with, where there is one already."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.errors import CallError
from mcp_instantly.guards.confirmation import how_covered
from mcp_instantly.jobs.desk import Planner
from mcp_instantly.jobs.job import Plan
from mcp_instantly.workflows import Context

KINDS = (
    *("verify_emails", "import_leads", "export_leads", "export_emails", "export_analytics", "clean_list"),
    "sync_block_list",
)
PREVIEW = "preview"

NEXT = {
    "started": "Nothing waits for it: get_job tells how far it is, get_job_rows what became of each row.",
    "continued": "It resumes where it stopped; get_job shows its progress.",
    "going on": "It was going on already, and no second one was started: get_job tells how far it is.",
    "done": "It was done before, and nothing was started; give another key to do it once more.",
}
NO_WORKER = "This process does not work on jobs: run mcp-instantly worker, or mcp-instantly jobs resume with its id."

NOT_AT_WORK = (
    "It is kept, but this process cannot work on jobs ({trouble}). Once that is fixed, the same start_job goes on with "
    "it; so does mcp-instantly worker."
)


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Start the job, or only tell what it would take. Raises CallError for one that cannot be done."""
    kind, given = _asked(arguments)
    plan = await _plan(context, kind, given)
    if arguments.get(PREVIEW):
        context.notes.append("Nothing was started: leave out preview to start it.")
        return {"kind": kind, "plan": plan.told()}
    job, how = await in_thread(
        context.jobs.start, kind, given, plan, arguments.get("key"), how_covered(), arguments.get("plan_token")
    )
    told = await in_thread(context.jobs.told, job)
    return {**told, "outcome": how, "plan": job.plan, "next": await _next(context, how)}


async def _next(context: Context, how: str) -> str:
    """What becomes of the job now, as a sentence."""
    if how == "done":
        return NEXT[how]
    if not context.jobs.works:
        return NEXT[how] if how == "going on" else NO_WORKER
    trouble = await context.jobs.wake()
    return NEXT[how] if trouble is None else NOT_AT_WORK.format(trouble=trouble)


async def foresee(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """What a person is told before it is started."""
    kind, given = _asked(arguments)
    plan = await _plan(context, kind, given)
    would = await in_thread(context.jobs.would, kind, given, plan, arguments.get("key"))
    return {"job": kind, **plan.told(), **would}


def _asked(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return next((kind, arguments[kind]) for kind in KINDS if kind in arguments)


async def _plan(context: Context, kind: str, given: dict[str, Any]) -> Plan:
    if kind not in KINDS:
        raise CallError(f"There is no kind of job {kind!r}.")
    planner = Planner(context.call, context.may_call, context.jobs.folders)
    return await context.jobs.plan(planner, kind, given)
