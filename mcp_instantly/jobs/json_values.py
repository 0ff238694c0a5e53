"""Values out of files as the text that a cell of a table would have."""

from __future__ import annotations

import datetime
import itertools
import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_instantly.text import as_cell, parse_fault, shorten


class NotText:
    """A value that is not text: bytes that are not UTF-8, a date that no calendar has."""


class _Written(float):
    """A number with the characters in which it was written."""

    text = ""


def _written(text: str) -> _Written:
    number = _Written(text)
    number.text = text
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a name twice")
    return found


_decode = json.JSONDecoder(parse_float=_written, parse_constant=_refuse, object_pairs_hook=_no_name_twice).decode


_HALVES = re.compile("[\ud800-\udfff]")
"""What JSON can say and no encoding can hold."""


def object_of(text: str) -> tuple[dict[str, str], str]:
    """The values of a line, and what is wrong with it."""
    try:
        found = _decode(text.strip())
    except RecursionError:
        return {}, "is nested too deeply"
    except ValueError as error:
        return {}, f"is not JSON ({shorten(parse_fault(error), 100)})"
    if not isinstance(found, dict):
        return {}, "is not a JSON object"
    if not found:
        return {}, "is an empty object"
    values = {name: text_of(value) for name, value in found.items()}
    problem = unkept(values)
    return ({}, problem) if problem else (values, "")


def unkept(values: Mapping[str, str]) -> str:
    """What is wrong with values that no database keeps, "" where nothing is."""
    for part in itertools.chain.from_iterable(values.items()):
        if "\0" in part:
            return "holds a NUL character"
        if not part.isascii() and _HALVES.search(part):
            return "holds half of a character"
    return ""


def text_of(value: Any) -> str:
    """A value as text: "" for none, as it was written for a number, JSON for what is nested."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, _Written):
        return value.text
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode()
    if value is NotText:
        raise ValueError("its bytes are not UTF-8, or beyond what a date can be")
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=text_of)
    return as_cell(value)
