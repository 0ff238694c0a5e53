"""A new operation is cheap: the worked example of CONTRIBUTING.md, replayed in a copy of the checkout."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mcp_instantly.tools.catalog import Catalog

from .conftest import ROOT, clean_environment

MOST_FILES = 5
"""Files that may have to be touched by hand."""

EXAMPLE = re.compile(r"^( *)```\w+ (\S+/\S+)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
"""A code block that bears the name of a file."""

TESTS = (
    "tests/test_catalog.py",
    "tests/test_docs.py::test_generated_pages_are_up_to_date",
    "tests/test_drift.py::test_the_catalogue_agrees_with_the_record",
    "tests/test_effects.py",
    "tests/test_exactness.py",
    "tests/test_imports.py",
    "tests/test_narrowing.py",
    "tests/test_notes.py::test_an_example_of_a_read_draws_no_note_but_those_that_belong_to_it",
    "tests/test_notes.py::test_an_example_of_a_write_draws_no_note_but_those_that_belong_to_it",
    "tests/test_providers.py",
    "tests/test_size.py",
    "tests/test_surface.py",
    "tests/test_tool_schemas.py",
    "tests/sandbox/test_agreement.py",
    "tests/sandbox/test_layers.py",
    "tests/sandbox/test_odd_values.py::test_an_odd_value_is_taken_or_refused",
    "tests/sandbox/test_refusals.py",
    "tests/sandbox/test_scopes.py",
)
"""Tests that look at every operation."""

PLUGIN = """
import re

OTHERS = {others!r}

def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if not OTHERS & set(re.findall(r"\\w+", item.name.partition("[")[2]))]
    for item in items:
        cases = getattr(item.function, "cases", {{}})
        for name in [one for one in cases if OTHERS & set(re.findall(r"\\w+", one))]:
            del cases[name]
"""
"""Leaves out what is tested of the other tools: that is done outside of the copy."""


def run(copy: Path, *arguments: str) -> str:
    """What a module of the copy prints; it must end well."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=copy,
        env=clean_environment(PYTHONPATH=str(copy), PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def contents(folder: Path) -> dict[str, bytes]:
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    left_out = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist")
    return Path(shutil.copytree(ROOT, tmp_path / "copy", ignore=left_out))


def write_example(copy: Path) -> set[str]:
    """Do what CONTRIBUTING.md says; the files that were touched."""
    blocks = EXAMPLE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    for _, name, text in blocks:
        file, text = copy / name, textwrap.dedent(text)
        before = f"{file.read_text(encoding='utf-8')}\n\n" if file.exists() else ""
        file.write_text(before + text, encoding="utf-8")
    changes = copy / "CHANGELOG.md"
    changes.write_text(changes.read_text(encoding="utf-8") + "- `rename_webhook`.\n", encoding="utf-8")
    return {"CHANGELOG.md", *(name for _, name, _ in blocks)}


def test_the_worked_example_of_a_new_operation_takes_few_files_and_passes_every_test(
    copy: Path, catalog: Catalog
) -> None:
    before = contents(copy)
    by_hand = write_example(copy)
    generated = {Path(line).relative_to(copy).as_posix() for line in run(copy, "mcp_instantly", "docs").splitlines()}
    touched = {name for name, content in contents(copy).items() if before.get(name) != content}
    assert touched == by_hand | generated
    assert not by_hand & generated
    assert len(by_hand) <= MOST_FILES
    (copy / "only_the_new.py").write_text(PLUGIN.format(others=set(catalog.operations)), encoding="utf-8")
    told = run(copy, "pytest", "-p", "only_the_new", "-p", "no:cacheprovider", "-p", "no:xdist", "-vv", *TESTS)
    assert "test_the_neighbours_of_a_tool_show_what_it_did[rename_webhook-0] PASSED" in told
