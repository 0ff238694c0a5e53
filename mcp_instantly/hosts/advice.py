"""What a person still has to do after an entry was written."""

from __future__ import annotations

import os
from typing import Any

from mcp_instantly.hosts.known import (
    INPUT_REFERENCE,
    KEY,
    KEY_FILE,
    Host,
    environment_of,
    handed_over,
    has_key_place,
)
from mcp_instantly.hosts.names import VARIABLE
from mcp_instantly.hosts.shell import how_to_hand_over, lost_variables
from mcp_instantly.keys.keys import KEYS_FILE
from mcp_instantly.keys.stored_key import file_of
from mcp_instantly.text import name_some


def hints(
    host: Host, scope: str, entry: dict[str, Any], chosen: int, *, sandbox: bool, profile: str | None
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
    for name, what in ((KEY_FILE, "API key"), (KEYS_FILE, "API keys")):
        file = environment_of(entry).get(name)
        if isinstance(file, str) and not VARIABLE.search(file) and not os.path.exists(os.path.expanduser(file)):
            found.append(f"{file} does not exist yet; put the {what} there, so that only you can read it.")
    if lost := lost_variables(host, [*environment_of(entry), *handed_over(entry)], os.environ):
        found.append(
            f"{host.title} does not hand over {name_some(lost)} of this shell: {how_to_hand_over(host)}. It is not "
            "done for you, since the address of a proxy may hold a password."
        )
    if profile is not None:
        if not file_of(profile).exists():
            found.append(f"Nothing is stored for this profile yet; run mcp-instantly login --profile {profile}.")
    elif not has_key_place(entry):
        found.append(
            "The entry does not say where the key is. Run mcp-instantly login, unless you did: the server looks there. "
            f"Or put the key into a file that only you can read, set {KEY_FILE} to that file and run this again"
            + _or_environment(host)
        )
    elif environment_of(entry).get(KEY) == INPUT_REFERENCE:
        found.append("VS Code asks for the key when it starts the server, and keeps it.")
    return found


def _or_environment(host: Host) -> str:
    """The rest of the sentence: where a key of the environment reaches the server, how to set it."""
    if host.name == "codex":
        return ", or set INSTANTLY_API_KEY where Codex is started: the entry hands it over."
    if host.name == "goose":
        return ", or keep INSTANTLY_API_KEY among the secrets of goose, and name it in env_keys of the entry."
    if host.inherits:
        return f", or set INSTANTLY_API_KEY in the environment of {host.title}."
    return f". {host.title} does not hand over an INSTANTLY_API_KEY of its own environment."
