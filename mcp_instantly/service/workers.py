"""Several processes that answer at one port: they are forked, started again when one dies, and stopped together."""

from __future__ import annotations

import os
import secrets
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import anyio

from mcp_instantly.errors import ConfigError
from mcp_instantly.guards.safeguards import REGISTER_FILE
from mcp_instantly.guards.seals import STATE_KEY
from mcp_instantly.log import get_logger
from mcp_instantly.service.metrics import FOLDER

START_SECONDS = 60.0
"""Within which a worker must be ready."""

MOST_FAILURES = 5
"""Workers that may end in a row without having been ready, or within a second, before all is given up."""

STOP = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if sys.platform != "win32" else (signal.SIGTERM,)

Work = Callable[[Callable[[], None], int], int]
"""What a worker does: `work(ready, life)` says when it is ready, and returns the exit status. `life` is a descriptor
that can be read once the supervisor is gone."""


class Supervisor:
    """Runs `count` workers until a signal ends them. Raises ConfigError where processes cannot be forked."""

    def __init__(self, count: int, work: Work):
        if not hasattr(os, "fork"):
            raise ConfigError("--workers needs processes that can be forked, which this system does not have.")
        self._count = count
        self._work = work
        self._workers: dict[int, float] = {}
        self._life, self._alive = os.pipe()
        self._failures = 0
        self._stopped_by: signal.Signals | None = None
        self._given_up = False
        self._numbers = {one for one in STOP if signal.getsignal(one) is not signal.SIG_IGN}

    def run(self, listening: Callable[[], None]) -> int:
        """Start the workers and call `listening` when all are ready. Returns the exit status.

        The first is awaited before the others, so that a mistake in the set-up is told once.
        """
        # Seals that one worker gives out are good with all of them.
        os.environ.setdefault(STATE_KEY, secrets.token_hex(32))
        watched = {*self._numbers, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, watched)
        with tempfile.TemporaryDirectory(prefix="mcp-instantly-") as folder:
            os.environ[FOLDER] = folder
            os.environ[REGISTER_FILE] = str(Path(folder) / "register.sqlite3")
            try:
                for _ in range(self._count):
                    status = self._start()
                    if status is not None:
                        self._stop(signal.SIGTERM)
                        self._wait_for_all(watched)
                        return status
                listening()
                return self._wait_for_all(watched)
            finally:
                for name in (FOLDER, REGISTER_FILE):
                    os.environ.pop(name, None)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)

    def _start(self) -> int | None:
        """Start a worker and wait until it is ready; its exit status if it ended before."""
        told, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(told)
            self._become_worker(tell)
        os.close(tell)
        self._workers[pid] = time.monotonic()
        try:
            readable, _, _ = select.select([told], [], [], START_SECONDS)
            if readable and os.read(told, 1):
                return None
        finally:
            os.close(told)
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        self._forget(pid)
        return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 1

    def _become_worker(self, tell: int) -> None:
        """In the new process: work, and never return. Ctrl-C in a terminal is for the supervisor alone."""
        status = 1
        try:
            os.close(self._alive)
            os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*self._numbers, signal.SIGCHLD})
            status = self._work(lambda: _say(tell), self._life)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:
            get_logger().exception("worker_crashed")
        finally:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(status)

    def _wait_for_all(self, watched: set[signal.Signals]) -> int:
        while self._workers:
            number = signal.sigwait(watched)
            if number == signal.SIGCHLD:
                self._reap()
            else:
                self._stop(signal.Signals(number))
        if self._stopped_by is None or self._given_up:
            return 1
        return 130 if self._stopped_by == signal.SIGINT else 0

    def _stop(self, number: signal.Signals) -> None:
        """Pass a signal on; calls under way end as they do in one process."""
        self._stopped_by = number
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Take leave of workers that have ended, and start others in their place."""
        for pid in list(self._workers):
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            lived = time.monotonic() - self._workers[pid]
            self._forget(pid)
            if self._stopped_by is None and not self._given_up:
                get_logger().warning("worker_ended", pid=pid, status=os.waitstatus_to_exitcode(status))
                self._failures = self._failures + 1 if lived < 1 else 0
                self._replace()

    def _replace(self) -> None:
        while self._failures < MOST_FAILURES:
            if self._start() is None:
                return
            self._failures += 1
        self._given_up = True
        get_logger().error("workers_given_up", failures=self._failures)
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)

    def _forget(self, pid: int) -> None:
        self._workers.pop(pid, None)
        if any(Path(os.environ[FOLDER]).glob(f"gauge_live*_{pid}.db")):
            from prometheus_client import multiprocess

            multiprocess.mark_process_dead(pid)


def _say(tell: int) -> None:
    os.write(tell, b"1")
    os.close(tell)


async def end_with(life: int) -> None:
    """End this process in order once its supervisor is gone."""
    await anyio.wait_readable(life)
    get_logger().warning("supervisor_gone")
    os.kill(os.getpid(), signal.SIGTERM)
