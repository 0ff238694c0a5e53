"""Starts of the server that change nothing: with files of their own in the place of those of a server at work."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.commands.entry_checks import check_ledger, check_values
from mcp_instantly.commands.entry_options import entry_options, misspelt_variables, variable_options
from mcp_instantly.commands.handover import known_here, serve_words
from mcp_instantly.commands.serve_options import stdio_parameters
from mcp_instantly.diagnosis.finding import Finding, fail, skip, warn
from mcp_instantly.diagnosis.host_start import THIS_INSTALLATION, HostStart, LeftOut
from mcp_instantly.diagnosis.trial import try_start
from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.policy import Policy
from mcp_instantly.guards.policy_file import read_policy
from mcp_instantly.guards.safeguards import LEDGER_NAME
from mcp_instantly.guards.seals import STATE_KEY
from mcp_instantly.hosts.known import Machine
from mcp_instantly.private_file import data_folder
from mcp_instantly.settings import expanded
from mcp_instantly.startup import keeps_drafts
from mcp_instantly.tools.catalog import load_catalog

OWN_FILES = ("state", "log_file", "audit", "drafts_file", "jobs_database")
"""Options of a server whose files are neither made, opened, nor added to."""

NEVER_MILLISECONDS = 3_600_000
"""Long after the end of a start that is tried."""


async def try_as_asked(arguments: list[str]) -> list[Finding]:
    """What is found when this installation starts with arguments of `serve`, here and with this environment."""
    start = HostStart("", THIS_INSTALLATION, tuple(arguments), os.environ, Path.cwd())
    options = entry_options(arguments)
    try:
        said = {**variable_options(start.environment, ()), **options}
    except ConfigError as error:
        return [fail("start", f"the environment has {error}", "correct it, or unset it")]
    return await _try(start, options, said, Path.cwd())


async def try_entry(start: HostStart | LeftOut, machine: Machine) -> list[Finding]:
    """What is found when the server starts as the entry of a host says, and of its variables."""
    # Those of this environment are told once, whoever hands them over.
    names = [name for name in start.variables if name not in os.environ]
    return [*await _try_entry(start, machine), *check_variables(f"{start.where}: ", names)]


async def _try_entry(start: HostStart | LeftOut, machine: Machine) -> list[Finding]:
    if isinstance(start, LeftOut):
        return [skip("start", f"{start.where}: not tried, since {start.why}")]
    try:
        options = entry_options(start.arguments)
        said = {**variable_options(start.environment, ()), **options}
    except ConfigError as error:
        advice = "correct that, or take the entry out with mcp-instantly uninstall"
        return [fail("start", f"{start.where}: it has {error}", advice)]
    used = {name: value for name, value in options.items() if name not in OWN_FILES}
    if start.folder is None and len(known_here(used)) < len(used):
        return [skip("start", f"{start.where}: not tried, since a path of it depends on a folder of the host")]
    return await _try(start, options, said, start.folder or machine.home)


async def _try(start: HostStart, options: Mapping[str, Any], said: Mapping[str, Any], folder: Path) -> list[Finding]:
    """What is found of a start whose arguments are `options`; `said` is what its variables say too."""
    lead = f"{start.where}: " if start.where else ""
    try:
        check_values(said if start.folder else known_here(said), folder)
    except ConfigError as error:
        return [fail("start", f"{lead}{str(error).rstrip('.')}", "correct that option, or leave it out")]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        try:
            tried = {**options, **_own_files(said, folder, Path(name), start.environment)}
        except ConfigError as error:
            return [fail("start", f"{lead}{str(error).rstrip('.')}", "correct the policy")]
        words = serve_words({option: value for option, value in tried.items() if value is not None})
        environment = _own_variables(start.environment, Path(name))
        return [await try_start([*start.command, "serve", *words], environment, folder, start.where)]


def check_variables(lead: str, names: Iterable[str]) -> list[Finding]:
    """Variables that somebody believes to do something: to keep the server from writing, for instance."""
    return [
        warn("variable", f"{lead}{name} is not a variable of this server and has no effect", f"did you mean {meant}?")
        for name, meant in misspelt_variables(names).items()
    ]


def _own_files(said: Mapping[str, Any], folder: Path, data: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Options of a start that has its files in the folder `data`, None for those that it goes without. Raises
    ConfigError for a policy that no server takes."""
    own: dict[str, Any] = dict.fromkeys(OWN_FILES)
    if keeps_drafts(dict(said)):
        own["drafts_file"] = data / "drafts.sqlite"
    named = said.get("policy")
    policy = folder / expanded(named, "--policy") if isinstance(named, Path) else None
    # Where replicas share a key and nothing else, the ledger has the seals too.
    has_seals = STATE_KEY in environment and not said.get("redis")
    if policy is not None or has_seals:
        own["policy"] = _policy_apart(policy, data, environment, has_seals=has_seals)
    return own


def _policy_apart(file: Path | None, data: Path, environment: Mapping[str, str], *, has_seals: bool) -> Path:
    """A copy of a policy, empty for none, whose ledger is in the folder `data`. Raises ConfigError, for a ledger that
    could not be where it belongs too."""
    import tomlkit

    policy, document = Policy(), tomlkit.document()
    if file is not None:
        policy = read_policy(file, load_catalog().tools)
        document = tomlkit.parse(file.read_text(encoding="utf-8-sig"))
    if policy.needs_ledger or has_seals:
        check_ledger(policy.ledger or _data_folder(environment) / LEDGER_NAME)
    document.pop("ledger", None)
    copy = data / "policy.toml"
    # In front of everything else, since what follows a table is part of it.
    ledger = tomlkit.item(str(data / LEDGER_NAME)).as_string()
    copy.write_text(f"ledger = {ledger}\n{document.as_string()}", encoding="utf-8")
    return copy


def _data_folder(environment: Mapping[str, str]) -> Path:
    """That of the user, or the one that an entry names."""
    named = environment.get("XDG_DATA_HOME")
    return Path(named, "mcp-instantly") if named and named != os.environ.get("XDG_DATA_HOME") else data_folder()


def _own_variables(environment: Mapping[str, str], data: Path) -> dict[str, str]:
    """The environment of a start that has its files in the folder `data`, and writes nothing of it anywhere else.

    A keyring that is a file may be in the folder for data of the user, so that one stays as it is.
    """
    named = {option.envvar for option in stdio_parameters() if option.name in OWN_FILES}
    kept = {name: value for name, value in environment.items() if name not in named}
    return kept | {
        "INSTANTLY_JOBS_DATABASE": f"sqlite:///{data / 'jobs.sqlite3'}",
        # A start that is tried is nothing to tell a collector of traces.
        "OTEL_BSP_SCHEDULE_DELAY": str(NEVER_MILLISECONDS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
