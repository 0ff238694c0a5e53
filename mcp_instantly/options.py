"""Options of the command line, in groups that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import (
    CALL_TIMEOUT_SECONDS,
    FORM_SECONDS,
    GRACE_SECONDS,
    MAX_RESPONSE_BYTES,
    REPEAT_WINDOW_SECONDS,
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


def _options(*options: Callable[..., Any]) -> Callable[..., Any]:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


drafts_file_option = click.option(
    "--drafts-file",
    type=click.Path(path_type=Path),
    envvar="INSTANTLY_DRAFTS_FILE",
    show_envvar=True,
    metavar="FILE",
    help="Where drafts are kept: a file or a folder.  [default: in the user's data folder]",
)

selection_options = _options(
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
    click.option(
        "--read-only",
        is_flag=True,
        envvar="INSTANTLY_READ_ONLY",
        show_envvar=True,
        help="Only tools that change nothing.",
    ),
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
    click.option(
        "--drafts-only",
        is_flag=True,
        envvar="INSTANTLY_DRAFTS_ONLY",
        show_envvar=True,
        help="Refuse email by hand (replies, forwards, tests) that is not an approved draft.",
    ),
)

http_options = _options(
    click.option(
        "--allowed-host",
        multiple=True,
        metavar="NAME",
        help="Name under which clients reach the port, with or without a port; may be repeated.",
    ),
    click.option(
        "--allowed-origin",
        multiple=True,
        metavar="ORIGIN",
        help="Origin of web pages that may call, such as https://app.example.com; may be repeated.",
    ),
    click.option(
        "--auth-token",
        type=click.Path(path_type=Path),
        envvar="INSTANTLY_AUTH_TOKENS_FILE",
        show_envvar=True,
        metavar="FILE",
        help="Only callers with a token of this file, NAME=TOKEN on each line; or set INSTANTLY_AUTH_TOKENS.",
    ),
    click.option("--no-auth", is_flag=True, help="Let anyone who reaches the port call, beyond loopback too."),
    click.option(
        "--grace",
        type=click.FloatRange(min=0, max=3600),
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help=f"How long calls may still take after a signal to stop.  [default: {GRACE_SECONDS}]",
    ),
)

confirmation_options = _options(
    click.option(
        "--confirm",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        envvar="INSTANTLY_CONFIRM",
        show_envvar=True,
        help="Ask the user before what sends, spends, deletes or hands over: where the client can show a form, or "
        "always, refusing where it cannot.",
    ),
    click.option(
        "--confirm-timeout",
        type=click.FloatRange(min=1, max=3600),
        default=FORM_SECONDS,
        metavar="SECONDS",
        help=f"How long a form can be answered and a preview be used.  [default: {FORM_SECONDS}]",
    ),
    click.option(
        "--no-host-confirm",
        is_flag=True,
        help="Do not tell hosts to ask their user before what mails, spends or hands over.",
    ),
    click.option(
        "--require-preview",
        is_flag=True,
        envvar="INSTANTLY_REQUIRE_PREVIEW",
        show_envvar=True,
        help="Where no form can be shown, want the token of preview_call with each such call.",
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
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the sandbox's world in this file across restarts; one that is there already is opened as it was left.",
)

trust_options = _options(
    click.option(
        "--audit",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="INSTANTLY_AUDIT",
        show_envvar=True,
        metavar="FILE",
        help="Write down in this file what each call changes, and send nothing that it cannot take.",
    ),
    click.option(
        "--reconcile",
        is_flag=True,
        envvar="INSTANTLY_RECONCILE",
        show_envvar=True,
        help="After a write whose outcome is unknown, look whether it was carried out, where a read tells safely.",
    ),
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

world_options = _options(
    scenario_option,
    state_option,
    click.option("--budgets", is_flag=True, help="Have the sandbox keep to the API's rate limits."),
)

safety_options = _options(
    click.option(
        "--policy",
        type=click.Path(dir_okay=False, path_type=Path),
        envvar="INSTANTLY_POLICY",
        show_envvar=True,
        metavar="FILE",
        help="Limits that no call can lift, in TOML; `mcp-instantly policy check` explains them.",
    ),
    click.option(
        "--only-campaign",
        envvar="INSTANTLY_ONLY_CAMPAIGN",
        show_envvar=True,
        metavar="ID",
        help="Work on this campaign alone: arguments that name a campaign are filled in, and those of others refused.",
    ),
    click.option(
        "--repeat-window",
        type=click.FloatRange(0, 3600),
        default=REPEAT_WINDOW_SECONDS,
        metavar="SECONDS",
        help="How long a call that sends or spends is not sent again with the same arguments; 0 turns it off.  "
        f"[default: {REPEAT_WINDOW_SECONDS}]",
    ),
    click.option(
        "--dry-run",
        is_flag=True,
        envvar="INSTANTLY_DRY_RUN",
        show_envvar=True,
        help="Check and describe what changes something, and send none of it; reads go through.",
    ),
)

default_workspace_option = click.option(
    "--default-workspace",
    metavar="NAME",
    help="With several keys: the workspace of reads that name none. What changes something always names one.",
)

connection_options = _options(
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
        help="User-Agent.",
    ),
    click.option(
        "--result-limit",
        type=click.IntRange(min=1000),
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
        type=click.IntRange(1, 3600),
        default=CALL_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help=f"Longest time for a call, retries included.  [default: {CALL_TIMEOUT_SECONDS}]",
    ),
    click.option(
        "--max-response-bytes",
        type=click.IntRange(min=1000),
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
        "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", help="Log level."
    ),
    click.option("--log-file", type=click.Path(path_type=Path), help="Append the same events to this file, as JSON."),
    click.option("--log-arguments", is_flag=True, help="Log arguments too, addresses and free text masked."),
)
