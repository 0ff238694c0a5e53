"""Run by hand: what starting, listing and calling cost, as ratios against the least that it could cost in the same run.

python tests/benchmarks/server.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import anyio
import httpx
from mcp import Client, StdioServerParameters

from mcp_instantly.sandbox import KEY, create_app, demo_world
from mcp_instantly.transports.port import running_app

ROUNDS = 7
CALLS = 300
LEAD = "01991f00-0001-7000-8000-000000000001"


def seconds(code: str) -> float:
    """The median time of a fresh interpreter that runs `code`."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


async def median_ms(call: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def main() -> None:
    sdk = seconds("import mcp.server.lowlevel, mcp.server.stdio, httpx, jsonschema, structlog")
    async with running_app(create_app(demo_world())) as url:
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "mcp_instantly", "serve", "--toolsets", "all", "--server", url, "--log-level", "error"],
            env={"INSTANTLY_API_KEY": KEY},
        )
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            async with Client(server, mode="legacy"):
                times.append(time.perf_counter() - began)
        start = statistics.median(times)
        ratio = start / sdk
        print(f"start to initialize: {start * 1000:.0f} ms, {ratio:.2f} times importing the SDK and the libraries")
        async with Client(server) as client, httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
            began = time.perf_counter()
            tools = await client.list_tools()
            print(f"tools/list of {len(tools.tools)}: {(time.perf_counter() - began) * 1000:.1f} ms")
            raw = await median_ms(lambda: http.get(f"{url}/api/v2/leads/{LEAD}"))
            call = await median_ms(lambda: client.call_tool("get_lead", {"id": LEAD}))
            refused = await median_ms(lambda: client.call_tool("get_lead", {"id": 1}))
            print(f"call: {call:.2f} ms, {call / raw:.2f} times the request alone; refused: {refused:.2f} ms")


if __name__ == "__main__":
    anyio.run(main)
