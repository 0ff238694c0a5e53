"""Bulk work that survives: jobs of many rows, each a durable workflow that goes on where it was after a kill.

`job` says what a job is, `store` keeps jobs and what became of their rows, `engine` runs them on DBOS, and `kinds` has
a module for each kind. DBOS, SQLAlchemy and the readers of files are imported where they are used (extra `jobs`).
"""

from __future__ import annotations

import importlib.util

NEEDED = ("dbos", "sqlalchemy")

MISSING = "Jobs need more than is installed here: pip install 'mcp_instantly[jobs]', and start again."
"""What to say where the extra is not installed."""


def is_installed() -> bool:
    """Whether what jobs need is there; nothing is imported to find out."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)
