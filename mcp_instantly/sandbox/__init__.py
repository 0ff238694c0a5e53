"""An Instantly of its own: the API v2 as a stateful Starlette application, for demos and tests.

Nothing in here is imported from the rest of the package, and nothing is derived from the tool schemas: the sandbox
is written by hand from what is known of the API, so that it can disagree with them.

The way of a request: origins.py (no pages of other sites), gate.py (one after the other, faults, the journal), app.py
(key, route, shape), a file for each resource, and table.py for what it keeps. world.py is one workspace with its
agenda, realm.py all of them.

The way of a letter: flows.py knows who is next in line; sending.py, at every tick of a campaign or subsequence, who may
send now. It asks timetable.py for the windows, routing.py who writes to whom, sender_limits.py and company_limits.py
how many letters a day there are; bounce_protection.py and variant_choice.py learn from earlier ones. letters.py writes
the letter, reactions.py has its reader react, and happenings.py tells the analytics of both.
"""

from __future__ import annotations

from pathlib import Path

from mcp_instantly.sandbox.app import create_app
from mcp_instantly.sandbox.engine.gate import Gate
from mcp_instantly.sandbox.state.clock import Clock
from mcp_instantly.sandbox.state.world import KEY, World
from mcp_instantly.sandbox.testing import Sandbox
from mcp_instantly.sandbox.worlds.scenarios import build_realm

__all__ = ["KEY", "Clock", "Sandbox", "World", "create_app", "demo_world", "open_sandbox"]


def demo_world(seed: int = 1, *, running: bool = False) -> World:
    """A world with the demo workspace in it; with `running`, its clock runs with real time."""
    from mcp_instantly.sandbox.worlds.demo import seed_data

    return World(seed, clock=Clock(running=running), seed_data=seed_data)


def open_sandbox(
    scenario: str = "demo",
    *,
    seed: int = 1,
    state: Path | None = None,
    running: bool = True,
    budgets: bool = False,
    patience: float = 0.0,
) -> Gate:
    """The application over a scenario's world, kept in the file `state` if there is one. Raises ValueError.

    A file that holds a world already is opened as it was left, whatever scenario and seed are given. `patience` is for
    how many seconds to wait while another process has it open.
    """
    clock = Clock(running=running)
    if state is None:
        realm = build_realm(scenario, seed, clock=clock)
        realm.budgets = budgets
        return create_app(realm)
    from mcp_instantly.sandbox.storage.journal import Journal

    return Journal(state, patience).open(scenario, seed, clock, budgets=budgets)
