"""Frames of JSON-RPC as a client writes them: requests, calls of tools, and both as the revision of 2026 has them."""

from __future__ import annotations

from typing import Any

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


def request(identity: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": identity, "method": method, "params": params}


def call(identity: Any, tool: str, **arguments: Any) -> dict[str, Any]:
    return request(identity, "tools/call", name=tool, arguments=arguments)


def modern(frame: dict[str, Any]) -> dict[str, Any]:
    """The same request as the revision of 2026 has it."""
    return {**frame, "params": {**frame["params"], "_meta": META}}
