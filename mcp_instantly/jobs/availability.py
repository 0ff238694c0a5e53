"""Whether a server has jobs: where its tools are chosen, and what they need is installed."""

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


def without_missing_jobs(selection: Selection, options: dict[str, Any]) -> Selection:
    """The selection without tools that need what is not installed. Raises ConfigError where they were asked for."""
    jobs = [tool.name for tool in selection.tools.values() if tool.toolset == JOBS]
    if not jobs or is_installed():
        return selection
    if JOBS in options["toolsets"] or {*options["tools"]} & {*jobs}:
        raise ConfigError(MISSING)
    left = {name: tool for name, tool in selection.workflows.items() if name not in jobs}
    return dataclasses.replace(selection, workflows=left)


def make_service(selection: Selection, options: dict[str, Any], settings: Settings, *, works: bool) -> Service | None:
    """The jobs of the server, where it has tools for them."""
    if not any(tool.toolset == JOBS for tool in selection.tools.values()):
        return None
    from mcp_instantly.jobs.service import Service

    return Service(options.get("jobs_database"), settings.files, works=works)
