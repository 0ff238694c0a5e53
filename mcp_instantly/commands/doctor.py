"""The examination of an installation: every part on its own, so that one fault does not hide the next."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import platform
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import click

from mcp_instantly import __version__
from mcp_instantly.commands import console
from mcp_instantly.commands.console import print_json
from mcp_instantly.commands.handover import selection_arguments
from mcp_instantly.commands.options import (
    profile_option,
    sandbox_option,
    selection_options,
    server_option,
    workspace_option,
)
from mcp_instantly.diagnosis import finding
from mcp_instantly.diagnosis.finding import Finding
from mcp_instantly.diagnosis.key_findings import NEW_KEY, check_keys, under
from mcp_instantly.errors import ApiError, Forbidden, InstantlyError, RefusedByProxy, Unauthorized
from mcp_instantly.keys.stored_key import check_profile
from mcp_instantly.log import configure_logging
from mcp_instantly.settings import (
    Settings,
    read_header,
    resolve_server,
)
from mcp_instantly.startup import make_selection
from mcp_instantly.text import name_some
from mcp_instantly.tools.catalog import Selection, load_catalog

KEY_SECONDS = 30.0
"""Seconds for all that is asked about a key."""

CALL_SECONDS = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As a JSON array.")
@selection_options
@sandbox_option
@server_option
@workspace_option
@profile_option
def doctor(as_json: bool, **options: Any) -> None:
    """Examine this installation: Python, key, network, scopes, clock, hosts, and starts of the server.

    Each finding is a line: ok, warn or fail, what was seen, and what to do; or skip, and why. The key is never shown,
    and nothing is changed anywhere. Exit status 1 when something fails, 2 when the options are wrong.
    """
    selection = make_selection(options)
    profile = check_profile(options["profile"])
    base_url = resolve_server(options["server"])
    if options["workspace"] is not None:
        options["workspace"] = read_header("--workspace (INSTANTLY_WORKSPACE)", options["workspace"], blanks=False)
    configure_logging(level="error")
    findings: list[Finding] = []

    def tell(one: Finding) -> None:
        findings.append(one)
        if not as_json:
            print(one.line, flush=True)

    async def run() -> None:
        async for one in examine(selection, options, profile, base_url):
            tell(one)

    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        # Whoever ends it, what it started ends too: the loop takes Ctrl-C once no process is being started.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    console.run(run)
    if as_json:
        print_json([one.as_json() for one in findings])
    sys.exit(1 if any(one.level == "fail" for one in findings) else 0)


async def examine(
    selection: Selection, options: dict[str, Any], profile: str, base_url: str, clock: Callable[[], float] = time.time
) -> AsyncIterator[Finding]:
    """Every finding, as soon as it is there."""
    from mcp_instantly.commands.trial_starts import check_variables, try_as_asked, try_entry

    yield check_versions()
    for one in check_variables("", os.environ):
        yield one
    keys: dict[str, str] = {}
    if options["sandbox"]:
        yield finding.ok("key", "the sandbox needs none")
    else:
        found, keys = check_keys(options, profile, base_url)
        for one in found:
            yield one
    for one in await _check_api(selection, options, base_url, keys, clock):
        yield one
    from mcp_instantly.diagnosis.host_check import check_hosts
    from mcp_instantly.diagnosis.host_start import starts_of
    from mcp_instantly.hosts.known import this_machine

    machine = this_machine()
    for one in check_hosts(machine, Path.cwd()):
        yield one
    for start in starts_of(machine, Path.cwd()):
        for one in await try_entry(start, machine):
            yield one
    if not keys and not options["sandbox"]:
        yield finding.warn("start", "the server was not started: it has no key to start with", "see the key above")
        return
    for one in await try_as_asked(serve_arguments(options)):
        yield one


def check_versions() -> Finding:
    """What runs here: Python, this server and the SDK."""
    from importlib.metadata import version

    from mcp_instantly.diagnosis.sdk import OWN_ENVIRONMENT, sdk_fault

    what = f"mcp-instantly {__version__}, Python {platform.python_version()}, mcp {version('mcp')}"
    if sdk_fault():
        return finding.fail("versions", what, OWN_ENVIRONMENT[0].lower() + OWN_ENVIRONMENT[1:])
    return finding.ok("versions", what)


@contextlib.asynccontextmanager
async def _server(options: dict[str, Any], base_url: str) -> AsyncIterator[Settings]:
    """Settings for the API without a key, or for a sandbox on a port of this machine, which ends with the context."""
    limits: dict[str, Any] = {"call_timeout": CALL_SECONDS, "connect_timeout": 5.0, "workspace": options["workspace"]}
    if not options["sandbox"]:
        yield Settings(base_url=base_url, api_key="", **limits)
        return
    from mcp_instantly.sandbox import KEY, open_sandbox
    from mcp_instantly.transports.port import running_app

    async with running_app(open_sandbox()) as url:
        yield Settings(base_url=f"{url}/", api_key=KEY, **limits)


async def _check_api(
    selection: Selection, options: dict[str, Any], base_url: str, keys: dict[str, str], clock: Callable[[], float]
) -> list[Finding]:
    from mcp_instantly.diagnosis.reach import check_reach

    async with _server(options, base_url) as settings:
        found, responds = await check_reach(settings, clock)
        for name, key in (keys or {"": settings.api_key}).items():
            if responds and key:
                about = await _check_in_time(selection, dataclasses.replace(settings, api_key=key))
                found += [under(name, one) for one in about]
    return found


async def _check_in_time(selection: Selection, settings: Settings) -> list[Finding]:
    with anyio.move_on_after(KEY_SECONDS):
        return await _check_access(selection, settings)
    what = f"not all could be asked within {KEY_SECONDS:g} s"
    return [finding.warn("access", what, "try again when the network is faster")]


async def _check_access(selection: Selection, settings: Settings) -> list[Finding]:
    """Whether the API takes the key, and what its scopes allow of the selection."""
    from mcp_instantly.api.client import InstantlyClient
    from mcp_instantly.keys.key_check import check_acceptance, own_scopes, try_reads, uncovered

    catalog = load_catalog()
    async with InstantlyClient(settings) as client:
        try:
            accepted = await check_acceptance(client, catalog, in_workspace=settings.workspace is not None)
        except InstantlyError as error:
            return [explain_refusal(error, settings.workspace is not None)]
        if accepted.without_plan:
            what = "the key is known, but its workspace has no paid plan that includes the API (402)"
            return [finding.fail("access", what, "have the plan changed in Instantly, or take another workspace's key")]
        of = f" of the workspace {accepted.workspace}" if accepted.workspace else ""
        found = [finding.ok("access", f"the key{of} is accepted")]
        scopes = await own_scopes(client, catalog, settings.api_key)
        if scopes is not None:
            return [*found, _tell_lacking(selection, uncovered(selection, scopes))]
        reads = await try_reads(client, selection)
    if reads.refused:
        return [*found, _lacks(f"the key may not read what needs {name_some(list(reads.refused))}")]
    tried = f"{len(reads.allowed)} scopes tried"
    what = f"what the selection reads is allowed ({tried}); scopes to change things are not tried"
    return [*found, finding.ok("scopes", what)]


def _tell_lacking(selection: Selection, lacking: dict[str, list[str]]) -> Finding:
    if not lacking:
        return finding.ok("scopes", f"the key's scopes cover all {len(selection.tools)} tools of the selection")
    tools = {tool for tools in lacking.values() for tool in tools}
    share = f"{len(tools)} of the {len(selection.tools)} tools of the selection"
    return _lacks(f"the key lacks {name_some(list(lacking))}, for {share}")


def _lacks(what: str) -> Finding:
    advice = "create a key with the scopes that mcp-instantly scopes lists, or offer fewer tools with --scopes"
    return finding.warn("scopes", what, advice)


def explain_refusal(error: InstantlyError, in_workspace: bool) -> Finding:
    """Why the key is not accepted, or could not be tried."""
    if isinstance(error, Forbidden) and in_workspace:
        said = f': "{error.message}"' if error.message else ""
        what = f"the key may not act in the workspace of --workspace (403{said})"
        return finding.fail("access", what, "check the id, or take an admin workspace's key")
    if isinstance(error, Unauthorized):
        said = f': "{error.message}"' if error.message else ""
        what = f"the key is not accepted (401{said}): it is wrong, revoked, or of another server"
        return finding.fail("access", what, NEW_KEY)
    if isinstance(error, RefusedByProxy):
        what = f"the key was not looked at ({error.status}, {error.message})"
        return finding.fail("access", what, "see the proxy of the network")
    if isinstance(error, ApiError):
        return finding.warn("access", f"the key could not be tried: {error}", "try again in a few minutes")
    return finding.fail("access", f"the key could not be tried: {error}", "check the network, then try again")


def serve_arguments(options: dict[str, Any]) -> list[str]:
    """The arguments with which the server is started as it was examined."""
    arguments = ["serve", *selection_arguments(options)]
    for name in ("workspace", "profile"):
        if options[name] is not None:
            arguments += [f"--{name}", options[name]]
    return [*arguments, "--server", options["server"]]
