"""A quick check in front of the validators: which values surely fit a schema. It never decides that one does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jsonschema import FormatChecker

from mcp_instantly.arguments.explanations import linear
from mcp_instantly.arguments.narrowing import WILDCARDS
from mcp_instantly.arguments.schema import Schema
from mcp_instantly.tools.schema_paths import COMMA_SEPARATED

Test = Callable[[Any], bool]

SAYS_NOTHING = {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"}

KNOWN = {
    *("type", "enum", "anyOf", "allOf", "minLength", "maxLength", "pattern", "format", "minimum", "maximum"),
    *("exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "items"),
    *("properties", "required", "additionalProperties", "minProperties", COMMA_SEPARATED),
}
"""Words of a schema that are understood here; one that has others fits nothing for sure."""

KINDS: dict[type, tuple[str, ...]] = {
    str: ("string",),
    bool: ("boolean",),
    # A whole float is an integer to JSON Schema; that is left to the validators.
    int: ("integer", "number"),
    float: ("number",),
    list: ("array",),
    dict: ("object",),
    type(None): ("null",),
}


def is_plain(value: Any) -> bool:
    """Whether a value means what it says, whatever it is given for: a number, a truth value, or a text of ASCII that
    can be seen, and is neither the word null nor a wildcard."""
    if type(value) is str:
        words = value.strip().lower()
        return value.isascii() and value.isprintable() and words != "null" and not WILDCARDS.issuperset(words)
    return type(value) in (int, bool)


def quick_check(schema: Schema | bool, formats: FormatChecker) -> Test:
    """A test that is true only of values which fit the schema; what it leaves in doubt is for a validator to tell."""
    if schema is True:
        return _always
    if schema is False or not set(schema) <= SAYS_NOTHING | KNOWN:
        return _never
    if not set(schema) & KNOWN:
        return _always
    wanted = schema.get("type")
    wanted = [wanted] if isinstance(wanted, str) else wanted
    tests: dict[type, tuple[Test, ...]] = {
        kind: tuple(_tests(schema, kind, formats))
        for kind, names in KINDS.items()
        if wanted is None or any(name in wanted for name in names)
    }

    def fits(value: Any) -> bool:
        found = tests.get(type(value))
        if found is None:
            return False
        for test in found:  # noqa: SIM110  # twice as fast as all(), and this is all that it is for
            if not test(value):
                return False
        return True

    return fits


def _always(_: Any) -> bool:
    return True


def _never(_: Any) -> bool:
    return False


def _tests(schema: Schema, kind: type, formats: FormatChecker) -> Iterator[Test]:
    """What the schema asks of values of a kind."""
    if "enum" in schema:
        yield _is_one_of(schema["enum"], kind)
    if "anyOf" in schema:
        yield _fits_any([quick_check(branch, formats) for branch in schema["anyOf"]])
    yield from (quick_check(part, formats) for part in schema.get("allOf", ()))
    if kind is str:
        yield from _text_tests(schema, formats)
    elif kind in (int, float):
        yield from _number_tests(schema)
    elif kind is list:
        yield from _array_tests(schema, formats)
    elif kind is dict:
        yield from _object_tests(schema, formats)


def _is_one_of(values: list[Any], kind: type) -> Test:
    # 1, 1.0 and true are equal to Python.
    if kind in (list, dict):
        return _never
    allowed = frozenset(value for value in values if type(value) is kind)
    return lambda value: value in allowed


def _fits_any(tests: list[Test]) -> Test:
    return lambda value: any(test(value) for test in tests)


def _text_tests(schema: Schema, formats: FormatChecker) -> Iterator[Test]:
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    if least:
        yield lambda value: len(value) >= least
    if most is not None:
        yield lambda value: len(value) <= most
    if "pattern" in schema:
        search = linear(schema["pattern"]).search
        yield lambda value: search(value) is not None
    if "format" in schema:
        form = schema["format"]
        yield lambda value: formats.conforms(value, form)
    if COMMA_SEPARATED in schema:
        fits = quick_check(schema[COMMA_SEPARATED], formats)
        yield lambda value: all(map(fits, value.split(",")))


def _number_tests(schema: Schema) -> Iterator[Test]:
    if "minimum" in schema:
        least = schema["minimum"]
        yield lambda value: value >= least
    if "maximum" in schema:
        most = schema["maximum"]
        yield lambda value: value <= most
    if "exclusiveMinimum" in schema:
        below = schema["exclusiveMinimum"]
        yield lambda value: value > below
    if "exclusiveMaximum" in schema:
        above = schema["exclusiveMaximum"]
        yield lambda value: value < above


def _array_tests(schema: Schema, formats: FormatChecker) -> Iterator[Test]:
    if "minItems" in schema:
        least = schema["minItems"]
        yield lambda value: len(value) >= least
    if "maxItems" in schema:
        most = schema["maxItems"]
        yield lambda value: len(value) <= most
    if "items" in schema:
        fits = quick_check(schema["items"], formats)
        yield lambda value: all(map(fits, value))


def _object_tests(schema: Schema, formats: FormatChecker) -> Iterator[Test]:
    if "minProperties" in schema:
        least = schema["minProperties"]
        yield lambda value: len(value) >= least
    required = schema.get("required", ())
    if required:
        names = frozenset(required)
        yield lambda value: value.keys() >= names
    known = {name: quick_check(child, formats) for name, child in schema.get("properties", {}).items()}
    others = quick_check(schema.get("additionalProperties", True), formats)
    if known or others is not _always:

        def fit(value: dict[str, Any]) -> bool:
            for name, item in value.items():  # noqa: SIM110  # as above
                if not known.get(name, others)(item):
                    return False
            return True

        yield fit
