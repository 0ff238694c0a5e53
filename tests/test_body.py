"""Bodies of answers: bounded, whole, and parsed without keeping other work waiting."""

from __future__ import annotations

import json
import threading

import pytest

from mcp_instantly.body import parse_json

RECORDS = json.dumps({"items": [{"id": number, "text": "x" * 100} for number in range(60_000)]})


@pytest.mark.parametrize("in_thread", [False, True])
def test_both_ways_of_parsing_find_the_same(in_thread: bool) -> None:
    assert parse_json('{"a": [{"b": 1e999, "c": NaN}, "x"], "d": {}}', in_thread=in_thread) == {
        "a": [{"b": None, "c": None}, "x"],
        "d": {},
    }
    assert parse_json(RECORDS, in_thread=in_thread) == json.loads(RECORDS)


def test_other_work_goes_on_while_a_long_answer_is_parsed() -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(parse_json(RECORDS, in_thread=True)))
    thread.start()
    turns = 0
    while thread.is_alive():
        thread.join(0.001)
        turns += 1
    assert len(found[0]["items"]) == 60_000
    # A parser that held on to the interpreter would leave one turn, its last.
    assert turns > 1
