"""The bundle for one click: a manifest of version 0.4 and the server, in a zip whose bytes depend on nothing else.

The host asks for the key and keeps it, and starts the server with uv, which brings Python and what is needed.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcp_instantly.bundles.project import COMMAND, SUMMARY, TITLE, Project
from mcp_instantly.errors import ConfigError

MANIFEST_VERSION = "0.4"
ENTRY_POINT = "server/main.py"

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time of every file in the zip: the first that the format knows."""

SETTINGS: dict[str, dict[str, Any]] = {
    "api_key": {
        "type": "string",
        "title": "API key",
        "description": (
            "Made in Instantly under Settings > Integrations > API. Leave it empty for the sandbox, or where "
            "mcp-instantly login has stored one."
        ),
        "sensitive": True,
        "required": False,
        "default": "",
    },
    "read_only": {
        "type": "boolean",
        "title": "Read only",
        "description": "Offer only tools that change nothing and send nothing.",
        "required": False,
        "default": False,
    },
    "sandbox": {
        "type": "boolean",
        "title": "Sandbox",
        "description": "Work in a made-up workspace on this machine. No key is needed, and no email is sent.",
        "required": False,
        "default": False,
    },
}
"""What a person sets when the bundle is installed."""

VARIABLES = {"api_key": "INSTANTLY_API_KEY", "read_only": "INSTANTLY_READ_ONLY", "sandbox": "INSTANTLY_SANDBOX"}

MAIN = '''"""Starts the server of this bundle."""

import os

if os.environ.get("INSTANTLY_API_KEY", "") in ("", "${user_config.api_key}"):
    # The field was left empty. An empty variable is refused as a mistake; none at all means what login has stored.
    os.environ.pop("INSTANTLY_API_KEY", None)

from mcp_instantly.cli import main

if __name__ == "__main__":
    main()
'''


def manifest(project: Project) -> dict[str, Any]:
    """What a host reads of the bundle."""
    return {
        "manifest_version": MANIFEST_VERSION,
        "name": COMMAND,
        "display_name": TITLE,
        "version": project.version,
        "description": SUMMARY,
        "author": {"name": project.author, "url": project.repository},
        "repository": {"type": "git", "url": project.repository},
        "homepage": project.repository,
        "documentation": project.documentation,
        "support": project.issues,
        "license": project.license,
        "keywords": list(project.keywords),
        "server": {
            "type": "uv",
            "entry_point": ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", ENTRY_POINT, "serve"],
                "env": {variable: f"${{user_config.{name}}}" for name, variable in VARIABLES.items()},
            },
        },
        "tools_generated": True,
        "prompts_generated": True,
        "user_config": SETTINGS,
        "compatibility": {"platforms": ["darwin", "win32", "linux"], "runtimes": {"python": project.python}},
    }


def bundle(project: Project) -> bytes:
    """The whole bundle. The same checkout gives the same bytes, whenever and wherever it lies."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in sorted(_files(project)):
            entry = zipfile.ZipInfo(name, EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def _files(project: Project) -> Iterator[tuple[str, bytes]]:
    yield "manifest.json", (json.dumps(manifest(project), indent=2) + "\n").encode()
    yield "pyproject.toml", _environment(project).encode()
    yield ENTRY_POINT, MAIN.encode()
    yield "LICENSE", (project.root / "LICENSE").read_bytes()
    package = project.root / "mcp_instantly"
    schemas = project.root / "tool_schemas"
    if not (package.is_dir() and schemas.is_dir()):
        raise ConfigError(
            f"{project.root} is not a checkout of mcp_instantly: mcp_instantly or tool_schemas is missing."
        )
    for folder, within in ((package, "server/mcp_instantly"), (schemas, "server/mcp_instantly/tool_schemas")):
        for file in _kept(folder):
            yield f"{within}/{file.relative_to(folder).as_posix()}", file.read_bytes()


def _kept(folder: Path) -> Iterator[Path]:
    """The files that belong to the package, none that Python has made of them."""
    return (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def _environment(project: Project) -> str:
    """The pyproject.toml of the bundle, which has uv install what the server needs, and nothing else."""
    lines = [
        "[project]",
        f'name = "{COMMAND}-bundle"',
        f'version = "{project.version}"',
        f'requires-python = "{project.python}"',
        "dependencies = [",
        *(f"  {json.dumps(one)}," for one in project.dependencies),
        "]",
        "",
        "[tool.uv]",
        "package = false",
    ]
    return "\n".join(lines) + "\n"
