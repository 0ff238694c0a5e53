"""What may not get into the entry of a host: passwords, and values with which the server would not start."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mcp_instantly.commands.http_options import HTTP_ONLY
from mcp_instantly.errors import ConfigError
from mcp_instantly.jobs.extra import is_installed
from mcp_instantly.redis_url import check_redis_form
from mcp_instantly.settings import expanded, read_header
from mcp_instantly.text import file_fault

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


def check_values(options: Mapping[str, Any], folder: Path) -> None:
    """Raise ConfigError for options of `serve`, by parameter, with which no host can start it in a folder, as far as
    that is seen without asking anybody, and from one of them alone. Files are not opened, but for a scenario."""
    if options.get("transport") == "http":
        raise ConfigError("--transport http is not for a host, since a host talks to what it starts over stdio.")
    for name in HTTP_ONLY:
        if name in options:
            raise ConfigError(f"{_word(name)} is about --transport http, which a host does not use.")
    if "redis" in options:
        check_redis_form(options["redis"])
    if "jobs_database" in options and is_installed():
        from mcp_instantly.jobs.database import file_of

        file_of(options["jobs_database"])
    for name, blanks in (("user_agent", True), ("workspace", False)):
        if name in options:
            read_header(_word(name), options[name], blanks=blanks)
    for name, makes_folders in FILES.items():
        if name in options:
            _check_place(options[name], folder, _word(name), makes_folders)
    kept = "state" in options and (folder / expanded(options["state"], "--state")).exists()
    if "scenario" in options and not kept:
        _check_scenario(options["scenario"], folder)


def _word(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check_place(named: Path | str, folder: Path, word: str, makes_folders: bool) -> None:
    """Raise ConfigError where there cannot be a file, which may be a database; nothing is opened."""
    if isinstance(named, str) and not named.startswith(DATABASE_FILE):
        return
    path = Path(named[len(DATABASE_FILE) :]) if isinstance(named, str) else named
    if fault := _fault_at(folder / expanded(path, word), word, makes_folders):
        raise ConfigError(f"{word} names {path}, which {fault}.")


def check_ledger(place: Path) -> None:
    """Raise ConfigError where there cannot be the ledger of a policy; it is not opened."""
    if fault := _fault_at(place, "", makes_folders=True):
        raise ConfigError(f"The ledger {place} {fault}.")


def _fault_at(place: Path, word: str, makes_folders: bool) -> str:
    try:
        return _fault_of(place, word, makes_folders)
    except (OSError, ValueError) as error:
        return f"cannot be used: {file_fault(error)}"


def _fault_of(place: Path, word: str, makes_folders: bool) -> str:
    if place.is_dir():
        return "" if word == "--drafts-file" else "is a folder"
    if place.exists():
        return "" if os.access(place, os.R_OK | os.W_OK) else "may not be read and written"
    parent = place.parent
    while makes_folders and not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        return "is in a folder that is not there"
    return "" if os.access(parent, os.W_OK | os.X_OK) else "is in a folder that may not be written"


def _check_scenario(named: str, folder: Path) -> None:
    from mcp_instantly.sandbox.worlds.scenarios import ScenarioError, read_scenario

    try:
        read_scenario(str(folder / named) if (folder / named).is_file() else named)
    except ScenarioError as error:
        raise ConfigError(f"{error}.") from None
