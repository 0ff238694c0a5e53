"""Run by hand: what sixteen tasks cost a model, in calls and in tokens of results.

python tests/benchmarks/tokens.py

Tokens are bytes / 4 of the texts that a client reads. Each task is done three times, in a sandbox of its own: with
plain operations that answer with whole records (`--full`), with plain operations as they are, and with workflows. A
task that did not come out as it was asked for is an error.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import logging
import sys
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx
import structlog
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.worlds import demo
from mcp_instantly.sandbox.worlds.building import fill
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog, select

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.tasks import TASKS, WORKSPACE, Assistant, Task
from tests.conftest import informed

PRESETS = ("core", "default", "all")


class Mode(NamedTuple):
    """How the tasks are done: `whole` records, and with workflows (`flows`)."""

    name: str
    whole: bool
    flows: bool


WHOLE = Mode("whole records", whole=True, flows=False)
SHORT = Mode("short records", whole=False, flows=False)
FLOWS = Mode("workflows", whole=False, flows=True)
MODES = (WHOLE, SHORT, FLOWS)


class Cost(NamedTuple):
    """What a task cost; `flow` tells whether workflows did it."""

    calls: int
    tokens: float
    flow: bool


def fill_world(world: World) -> None:
    """The demo workspace, and beside it what the tasks are about."""
    demo.seed_data(world)
    fill(world, WORKSPACE)


@functools.cache
def prepared_contents() -> bytes:
    """What the workspace begins with: to copy it takes a small part of the time that it takes to build it."""
    return World(seed_data=fill_world).copy_contents()


def fresh_world() -> World:
    world = World()
    world.take_contents(prepared_contents())
    return world


@functools.cache
def world_before() -> World:
    """The workspace as it was before any task, which is only looked at."""
    return fresh_world()


async def cost_of(task: Task, mode: Mode, catalog: Catalog) -> Cost:
    """Do a task, and look whether it was done. Raises Wrong where it was not."""
    world = fresh_world()
    settings = Settings(base_url=SANDBOX_URL, api_key=SANDBOX_KEY, sandbox=True, full=mode.whole)
    selection = select(catalog, toolsets=["all"])
    app = create_app(world)

    def wait(hours: float) -> None:
        world.clock.set(world.now() + dt.timedelta(hours=hours))
        world.run_due()

    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=_no_sleep) as http,
        Client(build_server(invoker := Invoker(selection, http, settings))) as client,
    ):
        tools = {tool["name"]: tool["inputSchema"] for tool in invoker.offered}
        assistant = Assistant(informed(client, selection), tools, whole=mode.whole, flows=mode.flows, wait=wait)
        flow = task.flow is not None and assistant.has(*task.needs)
        await (task.flow if flow and task.flow else task.plain)(assistant)
        wait(hours=1 / 60)  # what was accepted is done by then
    task.check(world, world_before(), assistant)
    return Cost(assistant.calls, assistant.bytes_read / 4, flow)


async def costs() -> dict[str, dict[Mode, Cost]]:
    """What each task costs in each mode."""
    catalog = load_catalog()
    played: dict[str, dict[Mode, Cost]] = {task.name: {} for task in TASKS}
    for task in TASKS:
        for mode in MODES:
            played[task.name][mode] = await cost_of(task, mode, catalog)
    return played


def total(found: dict[str, dict[Mode, Cost]], mode: Mode) -> tuple[int, float]:
    """Calls and tokens of all tasks."""
    return sum(row[mode].calls for row in found.values()), sum(row[mode].tokens for row in found.values())


def definition_tokens(catalog: Catalog, preset: str) -> float:
    """What the tools of a preset take in a model's context."""
    listed = [
        {"name": op.name, "description": op.description, "inputSchema": op.input_schema}
        for op in (catalog.tools[name] for name in catalog.preset(preset))
    ]
    return sum(len(json.dumps(one, separators=(",", ":"), ensure_ascii=False).encode()) for one in listed) / 4


async def _no_sleep(_: float) -> None:
    """Waits between attempts, in no time."""


async def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = await costs()
    print(f"{'calls and tokens of results (bytes / 4)':40}" + "".join(f"{mode.name:>20}" for mode in MODES))
    for name, row in found.items():
        print(f"{name:40}" + "".join(_cell(row[mode].calls, row[mode].tokens, row[mode].flow) for mode in MODES))
    totals = {mode: total(found, mode) for mode in MODES}
    print(f"{'all':40}" + "".join(_cell(*totals[mode]) for mode in MODES))
    calls, tokens = totals[WHOLE]
    for mode in (SHORT, FLOWS):
        fewer, less = totals[mode]
        print(f"{mode.name}: {fewer / calls:.2f} of the calls, {less / tokens:.2f} of the tokens of whole records")
    catalog = load_catalog()
    for preset in PRESETS:
        print(f"definitions of {preset}: {definition_tokens(catalog, preset):,.0f} tokens")


def _cell(calls: int, tokens: float, flow: bool = False) -> str:
    return f"{calls:>8} {tokens:>9,.0f}{' *' if flow else '  '}"


if __name__ == "__main__":
    anyio.run(main)
