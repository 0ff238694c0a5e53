"""What is wrong with arguments, in plain sentences: what was expected, what came, and what may have been meant."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from jsonschema import ValidationError

from mcp_instantly.arguments.array_limits import MAX_PROBLEMS
from mcp_instantly.arguments.schema import Schema, branches_of, enum_labels, kinds_of, labels_ranges, own_labels
from mcp_instantly.suggestions import find_meant, name_close, suggest
from mcp_instantly.text import clip, one_line, shorten
from mcp_instantly.tools.foreign_names import explain_argument
from mcp_instantly.tools.operation import CLEAR, Operation
from mcp_instantly.tools.schema_paths import COMMA_SEPARATED

MAX_LABELLED_VALUES = 12
"""Enum values that an error lists with what they mean."""

MAX_LISTED_VALUES = 60
"""Enum values that an error lists without more; of longer lists it names those that are close."""

MAX_QUOTED_CHARACTERS = 60
"""Characters of a value or a name that an error quotes."""

MAX_NAME_CHARACTERS = 60

MAX_PATH_CHARACTERS = 300
"""How much of the names and paths in a call is repeated in an error."""

_FORMAT_WORDS = {
    "uuid": "an id (UUID)",
    "date": "a date such as 2026-09-07",
    "date-time": "a date and time such as 2026-09-07T13:00:00Z",
    "date-or-time": "a date such as 2026-09-07, with or without a time",
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


class Violation(NamedTuple):
    """A keyword of a schema that a value breaks: the `word` and what it `wants`, and the place of the value."""

    path: tuple[str | int, ...]
    value: Any
    word: str
    wants: Any
    schema: Schema
    message: str

    @classmethod
    def of(cls, error: ValidationError) -> Violation:
        schema = error.schema if isinstance(error.schema, dict) else {}
        path = tuple(error.absolute_path)
        # Attributes of a jsonschema error may be unset while it is made; those of a finished one are not.
        return cls(path, error.instance, str(error.validator), error.validator_value, schema, error.message)


def explain(violation: Violation, operation: Operation) -> Iterator[str]:
    """What is wrong, once for each argument that a violation concerns."""
    schema = operation.full_schema
    path, value, word = path_of(violation.path), violation.value, violation.word
    prefix = f"{path}." if path else ""
    if word == "required":
        for name in violation.wants:
            if name not in value and not is_cleared(name, value):
                known = [_described(schema, violation), violation.schema]
                described: Schema = next(
                    (one["properties"][name] for one in known if name in one.get("properties", {})), {}
                )
                expected = _expected(described)
                reset = "; to empty it, name it in clear" if not path and name in operation.clearable else ""
                yield f"{prefix}{name}: missing{expected and f', expected {expected}'}{reset}."
    elif word == "additionalProperties":
        yield from _unknown(operation.name if not path else "", prefix, value, violation.schema.get("properties", {}))
    else:
        yield f"{path or 'arguments'}: {_complaint(violation, schema)}"


def _unknown(tool: str, prefix: str, given: Collection[str], known: dict[str, Schema]) -> Iterator[str]:
    """What is said of names that are not known: what each means, and once for all others what is known."""
    names = list(itertools.islice((name for name in given if name not in known), MAX_PROBLEMS + 1))
    meant = {name: _meant(tool, name, known) for name in names}
    yield from (f"{prefix}{_shown(name)}: unknown.{said}" for name, said in meant.items() if said)
    others = [f"{prefix}{_shown(name)}" for name, said in meant.items() if not said]
    if others:
        more = " and more" if len(names) > MAX_PROBLEMS else ""
        listed = f"Allowed: {', '.join(known)}." if known else "None are allowed here."
        sunday = " 0 is Sunday." if list(known) == list("0123456") else ""
        yield f"{', '.join(others[:MAX_PROBLEMS])}{more}: unknown. {listed}{sunday}"


def _meant(tool: str, name: str, known: dict[str, Schema]) -> str:
    said = explain_argument(tool, name, known)
    return f" {said}" if said else suggest(name, known)


def _complaint(violation: Violation, schema: Schema) -> str:
    value, word, wanted = violation.value, violation.word, violation.wants
    got = _quoted(value)
    if word == "enum":
        return _not_listed(value, wanted, _described(schema, violation), got)
    if word == "type":
        # What is advertised says less than the full schema does of formats and of the numbers that are known.
        full = _described(schema, violation)
        if 0 < len(full.get("enum", ())) <= MAX_LABELLED_VALUES:
            return _not_listed(value, full["enum"], full, got)
        return _mistyped(_expected(full) or _expected(violation.schema), full, got)
    if word in ("anyOf", "oneOf"):
        return f"expected {_expected(violation.schema)}, got {got}."
    if word == "pattern" and linear(str(wanted)).pattern == r"\S":
        return "must not be blank."
    unit = {"Length": "characters", "Items": "items", "Properties": "fields"}.get(word[3:])
    if unit:
        unit = unit[:-1] if wanted == 1 else unit
        return f"needs at {'least' if word.startswith('min') else 'most'} {wanted} {unit}."
    plain = {
        "minimum": f"must be at least {wanted}, got {got}.",
        "maximum": f"must be at most {wanted}, got {got}.",
        "exclusiveMinimum": f"must be over {wanted}, got {got}.",
        "exclusiveMaximum": f"must be under {wanted}, got {got}.",
        "format": f"expected {_FORMAT_WORDS.get(str(wanted), wanted)}, got {got}.",
        "pattern": f"{got} does not match {wanted}.",
        "uniqueItems": "contains a duplicate item.",
    }
    return plain.get(word, f"{shorten(violation.message)}.")


def _quoted(value: Any) -> str:
    """A value as JSON, in one short line, whatever its size; characters that cannot be seen are written out."""
    if isinstance(value, str):
        value = value[: 4 * MAX_QUOTED_CHARACTERS]
    encoder = json.JSONEncoder(ensure_ascii=False, default=str)
    pieces = itertools.islice(encoder.iterencode(value), 2 * MAX_QUOTED_CHARACTERS)
    return _shown("".join(piece[: 4 * MAX_QUOTED_CHARACTERS] for piece in pieces))


def _shown(text: str) -> str:
    """A text in one short line."""
    return shorten(text[: 8 * MAX_QUOTED_CHARACTERS], MAX_QUOTED_CHARACTERS)


def _mistyped(expected: str, described: Schema, got: str) -> str:
    labels = enum_labels(described)
    if not labels or "enum" in described:
        return f"expected {expected}, got {got}."
    named = ", ".join(f"{number} ({label})" for number, label in labels.items())
    others = ", among others" if labels_ranges(described) else ""
    return f"expected {expected}: {named}{others}; got {got}.{own_labels(described)}"


def _not_listed(value: Any, allowed: list[Any], described: Schema, got: str) -> str:
    labels = enum_labels(described)
    never = described.get("not", {}).get("enum", ())
    allowed = [one for one in allowed if one not in never]
    if len(allowed) <= MAX_LABELLED_VALUES:
        named = (f"{json.dumps(one)} ({labels[one]})" if one in labels else json.dumps(one) for one in allowed)
        return f"expected one of {', '.join(named)}; got {got}.{own_labels(described)}"
    if isinstance(value, str) and "America/Detroit" in allowed:
        # Clocks are compared, which needs the time zone database: only where a zone is refused.
        from mcp_instantly.arguments.timezones import suggest_time_zone

        return f"Instantly does not know the time zone {got}; {suggest_time_zone(value, allowed)}."
    texts = [str(one) for one in allowed if one is not None]
    meant = find_meant(str(value), texts)
    if meant:
        return f"{got} is not a known value. Did you mean {meant}?"
    if len(texts) <= MAX_LISTED_VALUES:
        return f"{got} is not one of the known values, which are {', '.join(map(json.dumps, texts))}."
    return f"{got} is not one of the {len(texts)} known values.{name_close(str(value), texts)}"


def _described(schema: Schema, violation: Violation) -> Schema:
    """The advertised schema of the value that breaks a rule, with the description that explains its numbers."""
    found = schema
    for part in violation.path:
        for branch in branches_of(found):
            inner = branch.get("items") if isinstance(part, int) else branch.get("properties", {}).get(part)
            if isinstance(inner, dict):
                # A list of numbers explains them once, in the description of the list.
                found = inner if "description" in inner else {**inner, "description": found.get("description", "")}
                break
    return {"description": found.get("description", ""), **found.get(COMMA_SEPARATED, found)}


def _expected(schema: Schema) -> str:
    return " or ".join(dict.fromkeys(word for branch in branches_of(schema) for word in _expected_words(branch)))


def _expected_words(branch: Schema) -> list[str]:
    if 0 < len(branch.get("enum", ())) <= MAX_LABELLED_VALUES:
        return [json.dumps(value) for value in branch["enum"]]
    if branch.get("format") in _FORMAT_WORDS:
        return [_FORMAT_WORDS[branch["format"]]]
    return [_TYPE_WORDS[kind] for kind in kinds_of(branch)]


def is_cleared(name: str, arguments: dict[str, Any]) -> bool:
    cleared = arguments.get(CLEAR)
    return isinstance(cleared, list) and name in cleared


# paths and patterns


def path_of(parts: Iterable[Any]) -> str:
    """`sequences[0].steps` for a path of names and positions."""
    path = ""
    for part in parts:
        path = f"{path}[{part}]" if isinstance(part, int) else _child_path(path, part)
    return clip(path, MAX_PATH_CHARACTERS)


def _child_path(path: str, name: str) -> str:
    """The path of a field of the object at `path`; the name may be anybody's, so it is cut and made visible."""
    if len(name) > MAX_NAME_CHARACTERS or not name.isprintable():
        name = one_line(name, MAX_NAME_CHARACTERS)
    return f"{path}.{name}".removeprefix(".")


@functools.cache
def linear(pattern: str) -> re.Pattern[str]:
    """A pattern that finds the same texts in one pass.

    A pattern is searched for anywhere in a text, so that `.*` at either end adds nothing; but it makes the search try
    each place against all that follows: `.*\\S.*` takes seconds on 40,000 blanks, `\\S` no time.
    """
    core = re.sub(r"^(?:\.\*)+(?![?+*{])", "", pattern)
    core = re.sub(r"(?<!\\)(?:\.\*)+$", "", core)
    return re.compile(core)
