"""What a tool can do that nobody takes back: send, spend, delete, hand over. Read from what its schema file says."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any, TypeVar

from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation

SENDS, SPENDS, DELETES, HANDS_OVER = (
    "send email",
    "spend credits or money",
    "delete or replace for good",
    "hand over keys or access",
)
"""What calls can do, as verbs."""

OF_EFFECTS = {
    "sends_email": SENDS,
    "spends_credits": SPENDS,
    "spends_money": SPENDS,
    "returns_or_takes_secrets": HANDS_OVER,
    "administration": HANDS_OVER,
}

ASKED_BY_HOSTS = {SENDS, SPENDS, HANDS_OVER}
"""Risks before which a host that reads `_meta` asks its user."""

HOST_ASKS = "anthropic/requiresUserInteraction"
"""In `_meta`: the host lets no call through that its user has not seen."""

DRY = "preview"
"""An argument of workflows with which they change nothing."""

TOKEN = "preview_token"
"""The argument that takes what preview_call gave; advertised where it is required."""

Tool = TypeVar("Tool", bound=Operation)


def risks_of(operation: Operation) -> list[str]:
    """The risks of a call, in a fixed order; of a workflow those of all that it may call."""
    parts = operation.parts.values() if isinstance(operation, Workflow) else (operation,)
    found = {risk for part in parts for risk in _risks(part)}
    return [risk for risk in (SENDS, SPENDS, DELETES, HANDS_OVER) if risk in found]


def _risks(operation: Operation) -> set[str]:
    if operation.read_only:
        return set()
    found = {OF_EFFECTS[effect] for effect in operation.effects if effect in OF_EFFECTS}
    # A destructive update overwrites what can be written again; what was deleted, merged or moved is gone.
    if operation.destructive and operation.method in ("DELETE", "POST"):
        found.add(DELETES)
    return found


def is_dry(operation: Operation, arguments: dict[str, Any]) -> bool:
    """Whether a workflow is only asked what it would do."""
    return isinstance(operation, Workflow) and arguments.get(DRY) is True


@functools.cache
def asks_host(operation: Operation) -> bool:
    """Whether hosts that read `_meta` are told to ask their user before each call."""
    return not ASKED_BY_HOSTS.isdisjoint(risks_of(operation))


def with_token(operation: Tool) -> Tool:
    """The same tool with an argument for the token of a preview, where it has a risk."""
    if not risks_of(operation):
        return operation
    schema = operation.input_schema
    argument = {"type": "string", "description": "From preview_call, once the user has seen what it says."}
    taking = {**schema, "properties": {**schema["properties"], TOKEN: argument}}
    return dataclasses.replace(
        operation, tool={**operation.tool, "inputSchema": taking}, extras=(*operation.extras, TOKEN)
    )


def without_token(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments that say what is to be done."""
    return {name: value for name, value in arguments.items() if name != TOKEN}
