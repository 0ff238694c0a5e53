#!/usr/bin/env bash
# Add the server to Claude Code, for this project; the key stays in a file of its own.
claude mcp add instantly --env INSTANTLY_API_KEY_FILE="$HOME/.config/instantly.key" -- "$PWD/.venv/bin/mcp-instantly" serve
