"""Tools that carry the arguments of another one, to run it or to say what it would do: they are read as if it were
called by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mcp_instantly.guards.dry_run import DryRun
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.tools.operation import Operation

from .confirming import Desk

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"


def with_nulls(operation: Operation) -> Iterator[dict[str, Any]]:
    """Calls of a tool as frameworks write them, with null for what was left out, at any depth."""
    example = operation.examples[0]
    optional = [
        name for name in operation.input_schema["properties"] if name not in operation.input_schema.get("required", ())
    ]
    yield {**example, **{name: None for name in optional if name not in example}}
    for name in {*operation.narrowing.by, *operation.narrowing.one_of} & set(optional):
        yield {**example, name: None}
    for name, schema in operation.input_schema["properties"].items():
        if schema.get("type") == "object":
            yield {**example, name: {**example.get(name, {}), "plan": None}}


@pytest.fixture
def desk(catalog: Catalog, world: World, settings: Settings) -> Desk:
    return Desk(catalog, world, settings)


async def test_a_null_means_through_a_runner_and_in_a_preview_what_it_means_in_the_call(
    desk: Desk, catalog: Catalog
) -> None:
    refused = set()
    dry: dict[str, Any] = {"guards": [DryRun()], "confirm": "never"}
    async with desk.client(**dry) as plain, desk.client(discovery=True, **dry) as through:
        for name, operation in catalog.operations.items():
            for arguments in () if operation.read_only else with_nulls(operation):
                wanted = await plain.call_tool(name, arguments)
                asked = {"name": name, "arguments": arguments}
                found = await through.call_tool("run_write_tool", asked)
                as_text = await through.call_tool("run_write_tool", {**asked, "arguments": json.dumps(arguments)})
                assert found.content == wanted.content == as_text.content, asked
                if wanted.is_error:
                    refused.add(name)
                    seen = await plain.call_tool("preview_call", {"tool": name, "arguments": arguments})
                    assert seen.content == wanted.content, asked
    assert {"bulk_delete_leads", "move_leads", "bulk_assign_leads", "create_enrichment", "update_lead"} <= refused


async def test_a_null_filter_deletes_nothing_through_a_runner(desk: Desk) -> None:
    everyone = {"campaign_id": CAMPAIGN, "ids": None}
    async with desk.client(discovery=True, confirm="never") as client:
        for arguments in (everyone, json.dumps(everyone)):
            told = await client.call_tool("run_write_tool", {"name": "bulk_delete_leads", "arguments": arguments})
            assert told.is_error and "ids: null picks nothing" in told.content[0].text
    assert desk.writes() == []
