"""Arguments of a call: repaired, and checked against the schema and the rules of its operation."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from mcp_instantly.arguments import narrowing
from mcp_instantly.arguments.array_limits import MAX_PROBLEMS, refuse_long_arrays
from mcp_instantly.arguments.depth import TOO_DEEP
from mcp_instantly.arguments.explanations import Violation, explain, linear, path_of
from mcp_instantly.arguments.quick_check import Test, is_plain, quick_check
from mcp_instantly.arguments.repair import leave_out_unmeant, read_part, repair
from mcp_instantly.arguments.schema import Schema, branches_of, kind_of, takes
from mcp_instantly.arguments.unwritten_rules import (
    RANGE_STARTS,
    cleared_and_given,
    emptied,
    empty_day,
    misspelt_names,
    null_items,
    raw_ampersands,
    reversed_ranges,
    unsendable,
)
from mcp_instantly.errors import InvalidArguments
from mcp_instantly.text import ADDRESS, shorten
from mcp_instantly.tools.operation import Operation
from mcp_instantly.tools.schema_paths import COMMA_SEPARATED, opened, parts_of

STOPPED = "There may be more."
"""Stands among the problems where looking for them was given up."""

_formats = FormatChecker(("date", "uuid"))


@_formats.checks("email")
def _is_address(value: object) -> bool:
    return not isinstance(value, str) or bool(ADDRESS.fullmatch(value))


@_formats.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    # RFC 3339 in the form that Python 3.10 can read too: its fromisoformat knows neither Z nor one-digit fractions.
    if not isinstance(value, str):
        return True
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value)
    return bool(match and dt.datetime.fromisoformat(f"{match[1]}T{match[2]}"))


@_formats.checks("date-or-time", ValueError)
def _is_date_or_time(value: object) -> bool:
    # Times have many forms, of which the documents name none: only what does not begin with a date is surely wrong.
    if not isinstance(value, str):
        return True
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)([Tt ]\d\d.*)?", value)
    return bool(match and dt.date.fromisoformat(match[1]))


@_formats.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+", value))


def check_arguments(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """A copy of the arguments, repaired, if they fit schema and rules. Raises InvalidArguments with every problem."""
    try:
        found = checked_at_once(operation, arguments)
        return checked_thoroughly(operation, arguments) if found is None else found
    except RecursionError:
        # Text that holds JSON is read here, and may be deeper than what it stands in.
        raise InvalidArguments(operation.name, [TOO_DEEP]) from None


def checked_at_once(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any] | None:
    """A copy of the arguments of a read that leave nothing to repair or refuse, as those of most calls do; or None.

    What it tells of them, `checked_thoroughly` would tell too.
    """
    known = operation.input_schema["properties"].keys()
    surely = operation.read_only and arguments.keys() <= known and RANGE_STARTS.isdisjoint(arguments)
    return (
        dict(arguments) if surely and all(map(is_plain, arguments.values())) and _fits(operation, arguments) else None
    )


def checked_thoroughly(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """A copy of the arguments, repaired. Raises InvalidArguments with every problem."""
    refuse_long_arrays(operation, arguments)
    meant = leave_out_unmeant(operation, arguments)
    repaired = narrowing.without_parts_of_nulls(operation, meant, repair(operation, meant))
    repaired = narrowing.leave_out_blanks(operation, repaired)
    refuse_long_arrays(operation, repaired)
    found = itertools.chain(_widening(operation, meant, repaired), _problems(operation, repaired))
    problems = list(itertools.islice(_distinct(found), MAX_PROBLEMS + 1))
    stopped = len(problems) > MAX_PROBLEMS or STOPPED in problems
    problems = [problem for problem in problems[:MAX_PROBLEMS] if problem != STOPPED]
    if problems:
        raise InvalidArguments(operation.name, problems, stopped=stopped)
    return emptied(operation, repaired)


def _widening(operation: Operation, meant: dict[str, Any], repaired: dict[str, Any]) -> Iterator[str]:
    """Nulls in a call about many, and texts that say so: whoever filled one in may have meant to narrow it down."""
    yield from narrowing.nulls(operation, meant, repaired)
    if "bulk" in operation.effects:
        for name, value in meant.items():
            if isinstance(value, str) and name not in repaired:
                yield f'{name}: the text "null" says nothing; leave the argument out, or give what you mean.'


def _distinct(problems: Iterable[str]) -> Iterator[str]:
    """Each problem once, as they come; a name that is wrong in every item of a list is told at the first."""
    seen: set[str] = set()
    for problem in problems:
        path, colon, words = problem.partition(": unknown")
        key = re.sub(r"\[\d+\]", "[]", path) + colon + words if colon else problem
        if key not in seen:
            seen.add(key)
            yield problem


def _problems(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    errors, broken = _errors(operation, arguments)
    stopped = MAX_PROBLEMS in (len(errors), len(broken))
    blank = [*narrowing.refused(operation, arguments), *narrowing.blank_changes(operation, arguments)]
    yield from (sentence for _, sentence in blank)
    yield from cleared_and_given(operation, arguments)
    if not stopped:
        yield from unsendable(arguments, ())
        yield from reversed_ranges(arguments, "")
        yield from empty_day(operation, arguments)
        yield from raw_ampersands(arguments)
        if any(isinstance(value, (dict, list)) for value in arguments.values()):
            yield from null_items(arguments, ())
            yield from misspelt_names(arguments, operation.full_schema, ())
    for error in broken:
        rule: Any = error.schema
        if "description" not in rule or error.validator == "enum":
            # The description of an enum has the labels of its numbers.
            errors.append(_narrow(error))
        elif not blank:
            # Rules between arguments can be kept once none of them is blank.
            yield rule["description"]
    # The rules repeat the schema: where both complain of the same thing, once is enough. And a value of the wrong
    # type breaks every other rule too, as does one that is blank.
    violations = [found for found in map(Violation.of, errors) if not _is_null_item(found)]
    mistyped = {found.path for found in violations if found.word == "type"}
    refused = {name for name, _ in blank}
    seen: set[tuple[Any, ...]] = set()
    for found in violations:
        told = found.path and found.path[0] in refused
        if (found.path, found.word) not in seen and not told and (found.word == "type" or found.path not in mistyped):
            seen.add((found.path, found.word))
            yield from explain(found, operation)
    if stopped:
        yield STOPPED


def _errors(operation: Operation, arguments: dict[str, Any]) -> tuple[list[ValidationError], list[Any]]:
    """What the validators say, of the inputSchema and of the rules; who surely has nothing to say is not asked."""
    schema_fits, rules_fit = (fits(arguments) for fits in quick_checks(operation))
    if schema_fits and rules_fit:
        return [], []
    advertised, rules = compiled(operation)
    errors = () if schema_fits else _sure(operation, advertised.iter_errors(arguments))
    broken = () if rules_fit else _sure(operation, rules.iter_errors(arguments))
    return [_narrow(error) for error in errors], list(broken)


def _fits(operation: Operation, arguments: dict[str, Any]) -> bool:
    schema_fits, rules_fit = quick_checks(operation)
    return schema_fits(arguments) and rules_fit(arguments)


@functools.cache
def quick_checks(operation: Operation) -> tuple[Test, Test]:
    """For each of the validators, a test that is true only of what it would let pass, and of what needs no repair."""
    return quick_check(operation.input_schema, _formats), quick_check(operation.rules, _formats)


def _sure(operation: Operation, errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """The first errors, without those in arguments of which too little is certain to refuse anything."""
    return itertools.islice((error for error in errors if not _is_uncertain(operation, error)), MAX_PROBLEMS)


def _is_uncertain(operation: Operation, error: ValidationError) -> bool:
    path = path_of(error.absolute_path)
    return any(_pattern_of(name).match(path) for name in operation.uncertain)


@functools.cache
def _pattern_of(name: str) -> re.Pattern[str]:
    """What paths of an argument begin with: in `steps[].body` stands a place, in `columns{}.model` any name."""
    begin = re.escape(name).replace(r"\[\]", r"\[\d+\]").replace(r"\{\}", r"\.[^.\[]+")
    return re.compile(rf"{begin}(?![^.\[])")


def warn_of_uncertain(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    """A sentence for each argument that was sent although it departs from what is known, which is uncertain there."""
    if operation.uncertain:
        errors = (error for validator in compiled(operation) for error in validator.iter_errors(arguments))
        doubtful = (Violation.of(_narrow(error)) for error in errors if _is_uncertain(operation, error))
        for sentence in _distinct(said for found in doubtful for said in explain(found, operation)):
            yield f"{sentence} What is known of it is uncertain, so it was sent as it is."


@functools.cache
def compiled(operation: Operation) -> list[Draft202012Validator]:
    """The validators of an operation, of its inputSchema and then of its rules, compiled at first use.

    Moving enums refuse no value but a blank one.
    """
    schemas = (opened(schema, operation.moving) for schema in (operation.input_schema, operation.rules))
    return [_Validator(schema, format_checker=_formats) for schema in schemas]


def _check_pattern(_: Any, pattern: str, value: Any, __: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and not linear(pattern).search(value):
        yield ValidationError(f"{shorten(value)} does not match {pattern}")


def _check_parts(validator: Any, part: Schema, value: Any, _: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and value:
        for text in parts_of(value):
            yield from validator.descend(read_part(text, part), part)


_Validator = extend(Draft202012Validator, {"pattern": _check_pattern, COMMA_SEPARATED: _check_parts})


def _narrow(error: ValidationError) -> ValidationError:
    """The error inside an anyOf or oneOf that says most: the first one of the only branch that can take the value."""
    while error.validator in ("anyOf", "oneOf"):
        branches: Any = error.validator_value
        fitting = [i for i, branch in enumerate(branches) if _takes(branch, error.instance)]
        inside = [child for child in error.context or () if child.schema_path[0] in fitting]
        if len(fitting) != 1 or not inside:
            break
        # The path of a child is relative to its parent; iter_errors joins them only at the top.
        inside[0].parent = error
        error = inside[0]
    return error


def _takes(branch: Schema, value: Any) -> bool:
    return any(takes(option, kind_of(value)) for option in branches_of(branch))


def _is_null_item(violation: Violation) -> bool:
    return violation.value is None and bool(violation.path) and isinstance(violation.path[-1], int)
