"""Guides are of one form, tell of what exists, and are the same as prompts, skills and pages."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mcp_instantly.errors import ConfigError
from mcp_instantly.guidance.manual import FOLDER, Guide, jobs, read_guide, reference_pages, skill_text
from mcp_instantly.tools.catalog import Catalog

from .conftest import ROOT, clean_environment

ANSWERED = {"_note", "error", "is_spam", "next_starting_after", "resource_id", "status_message"}
"""Fields of answers that guides tell of."""

MAX_LINES = 40
MAX_CHARACTERS = 3_300
"""One screen."""

EVERY = [*jobs().values(), *reference_pages().values()]
every_guide = pytest.mark.parametrize("guide", EVERY, ids=[guide.name for guide in EVERY])
every_job = pytest.mark.parametrize("guide", jobs().values(), ids=list(jobs()))

NAMES = re.compile(r"`([a-z_]+)`")


def test_there_are_ten_jobs_and_a_page_on_each_subject() -> None:
    assert len(jobs()) == 10
    assert set(reference_pages()) == {"sending", "replies", "deliverability", "credits", "errors-and-limits"}


@every_guide
def test_every_tool_that_a_guide_names_exists(guide: Guide, catalog: Catalog) -> None:
    assert [name for name in guide.tools if name not in catalog.tools] == []


@every_job
def test_a_job_lists_the_tools_that_its_text_names(guide: Guide, catalog: Catalog) -> None:
    assert {name for name in NAMES.findall(guide.text) if name in catalog.tools} == set(guide.tools)


@every_guide
def test_every_other_name_in_a_guide_is_an_argument_of_a_tool(guide: Guide, catalog: Catalog) -> None:
    named = guide.tools or list(catalog.tools)
    schemas = json.dumps([catalog.tools[name].full_schema for name in named])
    known = {*catalog.tools, *ANSWERED}
    assert [name for name in NAMES.findall(guide.text) if name not in known and f'"{name}"' not in schemas] == []


@every_guide
def test_a_guide_fits_a_screen(guide: Guide) -> None:
    assert guide.text.count("\n") <= MAX_LINES
    assert len(guide.text) <= MAX_CHARACTERS


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.md")), ids=lambda file: file.stem)
def test_front_matter_is_yaml_that_others_read_as_we_do(file: Path) -> None:
    fields = yaml.safe_load(file.read_text(encoding="utf-8").split("---\n")[1])
    guide = read_guide(file)
    assert (fields["name"], fields["title"], fields["description"]) == (guide.name, guide.title, guide.description)
    assert [one["name"] for one in fields.get("arguments", ())] == [one.name for one in guide.arguments]
    assert fields.get("needs", []) == [list(group) for group in guide.needs]
    assert fields.get("uses", []) == list(guide.uses)


@every_job
def test_a_skill_is_what_the_format_of_skills_asks_for(guide: Guide) -> None:
    _, head, text = skill_text(guide).split("---\n", 2)
    fields = yaml.safe_load(head)
    assert fields["name"] == guide.skill_name
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", fields["name"]) and len(fields["name"]) <= 64
    assert fields["description"] == guide.description and len(guide.description) <= 1024
    assert "Instantly" in guide.description
    assert guide.text in text
    assert all(f"- {one.name}: {one.description}" in text for one in guide.arguments)


@every_job
def test_an_argument_says_where_its_values_come_from(guide: Guide) -> None:
    assert guide.arguments
    for one in guide.arguments:
        assert one.description.endswith(".")
        assert not (one.complete and one.values)


@pytest.mark.parametrize(
    "text",
    ["no front matter", "---\nname: other\ntitle: A\ndescription: B\n---\n", "---\nname: a\nmore: C\n---\n", "---\n"],
)
def test_a_damaged_guide_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"The guide .*a\.md cannot be used"):
        read_guide(file)


LOOK = """
import sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
import anyio
from mcp import Client
from mcp_instantly.tools.catalog import load_catalog, select
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.server import build_server
from mcp_instantly.settings import SANDBOX_KEY, SANDBOX_URL, Settings

async def look():
    settings = Settings(base_url=SANDBOX_URL, api_key=SANDBOX_KEY)
    async with InstantlyClient(settings) as http:
        async with Client(build_server(Invoker(select(load_catalog()), http, settings))) as client:
            await client.list_tools()
            print(sum(name.endswith(".md") for name in opened))
            await client.list_prompts()
            print(sum(name.endswith(".md") for name in opened))

anyio.run(look)
"""


def test_guides_are_read_when_they_are_asked_for_and_not_before() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["0", "10"]
