"""The sandbox alone: a client that talks to it over HTTP, time to pass, and a receiver of webhooks."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import KEY, World, create_app

from .refusals import check_refusal


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the demo workspace, with its key. It takes no refusal that the real API would not give."""

    async def look_at(answer: httpx.Response) -> None:
        if answer.is_error and answer.request.url.path.startswith("/api/v2") and "fault" not in world.requests[-1]:
            await answer.aread()
            check_refusal(answer)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(world)),
        base_url="http://sandbox/api/v2",
        headers={"authorization": f"Bearer {KEY}"},
        event_hooks={"response": [look_at]},
    ) as client:
        yield client


@pytest.fixture
def wait(world: World) -> Callable[[float], None]:
    """Let so many seconds pass in the sandbox, with all that happens in them."""

    def pass_time(seconds: float) -> None:
        world.clock.advance(seconds)
        world.run_due()

    return pass_time


@pytest.fixture
def delivered(world: World) -> Callable[[], None]:
    """Return when all that webhooks are to be told has been tried."""

    def wait_for_courier() -> None:
        assert world.workspaces is not None
        world.workspaces.courier.wait(10)

    return wait_for_courier


@pytest.fixture
def listening() -> Callable[..., contextlib.AbstractContextManager[tuple[str, list[dict[str, Any]]]]]:
    """`with listening(200, held) as (url, heard)`: a receiver on this machine that answers so, once `held` is set."""
    return _listening


@contextlib.contextmanager
def _listening(status: int, held: threading.Event | None = None) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A receiver on this machine: its URL, and what it hears."""
    received_answers: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received_answers.append({"token": self.headers.get("x-hook-token"), **json.loads(body)})
            if held:
                held.wait(10)
            self.send_response(status)
            self.send_header("location", "https://hooks.brightpath.com/")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hook", received_answers
        finally:
            server.shutdown()
            thread.join()
