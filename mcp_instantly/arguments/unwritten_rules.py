"""What no schema says of arguments, and what the API would take all the same and misunderstand."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from mcp_instantly.arguments.explanations import is_cleared, path_of
from mcp_instantly.arguments.schema import Schema, branches_of, takes
from mcp_instantly.suggestions import misspelt
from mcp_instantly.tools.operation import CLEAR, Operation
from mcp_instantly.tools.schema_paths import values_at

RANGES = (
    ("start_date", "end_date"),
    ("date_from", "date_to"),
    ("previous_date_from", "previous_date_to"),
    ("from", "to"),
    ("min_timestamp_created", "max_timestamp_created"),
)
"""Names of the two ends of a range of dates; the API takes one that ends before it starts, and finds nothing."""

RANGE_STARTS = frozenset(first for first, _ in RANGES)

ENDS_AT_MIDNIGHT = "/api/v2/campaigns/analytics"
"""Where the paths begin of operations for which a mere end_date is the first instant of that day, which is left out."""

RAW_AMPERSAND = re.compile(r"&(?!#\d+;|#x[0-9a-f]+;|[a-z][a-z0-9]*;)", re.IGNORECASE)
"""In the body of a step of a sequence, for which Instantly empties the whole body, and tells of a success."""

BODIES = "sequences[].steps[].variants[].body"


def reversed_ranges(arguments: dict[str, Any], path: str) -> Iterator[str]:
    """Ranges of dates that end before they start; `path` is what stands before the names, with a dot."""
    for first, last in RANGES:
        if first not in arguments or last not in arguments:
            continue
        start, end = arguments[first], arguments[last]
        # Of two dates of the same form the earlier one sorts first.
        if all(isinstance(one, str) and re.match(r"\d{4}-\d\d-\d\d", one) for one in (start, end)):
            days = (str(start)[:10], str(end)[:10])
            if days[0] > days[1]:
                yield f"{path}{last}: {days[1]} is before {first}, {days[0]}."
    for name in ("campaign_schedule", "subsequence_schedule", "schedule"):
        if isinstance(arguments.get(name), dict):
            yield from reversed_ranges(arguments[name], f"{name}.")


def empty_day(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    """A range that ends with the first instant of its only day, which the API may count as zero."""
    start, end = str(arguments.get("start_date")), arguments.get("end_date")
    # Of another zone, the start may lie on the day before.
    in_utc = start == end or start.endswith("Z")
    if operation.path.startswith(ENDS_AT_MIDNIGHT) and start[:10] == end and in_utc:
        yield f"end_date: {end} is the day's first instant, which may count nothing: for all of it, add T23:59:59.999Z."


def raw_ampersands(arguments: dict[str, Any]) -> Iterator[str]:
    """Bodies that Instantly would empty."""
    for path, body in values_at(arguments, BODIES):
        if isinstance(body, str) and RAW_AMPERSAND.search(body):
            yield f"{path}: has a raw &, for which Instantly empties the whole body: write &amp;, in links too."


def misspelt_names(value: Any, schema: Schema, path: tuple[Any, ...]) -> Iterator[str]:
    """Names in nested objects that are almost those the API knows: it would ignore them without a word."""
    for branch in branches_of(schema):
        if isinstance(value, dict) and takes(branch, "object"):
            known = branch.get("properties", {})
            for name, item in value.items():
                if name in known:
                    yield from misspelt_names(item, known[name], (*path, name))
                elif known and path and branch.get("additionalProperties") is None:
                    meant = misspelt(name, list(known))
                    if meant:
                        yield f"{path_of((*path, name))}: unknown. Did you mean {meant}?"
        elif isinstance(value, list) and takes(branch, "array"):
            for place, item in enumerate(value):
                yield from misspelt_names(item, branch.get("items", {}), (*path, place))


def null_items(value: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """Nulls in arrays, which nobody means: a framework that leaves out an argument leaves out all of it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from null_items(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if item is None:
                yield f"{path_of((*path, place))}: null is not an item; leave it out."
            yield from null_items(item, (*path, place))


def cleared_and_given(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    """Fields that a call sets and empties."""
    for name in operation.clearable:
        if _is_given(name, arguments) and is_cleared(name, arguments):
            yield f"{name}: is given and named in {CLEAR}; do one of the two."


def emptied(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with an empty list or object for each field that `clear` names and that cannot be null."""
    named = [name for name in operation.emptied if is_cleared(name, arguments)]
    if not named:
        return arguments
    known = operation.full_schema["properties"]
    values: dict[str, Any] = {name: [] if takes(known[name], "array") else {} for name in named}
    left = [name for name in arguments[CLEAR] if name not in named]
    return {
        **{name: value for name, value in arguments.items() if name != CLEAR},
        **values,
        **({CLEAR: left} if left else {}),
    }


def _is_given(path: str, arguments: dict[str, Any]) -> bool:
    value: Any = arguments
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def unsendable(value: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """What Python holds and JSON in UTF-8 cannot carry: Infinity, NaN, and halves of surrogate pairs."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{path_of(path)}: must be a finite number."
    elif isinstance(value, str) and _has_unpaired_surrogate(value):
        yield f"{path_of(path)}: contains an unpaired surrogate; send valid Unicode."
    elif isinstance(value, dict):
        for name, item in value.items():
            if _has_unpaired_surrogate(name):
                yield f'"{path_of((*path, name))}": contains an unpaired surrogate; send valid Unicode.'
            yield from unsendable(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from unsendable(item, (*path, place))


def _has_unpaired_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
