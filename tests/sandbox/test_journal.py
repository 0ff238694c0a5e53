"""A sandbox that is kept in a file: across restarts, and after every crash."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from mcp_instantly.api.request import build_request
from mcp_instantly.sandbox import Clock, open_sandbox
from mcp_instantly.sandbox.engine.gate import Gate
from mcp_instantly.sandbox.state.table import Table
from mcp_instantly.sandbox.storage.journal import Journal
from mcp_instantly.sandbox.storage.snapshot import write_workspaces
from mcp_instantly.sandbox.storage.state_file import StateError
from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.transports.port import running_app

from .kept import HEADERS, client, crash

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent.parent


@contextmanager
def opened(file: Path, scenario: str = "demo", **more: Any) -> Iterator[Gate]:
    app = open_sandbox(scenario, state=file, running=False, **more)
    try:
        yield app
    finally:
        app.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def test_a_file_of_another_version_is_left_as_it_is(file: Path) -> None:
    with opened(file):
        pass
    with contextlib.closing(sqlite3.connect(file)) as base, base:
        base.execute("UPDATE kept SET format = 1")
    before = file.read_bytes()
    with pytest.raises(StateError, match="another version of the sandbox"):
        open_sandbox("demo", state=file)
    assert file.read_bytes() == before


async def test_what_was_changed_is_there_after_a_restart(file: Path) -> None:
    with opened(file) as app:
        async with client(app) as api:
            made = (await api.post("/custom-tags", json={"label": "Kept"})).json()
            await api.post("http://sandbox/_sandbox/clock", json={"advance": 86400})
        before = write_workspaces(app.workspaces)
    with opened(file) as app:
        assert write_workspaces(app.workspaces) == before
        async with client(app) as api:
            assert (await api.get(f"/custom-tags/{made['id']}")).json() == made
            assert (await api.post("/custom-tags", json={"label": "Next day"})).json()["timestamp_created"] == (
                "2026-09-08T13:00:00.000Z"
            )


async def test_what_was_answered_is_there_after_a_crash(file: Path) -> None:
    with opened(file) as app:
        async with client(app) as api:
            made = [(await api.post("/custom-tags", json={"label": f"Tag {n}"})).json() for n in range(5)]
            await api.post("http://sandbox/_sandbox/clock", json={"advance": 3 * 86400})
            await api.delete(f"/custom-tags/{made[0]['id']}")
            await api.post("/custom-tags", json={"label": ""})
            await api.get("/nothing")
        left, before = crash(file), write_workspaces(app.workspaces)
    with opened(left) as app:
        assert write_workspaces(app.workspaces) == before


@pytest.mark.parametrize(
    "variables", [{"~": "hello"}, {"~": "instant", "at": "x"}, {"~": "table"}, {"~": None}, {"deep": "~"}]
)
async def test_nothing_that_is_stored_is_taken_for_a_mark_of_the_file(file: Path, variables: dict[str, Any]) -> None:
    with opened(file) as app:
        async with client(app) as api:
            campaign = (await api.get("/campaigns")).json()["items"][0]["id"]
            lead = {"campaign": campaign, "email": "odd@names.example", "custom_variables": variables}
            made = (await api.post("/leads", json=lead)).json()
            await api.post("http://sandbox/_sandbox/faults", json={"error": variables, "operation": "GET /campaigns"})
        left, before = crash(file), write_workspaces(app.workspaces)
    for kept in (file, left):
        with opened(kept) as app:
            assert write_workspaces(app.workspaces) == before
            async with client(app) as api:
                assert (await api.get(f"/leads/{made['id']}")).json() == made
                assert (await api.get("/campaigns")).json() == variables


async def test_the_world_goes_on_as_if_it_had_never_ended(file: Path, tmp_path: Path) -> None:
    """Ids and chances of what happens later are the same, whether there was a restart or a crash in between or not."""

    async def run_clock(app: Gate) -> str:
        async with client(app) as api:
            await api.post("/custom-tags", json={"label": "Afterwards"})
            await api.post("http://sandbox/_sandbox/clock", json={"advance": 2 * 86400})
            await api.get("/campaigns")
        return write_workspaces(app.workspaces)

    with opened(file) as app:
        async with client(app) as api:
            await api.post("/custom-tags", json={"label": "Before"})
        left = crash(file)
        expected = await run_clock(app)
    with opened(left) as app:
        restarted = tmp_path / "restarted.db"
        assert await run_clock(app) == expected
    with opened(restarted) as app:
        async with client(app) as api:
            await api.post("/custom-tags", json={"label": "Before"})
    with opened(restarted) as app:
        assert await run_clock(app) == expected


async def test_every_operation_comes_back_from_a_crash_and_from_a_restart(file: Path, catalog: Catalog) -> None:
    """All examples of all tools: nothing that they leave in the world is lost on the way through the file."""
    with opened(file) as app:
        async with client(app) as api:
            for operation in catalog.operations.values():
                for example in operation.examples:
                    wanted = build_request(operation, example)
                    body = {} if wanted.body is None else {"json": wanted.body}
                    await api.request(wanted.method, f"http://sandbox{wanted.path}", params=wanted.query, **body)
            assert sum(request["status"] < 300 for request in app.workspaces.requests) > 200
            await api.post("http://sandbox/_sandbox/clock", json={"advance": 86400})
        left, before = crash(file), write_workspaces(app.workspaces)
    # Another process, in which sets and dictionaries of strings are hashed differently.
    code = f"""
import pathlib, sys
from mcp_instantly.sandbox import open_sandbox
from mcp_instantly.sandbox.storage.snapshot import write_workspaces
sys.stdout.write(write_workspaces(open_sandbox(state=pathlib.Path({str(left)!r}), running=False).workspaces))
"""
    environment = {**os.environ, "PYTHONHASHSEED": "5", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == before
    with opened(file) as app:
        assert write_workspaces(app.workspaces) == before


async def test_faults_and_their_happenings_are_kept(file: Path) -> None:
    with opened(file) as app:
        async with client(app) as api:
            await api.post("http://sandbox/_sandbox/faults", json={"status": 503, "every": 2})
            codes = [(await api.get("/campaigns")).status_code for _ in range(3)]
            with pytest.raises(httpx.ReadError):
                await api.post("/custom-tags", json={"label": "x"}, headers={"x-sandbox-fault": "reset; when=after"})
        left = crash(file)
    with opened(left) as app:
        async with client(app) as api:
            told = (await api.get("http://sandbox/_sandbox/faults")).json()
            assert codes == [200, 503, 200]
            assert [(one["kind"], one["done"]) for one in told["happened"]] == [("status", False), ("reset", True)]
            assert (await api.get("/campaigns")).status_code == 503


async def test_budgets_are_as_spent_after_a_crash_as_before(file: Path) -> None:
    with opened(file, budgets=True) as app:
        async with client(app) as api:
            codes = [(await api.get("/emails")).status_code for _ in range(22)]
        left = crash(file)
    assert codes == [200] * 20 + [429] * 2
    with opened(left, budgets=True) as app:
        async with client(app) as api:
            assert (await api.get("/emails")).status_code == 429
            await api.post("http://sandbox/_sandbox/clock", json={"advance": 60})
            assert (await api.get("/emails")).status_code == 200


async def test_several_workspaces_are_kept(file: Path) -> None:
    with opened(file, "agency") as app:
        others = list(app.workspaces.others)
        async with client(app) as api:
            for workspace in others:
                acting = {"x-as-workspace": workspace}
                await api.post("/custom-tags", json={"label": f"Of {workspace}"}, headers=acting)
        left, before = crash(file), write_workspaces(app.workspaces)
    # The scenario comes from the file, not from what is asked for now.
    with opened(left, "fresh") as app:
        assert list(app.workspaces.others) == others
        assert write_workspaces(app.workspaces) == before


async def test_reset_leads_back_to_the_scenario_of_the_file(file: Path) -> None:
    with opened(file, "agency") as app:
        name = app.workspaces.home.workspace["name"]
    with opened(file, "fresh") as app:
        async with client(app) as api:
            await api.post("http://sandbox/_sandbox/reset")
            assert (await api.get("/workspaces/current")).json()["name"] == name


async def test_the_clock_is_frozen_while_the_file_is_closed(file: Path) -> None:
    app = open_sandbox(state=file, running=True)
    async with client(app) as api:
        await api.post("http://sandbox/_sandbox/clock", json={"to": "2026-10-01"})
    app.close()
    app = open_sandbox(state=file, running=True)
    assert app.workspaces.clock.running
    assert app.workspaces.home.stamp().startswith("2026-10-01T00:00:")
    app.close()


async def test_what_happened_without_a_request_comes_back_as_well(file: Path) -> None:
    seconds = itertools.count(step=300)
    app = Journal(file).open("demo", 1, Clock(running=True, monotonic=lambda: next(seconds)))
    before = len(app.workspaces.home.emails)
    for _ in range(50):
        app.run_due_work()
    left, sent = crash(file), list(app.workspaces.home.emails)
    app.close()
    assert len(sent) > before + 5
    with opened(left) as app:
        assert list(app.workspaces.home.emails) == sent


async def test_what_clients_did_side_by_side_comes_back(file: Path, catalog: Catalog, listening: Any) -> None:
    """Calls of all tools at once, faults and webhooks among them, with a clock that runs: a crash changes nothing."""
    seconds = itertools.count(step=5)
    app = Journal(file).open("demo", 1, Clock(running=True, monotonic=lambda: next(seconds)))
    app.pause = 0.05
    calls = [build_request(operation, case) for operation in catalog.operations.values() for case in operation.examples]
    faults = ("status=503; when=after", "reset=true", "truncated=true", "latency=60")

    async def call_some(api: httpx.AsyncClient, choice: random.Random) -> None:
        for call in choice.sample(calls, 40):
            headers = {"x-sandbox-fault": choice.choice(faults)} if choice.random() < 0.1 else {}
            body = {} if call.body is None else {"json": call.body}
            with contextlib.suppress(httpx.ReadError):
                answer = await api.request(call.method, call.path, params=list(call.query), headers=headers, **body)
                assert headers or answer.status_code < 500

    with listening(200) as (url, received_answers):
        async with running_app(app) as base, httpx.AsyncClient(base_url=base, headers=HEADERS) as api:
            await api.post("/api/v2/webhooks", json={"target_hook_url": url, "event_type": "all_events"})
            async with anyio.create_task_group() as clients:
                for number in range(5):
                    clients.start_soon(call_some, api, random.Random(number))
            with app.workspaces.lock:
                left, before = crash(file), kept(app)
            await anyio.to_thread.run_sync(app.workspaces.courier.wait, 10)
    assert received_answers
    with opened(left) as app:
        assert kept(app) == before


def kept(app: Gate) -> str:
    """All records of the admin workspace."""
    tables = {name: list(table) for name, table in vars(app.workspaces.home).items() if isinstance(table, Table)}
    return json.dumps(tables)


async def test_a_delivery_that_got_a_response_is_not_repeated_after_a_crash(file: Path, listening: Any) -> None:
    with listening(200) as (url, posts):
        with opened(file) as app:
            async with client(app) as api:
                made = (await api.post("/webhooks", json={"target_hook_url": url})).json()
                await api.post(f"/webhooks/{made['id']}/test")
                app.workspaces.courier.wait(10)
                told = (await api.get("/webhook-events")).json()["items"][0]
            left, before = crash(file), write_workspaces(app.workspaces)
        assert (told["success"], len(posts)) == (True, 1)
        with opened(left) as app:
            app.workspaces.courier.wait(10)
            assert write_workspaces(app.workspaces) == before
            async with client(app) as api:
                assert (await api.get(f"/webhook-events/{told['id']}")).json() == told
    assert len(posts) == 1


async def test_a_result_whose_arrival_is_not_known_is_sent_again_after_a_crash(file: Path, listening: Any) -> None:
    with listening(200) as (url, posts):
        with opened(file) as app:
            async with client(app) as api:
                asked = {"email": "pending.grace@portico.example", "webhook_url": url}
                await api.post("/email-verification", json=asked)
                await api.post("http://sandbox/_sandbox/clock", json={"advance": 13})
                app.workspaces.courier.wait(10)
            left = crash(file)
        with opened(left) as app:
            app.workspaces.courier.wait(10)
            async with client(app) as api:
                (told,) = (await api.get("/webhook-events", params={"search": url})).json()["items"]
    assert [post["verification_status"] for post in posts] == ["verified", "verified"]
    assert told["success"] is True


async def test_two_sandboxes_cannot_share_a_file(file: Path) -> None:
    with opened(file), pytest.raises(StateError, match="is in use by another sandbox"):
        open_sandbox(state=file)


async def test_other_files_are_refused_and_left_alone(file: Path) -> None:
    file.write_text("my novel, chapter one" * 100)
    with pytest.raises(StateError, match="is not a sandbox state file"):
        open_sandbox(state=file)
    assert file.read_text().startswith("my novel")
    file.unlink()
    with sqlite3.connect(file) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    other.close()
    with pytest.raises(StateError, match="not one of a sandbox"):
        open_sandbox(state=file)


async def test_a_journal_that_does_not_come_back_as_it_was_is_refused(file: Path) -> None:
    with opened(file) as app:
        async with client(app) as api:
            await api.post("/custom-tags", json={"label": "Kept"})
        left = crash(file)
    base = sqlite3.connect(left)
    base.execute("UPDATE journal SET status = 402")
    base.commit()
    base.close()
    with pytest.raises(StateError, match="request 1 is answered differently now"):
        open_sandbox(state=left)


def test_being_killed_under_load_loses_nothing_that_was_answered() -> None:
    """Ten kills, by a script that can also be run by hand with more."""
    done = subprocess.run(
        [sys.executable, "tests/benchmarks/kills.py", "10"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "none lost, none doubled, no call half done" in done.stdout
