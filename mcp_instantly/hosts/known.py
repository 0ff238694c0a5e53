"""The hosts: where each keeps its configuration, in which format, and how an entry of a server looks there."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.keys import KEYRING, KEYS_FILE

KEY = "INSTANTLY_API_KEY"
KEY_FILE = "INSTANTLY_API_KEY_FILE"
PLACES_OF_KEYS = (KEY_FILE, KEYS_FILE, KEYRING)
"""Variables that say where keys are; none of them has one."""

FOLDERS = ("XDG_CONFIG_HOME", "XDG_DATA_HOME")
"""Variables that say where a user's files are, logins and drafts for instance; many hosts do not hand them over."""

INPUT_ID = "instantly-key"
INPUT_REFERENCE = f"${{input:{INPUT_ID}}}"
INPUT = {"type": "promptString", "id": INPUT_ID, "description": "Instantly API key", "password": True}
"""What has VS Code ask for the key, once, and keep it."""

GOOSE_TIMEOUT_SECONDS = 300

UVX = "uvx"
UVX_START_SECONDS = 120
"""The first start with uvx, which downloads; Codex waits for ten seconds unless it is told otherwise."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the places of files depend on: the platform as `sys.platform` has it, the home folder, the environment."""

    platform: str
    home: Path
    environ: Mapping[str, str]

    @property
    def settings(self) -> Path:
        """Where programs of this platform keep their settings."""
        if self.platform == "win32":
            return Path(self.environ.get("APPDATA") or self.home / "AppData" / "Roaming")
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        return self.xdg

    @property
    def xdg(self) -> Path:
        return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")

    def files(self, project: Path) -> Iterator[tuple[Host, Path]]:
        """Every file in which a host may name servers, with its host; `project` is the folder of the project."""
        for host in HOSTS.values():
            yield host, (mine := host.user_file(self))
            # The home folder may be the current one.
            if host.project_file and project / host.project_file != mine:
                yield host, project / host.project_file


def this_machine() -> Machine:
    """The machine that this runs on. Raises ConfigError for a user without a home folder."""
    try:
        return Machine(sys.platform, Path.home(), os.environ)
    except RuntimeError:
        raise ConfigError("There is no home folder of this user; set HOME to the folder of the hosts' files.") from None


@dataclasses.dataclass(frozen=True)
class Host:
    """A program that starts servers.

    `container` is the name of the object in which they stand; `project_file` is None where there is no configuration
    per project; `max_tools` is None where no limit is known. `inherits` says whether servers get its whole environment:
    the others hand over a few variables of their choice, and those of the entry.
    """

    name: str
    title: str
    syntax: str
    container: str
    user_file: Callable[[Machine], Path]
    project_file: str | None = None
    max_tools: int | None = None
    typed: bool = False
    inherits: bool = False


HOSTS = {
    host.name: host
    for host in (
        # https://modelcontextprotocol.io/docs/develop/connect-local-servers; strict JSON. Linux: where its builds for
        # Linux look.
        Host(
            "claude-desktop",
            "Claude Desktop",
            "json",
            "mcpServers",
            lambda machine: machine.settings / "Claude" / "claude_desktop_config.json",
        ),
        # https://code.claude.com/docs/en/mcp, "MCP installation scopes": what `claude mcp add` writes with --scope.
        Host(
            "claude-code",
            "Claude Code",
            "json",
            "mcpServers",
            lambda machine: Path(machine.environ.get("CLAUDE_CONFIG_DIR") or machine.home) / ".claude.json",
            ".mcp.json",
            typed=True,
            inherits=True,
        ),
        # https://cursor.com/docs/context/mcp, "Configuration locations".
        Host(
            "cursor",
            "Cursor",
            "jsonc",
            "mcpServers",
            lambda machine: machine.home / ".cursor" / "mcp.json",
            ".cursor/mcp.json",
            40,
        ),
        # https://code.visualstudio.com/docs/copilot/reference/mcp-configuration: workspace, or the user's profile.
        Host(
            "vscode",
            "VS Code",
            "jsonc",
            "servers",
            lambda machine: machine.settings / "Code" / "User" / "mcp.json",
            ".vscode/mcp.json",
            128,
            typed=True,
            inherits=True,
        ),
        # https://docs.windsurf.com/windsurf/cascade/mcp: one file for everything.
        Host(
            "windsurf",
            "Windsurf",
            "jsonc",
            "mcpServers",
            lambda machine: machine.home / ".codeium" / "windsurf" / "mcp_config.json",
            None,
            50,
        ),
        # https://geminicli.com/docs/cli/configuration, "Settings files"; comments are taken out before it is read.
        Host(
            "gemini-cli",
            "Gemini CLI",
            "jsonc",
            "mcpServers",
            lambda machine: machine.home / ".gemini" / "settings.json",
            ".gemini/settings.json",
        ),
        # https://developers.openai.com/codex/mcp: the same tables in both files; a project has to be trusted.
        Host(
            "codex",
            "Codex",
            "toml",
            "mcp_servers",
            lambda machine: Path(machine.environ.get("CODEX_HOME") or machine.home / ".codex") / "config.toml",
            ".codex/config.toml",
        ),
        # https://block.github.io/goose/docs/guides/config-files: ~/.config on macOS too.
        Host(
            "goose",
            "goose",
            "yaml",
            "extensions",
            lambda machine: (
                machine.settings / "Block" / "goose" / "config" / "config.yaml"
                if machine.platform == "win32"
                else machine.xdg / "goose" / "config.yaml"
            ),
            inherits=True,
        ),
    )
}


def make_entry(
    host: Host, name: str, command: list[str], *, variables: Mapping[str, str], needs_key: bool
) -> dict[str, Any]:
    """The entry of a server that is started by `command`. It never has the key: `variables` may name where it is found,
    and with `needs_key` nothing does."""
    env = dict(variables)
    if host.syntax == "yaml":
        return {
            "enabled": True,
            "type": "stdio",
            "name": name,
            "description": "Instantly.ai: campaigns, leads, sending accounts, replies",
            "cmd": command[0],
            "args": command[1:],
            "envs": env,
            # Names in it are looked up among the secrets of goose, which does not start a server that lacks one; the
            # environment is handed over anyway.
            "env_keys": [],
            "timeout": GOOSE_TIMEOUT_SECONDS,
        }
    entry: dict[str, Any] = {"type": "stdio"} if host.typed else {}
    entry |= {"command": command[0], "args": command[1:]}
    if host.name == "codex" and needs_key:
        # Codex hands over some variables of its own choice, and those that are named, where they are set.
        entry["env_vars"] = [KEY, KEY_FILE]
    if host.name == "codex" and command[0] == UVX:
        entry["startup_timeout_sec"] = UVX_START_SECONDS
    if host.name == "vscode" and needs_key:
        env = {KEY: INPUT_REFERENCE} | env
    return entry | ({"env": env} if env else {})


def is_ours(entry: Any) -> bool:
    """Whether an entry starts this server, from wherever."""
    if not isinstance(entry, dict):
        return False
    command, args = entry.get("command", entry.get("cmd")), entry.get("args")
    words = [command, *(args if isinstance(args, list) else [])]
    names = [word.replace("\\", "/").rsplit("/", 1)[-1].lower() for word in words[:4] if isinstance(word, str)]
    return any(
        name.split("@")[0].split("==")[0] in ("mcp-instantly", "mcp-instantly.exe", "mcp_instantly") for name in names
    )


def updated(old: dict[str, Any], new: dict[str, Any], *, has_profile: bool = False) -> dict[str, Any]:
    """The new entry with what someone added to the old one: other members, other variables, and where its key is.

    The old place of the key is left only for another that is known now, which a profile is too.
    """
    variables = _variables_of(new)
    there = old.get(variables)
    kept = dict(there) if isinstance(there, dict) else {}
    given = new.get(variables, {})
    known = has_profile or not {*PLACES_OF_KEYS}.isdisjoint(given)
    result = {**old, **new}
    if known:
        kept = {name: value for name, value in kept.items() if name not in (KEY, *PLACES_OF_KEYS)}
    elif kept.get(KEY) == INPUT_REFERENCE:
        kept.pop(KEY)
    if not known and any(kept.get(name) for name in (KEY, *PLACES_OF_KEYS)):
        given = {name: value for name, value in given.items() if name != KEY}
        if "env_vars" in old:
            result["env_vars"] = old["env_vars"]
        else:
            result.pop("env_vars", None)
    result[variables] = kept | given
    if not result[variables] and variables not in new and variables not in old:
        del result[variables]
    if isinstance(old.get("env_keys"), list):
        result["env_keys"] = [word for word in old["env_keys"] if word != KEY or not known]
    if isinstance(old.get("env_vars"), list):
        # Names of the key are those of the new entry, or of its place that is kept; all others stay.
        named = result["env_vars"] if "env_vars" in new and "env_vars" in result else []
        others = [word for word in old["env_vars"] if word not in named and word not in (KEY, KEY_FILE)]
        result["env_vars"] = [*named, *others]
        if not result["env_vars"]:
            del result["env_vars"]
    return result


def without_variables(entry: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The entry without these variables, which may stand there by hand, with a value or as names to hand over."""
    result = dict(entry)
    variables = _variables_of(entry)
    if isinstance(there := entry.get(variables), dict):
        result[variables] = {name: value for name, value in there.items() if name not in names}
    for handed_over in ("env_vars", "env_keys"):
        if isinstance(listed := entry.get(handed_over), list):
            result[handed_over] = [word for word in listed if not (isinstance(word, str) and word in names)]
    return result


def environment_of(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variables of an entry."""
    found = entry.get(_variables_of(entry))
    return found if isinstance(found, dict) else {}


def _variables_of(entry: Mapping[str, Any]) -> str:
    """The member that has the variables: Goose calls it otherwise."""
    return "envs" if "cmd" in entry else "env"


def handed_over(entry: Mapping[str, Any]) -> list[str]:
    """The names of the variables that the host is to hand over to an entry."""
    listed = [*(entry.get("env_vars") or ()), *(entry.get("env_keys") or ())]
    return [word for word in listed if isinstance(word, str)]


def has_key_place(entry: Mapping[str, Any]) -> bool:
    """Whether the variables of an entry say where the key is found."""
    env = environment_of(entry)
    return any(env.get(name) for name in (KEY, *PLACES_OF_KEYS))
