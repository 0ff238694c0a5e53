"""What may not get into the entry of a host: passwords, and values with which the server would not start."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mcp_instantly.errors import ConfigError
from mcp_instantly.redis_url import check_redis_form
from mcp_instantly.settings import absolute, expanded, read_header, reason_of

SECRET = re.compile(r"(?i)(?:^|&)[^=&]*(?:pass|pwd|secret|token|key|auth|credential)[^=&]*=")
"""A parameter of a query that is named like a secret."""

DATABASE_FILE = "sqlite:///"

FILES = {"audit": False, "log_file": False, "state": False, "drafts_file": True, "jobs_database": True}
"""Options that name a file which the server makes, and whether it makes its folders too."""


def has_password(value: Any) -> bool:
    """Whether a URL has one, in front of the host or behind the path; it is taken for one that has where a password
    that is not escaped may have torn it apart."""
    if not (isinstance(value, str) and "://" in value):
        return False
    try:
        parts = urlsplit(value)
        torn = "@" in parts.path + parts.fragment and bool(parts.netloc)
        if parts.scheme in ("redis", "rediss", "unix"):
            # What stands for the port of one that is torn apart is the beginning of its password: it raises ValueError.
            _ = parts.port
            torn = torn or "@" in parts.query
    except ValueError:
        return True
    return torn or bool(parts.password) or SECRET.search(parts.query) is not None


def check_values(options: Mapping[str, Any]) -> None:
    """Raise ConfigError for options of `serve`, by parameter, with which no server starts, as far as that is seen
    without asking anybody. Files are not opened, but for a scenario."""
    if options.get("redis") is not None:
        check_redis_form(options["redis"])
    for name, blanks in (("user_agent", True), ("workspace", False)):
        if options.get(name) is not None:
            read_header(_word(name), options[name], blanks=blanks)
    for word, path, fault in place_faults(options, Path.cwd()):
        raise ConfigError(f"{word} names {path}, which {fault}. Nothing was written.")
    state = options.get("state")
    if options.get("scenario") is not None and not (state is not None and absolute(state, "--state").exists()):
        _check_scenario(options["scenario"])


def place_faults(options: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Options of `serve` that name a file which cannot be there: their word, the file, and why. Nothing is opened."""
    for name, makes_folders in FILES.items():
        path = options.get(name)
        if isinstance(path, str) and path.startswith(DATABASE_FILE):
            path = Path(path[len(DATABASE_FILE) :])
        if isinstance(path, Path) and (fault := _fault_of(path, folder, name, makes_folders)):
            yield _word(name), path, fault


def _word(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _fault_of(path: Path, folder: Path, name: str, makes_folders: bool) -> str:
    try:
        place = folder / expanded(path, _word(name))
        if place.is_dir():
            return "" if name == "drafts_file" else "is a folder"
        if place.exists():
            return "" if os.access(place, os.R_OK | os.W_OK) else "may not be read and written"
        parent = place.parent
        while makes_folders and not parent.exists():
            parent = parent.parent
        if not parent.is_dir():
            return "is in a folder that is not there"
        return "" if os.access(parent, os.W_OK | os.X_OK) else "is in a folder that may not be written"
    except ConfigError as error:
        return str(error).rpartition(", which ")[2].rstrip(".")
    except (OSError, ValueError) as error:
        return f"cannot be used: {reason_of(error)}"


def _check_scenario(named: str) -> None:
    from mcp_instantly.sandbox.worlds.scenarios import ScenarioError, read_scenario

    try:
        read_scenario(named)
    except ScenarioError as error:
        raise ConfigError(f"{error}.") from None
