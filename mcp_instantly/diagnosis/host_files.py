"""The files in which hosts name their MCP servers, and what they say of this one. Files are read, and never written.

Where the files lie and how they are laid out is documented by the hosts themselves:

- Claude Desktop: modelcontextprotocol.io, "Connect to local MCP servers" (macOS, Windows); builds for Linux by others
  keep to the same name under ~/.config
- Claude Code: code.claude.com/docs, "MCP", scopes: user and local in ~/.claude.json, project in .mcp.json
- Cursor: cursor.com/docs, "Model Context Protocol": ~/.cursor/mcp.json, .cursor/mcp.json
- VS Code: code.visualstudio.com/docs, "MCP servers": mcp.json in the user's profile, .vscode/mcp.json; key `servers`
- Windsurf: docs.windsurf.com, "Cascade MCP Integration": ~/.codeium/windsurf/mcp_config.json
- Gemini CLI: the repository google-gemini/gemini-cli, docs on configuration: settings.json in ~/.gemini and .gemini
- Codex: developers.openai.com/codex, "Model Context Protocol": config.toml in $CODEX_HOME or ~/.codex, and in .codex
- Goose: block.github.io/goose, "Configuration Overview": config.yaml; key `extensions`, with `cmd` and `envs`
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

MAX_FILE_BYTES = 50_000_000
"""A larger file is not read: that of Claude Code grows with every session."""


@dataclasses.dataclass(frozen=True)
class HostFile:
    """A file of a host. `path` begins with `~` (home), `config:` (the user's folder for settings of applications) or,
    for that of a project, with neither; `servers` is the key under which it names its servers.
    """

    host: str
    title: str
    scope: Literal["user", "project"]
    format: Literal["json", "toml", "yaml"]
    servers: str
    path: str
    windows_path: str | None = None


HOST_FILES = (
    HostFile(
        "claude-desktop", "Claude Desktop", "user", "json", "mcpServers", "config:Claude/claude_desktop_config.json"
    ),
    HostFile("claude-code", "Claude Code", "user", "json", "mcpServers", "~/.claude.json"),
    HostFile("claude-code", "Claude Code", "project", "json", "mcpServers", ".mcp.json"),
    HostFile("cursor", "Cursor", "user", "json", "mcpServers", "~/.cursor/mcp.json"),
    HostFile("cursor", "Cursor", "project", "json", "mcpServers", ".cursor/mcp.json"),
    HostFile("vscode", "VS Code", "user", "json", "servers", "config:Code/User/mcp.json"),
    HostFile("vscode", "VS Code", "project", "json", "servers", ".vscode/mcp.json"),
    HostFile("windsurf", "Windsurf", "user", "json", "mcpServers", "~/.codeium/windsurf/mcp_config.json"),
    HostFile("gemini-cli", "Gemini CLI", "user", "json", "mcpServers", "~/.gemini/settings.json"),
    HostFile("gemini-cli", "Gemini CLI", "project", "json", "mcpServers", ".gemini/settings.json"),
    HostFile("codex", "Codex", "user", "toml", "mcp_servers", "~/.codex/config.toml"),
    HostFile("codex", "Codex", "project", "toml", "mcp_servers", ".codex/config.toml"),
    HostFile(
        *("goose", "Goose", "user", "yaml", "extensions", "~/.config/goose/config.yaml"),
        windows_path="config:Block/goose/config/config.yaml",
    ),
)


@dataclasses.dataclass(frozen=True)
class Places:
    """Where files are looked for: on this machine, as this user, in this folder."""

    home: Path
    project: Path
    environment: Mapping[str, str]
    platform: str = sys.platform

    def path_of(self, file: HostFile) -> Path:
        """Where a host's file lies, whether it is there or not."""
        path = file.windows_path if self.platform == "win32" and file.windows_path else file.path
        if file.host == "codex" and file.scope == "user" and self.environment.get("CODEX_HOME"):
            return Path(self.environment["CODEX_HOME"]) / "config.toml"
        if path.startswith("~/"):
            return self.home / path[2:]
        if path.startswith("config:"):
            return self._config() / path.removeprefix("config:")
        return self.project / path

    def _config(self) -> Path:
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return Path(self.environment.get("APPDATA") or self.home / "AppData" / "Roaming")
        return Path(self.environment.get("XDG_CONFIG_HOME") or self.home / ".config")


@dataclasses.dataclass(frozen=True)
class Entry:
    """How a host starts this server. `command` is None where it reaches one by its URL."""

    name: str
    command: str | None
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Unreadable(Exception):
    """A file that cannot be read or is not in its format; `line` counts from 1, 0 where that is not known."""

    reason: str
    line: int = 0


def entries_of(path: Path, file: HostFile) -> list[Entry]:
    """The entries of a host's file that name this server; none without the file. Raises Unreadable."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise Unreadable("it is too large")
        text = path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except UnicodeDecodeError:
        raise Unreadable("it is not text in UTF-8") from None
    except OSError as error:
        raise Unreadable(error.strerror or "it cannot be read") from None
    document = _parse(text, file.format)
    return [
        entry
        for servers in _tables(document, file)
        for name, value in servers.items()
        if (entry := _entry(name, value))
    ]


def _tables(document: Any, file: HostFile) -> Iterator[dict[str, Any]]:
    """The tables of servers in a file; that of Claude Code has one for each project too."""
    if not isinstance(document, dict):
        return
    owners = [document]
    if file.host == "claude-code" and isinstance(document.get("projects"), dict):
        owners += [project for project in document["projects"].values() if isinstance(project, dict)]
    for owner in owners:
        if isinstance(servers := owner.get(file.servers), dict):
            yield servers


def _entry(name: Any, value: Any) -> Entry | None:
    if not isinstance(value, dict):
        return None
    command = value.get("command", value.get("cmd"))
    arguments = value.get("args")
    environment = value.get("env", value.get("envs"))
    entry = Entry(
        str(name),
        command if isinstance(command, str) else None,
        tuple(map(str, arguments)) if isinstance(arguments, list) else (),
        {str(key): str(one) for key, one in environment.items()} if isinstance(environment, dict) else {},
    )
    url = next((value[key] for key in ("url", "uri", "serverUrl", "httpUrl") if value.get(key)), "")
    named = [entry.command or "", *entry.arguments, *([f"{name} {url}"] if url else [])]
    ours = any(re.search(r"mcp[-_]instantly", word) for word in named) or (
        bool(url) and "instantly" in str(name).lower()
    )
    return entry if ours else None


def _parse(text: str, form: str) -> Any:
    """What a document says. Raises Unreadable."""
    if not text.strip():
        return {}
    try:
        if form == "toml":
            toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
            return toml.loads(text)
        if form == "yaml":
            return importlib.import_module("ruamel.yaml").YAML(typ="safe", pure=True).load(text)
        return json.loads(without_comments(text))
    except json.JSONDecodeError as error:
        raise Unreadable(error.msg, error.lineno) from None
    except ImportError:
        raise Unreadable("there is no reader for its format here") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is not valid TOML", _line_in(str(error))) from None
    except Exception as error:  # yaml has errors of its own, of which the module is not known before it is imported
        mark = getattr(error, "problem_mark", None)
        raise Unreadable("it is not valid YAML", 0 if mark is None else mark.line + 1) from None


def _line_in(message: str) -> int:
    found = re.search(r"line (\d+)", message)
    return int(found[1]) if found else 0


def without_comments(text: str) -> str:
    """JSON as editors read it, without its comments and final commas; every line keeps its number."""

    def blank(found: re.Match[str]) -> str:
        return found[1] or "\n" * found[0].count("\n")

    bare = re.sub(r'("(?:\\.|[^"\\\n])*")|//[^\n]*|/\*.*?\*/', blank, text, flags=re.DOTALL)
    return re.sub(r'("(?:\\.|[^"\\\n])*")|,(?=\s*[}\]])', lambda found: found[1] or "", bare)
