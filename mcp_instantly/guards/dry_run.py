"""Calls that would be made: with --dry-run, reads go through, and what changes something is described instead."""

from __future__ import annotations

from typing import Any

from mcp_instantly.api.request import Response
from mcp_instantly.guards.guards import GuardedCall, Proceed
from mcp_instantly.guards.risks import is_dry
from mcp_instantly.masking import SECRET, without_secrets

NOTE = "Nothing was sent: the server was started with --dry-run. The call is valid, and would be sent like this."


WORK = "Nothing was done: the server was started with --dry-run. The call is valid, and would do this."


class DryRun:
    """A guard that answers every write itself, with the request that would be sent. Secrets in it are masked."""

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.facts is not None and not is_dry(call.operation, call.arguments):
            # Its work goes on after the call, where nobody would read what is described.
            return Response(
                200, {"dry_run": True, "would": await call.facts()}, "application/json", 0, 0, (WORK,), False
            )
        if not call.writes:
            return await proceed()
        return Response(200, describe(call), "application/json", 0, 0, (NOTE,), sent=False)


def describe(call: GuardedCall) -> dict[str, Any]:
    """The request of a call, and what it would do."""
    request, operation = call.request, call.operation
    assert request is not None
    would: dict[str, Any] = {"tool": operation.name, "method": request.method, "path": request.path}
    if request.query:
        would["query"] = [[name, "[secret]" if SECRET.search(name) else value] for name, value in request.query]
    if request.body is not None:
        would["body"] = without_secrets(request.body, "[secret]")
    would["effects"] = [operation.effect, *operation.effects]
    would["can_be_repeated"] = operation.idempotent
    return {"dry_run": True, "would_send": would}
