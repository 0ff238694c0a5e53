"""Where keys come from: the environment, files, the keyring, and what login stored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_text import read_key
from mcp_instantly.keys.keys import (
    KEYRING,
    KEYS_FILE,
    read_keyring,
    read_keyring_names,
    read_keys_file,
    refuse_doubles,
    refuse_same_keys,
)
from mcp_instantly.settings import SANDBOX_KEY, origin_of

NO_KEY = (
    "There is no API key: create one in Instantly under Settings > Integrations > API and set INSTANTLY_API_KEY "
    "(or INSTANTLY_API_KEY_FILE), or run mcp-instantly login, or try everything without one by adding --sandbox."
)


def key_file(options: dict[str, Any]) -> Path | None:
    """The file that holds the key, unless the sandbox is used or none is named."""
    name = os.environ.get("INSTANTLY_API_KEY_FILE")
    return Path(name) if name and not options["sandbox"] else None


def keys_file() -> Path | None:
    """The file that holds keys of several workspaces, if one is named; the sandbox has several keys of its own."""
    name = os.environ.get(KEYS_FILE)
    return Path(name) if name else None


def _keyring_names(options: dict[str, Any]) -> list[str]:
    """The workspaces whose keys the keyring has. Raises ConfigError."""
    text = os.environ.get(KEYRING)
    return read_keyring_names(text) if text and not options["sandbox"] else []


def named_keys(options: dict[str, Any]) -> dict[str, str]:
    """The keys that have names; none where there is the one key without. Raises ConfigError."""
    file, names = keys_file(), _keyring_names(options)
    if not (file or names):
        return {}
    if not options["sandbox"] and (os.environ.get("INSTANTLY_API_KEY") or key_file(options)):
        named = " and ".join([*([KEYS_FILE] if file else []), *([KEYRING] if names else [])])
        raise ConfigError(
            f"There is a key without a name beside those of {named}: unset INSTANTLY_API_KEY and "
            f"INSTANTLY_API_KEY_FILE, or {named}."
        )
    keys = read_keys_file(file) if file else {}
    refuse_doubles([*keys, *names])
    keys |= read_keyring(names) if names else {}
    refuse_same_keys(keys)
    return keys


def choose_workspaces(options: dict[str, Any]) -> tuple[tuple[str, ...], str | None]:
    """The names from which calls choose, none where there is one key, and the default of reads. Raises ConfigError.

    The keyring is not asked.
    """
    file = keys_file()
    names = [*(read_keys_file(file) if file else ()), *_keyring_names(options)]
    refuse_doubles(names)
    default = options["default_workspace"]
    if default is not None and default not in names:
        known = f"those are {', '.join(names)}" if names else f"{KEYS_FILE} or {KEYRING} names them, and neither is set"
        raise ConfigError(f"--default-workspace is not the name of a workspace; {known}.")
    return (tuple(names), default) if len(names) > 1 else ((), None)


def _find_key(options: dict[str, Any], base_url: str) -> str:
    """The key of the environment, or else the one that login stored. Raises ConfigError when there is none."""
    found = read_key(os.environ.get("INSTANTLY_API_KEY"), key_file(options))
    if found is None:
        from mcp_instantly.keys.stored_key import check_profile, find_key

        found = find_key(check_profile(options["profile"]), origin_of(base_url))
    elif options["profile"] is not None:
        raise ConfigError("--profile names a key that login stored; leave it out, or unset INSTANTLY_API_KEY(_FILE).")
    if found is None:
        raise ConfigError(NO_KEY)
    return found


def only_key(options: dict[str, Any], keys: Mapping[str, str], base_url: str) -> str:
    """The key where there is one alone, named or not. Raises ConfigError."""
    if keys:
        return next(iter(keys.values()))
    if options["sandbox"]:
        return SANDBOX_KEY
    return _find_key(options, base_url)


def refuse_own_keys(options: dict[str, Any]) -> None:
    """Raise ConfigError where the server is given a key, and callers are to bring theirs."""
    variables = ("INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE", KEYS_FILE, KEYRING)
    given = [name for name in variables if os.environ.get(name)]
    given += [f"--{name}" for name in ("profile", "workspace") if options[name] is not None]
    if given:
        raise ConfigError(
            f"--caller-keys has each caller bring a key and a workspace in headers; leave out {' and '.join(given)}."
        )
