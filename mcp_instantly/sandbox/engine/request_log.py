"""The requests on record: what was asked, as far as memory goes, and how it was answered."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from mcp_instantly.sandbox.engine.shapes import read_json
from mcp_instantly.sandbox.state.world import World

MAX_LOGGED_REQUESTS = 10_000
"""Requests that stay on record."""

MAX_LOGGED_BYTES = 16_000_000
"""Bytes that they may take together; the oldest ones leave first."""

MAX_LOGGED_BODY_BYTES = 65_536
"""Bytes of a body that stay on record; of a longer one its beginning, as text."""

MAX_BODY_BYTES = 10_000_000
"""Bytes of a request body above which the response is 413, and nothing of it stays on record."""


def log(world: World, scope: MutableMapping[str, Any], body: bytes, status: int | None) -> None:
    """Put a request on the record of the admin workspace; one without a status was not carried out."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = scope["query_string"].decode(errors="replace")
    entry = {
        "at": world.stamp(),
        "method": scope["method"],
        "path": (scope.get("raw_path") or scope["path"].encode()).decode(errors="replace"),
        "query": [list(pair) for pair in parse_qsl(query, keep_blank_values=True)],
        "body": _readable(body),
        "size": len(body),
        "content_type": headers.get("content-type"),
        "user_agent": headers.get("user-agent"),
        "workspace": headers.get("x-as-workspace"),
        "status": status,
    }
    world.requests.append(entry)
    world.recorded += _weight(entry)
    while len(world.requests) > MAX_LOGGED_REQUESTS or (world.recorded > MAX_LOGGED_BYTES and len(world.requests) > 1):
        world.recorded -= _weight(world.requests.pop(0))


def _readable(body: bytes) -> Any:
    """A body as it stays on record: JSON, other text, the beginning of what is long, nothing of what is too long."""
    if not body or len(body) > MAX_BODY_BYTES:
        return None
    if len(body) > MAX_LOGGED_BODY_BYTES:
        return body[:MAX_LOGGED_BODY_BYTES].decode(errors="replace")
    try:
        return read_json(body)
    except ValueError:
        return body.decode(errors="replace")


def _weight(entry: dict[str, Any]) -> int:
    """About the bytes that a request on record takes."""
    texts = [entry[name] for name in ("path", "content_type", "user_agent", "workspace")]
    texts += [text for pair in entry["query"] for text in pair]
    size: int = entry["size"]
    return min(size, MAX_LOGGED_BODY_BYTES) + sum(len(text or "") for text in texts)
