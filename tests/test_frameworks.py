"""Agents of frameworks, each in an environment of its own, since many of them cannot live with version 2 of the SDK.

An environment is made from the file of its requirements, is kept in .pytest_cache, and is used again while that file
stays as it is. Where the package index cannot be reached these tests are skipped, but in CI.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT, clean_environment, served

REQUIREMENTS = ROOT / "tests" / "frameworks"
VERCEL = ROOT / "examples" / "vercel_ai"
KEPT = ROOT / ".pytest_cache" / "frameworks"

INSTALL_SECONDS = 240
RUN_SECONDS = 120

FRAMEWORKS = {
    "langgraph": (
        "langgraph_agent.py",
        'may I? handle_reply {"text": "Hello, twelve seats are 240 euros a month."}\n'
        "I answered tom.okafor@ledgerly.example: done.\n",
    ),
    "openai-agents": ("openai_agents.py", "I answered tom.okafor@ledgerly.example: done.\n"),
    "pydantic-ai": ("pydantic_ai_agent.py", "answered='tom.okafor@ledgerly.example' outcome='done' left=1\n"),
}


def test_every_file_of_requirements_belongs_to_an_example() -> None:
    assert {file.stem for file in REQUIREMENTS.iterdir()} == set(FRAMEWORKS)
    assert all((ROOT / "examples" / example).exists() for example, _ in FRAMEWORKS.values())


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_an_agent_of_a_framework_triages_and_answers_through_the_server(name: str) -> None:
    example, said = FRAMEWORKS[name]
    python = environment_of(REQUIREMENTS / f"{name}.txt") / "bin" / "python"
    # The server is on the PATH, from an environment in which the framework is not.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [str(python), str(ROOT / "examples" / example)],
        env=clean_environment(PATH=path),
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == said


def test_an_agent_of_the_vercel_ai_sdk_triages_and_answers_over_http() -> None:
    if shutil.which("npm") is None:
        unavailable("npm is not installed")
    folder = kept(VERCEL / "package-lock.json")
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(VERCEL, folder, ignore=shutil.ignore_patterns("node_modules"))
        install(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], folder)
    shutil.copy(VERCEL / "agent.mjs", folder)
    with served("serve", "--sandbox", "--transport", "http") as (_, url):
        done = subprocess.run(
            ["node", "agent.mjs", url], cwd=folder, capture_output=True, text=True, timeout=RUN_SECONDS
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "I answered tom.okafor@ledgerly.example: done.\n"


def environment_of(requirements: Path) -> Path:
    """The virtual environment with these requirements, made when there is none yet."""
    python = newer_python()
    folder = kept(requirements, python)
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        install(["uv", "venv", "--quiet", "--allow-existing", "--python", python, str(folder)], folder, done=False)
        install(["uv", "pip", "install", "--quiet", "--python", str(folder), "-r", str(requirements)], folder)
    return folder


@functools.cache
def newer_python() -> str:
    """The path of an interpreter that the frameworks work with, which need a newer one than the server does."""
    command = [sys.executable, "-m", "uv", "python", "find", "--system", "--no-python-downloads", ">=3.11"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS)
    if found.returncode:
        pytest.skip("the frameworks need Python 3.11 or newer, and there is none here")
    return found.stdout.strip()


def kept(file: Path, interpreter: str = "") -> Path:
    """The folder for what this file asks for, with this interpreter."""
    digest = hashlib.sha256(file.read_bytes() + interpreter.encode()).hexdigest()[:12]
    return KEPT / f"{file.stem}-{digest}"


def install(command: list[str], folder: Path, *, done: bool = True) -> None:
    """Run an installation, and mark the folder when it is complete."""
    command = [sys.executable, "-m", *command] if command[0] == "uv" else command
    try:
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        unavailable(f"not installed within {INSTALL_SECONDS} s: {command}")
    if ended.returncode:
        unavailable(f"{command} failed, perhaps for want of a network: {ended.stderr[-2000:]}")
    if done:
        (folder / "done").touch()


def unavailable(why: str) -> None:
    """Leave the test out, but in CI, where everything is to be had."""
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
