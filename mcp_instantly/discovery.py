"""All tools behind four: for hosts that have no room for long lists of tools, or hide them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.errors import CallError, InstantlyError, InvalidArguments, ToolNotEnabled, UnknownTool, WrongRunner
from mcp_instantly.guards.guards import Guard
from mcp_instantly.guards.locks import UNLOCKED, CampaignLock
from mcp_instantly.guards.offering import offer
from mcp_instantly.guards.risks import asks_host
from mcp_instantly.invocation import Invoker
from mcp_instantly.results import result
from mcp_instantly.results.exposure import Exposure
from mcp_instantly.results.result import Result
from mcp_instantly.settings import Settings
from mcp_instantly.text import compact, join_words
from mcp_instantly.tools.catalog import Selection, read_data
from mcp_instantly.tools.operation import CARRIES_ARGUMENTS, NO_REQUEST, Operation
from mcp_instantly.tools.search_index import SearchIndex
from mcp_instantly.workflows import Report, unreported

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.jobs.jobs import Jobs

SEARCH, DESCRIBE, READ, WRITE = "search_tools", "describe_tools", "run_read_tool", "run_write_tool"

FOUND_TOOLS = 8
"""Tools that a search finds when it does not say how many."""

NEAREST_TOOLS = 3
"""Tools that are named where there is none of the name that was given."""


def runner_of(tool: Operation) -> str:
    """Which of the two runs a tool."""
    return READ if tool.read_only else WRITE


@functools.cache
def discovery_tools() -> dict[str, Operation]:
    """The four tools by name, as their file has them. They have no request of their own."""
    return {
        tool["name"]: Operation(
            tool=tool,
            toolset="discovery",
            scopes_inferred=False,
            effects=(),
            extras=(),
            rules=CARRIES_ARGUMENTS if "arguments" in tool["inputSchema"]["properties"] else {},
            examples=(),
            **NO_REQUEST,
        )
        for tool in read_data("discovery.json")
    }


class Discovery(Invoker):
    """An invoker whose selection is reached through four tools: two that find tools, and two that run them.

    Raises ConfigError where this Python has no full-text search.
    """

    discovery = True

    def __init__(
        self,
        selection: Selection,
        client: InstantlyClient,
        settings: Settings,
        guards: Sequence[Guard] = (),
        lock: CampaignLock = UNLOCKED,
        exposure: Exposure | None = None,
        drafts: Drafts | None = None,
        jobs: Jobs | None = None,
        index: SearchIndex | None = None,
    ):
        super().__init__(selection, client, settings, guards, lock, exposure, drafts, jobs)
        self._index = index or SearchIndex(selection.catalog, selection.tools.values())

    def narrowed(self, narrow: Callable[[Selection], Selection]) -> Discovery:
        other = super().narrowed(narrow)
        assert isinstance(other, Discovery)
        other._index = SearchIndex(other.selection.catalog, other.selection.tools.values())
        return other

    @property
    def offered(self) -> list[dict[str, Any]]:
        risky = any(map(asks_host, self.selection.tools.values()))
        tools = discovery_tools().values()
        return [offer(tool, self._settings, asking=risky and tool.name == WRITE) for tool in tools]

    async def invoke(
        self, name: str, arguments: dict[str, Any], *, report: Report = unreported, **context: Any
    ) -> Result:
        """Call one of the four. What is run through them is checked, logged and answered as if it were called itself;
        its log event has the name of the runner as `via`.
        """
        tool = discovery_tools().get(name)
        if tool is None or name in (SEARCH, DESCRIBE):
            try:
                with self.log.entry(tool, name, arguments, context):
                    if tool is None:
                        raise self._hidden(name)
                    return self._look_up(tool, check_arguments(tool, arguments))
            except InstantlyError as error:
                return result.failure(error)
        try:
            asked, given = self._unpack(tool, arguments, context)
        except InstantlyError as error:
            return result.failure(error)
        found = await super().invoke(asked, given, report=report, via=name, **context)
        return result.failure(self._unknown(asked, found.error)) if isinstance(found.error, UnknownTool) else found

    def _hidden(self, name: str) -> CallError:
        """What to say of a tool that is called by itself."""
        try:
            tool = self.selection.find(name)
        except CallError as error:
            return error
        return ToolNotEnabled(
            f"Nothing was sent: {name} is not called by itself here. Call {runner_of(tool)} with "
            f'{{"name": "{name}", "arguments": {{...}}}}.'
        )

    # finding

    def _look_up(self, tool: Operation, checked: dict[str, Any]) -> Result:
        limit = self._settings.result_limit
        if tool.name == SEARCH:
            tools = self._index.find(checked["query"], checked.get("limit", FOUND_TOOLS))
            notes = [] if tools else ["No tool has any of these words: say in other words what is to be done."]
            return result.composed(tool, {"tools": [self._outline(one) for one in tools]}, notes, limit)
        described: list[dict[str, Any]] = []
        notes = []
        for name in dict.fromkeys(checked["names"]):
            try:
                one = self._description(self._find(name))
            except CallError as error:
                notes.append(str(error))
                continue
            if described and len(compact([*described, one])) > limit // 2:
                notes.append(f"{name} is left out, as this would be too long: describe it by itself.")
                continue
            described.append(one)
        if not described:
            raise UnknownTool(" ".join(notes))
        return result.composed(tool, {"tools": described}, notes, limit)

    def _outline(self, tool: Operation) -> dict[str, Any]:
        """A tool as a search shows it: enough to choose, and to call the simple ones."""
        schema = self._lock.tool(tool.tool)["inputSchema"]
        required = schema.get("required", [])
        optional = [name for name in schema["properties"] if name not in required]
        return {
            "name": tool.name,
            "purpose": re.split(r"(?<=\.)\s", tool.description)[0],
            "run_with": runner_of(tool),
            **({"effects": list(tool.effects)} if tool.effects else {}),
            **({"required": required} if required else {}),
            **({"optional": optional} if optional else {}),
        }

    def _description(self, tool: Operation) -> dict[str, Any]:
        """A tool in full."""
        return {
            "name": tool.name,
            "description": tool.description,
            "run_with": runner_of(tool),
            **({"effects": list(tool.effects)} if tool.effects else {}),
            "inputSchema": self._lock.tool(tool.tool)["inputSchema"],
        }

    def _find(self, name: str) -> Operation:
        try:
            return self.selection.find(name)
        except UnknownTool as error:
            raise self._unknown(name, error) from None

    def _unknown(self, name: str, error: CallError) -> CallError:
        """The error for a name that no tool has, with the tools that a search for its words finds."""
        words = " ".join(re.findall(r"[A-Z]?[a-z]+|\d+", name[:100]))
        nearest = [tool.name for tool in self._index.find(words, NEAREST_TOOLS)]
        found = f"A search for its words finds {join_words(nearest, 'and')}." if nearest else f"Ask {SEARCH}."
        return UnknownTool(f"{str(error).removesuffix(' See the list of tools.')} {found}")

    # running

    def _unpack(
        self, runner: Operation, arguments: dict[str, Any], context: dict[str, Any]
    ) -> tuple[str, dict[str, Any]]:
        """The tool that is to be run, and its arguments. Raises, and logs, what cannot be run this way."""
        try:
            checked = check_arguments(runner, arguments)
        except InvalidArguments as error:
            with self.log.entry(runner, runner.name, arguments, context):
                raise _explained(runner, arguments, error) from None
        name, given = checked["name"], checked.get("arguments", {})
        tool = self.selection.tools.get(name)
        if name in discovery_tools():
            with self.log.entry(runner, runner.name, arguments, context):
                raise WrongRunner(f"Nothing was sent: {name} is not run by {runner.name}; call it by itself.")
        if tool is not None and runner_of(tool) != runner.name:
            does = "only reads" if tool.read_only else "changes something"
            with self.log.entry(tool, name, given, {**context, "via": runner.name}):
                raise WrongRunner(
                    f"Nothing was sent: {name} {does}, so it is not run by {runner.name}. Call {runner_of(tool)} with "
                    "the same name and arguments."
                )
        return name, given


def _explained(runner: Operation, arguments: dict[str, Any], error: InvalidArguments) -> InvalidArguments:
    """The error of a runner, which says where the arguments of the tool belong when they stand beside its name."""
    if set(arguments) <= set(runner.input_schema["properties"]):
        return error
    return InvalidArguments(
        runner.name, [*error.problems, 'The arguments of the tool go into "arguments", an object beside its name.']
    )
