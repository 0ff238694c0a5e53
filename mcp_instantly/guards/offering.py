"""Tools as clients see them: what their files have, and what depends on how the server was started."""

from __future__ import annotations

from typing import Any

from mcp_instantly.guards.risks import HOST_ASKS, asks_host
from mcp_instantly.settings import Settings
from mcp_instantly.tools.operation import META, RESULT_SIZE, Operation


def offer(operation: Operation, settings: Settings, *, asking: bool | None = None) -> dict[str, Any]:
    """A tool that tells how long its results may be, where its file says anything of that, and whether hosts should
    ask their user before each call: where it has a risk, or as `asking` says.
    """
    meta = dict(operation.tool.get(META, {}))
    if RESULT_SIZE in meta:
        meta[RESULT_SIZE] = settings.result_limit
    if settings.host_confirm and (asks_host(operation) if asking is None else asking):
        meta[HOST_ASKS] = True
    return {**operation.tool, META: meta} if meta else operation.tool
