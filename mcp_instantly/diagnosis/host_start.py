"""Starts of the server as hosts would start it: with the arguments of entries, and what hosts hand over.

Only the files of the user are looked at. One of a project comes with its repository, and nothing in it is run here; nor
is the command of any entry, in whose place this installation is started. So an entry is left out whose command does
more than start this server, in a container for instance, or sees to variables of its own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from mcp_instantly.diagnosis.host_check import KEY_VARIABLE
from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.known import HOSTS, Host, Machine
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.hosts.own_entries import Entry, entries_of

OWN_VARIABLE = re.compile(r"INSTANTLY_|XDG_")
"""What decides how the server starts. The rest of an entry is for its own command."""

OWN_COMMAND = re.compile(r"(?:.*[/\\])?mcp-instantly(?:\.exe)?", re.IGNORECASE)
UVX = re.compile(r"(?:.*[/\\])?uvx(?:\.exe)?", re.IGNORECASE)
PYTHON = re.compile(r"(?:.*[/\\])?python[\d.]*(?:\.exe)?", re.IGNORECASE)
ELSEWHERE = ("--env-file", "--directory", "--project")
"""Options of uvx that change more than which version is started."""


@dataclasses.dataclass(frozen=True)
class HostStart:
    """`where` names the entry; `arguments` are all of it; `folder` is None where the entry names none."""

    where: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None


def starts_of(machine: Machine) -> Iterator[HostStart]:
    """Every start that can be tried. An entry that cannot be read, or lacks `serve`, is a finding of its own elsewhere;
    what a host fills in itself is not known here, nor what it reads from another file."""
    for host in HOSTS.values():
        path = host.user_file(machine)
        try:
            found = entries_of(path, host)
        except ConfigError:
            continue
        for entry in found:
            own = {name: value for name, value in entry.environment.items() if OWN_VARIABLE.match(name)}
            folder = Path(entry.folder) if entry.folder else None
            filled_in = any(map(VARIABLE.search, [*own.values(), *entry.arguments])) or KEY_VARIABLE in entry.secrets
            elsewhere = entry.has_variables_file or (folder is not None and not folder.is_absolute())
            if not (entry.disabled or filled_in or elsewhere) and _starts_this_server(entry):
                environment = {**_handed_over(host, entry, machine.environ), **own}
                yield HostStart(f"as {host.title} does, {path}, {entry.name}", entry.arguments, environment, folder)


def _starts_this_server(entry: Entry) -> bool:
    """Whether the command of an entry starts `serve`, and does nothing else."""
    command, words = entry.command or "", entry.arguments
    if "serve" not in words:
        return False
    if UVX.fullmatch(command):
        return not any(word.startswith(ELSEWHERE) for word in words[: words.index("serve")])
    return bool(OWN_COMMAND.fullmatch(command) or (PYTHON.fullmatch(command) and words[:2] == ("-m", "mcp_instantly")))


def _handed_over(host: Host, entry: Entry, environ: Mapping[str, str]) -> dict[str, str]:
    """What reaches the server of the environment of a host that was started from here."""
    if host.inherits:
        return dict(environ)
    from mcp.client.stdio import get_default_environment

    named = {name: environ[name] for name in entry.handed_over if name in environ}
    return {**get_default_environment(), **named}
