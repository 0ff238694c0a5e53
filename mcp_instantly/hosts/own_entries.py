"""What the file of a host says of this server. The file is read, and never written."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.hosts import entries, files
from mcp_instantly.hosts.broken import BrokenText
from mcp_instantly.hosts.known import Host

ADDRESSES = ("url", "uri", "serverUrl", "httpUrl")
"""Where hosts keep the URL of a server that they do not start."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """How a host starts this server. `command` is None where it reaches one by its URL; `handed_over` names variables
    that the host hands over, and `secrets` those that it keeps itself. `folder` is where the server starts, and
    `has_variables_file` says that a file has more variables for it. The host starts none that is `disabled`."""

    name: str
    command: str | None
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    handed_over: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    folder: str | None = None
    has_variables_file: bool = False
    disabled: bool = False


def entries_of(path: Path, host: Host) -> list[Entry]:
    """The entries of a host's file that name this server; none without the file.

    Raises ConfigError, which names the file, for one that cannot be read or is not in its format.
    """
    text = files.read(path)
    try:
        document = entries.data_of(host, text or "")
    except BrokenText as error:
        raise ConfigError(f"{path}, line {error.line} cannot be read: {error.reason}.") from None
    except RecursionError:
        raise ConfigError(f"{path} cannot be read: it is nested too deeply.") from None
    found = (_entry(name, value) for servers in _tables(document, host) for name, value in servers.items())
    return [entry for entry in found if entry]


def _tables(document: Any, host: Host) -> Iterator[dict[str, Any]]:
    """The tables of servers in a file; that of Claude Code has one for each project too."""
    owners = [document]
    if host.name == "claude-code" and isinstance(document, dict) and isinstance(document.get("projects"), dict):
        owners += document["projects"].values()
    for owner in owners:
        if isinstance(owner, dict) and isinstance(servers := owner.get(host.container), dict):
            yield servers


def _entry(name: Any, value: Any) -> Entry | None:
    if not isinstance(value, dict):
        return None
    command = value.get("command", value.get("cmd"))
    arguments = value.get("args")
    environment = value.get("env", value.get("envs"))
    folder = value.get("cwd")
    entry = Entry(
        str(name),
        command if isinstance(command, str) else None,
        tuple(map(str, arguments)) if isinstance(arguments, list) else (),
        {str(key): str(one) for key, one in environment.items()} if isinstance(environment, dict) else {},
        _names(value.get("env_vars")),
        _names(value.get("env_keys")),
        folder if isinstance(folder, str) else None,
        bool(value.get("envFile")),
        value.get("enabled") is False or value.get("disabled") is True,
    )
    url = next((value[key] for key in ADDRESSES if value.get(key)), "")
    named = [entry.command or "", *entry.arguments, *([f"{name} {url}"] if url else [])]
    ours = any(re.search(r"mcp[-_]instantly", word) for word in named) or (
        bool(url) and "instantly" in str(name).lower()
    )
    return entry if ours else None


def _names(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()
