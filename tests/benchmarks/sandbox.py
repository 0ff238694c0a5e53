"""Run by hand: what the sandbox costs in process, in milliseconds and as ratios against an empty Starlette route.

    python tests/benchmarks/sandbox.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from mcp_instantly.sandbox import KEY, create_app, demo_world

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LEAD = "01991f00-0001-7000-8000-000000000001"
MANY = 20_000


async def median_ms(call: Callable[[], Awaitable[Any]], rounds: int = 200) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def client(app: Any) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {KEY}"}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sandbox/api/v2", headers=headers)


async def import_leads(api: httpx.AsyncClient, first: int, count: int) -> None:
    numbers = range(first, first + count)
    leads = [{"email": f"person{n}@company{n % 900}.example", "first_name": f"P{n}"} for n in numbers]
    response = await api.post("/leads/add", json={"campaign_id": CAMPAIGN, "leads": leads})
    response.raise_for_status()


async def figures(api: httpx.AsyncClient, cursor: str | None) -> dict[str, float]:
    """Median milliseconds of a few reads and writes; `cursor` lies deep in the campaign's leads."""
    deep = {"campaign": CAMPAIGN, "limit": 100, **({"starting_after": cursor} if cursor else {})}
    return {
        "get a lead": await median_ms(lambda: api.get(f"/leads/{LEAD}")),
        "list campaigns": await median_ms(lambda: api.get("/campaigns")),
        "find a lead": await median_ms(
            lambda: api.post("/leads/list", json={"contacts": ["maya.lindqvist@fjordpay.example"]})
        ),
        "100 leads": await median_ms(lambda: api.post("/leads/list", json={"campaign": CAMPAIGN, "limit": 100})),
        "100 leads, deep": await median_ms(lambda: api.post("/leads/list", json=deep)),
        "change a lead": await median_ms(lambda: api.patch(f"/leads/{LEAD}", json={"first_name": "Maya"})),
        "make a list": await median_ms(lambda: api.post("/lead-lists", json={"name": "A"})),
    }


async def main() -> None:
    began = time.perf_counter()
    world = demo_world()
    print(f"seeding the demo: {(time.perf_counter() - began) * 1000:.0f} ms")
    empty = Starlette(routes=[Route("/api/v2/empty", lambda _: JSONResponse({}))])
    async with client(empty) as api:
        least = await median_ms(lambda: api.get("/empty"))
    print(f"empty route: {least:.2f} ms")
    async with client(create_app(world)) as api:
        few = await figures(api, None)
        times = []
        for first in range(0, MANY, 1000):
            began = time.perf_counter()
            await import_leads(api, first, 1000)
            times.append((time.perf_counter() - began) * 1000)
        cursor = [lead["id"] for lead in world.leads.where(campaign=CAMPAIGN)][MANY // 2]
        many = await figures(api, cursor)
    print(f"{'':18}{'200 leads':>12}{'':10}{'20,000':>9}{'ratio':>8}")
    for name in few:
        ratios = few[name] / least, many[name] / few[name]
        print(f"{name:18}{few[name]:9.2f} ms{ratios[0]:8.1f} x{many[name]:8.2f} ms{ratios[1]:6.1f}")
    print(f"adding 1,000 leads: {statistics.median(times):.0f} ms")


if __name__ == "__main__":
    anyio.run(main)
