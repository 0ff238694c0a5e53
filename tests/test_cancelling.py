"""A call that nobody waits for any more: on the wire, its request is closed, and nothing is left running."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import served
from .frames import call, modern
from .held import SECONDS
from .test_stdio import process
from .test_web import HTTP, headers_of

KEY = "key-of-the-test-0123"


class Silent:
    """An upstream that never answers, and tells of each request when it has come and when its connection is closed."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/"
        self.come: queue.Queue[str] = queue.Queue()
        self.gone: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._watch, args=(connection,), daemon=True).start()

    def _watch(self, connection: socket.socket) -> None:
        head = ""
        with connection, contextlib.suppress(OSError):
            while received := connection.recv(65_536):
                if not head:
                    head = " ".join(received.decode("latin-1").split(" ")[:2])
                    self.come.put(head)
        self.gone.put(head)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def upstream() -> Iterator[Silent]:
    one = Silent()
    yield one
    one.close()


CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("list_campaigns", {}, "GET /api/v2/campaigns"),
    ("create_lead_list", {"name": "A"}, "POST /api/v2/lead-lists"),
    ("count_leads", {}, "POST /api/v2/leads/list"),
]


@pytest.mark.parametrize("revision", ["2025", "2026"])
@pytest.mark.parametrize(("tool", "arguments", "asked"), CALLS, ids=[tool for tool, *_ in CALLS])
def test_a_call_that_is_cancelled_on_stdio_closes_its_request(
    upstream: Silent, revision: str, tool: str, arguments: dict[str, Any], asked: str
) -> None:
    with process("--server", upstream.url, "--toolsets", "all", INSTANTLY_API_KEY=KEY, NO_PROXY="*") as server:
        frame = call(7, tool, **arguments)
        if revision == "2025":
            server.open()
        server.send(frame if revision == "2025" else modern(frame))
        assert upstream.come.get(timeout=SECONDS).startswith(asked)
        server.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}})
        assert upstream.gone.get(timeout=SECONDS).startswith(asked)
        code, answers, log = server.end()
    assert code == 0 and [answer for answer in answers if "result" in answer] == []
    events = [json.loads(line) for line in log.splitlines()]
    assert {event["outcome"] for event in events if event["event"] == "tool_call"} == {"cancelled"}
    assert upstream.come.empty()


@pytest.mark.parametrize("revision", ["2025", "2026"])
@pytest.mark.parametrize(("tool", "arguments", "asked"), CALLS, ids=[tool for tool, *_ in CALLS])
def test_a_client_that_goes_away_over_http_leaves_no_request_open(
    upstream: Silent, revision: str, tool: str, arguments: dict[str, Any], asked: str
) -> None:
    frame = call(7, tool, **arguments)
    frame = frame if revision == "2025" else modern(frame)
    body = json.dumps(frame).encode()
    options = ("--server", upstream.url, "--toolsets", "all")
    with served(*HTTP, *options, INSTANTLY_API_KEY=KEY, NO_PROXY="*") as (running, url):
        port = int(url.split(":")[2].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
            head = [f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {len(body)}"]
            head += [f"{name}: {value}" for name, value in headers_of(frame).items()]
            client.sendall("\r\n".join([*head, "Content-Type: application/json", "", ""]).encode() + body)
            assert upstream.come.get(timeout=SECONDS).startswith(asked)
        assert upstream.gone.get(timeout=SECONDS).startswith(asked)
        running.terminate()
        _, err = running.communicate(timeout=SECONDS)
    assert running.returncode == 0 and "Traceback" not in err
    (ended,) = [event for event in map(json.loads, err.splitlines()) if event.get("tool") == tool]
    assert ended["outcome"] == "cancelled"
