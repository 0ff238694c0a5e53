"""A job is stopped at its next row."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.workflows import Context


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises CallError for a job that has ended."""
    job = await in_thread(context.jobs.cancel, arguments["job_id"])
    context.notes.append("It stops at the next row; what it did until then stays, and start_job goes on with it.")
    return await in_thread(context.jobs.told, job)


async def foresee(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """What would be cancelled, and how far it is."""
    job = await in_thread(context.jobs.find, arguments["job_id"])
    return {"cancel": job.id, "state": job.state}
