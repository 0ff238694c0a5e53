"""Prompts: the guides for jobs, filled in with what a person gave, and completion of their arguments.

A job whose tools are off is left out; one that can do without some of its tools says which are off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from mcp_instantly.caller import Caller
from mcp_instantly.guidance.completion import MAX_VALUES, Completer, Found, matching
from mcp_instantly.guidance.manual import Argument, Guide, jobs, prompt_text
from mcp_instantly.guidance.resources import TOOL_TEMPLATE
from mcp_instantly.suggestions import suggest_or_list

WORKSPACE = "workspace"
"""The argument that every prompt has where there are several workspaces."""

MAX_ARGUMENT_CHARACTERS = 20_000
"""Of what a person gives for one argument."""


def add_prompts(server: Server[Any], invoker: Caller) -> None:
    """Let a server list and give prompts, and complete what they and its resources take."""
    tools = invoker.selection.tools
    completer = Completer(invoker)

    def offered() -> Mapping[str, Guide]:
        guides = {name: guide for name, guide in jobs().items() if not guide.missing(tools)}
        return {name: _for_one_of(guide, invoker.workspaces) for name, guide in guides.items()}

    async def list_prompts(_: ServerRequestContext[Any], __: types.PaginatedRequestParams) -> types.ListPromptsResult:
        return types.ListPromptsResult(prompts=[_prompt(guide) for guide in offered().values()])

    async def get_prompt(_: ServerRequestContext[Any], params: types.GetPromptRequestParams) -> types.GetPromptResult:
        guide = _found(params.name, offered(), tools)
        given = _checked(guide, params.arguments or {})
        text = types.TextContent(text=prompt_text(guide, given, tools))
        return types.GetPromptResult(
            description=guide.description, messages=[types.PromptMessage(role="user", content=text)]
        )

    async def complete(_: ServerRequestContext[Any], params: types.CompleteRequestParams) -> types.CompleteResult:
        typed = params.argument.value
        if isinstance(params.ref, types.ResourceTemplateReference):
            if (params.ref.uri, params.argument.name) != (TOOL_TEMPLATE, "name"):
                raise MCPError(
                    types.INVALID_PARAMS, f"There is one template, {TOOL_TEMPLATE}, with one argument, name."
                )
            return _completed(_cut(matching(typed, list(tools))))
        guide = _found(params.ref.name, offered(), tools)
        argument = next((one for one in guide.arguments if one.name == params.argument.name), None)
        if argument is None:
            raise MCPError(types.INVALID_PARAMS, _unknown(guide, params.argument.name))
        if argument.complete:
            chosen = (params.context.arguments or {}) if params.context else {}
            workspace = chosen.get(WORKSPACE) if invoker.workspaces else None
            return _completed(await completer.complete(argument.complete, typed, workspace=workspace))
        return _completed(_cut(matching(typed, list(argument.values))))

    server.add_request_handler("prompts/list", types.PaginatedRequestParams, list_prompts)
    server.add_request_handler("prompts/get", types.GetPromptRequestParams, get_prompt)
    server.add_request_handler("completion/complete", types.CompleteRequestParams, complete)


def _for_one_of(guide: Guide, workspaces: tuple[str, ...]) -> Guide:
    """A guide that asks for the workspace, too, where there are several."""
    if not workspaces:
        return guide
    said = "The workspace that this is for: the same in every call."
    argument = Argument(WORKSPACE, said, required=True, values=workspaces)
    return dataclasses.replace(guide, arguments=(argument, *guide.arguments))


def _prompt(guide: Guide) -> types.Prompt:
    arguments = [
        types.PromptArgument(name=one.name, description=one.description, required=one.required)
        for one in guide.arguments
    ]
    return types.Prompt(name=guide.name, title=guide.title, description=guide.description, arguments=arguments)


def _found(name: str, offered: Mapping[str, Guide], tools: Collection[str]) -> Guide:
    if name in offered:
        return offered[name]
    if name in jobs():
        off = "; ".join(" or ".join(group) for group in jobs()[name].missing(tools))
        raise MCPError(types.INVALID_PARAMS, f"The prompt {name} is off, since it needs tools that are off: {off}.")
    message = f"There is no prompt {name[:60]!r}.{suggest_or_list(name, list(offered))}"
    raise MCPError(types.INVALID_PARAMS, message)


def _checked(guide: Guide, arguments: Mapping[str, str]) -> dict[str, str]:
    """The arguments that were given, blank ones left out. Refuses unknown, missing and overlong ones."""
    known = [one.name for one in guide.arguments]
    for name, value in arguments.items():
        if name not in known:
            raise MCPError(types.INVALID_PARAMS, _unknown(guide, name))
        if len(value) > MAX_ARGUMENT_CHARACTERS:
            message = f"{name} has {len(value):,} characters; it may have {MAX_ARGUMENT_CHARACTERS:,}."
            raise MCPError(types.INVALID_PARAMS, message)
    given = {name: arguments[name].strip() for name in known if arguments.get(name, "").strip()}
    missing = [one.name for one in guide.arguments if one.required and one.name not in given]
    if missing:
        raise MCPError(types.INVALID_PARAMS, f"The prompt {guide.name} needs {', '.join(missing)}.")
    return given


def _unknown(guide: Guide, name: str) -> str:
    known = [one.name for one in guide.arguments]
    return f"The prompt {guide.name} does not take {name[:60]!r}.{suggest_or_list(name, known)}"


def _cut(values: list[str]) -> Found:
    return Found(values[:MAX_VALUES], len(values) > MAX_VALUES)


def _completed(found: Found) -> types.CompleteResult:
    return types.CompleteResult(completion=types.Completion(values=found.values, has_more=found.more))
