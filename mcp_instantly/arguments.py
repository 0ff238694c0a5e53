"""Arguments of a call: repair what hosts double-encode, validate, and say in plain sentences what is wrong."""

from __future__ import annotations

import datetime as dt
import difflib
import functools
import itertools
import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from mcp_instantly import narrowing
from mcp_instantly.errors import TOLD, InvalidArguments
from mcp_instantly.foreign_names import explain_argument
from mcp_instantly.operation import CLEAR, Operation, opened
from mcp_instantly.suggestions import LONGEST_NAME, find_meant, misspelt, opposed, suggest
from mcp_instantly.text import clip, one_line, shorten

Schema = dict[str, Any]

DECODE_DEPTH = 3
"""How many layers of JSON in a string are taken off."""

LISTED = 12
"""Enum values that an error lists with what they mean."""

LISTED_PLAIN = 60
"""Enum values that an error lists without more; of longer lists it names those that are close."""

SCHEDULE_DATES = ("start_date", "end_date")

QUOTED = 60
"""Characters of a value or a name that an error quotes."""

CURSOR = "starting_after"
"""The argument that continues a list. A blank one asks for the beginning, and the API would answer an empty page."""

HOST_ARGUMENTS = frozenset(
    {
        "toolCallId",  # n8n: n8n-io/n8n#21500, #21716, makenotion/notion-mcp-server#146
        "sessionId",  # n8n: n8n-io/n8n#37308
        "task_progress",  # Cline: cline/cline#8256, #9919, #10426; its model repeats a refused call without end
        "_sessionID",  # SiYuan: siyuan-note/siyuan#17927
        "wait_for_previous",  # Gemini CLI: MemPalace/mempalace#322
    }
)
"""Arguments that hosts add to every call. They are dropped where a tool has none of that name; no others are."""

MAX_NAME_CHARACTERS = 60
MAX_PATH_CHARACTERS = 300
"""How much of the names and paths in a call is repeated in an error."""

LABEL = r"(?<![\w.-]){number} ([A-Za-z][A-Za-z' /-]*?)(?=[,.;)]|$)"

_formats = FormatChecker(("date", "email", "uuid"))


@_formats.checks("date-time", ValueError)
def _is_date_time(value: object) -> bool:
    # RFC 3339 in the form that Python 3.10 can read too: its fromisoformat knows neither Z nor one-digit fractions.
    if not isinstance(value, str):
        return True
    match = re.fullmatch(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value)
    return bool(match and dt.datetime.fromisoformat(f"{match[1]}T{match[2]}"))


@_formats.checks("uri")
def _is_uri(value: object) -> bool:
    return not isinstance(value, str) or bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+", value))


def check_arguments(operation: Operation, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments, repaired, if they fit the operation's schema and rules; the original is left as it is.

    Repaired are JSON texts where the schema wants an object, array, number or boolean, and labels of numeric enums.
    Left out is what was not meant as an argument: null at any depth, blank cursors, and what hosts add of their own.
    Raises InvalidArguments with every problem that was found.
    """
    _refuse_long_arrays(operation, arguments)
    known = operation.input_schema["properties"]
    meant = {
        name: value
        for name, value in arguments.items()
        if (name in known or name not in HOST_ARGUMENTS) and not (name == CURSOR and _is_blank(value))
    }
    repaired: dict[str, Any] = _without_blank_dates(_repair(meant, operation.full_schema, DECODE_DEPTH))
    if repaired.get(CLEAR) == [] and CLEAR in operation.extras:
        del repaired[CLEAR]
    _refuse_long_arrays(operation, repaired)
    found = itertools.chain(_widening(operation, meant, repaired), _problems(operation, repaired))
    problems = list(itertools.islice(_distinct(found), TOLD + 1))
    stopped = len(problems) > TOLD or STOPPED in problems
    problems = [problem for problem in problems[:TOLD] if problem != STOPPED]
    if problems:
        raise InvalidArguments(operation.name, problems, stopped=stopped)
    return narrowing.leave_out_blanks(operation, repaired)


def _widening(operation: Operation, meant: dict[str, Any], repaired: dict[str, Any]) -> Iterator[str]:
    """Texts that say null in a call about many: whoever filled one in may have meant to narrow it down."""
    if "bulk" in operation.effects:
        for name, value in meant.items():
            if isinstance(value, str) and name not in repaired:
                yield f'{name}: the text "null" says nothing; leave the argument out, or give what you mean.'


# repair


def _repair(value: Any, schema: Schema, depth: int) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and _takes_only_text(schema):
        return str(value)
    if isinstance(value, str):
        value = _decode(value, schema, depth)
    branches = _branches(schema)
    for branch in branches:
        if isinstance(value, dict) and _takes(branch, "object"):
            properties, other = branch.get("properties", {}), branch.get("additionalProperties")
            other = other if isinstance(other, dict) else {}
            return _given({name: (item, properties.get(name, other)) for name, item in value.items()}, depth)
        if isinstance(value, list) and _takes(branch, "array"):
            if len(value) > branch.get("maxItems", math.inf):
                return value  # It will be refused, whatever its items are.
            # A list of numbers explains them once, in the description of the list.
            items = {"description": schema.get("description", ""), **branch.get("items", {})}
            return [_repair(item, items, depth) for item in value]
    if isinstance(value, dict) and not branches:
        return _given({name: (item, {}) for name, item in value.items()}, depth)
    if isinstance(value, list) and not branches:
        return [_repair(item, {}, depth) for item in value]
    return value


def _given(fields: dict[str, tuple[Any, Schema]], depth: int) -> dict[str, Any]:
    """The fields of an object that were given, repaired. Frameworks write null for what a caller left out."""
    repaired = {name: (_repair(value, schema, depth), schema) for name, (value, schema) in fields.items()}
    return {name: value for name, (value, schema) in repaired.items() if value is not None or _takes_null(schema)}


def _takes_null(schema: Schema) -> bool:
    return any(_takes(branch, "null") for branch in _branches(schema))


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and value.strip().lower() in ("", "null")


def _without_blank_dates(arguments: dict[str, Any]) -> dict[str, Any]:
    """Schedules are read with a blank start_date or end_date where none is set, and written back as they were read."""
    found = dict(arguments)
    for name in ("campaign_schedule", "subsequence_schedule"):
        schedule = arguments.get(name)
        if isinstance(schedule, dict):
            found[name] = {key: value for key, value in schedule.items() if value != "" or key not in SCHEDULE_DATES}
    return found


def _takes_only_text(schema: Schema) -> bool:
    """Whether a whole number can only be meant as the text of it: a phone number, a postal code, a password."""
    branches = _branches(schema)
    return any(_takes(branch, "string") and "format" not in branch for branch in branches) and not any(
        _takes(branch, "number") or _takes(branch, "integer") for branch in branches
    )


def _decode(text: str, schema: Schema, depth: int) -> Any:
    """What a string means where the schema takes no such string; the string itself when it means nothing there."""
    branches = _branches(schema)
    if text.strip().lower() == "null" and branches and not any(_takes_text(branch, text) for branch in branches):
        return None
    if depth == 0 or not branches or any(_takes(branch, "string") for branch in branches):
        return text
    labelled = _labelled(text, schema)
    if labelled is not None:
        return labelled
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = {"true": True, "false": False}.get(text.strip().lower(), text)
    if isinstance(value, str) and value != text:
        value = _decode(value, schema, depth - 1)
    return value if value is None or any(_takes(branch, _kind(value)) for branch in branches) else text


def _takes_text(branch: Schema, text: str) -> bool:
    """Whether a text that says null can be meant as a string: no list, format or pattern rules it out."""
    listed, pattern = branch.get("enum", (text,)), branch.get("pattern", "")
    return _takes(branch, "string") and text in listed and "format" not in branch and bool(re.search(pattern, text))


def _labelled(text: str, schema: Schema) -> Any:
    """The number of a numeric enum that the schema's description calls by this label."""
    wanted = _plain(text)
    for number, label in enum_labels(schema).items():
        if _plain(label) == wanted:
            return number
    return None


def _plain(label: str) -> str:
    return re.sub(r"[\s_/-]+", " ", label).strip().lower()


def enum_labels(schema: Schema) -> dict[float, str]:
    """The labels of a numeric enum, read from its description: `1 active, 2 paused, -1 connection error.`"""
    numbers = [
        number
        for branch in [*_branches(schema), *_branches(schema.get("items", {}))]
        for number in branch.get("enum", ())
        if isinstance(number, (int, float)) and not isinstance(number, bool)
    ]
    found = {}
    for number in numbers:
        match = re.search(LABEL.format(number=re.escape(str(number))), schema.get("description", ""))
        if match:
            found[number] = match[1]
    return found


def _branches(schema: Schema) -> list[Schema]:
    """The alternatives of a schema, itself when it has none; [] for one that says nothing of types."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return [branch for option in options for branch in _branches(option)]
    return [schema] if "type" in schema or "enum" in schema else []


def _kinds(schema: Schema) -> list[str]:
    kinds = schema.get("type", [])
    return kinds if isinstance(kinds, list) else [kinds]


def _takes(schema: Schema, kind: str) -> bool:
    return kind in _kinds(schema) or (kind == "integer" and "number" in _kinds(schema))


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return "integer"
    return {float: "number", str: "string", list: "array", dict: "object"}[type(value)]


# validate

STOPPED = "There may be more."
"""Stands among the problems where looking for them was given up."""

_compiled: dict[str, tuple[Operation, list[Draft202012Validator]]] = {}


def compiled(operation: Operation) -> list[Draft202012Validator]:
    """The validators of an operation, of its inputSchema and then of its rules, compiled at first use.

    Moving enums refuse no value but a blank one.
    """
    known, validators = _compiled.get(operation.name, (None, []))
    if known is not operation:
        schemas = [opened(schema, operation.moving) for schema in (operation.input_schema, operation.rules)]
        validators = [_Validator(schema, format_checker=_formats) for schema in schemas]
        _compiled[operation.name] = operation, validators
    return validators


def _check_pattern(_: Any, pattern: str, value: Any, __: Schema) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _linear(pattern).search(value):
        yield ValidationError(f"{shorten(value)} does not match {pattern}")


_Validator = extend(Draft202012Validator, {"pattern": _check_pattern})


@functools.cache
def _linear(pattern: str) -> re.Pattern[str]:
    """A pattern that finds the same texts in one pass.

    A pattern is searched for anywhere in a text, so that `.*` at either end adds nothing; but it makes the search try
    each place against all that follows: `.*\\S.*` takes seconds on 40,000 blanks, `\\S` no time.
    """
    core = re.sub(r"^(?:\.\*)+(?![?+*{])", "", pattern)
    core = re.sub(r"(?<!\\)(?:\.\*)+$", "", core)
    return re.compile(core)


Limits = dict[str, Any]
"""The part of a schema that bounds arrays: `most` items, and the limits of the `items` or of the `properties`."""

_known_limits: dict[str, tuple[Operation, Limits]] = {}


def _refuse_long_arrays(operation: Operation, arguments: dict[str, Any]) -> None:
    """Refuse arrays of more items than the schema takes, before anything looks at their items."""
    known, limits = _known_limits.get(operation.name, (None, {}))
    if known is not operation:
        limits = _limits(operation.full_schema)
        _known_limits[operation.name] = operation, limits
    problems = list(itertools.islice(_long_arrays(arguments, limits, ""), TOLD))
    if problems:
        raise InvalidArguments(operation.name, problems)


def _limits(schema: Schema) -> Limits:
    found: Limits = {}
    for branch in _branches(schema):
        if "maxItems" in branch:
            found["most"] = branch["maxItems"]
        properties = {name: _limits(child) for name, child in branch.get("properties", {}).items()}
        inside = {
            "items": _limits(branch.get("items", {})),
            "properties": {name: limits for name, limits in properties.items() if limits},
        }
        found.update({key: limits for key, limits in inside.items() if limits})
    return found


def _long_arrays(value: Any, limits: Limits, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in limits.get("properties", {}).items():
            if name in value:
                yield from _long_arrays(value[name], inner, f"{path}.{name}".removeprefix("."))
    elif isinstance(value, list):
        most = limits.get("most", math.inf)
        if len(value) > most:
            yield f"{path}: needs at most {most} items, got {len(value)}; split it over several calls."
        elif "items" in limits:
            for place, item in enumerate(value):
                yield from _long_arrays(item, limits["items"], f"{path}[{place}]")


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
    advertised, rules = compiled(operation)
    errors = [_narrow(error) for error in _sure(operation, advertised.iter_errors(arguments))]
    broken = list(_sure(operation, rules.iter_errors(arguments)))
    stopped = TOLD in (len(errors), len(broken))
    blank = list(narrowing.refused(operation, arguments))
    yield from (sentence for _, sentence in blank)
    yield from _cleared_and_given(operation, arguments)
    if not stopped:
        yield from _unsendable(arguments, ())
        yield from _null_items(arguments, ())
        yield from _reversed_ranges(arguments, "")
        yield from _misspelt(arguments, operation.full_schema, "")
    for error in broken:
        if "description" not in error.schema:
            errors.append(_narrow(error))
        elif not blank:
            # Rules between arguments can be kept once none of them is blank.
            yield error.schema["description"]
    # The rules repeat the schema: where both complain of the same thing, once is enough. And a value of the wrong
    # type breaks every other rule too, as does one that is blank.
    errors = [error for error in errors if not _is_null_item(error)]
    mistyped = {error.json_path for error in errors if error.validator == "type"}
    refused = {name for name, _ in blank}
    seen: set[tuple[str, str]] = set()
    for error in errors:
        key = (error.json_path, str(error.validator))
        told = error.absolute_path and error.absolute_path[0] in refused
        if key not in seen and not told and (error.validator == "type" or error.json_path not in mistyped):
            seen.add(key)
            yield from _sentences(error, operation)
    if stopped:
        yield STOPPED


def _sure(operation: Operation, errors: Iterable[ValidationError]) -> Iterator[ValidationError]:
    """The first errors, without those in arguments of which too little is certain to refuse anything."""
    return itertools.islice((error for error in errors if not _is_uncertain(operation, error)), TOLD)


def _is_uncertain(operation: Operation, error: ValidationError) -> bool:
    path = _path(error.absolute_path)
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
        doubtful = (_narrow(error) for error in errors if _is_uncertain(operation, error))
        for sentence in _distinct(said for error in doubtful for said in _sentences(error, operation)):
            yield f"{sentence} What is known of it is uncertain, so it was sent as it is."


RANGES = (
    ("start_date", "end_date"),
    ("date_from", "date_to"),
    ("previous_date_from", "previous_date_to"),
    ("from", "to"),
    ("min_timestamp_created", "max_timestamp_created"),
)
"""Names of the two ends of a range of dates; the API takes one that ends before it starts, and finds nothing."""


def _reversed_ranges(arguments: dict[str, Any], path: str) -> Iterator[str]:
    for first, last in RANGES:
        start, end = arguments.get(first), arguments.get(last)
        # Of two dates of the same form the earlier one sorts first.
        if all(isinstance(one, str) and re.match(r"\d{4}-\d\d-\d\d", one) for one in (start, end)):
            days = (str(start)[:10], str(end)[:10])
            if days[0] > days[1]:
                yield f"{path}{last}: {days[1]} is before {first}, {days[0]}."
    for name in ("campaign_schedule", "subsequence_schedule", "schedule"):
        if isinstance(arguments.get(name), dict):
            yield from _reversed_ranges(arguments[name], f"{name}.")


def _narrow(error: ValidationError) -> ValidationError:
    """The error inside an anyOf or oneOf that says most: the first one of the only branch that can take the value."""
    while error.validator in ("anyOf", "oneOf"):
        branches = error.validator_value
        fitting = [i for i, branch in enumerate(branches) if _fits(branch, error.instance)]
        inside = [child for child in error.context or () if child.schema_path[0] in fitting]
        if len(fitting) != 1 or not inside:
            break
        # The path of a child is relative to its parent; iter_errors joins them only at the top.
        inside[0].parent = error
        error = inside[0]
    return error


def _fits(branch: Schema, value: Any) -> bool:
    return any(_takes(option, _kind(value)) for option in _branches(branch))


def _sentences(error: ValidationError, operation: Operation) -> Iterator[str]:
    """What is wrong, once for each argument that an error speaks of."""
    schema = operation.full_schema
    path, value, word, wanted = _path(error.absolute_path), error.instance, error.validator, error.validator_value
    prefix = f"{path}." if path else ""
    if word == "required":
        for name in wanted:
            if name not in value and not _is_cleared(name, value):
                known = {**error.schema.get("properties", {}), **_described(schema, error).get("properties", {})}
                expected = _expected(known.get(name, {}))
                reset = "; to empty it, name it in clear" if not path and name in _clearable(schema) else ""
                yield f"{prefix}{name}: missing{expected and f', expected {expected}'}{reset}."
    elif word == "additionalProperties":
        yield from _unknown(operation.name if not path else "", prefix, value, error.schema.get("properties", {}))
    else:
        yield f"{path or 'arguments'}: {_complaint(error, schema)}"


def _unknown(tool: str, prefix: str, given: Collection[str], known: dict[str, Schema]) -> Iterator[str]:
    """What is said of names that are not known: what each means, and once for all others what is known."""
    names = list(itertools.islice((name for name in given if name not in known), TOLD + 1))
    meant = {name: _meant(tool, name, known) for name in names}
    yield from (f"{prefix}{_shown(name)}: unknown.{said}" for name, said in meant.items() if said)
    others = [f"{prefix}{_shown(name)}" for name, said in meant.items() if not said]
    if others:
        more = " and more" if len(names) > TOLD else ""
        listed = f"Known are {', '.join(known)}." if known else "It takes none."
        sunday = " 0 is Sunday." if list(known) == list("0123456") else ""
        yield f"{', '.join(others[:TOLD])}{more}: unknown. {listed}{sunday}"


def _meant(tool: str, name: str, known: dict[str, Schema]) -> str:
    said = explain_argument(tool, name, known)
    return f" {said}" if said else suggest(name, known)


def _complaint(error: ValidationError, schema: Schema) -> str:
    value, word, wanted = error.instance, error.validator, error.validator_value
    got = _quoted(value)
    if word == "enum":
        return _not_listed(value, wanted, _described(schema, error), got)
    if word == "type":
        # What is advertised says less than the full schema does of formats and of the numbers that are known.
        full = _described(schema, error)
        if 0 < len(full.get("enum", ())) <= LISTED:
            return _not_listed(value, full["enum"], full, got)
        return f"expected {_expected(full) or _expected(error.schema)}, got {got}."
    if word in ("anyOf", "oneOf"):
        return f"expected {_expected(error.schema)}, got {got}."
    if word == "pattern" and _linear(str(wanted)).pattern == r"\S":
        return "must not be blank."
    unit = {"Length": "characters", "Items": "items", "Properties": "fields"}.get(str(word)[3:])
    if unit:
        unit = unit[:-1] if wanted == 1 else unit
        return f"needs at {'least' if str(word).startswith('min') else 'most'} {wanted} {unit}."
    plain = {
        "minimum": f"must be at least {wanted}, got {got}.",
        "maximum": f"must be at most {wanted}, got {got}.",
        "exclusiveMinimum": f"must be over {wanted}, got {got}.",
        "exclusiveMaximum": f"must be under {wanted}, got {got}.",
        "format": f"expected {_FORMAT_WORDS.get(str(wanted), wanted)}, got {got}.",
        "pattern": f"{got} does not match {wanted}.",
        "uniqueItems": "the same item stands there twice.",
    }
    return plain.get(str(word), f"{shorten(error.message)}.")


def _quoted(value: Any) -> str:
    """A value as JSON, in one short line, whatever its size; characters that cannot be seen are written out."""
    if isinstance(value, str):
        value = value[: 4 * QUOTED]
    encoder = json.JSONEncoder(ensure_ascii=False, default=str)
    pieces = itertools.islice(encoder.iterencode(value), 2 * QUOTED)
    return _shown("".join(piece[: 4 * QUOTED] for piece in pieces))


def _shown(text: str) -> str:
    """A short line of text in which a byte order mark, a zero-width space or a control can be told from nothing."""
    line = shorten(text[: 8 * QUOTED], QUOTED)
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") else c for c in line)


_FORMAT_WORDS = {
    "uuid": "an id (UUID)",
    "date": "a date such as 2026-09-07",
    "date-time": "a date and time such as 2026-09-07T13:00:00Z",
    "email": "an email address",
    "uri": "a URL",
}


_TYPE_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def _not_listed(value: Any, allowed: list[Any], described: Schema, got: str) -> str:
    labels = enum_labels(described)
    if len(allowed) <= LISTED:
        named = (f"{json.dumps(one)} ({labels[one]})" if one in labels else json.dumps(one) for one in allowed)
        return f"expected one of {', '.join(named)}; got {got}."
    if isinstance(value, str) and "America/Detroit" in allowed:
        # Clocks are compared, which needs the time zone database: only where a zone is refused.
        from mcp_instantly.timezones import advise_zone

        return f"Instantly does not know the time zone {got}; {advise_zone(value, allowed)}."
    texts = [str(one) for one in allowed if one is not None]
    meant = find_meant(str(value), texts)
    if meant:
        return f"{got} is not a known value. Did you mean {meant}?"
    if len(texts) <= LISTED_PLAIN:
        return f"{got} is not one of the known values, which are {', '.join(map(json.dumps, texts))}."
    close = difflib.get_close_matches(str(value)[:LONGEST_NAME], texts, n=6, cutoff=0.6)
    close = [one for one in close if not opposed(str(value)[:LONGEST_NAME], one)][:3]
    said = f" Closest: {', '.join(close)}." if close else ""
    return f"{got} is not one of the {len(texts)} known values.{said}"


def _described(schema: Schema, error: ValidationError) -> Schema:
    """The advertised schema of the value that an error speaks of, with the description that explains its numbers."""
    found = schema
    for part in error.absolute_path:
        for branch in _branches(found):
            inner = branch.get("items") if isinstance(part, int) else branch.get("properties", {}).get(part)
            if isinstance(inner, dict):
                # A list of numbers explains them once, in the description of the list.
                found = inner if "description" in inner else {**inner, "description": found.get("description", "")}
                break
    return found


def _expected(schema: Schema) -> str:
    return " or ".join(dict.fromkeys(word for branch in _branches(schema) for word in _expected_words(branch)))


def _expected_words(branch: Schema) -> list[str]:
    if 0 < len(branch.get("enum", ())) <= LISTED:
        return [json.dumps(value) for value in branch["enum"]]
    if branch.get("format") in _FORMAT_WORDS:
        return [_FORMAT_WORDS[branch["format"]]]
    return [_TYPE_WORDS[kind] for kind in _kinds(branch)]


def _path(parts: Iterable[Any]) -> str:
    """`sequences[0].steps` for a path of names and positions."""
    path = ""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else _inside(path, part)
    return clip(path, MAX_PATH_CHARACTERS)


def _inside(path: str, name: str) -> str:
    """The path of a field of the object at `path`; the name may be anybody's, so it is cut and made visible."""
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        name = one_line(name, MAX_NAME_CHARACTERS)
    return f"{path}.{name}".removeprefix(".")


def _misspelt(value: Any, schema: Schema, path: str) -> Iterator[str]:
    """Names in nested objects that are almost those the API knows: it would ignore them without a word."""
    for branch in _branches(schema):
        if isinstance(value, dict) and _takes(branch, "object"):
            known = branch.get("properties", {})
            for name, item in value.items():
                inner = clip(_inside(path, name), MAX_PATH_CHARACTERS)
                if name in known:
                    yield from _misspelt(item, known[name], inner)
                elif known and path and branch.get("additionalProperties") is None:
                    meant = misspelt(name, list(known))
                    if meant:
                        yield f"{inner}: unknown. Did you mean {meant}?"
        elif isinstance(value, list) and _takes(branch, "array"):
            for place, item in enumerate(value):
                yield from _misspelt(item, branch.get("items", {}), f"{path}[{place}]")


def _null_items(value: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """Nulls in arrays, which nobody means: a framework that leaves out an argument leaves out all of it."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _null_items(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            if item is None:
                yield f"{_path((*path, place))}: null is not an item; leave it out."
            yield from _null_items(item, (*path, place))


def _is_null_item(error: ValidationError) -> bool:
    return error.instance is None and bool(error.absolute_path) and isinstance(error.absolute_path[-1], int)


def _cleared_and_given(operation: Operation, arguments: dict[str, Any]) -> Iterator[str]:
    for name in operation.clearable:
        if _is_given(name, arguments) and _is_cleared(name, arguments):
            yield f"{name}: is given and named in {CLEAR}; do one of the two."


def _is_given(path: str, arguments: dict[str, Any]) -> bool:
    value: Any = arguments
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def _clearable(schema: Schema) -> list[str]:
    names: list[str] = schema["properties"].get(CLEAR, {}).get("items", {}).get("enum", [])
    return names


def _is_cleared(name: str, arguments: dict[str, Any]) -> bool:
    cleared = arguments.get(CLEAR)
    return isinstance(cleared, list) and name in cleared


def _unsendable(value: Any, path: tuple[Any, ...]) -> Iterator[str]:
    """What Python holds and JSON in UTF-8 cannot carry: Infinity, NaN, and halves of surrogate pairs."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{_path(path)}: must be a finite number."
    elif isinstance(value, str) and _holds_half(value):
        yield f"{_path(path)}: holds half a character (a lone surrogate); send whole ones."
    elif isinstance(value, dict):
        for name, item in value.items():
            if _holds_half(name):
                yield f'"{_path((*path, name))}": holds half a character (a lone surrogate); send whole ones.'
            yield from _unsendable(item, (*path, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _unsendable(item, (*path, place))


def _holds_half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)
