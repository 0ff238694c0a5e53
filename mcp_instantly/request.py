"""From an operation and its arguments to a request. Pure: nothing is sent here."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import quote

from mcp_instantly.errors import InvalidArguments
from mcp_instantly.operation import CLEAR, Operation


@dataclasses.dataclass(frozen=True)
class Request:
    """What to send. `path` is encoded and begins with a slash; `body` None means neither body nor Content-Type."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None


def build_request(operation: Operation, arguments: dict[str, Any]) -> Request:
    """The request of a call whose arguments have been checked.

    After the placeholders are filled, all that is left goes to one place: the query (arrays as repeated keys) or the
    JSON body, where each field that `clear` names is null. Arguments of our own (`extras`) stay here. Raises
    InvalidArguments for a path value that would reach another endpoint: empty, `.` or `..`.
    """
    left = {name: value for name, value in arguments.items() if name not in operation.extras}
    if CLEAR in operation.extras:
        left.update(dict.fromkeys(arguments.get(CLEAR, ())))
    path = operation.path
    for name in operation.placeholders:
        value = str(left.pop(name))
        if value.strip() in ("", ".", ".."):
            raise InvalidArguments(operation.name, [f"{name}: {value!r} is not an id."])
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    if operation.send == "query":
        pairs = ((name, text) for name, value in left.items() for text in _query_texts(value))
        return Request(operation.method, path, tuple(pairs))
    # A DELETE takes a body only where there is something to say; some servers refuse an empty one.
    if operation.send == "body" and (left or operation.method != "DELETE"):
        return Request(operation.method, path, body=left)
    return Request(operation.method, path)


def _query_texts(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, list):
        return [text for item in value for text in _query_texts(item)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [str(value)]
