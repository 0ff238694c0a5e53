"""What deploy/ starts in containers, started from this machine's binaries instead: nginx, Redis and three replicas."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
from pathlib import Path

import anyio
import httpx
import pytest

from mcp_instantly.transports.port import _uvicorn

from .conftest import ROOT, clean_environment
from .deployment import BEARER, DEPLOY, Load, compose, deployed, lists_in, wait_for
from .frames import call
from .held import SECONDS
from .many import sandbox_of_many
from .processes import ended, start
from .services import free_port

pytestmark = pytest.mark.anyio


async def verify(port: int) -> str:
    """What one replica answers to a call that spends."""
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        frame = call(1, "verify_email", email="ann@customer.example")
        return (await http.post(f"http://127.0.0.1:{port}/mcp", json=frame, headers=BEARER)).text


async def test_replicas_and_redis_are_killed_under_load_and_no_answered_call_is_lost_or_made_twice(
    tmp_path: Path,
) -> None:
    with contextlib.ExitStack() as stack, anyio.fail_after(110):
        api = stack.enter_context(sandbox_of_many(tmp_path))
        running = stack.enter_context(deployed(tmp_path, api))
        notes = [await verify(port) for port in running.ports]
        assert "Not sent again" not in notes[0] and all("Not sent again" in note for note in notes[1:])
        load = Load(running.url)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.run_until, 160)

            async def so_many(count: int) -> None:
                while len(load.answered) < count:
                    await anyio.sleep(0.005)

            await so_many(40)
            running.replicas[0].kill()
            await so_many(80)
            running.redis.kill()
            await so_many(120)
            running.replicas[1].send_signal(signal.SIGTERM)
        assert running.replicas[1].wait(SECONDS) == 0
        async with httpx.AsyncClient(trust_env=False) as http:
            metrics = await http.get(f"http://127.0.0.1:{running.port}/metrics", headers=BEARER)
            ready = await http.get(f"http://127.0.0.1:{running.port}/readyz")
        names = await lists_in(api)
    assert (metrics.status_code, ready.status_code) == (404, 200)
    assert len(names) == len(set(names)), "a call was made twice"
    assert set(load.answered) <= set(names), "an answered call was lost"
    # Besides the calls that were inside the replica that died, only those that came while one was stopping failed.
    assert len(load.others) <= 60, load.others


async def test_a_container_is_healthy_by_the_command_of_its_file(tmp_path: Path) -> None:
    text = (DEPLOY / "Containerfile").read_text()
    health = json.loads(text.partition("HEALTHCHECK")[2].partition("CMD ")[2].splitlines()[0])
    command = json.loads(re.findall(r"^CMD (.*)$", text, re.MULTILINE)[0])
    port = free_port()
    health[-1] = health[-1].replace(":8000", f":{port}")
    assert subprocess.run(health, capture_output=True, timeout=SECONDS).returncode != 0
    process = start(
        *command, "--port", str(port), environment=clean_environment(), stderr=subprocess.DEVNULL, text=True
    )
    with ended(process):
        wait_for(port, process)
        assert subprocess.run(health, capture_output=True, timeout=SECONDS).returncode == 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_a_replica_keeps_idle_connections_longer_than_nginx_does() -> None:
    [kept_seconds] = re.findall(r"keepalive_timeout (\d+)s;", (DEPLOY / "nginx.conf").read_text())
    assert _uvicorn(None).config.timeout_keep_alive > int(kept_seconds)


def test_the_parts_name_each_other(tmp_path: Path) -> None:
    services = compose()["services"]
    named = set(re.findall(r"(replica-\d):8000", (DEPLOY / "nginx.conf").read_text()))
    assert named == {name for name in services if name.startswith("replica")} == set(services["nginx"]["depends_on"])
    assert all((ROOT / "deploy" / services[name]["build"]["context"] / "pyproject.toml").exists() for name in named)
