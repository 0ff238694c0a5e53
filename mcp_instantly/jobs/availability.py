"""Whether a server has jobs: where its tools are chosen, what they need is installed, and it has keys to work with."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mcp_instantly.errors import ConfigError
from mcp_instantly.jobs.extra import MISSING, is_installed
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Selection

if TYPE_CHECKING:
    from mcp_instantly.jobs.service import Service

JOBS = "jobs"
"""The toolset of tools that keep jobs."""


KEYLESS = (
    "With --caller-keys there are no jobs: one needs its key when the call is over, and a key of a caller is not kept. "
    "Leave out the toolset jobs and its tools."
)

SHARED = (
    "--files (INSTANTLY_FILES) with --caller-keys would show the files of the folder to every caller, whatever the "
    "key: leave one of them out."
)


def refuse_shared_files(options: dict[str, Any]) -> None:
    """Raise ConfigError where callers with keys of their own would all read the same files."""
    if options.get("files"):
        raise ConfigError(SHARED)


def without_missing_jobs(selection: Selection, options: dict[str, Any]) -> Selection:
    """The selection without tools for jobs where there can be none. Raises ConfigError where they were asked for."""
    jobs = [tool.name for tool in selection.tools.values() if tool.toolset == JOBS]
    keyless = bool(options.get("caller_keys"))
    if not jobs or (is_installed() and not keyless):
        return selection
    if JOBS in options["toolsets"] or {*options["tools"]} & {*jobs}:
        raise ConfigError(KEYLESS if keyless else MISSING)
    left = {name: tool for name, tool in selection.workflows.items() if name not in jobs}
    return dataclasses.replace(selection, workflows=left)


def make_service(selection: Selection, options: dict[str, Any], settings: Settings, *, works: bool) -> Service | None:
    """The jobs of the server, where it has tools for them."""
    if not any(tool.toolset == JOBS for tool in selection.tools.values()):
        return None
    from mcp_instantly.jobs.service import Service

    return Service(options.get("jobs_database"), settings.files, works=works)
