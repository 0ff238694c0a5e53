"""Whether a success is a whole response: what says nothing, where there is something to say, is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcp_instantly.errors import MAY_HAVE_WORKED, NoResponse, TransportError
from mcp_instantly.tools.answers import answers_with_something, fault_of
from mcp_instantly.tools.operation import Operation
from mcp_instantly.tools.records import misfit

NO_CONTENT = (204, 205)
"""Statuses of responses that say themselves that they have no body."""


class OddResponse(TransportError):
    """The response is whole, and no program can go by it: something in it is not of the type that is documented.

    `payload` is what it holds. `safe`: the request changed nothing.
    """

    def __init__(self, tool: str, reason: str, payload: Any, *, safe: bool):
        self.payload = payload
        advice = f"Nothing was changed by it; called by itself, {tool} shows it as it is." if safe else MAY_HAVE_WORKED
        super().__init__(f"{tool} did not answer as Instantly documents it: {reason}. {advice}")


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


def refuse_odd_fields(operation: Operation, payload: Any) -> None:
    """Raise OddResponse where a field of a record is of another type than the one that programs read."""
    odd = misfit(operation.name, payload)
    if odd is not None:
        raise OddResponse(operation.name, odd, payload, safe=operation.read_only)
