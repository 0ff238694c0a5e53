"""What the tools cost in a model's context: name, description and input schema as compact JSON, bytes / 4."""

from __future__ import annotations

import json

import pytest

from mcp_instantly.catalog import Catalog
from mcp_instantly.operation import Operation

LARGE = {
    "create_campaign": "the only place where schedules and sequences are written out",
    "create_inbox_placement_test": "schedules, automations and recipient groups are written out here alone",
    "create_subsequence": "conditions, schedules and sequences, in a toolset that can stand alone",
}


def tokens(operation: Operation) -> float:
    tool = {"name": operation.name, "description": operation.description, "inputSchema": operation.input_schema}
    return len(json.dumps(tool, separators=(",", ":"), ensure_ascii=False).encode()) / 4


@pytest.mark.parametrize(
    ("preset", "most_tokens", "most_tools"), [("core", 7_800, 40), ("default", 18_000, 100), ("all", 28_500, 188)]
)
def test_a_preset_fits_its_budget(catalog: Catalog, preset: str, most_tokens: int, most_tools: int) -> None:
    names = catalog.preset(preset)
    size = sum(tokens(catalog.operations[name]) for name in names)
    print(f"{preset}: {len(names)} tools, {size:,.0f} tokens")
    assert len(names) <= most_tools
    assert size <= most_tokens


def test_a_single_tool_is_small_but_for_the_named_ones(catalog: Catalog) -> None:
    assert {op.name for op in catalog.operations.values() if tokens(op) > 700} == set(LARGE)


def test_a_preset_is_part_of_the_next_larger_one(catalog: Catalog) -> None:
    assert set(catalog.preset("core")) < set(catalog.preset("default")) < set(catalog.preset("all"))
    assert len(catalog.preset("all")) == 188
