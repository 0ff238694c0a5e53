"""The programs that start the server, and their configuration files: which there are, and how each is changed."""

HOST_NAMES = ("claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "gemini-cli", "codex", "goose")
"""What the hosts are called on the command line; `known` has the rest of them."""
