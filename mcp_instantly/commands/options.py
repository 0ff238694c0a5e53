"""Options of the command line, in groups that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from mcp_instantly.commands.option_types import NamedPath, Whole
from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import (
    CALL_TIMEOUT_SECONDS,
    MAX_RESPONSE_BYTES,
    PATIENCE_SECONDS,
    REPLICAS,
    RESULT_LIMIT_CHARACTERS,
    USER_AGENT,
)


def _split(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name.strip() for value in values for name in value.split(",") if name.strip())
    given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
    if given and not names:
        # An empty selection would otherwise mean no selection, and offer more than was meant.
        raise ConfigError(f"{parameter.opts[0]} is empty; name something, or leave it out.")
    return names


WHOLE_CHARACTERS = 10_000_000
"""The limit of a result that must come whole."""

NO_SELECTION: dict[str, Any] = {"toolsets": (), "tools": (), "exclude_tools": (), "read_only": False, "scopes": ()}


def option_group(*members: Callable[..., Any]) -> Callable[..., Any]:
    """Several options, or groups of them, as one decorator, in this order."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for member in reversed(members):
            command = member(command)
        return command

    return decorate


def options_of(*groups: Callable[..., Any]) -> list[click.Option]:
    """The options of these groups themselves, made anew, to list them or to read with them."""
    command = click.command()(option_group(*groups)(lambda **_: None))
    return [one for one in command.params if isinstance(one, click.Option)]


drafts_file_option = click.option(
    "--drafts-file",
    type=NamedPath(),
    envvar="INSTANTLY_DRAFTS_FILE",
    show_envvar=True,
    metavar="FILE",
    help="Where drafts are kept: a file or a folder.  [default: in the user's data folder]",
)

jobs_options = option_group(
    click.option(
        "--jobs-database",
        envvar="INSTANTLY_JOBS_DATABASE",
        show_envvar=True,
        metavar="URL",
        help="Where jobs are kept: sqlite:///FILE or postgresql://...  [default: a file in the user's data folder]",
    ),
)

files_option = click.option(
    "--files",
    multiple=True,
    type=NamedPath(),
    envvar="INSTANTLY_FILES",
    show_envvar=True,
    metavar="DIR",
    help="Folder whose files tools may read, and add files to; may be repeated.  [default: none]",
)

read_only_option = click.option(
    "--read-only",
    is_flag=True,
    envvar="INSTANTLY_READ_ONLY",
    show_envvar=True,
    help="Only tools that change nothing.",
)

selection_options = option_group(
    click.option(
        "--toolsets",
        multiple=True,
        callback=_split,
        envvar="INSTANTLY_TOOLSETS",
        show_envvar=True,
        metavar="NAME,...",
        help="Toolsets or presets (core, default, all) to offer.  [default: default]",
    ),
    click.option("--tools", multiple=True, callback=_split, metavar="NAME,...", help="Single tools to offer."),
    click.option("--exclude-tools", multiple=True, callback=_split, metavar="NAME,...", help="Tools never to offer."),
    read_only_option,
    click.option(
        "--scopes",
        multiple=True,
        callback=_split,
        envvar="INSTANTLY_SCOPES",
        show_envvar=True,
        metavar="SCOPE,...",
        help="Only tools that these scopes of the key allow.",
    ),
    click.option(
        "--drafts",
        is_flag=True,
        envvar="INSTANTLY_DRAFTS",
        show_envvar=True,
        help="Offer drafts of replies too, which a person approves with mcp-instantly drafts.",
    ),
    drafts_file_option,
    files_option,
    click.option(
        "--drafts-only",
        is_flag=True,
        envvar="INSTANTLY_DRAFTS_ONLY",
        show_envvar=True,
        help="Refuse email by hand (replies, forwards, tests) that is not an approved draft.",
    ),
)

sandbox_option = click.option(
    "--sandbox",
    is_flag=True,
    envvar="INSTANTLY_SANDBOX",
    show_envvar=True,
    help="Use the built-in sandbox: no key, no email, no cost.",
)

scenario_option = click.option(
    "--scenario",
    default="demo",
    metavar="NAME|FILE",
    help="The sandbox's world: fresh, demo, agency, busy, unhealthy, hostile, or a JSON file.  [default: demo]",
)
state_option = click.option(
    "--state",
    type=NamedPath(dir_okay=False),
    help="Keep the sandbox's world in this file across restarts; one that is there already is opened as it was left.",
)

server_option = click.option(
    "--server",
    default="production",
    envvar="INSTANTLY_BASE_URL",
    show_envvar=True,
    metavar="production|mock|URL",
    help="Where requests go.  [default: production]",
)

workspace_option = click.option(
    "--workspace",
    envvar="INSTANTLY_WORKSPACE",
    show_envvar=True,
    metavar="ID",
    help="With one key, an agency's: act as this sub-workspace.",
)

profile_option = click.option(
    "--profile",
    envvar="INSTANTLY_PROFILE",
    show_envvar=True,
    metavar="NAME",
    help="The key that login stored under this name.  [default: default]",
)

world_options = option_group(
    scenario_option,
    state_option,
    click.option("--budgets", is_flag=True, help="Have the sandbox keep to the API's rate limits."),
)

default_workspace_option = click.option(
    "--default-workspace",
    metavar="NAME",
    help="With several keys: the workspace of reads that name none. What changes something always names one.",
)

connection_options = option_group(
    sandbox_option,
    default_workspace_option,
    server_option,
    workspace_option,
    profile_option,
    click.option(
        "--user-agent",
        default=USER_AGENT,
        envvar="INSTANTLY_USER_AGENT",
        show_envvar=True,
        metavar="TEXT",
        help="Value of the User-Agent header.",
    ),
    click.option(
        "--result-limit",
        type=Whole(min=1000),
        default=RESULT_LIMIT_CHARACTERS,
        metavar="CHARACTERS",
        help=f"Longest result.  [default: {RESULT_LIMIT_CHARACTERS}]",
    ),
    click.option("--full", is_flag=True, help="Show whole records by default, with nulls and what is empty."),
    click.option(
        "--raw-text",
        is_flag=True,
        envvar="INSTANTLY_RAW_TEXT",
        show_envvar=True,
        help="Leave strangers' text as it came, without marks: for programs, never for a model.",
    ),
    click.option(
        "--lockdown",
        is_flag=True,
        envvar="INSTANTLY_LOCKDOWN",
        show_envvar=True,
        help="Show only the beginning of what strangers wrote.",
    ),
    click.option("--reveal-secrets", is_flag=True, help="Show passwords and keys in results, which are hidden."),
    click.option(
        "--call-timeout",
        type=Whole(1, 3600),
        default=CALL_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help=f"Longest time for a call, retries included.  [default: {CALL_TIMEOUT_SECONDS}]",
    ),
    click.option(
        "--patience",
        type=Whole(0, 3600),
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="Longest wait of a request for its turn within Instantly's rate limits, as far as --call-timeout leaves "
        f"time.  [default: {PATIENCE_SECONDS}]",
    ),
    click.option(
        "--redis",
        envvar="INSTANTLY_REDIS_URL",
        show_envvar=True,
        metavar="URL",
        help="Share the rate limits with other processes through this Redis, and which calls were made and forms used.",
    ),
    click.option(
        "--replicas",
        type=Whole(1, 1000),
        envvar="INSTANTLY_REPLICAS",
        show_envvar=True,
        metavar="N",
        help="Processes that use this key: each keeps to its part of the rate limits where there is no Redis.  "
        f"[default: 1, or {REPLICAS} with --redis]",
    ),
    click.option(
        "--max-response-bytes",
        type=Whole(min=1000),
        default=MAX_RESPONSE_BYTES,
        metavar="BYTES",
        help=f"Longest response of Instantly that is read.  [default: {MAX_RESPONSE_BYTES}]",
    ),
    click.option(
        "--no-agent-check",
        is_flag=True,
        help="Do not look, before reply_to_email, whether an AI inbox manager answers the same people.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["json", "console"]),
        default="json",
        show_default=True,
        help="Log format on stderr.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(["debug", "info", "warning", "error"]),
        default="info",
        show_default=True,
        help="Log level.",
    ),
    click.option("--log-file", type=NamedPath(), help="Append the same events to this file, as JSON."),
    click.option("--log-arguments", is_flag=True, help="Log arguments too, addresses and free text masked."),
)
