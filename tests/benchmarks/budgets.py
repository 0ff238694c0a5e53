"""Run by hand: how well the API's rate limits are filled, and whether any request is refused.

python tests/benchmarks/budgets.py [--calls 6000] [--redis]

The sandbox listens on a port and enforces the limits; `mcp-instantly serve` is a process of its own and is called over
HTTP. The budget is 100 calls a second, so that N calls take N / 100 - 1 seconds at least: the first hundred need no
time. With --redis, three servers share one budget through a Redis that is started for it.
"""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio
import httpx
from mcp import Client

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from mcp_instantly.sandbox import KEY
from tests.conftest import served
from tests.redis_server import running_redis

PER_SECOND = 100
AT_ONCE = 150
"""Calls that wait at once: more than the budget of a second."""

TARGET = 1.02


async def ask(urls: list[str], calls: int) -> tuple[float, Counter[str]]:
    """Call through these servers in turn; the seconds that it took, and the answers by kind."""
    found: Counter[str] = Counter()
    left = iter(range(calls))
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(Client(f"{url.rstrip('/')}")) for url in urls]

        async def work(client: Client) -> None:
            for _ in left:
                result = await client.call_tool("count_unread_emails", {})
                found["refused" if result.is_error else "answered"] += 1
                if result.is_error:
                    found[result.content[0].text] += 1  # type: ignore[union-attr]

        for client in clients:
            await client.list_tools()
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for place in range(AT_ONCE):
                tasks.start_soon(work, clients[place % len(clients)])
        return time.monotonic() - began, found


def drain(lines: Iterable[str]) -> None:
    with contextlib.suppress(ValueError):
        for line in lines:
            if '"level": "warning"' in line:
                print(line, end="")


def statuses(sandbox: str) -> Counter[int]:
    """What the sandbox has answered."""
    origin = sandbox.removesuffix("/api/v2")
    requests: list[dict[str, Any]] = httpx.get(f"{origin}/_sandbox/requests", timeout=60).json()["items"]
    return Counter(request["status"] for request in requests)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--redis", action="store_true")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _, sandbox = stack.enter_context(served("sandbox"))
        options = ["--server", sandbox.removesuffix("/api/v2")]
        if given.redis:
            options += ["--redis", stack.enter_context(running_redis(folder)).url]
        urls = []
        for _ in range(3 if given.redis else 1):
            server = ["serve", "--transport", "http", "--toolsets", "all", *options]
            process, url = stack.enter_context(served(*server, INSTANTLY_API_KEY=KEY))
            # Nobody reads the log, and a full pipe would stop the server.
            threading.Thread(target=drain, args=[process.stderr], daemon=True).start()
            urls.append(url)
        took, found = anyio.run(ask, urls, given.calls)
        least = given.calls / PER_SECOND - 1
        print(f"{given.calls:,} calls through {len(urls)} server(s): {took:.2f} s, the budget allows {least:.2f} s")
        print(
            f"ratio {took / least:.4f}, target {TARGET}; {dict(found)}; the sandbox answered {dict(statuses(sandbox))}"
        )


if __name__ == "__main__":
    try:
        main()
    except subprocess.SubprocessError as error:
        sys.exit(str(error))
