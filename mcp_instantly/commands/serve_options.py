"""Every option of serve but those of HTTP: what an entry of a host may say as well."""

from __future__ import annotations

import click

from mcp_instantly.commands.guard_options import confirmation_options, safety_options, trust_options
from mcp_instantly.commands.option_types import Seconds, Whole
from mcp_instantly.commands.options import (
    connection_options,
    jobs_options,
    option_group,
    options_of,
    selection_options,
    world_options,
)
from mcp_instantly.settings import GRACE_SECONDS

transport_options = option_group(
    click.option(
        "--transport",
        type=click.Choice(["stdio", "http"]),
        default="stdio",
        show_default=True,
        help="How clients connect.",
    ),
    click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on with --transport http."),
    click.option(
        "--port",
        type=Whole(0, 65535),
        metavar="PORT",
        default=8000,
        show_default=True,
        help="Port to listen on with --transport http.",
    ),
)

stdio_options = option_group(
    click.option(
        "--structured",
        is_flag=True,
        envvar="INSTANTLY_STRUCTURED",
        show_envvar=True,
        help="Give results as structuredContent too, for programs; many hosts then show them to the model twice.",
    ),
    click.option(
        "--discovery",
        is_flag=True,
        envvar="INSTANTLY_DISCOVERY",
        show_envvar=True,
        help="List four tools that find and run all others, or those of a selection: for hosts that hide long lists.",
    ),
    click.option(
        "--grace",
        type=Seconds(min=0, max=3600),
        default=GRACE_SECONDS,
        metavar="SECONDS",
        help=f"How long calls may still take after a signal to stop.  [default: {GRACE_SECONDS}]",
    ),
    selection_options,
    jobs_options,
    safety_options,
    connection_options,
    confirmation_options,
    trust_options,
    world_options,
)


def stdio_parameters() -> list[click.Option]:
    """The options themselves, made anew for each command that asks."""
    return options_of(stdio_options)
