"""A quick yes to values that fit a shape, so that the slow validator is asked only for a complaint."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Screen = Callable[[Any], bool]

_IS: dict[str, Screen] = {
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "integer": lambda v: not isinstance(v, bool) and (isinstance(v, int) or (isinstance(v, float) and v.is_integer())),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_BOUNDS: dict[str, Callable[[Any], Screen]] = {
    "minimum": lambda bound: lambda v: isinstance(v, bool) or not isinstance(v, (int, float)) or v >= bound,
    "maximum": lambda bound: lambda v: isinstance(v, bool) or not isinstance(v, (int, float)) or v <= bound,
    "minLength": lambda bound: lambda v: not isinstance(v, str) or len(v) >= bound,
    "maxLength": lambda bound: lambda v: not isinstance(v, str) or len(v) <= bound,
    "minItems": lambda bound: lambda v: not isinstance(v, list) or len(v) >= bound,
    "maxItems": lambda bound: lambda v: not isinstance(v, list) or len(v) <= bound,
    "minProperties": lambda bound: lambda v: not isinstance(v, dict) or len(v) >= bound,
}
_UNTOUCHED = {"properties", "required", "default", "description"}


def compile_check(shape: dict[str, Any], formats: dict[str, Screen]) -> Screen:
    """A function that is True only for values that fit `shape`; of what it cannot judge it says False.

    `formats` judges strings by the name of a format; uuid is known here.
    """
    formats = {"uuid": lambda v: not isinstance(v, str) or bool(_UUID(v)), **formats}
    checks: list[Screen] = []
    for word, wanted in shape.items():
        if word == "type":
            checks.append(_any([_IS[kind] for kind in ([wanted] if isinstance(wanted, str) else wanted)]))
        elif word == "enum":
            checks.append(_among(wanted))
        elif word == "format" and wanted in formats:
            checks.append(formats[wanted])
        elif word == "items":
            checks.append(_items(compile_check(wanted, formats)))
        elif word == "additionalProperties" and isinstance(wanted, dict):
            checks.append(_others(compile_check(wanted, formats), set(shape.get("properties", ()))))
        elif word == "anyOf":
            checks.append(_any([compile_check(option, formats) for option in wanted]))
        elif word in _BOUNDS:
            checks.append(_BOUNDS[word](wanted))
        elif word not in _UNTOUCHED:
            return lambda v: False
    if "properties" in shape or "required" in shape:
        named = {name: compile_check(inner, formats) for name, inner in shape.get("properties", {}).items()}
        checks.append(_object(named, tuple(shape.get("required", ()))))
    if len(checks) == 1:
        return checks[0]
    return lambda v: all(check(v) for check in checks)


def _any(screens: list[Screen]) -> Screen:
    if len(screens) == 1:
        return screens[0]
    return lambda v: any(screen(v) for screen in screens)


def _among(values: list[Any]) -> Screen:
    # JSON's true is not its 1, though Python's is.
    return lambda v: any(v == value and isinstance(v, bool) == isinstance(value, bool) for value in values)


def _items(screen: Screen) -> Screen:
    return lambda v: not isinstance(v, list) or all(screen(item) for item in v)


def _others(screen: Screen, named: set[str]) -> Screen:
    return lambda v: not isinstance(v, dict) or all(screen(value) for name, value in v.items() if name not in named)


def _object(named: dict[str, Screen], required: tuple[str, ...]) -> Screen:
    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        if any(name not in value for name in required):
            return False
        for name, inner in value.items():
            screen = named.get(name)
            if screen is not None and not screen(inner):
                return False
        return True

    return fits
