"""How far a job is."""

from __future__ import annotations

from typing import Any

import anyio
from anyio.to_thread import run_sync as in_thread

from mcp_instantly.jobs.job import OPEN
from mcp_instantly.workflows import Context

LOOK_SECONDS = 0.25
"""How often a job is looked at whose end is waited for."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """How a job stands, once it has ended or `wait_seconds` are over. Raises CallError where there is none."""
    job = await in_thread(context.jobs.find, arguments["job_id"])
    with anyio.move_on_after(arguments.get("wait_seconds", 0)):
        while job.state in OPEN:
            await anyio.sleep(LOOK_SECONDS)
            job = await in_thread(context.jobs.find, job.id)
    told = await in_thread(context.jobs.told, job)
    return {**told, "plan": job.plan, "arguments": job.arguments}
