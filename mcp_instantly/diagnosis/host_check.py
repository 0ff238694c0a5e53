"""Whether the hosts of this machine can start this server as their files say."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from mcp_instantly.diagnosis.finding import Finding, fail, ok, warn
from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts.known import KEY, KEY_FILE, Host, Machine
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.hosts.own_entries import Entry, entries_of
from mcp_instantly.hosts.shell import how_to_hand_over, lost_variables
from mcp_instantly.keys.key_text import clean_key
from mcp_instantly.text import name_some

YES = ("1", "true", "t", "yes", "y", "on")
"""What says yes in the variable of an option."""

CONTAINER = re.compile(r"(?:.*[/\\])?(?:docker|podman|nerdctl)(?:\.exe)?", re.IGNORECASE)
"""What starts in a container has neither the variables nor the files of an entry."""


def check_hosts(machine: Machine, project: Path) -> list[Finding]:
    """What is found in the files of hosts, those of the folder `project` among them; one finding when none of them
    names this server."""
    found = []
    for host, path in machine.files(project):
        try:
            for entry in entries_of(path, host):
                found += check_entry(f"{host.title}, {path}, {entry.name}", entry, host, machine)
        except ConfigError as error:
            found.append(fail("host", f"{host.title}: {str(error).rstrip('.')}", "fix the file in an editor"))
    return found or [ok("host", "no file of a host names this server yet")]


def check_entry(where: str, entry: Entry, host: Host, machine: Machine) -> list[Finding]:
    """What is wrong with an entry, in every respect; one finding when nothing is. No value of it is repeated but the
    command."""
    if entry.command is None:
        return [ok("host", f"{where}: reached by its URL")]
    found = [*_check_command(where, entry.command, machine), *_check_key(where, entry), *_check_key_file(where, entry)]
    found += _check_way(where, entry, host, machine)
    if "serve" not in entry.arguments:
        found.append(fail("host", f"{where}: its arguments lack serve", 'add "serve" to the arguments'))
    return found or [ok("host", f"{where}: {entry.command} can be started")]


def _check_command(where: str, command: str, machine: Machine) -> list[Finding]:
    if command.startswith("~"):
        return [fail("host", f"{where}: the command begins with ~, which no host expands", "give its absolute path")]
    if VARIABLE.search(command):
        return []
    if os.path.isabs(command):
        if not os.path.isfile(command):
            return [
                fail("host", f"{where}: {command} is not there", "give the path of mcp-instantly that is installed")
            ]
        if not os.access(command, os.X_OK):
            return [fail("host", f"{where}: {command} may not be executed", "make it executable, with chmod +x")]
        return []
    if os.path.dirname(command):
        advice = "give its absolute path: hosts start servers in folders of their own"
        return [warn("host", f"{where}: {command} is a relative path", advice)]
    if shutil.which(command, path=machine.environ.get("PATH")) is None:
        return [fail("host", f"{where}: there is no command {command} on the PATH", "give its absolute path")]
    return []


def _check_way(where: str, entry: Entry, host: Host, machine: Machine) -> list[Finding]:
    if "--sandbox" in entry.arguments or entry.environment.get("INSTANTLY_SANDBOX", "").lower() in YES:
        return []
    if entry.disabled or entry.has_variables_file or CONTAINER.fullmatch(entry.command or ""):
        return []
    lost = lost_variables(host, [*entry.environment, *entry.handed_over], machine.environ)
    if not lost:
        return []
    return [
        warn(
            "host", f"{where}: {host.title} does not hand over {name_some(lost)} of this shell", how_to_hand_over(host)
        )
    ]


def _check_key(where: str, entry: Entry) -> list[Finding]:
    key = entry.environment.get(KEY)
    if key is None or VARIABLE.search(key):
        return []
    try:
        clean_key(key, f"its {KEY}")
    except ConfigError as error:
        return [fail("host", f"{where}: {error}", "put it right, or take it out there and run mcp-instantly login")]
    advice = "run mcp-instantly login, and take the key out there"
    return [warn("host", f"{where}: the file holds the key as plain text", advice)]


def _check_key_file(where: str, entry: Entry) -> list[Finding]:
    name = entry.environment.get(KEY_FILE)
    if name is None or VARIABLE.search(name):
        return []
    file = Path(name)
    try:
        there = os.access(file.expanduser(), os.R_OK)
    except (RuntimeError, ValueError):
        there = False
    if there:
        return []
    advice = "put the key there, or run mcp-instantly login and take the variable out"
    return [fail("host", f"{where}: the file that {KEY_FILE} names cannot be read", advice)]
