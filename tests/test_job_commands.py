"""The commands about jobs, as a person at a terminal meets them."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from mcp_instantly.cli import cli

from . import processes
from .conftest import clean_environment

Jobs = Callable[..., "subprocess.CompletedProcess[str]"]

LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
ROW = "Email\nok@harborline.example\n"


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """`mcp-instantly jobs ARGUMENTS --sandbox` in the folder of the test, to its end."""
    environment = clean_environment(XDG_DATA_HOME=str(tmp_path / "data"))

    def ended(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
        told = processes.run("jobs", *arguments, "--sandbox", environment=environment, cwd=tmp_path, **more)
        assert "Traceback" not in told.stderr, told.stderr
        return told

    return ended


def job_of(jobs: Jobs) -> str:
    """The id of the newest job."""
    return jobs("list").stdout.split()[0]


def table_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


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


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_rows_are_the_same_json_in_every_encoding_and_steer_no_terminal(
    jobs: Jobs, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "f.csv").write_text("Email\nwörd\u009b\n")
    jobs("verify", "f.csv", "--yes")
    environment = clean_environment(XDG_DATA_HOME=str(tmp_path / "data"), PYTHONIOENCODING=encoding)
    told = processes.run("jobs", "rows", job_of(jobs), "--sandbox", environment=environment).stdout
    assert json.loads(told)["address"] == "wörd\u009b" and "\u009b" not in told
    assert ("wörd" in told) == (encoding == "utf-8")


# the block list


def test_a_block_list_is_what_a_file_says_in_other_words(jobs: Jobs, tmp_path: Path) -> None:
    kept = ["acme.example", "beta.example", "xn--mnchen-3ya.de", "jo@xn--mnchen-3ya.de"]
    tables = {"now.csv": kept, "said.csv": ["https://Acme.example/", "@beta.example", "münchen.de", "jo@münchen.de"]}
    for name, entries in tables.items():
        (tmp_path / name).write_text("\n".join(["domain", *entries]))
        told = jobs("block-list", name, "--state", "s.db", "--yes", "--out", f"of-{name}")
        assert told.returncode == 0, told.stderr
    rows = table_of(tmp_path / "of-said.csv")
    assert [row["state"] for row in rows] == ["kept"] * 4 and "removed" not in told.stdout


def test_nothing_is_unblocked_while_rows_of_the_file_cannot_be_read(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "bl.csv").write_text("domain,why\nacme.example,x\nno domain,x\n,x\nnew.example\n")
    asked = ("block-list", "bl.csv", "--state", "s.db", "--yes")
    refused = jobs(*asked)
    assert refused.returncode == 1 and not re.search("^  (removed|added) ", refused.stdout, re.M)
    said = "3 rows of bl.csv are not entries, such as row 2 (neither an address nor a domain)"
    assert said in refused.stdout and "--skip-invalid-rows" in refused.stdout
    told = jobs(*asked, "--skip-invalid-rows", "--out", "out.csv")
    rows = table_of(tmp_path / "out.csv")
    removed = [row["domain"] for row in rows if row["state"] == "removed"]
    assert told.returncode == 0 and removed and all("." in one for one in removed)
    assert f"remove {len(removed)}, skip invalid rows 3" in told.stderr


# rows that are there twice


def test_a_row_is_no_duplicate_of_one_that_was_thrown_away(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("Email,First Name\nada@harborline.example\nada@harborline.example,Ada\n")
    jobs("verify", "bad.csv", "--yes", "--out", "verified.csv")
    jobs("import", "bad.csv", "--list-id", LIST, "--verify-first", "--yes", "--out", "imported.csv")
    assert [row["state"] for row in table_of(tmp_path / "verified.csv")] == ["error", "verified"]
    assert [row["state"] for row in table_of(tmp_path / "imported.csv")] == ["error", "created"]


@pytest.mark.parametrize("rows_per_call", ["1", "3"])
def test_a_row_that_is_there_twice_is_a_duplicate_however_many_go_into_a_call(
    jobs: Jobs, tmp_path: Path, rows_per_call: str
) -> None:
    (tmp_path / "f.csv").write_text("Email\nd1@x.example\nD1@x.example\nd2@x.example\n")
    jobs("import", "f.csv", "--list-id", LIST, "--rows-per-call", rows_per_call, "--yes", "--out", "out.csv")
    told = [(row["state"], row["why"]) for row in table_of(tmp_path / "out.csv")]
    assert told == [("created", ""), ("duplicate", "as row 1"), ("created", "")]


# done before


def test_what_was_done_before_is_said_and_not_asked_about(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(ROW)
    jobs("verify", "f.csv", "--yes")
    job_id = job_of(jobs)
    planned, again = jobs("verify", "f.csv", "--plan"), jobs("verify", "f.csv")
    for told in (planned, again):
        assert told.returncode == 0 and told.stdout.startswith(job_id), told.stderr
        assert "It was done before, and nothing was started. Give another key (--key)" in told.stdout
    assert len(jobs("list").stdout.splitlines()) == 1
    assert jobs("verify", "f.csv", "--yes", "--key", "again").returncode == 0
    assert len(jobs("list").stdout.splitlines()) == 2


def test_an_export_whose_file_was_moved_is_written_once_more(jobs: Jobs, tmp_path: Path) -> None:
    asked = ("export-leads", "l.csv", "--list-id", LIST, "--yes")
    for moved in ("l1.csv", "l2.csv"):
        assert jobs(*asked).returncode == 0
        (tmp_path / "l.csv").rename(tmp_path / moved)
    assert table_of(tmp_path / "l1.csv") == table_of(tmp_path / "l2.csv")


def test_an_export_that_a_client_began_in_a_subfolder_is_gone_on_with(jobs: Jobs, tmp_path: Path) -> None:
    environment = clean_environment(XDG_DATA_HOME=str(tmp_path / "data"))
    base = tmp_path / "base"
    (base / "sub").mkdir(parents=True)
    for name, written in (("sub/o.csv", base / "sub" / "o.csv"), ("sub/../p.csv", base / "p.csv")):
        given = json.dumps({"export_leads": {"file": name, "filters": {"list_id": LIST}}})
        call = ("call", "start_job", given, "--toolsets", "jobs", "--files", str(base), "--sandbox")
        job_id = json.loads(processes.run(*call, environment=environment).stdout)["job_id"]
        told = jobs("resume", job_id, "--yes")
        assert told.returncode == 0 and f"{job_id}  done" in told.stdout, told.stderr
        assert table_of(written)


# --dry-run


@pytest.mark.parametrize(
    "asked",
    [
        ("verify", "f.csv"),
        ("import", "f.csv", "--list-id", LIST),
        ("clean", "--list-id", LIST),
        ("export-leads", "new.csv"),
        ("block-list", "f.csv"),
    ],
    ids=lambda asked: str(asked[0]),
)
def test_a_job_that_runs_dry_shows_its_plan_and_starts_nothing(
    jobs: Jobs, tmp_path: Path, asked: tuple[str, ...]
) -> None:
    (tmp_path / "f.csv").write_text(ROW)
    told = jobs(*asked, "--yes", "--dry-run")
    assert told.returncode == 0 and "Nothing was started: " in told.stderr and "--dry-run" in told.stderr
    assert jobs("list").stdout == "" and not (tmp_path / "new.csv").exists()


def test_no_job_is_worked_on_in_a_dry_run(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text(ROW)
    environment = clean_environment(XDG_DATA_HOME=str(tmp_path / "data"))
    started = json.dumps({"verify_emails": {"addresses": ["ok@harborline.example"]}})
    call = ("call", "start_job", started, "--toolsets", "jobs", "--sandbox")
    job_id = json.loads(processes.run(*call, environment=environment).stdout)["job_id"]
    told = jobs("resume", job_id, "--dry-run")
    assert told.returncode == 0 and "Nothing was started: " in told.stderr
    jobs("verify", "f.csv", "--yes", "--dry-run")
    found = json.loads(jobs("show", job_id).stdout)
    assert found["state"] == "waiting" and found["rows"] == {"total": 1}
    told = jobs("cancel", job_id, "--dry-run")
    assert told.returncode == 2 and "Nothing was cancelled" in told.stderr
    assert json.loads(jobs("show", job_id).stdout)["state"] == "waiting"
    refused = processes.run("worker", "--dry-run", "--sandbox", environment=environment)
    assert refused.returncode == 2 and "--dry-run" in refused.stderr and "Traceback" not in refused.stderr


def test_no_job_is_cancelled_gone_on_with_or_worked_on_where_only_reads_are_allowed(jobs: Jobs, tmp_path: Path) -> None:
    environment = clean_environment(XDG_DATA_HOME=str(tmp_path / "data"))
    started = json.dumps({"verify_emails": {"addresses": ["ok@harborline.example"]}})
    call = ("call", "start_job", started, "--toolsets", "jobs", "--sandbox")
    job_id = json.loads(processes.run(*call, environment=environment).stdout)["job_id"]
    only_reads = {**environment, "INSTANTLY_READ_ONLY": "1"}
    for asked, variables in [
        (("jobs", "cancel", job_id), only_reads),
        (("jobs", "cancel", job_id, "--read-only"), environment),
        (("jobs", "resume", job_id, "--read-only"), environment),
        (("worker", "--read-only"), environment),
    ]:
        told = processes.run(*asked, "--sandbox", environment=variables)
        assert told.returncode == 2 and told.stderr.count("\n") == 1, told.stderr
        assert "--read-only (INSTANTLY_READ_ONLY) is set" in told.stderr
    shown = processes.run("jobs", "show", job_id, "--sandbox", environment=only_reads)
    assert json.loads(shown.stdout)["state"] == "waiting"


# --out


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("nowhere/out.csv", "There is no folder"),
        ("out.jsonl", "out.jsonl.job-0a1b2c3d.part"),
        ("sealed/out.csv", "may not be written"),
    ],
)
def test_nothing_is_paid_for_where_the_outcome_could_not_be_written(
    jobs: Jobs, tmp_path: Path, out: str, words: str
) -> None:
    (tmp_path / "f.csv").write_text(ROW)
    (tmp_path / "out.jsonl.job-0a1b2c3d.part").write_text('{"id":"a row of an export that is under way"}\n')
    (tmp_path / "sealed").mkdir(mode=0o500)
    if out.startswith("sealed") and os.access(tmp_path / "sealed", os.W_OK):
        pytest.skip("root may write everywhere")
    told = jobs("verify", "f.csv", "--yes", "--out", out)
    assert told.returncode == 2 and words in told.stderr and "--out" in told.stderr
    assert jobs("list").stdout == ""
    assert "under way" in (tmp_path / "out.jsonl.job-0a1b2c3d.part").read_text()


@pytest.mark.skipif(sys.platform == "win32", reason="its files have no limit")
def test_what_became_of_the_rows_is_written_once_the_disk_has_room(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("Email,note\n" + "".join(f"p{n}@x.example,{'x' * 100_000}\n" for n in range(40)))
    told = jobs("verify", "f.csv", "--yes", "--out", "out.csv", preexec_fn=processes.fill_disk)
    job_id = job_of(jobs)
    assert told.returncode == 2 and "verified     40" in told.stdout
    assert "out.csv cannot be written: File too large" in told.stderr and f"jobs resume {job_id} --out" in told.stderr
    assert [path.name for path in tmp_path.glob("out*")] == []
    again = jobs("resume", job_id, "--out", "out.csv")
    assert again.returncode == 0 and len(table_of(tmp_path / "out.csv")) == 40
