"""Documentation tells the truth: what is generated is up to date, what is written can be run."""

from __future__ import annotations

import re
from pathlib import Path

from mcp_instantly import __version__
from mcp_instantly.catalog import Catalog
from mcp_instantly.cli import cli
from mcp_instantly.docs import pages

ROOT = Path(__file__).parent.parent


def test_generated_pages_are_up_to_date(catalog: Catalog) -> None:
    found = pages(ROOT, catalog, cli)
    assert len(found) == 2
    for page, text in found.items():
        assert page.read_text(encoding="utf-8") == text, f"run mcp-instantly docs: {page.name}"


def test_the_readme_begins_with_exactly_two_commands_of_one_line() -> None:
    blocks = re.findall(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for block in blocks[:2]:
        assert len(block.splitlines()) == 1
        assert "python3 -m venv .venv" in block
    assert blocks[0].rstrip().endswith("mcp-instantly demo")
    assert blocks[1].rstrip().endswith("pytest -n auto")


def test_every_flag_and_variable_that_the_readme_names_exists() -> None:
    text = (ROOT / "README.md").read_text()
    flags = {option for command in cli.commands.values() for p in command.params for option in p.opts}
    variables = {p.envvar for command in cli.commands.values() for p in command.params if p.envvar}
    written = re.sub(r"<!-- generated.*?<!-- end -->", "", text, flags=re.DOTALL)
    foreign = {"--env", "--version"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", written)) - foreign <= flags
    assert set(re.findall(r"INSTANTLY_[A-Z_]+", written)) <= variables | {"INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE"}


def test_every_link_of_the_readme_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / "README.md").read_text())
    for link in links:
        assert link.startswith("https://") or (ROOT / link).exists(), link


def test_the_changelog_begins_with_this_version() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading[1] == __version__
