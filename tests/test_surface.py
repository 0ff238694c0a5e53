"""Every tool, through client, server and sandbox."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.tools.catalog import load_catalog

from .conftest import Connect, answer_of

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())


async def test_reads_change_nothing(connect: Connect, world: World) -> None:
    """What a read-only tool answers is the same when it is asked again."""
    reads = [op for op in OPERATIONS if op.read_only]
    assert reads
    async with connect(toolsets=["all"]) as client:
        first = [await client.call_tool(op.name, op.examples[0]) for op in reads]
        again: list[Any] = [await client.call_tool(op.name, op.examples[0]) for op in reads]
    assert [answer_of(result) for result in first] == [answer_of(result) for result in again]
