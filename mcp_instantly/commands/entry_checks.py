"""What may not get into the entry of a host: passwords, and values with which the server would not start."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mcp_instantly.errors import ConfigError
from mcp_instantly.redis_url import check_redis_form
from mcp_instantly.settings import absolute, read_header, reason_of

SECRET = re.compile(r"(?i)(?:^|&)[^=&]*(?:pass|pwd|secret|token|key|auth|credential)[^=&]*=")
"""A parameter of a query that is named like a secret."""


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


def check_given(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for options of `serve`, by parameter, with which no server starts, as far as that is seen
    without asking anybody. Files are not opened, but for a scenario."""
    if "redis" in given:
        check_redis_form(given["redis"])
    for name, blanks in (("user_agent", True), ("workspace", False)):
        if name in given:
            read_header(_word(name), given[name], blanks=blanks)
    for name in ("audit", "log_file", "state"):
        if name in given:
            _check_place(given[name], _word(name))
    if "scenario" in given and not ("state" in given and absolute(given["state"], "--state").exists()):
        _check_scenario(given["scenario"])


def _word(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check_place(path: Path, word: str) -> None:
    """Raise ConfigError where there cannot be a file, since its folder is missing or it is a folder itself."""
    place = absolute(path, word)
    try:
        fault = "is a folder" if place.is_dir() else "" if place.parent.is_dir() else "is in a folder that is not there"
    except OSError as error:
        fault = f"cannot be used: {reason_of(error)}"
    if fault:
        raise ConfigError(f"{word} names {path}, which {fault}. Nothing was written.")


def _check_scenario(named: str) -> None:
    from mcp_instantly.sandbox.worlds.scenarios import ScenarioError, read_scenario

    try:
        read_scenario(named)
    except ScenarioError as error:
        raise ConfigError(f"{error}.") from None
