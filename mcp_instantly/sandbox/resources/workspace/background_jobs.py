"""Background jobs: work that goes on after the answer, and how it went."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page, route
from mcp_instantly.sandbox.engine.shapes import choice, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import ACTIONS, World, action

TYPES = (
    "move-leads",
    "import-leads",
    "export-leads",
    "update-warmup-accounts",
    "rename-variable",
    "broadcast-ai-generate",
    "broadcast-website-scrape",
    "import-subscribers-from-crm",
    "resync-subscriber-crm-tags",
)
ENTITIES = ("list", "campaign", "workspace", "broadcast", "subscriber-group-sync", "subscriber-group")

BEGINS = 0.5
ENDS = 1.5
"""Seconds after its creation at which a job begins, and at which it is done."""


def start_job(
    world: World,
    kind: str,
    *,
    entity_id: str | None = None,
    entity_type: str = "workspace",
    data: dict[str, Any] | None = None,
    finish: str,
    arguments: list[Any] | tuple[Any, ...] = (),
) -> Record:
    """Put a job in the queue and return its record; answer with `fresh(job)`.

    When its time has come the action named `finish` is called as `(world, *arguments)`. It does the work, and the
    dictionary it returns joins the job's data. The job ends as a success whatever became of the single items; only
    where `finish` raises ValueError does it end as failed.
    """
    job = world.jobs.add(
        {
            "id": world.object_id(),
            "workspace_id": world.workspace["id"],
            "type": kind,
            "progress": 0,
            "status": "pending",
            "created_at": world.stamp(),
            "updated_at": world.stamp(),
            "entity_id": entity_id or world.workspace["id"],
            "entity_type": entity_type,
            "data": dict(data or {}),
        }
    )
    world.later(BEGINS, "begin_job", job["id"])
    world.later(ENDS, "end_job", job["id"], finish, list(arguments))
    return job


def fresh(job: Record) -> Record:
    """A job as the operation that created it shows it: the user is null then, and left out later."""
    return {**public(job), "user_id": None}


@action
def begin_job(world: World, job_id: str) -> None:
    job = world.jobs.get(job_id)
    if job:
        world.jobs.change(job, status="in-progress", progress=50, updated_at=world.stamp())


@action
def end_job(world: World, job_id: str, finish: str, arguments: list[Any]) -> None:
    job = world.jobs.get(job_id)
    if not job:
        return
    try:
        found: dict[str, Any] = ACTIONS[finish](world, *arguments) or {}
        status = "success"
    except ValueError as error:
        found = {"error": str(error)}
        status = "failed"
    data = {**job["data"], **found}
    world.jobs.change(job, status=status, progress=100, data=data, updated_at=world.stamp())


@route(
    "GET",
    "/background-jobs",
    scope="background-jobs:read",
    query={
        **PAGE,
        "ids": text(),
        "included_ids": text(),
        "excluded_ids": text(),
        "type": choice(*TYPES),
        "entity_type": choice(*ENTITIES),
        "entity_id": text(),
        "status": text(),
        "sort_column": choice("created_at", "updated_at"),
        "sort_order": choice("asc", "desc"),
    },
)
def list_jobs(world: World, call: Call) -> Record:
    query = call.query
    found = [job for job in world.jobs if _wanted(job, query)]
    column = query.get("sort_column", "created_at")
    found.sort(key=lambda job: job[column], reverse=query.get("sort_order") == "desc")
    if "starting_after" in query:
        places = {job["id"]: place for place, job in enumerate(found)}
        found = found[places.get(query["starting_after"], len(found)) + 1 :]
    return page(found, query)


def _wanted(job: Record, query: dict[str, Any]) -> bool:
    exact = all(job.get(name) == query[name] for name in ("type", "entity_type") if name in query)
    listed = {"ids": "id", "included_ids": "id", "entity_id": "entity_id", "status": "status"}
    return (
        exact
        and all(job.get(field) in commas(query[name]) for name, field in listed.items() if name in query)
        and job["id"] not in commas(query.get("excluded_ids", ""))
    )


@route("GET", "/background-jobs/{id}", scope="background-jobs:read", query={"data_fields": text()}, id=text())
def get_job(world: World, call: Call) -> Record:
    job = world.jobs.get(call.path["id"])
    if not job:
        raise not_found("Background job")
    if "data_fields" not in call.query:
        return public(job)
    wanted = commas(call.query["data_fields"])
    return public({**job, "data": {name: value for name, value in job["data"].items() if name in wanted}})
