"""MCP server for the Instantly.ai API v2."""

__version__ = "0.1.0"
