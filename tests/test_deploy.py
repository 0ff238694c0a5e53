"""What deploy/ starts in containers, started from this machine's binaries instead: nginx, Redis and three replicas."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
import yaml

from .conftest import ROOT, clean_environment
from .frames import call
from .held import SECONDS
from .many import TOKEN, sandbox_of_many
from .processes import ended, start

pytestmark = pytest.mark.anyio

DEPLOY = ROOT / "deploy"
BEARER = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}


def binary(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        said = f"{name} is not installed (Debian: nginx, redis-server)"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    assert found is not None
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None and time.monotonic() < deadline, "it did not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)


@contextlib.contextmanager
def started(port: int, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(process, 120):
        wait_for(port, process)
        yield process


def compose() -> dict[str, Any]:
    """The file, with the variables of its environment replaced."""
    text = re.sub(r"\$\{INSTANTLY_STATE_KEY:\?[^}]*\}", "0123456789abcdef" * 4, (DEPLOY / "compose.yaml").read_text())
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{PUBLIC_HOST:-([^}]*)\}", r"\1", text))
    return loaded


@contextlib.contextmanager
def replica(service: dict[str, Any], folder: Path, port: int, api: str, redis: int) -> Iterator[subprocess.Popen[str]]:
    """A replica by the command and environment of its service; files of secrets and addresses are those of here."""
    values = {
        name: value.replace("/run/secrets", str(folder)).replace("redis:6379", f"127.0.0.1:{redis}")
        for name, value in service["environment"].items()
    }
    with (folder / f"log-{port}").open("w") as log:
        process = start(
            *service["command"],
            "--port",
            str(port),
            environment=clean_environment(**values, INSTANTLY_BASE_URL=api),
            stdout=subprocess.DEVNULL,
            stderr=log,
            text=True,
        )
    with ended(process, 120):
        wait_for(port, process)
        yield process


def nginx_settings(folder: Path, port: int, replicas: list[int]) -> Path:
    text = (DEPLOY / "nginx.conf").read_text().replace("listen 8080", f"listen 127.0.0.1:{port}")
    for number, replica_port in enumerate(replicas, 1):
        text = text.replace(f"replica-{number}:8000", f"127.0.0.1:{replica_port}")
    file = folder / "nginx.conf"
    file.write_text(text.replace("/tmp/", f"{folder}/"))
    return file


class Load:
    """Callers that make lists of leads with a name of their own each, and never make a call a second time."""

    def __init__(self, url: str):
        self._url = url
        self.asked: list[str] = []
        self.answered: list[str] = []
        self.others: list[int] = []

    async def call(self, http: httpx.AsyncClient) -> None:
        name = f"List {len(self.asked)}"
        self.asked.append(name)
        try:
            response = await http.post(self._url, json=call(1, "create_lead_list", name=name), headers=BEARER)
        except httpx.HTTPError:
            self.others.append(0)
            return
        if response.status_code == 200 and '"isError":false' in response.text.replace(" ", ""):
            self.answered.append(name)
        else:
            self.others.append(response.status_code)

    async def run_until(self, answered: int) -> None:
        async def caller() -> None:
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
                while len(self.answered) < answered:
                    await self.call(http)

        async with anyio.create_task_group() as tasks:
            for _ in range(6):
                tasks.start_soon(caller)


async def verify(port: int) -> str:
    """What one replica answers to a call that spends."""
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        frame = call(1, "verify_email", email="ann@customer.example")
        return (await http.post(f"http://127.0.0.1:{port}/mcp", json=frame, headers=BEARER)).text


async def test_replicas_and_redis_are_killed_under_load_and_no_answered_call_is_lost_or_made_twice(
    tmp_path: Path,
) -> None:
    nginx, redis_server = binary("nginx"), binary("redis-server")
    (tmp_path / "instantly_key").write_text("sandbox\n")
    (tmp_path / "tokens").write_text(f"alice={TOKEN}\n")
    front, redis_port, *ports = [free_port() for _ in range(5)]
    services = compose()["services"]
    settings = nginx_settings(tmp_path, front, ports)
    redis_command = [redis_server, *services["redis"]["command"][1:], "--port", str(redis_port), "--dir", str(tmp_path)]
    in_front = f"daemon off; master_process off; error_log stderr; pid {tmp_path}/pid;"
    with contextlib.ExitStack() as stack, anyio.fail_after(110):
        api = stack.enter_context(sandbox_of_many(tmp_path))
        redis = stack.enter_context(started(redis_port, redis_command))
        replicas = [
            stack.enter_context(replica(services[f"replica-{number}"], tmp_path, port, api, redis_port))
            for number, port in enumerate(ports, 1)
        ]
        stack.enter_context(started(front, [nginx, "-c", str(settings), "-g", in_front]))
        notes = [await verify(port) for port in ports]
        assert "Not sent again" not in notes[0] and all("Not sent again" in note for note in notes[1:])
        load = Load(f"http://127.0.0.1:{front}/mcp")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(load.run_until, 160)

            async def so_many(count: int) -> None:
                while len(load.answered) < count:
                    await anyio.sleep(0.005)

            await so_many(40)
            replicas[0].kill()
            await so_many(80)
            redis.kill()
            await so_many(120)
            replicas[1].send_signal(signal.SIGTERM)
        assert replicas[1].wait(SECONDS) == 0
        async with httpx.AsyncClient(trust_env=False) as http:
            metrics = await http.get(f"http://127.0.0.1:{front}/metrics", headers=BEARER)
            ready = await http.get(f"http://127.0.0.1:{front}/readyz")
            lists = await http.get(
                f"{api}api/v2/lead-lists", params={"limit": 100}, headers={"Authorization": "Bearer sandbox"}
            )
            names = [one["name"] for one in lists.json()["items"]]
            while lists.json().get("next_starting_after"):
                params = {"limit": 100, "starting_after": lists.json()["next_starting_after"]}
                lists = await http.get(
                    f"{api}api/v2/lead-lists", params=params, headers={"Authorization": "Bearer sandbox"}
                )
                names += [one["name"] for one in lists.json()["items"]]
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


def test_the_parts_name_each_other(tmp_path: Path) -> None:
    services = compose()["services"]
    named = set(re.findall(r"(replica-\d):8000", (DEPLOY / "nginx.conf").read_text()))
    assert named == {name for name in services if name.startswith("replica")} == set(services["nginx"]["depends_on"])
    assert all((ROOT / "deploy" / services[name]["build"]["context"] / "pyproject.toml").exists() for name in named)
