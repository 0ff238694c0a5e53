"""What a person still has to do after an entry was written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mcp_instantly.hosts.known import KEY_FILE, Host, has_key_place


def hints(
    host: Host, scope: str, entry: dict[str, Any], key_file: Path | None, chosen: int, *, sandbox: bool
) -> list[str]:
    """What is left to do after an entry was written, a sentence or two each; `chosen` counts tools."""
    found = []
    if host.max_tools and chosen > host.max_tools:
        found.append(
            f"{host.title} takes {host.max_tools} tools, and these are {chosen}; choose fewer with --toolsets."
        )
    if scope == "project" and host.project_file:
        found.append(f"{host.project_file} may be shared with others; the paths in it are those of this machine.")
    if sandbox:
        return found
    if key_file and not key_file.exists():
        found.append(f"{key_file} does not exist yet; put the API key there, so that only you can read it.")
    if not has_key_place(host, entry):
        found.append(
            "The entry does not say where the key is. Run mcp-instantly login, unless you did: the server looks there. "
            f"Or put the key into a file that only you can read, set {KEY_FILE} to that file and run this again"
            + _or_environment(host)
        )
    elif host.name == "vscode" and not key_file:
        found.append("VS Code asks for the key when it starts the server, and keeps it.")
    return found


def _or_environment(host: Host) -> str:
    if host.name == "codex":
        return ", or set INSTANTLY_API_KEY where Codex is started: the entry hands it over."
    if host.name == "goose":
        return ", or keep INSTANTLY_API_KEY among the secrets of goose, and name it in env_keys of the entry."
    return f", or set INSTANTLY_API_KEY in the environment of {host.title}."
