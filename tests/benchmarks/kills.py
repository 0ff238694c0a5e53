"""Kill a sandbox under load, many times: `python tests/benchmarks/kills.py [TIMES]`.

Each time a process opens the same file and serves it, clients write to it, and the process is killed without warning.
Whatever had been answered must be there when the file is opened again, once, and nothing may be there in part.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

import uvicorn

from mcp_instantly.sandbox import KEY, open_sandbox

CLIENTS = 4
LEADS = 7
"""Leads that one call adds: all of them are there afterwards, or none."""

AT_ONCE = 4
"""Kills between two fresh beginnings."""

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def serve(file: Path, sock: socket.socket) -> None:
    """What the killed process does."""
    app = open_sandbox("fresh", state=file, running=True)
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")).run([sock])


def ask(link: http.client.HTTPConnection, method: str, path: str, body: object = None) -> dict:
    link.request(
        method,
        f"/api/v2{path}",
        None if body is None else json.dumps(body),
        HEADERS if body else {"authorization": HEADERS["authorization"]},
    )
    answer = link.getresponse()
    found = json.loads(answer.read())
    assert answer.status == 200, found
    return found


class Answered:
    """The batches that were answered, and a way to wait for more of them."""

    def __init__(self) -> None:
        self.batches: list[str] = []
        self._more = threading.Condition()

    def add(self, batch: str) -> None:
        with self._more:
            self.batches.append(batch)
            self._more.notify_all()

    def wait_for(self, count: int) -> None:
        """Return as soon as there are `count` more than now."""
        with self._more:
            wanted = len(self.batches) + count
            assert self._more.wait_for(lambda: len(self.batches) >= wanted, timeout=30), "the server does not answer"


def write(port: int, list_id: str, name: str, answered: Answered) -> None:
    """Add batches of leads until the server is gone; remember those that were answered."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    number = 0
    while True:
        number += 1
        batch = f"{name}-{number}"
        leads = [{"email": f"{batch}-{n}@x.example"} for n in range(LEADS)]
        try:
            ask(link, "POST", "/leads/add", {"list_id": list_id, "leads": leads})
        except (OSError, http.client.HTTPException):
            return
        answered.add(batch)


def read_batches(port: int) -> dict[str, int]:
    """How many leads of each batch there are."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    found: dict[str, int] = {}
    after: dict[str, str] = {}
    while True:
        page = ask(link, "POST", "/leads/list", {"limit": 100, **after})
        for lead in page["items"]:
            batch = lead["email"].rpartition("-")[0]
            found[batch] = found.get(batch, 0) + 1
        if "next_starting_after" not in page:
            link.close()
            return found
        after = {"starting_after": page["next_starting_after"]}


def kill_many(times: int, file: Path, seed: int = 1) -> dict[str, int]:
    """Raises AssertionError as soon as something is lost, doubled or half done."""
    # Import and compile here what every process would for itself.
    with contextlib.closing(open_sandbox("fresh", state=file.with_name("before.db"))) as app:
        uvicorn.Config(app, log_config=None).load()
    chances = random.Random(seed)
    answered = Answered()
    total = 0
    list_id = ""
    for turn in range(times + 1):
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.bind(("127.0.0.1", 0))
        sock.listen(64)
        port = sock.getsockname()[1]
        child = os.fork()
        if child == 0:
            try:
                serve(file, sock)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        sock.close()
        try:
            # The socket listens already: this waits until the file is open.
            found = read_batches(port)
            missing = [batch for batch in answered.batches if batch not in found]
            partial = {batch: count for batch, count in found.items() if count != LEADS}
            assert not missing, f"answered, but gone after kill {turn}: {missing}"
            assert not partial, f"half done or twice after kill {turn}: {partial}"
            if turn % AT_ONCE == AT_ONCE - 1:
                # Begin again, so that reading everything back stays quick.
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                ask(link, "DELETE", "/leads", {"list_id": list_id})
                link.close()
                total += len(answered.batches)
                answered = Answered()
            if not list_id:
                link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                list_id = ask(link, "POST", "/lead-lists", {"name": "Under load"})["id"]
                link.close()
            writers = [
                threading.Thread(target=write, args=(port, list_id, f"k{turn}c{number}", answered))
                for number in range(CLIENTS)
            ]
            for writer in writers:
                writer.start()
            # The other clients are anywhere in their calls when one has its answer.
            answered.wait_for(chances.randint(1, 6))
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for writer in writers:
            writer.join()
    return {"kills": times, "answered": total + len(answered.batches)}


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        told = kill_many(times, Path(folder) / "state.db")
    print(f"{told['kills']} kills under load in {time.perf_counter() - began:.1f} s")
    print(f"{told['answered'] * LEADS} leads answered for, none lost, none doubled, no call half done")


if __name__ == "__main__":
    main()
