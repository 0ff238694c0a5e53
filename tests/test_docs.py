"""Documentation tells the truth: what is generated is up to date, what is written can be run."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mcp_instantly import __version__
from mcp_instantly.cli import cli
from mcp_instantly.errors import ConfigError
from mcp_instantly.maintenance.docs import BLOCK, pages
from mcp_instantly.tools.catalog import Catalog

from .conftest import ROOT, clean_environment

WRITTEN = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
every_page = pytest.mark.parametrize("page", WRITTEN, ids=[page.name for page in WRITTEN])

FOREIGN = {
    "pipx",
    "uv",
    "uvx",
    "claude",
    "codex",
    "gemini",
    "curl",
    ".venv/bin/python",
    "python3",
    "test",
    "openssl",
    "pip",
    "keyring",
}
"""Commands of others that pages show."""

BLOCKS = re.compile(r"^ *```sh\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

COMMANDS = sorted(
    {
        line.strip()
        for page in WRITTEN
        for block in BLOCKS.findall(page.read_text(encoding="utf-8"))
        for line in block.splitlines()
    }
)
OURS = [line for line in COMMANDS if line.split()[0] not in FOREIGN]


def words_of(line: str) -> tuple[dict[str, str], list[str]]:
    """The variables that a command sets for itself, and the words of the command."""
    words = shlex.split(line)
    given = list(itertools.takewhile(lambda word: re.match(r"[A-Z_]+=", word), words))
    variables = dict(word.split("=", 1) for word in given)
    paths = {name: str(ROOT / value) for name, value in variables.items() if (ROOT / value).exists()}
    return variables | paths, words[len(given) :]


def test_generated_pages_are_up_to_date(catalog: Catalog) -> None:
    found = pages(ROOT, catalog, cli)
    names = {"README.md", "SKILL.md", "calls.md", "commands.md", "tools.md"}
    assert {page.name for page in found if page.suffix == ".md"} == names
    for page, text in found.items():
        assert page.read_text(encoding="utf-8") == text, f"run mcp-instantly docs: {page}"


def test_the_folders_of_skills_and_plugins_hold_what_is_generated_and_nothing_else(catalog: Catalog) -> None:
    found = set(pages(ROOT, catalog, cli))
    for folder in ("skills", "plugins"):
        there = {page for page in (ROOT / folder).rglob("*") if page.is_file()}
        assert there == {page for page in found if page.is_relative_to(ROOT / folder)}


def test_every_generated_block_stands_on_one_page() -> None:
    blocks = [match["name"] for page in WRITTEN for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    assert sorted(blocks) == ["commands", "failures", "hosts", "presets", "toolsets"]


def test_a_block_that_cannot_be_generated_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    (tmp_path / "tool_schemas").mkdir()
    (tmp_path / "README.md").write_text("<!-- generated: news -->\n<!-- end -->\n")
    with pytest.raises(ConfigError, match="has a block news; those that can be generated are presets, toolsets"):
        pages(tmp_path, catalog, cli)


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


@every_page
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```$", "", BLOCK.sub("", page.read_text(encoding="utf-8")), flags=re.DOTALL | re.M)
    made = {"tool_schemas/webhooks/rename_webhook.json"}  # by the reader of the worked example
    made |= {file.name for file in ROOT.glob("*.json")}
    folders = ("mcp_instantly", "tool_schemas", "tests", "docs", "examples")
    files = [f"/{file.relative_to(ROOT).as_posix()}" for folder in folders for file in (ROOT / folder).rglob("*.*")]
    names = set(re.findall(r"`([\w/]+\.(?:py|json))`", text)) - made
    assert [name for name in names if not any(file.endswith(f"/{name}") for file in files)] == []


def test_every_page_in_docs_is_linked_to_by_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").iterdir() if f"](docs/{page.name})" not in text] == []


@every_page
def test_no_page_counts_tools_by_hand(page: Path, catalog: Catalog) -> None:
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert re.findall(r"\b\d+ (?:tools|operations)\b", text) == []


@pytest.mark.parametrize("line", OURS)
def test_every_command_that_a_page_shows_works(line: str, tmp_path: Path) -> None:
    variables, (name, *arguments) = words_of(line)
    assert name in (".venv/bin/mcp-instantly", "mcp-instantly")
    command = cli.commands[arguments[0]]
    if arguments[0] in ("tools", "scopes"):
        done = CliRunner().invoke(cli, arguments)
        assert (done.exit_code, done.output != "") == (0, True)
    elif arguments[0] == "call" or (arguments[0] == "serve" and "--transport" not in arguments):
        # A server on stdio ends when its client goes away.
        done = run(arguments, tmp_path, **variables)
        assert done.returncode == 0, done.stderr
        assert (done.stdout != "") == (arguments[0] == "call")
    else:
        with command.make_context(arguments[0], arguments[1:], parent=click.Context(cli)):
            pass


def run(arguments: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mcp_instantly", *arguments],
        cwd=folder,
        env=clean_environment(PYTHONPATH=str(ROOT), INSTANTLY_API_KEY="key-of-the-test-0123456789", **variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_the_example_of_a_test_of_ones_own_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    called: list[dict[str, str]] = []
    exec(code, {"my_agent": lambda **given: called.append(given)})
    assert [sorted(given) for given in called] == [["base_url", "key"]]
    assert capsys.readouterr().out.startswith("[] [")


def test_pages_show_commands() -> None:
    known = {
        "bundle",
        "call",
        "docs",
        "doctor",
        "install",
        "login",
        "logout",
        "policy",
        "sandbox",
        "scopes",
        "serve",
        "tools",
    }
    assert {words_of(line)[1][1] for line in OURS} == known


def test_the_changelog_begins_with_this_version() -> None:
    heading = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert heading is not None and heading[1] == __version__


def test_each_claim_about_security_names_a_test_that_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 25
    for file, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.M), f"{file}::{name}"
