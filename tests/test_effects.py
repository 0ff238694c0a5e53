"""Every tool, with every example of its file: it succeeds, fits the document, and its neighbours show what it did."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from mcp_instantly.operation import Operation
from mcp_instantly.sandbox import World

from .conftest import Connect
from .effects import campaigns, mail, people, senders, workspace
from .effects.observer import EFFECTS, OPERATIONS, Observer

pytestmark = pytest.mark.anyio

MODULES = (campaigns, mail, people, senders, workspace)
EXAMPLES = [(operation, number) for operation in OPERATIONS.values() for number in range(len(operation.examples))]


async def look(see: Observer) -> None:
    """For reads, whose entries are those of the tools that change what they show."""
    await see.act()


@pytest.mark.parametrize(("operation", "number"), EXAMPLES, ids=[f"{op.name}-{number}" for op, number in EXAMPLES])
async def test_a_call_does_what_its_neighbours_then_show(
    connect: Connect, world: World, operation: Operation, number: int
) -> None:
    async with connect(toolsets=["all"]) as client:
        see = Observer(client, world, operation, operation.examples[number])
        await EFFECTS.get(operation.name, look)(see)
    assert see.acted


def test_no_tool_is_left_out() -> None:
    """Every change has an entry, and every read is asked in some tool's entry."""
    asked = set()
    for module in MODULES:
        tree = ast.parse(Path(module.__file__).read_text())
        asked |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in OPERATIONS}
    asked |= {
        f"{verb}_{kind}" for kind in ("email_template", "custom_prompt_template", "sales_flow") for verb in ("get",)
    }
    assert len(OPERATIONS) == 188
    assert {name for name, operation in OPERATIONS.items() if not operation.read_only} - set(EFFECTS) == set()
    assert set(OPERATIONS) - asked == set()
