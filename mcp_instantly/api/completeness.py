"""Whether a success is a whole response: what says nothing, where there is something to say, is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_instantly.errors import NoResponse
from mcp_instantly.tools.answers import answers_with_something, fault_of
from mcp_instantly.tools.operation import Operation

NO_CONTENT = (204, 205)
"""Statuses of responses that say themselves that they have no body."""


def refuse_missing_body(operation: Operation, status: int, headers: Mapping[str, str], raw: bytes) -> None:
    """Raise NoResponse where a body is empty that cannot be. `headers` have lower-case names."""
    if raw.strip() or status in NO_CONTENT:
        return
    cut = "json" in headers.get("content-type", "") and _ends_with_the_connection(headers)
    if cut or answers_with_something(operation):
        raise NoResponse(operation.name, "the answer is empty", safe=operation.idempotent)


def _ends_with_the_connection(headers: Mapping[str, str]) -> bool:
    """Whether nothing but the end of the connection tells where the body ends."""
    return "content-length" not in headers and "transfer-encoding" not in headers


def refuse_odd_payload(operation: Operation, payload: Any) -> None:
    """Raise NoResponse for what an operation never answers with, such as a list without records."""
    fault = fault_of(operation, payload)
    if fault is not None:
        raise NoResponse(operation.name, fault, safe=operation.idempotent)
