"""Where the sandbox takes what a webhook is told: to this machine for real, to reserved names in fiction."""

from __future__ import annotations

import collections
import ipaddress
import queue
import re
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mcp_instantly.sandbox.world import World

if TYPE_CHECKING:
    import httpx

LOOPBACK, FICTION, ELSEWHERE = "loopback", "fiction", "elsewhere"
TIMEOUT = 5.0
OFF = {"success": False, "error_message": "The webhook is gone or switched off"}
"""What is noted instead of an answer when nobody wants a delivery any more whose turn has come."""

IsWanted = Callable[[World, str], bool]
_STATUS = re.compile(r"/status/([1-5]\d\d)(?:/|$)")


def receiver(url: str) -> str:
    """What kind of receiver a URL names. Nothing is ever sent beyond this machine."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return ELSEWHERE
    if host.rpartition(".")[2] == "example":
        return FICTION
    return LOOPBACK if parts.scheme == "http" and _is_loopback(host) else ELSEWHERE


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def fictional_status(url: str) -> int:
    """What a receiver that does not exist answers: 200, or 503 for a path with /status/503 in it."""
    found = _STATUS.search(urlsplit(url).path)
    return int(found[1]) if found else 200


class Courier:
    """A thread that posts to loopback addresses, one after the other, and remembers the answers for each world.

    As many deliveries wait as there are: if some were refused, it would depend on the speed of a receiver what the
    sandbox answers.
    """

    def __init__(self) -> None:
        self._waiting: queue.Queue[tuple[weakref.ref[World], str, str, dict[str, str], Any, IsWanted]] = queue.Queue()
        self._answers: weakref.WeakKeyDictionary[World, collections.deque[tuple[str, dict[str, Any]]]]
        self._answers = weakref.WeakKeyDictionary()
        self._thread: threading.Thread | None = None

    def send(
        self, world: World, event_id: str, url: str, headers: dict[str, str], payload: Any, *, is_wanted: IsWanted
    ) -> None:
        """Take a delivery on; `is_wanted(world, event_id)` is asked when its turn has come."""
        self._answers.setdefault(world, collections.deque())
        self._waiting.put((weakref.ref(world), event_id, url, headers, payload, is_wanted))
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="webhook courier", daemon=True)
            self._thread.start()

    def collect(self, world: World) -> list[tuple[str, dict[str, Any]]]:
        """The answers that have come in: the event's id, and fields for its record."""
        answers = self._answers.get(world)
        return [answers.popleft() for _ in range(len(answers))] if answers else []

    def has_answers(self, world: World) -> bool:
        return bool(self._answers.get(world))

    def wait(self) -> None:
        """Return when everything that was taken on has been tried."""
        self._waiting.join()

    def _work(self) -> None:
        # Imported here, so that a sandbox without such webhooks starts without it.
        import httpx

        # No proxy from the environment and no redirects: both would lead away from this machine.
        with httpx.Client(timeout=TIMEOUT, trust_env=False, follow_redirects=False) as client:
            while True:
                reference, event_id, url, headers, payload, is_wanted = self._waiting.get()
                world = reference()
                if world is not None:
                    wanted = is_wanted(world, event_id)
                    answer = _post(client, url, headers, payload) if wanted else OFF
                    self._answers[world].append((event_id, answer))
                del world
                self._waiting.task_done()


def _post(client: httpx.Client, url: str, headers: dict[str, str], payload: Any) -> dict[str, Any]:
    import httpx

    began = time.perf_counter()
    try:
        status = client.post(url, json=payload, headers=headers).status_code
        answer: dict[str, Any] = {"status_code": status, "success": 200 <= status < 300}
        if not answer["success"]:
            answer["error_message"] = f"Request failed with status code {status}"
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError, ValueError) as error:
        answer = {"success": False, "error_message": str(error) or type(error).__name__}
    return {**answer, "response_time_ms": round((time.perf_counter() - began) * 1000)}


COURIER = Courier()
