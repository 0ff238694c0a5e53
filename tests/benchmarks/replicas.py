"""Run by hand: what three replicas behind nginx and Redis do under load, while one of them and Redis are killed.

python tests/benchmarks/replicas.py [--calls 3000] [--callers 60] [--record]

What deploy/ starts in containers is started from this machine's binaries, before a sandbox that enforces the limits.
Callers make lists of leads with a name of their own each, and never make a call a second time. After a quarter of the
calls a replica is killed, after half of them Redis; nothing takes their place. Then each list is looked up in the
sandbox. The budget is 100 calls a second. Without Redis each replica keeps to a quarter of it, since there may be four:
the two that are left then make 50 calls a second, which is the time that is printed beside.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parent.parent.parent))

from tests.benchmarks import figures
from tests.benchmarks.budgets import PER_SECOND, statuses
from tests.deployment import Deployment, Load, deployed, lists_in
from tests.many import sandbox_of_many

ALONE = 0.5
"""Of the budget, what two replicas use without Redis."""


async def kill(running: Deployment, load: Load, calls: int) -> None:
    """Kill a replica after a quarter of the calls, and Redis after half of them."""
    for share, process in ((0.25, running.replicas[0]), (0.5, running.redis)):
        while len(load.answered) < share * calls:
            await anyio.sleep(0.005)
        process.kill()


async def measure(running: Deployment, calls: int, callers: int) -> tuple[Load, float]:
    """The calls that were made, and the seconds that they took."""
    load = Load(running.url)
    began = time.monotonic()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill, running, load, calls)
        await load.run_until(calls, callers)
    return load, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--callers", type=int, default=60)
    figures.add_option(parser)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        api = stack.enter_context(sandbox_of_many(folder, "--budgets"))
        running = stack.enter_context(deployed(folder, api))
        load, took = asyncio.run(measure(running, given.calls, given.callers))
        names = Counter(asyncio.run(lists_in(api)))
        refused = statuses(api.rstrip("/"))[429]
    lost = len({*load.answered} - {*names})
    twice = sum(count > 1 for count in names.values())
    half = given.calls / 2 / PER_SECOND
    least = half - 1 + half / ALONE
    result = (
        f"Three replicas behind nginx, one of them killed under load, and then Redis: of {len(load.asked):,} calls "
        f"{len(load.answered):,} answered, {len(load.others):,} ended with the replica that was killed; {lost:,} of "
        f"the answered lost, {twice:,} made twice, {refused:,} refused with 429; {took:.1f} s, where the budget allows "
        f"{least:.1f} s"
    )
    print(result)
    print(f"statuses of the calls that were not answered (0: none): {dict(Counter(load.others))}")
    if given.record:
        figures.record(result)


if __name__ == "__main__":
    main()
