"""A sandbox on disk: a snapshot of its workspaces, and every request since.

Each request is one transaction, and is committed before it is answered. After a crash the requests since the last
snapshot are carried out again; as the same calls at the same instants make the same world, that brings back what had
been answered, and nothing of a request that had not been written. Every answer is compared with the one of the time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import logging
import os
import random
import sqlite3
import time
from collections.abc import Iterator
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
from mcp_instantly.sandbox.worlds.building import build_workspaces

LOG = logging.getLogger("mcp_instantly.sandbox")

FORMAT = 3
APPLICATION = 0x494E5342
"""What marks a SQLite file as a sandbox's."""

REPLAY_TIME = 2.0
"""Seconds of work after which a new snapshot is due, so that opening never takes much longer."""

REPLAY_SIZE = 32_000_000
"""Bytes of request bodies after which a new snapshot is due as well."""

TRY_AGAIN = 20
"""A file that cannot be written is tried again after this many times as long as the last try took."""

SCHEMA = """
CREATE TABLE kept (format INTEGER, scenario TEXT, seed INTEGER, state TEXT, seal BLOB);
CREATE TABLE journal (
    number INTEGER PRIMARY KEY, at TEXT, request TEXT, body BLOB, heard TEXT, status INTEGER, digest BLOB, seal BLOB
);
"""
RESTORE = "restore a copy of it, or name another file"


class StateError(ValueError):
    """The file cannot be used as the state of a sandbox."""


class InUseError(StateError):
    """Another process has the file open."""


class Journal:
    """The file behind an application; `keep` is given every request.

    The file is for its owner alone. `patience` is for how many seconds to wait for another process that has it open.
    """

    def __init__(self, file: Path, patience: float = 0.0):
        self._file = file
        self._base = self._connect(time.monotonic() + patience)
        self._app: Gate
        self._seed = 1
        self._seal = b""  # of what was written last; the next row's is made from it
        self._spent, self._size = 0.0, 0
        self._snapshot_time = 0.0
        self._is_ahead = False  # whether the world has gone on without the file
        self._problem = ""
        self._next_try = 0.0

    def _connect(self, deadline: float) -> sqlite3.Connection:
        """The open and locked file. Raises StateError."""
        while True:
            try:
                os.close(os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600))
                # SQLite gives the files beside it the rights that this one has.
                self._base = sqlite3.connect(self._file, isolation_level=None, timeout=0, check_same_thread=False)
            except (OSError, sqlite3.Error) as error:
                reason = getattr(error, "strerror", None) or error
                raise StateError(f"{self._file} cannot be opened: {reason}") from None
            try:
                with self._closed_on_failure():
                    self._claim()
                return self._base
            except InUseError:
                # Let go of it in between: two processes that wait for each other would wait for ever.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(random.uniform(0.02, 0.1))

    @contextlib.contextmanager
    def _closed_on_failure(self) -> Iterator[None]:
        """Let go of the file, and say in a sentence what is wrong with it, if it cannot be used."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
            if isinstance(error, sqlite3.OperationalError):
                if "locked" in str(error):
                    raise InUseError(f"{self._file} is in use by another sandbox") from None
                raise StateError(f"{self._file} cannot be opened: {error}") from None
            if isinstance(error, sqlite3.Error):
                raise StateError(f"{self._file} is no state of a sandbox, or is damaged: {error}") from None
            raise

    def _claim(self) -> None:
        """Lock the file until the end, whatever end that is: one process at a time. Make its tables if it is new."""
        run = self._base.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        if not run("PRAGMA page_count").fetchone()[0]:
            # All at once, so that there is never a file that only looks like a new one.
            self._base.executescript(
                f"BEGIN EXCLUSIVE; PRAGMA application_id = {APPLICATION}; {SCHEMA}"
                f"INSERT INTO kept (format, seed) VALUES ({FORMAT}, 1); COMMIT;"
            )
        if run("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise StateError(f"{self._file} is a database, but not one of a sandbox")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        self._base.executescript("BEGIN EXCLUSIVE; COMMIT;")
        with contextlib.suppress(OSError):
            os.chmod(self._file, 0o600)

    def open(self, scenario: Any, seed: int, clock: Clock, *, budgets: bool = False) -> Gate:
        """The application over the kept world, or over a new one of the scenario where nothing was kept yet."""
        with self._closed_on_failure():
            return self._open(scenario, seed, clock, budgets)

    def _open(self, scenario: Any, seed: int, clock: Clock, budgets: bool) -> Gate:
        kept = self._read_kept()
        running = clock.running
        clock.run(False)
        if kept:
            self._seed = kept[1]
            workspaces = self._restore(*kept, clock)
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
                raise StateError(f"{self._file} cannot be written: {error}") from None
            self._fall_behind(error)
        if kept:
            for world in workspaces.worlds:
                deliveries.resume_deliveries(world)
        return self._app

    def _read_kept(self) -> tuple[str, int, str] | None:
        """Scenario, seed and state of the last snapshot; None before the first one."""
        try:
            ((form,),) = self._base.execute("SELECT format FROM kept").fetchall()
            if form != FORMAT:
                raise StateError(
                    f"{self._file} was written by another version of the sandbox. "
                    "Open it with that one, or name another file"
                )
            ((scenario, seed, state, seal),) = self._base.execute("SELECT scenario, seed, state, seal FROM kept")
            ((rows,),) = self._base.execute("SELECT count(*) FROM journal")
        except (sqlite3.Error, ValueError) as error:
            raise error if isinstance(error, StateError) else self._damaged("its snapshot cannot be read") from None
        if state is None and seal is None and not rows:
            return None
        if seal != _seal(b"", scenario, seed, state):
            raise self._damaged("its snapshot is not what was written")
        self._seal = seal
        return scenario, seed, state

    def _damaged(self, how: str) -> StateError:
        return StateError(f"{self._file} is damaged: {how}; {RESTORE}")

    def _restore(self, scenario: str, seed: int, state: str, clock: Clock) -> Workspaces:
        """The workspaces as it was: the snapshot, and all requests since once more."""
        try:
            workspaces = build_workspaces(json.loads(scenario), seed, clock=clock)
            workspaces.is_kept = True
            self._app = create_app(workspaces)
            read_workspaces(workspaces, state)
        except Exception as error:
            # It is what was written, so it was written by a sandbox that kept other things.
            raise StateError(
                f"{self._file} was written by another version of the sandbox ({type(error).__name__}: {error}). "
                "Open it with that one, or name another file"
            ) from None
        try:
            rows = self._base.execute(
                "SELECT number, at, request, body, heard, status, digest, seal FROM journal ORDER BY number"
            ).fetchall()
        except sqlite3.Error:
            raise self._damaged("its requests cannot be read") from None
        workspaces.is_replaying = True
        for number, at, request, body, received_answers, status, digest, seal in rows:
            self._seal = _seal(self._seal, at, request, body, received_answers)
            if self._seal != seal:
                raise self._damaged(f"request {number} is not what was written")
            heard = json.loads(received_answers)
            self._repeat(workspaces, at, json.loads(request), body, heard, number, (status, digest))
        workspaces.is_replaying = False
        return workspaces

    def _repeat(
        self,
        workspaces: Workspaces,
        at: str,
        request: dict[str, Any],
        body: bytes,
        received_answers: dict[str, list[Any]],
        number: int,
        expected: tuple[int, bytes],
    ) -> None:
        """Carry out a request of the past. Raises StateError when it is answered differently."""
        instant = dt.datetime.fromisoformat(at)
        workspaces.clock.set(instant)
        workspaces.deliver_webhook_answers(received_answers)
        answered = None
        with workspaces.clock.held(instant), contextlib.suppress(Exception):
            # Of a body that was too long only that is kept.
            answered = self._app.handle(scope_of(request), body or b" " * request["too_long"])[0]
        if _digest(answered) != expected:
            raise StateError(
                f"{self._file} does not come back as it was: request {number} is answered differently now. "
                "Open it with the version that wrote it, and end that in the usual way"
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
        if self._spent > max(REPLAY_TIME, 4 * self._snapshot_time) or self._size > REPLAY_SIZE:
            # Should it fail, the requests themselves are still there.
            self._try_snapshot()
            self._spent, self._size = 0.0, 0
        return reply, pause

    def _write(self, at: str, request: str, body: bytes, received_answers: str, reply: Reply | None) -> bool:
        """Put a request into the journal, and say whether that worked."""
        body = b"" if len(body) > MAX_BODY_BYTES else body
        seal = _seal(self._seal, at, request, body, received_answers)
        try:
            self._base.execute(
                "INSERT INTO journal (at, request, body, heard, status, digest, seal) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (at, request, body, received_answers, *_digest(reply), seal),
            )
        except sqlite3.Error as error:
            self._fall_behind(error)
            return False
        self._seal = seal
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
                "The sandbox's file %s cannot be written (%s); changes are refused until it can", self._file, error
            )
        self._is_ahead, self._problem = True, str(error)

    def _complaint(self, what: str) -> str:
        return f"The sandbox's file cannot be written: {self._problem}. {what}"

    def catch_up(self) -> bool:
        """Try to write a file that could not be written, if it was not tried just now; whether it can be."""
        if self._is_ahead and time.monotonic() >= self._next_try:
            began = time.monotonic()
            self._try_snapshot()
            self._next_try = time.monotonic() + TRY_AGAIN * (time.monotonic() - began)
        return not self._is_ahead

    def _try_snapshot(self) -> bool:
        try:
            self.snapshot()
        except sqlite3.Error as error:
            self._problem = str(error)
            return False
        return True

    def snapshot(self) -> None:
        """Write the whole workspaces down, in place of the requests that made it. Raises sqlite3.Error."""
        began = time.perf_counter()
        workspaces = self._app.workspaces
        kept = (json.dumps(workspaces.scenario), self._seed, write_workspaces(workspaces))
        seal = _seal(b"", *kept)
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute("UPDATE kept SET scenario = ?, seed = ?, state = ?, seal = ?", (*kept, seal))
            self._base.execute("DELETE FROM journal")
            self._base.execute("COMMIT")
        except sqlite3.Error:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise
        self._is_ahead, self._seal = False, seal
        self._spent, self._size = 0.0, 0
        # So that the file by itself holds a world that is not much older.
        with contextlib.suppress(sqlite3.Error):
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._snapshot_time = time.perf_counter() - began

    def close(self) -> None:
        """The orderly end: what is opened next needs no replay."""
        with self._app.workspaces.lock:
            try:
                self.snapshot()
            except sqlite3.Error as error:
                dropped = "what was refused or not confirmed is lost" if self._is_ahead else "nothing is lost"
                LOG.error("The sandbox's file %s could not be written at the end (%s); %s", self._file, error, dropped)
            finally:
                self._app.journal = None
                self._base.close()


UNSURE = (
    "This request was carried out, but is lost if the sandbox ends before there is room again: "
    "read the state before you repeat it."
)
REFUSED = "Nothing was done. Make room, then send the request again."


def _seal(before: bytes, *values: Any) -> bytes:
    """A checksum of these values, and of what stands before them."""
    digest = hashlib.blake2b(before, digest_size=16)
    for value in values:
        digest.update(repr(value).encode())
    return digest.digest()


def _digest(reply: Reply | None) -> tuple[int, bytes]:
    if reply is None:
        return 500, b""
    return reply.status, hashlib.blake2b(reply.body, digest_size=8).digest()
