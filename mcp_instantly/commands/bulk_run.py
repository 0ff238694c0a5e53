"""How commands about jobs are run: their options, and the calls that they make."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from mcp_instantly.commands import console
from mcp_instantly.commands.console import OutputLost, fail
from mcp_instantly.commands.guard_options import confirmation_options, safety_options, trust_options
from mcp_instantly.commands.options import (
    NO_SELECTION,
    WHOLE_CHARACTERS,
    connection_options,
    files_option,
    jobs_options,
    option_group,
    read_only_option,
    world_options,
)
from mcp_instantly.commands.watching import call
from mcp_instantly.errors import ConfigError, InstantlyError
from mcp_instantly.jobs.extra import MISSING, is_installed
from mcp_instantly.startup import make_selection, make_settings, open_invoker, start_logging

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller

common = option_group(
    jobs_options,
    files_option,
    read_only_option,
    click.option("--workspace-name", metavar="NAME", help="With several keys: the workspace that the job is for."),
    safety_options,
    connection_options,
    confirmation_options,
    trust_options,
    world_options,
)


Work = Callable[["Caller", dict[str, Any]], Awaitable[int]]
"""What a command does with a caller of the jobs' tools and the argument that names the workspace; the exit status."""


def run_work(work: Work, given: dict[str, Any], *, works: bool = False) -> int:
    """Run a command's work with a caller that `works` on jobs itself, or leaves them alone; the exit status.

    Raises ConfigError where what jobs need is not installed, or --read-only is set for what works.
    """
    if not is_installed():
        raise ConfigError(MISSING)
    if works and given["read_only"]:
        raise ConfigError("Nothing was started: --read-only (INSTANTLY_READ_ONLY) is set, and jobs change something.")
    name = given["workspace_name"]
    chosen = {**NO_SELECTION, "toolsets": ("jobs",)}
    # Rows are for programs and people here, and come whole.
    given = {**given, **chosen, "result_limit": WHOLE_CHARACTERS, "raw_text": not given["lockdown"]}
    if click.get_current_context().get_parameter_source("log_level") is click.core.ParameterSource.DEFAULT:
        given["log_level"] = "error"
    settings = make_settings(given)
    start_logging(given, settings)
    selection = make_selection(given)

    async def run() -> int | Exception:
        async with open_invoker(selection, settings, given, works="now" if works else "no") as caller:
            try:
                return await work(caller, {"workspace": name} if name else {})
            except (InstantlyError, click.Abort, OutputLost) as error:
                # On its way through what works on jobs it would become a group.
                return error

    ended: int | Exception = console.run(run)
    if isinstance(ended, int):
        return ended
    if isinstance(ended, InstantlyError) and not isinstance(ended, ConfigError):
        return fail(str(ended), 2)
    raise ended


def ask_tool(tool: str, arguments: dict[str, Any], given: dict[str, Any]) -> Any:
    """The answer of a tool that only looks at jobs. Where there is none, the command ends with its exit status."""
    found: list[Any] = []

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        found.append(await call(caller, tool, {**arguments, **where}))
        return 0

    code = run_work(work, given)
    if code:
        sys.exit(code)
    return found[0]
