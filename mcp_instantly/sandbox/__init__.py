"""An in-memory Instantly: the API v2 as a stateful Starlette application, for demos and tests.

Nothing in here is imported from the rest of the package, and nothing is derived from the tool schemas: the sandbox
is written by hand from what is known of the API, so that it can disagree with them.

A folder imports only from those above it in this list:

- state/: what a workspace holds (world, table), its time (clock), and who hears of what happens (events)
- engine/: a request comes in, a response goes out: gate (one at a time, faults, the journal), routes, shapes, keys
- sending/: campaigns at work; directory/: the fictional companies and people of SuperSearch
- resources/: the operations, a folder per family; a module is loaded by being there
- pages/: what a person sees in a browser; worlds/: what a sandbox starts with
- app: the composition root; storage/: a sandbox kept in a file; testing: the sandbox for tests of your own

The way of an email: flows knows who is next in line; dispatch, at every tick of a campaign or subsequence, who may send
now. It asks timetable for the windows, matching who writes to whom, sender_limits and company_limits how many emails a
day there are; bounce_protection and variants learn from earlier ones. emails writes the email, reactions has its reader
react, and engagement counts both for the analytics.
"""

from __future__ import annotations

from pathlib import Path

from mcp_instantly.sandbox.app import create_app
from mcp_instantly.sandbox.engine.auth import is_key
from mcp_instantly.sandbox.engine.gate import Gate
from mcp_instantly.sandbox.state.clock import Clock
from mcp_instantly.sandbox.state.world import KEY, World
from mcp_instantly.sandbox.testing import Sandbox
from mcp_instantly.sandbox.worlds.building import build_workspaces

__all__ = ["KEY", "Clock", "Sandbox", "World", "create_app", "demo_world", "is_key", "open_sandbox"]


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
        workspaces = build_workspaces(scenario, seed, clock=clock)
        workspaces.budgets = budgets
        return create_app(workspaces)
    from mcp_instantly.sandbox.storage.journal import Journal

    return Journal(state, patience).open(scenario, seed, clock, budgets=budgets)
