"""Where keys come from and what they look like: as far as that is seen without the API."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import os
from pathlib import Path
from typing import Any

from mcp_instantly.diagnosis import finding
from mcp_instantly.diagnosis.finding import Finding
from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_sources import keys_file, named_keys
from mcp_instantly.keys.key_text import is_open_to_others, read_key
from mcp_instantly.keys.keys import KEYRING, KEYS_FILE
from mcp_instantly.keys.stored_key import file_of, find_key, place_of
from mcp_instantly.settings import SERVERS, origin_of

NEW_KEY = "create a key in Instantly under Settings > Integrations > API, and run mcp-instantly login"


def check_keys(options: dict[str, Any], profile: str, base_url: str) -> tuple[list[Finding], dict[str, str]]:
    """What is seen of the keys, and those that can be used by their names; the name of one without is empty."""
    try:
        named = named_keys(options)
    except ConfigError as error:
        return [finding.fail("key", str(error).rstrip("."), "correct that")], {}
    if not named:
        found, key = check_key(profile, base_url)
        return found, {} if key is None else {"": key}
    file = keys_file()
    sources = [name for name in (KEYS_FILE, KEYRING) if os.environ.get(name)]
    count = f"there are {len(named)} with names" if len(named) > 1 else "there is one with a name"
    found = [finding.ok("key", f"{count}, from {' and '.join(sources)}: {', '.join(named)}")]
    found += check_rights(file) if file is not None else []
    return found + [under(name, one) for name, key in named.items() for one in check_look(key, base_url)], named


def under(name: str, one: Finding) -> Finding:
    """A finding about the key of this name."""
    return dataclasses.replace(one, what=f"{name}: {one.what}") if name else one


def check_key(profile: str, base_url: str) -> tuple[list[Finding], str | None]:
    """Where the key comes from and what it looks like, and the key where it can be used."""
    variable = os.environ.get("INSTANTLY_API_KEY")
    name = os.environ.get("INSTANTLY_API_KEY_FILE")
    file = Path(name) if name else None
    try:
        key = read_key(variable, file)
        where = "INSTANTLY_API_KEY_FILE" if file else "INSTANTLY_API_KEY"
        if key is None:
            key = find_key(profile, origin_of(base_url))
            where = f"the {place_of(profile)} in which login stored it, profile {profile}"
            file = file_of(profile)
    except ConfigError as error:
        return [finding.fail("key", str(error).rstrip("."), "correct it, or run mcp-instantly login")], None
    if key is None:
        advice = f"{NEW_KEY}; or try --sandbox, which needs none"
        return [finding.fail("key", "there is none", advice)], None
    rights = check_rights(file) if file is not None else []
    return [finding.ok("key", f"it comes from {where}"), *rights, *check_look(key, base_url)], key


def check_rights(file: Path) -> list[Finding]:
    """Whether others can read a file of keys."""
    if not is_open_to_others(file):
        return []
    return [finding.warn("key", f"every user of this machine can read {file}", f"run chmod 600 {file}")]


def check_look(key: str, base_url: str) -> list[Finding]:
    """Whether a key is one of version 1."""
    if base_url != SERVERS["production"] or looks_like_key(key):
        return []
    what = "it does not look like a key of version 2 of the API, which is base64 text"
    return [finding.warn("key", what, f"keys of version 1 do not work any more: {NEW_KEY}")]


def looks_like_key(key: str) -> bool:
    """Whether a key is base64 text of the length that keys have."""
    try:
        return len(base64.b64decode(key + "=" * (-len(key) % 4), altchars=None, validate=True)) >= 24
    except (binascii.Error, ValueError):
        return False
