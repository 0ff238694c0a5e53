"""The folder from which the site is built: the pages of docs/ with the reference, and links that hold there."""

from __future__ import annotations

import posixpath
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from mcp_instantly.errors import ConfigError

CONFIGURATION = "zensical.toml"
REPOSITORY = "https://github.com/mcp-instantly/mcp_instantly/blob/main"
"""Where links lead that leave docs/, on the site."""

LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)(#[^)\s]*)?(?=\))")
TOOL_FILE = re.compile(r"tool_schemas/(\w+)/(\w+)\.json")


def write_site(root: Path, folder: Path, reference: Mapping[str, str]) -> None:
    """Write the configuration, the pages and the reference into `folder`, for the generator to build a site of.

    Raises ConfigError outside a checkout. What stood in the folder's docs/ is gone.
    """
    check_checkout(root)
    docs = folder / "docs"
    shutil.rmtree(docs, ignore_errors=True)
    pages = {
        page.relative_to(root / "docs").as_posix(): page.read_text(encoding="utf-8")
        for page in sorted((root / "docs").rglob("*.md"))
    }
    linked = {name: with_links_of_the_site(name, text) for name, text in pages.items()}
    made = {f"reference/{name}": text for name, text in reference.items()}
    for name, text in (linked | made).items():
        (docs / name).parent.mkdir(parents=True, exist_ok=True)
        (docs / name).write_text(text, encoding="utf-8")
    shutil.copyfile(root / CONFIGURATION, folder / CONFIGURATION)


def check_checkout(root: Path) -> None:
    """Raise ConfigError where there is nothing to build a site of."""
    if not (root / CONFIGURATION).exists():
        raise ConfigError(f"{root} is not a checkout of mcp_instantly: {CONFIGURATION} is missing.")


def with_links_of_the_site(name: str, text: str) -> str:
    """The page docs/`name` with links out of docs/ to the reference, where that has the tool, or to the repository."""
    folder = posixpath.dirname(f"docs/{name}")

    def target(match: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, match[1]))
        anchor = match[2] or ""
        if path.startswith("docs/"):
            return match[0]
        if tool := TOOL_FILE.fullmatch(path):
            return f"{posixpath.relpath(f'docs/reference/{tool[1]}.md', folder)}#{tool[2]}"
        if path == "tool_schemas/README.md":
            page = f"{anchor[1:].replace('-', '_')}.md" if anchor else "index.md"
            return posixpath.relpath(f"docs/reference/{page}", folder)
        return f"{REPOSITORY}/{path}{anchor}"

    return LINK.sub(target, text)
