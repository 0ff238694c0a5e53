"""The quick check of requests never lets through what the slow one would refuse."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mcp_instantly.sandbox.engine.fast_check import compile_check
from mcp_instantly.sandbox.engine.routes import ROUTES
from mcp_instantly.sandbox.engine.shapes import (
    Shape,
    array,
    boolean,
    choice,
    fields,
    integer,
    mapping,
    nullable,
    text,
    uuid,
)

SHAPES: list[Shape] = [
    text(minLength=1, maxLength=3),
    text(pattern="^a"),
    uuid(),
    integer(minimum=1, maximum=3),
    choice(1, 2, 0),
    nullable(choice("a", "b")),
    nullable(boolean()),
    array(integer(), minItems=1, maxItems=2),
    mapping({"type": ["string", "null"]}),
    fields("a", a=text(), b=array(fields("c", c=choice(1)))),
    fields(
        "",
        {"anyOf": [{"required": ["a"]}, {"required": ["b"]}], "minProperties": 2},
    ),
    {"oneOf": [text(), uuid()]},
]
VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        1.0,
        2.5,
        4,
        "",
        "a",
        "abcd",
        "b",
        "01991f00-0001-7000-8000-000000000001",
        [],
        [1],
        [1, 2, 3],
    ),
    *(
        [True],
        ["a"],
        {},
        {"a": "x"},
        {"a": 1},
        {"a": None},
        {"a": "x", "b": [{"c": 1}]},
        {"a": "x", "b": [{"c": True}]},
    ),
    *({"a": "x", "b": [{}]}, {"b": 1, "c": 2}, {"c": 1, "d": 2}),
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_the_screen_lets_through_is_valid(shape: Shape) -> None:
    screen, validator = compile_check(shape, {}), Draft202012Validator(shape)
    assert [value for value in VALUES if screen(value) and not validator.is_valid(value)] == []


@pytest.mark.parametrize(
    "shape", [shape for shape in SHAPES if "pattern" not in shape and "oneOf" not in shape], ids=str
)
def test_what_is_valid_passes_the_screen(shape: Shape) -> None:
    checker = Draft202012Validator.FORMAT_CHECKER
    screen, validator = compile_check(shape, {}), Draft202012Validator(shape, format_checker=checker)
    assert [value for value in VALUES if not screen(value) and validator.is_valid(value)] == []


def test_a_thousand_leads_are_screened_without_the_slow_validator() -> None:
    (add,) = [route for route in ROUTES if route.path == "/api/v2/leads/add"]
    assert add.body is not None
    lead = {"email": "a@b.example", "first_name": None, "custom_variables": {"n": 1, "x": None}}
    assert add.body._fits({"campaign_id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02", "leads": [lead]})
