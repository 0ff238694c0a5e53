"""From an operation and its arguments to a request, and what a response is. Pure: nothing is sent here."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from mcp_instantly.errors import InvalidArguments
from mcp_instantly.tools.operation import CLEAR, Operation

MAX_TARGET_CHARACTERS = 60_000
"""Of an encoded path with its query; no URL over 65,536 can be sent."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What to send. `path` is encoded and begins with a slash; `body` None means neither body nor Content-Type.

    `objects` are the ids that the path holds, in lower case, or what else stands for what the request acts on.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    objects: tuple[str, ...] = dataclasses.field(default=(), compare=False)

    @functools.cached_property
    def target(self) -> str:
        """Path and query as they stand in the URL."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def touched(self) -> Iterator[str]:
        """All that the request may act on: its objects, its path, and what the lists of its body name."""
        yield from self.objects
        yield self.path
        yield from _listed(self.body)


@dataclasses.dataclass(frozen=True)
class Response:
    """A successful response. `payload` is the JSON value, the text of another media type, or None when it is empty.

    `size` counts the decoded bytes of the body, `attempts` the requests that were sent for it. `notes` are what must be
    said of it. With `sent` False, the payload is an object of our own: nothing was sent. With `in_doubt`, an earlier
    attempt got no answer, and may have done what this one did not find to do.
    """

    status: int
    payload: Any
    media_type: str
    size: int
    attempts: int
    notes: tuple[str, ...] = ()
    sent: bool = True
    in_doubt: bool = False


def build_request(operation: Operation, arguments: dict[str, Any]) -> Request:
    """The request of a call whose arguments have been checked.

    After the placeholders are filled, all that is left goes to one place: the query (arrays as repeated keys) or the
    JSON body, where each field that `clear` names is null. Arguments of our own (`extras`) stay here. Raises
    InvalidArguments for a path value that would reach another endpoint (empty, `.` or `..`), and when path and query
    are too long for a URL.
    """
    left = {name: value for name, value in arguments.items() if name not in operation.extras}
    if CLEAR in operation.extras:
        for name in arguments.get(CLEAR, ()):
            left = _with_null(left, name.split("."))
    path = operation.path
    objects = []
    for name in operation.placeholders:
        value = str(left.pop(name))
        if value.strip() in ("", ".", ".."):
            raise InvalidArguments(operation.name, [f"{name}: {value!r} is not an id."])
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
        objects.append(value.lower())
    query: tuple[tuple[str, str], ...] = ()
    body = None
    if operation.send == "query":
        query = tuple((name, text) for name, value in left.items() for text in _query_texts(value))
    # A DELETE takes a body only where there is something to say; some servers refuse an empty one.
    elif operation.send == "body" and (left or operation.method != "DELETE"):
        body = left
    if operation.idempotent and not objects:
        # Several objects at once, or the only one of its kind, such as the workspace of the key.
        objects = list(_listed(body)) or [path]
    request = Request(operation.method, path, query, body, tuple(objects))
    if len(request.target) > MAX_TARGET_CHARACTERS:
        raise InvalidArguments(operation.name, [_too_long(operation, arguments)])
    return request


def _with_null(fields: dict[str, Any], path: list[str]) -> dict[str, Any]:
    """The fields with null in the place of a path, and the objects on the way there."""
    name, *inner = path
    return {**fields, name: _with_null(fields.get(name, {}), inner) if inner else None}


def _listed(body: Any) -> Iterator[str]:
    """The texts in the lists of a body: ids and addresses above all."""
    for value in body.values() if isinstance(body, dict) else ():
        if isinstance(value, list):
            yield from (item.lower() for item in value if isinstance(item, str))


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


def _too_long(operation: Operation, arguments: dict[str, Any]) -> str:
    """A sentence about the argument that takes the most room in the URL."""
    lengths = {
        name: len(urlencode([(name, text) for text in _query_texts(value)]))
        for name, value in arguments.items()
        if name in operation.placeholders or operation.send == "query"
    }
    name = max(lengths, key=lambda name: lengths[name])
    return (
        f"{name}: too long: {lengths[name]:,} characters in the URL, at most {MAX_TARGET_CHARACTERS:,} for all "
        "arguments together. Ask for less at once."
    )
