"""A worker that was paused for so long that its work may be another's sends and writes down nothing more of it."""

from __future__ import annotations

import contextlib
import importlib
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mcp_instantly.jobs import lease
from mcp_instantly.jobs.lease import Lease, Lost
from mcp_instantly.jobs.store import Store
from mcp_instantly.sandbox.testing import Sandbox

from . import processes
from .conftest import clean_environment
from .processes import ended

LEASE_SECONDS = 3.0
PATIENCE_SECONDS = 40
ROWS = 10
VERIFIED = ("POST", "/api/v2/email-verification", 200)


Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("demo") as found:
        yield found


@pytest.fixture
def run(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`mcp-instantly ARGUMENTS`, with the jobs of this test and a short lease."""
    environment = clean_environment(
        INSTANTLY_API_KEY=sandbox.key,
        INSTANTLY_BASE_URL=sandbox.url,
        INSTANTLY_JOBS_DATABASE=database(tmp_path),
        XDG_DATA_HOME=str(tmp_path),
    )
    if not processes.can_fork(environment):
        pytest.skip("a process takes the shorter lease over only where it can be forked")
    monkeypatch.setattr(lease, "LEASE_SECONDS", LEASE_SECONDS)
    importlib.import_module("mcp_instantly.jobs.engine")
    with contextlib.ExitStack() as stack:

        def started(*arguments: str) -> subprocess.Popen[str]:
            process = processes.start_heard(*arguments, environment=environment)
            stack.enter_context(process)
            stack.enter_context(ended(process))
            return process

        yield started


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'jobs.sqlite'}"


@contextlib.contextmanager
def look(folder: Path) -> Iterator[Store]:
    """What the database says; it is closed before another process is forked."""
    with contextlib.closing(Store(database(folder))) as store:
        yield store


def until(holds: Callable[[], bool]) -> None:
    processes.until(holds, PATIENCE_SECONDS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
@pytest.mark.parametrize("taken_over", [True, False], ids=["by another", "by nobody"])
def test_a_worker_that_was_paused_with_calls_in_line_does_not_make_them_afterwards(
    sandbox: Sandbox, run: Run, tmp_path: Path, taken_over: bool
) -> None:
    sandbox.world.verification_credits = 2 * ROWS
    log = tmp_path / "paused.log"
    addresses = [f"p{number}@firm{number}.example" for number in range(ROWS)]
    out, _ = run("call", "start_job", json.dumps({"verify_emails": {"addresses": addresses}})).communicate()
    job_id = json.loads(out)["job_id"]
    # A small share of the budget: two calls in a second, so that the others of the first five rows are in line.
    worker = run("worker", "--replicas", "50", "--log-level", "info", "--log-file", str(log))
    with look(tmp_path) as store:
        until(lambda: store.counts(job_id).get("verified", 0) >= 2)
        worker.send_signal(signal.SIGSTOP)
        job = store.find(job_id)
        until(lambda: taken_over or not store.is_alive(str(job.runner), job.beat))
    if taken_over:
        run("worker")
        with look(tmp_path) as store:
            until(lambda: store.find(job_id).state == "done")
    worker.send_signal(signal.SIGCONT)
    until(lambda: "NoLongerHeld" in log.read_text())
    with look(tmp_path) as store:
        until(lambda: store.find(job_id).state == "done")
        counts, credits = store.counts(job_id), store.credits(job_id)
    posts = [one for one in sandbox.requests if (one["method"], one["path"], one["status"]) == VERIFIED]
    assert Counter(one["body"]["email"] for one in posts) == dict.fromkeys(addresses, 1)
    assert counts == {"verified": ROWS} and credits == ROWS == 2 * ROWS - sandbox.world.verification_credits


def test_what_was_begun_before_a_pause_is_lost_however_soon_the_next_sign_of_life_comes() -> None:
    now = [100.0]
    held = Lease(lambda: now[0], seconds=20)
    before = held.term
    now[0] = 110.0
    assert held.holds(before)
    held.renew(109.0)
    now[0] = 123.0
    assert held.holds(before)
    now[0] = 125.0
    assert not held.holds(before)
    held.renew(125.0)
    assert not held.holds(before) and held.holds(held.term)


def test_rows_that_somebody_else_has_taken_over_are_written_down_by_nobody_else(tmp_path: Path) -> None:
    now = [1000.0]
    store = Store(database(tmp_path), now=lambda: now[0])
    assert store.claims.take("job-1", "elsewhere/1/a", lambda _: 10, 30) == (1, 10)
    store.put("job-1", [{"number": 1, "state": "sent"}], "elsewhere/1/a", 1)
    now[0] += lease.LEASE_SECONDS + 1
    assert store.claims.take("job-1", "elsewhere/2/b", lambda _: 10, 30) == (1, 10)
    store.put("job-1", [{"number": 1, "state": "verified"}], "elsewhere/2/b", 1)
    with pytest.raises(Lost):
        store.put("job-1", [{"number": 1, "state": "collected"}], "elsewhere/1/a", 1)
    assert store.counts("job-1") == {"verified": 1}
    store.claims.finish("job-1", "elsewhere/1/a", 1)
    assert store.claims.any_left("job-1")
    store.close()
