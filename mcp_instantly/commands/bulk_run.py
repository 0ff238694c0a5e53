"""How commands about jobs are run: their options, and the calls that they make."""

from __future__ import annotations

import sys
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
    options,
    read_only_option,
    world_options,
)
from mcp_instantly.commands.watching import call
from mcp_instantly.errors import ConfigError, InstantlyError
from mcp_instantly.jobs.extra import MISSING, is_installed
from mcp_instantly.startup import make_selection, make_settings, open_invoker, start_logging

if TYPE_CHECKING:
    from mcp_instantly.caller import Caller

common = options(
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


def run_work(work: Any, given: dict[str, Any], *, works: bool = False) -> int:
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
                result: int = await work(caller, {"workspace": name} if name else {})
                return result
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
    found: list[Any] = []

    async def work(caller: Caller, where: dict[str, Any]) -> int:
        found.append(await call(caller, tool, {**arguments, **where}))
        return 0

    code = run_work(work, given)
    if code:
        sys.exit(code)
    return found[0]
