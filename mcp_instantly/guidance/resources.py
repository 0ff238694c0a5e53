"""Resources: pages of the manual, skills, what is to be known of each tool, and the state of the workspace.

Skills follow the MCP extension for skills: their files are resources, and `skills/list` and `skills/get` say which
there are. To a client that does not know the extension they are resources like any other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from mcp_instantly.caller import Caller
from mcp_instantly.errors import CallError
from mcp_instantly.guidance.manual import Guide, jobs, reference_pages, skill_entry, skill_text, skill_uri
from mcp_instantly.log import get_logger
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation

SKILLS_EXTENSION = "io.modelcontextprotocol/skills"

GUIDES = "instantly://guides/"
TOOLS = "instantly://tools/"
TOOL_TEMPLATE = f"{TOOLS}{{name}}"
OVERVIEW = "instantly://workspace/overview"
OVERVIEW_TOOL = "get_workspace_overview"
EXPORTS = "instantly://exports"
EXPORTS_TOOL = "query_exports"

STATES = {OVERVIEW_TOOL: OVERVIEW, EXPORTS_TOOL: EXPORTS}
"""Tools whose answer to a call without arguments is a resource too, where they are on and have something to read."""

MARKDOWN = "text/markdown"
JSON = "application/json"

STABLE_MS = 3_600_000
"""How long a client may keep what cannot change while the server runs: for its caller alone, since another one may have
other tools."""


class GetSkillParams(types.RequestParams):
    """Which skill: the URI of its SKILL.md."""

    uri: str


def add_resources(server: Server[Any], invoker: Caller) -> None:
    """Let a server list and read resources and skills."""
    tools = invoker.selection.tools
    states = _states(invoker)

    def skills() -> Mapping[str, Guide]:
        return {skill_uri(guide): guide for guide in jobs().values() if not guide.missing(tools)}

    async def list_resources(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams
    ) -> types.ListResourcesResult:
        listed = [_state(tools[name], uri, **given) for uri, (name, given) in states.items()]
        pages = [_page(guide) for guide in reference_pages().values()]
        return types.ListResourcesResult(resources=[*listed, *pages, *map(_skill, skills().values())])

    async def list_templates(
        _: ServerRequestContext[Any], __: types.PaginatedRequestParams
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[TOOL])

    async def read_resource(
        ctx: ServerRequestContext[Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        if uri in states:
            return _contents(uri, JSON, await _read_state(invoker, ctx, uri, *states[uri]), lasting=False)
        if uri in skills():
            return _contents(uri, MARKDOWN, skill_text(skills()[uri]))
        name = uri.removeprefix(GUIDES)
        if uri.startswith(GUIDES) and name in reference_pages():
            guide = reference_pages()[name]
            return _contents(uri, MARKDOWN, f"# {guide.title}\n\n{guide.text.lstrip()}")
        if uri.startswith(TOOLS):
            try:
                found = describe(invoker.selection.find(uri.removeprefix(TOOLS)))
            except CallError as error:
                raise _not_there(uri, str(error)) from None
            return _contents(uri, JSON, json.dumps(found, ensure_ascii=False, indent=1))
        raise _not_there(uri, f"There is no resource {uri[:200]!r}; resources/list has those that are.")

    async def list_skills(_: ServerRequestContext[Any], __: types.PaginatedRequestParams) -> dict[str, Any]:
        return _complete({"skills": [skill_entry(guide) for guide in skills().values()]})

    async def get_skill(_: ServerRequestContext[Any], params: GetSkillParams) -> dict[str, Any]:
        guide = skills().get(params.uri)
        if guide is None:
            raise _not_there(params.uri, f"There is no skill {params.uri[:200]!r}; skills/list has all.")
        return _complete({"skill": skill_entry(guide)})

    server.add_request_handler("resources/list", types.PaginatedRequestParams, list_resources)
    server.add_request_handler("resources/templates/list", types.PaginatedRequestParams, list_templates)
    server.add_request_handler("resources/read", types.ReadResourceRequestParams, read_resource)
    server.add_request_handler("skills/list", types.PaginatedRequestParams, list_skills)
    server.add_request_handler("skills/get", GetSkillParams, get_skill)
    server.extensions[SKILLS_EXTENSION] = {}


TOOL = types.ResourceTemplate(
    name="tool",
    title="What is to be known of a tool",
    uri_template=TOOL_TEMPLATE,
    description="Arguments, what is checked beyond them, effects and examples of one tool, as JSON.",
    mime_type=JSON,
)


def describe(tool: Operation) -> dict[str, Any]:
    """What is public of a schema file: the tool, its toolset, what it does to the world, its checks and examples."""
    found: dict[str, Any] = {**tool.tool, "toolset": tool.toolset, "effects": list(tool.effects)}
    if isinstance(tool, Workflow):
        found["calls"] = list(tool.parts)
    return {**found, "rules": tool.rules, "examples": list(tool.examples)}


def _states(invoker: Caller) -> dict[str, tuple[str, dict[str, Any]]]:
    """The URI of each state, or of one for each of several workspaces, with the tool and arguments that read it."""
    on = {name: uri for name, uri in STATES.items() if name in invoker.selection.tools}
    if not invoker.opens_files:
        on.pop(EXPORTS_TOOL, None)
    if not invoker.workspaces:
        return {uri: (name, {}) for name, uri in on.items()}
    return {
        f"{uri}/{workspace}": (name, {"workspace": workspace})
        for name, uri in on.items()
        for workspace in invoker.workspaces
    }


def _state(tool: Operation, uri: str, workspace: str = "") -> types.Resource:
    kind = "workspace-overview" if tool.name == OVERVIEW_TOOL else "exports"
    name = "-".join(filter(None, [kind, workspace]))
    title = f"{workspace}: {tool.title}" if workspace else tool.title
    return types.Resource(name=name, title=title, uri=uri, description=tool.description, mime_type=JSON)


def _page(guide: Guide) -> types.Resource:
    uri = f"{GUIDES}{guide.name}"
    return types.Resource(
        name=guide.name, title=guide.title, uri=uri, description=guide.description, mime_type=MARKDOWN
    )


def _skill(guide: Guide) -> types.Resource:
    return types.Resource(
        name=guide.skill_name,
        title=guide.title,
        uri=skill_uri(guide),
        description=guide.description,
        mime_type=MARKDOWN,
        size=len(skill_text(guide).encode()),
    )


async def _read_state(
    invoker: Caller, ctx: ServerRequestContext[Any], uri: str, tool: str, given: dict[str, Any]
) -> str:
    try:
        report = ctx.session.report_progress
        result = await invoker.perform(tool, given, report=report, request_id=ctx.request_id)
    except Exception:
        # The SDK would hand the exception's text to the client; it stays in our log.
        get_logger().exception("resource_read_crashed", uri=uri, **given)
        raise MCPError(types.INTERNAL_ERROR, "The MCP server failed; see its log.") from None
    if result.error is not None:
        raise MCPError(types.INTERNAL_ERROR, result.text)
    return result.text


def _not_there(uri: str, sentence: str) -> MCPError:
    return MCPError(types.INVALID_PARAMS, sentence, {"uri": uri})


def _contents(uri: str, mime_type: str, text: str, *, lasting: bool = True) -> types.ReadResourceResult:
    return types.ReadResourceResult(
        contents=[types.TextResourceContents(uri=uri, mime_type=mime_type, text=text)],
        ttl_ms=STABLE_MS if lasting else 0,
        cache_scope="private",
    )


def _complete(found: dict[str, Any]) -> dict[str, Any]:
    """A result of the extension's methods, which the SDK does not know, with its hints for caches."""
    return {"resultType": "complete", **found, "ttlMs": STABLE_MS, "cacheScope": "private"}
