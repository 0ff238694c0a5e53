"""Every tool, through client, server and sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from .cases import for_each
from .conftest import Connect, answer_of

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())


@for_each("operation", OPERATIONS)
async def test_an_unknown_argument_is_refused_with_nothing_sent(
    connect: Connect, world: World, operation: Operation
) -> None:
    async with connect(tools=[operation.name]) as client:
        result = await client.call_tool(operation.name, {**operation.examples[0], "no_such_argument": 1})
    assert result.is_error
    assert "no_such_argument: unknown." in result.content[0].text
    assert world.requests == []


@for_each("operation", OPERATIONS)
async def test_a_missing_argument_is_refused_with_nothing_sent(
    connect: Connect, world: World, operation: Operation
) -> None:
    async with connect(tools=[operation.name]) as client:
        for name in operation.input_schema.get("required", ()):
            given = {key: value for key, value in operation.examples[0].items() if key != name}
            result = await client.call_tool(operation.name, given)
            assert result.is_error
            assert f"{name}: missing" in result.content[0].text
    assert world.requests == []


async def test_reads_change_nothing(connect: Connect, world: World) -> None:
    """What a read-only tool answers is the same when it is asked again."""
    reads = [op for op in OPERATIONS if op.read_only]
    assert reads
    async with connect(toolsets=["all"]) as client:
        first = [await client.call_tool(op.name, op.examples[0]) for op in reads]
        again: list[Any] = [await client.call_tool(op.name, op.examples[0]) for op in reads]
    assert [answer_of(result) for result in first] == [answer_of(result) for result in again]
