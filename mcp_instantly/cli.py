"""The command line: serve, tools, call, scopes, sandbox, demo, docs, drift.

Heavy modules (the MCP SDK, httpx, the sandbox) are imported where a command needs them.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import dataclasses
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import click

from mcp_instantly import __version__
from mcp_instantly.access import make_access, read_tokens
from mcp_instantly.catalog import load_catalog, minimum_scopes, stand_ins
from mcp_instantly.composition import Workflow
from mcp_instantly.docs import pages
from mcp_instantly.drift import PUBLISHED, catalog_facts, compare, merged_facts, record
from mcp_instantly.errors import CallError, ConfigError
from mcp_instantly.lint import lint
from mcp_instantly.log import configure_logging
from mcp_instantly.operation import Operation
from mcp_instantly.options import (
    connection_options,
    http_options,
    sandbox_option,
    scenario_option,
    selection_options,
    state_option,
    world_options,
)
from mcp_instantly.providers import PROVIDERS
from mcp_instantly.settings import (
    SERVER_NAME,
    is_loopback,
)
from mcp_instantly.startup import make_selection, make_settings, open_invoker, start_logging
from mcp_instantly.text import error_text, escape_json, one_line

EVERY_PROVIDER = "all"


def main() -> None:
    """Run the command line; every expected failure is one line on stderr."""
    with contextlib.suppress(AttributeError, ValueError):
        # What a terminal's encoding cannot show is escaped; JSON is printed by _print_json and needs no such help.
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        code = cli.main(prog_name="mcp-instantly", standalone_mode=False)
        sys.stdout.flush()
    except ConfigError as error:
        code = _fail(str(error), 2)
    except click.ClickException as error:
        code = _fail(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort):
        code = 130
    except BaseException as error:
        if not _is_broken_pipe(error):
            raise
        # Whoever read our output has gone; keep the interpreter from flushing into nothing.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = 0
    sys.exit(code)


def _is_broken_pipe(error: BaseException) -> bool:
    """Whether a closed pipe, and nothing else, ended the work; groups are looked into."""
    inner = getattr(error, "exceptions", None)
    return all(map(_is_broken_pipe, inner)) if inner else isinstance(error, BrokenPipeError)


def _run(function: Callable[[], Any]) -> Any:
    """Run an async function to its end; Ctrl-C ends the program with status 130, without a word."""
    try:
        return anyio.run(function)
    except (KeyboardInterrupt, asyncio.CancelledError):
        # Python 3.10 ends an interrupted loop with the latter.
        sys.exit(130)


def _fail(message: str, code: int) -> int:
    print(f"mcp-instantly: {error_text(message)}", file=sys.stderr)
    return code


def _print_json(value: Any) -> None:
    """Print JSON that means the same in every encoding, and in which nothing steers a terminal."""
    is_utf8 = codecs.lookup(sys.stdout.encoding or "ascii").name == "utf-8"
    print(escape_json(json.dumps(value, indent=2, ensure_ascii=not is_utf8)))


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """MCP server for the Instantly.ai API v2: one tool per operation, and a sandbox.

    The API key is read from INSTANTLY_API_KEY, or from the file that INSTANTLY_API_KEY_FILE names.
    """
    if context.invoked_subcommand is None:
        print(context.get_help())


@cli.command()
@click.option(
    "--transport", type=click.Choice(["stdio", "http"]), default="stdio", show_default=True, help="How clients connect."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on with --transport http.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port to listen on with --transport http.",
)
@click.option(
    "--structured",
    is_flag=True,
    envvar="INSTANTLY_STRUCTURED",
    show_envvar=True,
    help="Give results as structuredContent too, for programs; many hosts then show them to the model twice.",
)
@http_options
@selection_options
@connection_options
@world_options
def serve(
    transport: str,
    host: str,
    port: int,
    structured: bool,
    grace: float,
    allowed_host: tuple[str, ...],
    allowed_origin: tuple[str, ...],
    auth_token: Path | None,
    no_auth: bool,
    **options: Any,
) -> None:
    """Run the MCP server on stdio, or over streamable HTTP at /mcp."""
    selection = make_selection(options)
    tokens = read_tokens(os.environ.get("INSTANTLY_AUTH_TOKENS"), auth_token) if transport == "http" else {}
    settings = make_settings(options)
    start_logging(options, settings, *tokens.values())
    from mcp_instantly.server import build_server

    async def run() -> int:
        async with open_invoker(selection, settings, options) as invoker:
            server = build_server(invoker, sandbox=settings.sandbox, structured=structured)
            if transport == "stdio":
                from mcp_instantly.stdio import serve_stdio

                read_only = {op.name for op in selection.tools.values() if op.read_only}
                return await serve_stdio(server, read_only=read_only, grace=grace)
            from mcp_instantly.web import bind, serve_http

            with bind(host, port) as sock:
                rules = make_access(
                    host,
                    sock.getsockname()[0],
                    hosts=allowed_host,
                    origins=allowed_origin,
                    tokens=tokens,
                    no_auth=no_auth,
                )
                return await serve_http(server, sock, rules, grace=grace)

    sys.exit(_run(run))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Everything about the tools, as a JSON array.")
@click.option(
    "--lint",
    "provider",
    is_flag=False,
    flag_value=EVERY_PROVIDER,
    type=click.Choice([EVERY_PROVIDER, *PROVIDERS]),
    metavar="[PROVIDER]",
    help=f"Check them against what hosts and model APIs refuse; exit 1 if they break a rule. Or against one of "
    f"{', '.join(PROVIDERS)}.",
)
@selection_options
@sandbox_option
def tools(as_json: bool, provider: str | None, sandbox: bool, **options: Any) -> None:
    """List the tools of a selection. Needs no key."""
    selection = make_selection(options)
    if provider:
        named = None if provider == EVERY_PROVIDER else provider
        problems = lint(list(selection.tools.values()), SERVER_NAME, named)
        by = f" by the rules of {PROVIDERS[named].title}" if named else ""
        print("\n".join(problems) or f"{len(selection.tools)} tools, no problems found{by}.")
        sys.exit(1 if problems else 0)
    if as_json:
        _print_json([describe(op) for op in selection.tools.values()])
        return
    rows = [(op.toolset, op.name, op.effect, op.title) for op in selection.tools.values()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in sorted(rows):
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]))
    print(f"\n{len(rows)} tools of {len(selection.catalog.tools)}", file=sys.stderr)


def describe(op: Operation) -> dict[str, Any]:
    """A tool as `tools --json` prints it."""
    return {
        "name": op.name,
        "title": op.title,
        "toolset": op.toolset,
        "operation_id": op.operation_id,
        "method": op.method or None,
        "path": op.path or None,
        "calls": list(op.parts) if isinstance(op, Workflow) else [],
        "scopes": list(op.scopes),
        "also_scopes": list(op.also_scopes),
        "scopes_inferred": op.scopes_inferred,
        "effects": list(op.effects),
        "read_only": op.read_only,
        "destructive": op.destructive,
        "idempotent": op.idempotent,
        "description": op.description,
        "input_schema": op.input_schema,
    }


@cli.command()
@click.argument("tool")
@click.argument("arguments", default="{}")
@selection_options
@connection_options
@world_options
def call(tool: str, arguments: str, **options: Any) -> None:
    """Call one TOOL with ARGUMENTS, a JSON object (- reads it from stdin), and print the result as JSON.

    Without selection options every tool can be called. Exit status: 1 when the API or the network failed, 2 when the
    arguments or the configuration are wrong.
    """
    if not options["toolsets"] and not options["tools"]:
        options["toolsets"] = ("all",)
    selection = make_selection(options)
    values = _read_arguments(arguments)
    settings = make_settings(options)
    start_logging(options, settings)

    async def run() -> Any:
        async with open_invoker(selection, settings, options) as invoker:
            return await invoker.invoke(tool, values, client_name="mcp-instantly call", client_version=__version__)

    result = _run(run)
    if result.error is not None:
        sys.exit(_fail(result.text, 2 if isinstance(result.error, CallError) else 1))
    _print_json(result.structured)


def _read_arguments(text: str) -> dict[str, Any]:
    try:
        # As bytes: JSON is UTF-8, or UTF-16 with a mark, whatever the encoding of the terminal.
        values = json.loads(sys.stdin.buffer.read() if text == "-" else text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The arguments are not valid JSON: {error}.") from None
    if not isinstance(values, dict):
        raise ConfigError('The arguments must be a JSON object such as {"limit": 10}.')
    return values


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@selection_options
def scopes(as_json: bool, **options: Any) -> None:
    """Print the smallest set of scopes that a key needs for the selected tools.

    The scopes of ai_agent_guidances, engage_items and supersearch_enrichments cannot be granted to an API key; what to
    ask for instead is printed, and what for.
    """
    chosen = make_selection(options).operations.values()
    needed, replaced = minimum_scopes(chosen), stand_ins(chosen)
    if as_json:
        _print_json(list(needed))
        return
    for scope, stated in needed.items():
        said = [] if stated else ["inferred; Instantly states none"]
        if scope in replaced:
            said.append(f"instead of {', '.join(replaced[scope])}, which cannot be granted to an API key")
        print(f"{scope}  ({'; '.join(said)})" if said else scope)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
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
    from mcp_instantly.web import bind, serve_app, url_of

    sock = bind(host, port)
    try:
        app = open_sandbox(
            scenario, seed=seed, state=state, running=not frozen, budgets=not frozen if budgets is None else budgets
        )
    except ValueError as error:
        raise ConfigError(f"{error}.") from None
    api, page = url_of(sock, "/api/v2"), url_of(sock)
    print(f"Sandbox at {api}, API key: {KEY}; to watch it: {page}", file=sys.stderr, flush=True)
    sys.exit(_run(lambda: serve_app(app, sock)))


@cli.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when a page is out of date.")
def docs(check: bool) -> None:
    """Write the generated pages of a checkout: tool_schemas/README.md, the marked blocks of README.md and docs/."""
    outdated = {page: text for page, text in pages(Path.cwd(), load_catalog(), cli).items() if not _is(page, text)}
    if check and outdated:
        sys.exit(_fail(f"Out of date, run mcp-instantly docs: {', '.join(map(str, outdated))}.", 1))
    for page, text in outdated.items():
        page.write_text(text, encoding="utf-8")
        print(page)


def _is(page: Path, text: str) -> bool:
    return page.exists() and page.read_text(encoding="utf-8") == text


@cli.command()
@click.argument("documents", nargs=-1, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@click.option("--record", "recording", is_flag=True, help="Write the facts of the documents to tests/upstream.json.")
def drift(documents: tuple[Path, ...], as_json: bool, recording: bool) -> None:
    """Compare the catalogue with DOCUMENTS, the vendor's OpenAPI file and its supplements, and say what to change.

    What a later document says of an operation is what holds. Exit status 1 when anything differs that
    tests/differences.json does not explain, 2 when a document cannot be used. Schema files are never written.
    """
    if not documents:
        raise ConfigError(
            "Name a document: Instantly describes the API at https://developer.instantly.ai/ and publishes its OpenAPI "
            f"document at {PUBLISHED}; get it with curl -o openapi.json {PUBLISHED} and run mcp-instantly drift "
            "openapi.json, or compare with what was recorded last: mcp-instantly drift tests/upstream.json."
        )
    texts = [_read_document(document) for document in documents]
    theirs = merged_facts(json.loads(text) for text in texts)
    try:
        explained = json.loads(DIFFERENCES.read_text(encoding="utf-8")) if DIFFERENCES.exists() else {}
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{DIFFERENCES} cannot be read: {error}.") from None
    if recording:
        try:
            RECORD.write_text(record(texts), encoding="utf-8")
        except (OSError, UnicodeEncodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"{RECORD} cannot be written: {reason}; run this in a checkout.") from None
    found = [one for one in compare(catalog_facts(load_catalog()), theirs) if one.where not in explained]
    if as_json:
        _print_json([dataclasses.asdict(one) for one in found])
    else:
        print(
            "\n".join(one_line(str(one), MAX_DRIFT_CHARACTERS) for one in found)
            or f"{len(theirs)} operations, no difference."
        )
    sys.exit(1 if found else 0)


def _read_document(document: Path) -> str:
    """The text of a document with which the catalogue can be compared. Raises ConfigError that names the file."""
    try:
        text = document.read_text(encoding="utf-8")
        merged_facts([json.loads(text)])
    except ConfigError as error:
        raise ConfigError(f"{document} cannot be used. {error}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{document} cannot be read: {error}.") from None
    return text


RECORD = Path("tests/upstream.json")
DIFFERENCES = Path("tests/differences.json")

MAX_DRIFT_CHARACTERS = 10_000
"""Of the line about one difference, which may list a long enum."""


@cli.command()
def demo() -> None:
    """Walk through an outreach campaign in the sandbox, and show every call and its log event."""
    from mcp_instantly.demo import run_demo

    sys.exit(_run(run_demo))
