"""What sixteen tasks cost a model, and that they come out right: tests/benchmarks/tokens.py, once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from mcp_instantly.tools.catalog import Catalog

from .benchmarks.tasks import TASKS, Assistant, Task, Wrong
from .benchmarks.tokens import FLOWS, SHORT, WHOLE, cost_of, costs, total

pytestmark = pytest.mark.anyio

CEILINGS = {SHORT: (1.0, 1 / 2), FLOWS: (1 / 3, 1 / 3)}
"""What the tasks may cost in each mode, as shares of the calls and of the tokens that whole records cost."""


async def test_the_jobs_come_out_right_for_a_share_of_what_they_cost_with_whole_records(
    record_property: Callable[[str, object], None],
) -> None:
    played = await costs()
    calls, tokens = total(played, WHOLE)
    for mode, (most_calls, most_tokens) in CEILINGS.items():
        fewer, less = total(played, mode)
        record_property(f"{mode.name}", f"{fewer} of {calls} calls, {less:,.0f} of {tokens:,.0f} tokens")
        assert fewer / calls <= most_calls, mode.name
        assert less / tokens <= most_tokens, mode.name


async def nothing(_: Assistant) -> None:
    """A script that does nothing, which costs nothing."""


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
async def test_a_cheap_run_that_does_not_do_the_job_is_found_out(catalog: Catalog, task: Task) -> None:
    with pytest.raises(Wrong):
        await cost_of(dataclasses.replace(task, plain=nothing), SHORT, catalog)
