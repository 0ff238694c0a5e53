"""The parts of deploy/, started from this machine's binaries: nginx, Redis, and three replicas; and calls to them."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import yaml

from .conftest import ROOT, clean_environment
from .frames import call
from .held import SECONDS
from .many import TOKEN
from .processes import ended, start
from .services import binary, free_port

DEPLOY = ROOT / "deploy"
BEARER = {"Authorization": f"Bearer {TOKEN}", "Accept": "application/json, text/event-stream"}


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        assert process.poll() is None and time.monotonic() < deadline, "it did not start"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)


@contextlib.contextmanager
def started(port: int, command: list[str], seconds: float = 120) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with ended(process, seconds):
        wait_for(port, process)
        yield process


def compose() -> dict[str, Any]:
    """The file, with the variables of its environment replaced."""
    text = re.sub(r"\$\{INSTANTLY_STATE_KEY:\?[^}]*\}", "0123456789abcdef" * 4, (DEPLOY / "compose.yaml").read_text())
    loaded: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{PUBLIC_HOST:-([^}]*)\}", r"\1", text))
    return loaded


@contextlib.contextmanager
def replica(
    service: dict[str, Any], folder: Path, port: int, api: str, redis: int, seconds: float = 120
) -> Iterator[subprocess.Popen[str]]:
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
    with ended(process, seconds):
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

    async def run_until(self, answered: int, callers: int = 6) -> None:
        """Call until so many calls were answered."""

        async def caller() -> None:
            async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
                while len(self.answered) < answered:
                    await self.call(http)

        async with anyio.create_task_group() as tasks:
            for _ in range(callers):
                tasks.start_soon(caller)


@dataclasses.dataclass
class Deployment:
    """What runs: the port in front, those of the replicas, and the processes that can be killed."""

    port: int
    ports: list[int]
    replicas: list[subprocess.Popen[str]]
    redis: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@contextlib.contextmanager
def deployed(folder: Path, api: str, seconds: float = 120) -> Iterator[Deployment]:
    """What compose.yaml starts, before an API, for so many seconds at most."""
    nginx, redis_server = binary("nginx"), binary("redis-server")
    (folder / "instantly_key").write_text("sandbox\n")
    (folder / "tokens").write_text(f"alice={TOKEN}\n")
    front, redis_port, *ports = [free_port() for _ in range(5)]
    services = compose()["services"]
    settings = nginx_settings(folder, front, ports)
    redis_command = [redis_server, *services["redis"]["command"][1:], "--port", str(redis_port), "--dir", str(folder)]
    in_front = f"daemon off; master_process off; error_log stderr; pid {folder}/pid;"
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(started(redis_port, redis_command, seconds))
        replicas = [
            stack.enter_context(replica(services[f"replica-{number}"], folder, port, api, redis_port, seconds))
            for number, port in enumerate(ports, 1)
        ]
        stack.enter_context(started(front, [nginx, "-c", str(settings), "-g", in_front], seconds))
        yield Deployment(front, ports, replicas, redis)


async def lists_in(api: str) -> list[str]:
    """The names of all lists of leads that the sandbox has."""
    names: list[str] = []
    following: str | None = ""
    async with httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
        while following is not None:
            params = {"limit": 100, **({"starting_after": following} if following else {})}
            answer = await http.get(
                f"{api}api/v2/lead-lists", params=params, headers={"Authorization": "Bearer sandbox"}
            )
            names += [one["name"] for one in answer.json()["items"]]
            following = answer.json().get("next_starting_after")
    return names
