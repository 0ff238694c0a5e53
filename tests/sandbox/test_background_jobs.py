"""Background jobs: listed, looked at, and carried through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.resources.workspace.background_jobs import start_job
from mcp_instantly.sandbox.state.world import action

pytestmark = pytest.mark.anyio

MOVE, WARMUP = "66d5a0c0f1e2d3c4b5a69701", "66d5a0c0f1e2d3c4b5a69702"
Wait = Callable[[float], None]


@action
def fail_on_purpose(world: World, why: str) -> None:
    raise ValueError(why)


async def ids(api: httpx.AsyncClient, **query: Any) -> list[str]:
    return [job["id"] for job in (await api.get("/background-jobs", params=query)).json()["items"]]


async def test_jobs_are_listed_oldest_first_unless_asked_otherwise(api: httpx.AsyncClient) -> None:
    assert await ids(api) == [MOVE, WARMUP]
    assert await ids(api, sort_column="created_at", sort_order="desc") == [WARMUP, MOVE]
    assert await ids(api, sort_order="desc", starting_after=WARMUP) == [MOVE]


async def test_jobs_can_be_filtered(api: httpx.AsyncClient) -> None:
    assert await ids(api, type="move-leads") == [MOVE]
    assert await ids(api, ids=f"{WARMUP},123") == [WARMUP]
    assert await ids(api, excluded_ids=WARMUP) == [MOVE]
    assert await ids(api, status="failed,success") == [MOVE, WARMUP]
    assert await ids(api, status="pending") == []
    assert await ids(api, entity_type="workspace") == [WARMUP]
    assert (await api.get("/background-jobs", params={"type": "unknown"})).status_code == 400


async def test_a_job_can_succeed_with_a_failed_item_inside(api: httpx.AsyncClient) -> None:
    job = (await api.get(f"/background-jobs/{WARMUP}")).json()
    assert (job["status"], job["data"]["failed_count"]) == ("success", 1)


async def test_only_the_wanted_data_is_shown(api: httpx.AsyncClient) -> None:
    job = (await api.get(f"/background-jobs/{WARMUP}", params={"data_fields": "failed_count,nothing"})).json()
    assert job["data"] == {"failed_count": 1}


async def test_an_unknown_job_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await api.get("/background-jobs/66d5a0c0f1e2d3c4b5a69799")).status_code == 404


async def test_a_job_passes_from_pending_to_success(api: httpx.AsyncClient, wait: Wait) -> None:
    body = {"emails": ["ada@brightpath.example"]}
    job_id = (await api.post("/accounts/warmup/enable", json=body)).json()["id"]
    assert len(job_id) == 24
    seen = []
    for _ in range(4):
        job = (await api.get(f"/background-jobs/{job_id}")).json()
        seen.append((job["status"], job["progress"]))
        wait(0.6)
    assert seen == [("pending", 0), ("in-progress", 50), ("in-progress", 50), ("success", 100)]


async def test_a_job_whose_work_is_impossible_fails(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    job = start_job(world, "export-leads", finish="fail_on_purpose", arguments=["the list is gone"])
    wait(5)
    found = (await api.get(f"/background-jobs/{job['id']}")).json()
    assert (found["status"], found["data"]) == ("failed", {"error": "the list is gone"})
