"""Documentation tells the truth: what is generated is up to date, what is written can be run."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import click
import pytest

from mcp_instantly import __version__
from mcp_instantly.cli import cli
from mcp_instantly.errors import ConfigError
from mcp_instantly.handbook.host_pages import GENERATED
from mcp_instantly.maintenance.docs import BLOCK, figure_table, pages
from mcp_instantly.tools.catalog import Catalog, load_catalog

from .benchmarks import figures
from .conftest import ROOT

WRITTEN = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
every_page = pytest.mark.parametrize("page", WRITTEN, ids=[page.relative_to(ROOT).as_posix() for page in WRITTEN])


@functools.cache
def generated() -> dict[Path, str]:
    """All generated pages of the checkout, as they should be."""
    return pages(ROOT, load_catalog(), cli)


def test_generated_pages_are_up_to_date() -> None:
    found = generated()
    parts = {page.relative_to(ROOT).parts for page in found}
    whole = {"README.md", "tool_schemas", "skills", "docs", "plugins", "server.json", "gemini-extension.json"}
    assert {part[0] for part in parts if not part[0].startswith(".")} == whole
    assert {part[1] for part in parts if part[0] == "docs"} == {"calls.md", "commands.md", "tools.md", "hosts", "jobs"}
    for page, text in found.items():
        assert page.read_text(encoding="utf-8") == text, f"run mcp-instantly docs: {page}"


@pytest.mark.parametrize("folder", ["skills", "plugins", "docs/hosts", "docs/jobs"])
def test_a_generated_folder_holds_what_is_generated_and_nothing_else(folder: str) -> None:
    found = {page for page in generated() if ROOT / folder in page.parents}
    assert {page for page in (ROOT / folder).rglob("*") if page.is_file()} == found


def test_every_generated_block_stands_on_one_page() -> None:
    blocks = [match["name"] for page in WRITTEN for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(blocks) == ["commands", "failures", "figures", "hosts", "presets", "toolsets"]


def test_a_block_that_cannot_be_generated_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "tool_schemas").mkdir()
    (tmp_path / "README.md").write_text("<!-- generated: news -->\n<!-- end -->\n")
    with pytest.raises(ConfigError, match="has a block news; those that can be generated are presets, toolsets"):
        pages(tmp_path, catalog, cli)


def test_a_benchmark_records_its_figure_in_the_place_of_what_it_found_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "tests" / "benchmarks" / "figures.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"figures": []}')
    for command, result in (("faults.py 10", "old"), ("speed.py", "fast"), ("faults.py 10", "new")):
        monkeypatch.setattr(sys, "argv", [f"/somewhere/{command.split()[0]}", "--record", *command.split()[1:]])
        figures.record(result, file)
    head, _, *rows = figure_table(tmp_path).splitlines()
    assert len(rows) == 2 and head.startswith("| what was measured |")
    assert re.fullmatch(r"\| new \| `faults.py 10` \| \d+ cores of .+, Python 3\.\d+, [A-Z][a-z]+ 20\d\d \|", rows[0])
    assert rows[1].startswith("| fast | `speed.py` |")


def test_the_readme_begins_with_exactly_two_commands_of_one_line() -> None:
    blocks = re.findall(r"```\w*\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    for block in blocks[:2]:
        assert len(block.splitlines()) == 1
        assert "python3 -m venv .venv" in block
    assert blocks[0].rstrip().endswith("mcp-instantly demo")
    assert blocks[1].rstrip().endswith("pytest -n auto")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 250


@every_page
def test_every_flag_and_variable_that_a_page_names_exists(page: Path) -> None:
    groups = [command for command in cli.commands.values() if isinstance(command, click.Group)]
    commands = [*cli.commands.values(), *(command for group in groups for command in group.commands.values())]
    flags = {option for command in commands for p in command.params for option in p.opts}
    variables = {p.envvar for command in cli.commands.values() for p in command.params if p.envvar}
    variables |= {"INSTANTLY_API_KEY", "INSTANTLY_API_KEY_FILE", "INSTANTLY_AUTH_TOKENS", "INSTANTLY_STATE_KEY"}
    variables |= {"INSTANTLY_KEYS_FILE", "INSTANTLY_KEYRING", "INSTANTLY_METRICS_TOKEN"}
    written = BLOCK.sub("", page.read_text(encoding="utf-8"))
    foreign = {"--env", "--version", "--help"}
    ruff = {"--check", "--strict"}
    foreign |= {"--from", "--consent"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", written)) <= flags | foreign | ruff
    assert set(re.findall(r"INSTANTLY_[A-Z_]+", written)) <= variables


@every_page
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", text):
        target = (page.parent / link) if link else page
        assert link.startswith("https://") or target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings can be linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@functools.cache
def files_there_are() -> list[str]:
    folders = ("mcp_instantly", "tool_schemas", "tests", "docs", "examples")
    return [f"/{file.relative_to(ROOT).as_posix()}" for folder in folders for file in (ROOT / folder).rglob("*.*")]


@every_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```$", "", BLOCK.sub("", page.read_text(encoding="utf-8")), flags=re.DOTALL | re.M)
    made = {"tool_schemas/webhooks/rename_webhook.json"}  # by the reader of the worked example
    made |= {file.name for file in ROOT.glob("*.json")}
    names = set(re.findall(r"`([\w/]+\.(?:py|json))`", text)) - made
    assert [name for name in names if not any(file.endswith(f"/{name}") for file in files_there_are())] == []


@every_page
def test_no_page_counts_tools_by_hand(page: Path, catalog: Catalog) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    if GENERATED in text:
        return
    assert re.findall(r"\b\d+ (?:tools|operations)\b", text) == []


def test_the_changelog_begins_with_this_version() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None and heading[1] == __version__


def test_each_claim_about_security_names_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 25
    for file, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M), f"{file}::{name}"
