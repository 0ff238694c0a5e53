"""What the tools cost in a model's context: name, description and input schema as compact JSON, bytes / 4."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.tools.operation import Operation

LARGE = {
    "create_campaign": "the only place where schedules and sequences are written out",
    "create_inbox_placement_test": "schedules, automations and recipient groups are written out here alone",
    "start_job": "what each kind of job takes is written out here alone",
    "create_subsequence": "conditions, schedules and sequences, in a toolset that can stand alone",
}


class Budget(NamedTuple):
    """`most_tools` (None: as many as there are) of `mean_tokens` each, on an average."""

    mean_tokens: int
    most_tools: int | None


BUDGETS = {
    "core": Budget(210, 40),  # Cursor takes 40 tools
    "default": Budget(190, 100),  # VS Code takes 128, those of other servers among them
    "all": Budget(160, None),
}


def tokens(operation: Operation) -> float:
    tool = {"name": operation.name, "description": operation.description, "inputSchema": operation.input_schema}
    return len(json.dumps(tool, separators=(",", ":"), ensure_ascii=False).encode()) / 4


@pytest.mark.parametrize("preset", BUDGETS)
def test_a_preset_fits_its_budget(
    catalog: Catalog, preset: str, record_property: Callable[[str, object], None]
) -> None:
    names, budget = catalog.preset(preset), BUDGETS[preset]
    most_tools = budget.most_tools or len(catalog.tools)
    size = sum(tokens(catalog.tools[name]) for name in names)
    record_property(f"size of {preset}", f"{len(names)} tools, {size:,.0f} tokens")
    assert len(names) <= most_tools, f"take a toolset or a tool out of {preset} in tool_schemas/toolsets.json"
    assert size <= most_tools * budget.mean_tokens, f"{preset} has {size:,.0f} tokens: shorten what its tools say"


def test_a_single_tool_is_small_but_for_the_named_ones(catalog: Catalog) -> None:
    assert {op.name for op in catalog.tools.values() if tokens(op) > 700} == set(LARGE)


def test_a_preset_is_part_of_the_next_larger_one(catalog: Catalog) -> None:
    assert set(catalog.preset("core")) < set(catalog.preset("default")) < set(catalog.preset("all"))
    assert set(catalog.preset("all")) == set(catalog.tools)
