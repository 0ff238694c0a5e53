"""What the API accepts, in a few words, and its complaints: the messages of AJV, one problem at a time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from mcp_instantly.sandbox.engine.fast_check import compile_check
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.state.clock import parse

Shape = dict[str, Any]

_FORMATS = FormatChecker(["uuid", "date"])
_ADDRESS = re.compile(r"[^@\s<>(),;:\"\\]+@([a-z0-9-]+\.)+[a-z0-9-]+", re.IGNORECASE)


@_FORMATS.checks("email")
def is_address(value: Any) -> bool:
    """Whether this is an email address by its form."""
    return not isinstance(value, str) or _ADDRESS.fullmatch(value) is not None


@_FORMATS.checks("date-time", raises=ValueError)
def _is_instant(value: Any) -> bool:
    return not isinstance(value, str) or ("T" in value.upper() and bool(parse(value)))


@_FORMATS.checks("uri", raises=ValueError)
def _is_uri(value: Any) -> bool:
    return not isinstance(value, str) or (" " not in value and bool(urlsplit(value).netloc))


def text(**more: Any) -> Shape:
    """A string; `more` are JSON Schema keywords such as minLength or pattern."""
    return {"type": "string", **more}


def uuid() -> Shape:
    return text(format="uuid")


def date_time() -> Shape:
    return text(format="date-time")


def number(**more: Any) -> Shape:
    return {"type": "number", **more}


def integer(**more: Any) -> Shape:
    return {"type": "integer", **more}


def boolean() -> Shape:
    return {"type": "boolean"}


def choice(*values: Any) -> Shape:
    kind = "string" if isinstance(next(v for v in values if v is not None), str) else "number"
    return {"type": kind, "enum": list(values)}


def array(items: Shape, **more: Any) -> Shape:
    return {"type": "array", "items": items, **more}


CLOSED: Shape = {"additionalProperties": False}
"""For `fields`: no other names."""


def mapping(values: Shape, **more: Any) -> Shape:
    """An object with any names."""
    return {"type": "object", "additionalProperties": values, **more}


def fields(required: str = "", more: Shape | None = None, /, **properties: Shape) -> Shape:
    """An object: `required` names the fields that must be there, separated by spaces; unknown ones are let through."""
    shape: Shape = {"type": "object", "required": required.split(), "properties": properties}
    return {**shape, **(more or {})}


def changes(**properties: Shape) -> Shape:
    """The body of a change: an object with one of these fields at least; unknown ones are let through."""
    return fields("", {"minProperties": 1}, **properties)


def nullable(shape: Shape) -> Shape:
    """The same, or null."""
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    found = {**shape, "type": [*kinds, "null"]}
    if "enum" in shape:
        found["enum"] = [*shape["enum"], None]
    return found


LIMIT = integer(minimum=1, maximum=100)
PAGE = {"limit": LIMIT, "starting_after": text()}
"""The arguments of every paged list."""


def _check_pattern(_: Any, pattern: str, value: Any, __: Shape) -> Iterator[ValidationError]:
    # A pattern is searched for anywhere, so that `.*` at its ends adds nothing but tries: 40,000 blanks take seconds.
    if isinstance(value, str) and not re.search(pattern.removeprefix(".*").removesuffix(".*"), value):
        yield ValidationError(f"does not match {pattern}")


_Validator = extend(Draft202012Validator, {"pattern": _check_pattern})


class Validator:
    """A compiled shape that complains as the API does."""

    def __init__(self, shape: Shape):
        self.shape = shape
        self._validator = _Validator(shape, format_checker=_FORMATS)
        self._fits = compile_check(shape, {"email": is_address})

    def check(self, value: Any, where: str) -> None:
        """Raise ApiRefusal(400) for the first problem; `where` is body, querystring or params."""
        if self._fits(value):
            return
        error = next(self._validator.iter_errors(value), None)
        if error is not None:
            path = "/".join([where, *(str(part) for part in error.absolute_path)])
            raise ApiRefusal(400, f"{path} {_complaint(error)}", code="FST_ERR_VALIDATION")


def _complaint(error: Any) -> str:
    word, wanted = error.validator, error.validator_value
    if word == "required":
        missing = next(name for name in wanted if name not in error.instance)
        return f"must have required property '{missing}'"
    if word == "type":
        return "must be " + (",".join(wanted) if isinstance(wanted, list) else wanted)
    unit = {"Length": "characters", "Items": "items", "Properties": "properties"}.get(word[3:])
    if unit:
        return f"must NOT have {'fewer' if word.startswith('min') else 'more'} than {wanted} {unit}"
    plain = {
        "enum": "must be equal to one of the allowed values",
        "minimum": f"must be >= {wanted}",
        "maximum": f"must be <= {wanted}",
        "format": f'must match format "{wanted}"',
        "pattern": f'must match pattern "{wanted}"',
        "anyOf": "must match a schema in anyOf",
        "oneOf": "must match exactly one schema in oneOf",
        "additionalProperties": "must NOT have additional properties",
        "contains": "must contain at least 1 valid item(s)",
        "not": "must NOT be valid",
    }
    return plain.get(word, f"must pass {word} {json.dumps(wanted)}")


def read_json(body: bytes) -> Any:
    """JSON as the API reads it: without NaN, numbers that are none, and half a surrogate pair. Raises ValueError."""
    try:
        value = json.loads(body, parse_constant=_refuse_constant, parse_float=_read_number)
        if b"\\u" in body:
            text = json.dumps(value, ensure_ascii=False)
            value = json.loads(text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not valid JSON")


def _read_number(text: str) -> float | int:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    # As in JavaScript, 2.0 is the same number as 2.
    return int(number) if number.is_integer() else number


def coerce_query(pairs: list[tuple[str, str]], shape: Shape) -> dict[str, Any]:
    """Query pairs as values of the shape's types, as AJV coerces them; keys the shape does not name are dropped."""
    properties = shape["properties"]
    found: dict[str, Any] = {}
    for name, raw in pairs:
        wanted = properties.get(name)
        if wanted is None:
            continue
        if wanted["type"] == "array":
            found.setdefault(name, []).append(_coerce(raw, wanted["items"]))
        else:
            found[name] = _coerce(raw, wanted)
    return found


def _coerce(raw: str, shape: Shape) -> Any:
    kinds = shape["type"] if isinstance(shape["type"], list) else [shape["type"]]
    if "boolean" in kinds and raw in ("true", "false"):
        return raw == "true"
    if "integer" in kinds or "number" in kinds:
        try:
            value = float(raw)
        except ValueError:
            return raw
        if not math.isfinite(value):
            return raw
        return int(value) if value.is_integer() else value
    return raw
