"""The command line: serve, tools, call, scopes and the commands of other modules (see `mcp-instantly --help`).

Heavy modules (the MCP SDK, httpx, the sandbox) are imported where a command needs them.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from pathlib import Path
from typing import Any

import click

from mcp_instantly import __version__
from mcp_instantly.commands import console
from mcp_instantly.commands.approval import drafts
from mcp_instantly.commands.bulk import jobs, worker
from mcp_instantly.commands.console import fail, print_json, read_object
from mcp_instantly.commands.doctor import doctor
from mcp_instantly.commands.guard_options import confirmation_options, safety_options, trust_options
from mcp_instantly.commands.history import audit, undo
from mcp_instantly.commands.http_options import http_options, refuse_http_options
from mcp_instantly.commands.installation import install, uninstall
from mcp_instantly.commands.listing import scopes, tools
from mcp_instantly.commands.login import login, logout
from mcp_instantly.commands.option_types import Whole
from mcp_instantly.commands.options import (
    connection_options,
    jobs_options,
    scenario_option,
    selection_options,
    state_option,
    world_options,
)
from mcp_instantly.commands.policy_check import policy
from mcp_instantly.commands.serve_options import stdio_options, transport_options
from mcp_instantly.commands.upkeep import bundle, docs, drift
from mcp_instantly.diagnosis.sdk import sdk_fault
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.guards.safeguards import tell_limits
from mcp_instantly.log import configure_logging
from mcp_instantly.settings import Settings, is_loopback
from mcp_instantly.startup import make_selection, make_settings, open_invoker, select_all, start_logging

OUTPUT_LOST = (
    "stdout could not be written ({}), so what the command had to say is lost or cut. What it did is done: look before "
    "you run it again."
)


def main() -> None:
    """Run the command line; every expected failure is one line on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # it is None where there is no stdout
        # What a terminal's encoding cannot show is escaped; JSON is printed by print_json and needs no such help.
        with contextlib.suppress(ValueError):
            sys.stdout.reconfigure(errors="backslashreplace")
    with console.open_streams():
        code = _run()
    sys.exit(code)


def _run() -> Any:
    """The exit status of the command. Raises SystemExit, and what is a bug."""
    try:
        try:
            code = cli.main(prog_name="mcp-instantly", standalone_mode=False)
        finally:
            sys.stdout.flush()
    except ConfigError as error:
        code = fail(str(error), 2)
    except console.NoCommand as error:
        print(error.format_message(), file=sys.stderr)
        code = 2
    except click.ClickException as error:
        code = fail(f"{error.format_message()}{_where_to_look(error)}", 2)
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except ImportError:
        if (fault := sdk_fault()) is None:
            raise
        code = fail(fault, 2)
    except BaseException as error:
        lost = _first_of(error, (console.OutputLost, BrokenPipeError))
        if lost is None and _first_of(error, (FileNotFoundError,)) and _is_folder_gone():
            return fail("The current folder is gone; change to one that is there.", 2)
        if lost is None:
            raise
        # The reader of our output has gone, or its disk is full; keep the interpreter from flushing into nothing.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0 if isinstance(lost, BrokenPipeError) else fail(OUTPUT_LOST.format(lost), 1)
    return code


def _where_to_look(error: click.ClickException) -> str:
    """A sentence for those who give an argument of a tool as an option, with a blank before it."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.command is call:
        return f" If it is an argument of the tool: {console.AN_OBJECT[0].lower()}{console.AN_OBJECT[1:]}"
    return ""


def _is_folder_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _first_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> BaseException | None:
    """The first error, where these and no others ended the work; groups are looked into."""
    inner = getattr(error, "exceptions", None)
    if not inner:
        return error if isinstance(error, kinds) else None
    found = [_first_of(one, kinds) for one in inner]
    return found[0] if all(found) else None


@click.group(cls=console.Group, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """MCP server for the Instantly.ai API v2: one tool per operation, and a sandbox.

    The API key is read from INSTANTLY_API_KEY, from the file that INSTANTLY_API_KEY_FILE names, or from where login
    stored it. Keys of several workspaces are read from the file that INSTANTLY_KEYS_FILE names, and for the names in
    INSTANTLY_KEYRING from the system's keyring.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@cli.command()
@transport_options
@http_options
@stdio_options
def serve(
    transport: str,
    host: str,
    port: int,
    structured: bool,
    discovery: bool,
    **options: Any,
) -> None:
    """Run the MCP server on stdio, or over streamable HTTP at /mcp."""
    if transport == "stdio":
        refuse_http_options(click.get_current_context())
    selection = make_selection(select_all(options) if discovery else options)
    options |= {"host": host, "port": port, "structured": structured}
    if transport == "http":
        from mcp_instantly.hosting import serve_over_http

        sys.exit(serve_over_http(selection, make_settings(options), options, discovery=discovery))
    settings = make_settings(options)
    start_logging(options, settings)
    from mcp_instantly.api.tracing import tracing
    from mcp_instantly.server import build_server
    from mcp_instantly.transports.stdio import serve_stdio

    async def run() -> int:
        opened = open_invoker(selection, settings, options, discovery=discovery, works="when wanted")
        async with opened as invoker:
            limits = tell_limits(options)
            server = build_server(invoker, sandbox=settings.sandbox, structured=structured, limits=limits)
            console.collect_rarely()
            read_only = {tool["name"] for tool in invoker.offered if tool["annotations"]["readOnlyHint"]}
            return await serve_stdio(server, read_only=read_only, grace=options["grace"])

    with tracing():
        status = console.run(run)
    sys.exit(status)


@cli.command()
@click.argument("tool")
@click.argument("arguments", default="{}")
@click.option("--workspace-name", metavar="NAME", help="With several keys: the workspace that the call is for.")
@selection_options
@jobs_options
@safety_options
@connection_options
@confirmation_options
@trust_options
@world_options
def call(tool: str, arguments: str, workspace_name: str | None, **options: Any) -> None:
    """Call one TOOL with ARGUMENTS, a JSON object (- reads it from stdin), and print the result as JSON.

    Without selection options every tool can be called. Exit status: 1 when the API or the network failed, 2 when the
    arguments or the configuration are wrong.
    """
    selection = make_selection(select_all(options))
    values = read_object(arguments)
    settings = make_settings(options)
    if workspace_name is not None:
        values = _for_workspace(values, workspace_name, settings)
    start_logging(options, settings)

    async def run() -> Any:
        async with open_invoker(selection, settings, options) as invoker:
            return await invoker.invoke(tool, values, client_name="mcp-instantly call", client_version=__version__)

    result = console.run(run)
    if result.error is not None:
        sys.exit(fail(result.text, 2 if isinstance(result.error, CallError) else 1))
    print_json(result.structured)


def _for_workspace(values: dict[str, Any], name: str, settings: Settings) -> dict[str, Any]:
    """The arguments with the workspace that is named beside them."""
    if not settings.keys:
        raise ConfigError("--workspace-name chooses among several keys, and there is but one; leave it out.")
    if name not in settings.keys:
        raise ConfigError(f"--workspace-name is not the name of a workspace; those are {', '.join(settings.keys)}.")
    if values.get("workspace", name) != name:
        raise ConfigError("--workspace-name is one workspace and the arguments name another one; give one of them.")
    return {**values, "workspace": name}


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--port",
    type=Whole(0, 65535),
    metavar="PORT",
    default=8787,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
)
@scenario_option
@state_option
@click.option("--seed", type=int, default=1, help="Seed of all ids and chances.")
@click.option("--frozen", is_flag=True, help="Freeze the clock: only the control API moves it.")
@click.option(
    "--budgets/--no-budgets",
    default=None,
    help="Whether the API's rate limits hold.  [default: they do, unless --frozen]",
)
def sandbox(
    host: str, port: int, scenario: str, state: Path | None, seed: int, frozen: bool, budgets: bool | None
) -> None:
    """Serve the sandbox on a loopback port, for any client of the Instantly API."""
    if not is_loopback(host):
        raise ConfigError(f"The sandbox listens on loopback addresses only, not on {host}.")
    configure_logging()
    from mcp_instantly.sandbox import KEY, open_sandbox
    from mcp_instantly.transports.port import bind, serve_app, url_of

    sock = bind(host, port)
    try:
        app = open_sandbox(
            scenario, seed=seed, state=state, running=not frozen, budgets=not frozen if budgets is None else budgets
        )
    except ValueError as error:
        raise ConfigError(f"{error}.") from None
    api, page = url_of(sock, "/api/v2"), url_of(sock)
    print(f"Sandbox at {api}, API key: {KEY}; to watch it: {page}", file=sys.stderr, flush=True)
    sys.exit(console.run(lambda: serve_app(app, sock)))


@cli.command()
def demo() -> None:
    """Walk through an outreach campaign in the sandbox, and show every call and its log event."""
    from mcp_instantly.commands.demo import run_demo

    sys.exit(console.run(run_demo))


for command in (tools, scopes, policy, audit, undo, drafts, jobs, worker, docs, drift, bundle, doctor, login, logout):
    cli.add_command(command)
for command in (install, uninstall):
    cli.add_command(command)
