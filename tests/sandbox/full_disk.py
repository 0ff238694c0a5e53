"""A process whose disk is full for a while, with FILE STEP... as its arguments.

Files of this process may grow no further from `fill` on, and again from `free` on. `write` writes until it was refused
five times, or forty times; `read` reads. Every step prints what it did as a line of JSON; the end comes as by a kill,
or, with `close`, in order.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import httpx

from mcp_instantly.sandbox import KEY, open_sandbox
from mcp_instantly.sandbox.engine.gate import Gate

UNLIMITED = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
ROOM = 30_000
"""Bytes by which the log beside the file may still grow when the disk is called full."""


async def run(app: Gate, api: httpx.AsyncClient, file: Path, step: str, number: int) -> dict[str, Any]:
    if step == "fill":
        size = max(path.stat().st_size for path in file.parent.iterdir())
        limit = file.with_name(f"{file.name}-wal").stat().st_size + ROOM
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, UNLIMITED))
        return {"limit": limit, "largest": size}
    if step == "free":
        resource.setrlimit(resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        return {}
    if step == "close":
        app.close()
        return {}
    if step == "look":
        app.run_due_work()
        return {}
    if step == "read":
        answers = [await api.get("/custom-tags"), await api.post("/leads/list", json={})]
        return {"codes": [answer.status_code for answer in answers]}
    made, problems = [], []
    for turn in range(40):
        answer = await api.post("/custom-tags", json={"label": f"{number}-{turn}"})
        if answer.status_code == 200:
            made.append(answer.json()["id"])
        else:
            problems.append([answer.status_code, answer.json()["message"]])
        if len(problems) == 5:
            break
    return {"made": made, "problems": problems}


def main() -> None:
    asyncio.run(go(Path(sys.argv[1]), sys.argv[2:]))


async def go(file: Path, steps: list[str]) -> None:
    app = open_sandbox("fresh", state=file, running=True)
    transport = httpx.ASGITransport(app)
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/api/v2", headers=headers) as api:
        for number, step in enumerate(steps):
            print(json.dumps({"step": step, **await run(app, api, file, step, number)}), flush=True)
    os._exit(0)
