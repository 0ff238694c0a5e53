"""Inputs that nobody would write, some of them; tests/benchmarks/fuzz.py makes many more."""

from __future__ import annotations

import pytest

from .benchmarks.fuzz import WAYS, Figures


@pytest.mark.parametrize(("way", "count"), [("arguments", 1000), ("stdio", 700), ("http", 400)])
def test_no_input_crashes_the_server_or_goes_without_its_answer(way: str, count: int) -> None:
    figures = Figures()
    WAYS[way](count, 7, figures)
    assert figures.inputs[way] >= count * 0.9
    assert len(figures.ends) > 1
