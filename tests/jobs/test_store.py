"""The database of jobs, where several processes open it at the same moment."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mcp_instantly.errors import ConfigError
from mcp_instantly.jobs.job import WAITING, Job
from mcp_instantly.jobs.lease import LEASE_SECONDS, Lease, Lost
from mcp_instantly.jobs.store import Store
from mcp_instantly.jobs.tables import JSON_COLUMNS

AT_ONCE = 8

WAITS = Job(
    **dict.fromkeys(("id", "owner", "place", "kind", "key", "confirmed"), "x"),
    **{name: {} for name in JSON_COLUMNS},
    **{"state": WAITING, "why": None, "attempt": 1, "cancel": False, "runner": None, "beat": 0.0},
    **{"created": 0.0, "ended": None},
)


def test_a_new_database_can_be_opened_by_many_at_once(tmp_path: Path) -> None:
    ready = threading.Barrier(AT_ONCE)

    def opened(number: int) -> str:
        ready.wait()
        with contextlib.closing(Store(url)) as store:
            return store.owner("place", "key")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for attempt in range(3):
            url = f"sqlite:///{tmp_path / f'jobs{attempt}.sqlite'}"
            assert len(set(pool.map(opened, range(AT_ONCE)))) == 1


def test_the_switch_to_a_log_waits_for_whoever_has_the_database(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("create table held (id integer)")
        other.execute("begin immediate")
        threading.Timer(1.0, lambda: other.execute("commit")).start()
        with contextlib.closing(Store(f"sqlite:///{file}")), contextlib.closing(sqlite3.connect(file)) as looking:
            assert looking.execute("pragma journal_mode").fetchone() == ("wal",)


@pytest.mark.skipif(sys.platform == "win32", reason="where files have modes")
@pytest.mark.parametrize("asked", ["", "?timeout=5"])
def test_a_database_is_its_owners_alone_whoever_made_the_file(tmp_path: Path, asked: str) -> None:
    for name in ("new.db", "old.db"):
        file = tmp_path / name
        if name == "old.db":
            file.touch()
            file.chmod(0o644)
        with contextlib.closing(Store(f"sqlite:///{file}{asked}")):
            assert [stat.S_IMODE(one.stat().st_mode) for one in tmp_path.glob(f"{name}*")] == [0o600] * 3
    assert sorted(one.name for one in tmp_path.iterdir()) == ["new.db", "old.db"]


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:", "sqlite:///file:x.db?uri=true", "mysql://h/x"])
def test_what_names_no_database_that_processes_share_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="--jobs-database must"):
        Store(url)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="where all of these clocks have names")
@pytest.mark.parametrize(("system", "clock"), [("linux", "CLOCK_BOOTTIME"), ("darwin", "CLOCK_MONOTONIC")])
def test_a_lease_goes_by_a_clock_that_goes_on_while_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch, system: str, clock: str
) -> None:
    now = {getattr(time, clock): 100.0}
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(time, "clock_gettime", now.__getitem__)
    lease = Lease(seconds=20)
    assert lease.holds(0)
    now[getattr(time, clock)] += 3600
    assert not lease.holds(0)


def test_a_job_that_was_left_is_worked_on_by_whichever_process_it_comes_to(tmp_path: Path) -> None:
    now = [1000.0]
    with contextlib.closing(Store(f"sqlite:///{tmp_path / 'jobs.sqlite'}", now=lambda: now[0])) as store:
        job = store.add(WAITS)
        assert store.take(job, "elsewhere/1/a")
        assert not store.take_over(store.find(job.id), "elsewhere/2/b")
        now[0] += LEASE_SECONDS + 1
        left = store.find(job.id)
        assert store.take_over(left, "elsewhere/2/b") and not store.take_over(left, "elsewhere/3/c")
        # The process that saw to it lives, and works on something else.
        assert store.take(store.find(job.id), "elsewhere/3/c")
        assert not store.take(store.find(job.id), "elsewhere/2/b")
        with pytest.raises(Lost):
            store.change_own(job.id, "elsewhere/1/a", {"position": {}})
        store.hand_back(store.find(job.id))
        assert store.find(job.id).runner == "elsewhere/3/c"
