"""The demo workspace's deliverability agent: with one finished run and what it found.

Of what it found about the settings the cause is gone since.
"""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.resources.agents import deliverability_runs as runs
from mcp_instantly.sandbox.resources.agents.deliverability_records import add_agent
from mcp_instantly.sandbox.state.world import World

AGENT, RUN, CYCLE = (
    "de11a001-5d6e-4f70-8b8c-0d1e2f3a4b01",
    "de11a003-5d6e-4f70-8b8c-0d1e2f3a4b01",
    "de11a004-5d6e-4f70-8b8c-0d1e2f3a4b01",
)

UNSUBSCRIBED = "tariq.nowak@brightvault.example"
"""Somebody who was in a second campaign until yesterday."""


def add_deliverability(world: World) -> None:
    senders = [f"{name}@brightpath.example" for name in ("ada", "ben", "chloe")]
    found = {runs.WARMUP: senders[2:], runs.SETTINGS: [UNSUBSCRIBED], runs.BLOCKLIST: senders}
    with world.during(world.now() - dt.timedelta(days=2)):
        agent = add_agent(world, id=AGENT)
        run = {"id": RUN, "agent_id": AGENT, "cycle_id": CYCLE, "status": "completed", "started_at": world.stamp()}
        checks = {check: found.get(check, []) for check in runs.CHECKS}
        kept = world.deliverability_runs.add({**run, "completed_at": world.stamp(), "found": checks})
        for n, (code, names) in enumerate(found.items(), 1):
            runs.add_item(world, agent, kept, code, names, id=f"de11a002-5d6e-4f70-8b8c-0d1e2f3a4b{n:02d}")
    runs.plan_run(world, agent)
