"""Calls through all that can go wrong, on a clock that nobody waits for; tests/benchmarks/faults.py makes more."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import anyio
import pytest

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.reconciliation import OVERTIME_SECONDS, Reconcile
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox.engine.faults import FAULT_KINDS
from mcp_instantly.sandbox.testing import Sandbox
from mcp_instantly.settings import CALL_TIMEOUT_SECONDS, Settings
from mcp_instantly.tools.catalog import Catalog, select

from .benchmarks.faults import FAULTS, RATES_OF_THE_WIRE, Loop, lines_of, run_many


def test_among_many_faults_nothing_is_written_twice_or_told_wrongly(
    record_property: Callable[[str, str], None],
) -> None:
    figures = run_many(1_500, seed=3)
    assert set(figures.kinds) == {*FAULT_KINDS, *RATES_OF_THE_WIRE}
    assert {"done", "unknown", "refused", "held", "error", "cancelled"} <= set(figures.said)
    record_property("faults", "; ".join(lines_of(figures)[:2]))


def test_every_fault_of_the_sandbox_is_among_them() -> None:
    assert {kind for fault in FAULTS for kind in fault if kind in FAULT_KINDS} == set(FAULT_KINDS)


@pytest.mark.parametrize("tool", ["create_lead_list", "delete_lead_list"])
def test_to_look_what_became_of_a_write_leaves_time_for_the_answer(
    catalog: Catalog, settings: Settings, tool: str
) -> None:
    """Hosts wait for a minute."""
    late = dataclasses.replace(settings, call_timeout=29)

    async def took() -> float:
        with Sandbox() as sandbox:
            given = (
                {"name": "Slow"} if tool == "create_lead_list" else {"id": next(iter(sandbox.world.lead_lists))["id"]}
            )
            sandbox.faults.add(latency=30, real=True, every=1)
            async with InstantlyClient(late, transport=sandbox.transport) as http:
                guard = Reconcile(catalog.operations, call_timeout=late.call_timeout)
                began = anyio.current_time()
                result = await Invoker(select(catalog, tools=[tool]), http, late, [guard]).invoke(tool, given)
                assert result.error is not None and "Outcome unknown" in result.text
                return anyio.current_time() - began

    assert CALL_TIMEOUT_SECONDS + OVERTIME_SECONDS < 60
    seconds = anyio.run(took, backend_options={"loop_factory": Loop})
    assert 29 <= seconds <= 29 + OVERTIME_SECONDS
