"""Every command and every snippet of the pages is run, in the order of its page, in a home folder of its own.

Before a block may stand a comment that readers do not see: `<!-- not run: REASON -->`; `<!-- exit: N -->`, the status
with which its commands end; `<!-- file: NAME -->`, the file in which its text is found by what comes after it. A block
of JSON after a `call` is part of its answer.

Instantly is a sandbox on a port of this machine, and its key is on standard input for whoever asks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from ruamel.yaml import YAML

from mcp_instantly.sandbox import Sandbox

from .conftest import ROOT, clean_environment, served_by
from .processes import forking, run, start

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>not run|exit|file): (?P<word>[^\n]*) -->\n)?"
    r"^(?P<in> *)```(?P<head>[^\n]+)\n(?P<text>.*?)^(?P=in)```$",
    re.S | re.M,
)

RUN_BY_CI = ("python3 -m venv", "test -d .venv")
"""How the first two commands of the README begin, which .ci/run runs as they stand."""

MAX_NOT_RUN = 10
"""Blocks of all pages together."""

EXPORTED = "CREATE TABLE leads (email TEXT, status TEXT); CREATE TABLE emails (lead TEXT)"
"""The tables that queries are about."""

STANDS_FOR: dict[str, Any] = {"my_agent": lambda **given: None}
"""What a snippet in Python takes from its reader."""

SECONDS = 60


@dataclasses.dataclass(frozen=True)
class Block:
    language: str
    text: str
    mark: str | None
    word: str

    @property
    def is_run(self) -> bool:
        return self.mark != "not run" and not self.text.startswith(RUN_BY_CI)


def blocks_of(page: Path) -> list[Block]:
    """The blocks of a page but those with the name of a file behind the language, which have tests of their own."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(one["head"], one["text"], one["mark"], one["word"] or "") for one in found if " " not in one["head"]]


RUN = [page for page in PAGES if blocks_of(page)]


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    left = [(page.name, block.word) for page in PAGES for block in blocks_of(page) if block.mark == "not run"]
    assert len(left) <= MAX_NOT_RUN, left
    assert all(len(reason.split()) > 4 for _, reason in left)


def test_every_mark_stands_before_a_block() -> None:
    marks = re.compile(r"^ *<!-- (?:not run|exit|file)\b", re.M)
    for page in PAGES:
        found = [block for block in blocks_of(page) if block.mark]
        assert len(marks.findall(page.read_text(encoding="utf-8"))) == len(found), page


def test_every_block_is_of_a_language_that_is_checked() -> None:
    languages = {block.language for page in PAGES for block in blocks_of(page)}
    assert languages <= {"sh", "python", "json", "toml", "yaml", "text", "sql"}


@pytest.fixture(scope="module")
def instantly() -> Iterator[str]:
    """The address of what takes the place of Instantly."""
    with Sandbox() as sandbox:
        yield sandbox.url


@pytest.fixture(scope="module")
def home(instantly: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home folder of a reader who has logged in."""
    folder = tmp_path_factory.mktemp("home")
    done = run("login", "--file", environment=at_home(folder, instantly), stdin="sandbox\n")
    assert done.returncode == 0, done.stderr
    return folder


def at_home(folder: Path, instantly: str) -> dict[str, str]:
    """The environment of a reader with this home folder."""
    places = {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_CACHE_HOME": ".cache"}
    own = {name: str(folder / place) for name, place in places.items()}
    return clean_environment(HOME=str(folder), INSTANTLY_BASE_URL=instantly, **own)


@pytest.mark.parametrize("page", RUN, ids=[page.relative_to(ROOT).as_posix() for page in RUN])
def test_what_a_page_shows_works(page: Path, tmp_path: Path, home: Path, instantly: str) -> None:
    shutil.copytree(home, tmp_path / "home")
    reader = Reader(tmp_path, at_home(tmp_path / "home", instantly))
    with contextlib.closing(reader):
        for block in blocks_of(page):
            if block.is_run:
                reader.follow(block)


class Reader:
    """Somebody who does what a page says, one block after the other, in a folder that has the examples."""

    def __init__(self, folder: Path, environment: dict[str, str]):
        (folder / "examples").symlink_to(ROOT / "examples")
        self._environment = environment
        self._folder = folder
        self._answer: Any = None
        self._served: contextlib.ExitStack | None = None
        self._url = ""

    def close(self) -> None:
        """End the server that was started last, if it goes on."""
        if self._served is not None:
            self._served.close()
            self._served = None

    def follow(self, block: Block) -> None:
        """Do what a block says. Raises AssertionError where it does not work."""
        if block.mark == "file":
            (self._folder / block.word).write_text(block.text, encoding="utf-8")
        if block.language == "sh":
            self._answer = None
            for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
                self._type(line.strip(), int(block.word) if block.mark == "exit" else 0)
        elif block.language == "python":
            exec(compile(block.text, "snippet", "exec"), dict(STANDS_FOR))
        elif block.language == "json":
            shown = json.loads(block.text)
            assert self._answer is None or has(self._answer, shown), f"{shown} is no part of {self._answer}"
            self._answer = None
        elif block.language == "sql":
            with duckdb.connect() as tables:
                tables.execute(EXPORTED).execute(block.text)
        elif block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "yaml":
            YAML(typ="safe").load(block.text)

    def _type(self, line: str, status: int) -> None:
        words = shlex.split(line, comments=True)
        given = list(itertools.takewhile(lambda word: re.match(r"[A-Z_]+=", word), words))
        environment = self._environment | dict(word.split("=", 1) for word in given)
        words = words[len(given) :]
        if not words:
            return
        if words[0] in ("mcp-instantly", ".venv/bin/mcp-instantly"):
            self.close()
            if words[1] == "sandbox" or "http" in words:
                self._serve(words[1:], environment)
            else:
                self._run(words[1:], environment, status)
        elif words[0] == "curl":
            self._fetch(words)
        elif words[:2] == ["pip", "install"] and words[2].startswith("mcp-instantly["):
            # It is installed already; what may be wrong is the name of an extra.
            extras = words[2].removeprefix("mcp-instantly[").rstrip("]").split(",")
            assert set(extras) <= set(importlib.metadata.metadata("mcp_instantly").get_all("Provides-Extra", []))
        else:
            command = [
                {"python": sys.executable, ".venv/bin/python": sys.executable}.get(words[0], words[0]),
                *words[1:],
            ]
            with forking():
                done = subprocess.run(
                    command,
                    cwd=self._folder,
                    env=environment | {"PYTHONPATH": str(ROOT)},
                    capture_output=True,
                    text=True,
                    timeout=SECONDS,
                )
            assert done.returncode == status, f"{line}\n{done.stdout}\n{done.stderr}"

    def _run(self, arguments: list[str], environment: dict[str, str], status: int) -> None:
        # Whoever asks gets the key, and a yes.
        said = {"login": "sandbox\n", "serve": ""}.get(arguments[0], "y\n")
        done = run(*arguments, environment=environment, stdin=said, cwd=self._folder)
        assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
        if arguments[0] == "call":
            self._answer = json.loads(done.stdout)

    def _serve(self, arguments: list[str], environment: dict[str, str]) -> None:
        """Start a server on a free port of loopback; it ends when another command of ours begins."""
        for option, value in (("--port", "0"), ("--host", "127.0.0.1")):
            if option in arguments:
                arguments[arguments.index(option) + 1] = value
        arguments = arguments if "--port" in arguments else [*arguments, "--port", "0"]
        process = start(
            *arguments,
            environment=environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with contextlib.ExitStack() as stack:
            self._url = stack.enter_context(served_by(process))
            self._served = stack.pop_all()

    def _fetch(self, words: list[str]) -> None:
        if shutil.which("curl") is None:
            pytest.fail("curl is not installed") if os.environ.get("CI") else pytest.skip("curl is not installed")
        here = re.match(r"http://[^/]+", self._url)
        assert here, "nothing was served before this"
        command = [re.sub(r"^http://127\.0\.0\.1:\d+", here[0], word) for word in words]
        done = subprocess.run([*command, "-sS", "--fail"], capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        json.loads(done.stdout)


def has(found: Any, shown: Any) -> bool:
    """Whether an answer has what a page shows of it: of an object some members, of a list some items."""
    if isinstance(shown, dict):
        return isinstance(found, dict) and all(name in found and has(found[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return isinstance(found, list) and all(any(has(one, other) for one in found) for other in shown)
    return bool(found == shown)


def test_the_part_of_an_answer_that_a_page_shows_must_be_in_it() -> None:
    assert has({"a": [1, {"b": 2, "c": 3}]}, {"a": [{"b": 2}]})
    assert not has({"a": [1, {"b": 2}]}, {"a": [{"b": 3}]})
    assert not has({"a": 1}, {"b": None})
