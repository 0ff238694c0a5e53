"""The read that tells what became of a write whose outcome is unknown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from mcp_instantly.api.request import Response
from mcp_instantly.errors import SAID, InstantlyError
from mcp_instantly.guards.guards import GuardedCall
from mcp_instantly.results.protection import writable
from mcp_instantly.text import compact, one_line
from mcp_instantly.tools.operation import PLACEHOLDER, Operation

MAX_SHOWN_CHARACTERS = 300
"""Of the arguments of a read that a sentence names."""


@dataclasses.dataclass(frozen=True)
class Tell:
    """A read, with the arguments with which it shows what a write has done."""

    tool: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        shown = f" {one_line(compact(self.arguments), MAX_SHOWN_CHARACTERS)}" if self.arguments else ""
        return f"{self.tool}{shown}"


def tell_of(operation: Operation, arguments: Mapping[str, Any], operations: Mapping[str, Operation]) -> Tell | None:
    """The read that tells of a write with these arguments; None where no read does.

    It is what the schema file names under `tells`, the tool that reads the object by its id, the list in which a new
    object shows, or a tool that tells when the work is done.
    """
    if operation.tells is not None:
        return Tell(operation.tells["tool"], _filled(operation.tells.get("arguments", {}), arguments))
    reader = reader_of(operation, operations)
    if reader is not None:
        return Tell(reader.name, {name: arguments[name] for name in reader.placeholders})
    shelf = _list_of(operation, operations)
    if shelf is not None:
        words = next((arguments[name] for name in ("name", "label", "title") if name in arguments), None)
        searched = {"search": words} if words is not None and "search" in shelf.input_schema["properties"] else {}
        return Tell(shelf.name, {**{name: arguments[name] for name in shelf.placeholders}, **searched})
    return Tell(operation.poll[0], {}) if operation.poll else None


def reader_of(operation: Operation, operations: Mapping[str, Operation]) -> Operation | None:
    """The tool that reads the one object that a write changes, with the same path arguments; None without one."""
    if operation.method == "POST" and not operation.idempotent:
        return None
    for one in operations.values():
        if (one.method, one.path) == ("GET", operation.path) and one.read_only:
            return one
    name = writable(operation, operations.values()).reader
    reader = operations[name] if name else None
    return reader if reader is not None and reader.placeholders == operation.placeholders else None


def _list_of(operation: Operation, operations: Mapping[str, Operation]) -> Operation | None:
    """The list in which shows what a POST to a collection has made."""
    if operation.method != "POST":
        return None
    places = (operation.path.rstrip("/"), f"{operation.path.rstrip('/')}/list")
    found = (one for one in operations.values() if one.read_only and one.path.rstrip("/") in places)
    return next((one for one in found if one.name.startswith("list_")), None)


def _filled(template: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments from a template: `{email}` stands for that argument of the write; what lacks one is left out."""
    found = {}
    for name, value in template.items():
        inner = value[0] if isinstance(value, list) else value
        if isinstance(inner, str):
            wanted = re.findall(PLACEHOLDER, inner)
            if not all(arguments.get(one) for one in wanted):
                continue
            for one in wanted:
                inner = inner.replace(f"{{{one}}}", _joined(arguments[one]))
        found[name] = [inner] if isinstance(value, list) else inner
    return found


def _joined(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def say_what_tells(error: InstantlyError, call: GuardedCall, offered: Mapping[str, Operation]) -> None:
    """Have the error of a write whose outcome is unknown name the read that tells, where it is offered.

    What a workflow calls is for the workflow to tell of.
    """
    if call.operation.read_only or error.outcome != "unknown":
        return
    told = _what_tells(call, offered)
    if told:
        error.say_outcome()
        error.say(told)


def with_doubt(response: Response, call: GuardedCall, offered: Mapping[str, Operation]) -> Response:
    """The response to a repeat of a write, with a note where an earlier attempt may have done what it denies."""
    if call.operation.read_only or not response.in_doubt:
        return response
    said = (
        "This is the answer to a repeat: an earlier attempt of this call got no answer, and has probably done what is "
        "missing or failed here."
    )
    note = " ".join(filter(None, (said, SAID["unknown"], _what_tells(call, offered))))
    return dataclasses.replace(response, notes=(*response.notes, note))


def _what_tells(call: GuardedCall, offered: Mapping[str, Operation]) -> str:
    """A sentence that names the read which tells of a write, where it is offered."""
    if call.workflow:
        return ""
    tell = tell_of(call.operation, call.arguments, offered)
    return f"{tell} tells." if tell is not None and tell.tool in offered else ""
