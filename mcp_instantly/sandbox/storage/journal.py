"""A sandbox on disk: a snapshot of its workspaces, and every request since.

Each request is one transaction, and is committed before it is answered. After a crash the requests since the last
snapshot are carried out again; as the same calls at the same instants make the same world, that brings back what had
been answered, and nothing of a request that had not been written. Every response is compared with the one of the time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from starlette.types import Scope

from mcp_instantly.sandbox.app import create_app
from mcp_instantly.sandbox.engine.auth import is_key
from mcp_instantly.sandbox.engine.faults import Reply, reply_with_error
from mcp_instantly.sandbox.engine.gate import CONTROL, Gate
from mcp_instantly.sandbox.engine.request_log import MAX_BODY_BYTES
from mcp_instantly.sandbox.engine.routes import is_reading
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.resources.webhooks import deliveries
from mcp_instantly.sandbox.state.clock import Clock
from mcp_instantly.sandbox.storage.requests import describe_request, scope_of
from mcp_instantly.sandbox.storage.snapshot import read_workspaces, write_workspaces
from mcp_instantly.sandbox.storage.state_file import Row, Snapshot, StateError, StateFile
from mcp_instantly.sandbox.worlds.building import build_workspaces

LOG = logging.getLogger("mcp_instantly.sandbox")

MAX_REPLAY_SECONDS = 2.0
"""Of work after which a new snapshot is due, so that opening never takes much longer."""

MAX_REPLAY_BYTES = 32_000_000
"""Of request bodies after which a new snapshot is due as well."""

RETRY_FACTOR = 20
"""A file that cannot be written is tried again after this many times as long as the last try took."""

UNSURE = (
    "This request was carried out, but is lost if the sandbox ends before there is room again: "
    "read the state before you repeat it."
)
REFUSED = "Nothing was done. Make room, then send the request again."


class Journal:
    """The file behind an application; `keep` is given every request.

    `patience` is for how many seconds to wait for another process that has the file open.
    """

    def __init__(self, file: Path, patience: float = 0.0):
        self._file = StateFile(file, patience)
        self._app: Gate
        self._seed = 1
        self._spent, self._size = 0.0, 0  # seconds and bytes since the last snapshot
        self._snapshot_time = 0.0
        self._is_ahead = False  # whether the world has gone on without the file
        self._problem = ""
        self._next_try = 0.0

    def open(self, scenario: Any, seed: int, clock: Clock, *, budgets: bool = False) -> Gate:
        """The application over the kept world, or over a new one of the scenario where nothing was kept yet."""
        with self._file.closed_on_failure():
            return self._open(scenario, seed, clock, budgets)

    def _open(self, scenario: Any, seed: int, clock: Clock, budgets: bool) -> Gate:
        kept = self._file.read_snapshot()
        running = clock.running
        clock.run(False)
        if kept:
            self._seed = kept.seed
            workspaces = self._restore(kept, clock)
            clock.run(running and workspaces.clock.running)
        else:
            self._seed = seed
            workspaces = build_workspaces(scenario, seed, clock=clock)
            workspaces.is_kept = True
            self._app = create_app(workspaces)
            clock.run(running)
        workspaces.budgets = budgets
        self._app.journal = self
        try:
            self.snapshot()
        except sqlite3.Error as error:
            if not kept:
                raise StateError(f"{self._file.path} cannot be written: {error}") from None
            self._fall_behind(error)
        if kept:
            for world in workspaces.worlds:
                deliveries.resume_deliveries(world)
        return self._app

    def _restore(self, kept: Snapshot, clock: Clock) -> Workspaces:
        """The workspaces as they were: the snapshot, and all requests since once more."""
        try:
            workspaces = build_workspaces(json.loads(kept.scenario), kept.seed, clock=clock, filled=False)
            workspaces.is_kept = True
            self._app = create_app(workspaces)
            read_workspaces(workspaces, kept.state)
        except Exception as error:
            # It is what was written, so it was written by a sandbox that kept other things.
            raise self._file.another_version(f"{type(error).__name__}: {error}") from None
        workspaces.is_replaying = True
        for row in self._file.read_rows():
            self._repeat(workspaces, row)
        workspaces.is_replaying = False
        return workspaces

    def _repeat(self, workspaces: Workspaces, row: Row) -> None:
        """Carry out a request of the past. Raises StateError when it is answered differently."""
        instant, request = dt.datetime.fromisoformat(row.at), json.loads(row.request)
        workspaces.clock.set(instant)
        workspaces.deliver_webhook_answers(json.loads(row.received_answers))
        answered = None
        with workspaces.clock.held(instant), contextlib.suppress(Exception):
            # Of a body that was too long only that is kept.
            answered = self._app.handle(scope_of(request), row.body or b" " * request["too_long"])[0]
        if _digest(answered) != (row.status, row.digest):
            raise StateError(
                f"{self._file.path} cannot be replayed: request {row.number} is answered differently now. "
                "Open it with the version that wrote it, and stop that normally"
            )

    def keep(self, scope: Scope, body: bytes) -> tuple[Reply, float]:
        """Have a request carried out, and write it down before it is answered.

        While the file cannot be written, what changes something is refused, and the rest answered from memory.
        """
        handle, workspaces = self._app.handle, self._app.workspaces
        if scope["method"] == "GET" and scope["path"].startswith(CONTROL):
            return handle(scope, body)
        is_reading = self._is_reading(scope) if self._is_ahead else False
        if self._is_ahead and (is_reading or not self._try_snapshot()):
            return handle(scope, body) if is_reading else (reply_with_error(503, self._complaint(REFUSED)), 0.0)
        at, received_answers, began = workspaces.clock.now(), workspaces.collect_webhook_answers(), time.perf_counter()
        keys = self._known_keys(scope)
        reply: Reply | None = None
        try:
            reply, pause = handle(scope, body)
        finally:
            # What went wrong inside may have left traces, so that is written down as well.
            request = json.dumps(describe_request(scope, keys | self._known_keys(scope), body))
            is_written = self._write(at.isoformat(), request, body, json.dumps(received_answers), reply)
        if not is_written:
            return (reply, pause) if self._is_reading(scope) else (reply_with_error(503, self._complaint(UNSURE)), 0.0)
        self._spent += time.perf_counter() - began
        self._size += len(body)
        if self._spent > max(MAX_REPLAY_SECONDS, 4 * self._snapshot_time) or self._size > MAX_REPLAY_BYTES:
            # Should it fail, the requests themselves are still there.
            self._try_snapshot()
            self._spent, self._size = 0.0, 0
        return reply, pause

    def _write(self, at: str, request: str, body: bytes, received_answers: str, reply: Reply | None) -> bool:
        """Put a request into the journal, and say whether that worked."""
        body = b"" if len(body) > MAX_BODY_BYTES else body
        try:
            self._file.append(at, request, body, received_answers, *_digest(reply))
        except sqlite3.Error as error:
            self._fall_behind(error)
            return False
        return True

    def _is_reading(self, scope: Scope) -> bool:
        return bool(is_reading(self._app.operation(scope) or scope["method"] + " "))

    def _known_keys(self, scope: Scope) -> set[str]:
        """The API keys in a request's headers that are ones of the sandbox."""
        sent = [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
        return {key for key in (value.partition(" ")[2] for value in sent) if is_key(self._app.workspaces, key)}

    def _fall_behind(self, error: sqlite3.Error) -> None:
        if not self._is_ahead:
            LOG.error(
                "The sandbox's file %s cannot be written (%s); changes are refused until it can", self._file.path, error
            )
        self._is_ahead, self._problem = True, str(error)

    def _complaint(self, what: str) -> str:
        return f"The sandbox's file cannot be written: {self._problem}. {what}"

    def catch_up(self) -> bool:
        """Try to write a file that could not be written, if it was not tried just now; whether it can be."""
        if self._is_ahead and time.monotonic() >= self._next_try:
            began = time.monotonic()
            self._try_snapshot()
            self._next_try = time.monotonic() + RETRY_FACTOR * (time.monotonic() - began)
        return not self._is_ahead

    def _try_snapshot(self) -> bool:
        try:
            self.snapshot()
        except sqlite3.Error as error:
            self._problem = str(error)
            return False
        return True

    def snapshot(self) -> None:
        """Write the workspaces down, in place of the requests that made them. Raises sqlite3.Error."""
        began = time.perf_counter()
        workspaces = self._app.workspaces
        self._file.write_snapshot(Snapshot(json.dumps(workspaces.scenario), self._seed, write_workspaces(workspaces)))
        self._is_ahead = False
        self._spent, self._size = 0.0, 0
        # So that the file by itself holds a world that is not much older.
        self._file.checkpoint()
        self._snapshot_time = time.perf_counter() - began

    def close(self) -> None:
        """The orderly end: what is opened next needs no replay."""
        with self._app.workspaces.lock:
            try:
                self.snapshot()
            except sqlite3.Error as error:
                dropped = "what was refused or not confirmed is lost" if self._is_ahead else "nothing is lost"
                LOG.error(
                    "The sandbox's file %s could not be written at the end (%s); %s", self._file.path, error, dropped
                )
            finally:
                self._app.journal = None
                self._file.close()


def _digest(reply: Reply | None) -> tuple[int, bytes]:
    if reply is None:
        return 500, b""
    return reply.status, hashlib.blake2b(reply.body, digest_size=8).digest()
