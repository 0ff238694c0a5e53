"""What the sandbox is known not to do as Instantly does, as data: differences.json."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any


@functools.cache
def read_differences() -> list[dict[str, Any]]:
    """The differences: each has an `area`, what happens `here`, and what is known of `instantly`."""
    text = (resources.files("mcp_instantly.sandbox.engine") / "differences.json").read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found
