"""Jobs in PostgreSQL: several workers share the rows of one, and one of them may be killed."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcp_instantly.sandbox.engine import rate_limits
from mcp_instantly.sandbox.testing import Sandbox

from . import processes
from .conftest import clean_environment
from .postgresql import BINARIES, postgresql
from .processes import ended

VERIFIED = ("POST", "/api/v2/email-verification", 200)

needs_postgresql = pytest.mark.skipif(
    BINARIES is None and "CI" not in os.environ, reason="PostgreSQL is not installed: apt-get install postgresql"
)


@pytest.fixture
def database() -> Iterator[str]:
    with postgresql() as url:
        yield url


@needs_postgresql
def test_two_workers_share_a_job_and_a_budget_and_one_that_is_killed_loses_nothing(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """tests/benchmarks/jobs.py measures how well they fill the budget."""
    rows, calls_per_second = 120, 40
    monkeypatch.setattr(rate_limits, "PER_SECOND", calls_per_second)
    monkeypatch.setattr(rate_limits, "PER_MINUTE", 60 * calls_per_second)
    table = tmp_path / "leads.csv"
    table.write_text("Email\n" + "".join(f"p{number}@firm{number}.example\n" for number in range(1, rows + 1)))
    with Sandbox("demo", running=True, budgets=True) as sandbox, contextlib.ExitStack() as stack:
        sandbox.world.verification_credits = credits = 2 * rows
        environment = clean_environment(
            INSTANTLY_API_KEY=sandbox.key,
            INSTANTLY_BASE_URL=sandbox.url,
            INSTANTLY_JOBS_DATABASE=database,
            INSTANTLY_FILES=str(tmp_path),
            XDG_DATA_HOME=str(tmp_path),
        )

        def run(*arguments: str) -> subprocess.Popen[str]:
            importlib.import_module("mcp_instantly.jobs.engine")
            process = processes.start_heard(*arguments, environment=environment)
            stack.enter_context(process)
            stack.enter_context(ended(process))
            return process

        logs = [tmp_path / f"worker{number}.log" for number in (1, 2)]
        asked = {"verify_emails": {"file": str(table)}}
        started = run("call", "start_job", json.dumps(asked))
        job_id = json.loads(_told(started))["job_id"]
        # As if there were five: each has 20 calls a second.
        share = ("--replicas", "5", "--log-level", "info")
        workers = [run("worker", *share, "--log-file", str(log)) for log in logs]
        processes.until(lambda: all(verified(log) for log in logs), 30)
        workers[0].kill()
        workers[0].wait()
        found = run("call", "get_job", json.dumps({"job_id": job_id, "wait_seconds": 50}))
        told = json.loads(_told(found))
        workers[1].terminate()
        posts = [one for one in sandbox.requests if (one["method"], one["path"], one["status"]) == VERIFIED]
        assert not [one for one in sandbox.requests if one["status"] == 429]
    assert told["state"] == "done" and told["rows"]["verified"] == rows == told["credits_used"]
    assert max(Counter(one["body"]["email"] for one in posts).values()) == 1 and len(posts) == rows
    assert credits - sandbox.world.verification_credits == rows


def verified(log: Path) -> int:
    """How many addresses a worker has verified so far."""
    return log.read_text().count("verify_email") if log.exists() else 0


def _told(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, (out, err)
    return out
