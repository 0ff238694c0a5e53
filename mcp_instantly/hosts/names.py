"""What the hosts are called on the command line; `known` has the rest of them, and takes longer to load."""

from __future__ import annotations

HOST_NAMES = ("claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "gemini-cli", "codex", "goose")
