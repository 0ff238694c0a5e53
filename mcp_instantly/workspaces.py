"""Several workspaces behind one server: every call names one, and goes to an invoker that has its key alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.errors import InstantlyError, InvalidArguments, NotFound, Unauthorized
from mcp_instantly.guards.preview import NAME as PREVIEW
from mcp_instantly.invocation import Invoker
from mcp_instantly.results.result import Result
from mcp_instantly.settings import Settings
from mcp_instantly.text import compact, error_text
from mcp_instantly.tools.catalog import Catalog, Selection
from mcp_instantly.tools.operation import META, RESULT_SIZE, Operation
from mcp_instantly.workflows import Report, unreported

WORKSPACE = "workspace"
"""The argument of every tool that says which workspace a call is for; it never reaches the API."""

ECHO = "_workspace"
"""The name under which a result says which workspace was asked."""

WITHOUT = ("search_tools", "describe_tools")
"""Tools that ask no workspace: with discovery, they look at tools alone."""

ARGUMENTS = "arguments"
"""The argument that holds those of the tool that is run, with discovery, or previewed."""

AnOperation = TypeVar("AnOperation", bound=Operation)


def settings_of(settings: Settings, name: str) -> Settings:
    """The settings of one of several workspaces; its results leave room for its name."""
    own = settings.for_workspace(name)
    return dataclasses.replace(own, result_limit=own.result_limit - len(compact({ECHO: name})))


def with_workspace(tool: dict[str, Any], names: Sequence[str], default: str | None) -> dict[str, Any]:
    """A tool, as it goes over the wire, with the argument that names a workspace: the first, and required.

    A tool that only reads can do without it where there is a default.
    """
    schema = tool["inputSchema"]
    optional = default is not None and tool["annotations"]["readOnlyHint"]
    said = f"The workspace to read, {default} when not given." if optional else "The workspace that this call is for."
    argument = {"type": "string", "enum": list(names), "description": said}
    required = [*([] if optional else [WORKSPACE]), *schema.get("required", ())]
    with_argument = {
        **schema,
        "properties": {WORKSPACE: argument, **schema["properties"]},
        **({"required": required} if required else {}),
    }
    return {**tool, "inputSchema": with_argument}


def _operation(operation: AnOperation, names: Sequence[str], default: str | None) -> AnOperation:
    examples = tuple({WORKSPACE: names[0], **example} for example in operation.examples)
    tool = with_workspace(operation.tool, names, default)
    return dataclasses.replace(operation, tool=tool, extras=(WORKSPACE, *operation.extras), examples=examples)


def select_for(selection: Selection, names: Sequence[str], default: str | None) -> Selection:
    """The same selection, of tools that take the name of a workspace. What workflows call inside does not take it."""
    old = selection.catalog
    catalog = Catalog(
        {name: _operation(one, names, default) for name, one in old.operations.items()},
        old.toolsets,
        {name: _operation(one, names, default) for name, one in old.workflows.items()},
    )
    return dataclasses.replace(
        selection,
        catalog=catalog,
        operations={name: catalog.operations[name] for name in selection.operations},
        workflows={
            # Previews belong to a selection alone.
            name: catalog.workflows.get(name) or _operation(one, names, default)
            for name, one in selection.workflows.items()
        },
    )


class Workspaces:
    """Calls tools of several workspaces, each through its own invoker.

    Which of them is asked is the first thing that is looked at; the rest of a call, and all that is kept between calls,
    belongs to its invoker. The name stands in the result (`_workspace`), in the text of an error, and in log events.
    `default` is for reads alone. `limit` are the characters of a result.
    """

    def __init__(self, invokers: Mapping[str, Invoker], default: str | None, limit: int):
        self._invokers = dict(invokers)
        self._default = default
        self._limit = limit
        # Any of them refuses what has no workspace, and looks at tools: neither asks the API.
        self._first = next(iter(self._invokers.values()))
        self.workspaces = tuple(self._invokers)
        self.discovery = self._first.discovery
        self.opens_files = self._first.opens_files
        self.selection = select_for(self._first.selection, self.workspaces, default)
        self._runners = self._discovery_runners() if self.discovery else {}

    def narrowed(self, narrow: Callable[[Selection], Selection]) -> Workspaces:
        """The same, with the tools that `narrow` leaves."""
        invokers = {name: invoker.narrowed(narrow) for name, invoker in self._invokers.items()}
        return Workspaces(invokers, self._default, self._limit)

    @property
    def offered(self) -> list[dict[str, Any]]:
        """The tools that a client sees, as they go over the wire."""
        return [self._offered(tool) for tool in self._first.offered]

    @property
    def kept(self) -> dict[str, Any]:
        """What is kept from one request to the next, of all workspaces."""
        return self._first.kept

    def _offered(self, tool: dict[str, Any]) -> dict[str, Any]:
        if RESULT_SIZE in tool.get(META, {}):
            tool = {**tool, META: {**tool[META], RESULT_SIZE: self._limit}}
        return tool if self._asks_none(tool["name"]) else with_workspace(tool, self.workspaces, self._default)

    def _asks_none(self, name: str) -> bool:
        return self.discovery and name in WITHOUT

    def _discovery_runners(self) -> dict[str, Operation]:
        from mcp_instantly.discovery import discovery_tools

        return {
            name: _operation(tool, self.workspaces, self._default)
            for name, tool in discovery_tools().items()
            if not self._asks_none(name)
        }

    async def invoke(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result:
        """Call a tool in the workspace that its arguments name, as Invoker.invoke does."""
        tools: Mapping[str, Operation] = self._runners if self.discovery else self.selection.tools
        tool = tools.get(name)
        if tool is None:
            # It looks at tools alone, or is none that could be called: the invoker says so.
            return await self._first.invoke(name, arguments, report=report, **context)
        try:
            workspace, rest = self._routed(tool, arguments)
        except InvalidArguments as error:
            return self._first.refuse(tool, arguments, error, **context)
        found = await self._invokers[workspace].invoke(name, rest, report=report, workspace=workspace, **context)
        return _told(found, workspace)

    async def perform(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result:
        """As `invoke`, by the name of the tool itself, however tools are offered to clients."""
        tool = self.selection.tools.get(name)
        if tool is None:
            return await self._first.perform(name, arguments, report=report, **context)
        try:
            workspace, rest = self._routed(tool, arguments)
        except InvalidArguments as error:
            return self._first.refuse(tool, arguments, error, **context)
        found = await self._invokers[workspace].perform(name, rest, report=report, workspace=workspace, **context)
        return _told(found, workspace)

    async def read(self, name: str, arguments: dict[str, Any], seconds: float, **context: Any) -> Any:
        """Call a tool that reads, for a purpose of ours, as Invoker.read does. Raises InstantlyError."""
        workspace, rest = self._routed(self.selection.find(name), arguments)
        return await self._invokers[workspace].read(name, rest, seconds, workspace=workspace, **context)

    def _routed(self, tool: Operation, arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """The workspace that a call is for, and the other arguments. Raises InvalidArguments with all problems."""
        if tool.name == PREVIEW or tool.name in self._runners:
            arguments = _lifted(tool.name, arguments)
        asked = arguments.get(WORKSPACE)
        rest = {name: value for name, value in arguments.items() if name != WORKSPACE}
        if isinstance(asked, str) and asked in self._invokers:
            return asked, rest
        if asked is None and self._default is not None and tool.read_only:
            return self._default, rest
        check_arguments(tool, arguments)
        raise InvalidArguments(tool.name, [f"workspace: name one of {', '.join(self.workspaces)}."])


def _lifted(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a tool that takes those of another one, to run or to preview it: a workspace that was given
    among those stands beside the name of the other tool.

    Raises InvalidArguments where two different ones are given.
    """
    inner = arguments.get(ARGUMENTS)
    if not isinstance(inner, dict):
        return arguments
    beside = "tool" if name == PREVIEW else "name"
    if beside == "name" and arguments.get(beside) == PREVIEW:
        inner = _lifted(PREVIEW, inner)
    if WORKSPACE not in inner:
        return arguments
    rest = {name: value for name, value in inner.items() if name != WORKSPACE}
    outer = arguments.get(WORKSPACE)
    if outer is not None and inner[WORKSPACE] is not None and outer != inner[WORKSPACE]:
        problem = (
            f'workspace: one stands beside "{beside}" and another one in "arguments"; give one, beside "{beside}".'
        )
        raise InvalidArguments(str(arguments.get(beside, "the call")), [problem])
    return {**arguments, ARGUMENTS: rest, WORKSPACE: inner[WORKSPACE] if outer is None else outer}


def _told(found: Result, workspace: str) -> Result:
    """A result that says which workspace it is of."""
    if found.error is not None:
        return dataclasses.replace(found, text=error_text(f"{found.text} {_whose(found.error, workspace)}"))
    structured = {ECHO: workspace, **(found.structured or {})}
    return dataclasses.replace(found, structured=structured, text=compact(structured))


def _whose(error: InstantlyError, workspace: str) -> str:
    if isinstance(error, NotFound):
        return f"The workspace that was asked is {workspace}; it does not know the ids of another one."
    if isinstance(error, Unauthorized):
        return f"The workspace that was asked is {workspace}: its key is the one of this name."
    return f"The call was for the workspace {workspace}."
