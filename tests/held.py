"""An upstream on loopback that tells when a request has come, and answers when it is told to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

from .json_handler import JsonHandler

SECONDS = 20
"""The longest that anything here is waited for."""


class Held(ThreadingHTTPServer):
    """`come` counts requests, `release` lets all of them be answered, now and later."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.come = threading.Semaphore(0)
        self.release = threading.Event()
        self.answered: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def wait(self) -> None:
        """Until the next request has come."""
        assert self.come.acquire(timeout=SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone."""


class _Handler(JsonHandler):
    server: Held

    def _answer(self) -> None:
        self.read()
        self.server.come.release()
        self.server.release.wait(SECONDS)
        self.answer({})
        self.server.answered.append(f"{self.command} {self.path}")

    do_GET = do_POST = do_PATCH = do_DELETE = _answer


@contextlib.contextmanager
def held() -> Iterator[Held]:
    """The upstream, running."""
    server = Held()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
