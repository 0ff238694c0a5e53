"""Run by hand: what three replicas behind nginx and Redis do under load, while one of them and Redis are killed.

python tests/benchmarks/replicas.py [--calls 3000] [--callers 60] [--record]

What deploy/ starts in containers is started from this machine's binaries, before a sandbox that enforces the limits.
Callers make lists of leads with a name of their own each, and never make a call a second time. After a quarter of the
calls a replica is killed, after half of them Redis; nothing takes their place. Then each list is looked up in the
sandbox. The budget is 100 calls a second. Without Redis each of the two that are left keeps to a quarter of it, since
there may be four, and takes the minute before for one in which the budget was used evenly.
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
from tests.benchmarks.budgets import PER_SECOND, sandbox_on_a_port, statuses
from tests.deployment import Deployment, Load, deployed, lists_in

RUN_SECONDS = 900.0
"""For which a run may last."""


async def kill(running: Deployment, load: Load, calls: int, times: list[float]) -> None:
    """Kill a replica after a quarter of the calls, and Redis after half of them, which is one of the times."""
    for share, process in ((0.25, running.replicas[0]), (0.5, running.redis)):
        while len(load.answered) < share * calls:
            await anyio.sleep(0.005)
        process.kill()
    times.append(time.monotonic())


async def measure(running: Deployment, calls: int, callers: int) -> tuple[Load, float, float]:
    """The calls that were made, and the seconds that those with Redis took and those without."""
    load = Load(running.url)
    times = [time.monotonic()]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill, running, load, calls, times)
        await load.run_until(calls, callers)
    began, killed = times
    return load, killed - began, time.monotonic() - killed


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--callers", type=int, default=60)
    figures.add_option(parser)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        origin = stack.enter_context(sandbox_on_a_port())
        running = stack.enter_context(deployed(folder, f"{origin}/", RUN_SECONDS))
        load, with_redis, without = asyncio.run(measure(running, given.calls, given.callers))
        names = Counter(asyncio.run(lists_in(f"{origin}/")))
        refused = statuses(origin)[429]
    lost = len({*load.answered} - {*names})
    twice = sum(names[name] > 1 for name in load.asked)
    half = given.calls // 2
    result = (
        f"Three replicas behind nginx, one killed under load, then Redis too: of {len(load.asked):,} calls "
        f"{len(load.answered):,} answered, {len(load.others):,} ended with the replica; {lost or 'none'} of the "
        f"answered lost, {twice or 'none'} made twice, {refused or 'none'} refused with 429. The first {half:,} took "
        f"{with_redis:.1f} s, and the rate limit allows {half / PER_SECOND - 1:.1f} s; without Redis it was "
        f"{half / without:.0f} a second"
    )
    print(result)
    print(f"statuses of the calls that were not answered (0: none): {dict(Counter(load.others))}")
    if given.record:
        figures.record(result)


if __name__ == "__main__":
    main()
