"""Run by hand: how well the API's rate limits are filled, and whether any request is refused.

python tests/benchmarks/budgets.py [--calls 6000] [--redis] [--record]

The sandbox listens on a port and enforces the limits; `mcp-instantly serve` is a process of its own, and is called in
frames on its stdin, which costs the least. The budget is 100 calls a second, so that N calls take N / 100 - 1 seconds
at least: the first hundred need no time. With --redis, three servers share one budget through a Redis that is started
for it; a call then counts from its response on (docs/budgets.md). A machine that cannot make 100 calls a second is told
by the processor time, which is printed beside.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from mcp_instantly.sandbox import KEY
from tests.benchmarks import figures
from tests.redis_server import running_redis

PER_SECOND = 100
AT_ONCE = 150
"""Calls that wait at once: more than the budget of a second."""

TARGET = 1.02

HELLO: dict[str, Any] = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
CALL = {"name": "count_unread_emails", "arguments": {}}


class Server:
    """`mcp-instantly serve` on stdio, and the frames to and from it."""

    def __init__(self, process: asyncio.subprocess.Process):
        self._process = process
        self._ids = itertools.count(1)

    @classmethod
    async def start(cls, *options: str, log: Path) -> Server:
        command = [sys.executable, "-m", "mcp_instantly", "serve", "--toolsets", "all", *options]
        with log.open("w") as errors:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "INSTANTLY_API_KEY": KEY},
            )
        server = cls(process)
        server.ask("initialize", HELLO)
        await server.answer()
        server._write({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return server

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    def ask(self, method: str, parameters: dict[str, Any]) -> None:
        self._write({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": parameters})

    async def answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())

    async def call(self, left: Iterator[int], at_once: int, found: Counter[str]) -> None:
        """Make calls as long as there are some left, so many at once."""
        under_way = 0
        for _ in itertools.islice(left, at_once):
            self.ask("tools/call", CALL)
            under_way += 1
        while under_way:
            answer = await self.answer()
            result = answer.get("result", {})
            found["answered" if result and not result.get("isError") else json.dumps(answer)] += 1
            under_way -= 1
            for _ in itertools.islice(left, 1):
                self.ask("tools/call", CALL)
                under_way += 1

    async def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()


async def measure(count: int, calls: int, *options: str, folder: Path) -> tuple[float, Counter[str]]:
    """Call through so many servers; the seconds that it took, and the answers by kind."""
    found: Counter[str] = Counter()
    servers = [await Server.start(*options, log=folder / f"log {place}") for place in range(count)]
    left = iter(range(calls))
    began = time.monotonic()
    await asyncio.gather(*(server.call(left, AT_ONCE // count, found) for server in servers))
    took = time.monotonic() - began
    for server in servers:
        await server.end()
    return took, found


@contextlib.contextmanager
def sandbox_on_a_port() -> Iterator[str]:
    """The origin of a sandbox in a process of its own."""
    command = [sys.executable, "-m", "mcp_instantly", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"(http://[^\s/]+)/api/v2", process.stderr.readline())
        assert found, "the sandbox did not start"
        try:
            yield found[1]
        finally:
            process.terminate()


def statuses(origin: str) -> Counter[int]:
    """What the sandbox has answered."""
    requests: list[dict[str, Any]] = httpx.get(f"{origin}/_sandbox/requests", timeout=60).json()["items"]
    return Counter(request["status"] for request in requests)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--redis", action="store_true")
    figures.add_option(parser)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        origin = stack.enter_context(sandbox_on_a_port())
        options = ["--server", origin]
        if given.redis:
            options += ["--redis", stack.enter_context(running_redis(folder)).url, "--replicas", "3"]
        count = 3 if given.redis else 1
        took, found = asyncio.run(measure(count, given.calls, *options, folder=folder))
        least = given.calls / PER_SECOND - 1
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"{given.calls:,} calls through {count} server(s): {took:.2f} s; the budget allows {least:.2f} s")
        print(f"ratio {took / least:.4f}, target {TARGET}; {dict(found)}; answers by status: {dict(statuses(origin))}")
        print(
            f"the servers used the processor for {usage.ru_utime + usage.ru_stime:.1f} s; load {os.getloadavg()[0]:.1f}"
        )
        warnings = [line for log in folder.glob("log *") for line in log.read_text().splitlines() if "budget_" in line]
        print(*warnings, sep="\n")
        if given.record:
            refused = statuses(origin)[429]
            through = "three servers that share a budget in Redis" if given.redis else "one server"
            figures.record(
                f"{given.calls:,} calls through {through} and an enforcing sandbox: {100 * (took / least - 1):.1f} % "
                f"above the time that the rate limit allows, {refused or 'no'} 429"
            )


if __name__ == "__main__":
    main()
