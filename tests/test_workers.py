"""Several workers at one port: together they are one server, and it outlives each of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from .conftest import answer_of, clean_environment, served
from .frames import call
from .held import SECONDS, held
from .many import HTTP, sandbox_of_many
from .processes import run, until
from .test_service import ACCEPT, KEY, beside, figures

MANY = (*HTTP, "--workers", "3")

pytestmark = pytest.mark.anyio


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The processes that a supervisor has under it."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


async def test_workers_answer_clients_of_both_generations_and_their_figures_add_up(tmp_path: Path) -> None:
    with (
        sandbox_of_many(tmp_path) as upstream,
        served(*HTTP, "--server", upstream, "--workers", "3", "--metrics", INSTANTLY_API_KEY="sandbox") as (
            process,
            url,
        ),
        anyio.fail_after(60),
    ):
        assert len(workers_of(process)) == 3
        for mode in ("auto", "legacy"):
            async with Client(url, mode=mode) as client:
                assert answer_of(await client.call_tool("get_workspace", {}))["name"] == "Agency"

        async def call_once(number: int) -> None:
            # A connection each, so that all workers have some.
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
                response = await http.post(url, json=call(number, "list_campaigns"), headers=ACCEPT)
                assert response.status_code == 200

        async with anyio.create_task_group() as tasks:
            for number in range(28):
                tasks.start_soon(call_once, number)
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(3):
                found = figures((await http.get(beside(url, "/metrics"))).text)
                assert found['mcp_instantly_tool_calls_total{outcome="ok",tool="list_campaigns"}'] == 28
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert "Traceback" not in err and all(json.loads(line) for line in err.splitlines())


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
async def test_a_signal_to_the_server_lets_the_calls_of_all_workers_end(number: signal.Signals, status: int) -> None:
    answers: list[int] = []
    with (
        anyio.fail_after(60),
        held() as upstream,
        served(*HTTP, "--server", upstream.url, "--workers", "2", INSTANTLY_API_KEY=KEY) as (process, url),
    ):

        async def post(name: str) -> None:
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
                response = await http.post(url, json=call(1, "create_lead_list", name=name), headers=ACCEPT)
                answers.append(response.status_code)

        async with anyio.create_task_group() as tasks:
            for name in "ABCD":
                tasks.start_soon(post, name)
            for _ in range(4):
                await anyio.to_thread.run_sync(upstream.wait)
            process.send_signal(number)
            for _ in range(2):
                while '"stopping"' not in process.stderr.readline():
                    pass
            upstream.release.set()
        _, err = process.communicate(timeout=SECONDS)
    assert answers == [200] * 4
    assert process.returncode == status and "Traceback" not in err


async def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(tmp_path: Path) -> None:
    with (
        sandbox_of_many(tmp_path) as upstream,
        served(*HTTP, "--server", upstream, "--workers", "2", INSTANTLY_API_KEY="sandbox") as (process, url),
        anyio.fail_after(60),
    ):
        first = workers_of(process)
        os.kill(first[0], signal.SIGKILL)
        assert "worker_ended" in process.stderr.readline()
        async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
            response = await http.post(url, json=call(1, "get_workspace"), headers=ACCEPT)
            assert response.status_code == 200
        until(lambda: len(set(workers_of(process)) - {first[0]}) == 2, SECONDS)


async def test_a_call_whose_worker_is_killed_is_not_sent_again_and_its_repeat_ends_in_time() -> None:
    verify = call(1, "verify_email", email="a@b.example")
    with (
        anyio.fail_after(60),
        held() as upstream,
        served(*HTTP, "--server", upstream.url, "--workers", "2", "--call-timeout", "2", INSTANTLY_API_KEY=KEY) as (
            process,
            url,
        ),
    ):
        first = workers_of(process)

        async def post() -> str:
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
                return (await http.post(url, json=verify, headers=ACCEPT)).text

        async def lose() -> None:
            with contextlib.suppress(httpx.TransportError):
                await post()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lose)
            await anyio.to_thread.run_sync(upstream.wait)
            for pid in first:
                os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(workers_of(process)) - set(first)) == 2, SECONDS)
        with anyio.fail_after(SECONDS):
            assert "Nothing was sent: the same call of verify_email" in await post()
        assert not upstream.come.acquire(blocking=False)


@pytest.mark.parametrize(("more", "minute"), [((), 3000), (("--replicas", "3"), 1000)], ids=["alone", "of three"])
def test_each_worker_keeps_to_its_part_of_the_budget_of_its_replica(
    tmp_path: Path, more: tuple[str, ...], minute: int
) -> None:
    with (
        sandbox_of_many(tmp_path) as upstream,
        served(*(*HTTP, "--workers", "2", "--metrics", *more), "--server", upstream, INSTANTLY_API_KEY="sandbox") as (
            _,
            url,
        ),
        httpx.Client(trust_env=False, timeout=SECONDS) as http,
    ):
        left = figures(http.get(beside(url, "/metrics")).text)
    assert left['mcp_instantly_budget_left{budget="workspace/60s"}'] == minute


def test_without_their_redis_the_workers_of_all_replicas_are_reckoned_with(tmp_path: Path) -> None:
    arguments = (*HTTP, "--workers", "2", "--redis", "redis://127.0.0.1:9/")
    with (
        sandbox_of_many(tmp_path) as upstream,
        served(*arguments, "--server", upstream, INSTANTLY_API_KEY="sandbox") as (process, url),
    ):
        with httpx.Client(trust_env=False, timeout=SECONDS) as http:
            assert http.post(url, json=call(1, "list_campaigns"), headers=ACCEPT).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=SECONDS)
    alone = [event for event in map(json.loads, err.splitlines()) if event["event"] == "budget_alone"]
    assert [event["replicas"] for event in alone] == [8]


def test_workers_end_with_a_supervisor_that_is_killed() -> None:
    with held() as upstream:
        upstream.release.set()
        with served(*HTTP, "--server", upstream.url, "--workers", "2", INSTANTLY_API_KEY=KEY) as (process, _):
            workers = workers_of(process)
            process.kill()
            process.wait()
            until(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers), SECONDS)


FAILING = """
import os, pathlib, signal, sys, time
from mcp_instantly.service.workers import Supervisor
starts = pathlib.Path(sys.argv[1])
def work(ready, life):
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\\n")
    number = len(starts.read_text().splitlines())
    if number > 2:
        return 3
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    ready()
    # The first one dies late enough for it to be no failure of its start.
    time.sleep(1.1 if number == 1 else 60)
    return 9
raise SystemExit(Supervisor(2, work).run(lambda: print("listening")))
"""


def test_once_workers_are_given_up_none_is_started_again_and_the_server_ends(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    command = [sys.executable, "-c", FAILING, str(starts)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, env=clean_environment())
    assert done.returncode == 1, done.stderr
    assert re.findall("listening|worker_ended|workers_given_up", done.stdout) == [
        *("listening", "worker_ended", "workers_given_up")
    ]
    assert len(starts.read_text().splitlines()) == 2 + 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--sandbox",), "mcp-instantly sandbox"),
        (("--server", "http://127.0.0.1:9/", "--policy", "/nowhere/policy.toml"), "policy.toml"),
    ],
)
def test_a_mistake_in_the_set_up_is_told_once(more: tuple[str, ...], said: str) -> None:
    environment = clean_environment(INSTANTLY_API_KEY=KEY)
    if "--sandbox" in more:
        environment = clean_environment()
    done = run(*HTTP, "--port", "0", "--workers", "3", *more, environment=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert said in done.stderr
