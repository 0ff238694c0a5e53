"""Starts of the server as hosts would start it: with the commands and arguments of entries, and what hosts hand over.

Only what a user's own files name is run. A file of a project comes with its repository, and nothing in it is run here;
nor is a command that does more than start this server, in a container for instance. uvx may download what it starts,
so this installation is started in its place.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.known import KEY, Host, Machine
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.hosts.own_entries import Entry, entries_of

THIS_INSTALLATION = (sys.executable, "-m", "mcp_instantly")

OWN_VARIABLE = re.compile(r"INSTANTLY_|XDG_")
"""What decides how the server starts. The rest of an entry is for its own command."""

OWN_COMMAND = re.compile(r"(?:.*[/\\])?mcp-instantly(?:\.exe)?", re.IGNORECASE)
UVX = re.compile(r"(?:.*[/\\])?uvx(?:\.exe)?", re.IGNORECASE)
PYTHON = re.compile(r"(?:.*[/\\])?python[\d.]*(?:\.exe)?", re.IGNORECASE)
ELSEWHERE = ("--env-file", "--directory", "--project")
"""Options of uvx that change more than which version is started."""

KEPT_BACK = "kept-back-by-doctor"
"""What a start gets in the place of a key of this process: it sends nothing, and its command is not ours to trust."""


@dataclasses.dataclass(frozen=True)
class HostStart:
    """`where` names the entry, and what is started for it; `command` is followed by `arguments`, which begin with
    `serve`; `folder` is None where the entry names none. `variables` are the names of those of the entry itself."""

    where: str
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None
    variables: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """An entry that is not tried, and why, as the end of a sentence; and the names of its variables."""

    where: str
    why: str
    variables: tuple[str, ...] = ()


def starts_of(machine: Machine, project: Path) -> Iterator[HostStart | LeftOut]:
    """The start of every entry; that a file cannot be read, `serve` is missing or there is a URL is told elsewhere."""
    for host, path in machine.files(project):
        try:
            found = entries_of(path, host)
        except ConfigError:
            continue
        for entry in found:
            if entry.command is not None and "serve" in entry.arguments:
                where = f"as {host.title} does, {path}, {entry.name}"
                own = path == host.user_file(machine)
                start = _start(where, host, entry, machine) if own else LeftOut(where, "its file is that of a project")
                yield dataclasses.replace(start, variables=tuple(entry.environment))


def _start(where: str, host: Host, entry: Entry, machine: Machine) -> HostStart | LeftOut:
    command, words = entry.command or "", entry.arguments
    before = words[: words.index("serve")]
    own = {name: value for name, value in entry.environment.items() if OWN_VARIABLE.match(name)}
    folder = Path(entry.folder) if entry.folder else None
    if entry.disabled:
        return LeftOut(where, "it is switched off")
    if any(map(VARIABLE.search, [command, *own.values(), *words])) or KEY in entry.secrets:
        return LeftOut(where, "the host fills in a part of it")
    if entry.has_variables_file:
        return LeftOut(where, "a file has more variables for it")
    if folder is not None and not folder.is_absolute():
        return LeftOut(where, "it starts in a folder that only the host knows")
    if UVX.fullmatch(command) and not any(word.startswith(ELSEWHERE) for word in before):
        environment = {**_handed_over(host, entry, machine.environ), **own}
        where = f"{where}, with this installation in the place of uvx"
        return HostStart(where, THIS_INSTALLATION, words[len(before) :], environment, folder)
    if not _starts_this_server(command, before):
        return LeftOut(where, f"{command} is not called in a way that is known to start this server alone")
    # What the host fills in there is for others.
    named = {name: value for name, value in entry.environment.items() if not VARIABLE.search(value)}
    environment = {**_handed_over(host, entry, machine.environ), **named}
    program = shutil.which(command, path=environment.get("PATH"))
    if program is None or not os.path.isabs(program):
        return LeftOut(where, f"{command} is not there, or only where the host looks")
    return HostStart(f"{where}, by its command", (program, *before), words[len(before) :], environment, folder)


def _starts_this_server(command: str, before: tuple[str, ...]) -> bool:
    """Whether a command starts this server, and does nothing else, with these words in front of `serve`."""
    if OWN_COMMAND.fullmatch(command):
        return not before
    return bool(PYTHON.fullmatch(command)) and before == ("-m", "mcp_instantly")


def _handed_over(host: Host, entry: Entry, environ: Mapping[str, str]) -> dict[str, str]:
    """What reaches the server of the environment of a host that was started from here, but for the key."""
    if host.inherits:
        found = dict(environ)
    else:
        from mcp.client.stdio import get_default_environment

        named = {name: environ[name] for name in entry.handed_over if name in environ}
        found = {**get_default_environment(), **named}
    return found | ({KEY: KEPT_BACK} if found.get(KEY) else {})
