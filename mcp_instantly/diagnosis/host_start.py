"""Starts of the server as hosts would start it: with the arguments of entries, and what hosts hand over.

Only the files of the user are looked at. One of a project comes with its repository, and nothing in it is run here; nor
is the command of any entry, in whose place this installation is started.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping

from mcp_instantly.diagnosis.host_check import KEY_VARIABLE
from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.known import HOSTS, Host, Machine
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.hosts.own_entries import Entry, entries_of

OWN_VARIABLE = re.compile(r"INSTANTLY_|XDG_")
"""What decides how the server starts. The rest of an entry is for its own command."""


@dataclasses.dataclass(frozen=True)
class HostStart:
    """`where` names the entry; `arguments` are all of it."""

    where: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def starts_of(machine: Machine) -> Iterator[HostStart]:
    """Every start that can be tried. An entry that cannot be read, or lacks `serve`, is a finding of its own elsewhere;
    what a host fills in itself is not known here."""
    for host in HOSTS.values():
        path = host.user_file(machine)
        try:
            found = entries_of(path, host)
        except ConfigError:
            continue
        for entry in found:
            own = {name: value for name, value in entry.environment.items() if OWN_VARIABLE.match(name)}
            filled_in = any(map(VARIABLE.search, [*own.values(), *entry.arguments])) or KEY_VARIABLE in entry.secrets
            if entry.command is not None and "serve" in entry.arguments and not filled_in:
                environment = {**_handed_over(host, entry, machine.environ), **own}
                yield HostStart(f"as {host.title} does, {path}, {entry.name}", entry.arguments, environment)


def _handed_over(host: Host, entry: Entry, environ: Mapping[str, str]) -> dict[str, str]:
    """What reaches the server of the environment of a host that was started from here."""
    if host.inherits:
        return dict(environ)
    from mcp.client.stdio import get_default_environment

    named = {name: environ[name] for name in entry.handed_over if name in environ}
    return {**get_default_environment(), **named}
