"""What a machine does to a sandbox's file: a full disk, damage, copies, and others who would like to read it."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_instantly import cli
from mcp_instantly.sandbox import open_sandbox
from mcp_instantly.sandbox.engine.gate import Gate
from mcp_instantly.sandbox.storage.snapshot import write_workspaces
from mcp_instantly.sandbox.storage.state_file import StateError
from mcp_instantly.transports.port import running_app

from .. import processes
from .kept import client, crash

pytestmark = pytest.mark.anyio

REAL_KEY = "YjM0ZTA5Y2ItZmFrZS1idXQtcmVhbC1sb29raW5n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@contextlib.contextmanager
def opened(file: Path, scenario: str = "fresh", **more: Any) -> Iterator[Gate]:
    app = open_sandbox(scenario, state=file, running=False, **more)
    try:
        yield app
    finally:
        app.close()


async def add_tags(app: Gate, *labels: str) -> None:
    async with client(app) as api:
        for label in labels:
            assert (await api.post("/custom-tags", json={"label": label})).status_code == 200


def labels(app: Gate) -> list[str]:
    return [tag["label"] for tag in app.workspaces.home.custom_tags]


# a full disk


def live(file: Path, *steps: str) -> tuple[list[dict[str, Any]], str]:
    """What a process did whose disk was full for a while, and what it said on stderr; see full_disk.py."""
    done = processes.run(str(file), *steps, environment=os.environ, main="tests.sandbox.full_disk:main")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files is limited by POSIX means")
@pytest.mark.parametrize(
    "steps",
    [
        ("write", "fill", "write"),
        ("write", "fill", "write", "read", "free", "write"),
        ("write", "fill", "write", "look", "free", "look"),
        ("write", "fill", "read", "write", "free", "write", "fill", "write", "close"),
        ("write", "fill", "write", "write", "free", "close"),
    ],
    ids=" ".join,
)
def test_nothing_confirmed_is_lost_by_a_full_disk_and_a_kill(file: Path, steps: tuple[str, ...]) -> None:
    told, said = live(file, *steps)
    made = [tag for step in told for tag in step.get("made", ())]
    problems = [problem for step in told for problem in step.get("problems", ())]
    assert made and problems
    assert said.startswith(f"The sandbox's file {file} cannot be written")
    with opened(file) as app:
        kept = [tag["id"] for tag in app.workspaces.home.custom_tags]
    unsure = sum("was carried out" in message for _, message in problems)
    assert set(made) <= set(kept)
    assert len(kept) <= len(made) + unsure
    assert unsure == steps.count("fill") or "read" in steps
    for code, message in problems:
        assert code == 503
        assert message.startswith("The sandbox's file cannot be written: ")
        assert message.endswith(("Make room, then send the request again.", "read the state before you repeat it."))


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files is limited by POSIX means")
def test_while_the_disk_is_full_reads_are_answered_and_writes_go_on_as_soon_as_there_is_room(file: Path) -> None:
    told, _ = live(file, "fill", "write", "read", "free", "write")
    assert told[2]["codes"] == [200, 200]
    assert (len(told[-1]["made"]), told[-1]["problems"]) == (40, [])


def start(file: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """The command of a sandbox that is kept in the file, to its end."""
    return processes.run("sandbox", "--port", "0", "--state", str(file), environment=os.environ, **more)


def serve_without_room() -> None:
    resource = importlib.import_module("resource")
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    cli.main()


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files is limited by POSIX means")
def test_a_disk_that_is_full_at_the_start_is_reported_in_a_sentence(file: Path) -> None:
    done = start(file, main=f"{__name__}:{serve_without_room.__name__}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mcp-instantly: {file} cannot be ")


async def test_a_look_that_fails_ends_neither_the_clockwork_nor_the_orderly_end(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = open_sandbox("fresh", state=file, running=False)
    app.pause = 0.001
    looks = []
    seen = anyio.Event()

    def fail() -> None:
        looks.append(1)
        if len(looks) == 20:
            seen.set()
        raise sqlite3.OperationalError("database or disk is full")

    app.run_due_work = fail  # type: ignore[method-assign]
    async with running_app(app):
        with anyio.fail_after(10):
            await seen.wait()
    assert app.journal is None
    assert [record.message for record in caplog.records] == [
        "The sandbox could not do what has become due; it will try again"
    ]
    with opened(file):
        pass


# damage


async def make(file: Path) -> bytes:
    """A file that was closed in order, and its bytes."""
    with opened(file) as app:
        await add_tags(app, "One", "Two")
    return file.read_bytes()


async def test_flipped_bytes_are_a_sentence_or_do_no_harm(file: Path) -> None:
    whole = await make(file)
    with opened(file) as app:
        before = write_workspaces(app.workspaces)
    chances = random.Random(7)
    refused = 0
    places = [*range(0, 100, 7), *(chances.randrange(len(whole)) for _ in range(80))]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << chances.randrange(8)
        file.write_bytes(damaged)
        file.with_name("state.db-wal").unlink(missing_ok=True)
        try:
            with opened(file) as app:
                assert write_workspaces(app.workspaces) == before, place
        except StateError as error:
            refused += 1
            assert str(file) in str(error)
    assert refused > 20


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE kept SET state = '{}'",
        "UPDATE kept SET state = replace(state, 'Two', 'Six')",
        "UPDATE kept SET state = NULL",
        "UPDATE kept SET state = NULL, seal = NULL; INSERT INTO journal (at) VALUES ('2026-09-07')",
        "UPDATE kept SET seed = 'x'",
        "UPDATE kept SET scenario = NULL",
        "DELETE FROM kept",
        "INSERT INTO kept SELECT * FROM kept",
        "DROP TABLE kept",
        "DROP TABLE journal",
        "INSERT INTO journal (at, request) VALUES ('x', 'y')",
    ],
)
async def test_a_file_that_was_changed_is_refused_in_a_sentence(file: Path, change: str) -> None:
    await make(file)
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        base.executescript(change)
    with pytest.raises(StateError) as refused:
        open_sandbox(state=file)
    assert str(refused.value).startswith(f"{file} is damaged: ")
    assert str(refused.value).endswith("; restore a copy of it, or name another file")


async def test_damage_ends_the_command_with_one_line_and_status_2(file: Path) -> None:
    await make(file)
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE kept SET state = '{}'")
    done = start(file)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"mcp-instantly: {file} is damaged: its snapshot is not what was written; restore ")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET body = replace(body, 'Two', 'Six') WHERE number = 2",
        "UPDATE journal SET at = '2026-09-08T13:00:00+00:00' WHERE number = 2",
        "UPDATE journal SET request = NULL WHERE number = 2",
        "DELETE FROM journal WHERE number = 2",
    ],
)
async def test_a_request_that_was_changed_is_refused(file: Path, change: str) -> None:
    with opened(file) as app:
        await add_tags(app, "One", "Two", "Three")
        left = crash(file)
    with contextlib.closing(sqlite3.connect(left)) as base, base:
        base.executescript(change)
    with pytest.raises(StateError, match=r"is damaged: request [23] is not what was written"):
        open_sandbox(state=left)


async def test_the_file_by_itself_holds_a_world(file: Path, tmp_path: Path) -> None:
    """Without the log beside it, it is that of the last snapshot, and never a new one."""
    with opened(file, "agency") as app:
        await add_tags(app, "Later")
        alone = tmp_path / "alone.db"
        shutil.copy(file, alone)
        names = [world.workspace["name"] for world in app.workspaces.worlds]
    with opened(alone, "fresh") as app:
        assert [world.workspace["name"] for world in app.workspaces.worlds] == names


# others


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
async def test_the_file_and_those_beside_it_are_for_their_owner_alone(file: Path) -> None:
    before = os.umask(0)
    try:
        with opened(file) as app:
            await add_tags(app, "Mine")
            beside = list(file.parent.iterdir())
            assert {path.name for path in beside} >= {"state.db", "state.db-wal"}
            assert {stat.S_IMODE(path.stat().st_mode) for path in beside} == {0o600}
    finally:
        os.umask(before)
    file.chmod(0o644)
    with opened(file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "header",
    [
        {"authorization": f"Bearer {REAL_KEY}"},
        {"authorization": f"bearer {REAL_KEY}"},
        {"authorization": REAL_KEY},
        {"authorization": f"{REAL_KEY} sandbox"},
        {"authorization": f"Bearer  {REAL_KEY}"},
        {"x-api-key": REAL_KEY},
        {"cookie": f"session={REAL_KEY}"},
    ],
    ids=str,
)
async def test_a_real_key_that_is_sent_by_mistake_is_not_kept(file: Path, header: dict[str, str]) -> None:
    with opened(file) as app:
        async with client(app) as api:
            code = (await api.post("/custom-tags", json={"label": "Mistaken"}, headers=header)).status_code
            assert code == (401 if "authorization" in header else 200)
            own = (await api.post("/api-keys", json={"name": "Own", "scopes": ["all:all"]})).json()["key"]
            using = {"authorization": f"Bearer {own}"}
            await api.post("/custom-tags", json={"label": "By a key of the sandbox"}, headers=using)
        assert not any(REAL_KEY.encode() in path.read_bytes() for path in file.parent.iterdir())
        left, before = crash(file), write_workspaces(app.workspaces)
    with opened(left) as app:
        assert write_workspaces(app.workspaces) == before


async def test_a_body_that_is_too_long_is_refused_and_not_kept(file: Path) -> None:
    with opened(file) as app:
        async with client(app) as api:
            for url in ("/custom-tags", "http://sandbox/_sandbox/clock", "/nothing"):
                answer = await api.post(url, content=b'"' + b"x" * 10_000_000 + b'"')
                assert answer.status_code == (404 if url == "/nothing" else 413)
            assert [(call["body"], call["size"]) for call in app.workspaces.requests] == [(None, 10_000_002)] * 2
        assert sum(path.stat().st_size for path in file.parent.iterdir()) < 1_000_000
        left, before = crash(file), write_workspaces(app.workspaces)
    with opened(left) as app:
        assert write_workspaces(app.workspaces) == before


async def test_a_process_waits_a_while_for_the_one_before_it(file: Path) -> None:
    first = open_sandbox("fresh", state=file, running=False)
    await add_tags(first, "Before")
    ending = threading.Timer(0.3, first.close)
    ending.start()
    second = await asyncio.to_thread(open_sandbox, "fresh", state=file, running=False, patience=30)
    ending.join()
    assert labels(second) == ["Before"]
    second.close()


def open_and_close() -> None:
    open_sandbox("fresh", state=Path(sys.argv[1]), patience=50).close()


def test_processes_that_begin_with_a_new_file_at_once_take_turns(file: Path) -> None:
    opening = {"environment": os.environ, "main": f"{__name__}:{open_and_close.__name__}"}
    started = [processes.start(str(file), **opening) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
