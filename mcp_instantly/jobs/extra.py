"""What jobs need beside the package: the extra `jobs`."""

from __future__ import annotations

import importlib.util

NEEDED = ("dbos", "sqlalchemy")

MISSING = "Jobs need more than is installed here: pip install 'mcp-instantly[jobs]', and start again."
"""What to say where the extra is not installed."""


def is_installed() -> bool:
    """Whether what jobs need is there; nothing is imported to find out."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)
