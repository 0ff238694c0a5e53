"""What this project is, for everything that is made of it: as pyproject.toml says, with the version of the package."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import Any

from mcp_instantly import __version__
from mcp_instantly.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

COMMAND = "mcp-instantly"
"""What the server is called on the command line, and where packages are listed."""

TITLE = "Instantly"
SERVER = "instantly"
"""What hosts call the server, and the plugin that has it."""

SUMMARY = "Instantly.ai: campaigns, leads, sending accounts and replies, with a sandbox that sends nothing."


@dataclasses.dataclass(frozen=True)
class Project:
    """The facts of a checkout. `dependencies` are requirements as packages write them."""

    root: Path
    version: str
    author: str
    license: str
    python: str
    keywords: tuple[str, ...]
    dependencies: tuple[str, ...]
    repository: str
    documentation: str
    issues: str


def read_project(root: Path) -> Project:
    """Read the facts of a checkout. Raises ConfigError where there is none."""
    try:
        said: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        urls = said["urls"]
        return Project(
            root,
            __version__,
            said["authors"][0]["name"],
            said["license"],
            said["requires-python"],
            tuple(said["keywords"]),
            tuple(said["dependencies"]),
            urls["Repository"],
            urls["Documentation"],
            urls["Issues"],
        )
    except OSError as error:
        raise ConfigError(
            f"{root} is not a checkout of mcp_instantly: its pyproject.toml cannot be read ({error.strerror}). "
            "Run this in a checkout."
        ) from None
    except (ValueError, LookupError, TypeError) as error:
        raise ConfigError(
            f"{root} is not a checkout of mcp_instantly: pyproject.toml says too little ({error})."
        ) from None
