"""A sandbox for tests of one's own: in process, or on a port of this machine."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from mcp_instantly.sandbox.app import create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.sandbox.engine.people import add_person
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.state.clock import Clock
from mcp_instantly.sandbox.state.world import KEY, World
from mcp_instantly.sandbox.worlds.building import build_workspaces

STOP_TIME = 10.0
"""Seconds that closing waits for the server's end."""


class Sandbox:
    """An in-memory Instantly, for the test that made it.

        with Sandbox() as sandbox:
            client = httpx.Client(base_url=f"{sandbox.url}/api/v2", headers=sandbox.headers)
            sandbox.advance(86_400)

    `scenario` is the name of one, a path to a file, or the document itself (see scenarios.py). The clock is frozen
    unless `running`. With `budgets`, the API's rate limits hold.
    """

    key = KEY

    def __init__(
        self,
        scenario: str | dict[str, Any] = "demo",
        *,
        seed: int = 1,
        running: bool = False,
        budgets: bool = False,
    ):
        self.workspaces: Workspaces = build_workspaces(scenario, seed, clock=Clock(running=running))
        self.workspaces.budgets = budgets
        self.app = create_app(self.workspaces)
        self._served: _Served | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def world(self) -> World:
        """The admin workspace: `sandbox.world.leads` and the like, to look at."""
        return self.workspaces.home

    @property
    def clock(self) -> Clock:
        return self.workspaces.home.clock

    @property
    def faults(self) -> Faults:
        """What is to go wrong: `sandbox.faults.add(status=503, next=2)`, and then `sandbox.faults.log`, what did."""
        return self.workspaces.faults

    @property
    def requests(self) -> list[dict[str, Any]]:
        """What was asked so far, oldest first."""
        return self.workspaces.requests

    @property
    def headers(self) -> dict[str, str]:
        """What a client must send to be let in."""
        return {"authorization": f"Bearer {KEY}"}

    @property
    def transport(self) -> Any:
        """For an `httpx.AsyncClient` in the same process, without a port; any base URL will do."""
        import httpx

        return httpx.ASGITransport(self.app)

    @property
    def url(self) -> str:
        """Where it listens, for clients of any kind; a thread begins to serve it when this is first asked for."""
        if self._served is None:
            self._served = _Served(self.app)
        return self._served.url

    def advance(self, seconds: float) -> None:
        """Let time pass, with all that happens in it."""
        with self.workspaces.lock:
            self.clock.advance(seconds)
            self.workspaces.run_due()

    def script(self, lead: str, on: str = "first_email", **entry: Any) -> None:
        """Say what a lead is to do, in the admin workspace; see engine/people.py. Raises ValueError.

        `sandbox.script("ann@prospect.example", reply={"text": "What does it cost?"})`
        """
        with self.workspaces.lock:
            add_person(self.world, {"lead": lead, "on": on, **entry})

    def reset(self) -> None:
        """Begin again."""
        with self.workspaces.lock:
            self.workspaces.reset()

    def close(self) -> None:
        """Stop listening and telling webhooks. What the sandbox holds can still be looked at."""
        if self._served is not None:
            self._served.close()
            self._served = None
        self.app.close()


class _Served:
    """An application on a free loopback port, in a thread of its own."""

    def __init__(self, app: Any):
        import uvicorn

        # With its protocol named, asyncio switches off Nagle's algorithm, by which responses would wait 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=1,
            ws="none",
            date_header=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="sandbox", daemon=True)
        self._thread.start()
        # The socket listens already, so clients that connect from now on get a response as soon as the server runs.

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(STOP_TIME)
        with contextlib.suppress(OSError):
            self._socket.close()
