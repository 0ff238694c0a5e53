"""The demo workspace's deliverability agent: paused, with one finished run and what it found."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.resources.agents import deliverability_runs as runs
from mcp_instantly.sandbox.resources.agents.deliverability_records import add_agent
from mcp_instantly.sandbox.resources.agents.kinds import INACTIVE
from mcp_instantly.sandbox.state.world import World

AGENT, RUN, CYCLE = (
    "de11a001-5d6e-4f70-8b8c-0d1e2f3a4b01",
    "de11a003-5d6e-4f70-8b8c-0d1e2f3a4b01",
    "de11a004-5d6e-4f70-8b8c-0d1e2f3a4b01",
)


def add_deliverability(world: World) -> None:
    senders = [f"{name}@brightpath.example" for name in ("ada", "ben", "chloe")]
    found = {runs.WARMUP: senders[2:], runs.SETTINGS: ["add_unsub_to_block"], runs.BLOCKLIST: senders}
    with world.during(world.now() - dt.timedelta(days=2)):
        agent = add_agent(world, id=AGENT, status=INACTIVE)
        run = {"id": RUN, "agent_id": AGENT, "cycle_id": CYCLE, "status": "completed", "started_at": world.stamp()}
        checks = {check: found.get(check, []) for check in runs.CHECKS}
        kept = world.deliverability_runs.add({**run, "completed_at": world.stamp(), "found": checks})
        for n, (code, names) in enumerate(found.items(), 1):
            runs.add_item(world, agent, kept, code, names, id=f"de11a002-5d6e-4f70-8b8c-0d1e2f3a4b{n:02d}")
