"""Every tool, with every example, through client, server and sandbox: what its neighbours then show.

A tool that writes changes what they answer, in the way its example says; a tool that reads shows what they wrote. What
is to be seen of each tool stands in the modules of `effects`.
"""

from __future__ import annotations

import importlib

import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog

from .effects import MODULES
from .effects.observer import EFFECTS, Observer

pytestmark = pytest.mark.anyio

for module in MODULES:
    importlib.import_module(f"{__package__}.effects.{module}")

OPERATIONS = load_catalog().operations
EXAMPLES = [(name, number) for name, op in OPERATIONS.items() for number in range(len(op.examples))]


def test_every_tool_has_its_effect_and_every_effect_its_tool() -> None:
    assert set(EFFECTS) == set(OPERATIONS)
    assert all(op.examples for op in OPERATIONS.values())


@pytest.mark.parametrize(("name", "number"), EXAMPLES, ids=[f"{name}-{number}" for name, number in EXAMPLES])
async def test_the_neighbours_of_a_tool_show_what_it_did(
    world: World, catalog: Catalog, settings: Settings, name: str, number: int
) -> None:
    operation = OPERATIONS[name]
    async with Observer(world, catalog, settings, operation, operation.examples[number]).connected() as see:
        await EFFECTS[name](see)
    assert see.acted
    assert see.neighbours - {name}
