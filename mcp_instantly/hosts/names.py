"""What the command line knows of hosts before it needs the rest of them, in `known`, which takes longer to load."""

from __future__ import annotations

import re

HOST_NAMES = ("claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "gemini-cli", "codex", "goose")

VARIABLE = re.compile(r"\$\{|\$\(|^\$\w|^%\w+%$")
"""What a host replaces by a value of its own."""
