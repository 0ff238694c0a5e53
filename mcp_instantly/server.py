"""The MCP server: the only module, with `web`, that knows the SDK."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from typing import Any

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.caching import CacheHint
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from mcp_instantly import __version__
from mcp_instantly.catalog import Selection
from mcp_instantly.errors import UnknownTool
from mcp_instantly.invocation import Invoker
from mcp_instantly.log import get_logger
from mcp_instantly.settings import SERVER_NAME

LIST_TTL_MS = 3_600_000
"""How long a client may keep the list of tools: it cannot change while the server runs."""


def instructions(selection: Selection, *, sandbox: bool = False) -> str:
    """What a model should know before its first call; at most 300 tokens."""
    on = sorted({op.toolset for op in selection.operations.values()})
    off = [name for name in selection.catalog.toolsets if name not in on]
    world = (
        "This is a sandbox: nothing is mailed or paid." if sandbox else "Calls may send real mail and spend credits."
    )
    lines = [
        "Instantly.ai: cold-email campaigns, leads, accounts, replies, analytics. One tool per API operation.",
        world,
        "Ids are UUIDs unless a tool says otherwise: take them from list tools, never make them up. Accounts are named "
        "by their address, background jobs by 24 hex digits.",
        "Lists give at most 100 items: pass next_starting_after as starting_after for more, until it is missing or "
        "items is empty. Times are UTC. Where a description lists numbers, send the number.",
        "A write that got no answer may have worked: read before repeating it.",
        f"Toolsets on, at least in part: {', '.join(on)}.",
    ]
    if off:
        lines.append(f"Off: {', '.join(off)}; the user can start the server with --toolsets to have them.")
    return "\n".join(lines)


def build_server(invoker: Invoker, *, sandbox: bool = False, structured: bool = False) -> Server[Any]:
    """A server that offers the tools of the invoker's selection.

    Results are text; with `structured` they have the same as structuredContent too, for programs. Many hosts hand both
    to the model, which then reads everything twice.
    """
    selection = invoker.selection
    listed = types.ListToolsResult(tools=[types.Tool.model_validate(op.tool) for op in selection.operations.values()])
    schemas = {op.name: op.input_schema for op in selection.operations.values()}

    async def list_tools(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return listed

    async def call_tool(ctx: ServerRequestContext[Any], params: types.CallToolRequestParams) -> types.CallToolResult:
        client = ctx.session.client_params.client_info if ctx.session.client_params else None
        try:
            result = await invoker.invoke(
                params.name,
                params.arguments or {},
                request_id=ctx.request_id,
                client_name=client and client.name,
                client_version=client and client.version,
            )
        except Exception:
            # The SDK would hand the exception's text to the client; it stays in our log.
            get_logger().exception("tool_call_crashed", tool=params.name)
            message = "The server has a fault of its own; its log says more. The call may have been carried out."
            raise MCPError(types.INTERNAL_ERROR, message) from None
        if isinstance(result.error, UnknownTool):
            raise MCPError(types.INVALID_PARAMS, result.text)
        return types.CallToolResult(
            content=[types.TextContent(text=result.text)],
            structured_content=result.structured if structured else None,
            is_error=result.error is not None,
        )

    return Server(
        SERVER_NAME,
        version=__version__,
        title="Instantly",
        instructions=instructions(selection, sandbox=sandbox),
        cache_hints={"tools/list": CacheHint(ttl_ms=LIST_TTL_MS, scope="public")},
        get_tool_input_schema=schemas.get,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


class _Answering:
    """The SDK's stream of messages, in which what cannot be read is answered and logged instead of dropped."""

    def __init__(self, read_stream: Any, write_stream: Any):
        self._read_stream = read_stream
        self._write_stream = write_stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read_stream, name)

    def __aiter__(self) -> _Answering:
        return self

    async def __anext__(self) -> Any:
        while True:
            item = await self._read_stream.__anext__()
            if not isinstance(item, Exception):
                return item
            get_logger().warning("unreadable_message", error_class=type(item).__name__)
            error = types.ErrorData(code=types.PARSE_ERROR, message="The message is no JSON-RPC that can be read.")
            message = types.JSONRPCError(jsonrpc="2.0", id=_id_of(item), error=error)
            await self._write_stream.send(SessionMessage(message))

    async def __aenter__(self) -> _Answering:
        await self._read_stream.__aenter__()
        return self

    async def __aexit__(self, *details: Any) -> Any:
        return await self._read_stream.__aexit__(*details)


def _id_of(error: Exception) -> str | int | None:
    """The id of a request that could not be parsed, so that its sender does not wait; None if it cannot be told."""
    details = error.errors() if isinstance(error, ValidationError) else []
    line = details[0]["input"] if details else ""
    found = re.search(r'"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|\d{1,18})', line) if isinstance(line, str) else None
    return json.loads(found[1]) if found else None


async def serve_stdio(server: Server[Any]) -> int:
    """Serve one client on stdin and stdout until it closes them, or until a signal; returns the exit status."""
    stopped_by: list[signal.Signals] = []

    async def stop_on_signal(scope: anyio.CancelScope) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
            async for number in received:
                stopped_by.append(number)
                scope.cancel()

    async with stdio_server() as (read_stream, write_stream):
        async with anyio.create_task_group() as tasks:
            if sys.platform != "win32":
                tasks.start_soon(stop_on_signal, tasks.cancel_scope)
            messages = _Answering(read_stream, write_stream)
            await server.run(messages, write_stream, server.create_initialization_options())
            tasks.cancel_scope.cancel()
        if stopped_by:
            # A thread of the SDK waits for the next line of stdin, and would keep the process until one comes. Calls
            # that were under way have been cancelled and logged by now.
            logging.shutdown()
            os._exit(128 + stopped_by[0])
    return 0
