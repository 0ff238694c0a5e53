"""The text of a key, from a variable or a file: what it may look like, and what is wrong with it."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.text import file_fault

NOT_A_KEY = (
    (r"^\ufeff", "begins with a byte order mark, which an editor may add; save it as UTF-8 without one"),
    (r"\$\{|\$\(|^\$\w|^%\w+%$|\{\{", "holds a variable that was not replaced by its value; put the key itself there"),
    (r"^(?i:bearer)\s", "begins with the word Bearer; leave only the key"),
    (r"^(?i:authorization)\s*:", "begins with the name of a header; leave only the key"),
    (r"^(export\s+|set\s+)?[A-Za-z_]\w*\s*=\s*[^=\s]", "begins with NAME=; leave only the key"),
    (r"^[\"'`<]|[\"'`>]$", "has quotes or brackets around the key; leave only the key"),
    (r"\n", "has more than one line; leave only the key, and comments that begin with #"),
    (r"\s", "contains a space, which no API key does; did you paste more than the key?"),
    (r"[^!-~]", "holds characters that no API key has; did you paste more than the key?"),
)
"""What is found where the key belongs: a pattern, and what is wrong with it. The first that fits is reported."""


def read_key(key: str | None, file: Path | None) -> str | None:
    """The API key out of its variable or its file, or None when neither is set. Raises ConfigError when unusable.

    In the file, empty lines and those that begin with # do not count; `~` is the home directory. No error repeats
    anything of the key.
    """
    if key and file:
        raise ConfigError("Set INSTANTLY_API_KEY or INSTANTLY_API_KEY_FILE, not both.")
    source = "INSTANTLY_API_KEY"
    if file:
        source = str(file)
        key = _read_key_file(file)
    if key is None:
        return None
    return clean_key(key, source)


def clean_key(text: str, source: str) -> str:
    """The API key in a text, without the blanks around it. Raises ConfigError for what cannot be one.

    `source` says in the error where the text was found; nothing of the text is repeated.
    """
    key = text.strip()
    if not key:
        raise ConfigError(f"{source} is empty; put the API key there.")
    for pattern, fault in NOT_A_KEY:
        if re.search(pattern, key):
            raise ConfigError(f"{source} {fault}.")
    return key


def _read_key_file(file: Path) -> str:
    lines = read_lines(file)
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))


def read_lines(file: Path) -> list[str]:
    """The lines of a file with keys; `~` is the home directory. Raises ConfigError."""
    try:
        return file.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"The key file {file} is not a text file in UTF-8; save it as one.") from None
    except (OSError, ValueError, RuntimeError) as error:
        # The last two: a name with a NUL, a ~ without a home directory.
        raise ConfigError(f"The key file {file} cannot be read: {file_fault(error)}.") from None


def is_open_to_others(file: Path) -> bool:
    """Whether every user of this machine can read a key file. False for pipes, and where there are no such rights."""
    try:
        mode = file.expanduser().stat().st_mode
    except (OSError, ValueError, RuntimeError):
        return False
    return os.name == "posix" and stat.S_ISREG(mode) and bool(mode & stat.S_IROTH)
