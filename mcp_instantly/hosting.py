"""The server over HTTP, as one process or as several: who may call is checked first, then the port is opened."""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio

from mcp_instantly.api.tracing import tracing
from mcp_instantly.caller import Caller
from mcp_instantly.commands import console
from mcp_instantly.discovery import discovery_tools
from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.safeguards import tell_limits
from mcp_instantly.log import get_logger
from mcp_instantly.oauth.oauth_settings import OAuthSettings, read_oauth
from mcp_instantly.server import build_server
from mcp_instantly.service.metrics import Metrics
from mcp_instantly.service.owners import Owner
from mcp_instantly.service.per_request import PerRequest
from mcp_instantly.service.probes import Probes
from mcp_instantly.service.readiness import Readiness
from mcp_instantly.service.tenants import Tenants
from mcp_instantly.service.visitor import Doorkeeper
from mcp_instantly.service.watch import Watches
from mcp_instantly.service.web import PATH, Gate, build_app, serve_http
from mcp_instantly.service.workers import Supervisor, end_with
from mcp_instantly.settings import REPLICAS, Settings, is_loopback
from mcp_instantly.startup import open_invoker, opening, start_logging
from mcp_instantly.tools.catalog import Selection
from mcp_instantly.transports.access import TOKEN, Access, make_access, read_tokens
from mcp_instantly.transports.port import bind, url_of

IN_DOUBT_SECONDS = 120.0
"""For which a workflow remembers an answer whose outcome is not known."""


def read_all_tokens(options: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """The tokens with which tools are called, and those with which figures are read. Raises ConfigError."""
    calls = read_tokens(os.environ.get("INSTANTLY_AUTH_TOKENS"), options["auth_token"])
    given = os.environ.get("INSTANTLY_METRICS_TOKEN")
    if given and not TOKEN.fullmatch(given.strip()):
        raise ConfigError(
            "INSTANTLY_METRICS_TOKEN takes one token of 16 to 512 visible ASCII characters; make one with: "
            "openssl rand -hex 32"
        )
    figures = read_tokens(
        f"metrics={given}" if given else None,
        options["metrics_token"],
        variable="INSTANTLY_METRICS_TOKEN",
        option="--metrics-token",
    )
    if figures and not options["metrics"]:
        raise ConfigError("There is a token for figures, which are not shown; add --metrics, or leave it out.")
    if set(figures.values()) & set(calls.values()):
        raise ConfigError("A token for figures is also one for calls; make another one with openssl rand -hex 32.")
    return calls, figures


def serve_over_http(selection: Selection, settings: Settings, options: dict[str, Any], *, discovery: bool) -> int:
    """Serve until a signal, and return the exit status. Raises ConfigError."""
    tokens, figures = read_all_tokens(options)
    start = functools.partial(start_logging, options, settings, *tokens.values(), *figures.values())
    start()
    many = options["workers"] > 1
    if many:
        # Without Redis, each worker keeps to its part of the rate limits.
        replicas = options["replicas"] or (REPLICAS if options["redis"] else 1)
        options["replicas"] = replicas * options["workers"]
    if many and settings.sandbox:
        raise ConfigError(
            "--sandbox keeps its world in one process, and --workers are several: start mcp-instantly sandbox by "
            "itself and name it with --server."
        )
    host = options["host"]
    with bind(host, options["port"]) as sock:
        address, port = sock.getsockname()[:2]
        oauth = read_oauth(options, address, port, PATH, tokens=bool(tokens))
        access = make_access(
            host,
            address,
            hosts=(*options["allowed_host"], *([oauth.host] if oauth is not None else ())),
            origins=options["allowed_origin"],
            tokens=tokens,
            no_auth=options["no_auth"],
            caller_keys=options["caller_keys"],
            oauth=oauth is not None,
        )
        readers = Access(digests=access.digests) if not figures else make_access(host, address, tokens=figures)
        _refuse_open_figures(options, address, readers)
        serve = functools.partial(
            _serve, selection, settings, options, access, readers, oauth, sock, discovery=discovery
        )
        if not many:
            with tracing():
                return int(console.run(serve, fast=True))

        def work(ready: Callable[[], None], life: int) -> int:
            start()
            try:
                with tracing():
                    return int(console.run(functools.partial(serve, ready=ready, life=life), fast=True))
            except ConfigError as error:
                return console.fail(str(error), 2)

        said = functools.partial(get_logger().info, "listening", url=url_of(sock, PATH), workers=options["workers"])
        return Supervisor(options["workers"], work).run(said)


def _refuse_open_figures(options: dict[str, Any], address: str, readers: Access) -> None:
    if options["metrics"] and options["oauth_issuer"] and not readers.digests:
        raise ConfigError(
            "--metrics shows figures to whoever has a token for them, which access tokens of --oauth-issuer are not: "
            "give one with --metrics-token FILE."
        )
    if options["metrics"] and not (readers.digests or options["no_auth"] or is_loopback(address)):
        raise ConfigError(
            "--metrics beyond loopback shows others what is called and how often: give a token for figures with "
            "--metrics-token FILE."
        )


async def _serve(
    selection: Selection,
    settings: Settings,
    options: dict[str, Any],
    access: Access,
    readers: Access,
    oauth: OAuthSettings | None,
    sock: socket.socket,
    *,
    discovery: bool,
    ready: Callable[[], None] | None = None,
    life: int | None = None,
) -> int:
    async with (
        _doorkeeper(oauth, selection) as doorkeeper,
        _gate(selection, settings, options, access, readers, doorkeeper, discovery=discovery) as gate,
    ):
        # What is loaded by now stays: the collector need not look through it while calls wait.
        console.collect_rarely()
        async with anyio.create_task_group() as tasks:
            if ready is not None and life is not None:
                tasks.start_soon(end_with, life)
                ready()
            status = await serve_http(gate, sock, grace=options["grace"], announced=ready is not None)
            tasks.cancel_scope.cancel()
    return status


@contextlib.asynccontextmanager
async def _doorkeeper(oauth: OAuthSettings | None, selection: Selection) -> AsyncIterator[Doorkeeper | None]:
    """Who knows the holders of an issuer's tokens; None without an issuer. Its keys are fetched meanwhile."""
    if oauth is None:
        yield None
        return
    from mcp_instantly.oauth.bearer import TokenCheck
    from mcp_instantly.oauth.issuer import Issuer
    from mcp_instantly.oauth.protected import OAuthDoorkeeper

    issuer = Issuer(oauth)
    read_only = all(tool.read_only for tool in selection.tools.values())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(issuer.warm)
        yield OAuthDoorkeeper(oauth, TokenCheck(oauth, issuer), read_only=read_only)


@contextlib.asynccontextmanager
async def _gate(
    selection: Selection,
    settings: Settings,
    options: dict[str, Any],
    access: Access,
    readers: Access,
    doorkeeper: Doorkeeper | None,
    *,
    discovery: bool,
) -> AsyncIterator[Gate]:
    """The whole as an application, with what it needs open."""
    names = {*selection.catalog.tools, "preview_call", *(discovery_tools() if discovery else ())}
    metrics = Metrics(names) if options["metrics"] else None
    readiness = Readiness(selection.catalog, keyless=options["caller_keys"])
    watch = Watches(readiness, metrics) if metrics else readiness
    build = functools.partial(
        build_server, sandbox=settings.sandbox, structured=options["structured"], limits=tell_limits(options)
    )
    probes = Probes(readiness, metrics, lambda header: not readers.digests or readers.caller(header) is not None)
    more: dict[str, Any] = {"most": options["max_concurrency"], "probes": probes, "metrics": metrics}
    more["doorkeeper"] = doorkeeper
    if not options["caller_keys"]:
        opened = open_invoker(selection, settings, options, discovery=discovery, watch=watch, works="when wanted")
        async with opened as invoker:
            yield build_app(build, invoker, access, **more)
        return
    async with opening(selection, settings, options, discovery=discovery, watch=watch) as open_one:

        def open_caller(
            owner: Owner, note: Callable[[dict[str, Any]], None]
        ) -> contextlib.AbstractAsyncContextManager[Caller]:
            return open_one(owner.settings(settings), note)

        hold = max(options["repeat_window"], options["confirm_timeout"], IN_DOUBT_SECONDS)
        tenants = Tenants(open_caller, hold_seconds=hold, most=options["max_keys"])
        async with open_one(settings) as template:
            try:
                yield build_app(build, PerRequest(template), access, tenants=tenants, **more)
            finally:
                await tenants.aclose()
