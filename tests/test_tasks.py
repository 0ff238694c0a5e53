"""What sixteen tasks cost a model, and that they come out right: tests/benchmarks/tokens.py, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from mcp_instantly.tools.catalog import Catalog

from .benchmarks.tasks import TASKS, Assistant, Task, Wrong
from .benchmarks.tokens import FLOWS, SHORT, WHOLE, Cost, Mode, cost_of, total

pytestmark = pytest.mark.anyio

CEILINGS = {SHORT: (1.0, 1 / 2), FLOWS: (1 / 3, 1 / 3)}
"""What the tasks may cost in each mode, as shares of the calls and of the tokens that whole records cost."""


@pytest.mark.parametrize("mode", CEILINGS, ids=[mode.name for mode in CEILINGS])
async def test_the_jobs_come_out_right_for_a_share_of_what_they_cost_with_whole_records(
    catalog: Catalog, mode: Mode, record_property: Callable[[str, object], None]
) -> None:
    played: dict[str, dict[Mode, Cost]] = {task.name: {} for task in TASKS}
    for task in TASKS:
        for one in (WHOLE, mode):
            played[task.name][one] = await cost_of(task, one, catalog)
    (calls, tokens), (most_calls, most_tokens) = total(played, WHOLE), CEILINGS[mode]
    fewer, less = total(played, mode)
    record_property(f"{mode.name}", f"{fewer} of {calls} calls, {less:,.0f} of {tokens:,.0f} tokens")
    assert fewer / calls <= most_calls
    assert less / tokens <= most_tokens


async def nothing(_: Assistant) -> None:
    """A script that does nothing, which costs nothing."""


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
async def test_a_cheap_run_that_does_not_do_the_job_is_found_out(catalog: Catalog, task: Task) -> None:
    with pytest.raises(Wrong):
        await cost_of(dataclasses.replace(task, plain=nothing), SHORT, catalog)
