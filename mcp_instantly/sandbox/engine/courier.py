"""Delivers to webhooks: to loopback addresses for real, to reserved names such as .example in simulation."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import re
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mcp_instantly.sandbox.engine.origins import is_loopback
from mcp_instantly.sandbox.state.world import World

if TYPE_CHECKING:
    import httpx

LOOPBACK, FICTION, ELSEWHERE = "loopback", "fiction", "elsewhere"
TIME_LIMIT = 5.0
"""Seconds for a whole delivery, from connecting to the end of the response."""

ANSWER_LIMIT = 65_536
"""Bytes of a receiver's response that are read; only its status matters."""

AT_ONCE = 32
"""Receivers that are delivered to at the same time."""

ERROR_LIMIT = 500
"""Characters of an error that are noted."""

STOP_TIME = 5.0
"""Seconds that closing waits for the thread's end."""

OFF = {"success": False, "error_message": "The webhook is gone or switched off"}
"""What is noted instead of a response for a delivery whose webhook was deleted or paused before its turn came."""

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
    return LOOPBACK if parts.scheme == "http" and is_loopback(host) else ELSEWHERE


def fictional_status(url: str) -> int:
    """The status that a receiver in simulation responds with: 200, or 503 for a path with /status/503 in it."""
    found = _STATUS.search(urlsplit(url).path)
    return int(found[1]) if found else 200


@dataclasses.dataclass
class _Delivery:
    world: weakref.ref[World]
    event_id: str
    url: str
    headers: dict[str, str]
    payload: Any
    is_wanted: IsWanted


class Courier:
    """Posts to loopback addresses and remembers the responses for each world, in a thread that ends with the work.

    Each receiver gets one delivery after the other, in order; a slow one holds up no other. A delivery has
    `time_limit` seconds. As many deliveries wait as there are: if some were refused, it would depend on the speed of a
    receiver how the sandbox responds.
    """

    def __init__(self, time_limit: float = TIME_LIMIT) -> None:
        self.time_limit = time_limit
        self._queues: dict[str, collections.deque[_Delivery]] = {}  # by receiver, while there is something to deliver
        self._answers: weakref.WeakKeyDictionary[World, collections.deque[tuple[str, dict[str, Any]]]]
        self._answers = weakref.WeakKeyDictionary()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._wake: Callable[[], Any] | None = None  # has the thread look at the queues again

    def send(
        self, world: World, event_id: str, url: str, headers: dict[str, str], payload: Any, *, is_wanted: IsWanted
    ) -> None:
        """Take a delivery on; `is_wanted(world, event_id)` is asked when its turn has come."""
        delivery = _Delivery(weakref.ref(world), event_id, url, headers, payload, is_wanted)
        with self._changed:
            self._answers.setdefault(world, collections.deque())
            self._queues.setdefault(urlsplit(url).netloc.lower(), collections.deque()).append(delivery)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="webhook courier", daemon=True)
                self._thread.start()
            elif self._wake:
                self._wake()

    def collect(self, world: World) -> list[tuple[str, dict[str, Any]]]:
        """The responses that have come in: the event's id, and fields for its record."""
        answers = self._answers.get(world)
        return [answers.popleft() for _ in range(len(answers))] if answers else []

    def has_answers(self, world: World) -> bool:
        return bool(self._answers.get(world))

    def wait(self, seconds: float | None = None) -> None:
        """Return when everything that was taken on has been tried, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._queues, seconds)

    def close(self) -> None:
        """Forget what waits and break off what is under way. Returns when the thread has ended, or after STOP_TIME."""
        with self._changed:
            thread = self._thread
            self._queues.clear()
            self._changed.notify_all()
            if self._wake:
                self._wake()
        if thread is not None:
            thread.join(STOP_TIME)

    def _work(self) -> None:
        asyncio.run(self._deliver())

    async def _deliver(self) -> None:
        """Tell every receiver that has something waiting, until none has."""
        # Imported here, so that a sandbox without such webhooks starts without it.
        import httpx

        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        tasks: dict[str, asyncio.Task[None]] = {}
        slots = asyncio.Semaphore(AT_ONCE)
        # No proxy from the environment and no redirects: both would lead away from this machine. A delivery has a time
        # limit of its own; that of the client would sometimes come first, and say something else.
        async with httpx.AsyncClient(timeout=None, trust_env=False, verify=False) as client:
            while True:
                woken.clear()
                tasks = {name: task for name, task in tasks.items() if not task.done()}
                with self._changed:
                    if not self._queues:
                        self._thread = self._wake = None
                        break
                    self._wake = functools.partial(loop.call_soon_threadsafe, woken.set)
                    new = [name for name in self._queues if name not in tasks]
                for name in new:
                    tasks[name] = asyncio.create_task(self._tell(client, name, slots))
                    tasks[name].add_done_callback(lambda _: woken.set())
                await woken.wait()
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)

    async def _tell(self, client: httpx.AsyncClient, name: str, slots: asyncio.Semaphore) -> None:
        """Make the deliveries that wait for one receiver."""
        while True:
            with self._changed:
                queue = self._queues.get(name)
                if not queue:
                    return
                delivery = queue[0]
            world = delivery.world()
            if world is not None:
                async with slots:
                    answer = await _attempt(client, world, delivery, self.time_limit)
                self._answers[world].append((delivery.event_id, answer))
            del world
            with self._changed:
                # Only what has been tried leaves the queue, so that `wait` knows.
                if queue:
                    queue.popleft()
                if not queue and self._queues.get(name) is queue:
                    del self._queues[name]
                    self._changed.notify_all()


async def _attempt(client: httpx.AsyncClient, world: World, delivery: _Delivery, time_limit: float) -> dict[str, Any]:
    """What is to be noted of one delivery."""
    began = time.perf_counter()
    try:
        if not delivery.is_wanted(world, delivery.event_id):
            return OFF
        status = await asyncio.wait_for(_post(client, delivery), time_limit)
        answer: dict[str, Any] = {"status_code": status, "success": 200 <= status < 300}
        if not answer["success"]:
            answer["error_message"] = f"Request failed with status code {status}"
    except (asyncio.TimeoutError, TimeoutError):
        answer = {"success": False, "error_message": f"The receiver did not answer within {time_limit:g} s"}
    except Exception as error:
        # Whatever a receiver or its URL does is the failure of this delivery only.
        answer = {"success": False, "error_message": str(error)[:ERROR_LIMIT] or type(error).__name__}
    return {**answer, "response_time_ms": round((time.perf_counter() - began) * 1000)}


async def _post(client: httpx.AsyncClient, delivery: _Delivery) -> int:
    """The status of the response, which is read to its end or to ANSWER_LIMIT bytes; compressed ones stay so."""
    async with client.stream("POST", delivery.url, json=delivery.payload, headers=delivery.headers) as answer:
        size = 0
        async for part in answer.aiter_raw():
            size += len(part)
            if size > ANSWER_LIMIT:
                break
        return answer.status_code
