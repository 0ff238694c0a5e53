"""Which calls are the same: those that ask for the same thing, however they are written."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.arguments.narrowing import is_blank
from mcp_instantly.text import compact
from mcp_instantly.tools.operation import CLEAR, Operation

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

BETWEEN_ADDRESSES = re.compile(r"[\s,;]+")


FOR_THE_SAME = {"reply_to_email": ("reply_to_uuid",), "forward_email": ("reply_to_uuid", "to_address_email_list")}
"""The arguments by which a call is likely meant as an earlier one, although its words are others: a model that is not
told what became of an email writes it anew."""


def for_the_same(operation: Operation, arguments: dict[str, Any]) -> str | None:
    """What a call is for, whatever its words are: a text that no canonical() is; None where that tells nothing."""
    names = FOR_THE_SAME.get(operation.name)
    if names is None:
        return None
    return "for " + canonical(operation, {name: arguments.get(name) for name in names})


def canonical(operation: Operation, arguments: dict[str, Any]) -> str:
    """The arguments of a call as a text that is the same for each form of the same call; it is never sent.

    Arguments of our own say nothing of what is asked for, but for `clear`. What a host or model fills in for an
    optional field (null, blanks, nothing inside) is as good as left out, at any depth; under a name of the caller's
    own, such as a custom variable, it is not. Blanks around texts, and the case of ids and addresses, mean nothing.
    """
    own = [name for name in operation.extras if name != CLEAR]
    asked = {name: value for name, value in arguments.items() if name not in own}
    return compact(_in_one_form(asked, operation.full_schema))


def _in_one_form(value: Any, schema: Any) -> Any:
    known = schema if isinstance(schema, dict) else {}
    if isinstance(value, dict):
        fields, needed = known.get("properties", {}), known.get("required", ())
        inside = {name: _in_one_form(value[name], fields.get(name)) for name in sorted(value)}
        return {
            name: item for name, item in inside.items() if _says_something(item) or name in needed or name not in fields
        }
    if isinstance(value, list):
        items = [_in_one_form(item, known.get("items")) for item in value]
        return [item for item in items if item is not None and item != ""]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return _text_in_one_form(value) if isinstance(value, str) else value


def _says_something(value: Any) -> bool:
    """Whether anything is left of a value in its one form; false and 0 are something."""
    return value is not None and value not in ("", [], {})


def _text_in_one_form(text: str) -> str:
    if is_blank(text):
        return ""
    text = text.strip()
    words = [word for word in BETWEEN_ADDRESSES.split(text) if word]
    if words and all("@" in word for word in words):
        return ",".join(words).casefold()
    return text.casefold() if ID.fullmatch(text) else text
