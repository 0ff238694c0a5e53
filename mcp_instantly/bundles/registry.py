"""The entry of the server in the MCP registry: server.json, by the schema of 2025-12-11."""

from __future__ import annotations

from typing import Any

from mcp_instantly.bundles.project import COMMAND, SUMMARY, TITLE, Project

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

NAME = f"io.github.{COMMAND}/{COMMAND}"
"""The registry asks for it in the description of the package, too: behind `mcp-name:` in the README."""


def server_json(project: Project) -> dict[str, Any]:
    """What the registry is told: the package of this version, started over stdio."""
    return {
        "$schema": SCHEMA,
        "name": NAME,
        "title": TITLE,
        "description": SUMMARY,
        "version": project.version,
        "websiteUrl": project.documentation,
        "repository": {"url": project.repository, "source": "github"},
        "packages": [
            {
                "registryType": "pypi",
                "identifier": COMMAND,
                "version": project.version,
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "packageArguments": [{"type": "positional", "value": "serve"}],
                "environmentVariables": [
                    {
                        "name": "INSTANTLY_API_KEY",
                        "description": "API key of a workspace; not needed where login stored one, or in the sandbox.",
                        "isSecret": True,
                        "format": "string",
                    },
                    {
                        "name": "INSTANTLY_READ_ONLY",
                        "description": "Offer only tools that change nothing and send nothing.",
                        "format": "boolean",
                        "default": "false",
                    },
                    {
                        "name": "INSTANTLY_SANDBOX",
                        "description": "Work in a made-up workspace on this machine that sends nothing.",
                        "format": "boolean",
                        "default": "false",
                    },
                ],
            }
        ],
    }
