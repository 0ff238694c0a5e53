"""Options of the server over HTTP: who may call, with which key, and how much at once."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from mcp_instantly.commands.option_types import Whole
from mcp_instantly.commands.options import option_group
from mcp_instantly.errors import ConfigError
from mcp_instantly.settings import MAX_CONCURRENCY, MAX_OPEN_KEYS

HTTP_ONLY = (
    "host", "port", "allowed_host", "allowed_origin", "auth_token", "no_auth", "caller_keys", "max_keys",
    "oauth_issuer", "oauth_resource", "oauth_audience", "oauth_jwks_url",
    "max_concurrency", "workers", "metrics", "metrics_token",
)  # fmt: skip
"""Parameters that mean nothing on stdio."""


def refuse_http_options(context: click.Context) -> None:
    """Raise ConfigError for an option that means nothing on stdio, where somebody reckons with it.

    Variables may be there for another server of the same machine; but that callers bring keys must not be overlooked:
    the server would act with a key of its own.
    """
    for name in HTTP_ONLY:
        source = context.get_parameter_source(name)
        option = f"--{name.replace('_', '-')}"
        if source is ParameterSource.ENVIRONMENT and name == "caller_keys" and context.params[name]:
            option = f"INSTANTLY_CALLER_KEYS ({option})"
        elif source is not ParameterSource.COMMANDLINE:
            continue
        raise ConfigError(f"{option} is about --transport http; add that, or leave it out.")


http_options = option_group(
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
    click.option(
        "--oauth-issuer",
        envvar="INSTANTLY_OAUTH_ISSUER",
        show_envvar=True,
        metavar="URL",
        help="Only callers with an access token (JWT) that this issuer has signed, for this server.",
    ),
    click.option(
        "--oauth-resource",
        envvar="INSTANTLY_OAUTH_RESOURCE",
        show_envvar=True,
        metavar="URL",
        help="With --oauth-issuer: the URL at which clients reach this server.  [default, on loopback: its own]",
    ),
    click.option(
        "--oauth-audience",
        envvar="INSTANTLY_OAUTH_AUDIENCE",
        show_envvar=True,
        metavar="TEXT",
        help="With --oauth-issuer: what tokens for this server have in aud.  [default: that URL]",
    ),
    click.option(
        "--oauth-jwks-url",
        envvar="INSTANTLY_OAUTH_JWKS_URL",
        show_envvar=True,
        metavar="URL",
        help="With --oauth-issuer: where its keys are.  [default: where its metadata say, on its own origin]",
    ),
    click.option("--no-auth", is_flag=True, help="Do not require a token, even when listening beyond loopback."),
    click.option(
        "--caller-keys",
        is_flag=True,
        envvar="INSTANTLY_CALLER_KEYS",
        show_envvar=True,
        help="Each request brings its own API key in x-instantly-api-key; the server has none.",
    ),
    click.option(
        "--max-keys",
        type=Whole(min=1),
        default=MAX_OPEN_KEYS,
        show_default=True,
        metavar="N",
        help="With --caller-keys: keys that a process has open at once.",
    ),
    click.option(
        "--max-concurrency",
        type=Whole(min=1),
        default=MAX_CONCURRENCY,
        show_default=True,
        metavar="N",
        help="Requests that a process answers at once; one more is told to call again.",
    ),
    click.option(
        "--workers",
        type=Whole(1, 64),
        default=1,
        show_default=True,
        envvar="INSTANTLY_WORKERS",
        show_envvar=True,
        metavar="N",
        help="Processes that answer at the port.",
    ),
    click.option("--metrics", is_flag=True, help="Show figures for Prometheus at /metrics."),
    click.option(
        "--metrics-token",
        type=click.Path(path_type=Path),
        envvar="INSTANTLY_METRICS_TOKEN_FILE",
        show_envvar=True,
        metavar="FILE",
        help="A token NAME=TOKEN with which figures are read, and nothing called; or set INSTANTLY_METRICS_TOKEN.  "
        "[default: those of --auth-token]",
    ),
)
