"""The MCP server: its tools and what it says of itself.

It, its prompts, resources and transports, and the forms that a person sees, know the SDK.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

import anyio
import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError
from opentelemetry.trace import get_current_span
from structlog.contextvars import bound_contextvars, get_contextvars

from mcp_instantly import __version__
from mcp_instantly.api.tracing import is_tracing
from mcp_instantly.arguments.repair import MAX_JSON_LAYERS
from mcp_instantly.budgets.line import asking
from mcp_instantly.caller import Caller
from mcp_instantly.errors import SAID, UnknownTool
from mcp_instantly.guards.forms import FormAwaited, asked_through
from mcp_instantly.guards.person import ClientPerson, form_of
from mcp_instantly.guidance.prompts import add_prompts
from mcp_instantly.guidance.resources import add_resources
from mcp_instantly.log import get_logger
from mcp_instantly.progress import reported
from mcp_instantly.settings import SERVER_NAME
from mcp_instantly.text import name_some
from mcp_instantly.tools.catalog import Selection

LIST_TTL_MS = 3_600_000
"""How long a client may keep a list: none can change while the server runs. It is for the caller alone (private), as
tokens and headers leave tools out, and what goes with them."""

LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")

NOTIFICATIONS = ("initialize", "notifications/initialized", "notifications/cancelled", "notifications/progress")
"""Methods that have no handler of ours, and may be named in spans all the same."""

FIRST = (
    (("get_workspace_overview",), ""),
    (("triage_replies", "list_emails"), "replies"),
    (("report_campaigns", "get_campaign_analytics"), "rates"),
    (("check_campaign",), "before a launch"),
    (("list_campaigns",), ""),
    (("list_leads",), ""),
    (("list_accounts",), "mailboxes"),
)
"""The tools that most work begins with, the first that is on of each, and what for, where the name does not say it."""


def instructions(
    selection: Selection,
    *,
    sandbox: bool = False,
    discovery: bool = False,
    workspaces: Sequence[str] = (),
    limits: Sequence[str] = (),
) -> str:
    """What a model should know before its first call, in at most 2 KB; `limits` are sentences on how it was started.

    Hosts that hide tools search these lines for the words of the user, or show their first 500 characters alone.
    """
    on = sorted({op.toolset for op in selection.tools.values()})
    off = [name for name in selection.catalog.toolsets if name not in on]
    lines = [
        "Instantly.ai, cold email: launch and pause campaigns, edit a sequence, add leads (prospects), read and answer "
        "replies in the unibox, open, reply and bounce rate, warmup and deliverability of mailboxes, verify addresses.",
        _first_tools(selection, discovery),
        "This is a sandbox: nothing is sent or paid." if sandbox else "Calls may send real email and spend credits.",
        " ".join(limits),
        _several(workspaces),
        "Ids are UUIDs unless a tool says otherwise: take them from list tools, never make them up. Accounts are named "
        "by their address, background jobs by 24 hex digits.",
        "Lists give at most 100 items: pass next_starting_after as starting_after until items is empty or the cursor "
        "is missing (a cursor does not mean that more follow), or give max_items. fields picks what records show, "
        '["*"] all. What is empty is left out.',
        "Times are UTC. Where a description lists numbers, send the number.",
        "A write that got no response may have worked: read before repeating it.",
        f"Toolsets on, at least in part: {', '.join(on)}.",
    ]
    if off:
        lines.append(f"Off: {', '.join(off)}; the user can start the server with --toolsets to have them.")
    return "\n".join(filter(None, lines))


def _several(workspaces: Sequence[str]) -> str:
    if not workspaces:
        return ""
    return (
        f"There are {len(workspaces)} workspaces: {name_some([*workspaces])}. Each call is for the one that workspace "
        "names; ids and cursors of one mean nothing in another."
    )


def _first_tools(selection: Selection, discovery: bool) -> str:
    if discovery:
        return (
            f"All {len(selection.tools)} tools are behind four: search_tools finds them by words, describe_tools has "
            "their arguments, run_read_tool and run_write_tool run them."
        )
    first = []
    for names, said in FIRST:
        name = next((name for name in names if name in selection.tools), None)
        if name:
            first.append(f"{name} ({said})" if said else name)
    return f"Begin with {', '.join(first)}." if first else ""


def build_server(
    invoker: Caller,
    *,
    sandbox: bool = False,
    structured: bool = False,
    limits: Sequence[str] = (),
    sleep: Callable[[float], Awaitable[Any]] = anyio.sleep,
) -> Server[Any]:
    """A server that offers the tools of the invoker's selection, and tells of the limits that these sentences name.
    `sleep` waits between signs of life of a call.

    Results are text; with `structured` they have the same as structuredContent too, for programs, and what became of a
    write. Many hosts hand both to the model, which then reads everything twice.
    """
    selection = invoker.selection

    # Each at first use: a server that is made for one request need not look through all of its tools.
    offered = functools.cache(lambda: invoker.offered)

    @functools.cache
    def schemas() -> dict[str, Any]:
        return {tool["name"]: tool["inputSchema"] for tool in offered()}

    @functools.cache
    def listed() -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool.model_validate(tool) for tool in offered()])

    async def list_tools(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return listed()

    async def call_tool(
        ctx: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        client = ctx.session.client_params.client_info if ctx.session.client_params else None
        try:
            call = functools.partial(
                invoker.invoke,
                params.name,
                params.arguments or {},
                request_id=ctx.request_id,
                client_name=client.name if client else _user_agent(ctx),
                client_version=client and client.version,
            )
            # Without a token nothing is heard of it.
            heard = ctx.meta is not None and "progress_token" in ctx.meta
            with asked_through(ClientPerson(ctx, params)), asking(_caller(ctx, client.name if client else "")):
                result = await reported(ctx.session.report_progress, params.name, call, sleep=sleep if heard else None)
        except Exception as error:
            # The SDK would hand the exception's text to the client; it stays in our log.
            get_logger().exception("tool_call_crashed", tool=params.name)
            nothing = getattr(error, "outcome", "unknown") == "not sent"
            said = SAID["not sent"] if nothing else "The call may have been carried out."
            raise MCPError(types.INTERNAL_ERROR, f"The MCP server failed; see its log. {said}") from None
        if isinstance(result.error, UnknownTool) and params.name not in schemas():
            raise MCPError(types.INVALID_PARAMS, result.text)
        if isinstance(result.error, FormAwaited):
            return form_of(result.error)
        return types.CallToolResult(
            content=[types.TextContent(text=result.text)],
            structured_content=result.for_programs if structured else None,
            is_error=result.error is not None,
        )

    server: Server[Any] = Server(
        SERVER_NAME,
        version=__version__,
        title="Instantly",
        instructions=instructions(
            selection, sandbox=sandbox, discovery=invoker.discovery, workspaces=invoker.workspaces, limits=limits
        ),
        cache_hints=dict.fromkeys(LISTS, CacheHint(ttl_ms=LIST_TTL_MS, scope="private")),
        get_tool_input_schema=lambda name: schemas().get(name),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )
    add_prompts(server, invoker)
    add_resources(server, invoker)
    # Without a tracer provider, the spans that the SDK would make of each message go nowhere.
    spans = [_Discreet(layer, server, frozenset(schemas())) for layer in server.middleware] if is_tracing() else []
    server.middleware[:] = [*spans, _unpack_arguments]
    return server


async def _unpack_arguments(ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
    """Hands on a call whose arguments came as JSON text, or as the empty list that PHP makes of nothing, as an object.

    Raises MCPError with a sentence where they mean none: the SDK would refuse them in words that say nothing.
    """
    params = ctx.params or {}
    given = params.get("arguments")
    if ctx.method != "tools/call" or given is None or isinstance(given, dict):
        return await call_next(ctx)
    arguments = _object_in(given)
    if arguments is None:
        tool = params.get("name")
        kind = "a text" if isinstance(given, str) else "a list" if isinstance(given, list) else "another value"
        get_logger().warning("arguments_unreadable", tool=tool[:100] if isinstance(tool, str) else None, kind=kind)
        raise MCPError(
            types.INVALID_PARAMS,
            f"Nothing was sent: the arguments of a call are one JSON object with a value for each name, such as "
            f'{{"limit": 10}}; they came as {kind} that holds none. Send the object itself.',
        )
    return await call_next(dataclasses.replace(ctx, params={**params, "arguments": arguments}))


def _object_in(given: Any) -> dict[str, Any] | None:
    """The object that was encoded to a text, once or more; an empty one for a blank text or an empty list."""
    for _ in range(MAX_JSON_LAYERS):
        if not isinstance(given, str):
            break
        try:
            given = json.loads(given) if given.strip() else {}
        except (ValueError, RecursionError):
            return None
    if given is None or given == []:
        return {}
    return given if isinstance(given, dict) else None


def _caller(ctx: ServerRequestContext[Any], client_name: str) -> str:
    """Who takes turns with others: the holder of a token, or else a client, by what it calls itself and where it is.

    Of sessions nothing is left in the newest revision, where each call stands on its own.
    """
    token = get_contextvars().get("caller")
    if token is not None:
        return f"token {token}"
    address = getattr(getattr(ctx.request, "client", None), "host", "")
    return f"client {client_name or _user_agent(ctx)} {address}"


class _Discreet:
    """The SDK's middleware that makes spans, which sees no words of a client: only methods and tools that there are,
    and no text of an error. Log events inside have the id of the trace.
    """

    def __init__(self, inner: ServerMiddleware[Any], server: Server[Any], tools: Collection[str]):
        self._inner = inner
        self._server = server
        self._tools = tools

    async def __call__(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        raised: list[Exception] = []

        async def proceed(_: ServerRequestContext[Any]) -> HandlerResult:
            found = get_current_span().get_span_context()
            try:
                with bound_contextvars(trace_id=f"{found.trace_id:032x}", span_id=f"{found.span_id:016x}"):
                    return await call_next(ctx)
            except Exception as error:
                raised.append(error)
                raise _without_words(error) from None

        known = ctx.method in NOTIFICATIONS or self._server.get_request_handler(ctx.method) is not None
        name = (ctx.params or {}).get("name")
        shown = dataclasses.replace(
            ctx,
            method=ctx.method if known else "unknown",
            params={"name": name} if isinstance(name, str) and name in self._tools else None,
            request_id=ctx.request_id if isinstance(ctx.request_id, int) else None,
        )
        try:
            return await self._inner(shown, proceed)
        except Exception:
            if raised:
                raise raised[0] from None
            raise


def _without_words(error: Exception) -> Exception:
    code = error.error.code if isinstance(error, MCPError) else types.INTERNAL_ERROR
    return MCPError(code, "")


def _user_agent(ctx: ServerRequestContext[Any]) -> str | None:
    """What a client of an older revision calls itself over HTTP, where each of its calls stands on its own."""
    request = ctx.request
    return request.headers.get("user-agent", "")[:100] or None if request is not None else None
