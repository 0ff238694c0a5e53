"""The site of docs/: every page has its place, every link leads somewhere, and the reference has every tool."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner

from mcp_instantly.cli import cli
from mcp_instantly.handbook.reference import tool_reference
from mcp_instantly.handbook.site import with_links_of_the_site, write_site
from mcp_instantly.tools.catalog import Catalog, load_catalog

from .conftest import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_PAGE_CHARACTERS = 40_000
MAX_REFERENCE_CHARACTERS = 500_000

BUILD_SECONDS = 60


def places(navigation: Any) -> list[str]:
    """The pages of a navigation, from top to bottom."""
    if isinstance(navigation, str):
        return [navigation]
    items = navigation if isinstance(navigation, list) else navigation.values()
    return [place for item in items for place in places(item)]


def test_every_page_of_docs_has_one_place_in_the_navigation() -> None:
    configuration = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    found = places(configuration["project"]["nav"])
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert sorted(found) == sorted(pages | {"reference/index.md"}), "zensical.toml: add the page to nav, or take it out"


def test_every_page_can_be_reached_from_the_readme_or_the_first_page() -> None:
    reached: set[Path] = set()
    left = [ROOT / "README.md", ROOT / "docs" / "index.md"]
    while left:
        page = left.pop()
        if page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)#\s:]+\.md)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8"))
            left += [(page.parent / link).resolve() for link in links]
    assert [page.name for page in (ROOT / "docs").rglob("*.md") if page not in reached] == []


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The pages of the reference, by the names of their files."""
    return anyio.run(tool_reference, load_catalog())


def test_the_site_is_built_and_every_link_in_it_leads_somewhere(tmp_path: Path, reference: dict[str, str]) -> None:
    write_site(ROOT, tmp_path, reference)
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    handle_replies = (tmp_path / "site" / "jobs" / "handle-replies" / "index.html").read_text(encoding="utf-8")
    assert 'href="../../reference/workflows/#handle_reply"' in handle_replies
    emails = (tmp_path / "site" / "reference" / "emails" / "index.html").read_text(encoding="utf-8")
    assert 'id="reply_to_email"' in emails
    for html in (tmp_path / "site").rglob("*.html"):
        assert "not run:" not in re.sub(r"<!--.*?-->", "", html.read_text(encoding="utf-8"), flags=re.S), html


@pytest.mark.parametrize("link", ["nowhere.md", "index.md#nowhere"])
def test_a_link_that_leads_nowhere_ends_the_build_of_the_site(link: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Start\n\n[nowhere]({link})\n")
    configuration = (ROOT / "zensical.toml").read_text(encoding="utf-8")
    (tmp_path / "zensical.toml").write_text(re.sub(r"^nav = \[.*?^\]$", "", configuration, flags=re.S | re.M))
    assert build(tmp_path).returncode != 0


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("zensical", reason="the generator of the site needs Python 3.11 or newer")
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS)


def test_the_reference_shows_every_tool_with_an_answer(catalog: Catalog, reference: dict[str, str]) -> None:
    for toolset in catalog.toolsets:
        tools = [tool.name for tool in catalog.tools.values() if tool.toolset == toolset]
        page = reference[f"{toolset}.md"]
        assert re.findall(r"^## (\w+)$", page, re.M) == tools
        assert page.count("\nthe sandbox answers\n") == len(tools)
        assert len(page) <= MAX_PAGE_CHARACTERS, toolset
    assert sum(map(len, reference.values())) <= MAX_REFERENCE_CHARACTERS


def test_the_reference_is_the_same_each_time(catalog: Catalog, reference: dict[str, str]) -> None:
    some = ("emails", "workflows", "drafts")
    assert anyio.run(tool_reference, catalog, some) == {f"{name}.md": reference[f"{name}.md"] for name in some}


def test_answers_in_the_reference_are_successes(reference: dict[str, str]) -> None:
    # There is no draft yet that could be sent, and no job that could be looked at.
    refused = {name for name, page in reference.items() if "the sandbox answers\n\n```text" in page}
    assert refused == {"drafts.md", "jobs.md"}


@pytest.mark.parametrize(
    ("name", "link", "there"),
    [
        ("tools.md", "../tool_schemas/README.md", "reference/index.md"),
        ("tools.md", "../tool_schemas/README.md#lead-lists", "reference/lead_lists.md"),
        ("jobs/a.md", "../../tool_schemas/emails/get_email.json", "../reference/emails.md#get_email"),
        ("tools.md", "calls.md#repeats", "calls.md#repeats"),
        ("tools.md", "https://example.com/", "https://example.com/"),
        ("a.md", "../README.md#safety", "https://github.com/mcp-instantly/mcp_instantly/blob/main/README.md#safety"),
    ],
)
def test_a_link_out_of_docs_leads_to_the_reference_or_to_the_repository(name: str, link: str, there: str) -> None:
    assert with_links_of_the_site(name, f"See [this]({link}).") == f"See [this]({there})."


def test_a_site_outside_of_a_checkout_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["docs", "--site", "site"])
    assert "zensical.toml is missing" in str(done.exception)
    assert not (tmp_path / "site").exists()
