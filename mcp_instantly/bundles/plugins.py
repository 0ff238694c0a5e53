"""The plugin for Claude Code, Codex and Cursor, and the extension for Gemini CLI: the server with its skills.

One folder serves three hosts, each of which reads a manifest of its own there and takes the servers that this one
names. Documented by the hosts: code.claude.com/docs, "Plugins reference"; the plugin creator that comes with Codex;
cursor.com/docs, "Plugins reference"; geminicli.com/docs, "Extensions reference". The key is in none of them: `login`
has stored it, or the environment has it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp_instantly.bundles.project import COMMAND, SERVER, SUMMARY, TITLE, Project
from mcp_instantly.guidance.manual import Guide, skill_text

FOLDER = Path("plugins") / SERVER

FEW_TOOLS = ["--toolsets", "core"]
"""For hosts that show a model no more than some forty tools."""

FIRST_START_SECONDS = 120
"""What Codex is told to wait for the first start, which downloads."""

HANDED_OVER = ["INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE", "INSTANTLY_READ_ONLY", "INSTANTLY_SANDBOX"]
"""The variables that Codex hands to the server, where they are set."""

GEMINI_KEY = {
    "name": "API key",
    "description": (
        "Made in Instantly under Settings > Integrations > API. Leave it empty where mcp-instantly login has stored "
        "one."
    ),
    "envVar": "INSTANTLY_API_KEY",
    "sensitive": True,
}

STARTERS = ["Give me an overview of my workspace.", "Go through my unread replies.", "How do my campaigns do?"]


def plugin_files(project: Project, guides: Mapping[str, Guide]) -> dict[Path, str]:
    """Every file of the plugins and of the lists that offer them, by its path in the checkout."""
    listed = {
        Path(".claude-plugin") / "marketplace.json": _listed(project),
        Path(".cursor-plugin") / "marketplace.json": _listed(project),
        Path(".agents") / "plugins" / "marketplace.json": {
            "name": COMMAND,
            "interface": {"displayName": TITLE},
            "plugins": [
                {
                    "name": SERVER,
                    "source": {"source": "local", "path": f"./{FOLDER.as_posix()}"},
                    "policy": {"installation": "AVAILABLE", "authentication": "ON_USE"},
                    "category": "Productivity",
                }
            ],
        },
    }
    manifests = {
        FOLDER / ".claude-plugin" / "plugin.json": _claude_code(project),
        FOLDER / ".codex-plugin" / "plugin.json": _codex(project),
        FOLDER / ".cursor-plugin" / "plugin.json": _cursor(project),
        Path("gemini-extension.json"): _gemini(project),
    }
    skills = {FOLDER / "skills" / guide.skill_name / "SKILL.md": skill_text(guide) for guide in guides.values()}
    return {path: json.dumps(said, indent=2) + "\n" for path, said in (listed | manifests).items()} | skills


def _server(project: Project, *options: str) -> dict[str, Any]:
    """How the server of this version is started."""
    return {"command": "uvx", "args": [f"{COMMAND}@{project.version}", "serve", *options]}


def _common(project: Project) -> dict[str, Any]:
    return {
        "name": SERVER,
        "version": project.version,
        "description": SUMMARY,
        "author": {"name": project.author},
        "homepage": project.documentation,
        "repository": project.repository,
        "license": project.license,
        "keywords": list(project.keywords),
    }


def _claude_code(project: Project) -> dict[str, Any]:
    return {**_common(project), "mcpServers": {SERVER: _server(project)}}


def _cursor(project: Project) -> dict[str, Any]:
    servers = {SERVER: _server(project, *FEW_TOOLS)}
    return {**_common(project), "displayName": TITLE, "skills": "./skills/", "mcpServers": servers}


def _codex(project: Project) -> dict[str, Any]:
    waiting = {"env_vars": HANDED_OVER, "startup_timeout_sec": FIRST_START_SECONDS}
    return {
        **_common(project),
        "skills": "./skills/",
        "mcpServers": {SERVER: _server(project) | waiting},
        "interface": {
            "displayName": TITLE,
            "shortDescription": "Cold email with Instantly.ai",
            "longDescription": SUMMARY,
            "developerName": project.author,
            "category": "Productivity",
            "capabilities": ["Interactive", "Write"],
            "websiteURL": project.repository,
            "defaultPrompt": STARTERS,
        },
    }


def _gemini(project: Project) -> dict[str, Any]:
    """The checkout itself is the extension: its skills lie beside this file.

    Gemini CLI keeps variables whose names look secret from servers, except for settings of the extension. It asks for
    them once, stores the key in the system's keychain, and hands over nothing for one that was left empty.
    """
    said = {"name": SERVER, "version": project.version, "description": SUMMARY}
    return {**said, "settings": [GEMINI_KEY], "mcpServers": {SERVER: _server(project)}}


def _listed(project: Project) -> dict[str, Any]:
    """A list of plugins, with the one that there is."""
    entry = {"name": SERVER, "source": f"./{FOLDER.as_posix()}", "description": SUMMARY}
    said = {"name": COMMAND, "owner": {"name": project.author}, "metadata": {"description": SUMMARY}}
    return {**said, "plugins": [entry]}
