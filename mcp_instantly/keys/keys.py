"""Keys of several workspaces, each under a name: from a file of lines, and from the system's keyring.

No error repeats anything of a key; a name is repeated only where it cannot be one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.keys.key_text import clean_key, read_lines
from mcp_instantly.keys.stored_key import KeyringUnusable, within_time

KEYS_FILE, KEYRING = "INSTANTLY_KEYS_FILE", "INSTANTLY_KEYRING"

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
"""The name of a workspace. A key is longer, or has other characters."""

NAME_RULE = "a name begins with a letter and has at most 32 letters, digits, - and _"

KEYRING_SERVICE = "mcp-instantly"
"""The service under which the keyring has the keys; the name of the workspace is the user's name there."""


def read_keys_file(file: Path) -> dict[str, str]:
    """The keys of a file by the names of their workspaces: NAME = KEY on each line. Raises ConfigError.

    Empty lines and those that begin with # do not count; a key may stand in quotes; `~` is the home directory.
    """
    found: dict[str, str] = {}
    lines_of: dict[str, int] = {}
    for number, line in enumerate(read_lines(file), 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        source = f"Line {number} of {file}"
        name, is_pair, key = (part.strip() for part in text.partition("="))
        if not is_pair:
            raise ConfigError(f"{source} is not NAME = KEY; write one workspace on each line.")
        if not NAME.fullmatch(name):
            raise ConfigError(f"{source} has no name before the = that can be used: {NAME_RULE}. Write NAME = KEY.")
        if key.startswith("="):
            raise ConfigError(f"{source} has == in it where NAME = KEY belongs; put a name before the key.")
        key = clean_key(_unquoted(key), source)
        if name.lower() in lines_of:
            before = lines_of[name.lower()]
            raise ConfigError(f"{source} has the same name as line {before}, upper and lower case aside; change one.")
        if key in found.values():
            before = lines_of[next(other.lower() for other, known in found.items() if known == key)]
            raise ConfigError(f"{source} has the same key as line {before}; leave one of the two names out.")
        found[name] = key
        lines_of[name.lower()] = number
    if not found:
        raise ConfigError(f"{KEYS_FILE} names {file}, which has no keys; write NAME = KEY on each line there.")
    return found


def _unquoted(key: str) -> str:
    """A key without the quotes that stand around it, as in a file of TOML."""
    return key[1:-1] if len(key) > 2 and key[0] == key[-1] and key[0] in "\"'" else key


def read_keyring_names(text: str) -> list[str]:
    """The names of a list with commas, as INSTANTLY_KEYRING has it. Raises ConfigError."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for place, name in enumerate(names, 1):
        if not NAME.fullmatch(name):
            raise ConfigError(
                f"{KEYRING} takes names with commas between them: {NAME_RULE}. Entry {place} is not a name."
            )
    if not names:
        raise ConfigError(f"{KEYRING} has no name; name the workspaces whose keys are in the keyring, or unset it.")
    return names


def read_keyring(names: Iterable[str]) -> dict[str, str]:
    """The keys that the system's keyring has under these names. Raises ConfigError."""
    try:
        import keyring
    except ImportError:
        raise ConfigError(
            f"{KEYRING} needs the package keyring: pip install 'mcp-instantly[keyring]', or use {KEYS_FILE}."
        ) from None
    found: dict[str, str] = {}
    for name in names:
        try:
            key = within_time(functools.partial(keyring.get_password, KEYRING_SERVICE, name))
        except KeyringUnusable as error:
            raise ConfigError(
                f"The keyring cannot be read for {name} ({error.why}): unlock it, or use {KEYS_FILE}."
            ) from None
        if key is None:
            raise ConfigError(
                f"The keyring has no key for {name}; put it there with: keyring set {KEYRING_SERVICE} {name}"
            )
        found[name] = clean_key(key, f"The key of {name} in the keyring")
    return found


def refuse_doubles(names: Iterable[str]) -> None:
    """Raise ConfigError where two workspaces have the same name, upper and lower case aside."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise ConfigError(
                f"The workspace {name} is named twice in {KEYS_FILE} and {KEYRING}; leave one of them out."
            )
        seen.add(name.lower())


def refuse_same_keys(keys: Mapping[str, str]) -> None:
    """Raise ConfigError where two names have the same key."""
    names: dict[str, str] = {}
    for name, key in keys.items():
        if key in names:
            raise ConfigError(f"The workspaces {names[key]} and {name} have the same key; leave one of them out.")
        names[key] = name
