"""The commands about jobs, as a person at a terminal meets them."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from mcp_instantly.cli import cli

from . import processes
from .conftest import clean_environment

Jobs = Callable[..., "subprocess.CompletedProcess[str]"]

ROW = "Email\nok@harborline.example\n"


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """`mcp-instantly jobs ARGUMENTS --sandbox` in the folder of the test, to its end."""
    environment = clean_environment(XDG_DATA_HOME=str(tmp_path / "data"))

    def ended(*arguments: str) -> subprocess.CompletedProcess[str]:
        told = processes.run("jobs", *arguments, "--sandbox", environment=environment, cwd=tmp_path)
        assert "Traceback" not in told.stderr, told.stderr
        return told

    return ended


def job_of(jobs: Jobs) -> str:
    """The id of the newest job."""
    return jobs("list").stdout.split()[0]


def commands(group: click.Command, path: str = "") -> Iterator[tuple[str, click.Command]]:
    yield path, group
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, f"{path} {name}")


def test_no_command_has_two_options_that_go_by_one_name() -> None:
    every = dict(commands(cli))
    assert " jobs rows" in every
    for path, command in every.items():
        # Those that say one of several values share a name by design.
        alike = [
            one for one in command.params if isinstance(one, click.Option) and one.is_flag and not one.is_bool_flag
        ]
        named = [one.name for one in command.params if one not in alike]
        twice = [name for name, count in Counter(named).items() if count > 1]
        assert not twice, f"{path}: {twice}"


def test_what_became_of_the_rows_of_a_job_is_printed_by_state_too(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(ROW + "not an address\n")
    jobs("verify", "f.csv", "--yes")
    job_id = job_of(jobs)
    every = [json.loads(line) for line in jobs("rows", job_id).stdout.splitlines()]
    bad = [json.loads(line) for line in jobs("rows", job_id, "--only", "error").stdout.splitlines()]
    assert [row["state"] for row in every] == ["verified", "error"] and bad == every[1:]
