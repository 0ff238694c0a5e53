"""Requests as they are written down: what decides about their response, and no key that may be a real one."""

from __future__ import annotations

from typing import Any

from starlette.types import Scope

from mcp_instantly.sandbox.engine.faults import HEADER
from mcp_instantly.sandbox.engine.request_log import MAX_BODY_BYTES

UNKNOWN_KEY = "(a key that this sandbox does not have)"

HEADERS = (b"authorization", b"content-type", b"host", b"user-agent", b"x-as-workspace", HEADER.encode())
"""The headers that decide about a response; no others are kept."""


def _hidden(value: str, keys: set[str]) -> str:
    """An authorization header that is treated like this one, without a key that may be a real one."""
    scheme, _, key = value.partition(" ")
    scheme = scheme if scheme.lower() in ("bearer", "basic", "") else "-"
    if not key or key in keys:
        return f"{scheme} {key}"
    return f"{scheme} {UNKNOWN_KEY}"


def describe_request(scope: Scope, keys: set[str], body: bytes) -> dict[str, Any]:
    """What of a request decides about its response; `keys` are those that may be shown."""
    headers = [(name, value.decode("latin-1")) for name, value in scope["headers"] if name in HEADERS]
    return {
        "scheme": scope.get("scheme", "http"),
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "headers": [
            [name.decode("latin-1"), _hidden(value, keys) if name == b"authorization" else value]
            for name, value in headers
        ],
        "too_long": len(body) if len(body) > MAX_BODY_BYTES else 0,
        "client": scope.get("client"),
        "server": scope.get("server"),
    }


def scope_of(request: dict[str, Any]) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "root_path": "",
        **{name: request[name] for name in ("scheme", "method", "path")},
        "raw_path": request["raw_path"].encode("latin-1"),
        "query_string": request["query"].encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request["headers"]],
        "client": tuple(request["client"]) if request["client"] else None,
        "server": tuple(request["server"]) if request["server"] else None,
    }
