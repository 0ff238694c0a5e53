"""A sandbox on disk: a snapshot of its realm, and every request since.

Each request is one transaction, and is committed before it is answered. After a crash the requests since the last
snapshot are carried out again; as the same calls at the same instants make the same world, that brings back what had
been answered, and nothing of a request that had not been written. Every answer is compared with the one of the time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

from starlette.types import Scope

from mcp_instantly.sandbox import webhook_events
from mcp_instantly.sandbox.app import create_app
from mcp_instantly.sandbox.clock import Clock
from mcp_instantly.sandbox.faults import Reply
from mcp_instantly.sandbox.gate import CONTROL, Gate
from mcp_instantly.sandbox.realm import Realm
from mcp_instantly.sandbox.scenarios import build_realm, read_scenario
from mcp_instantly.sandbox.snapshot import read_realm, write_realm

FORMAT = 2
APPLICATION = 0x494E5342
"""What marks a SQLite file as a sandbox's."""

REPLAY_TIME = 2.0
"""Seconds of work after which a new snapshot is due, so that opening never takes much longer."""

SCHEMA = """
CREATE TABLE kept (format INTEGER, scenario TEXT, seed INTEGER, state TEXT);
CREATE TABLE journal (
    number INTEGER PRIMARY KEY, at TEXT, request TEXT, body BLOB, heard TEXT, status INTEGER, digest BLOB
);
"""


class StateError(ValueError):
    """The file cannot be used as the state of a sandbox."""


class Journal:
    """The file behind an application; `keep` is given every request."""

    def __init__(self, file: Path):
        self._file = file
        try:
            # One process at a time: the lock is held until the end, whatever end that is.
            self._base = sqlite3.connect(file, isolation_level=None, timeout=0, check_same_thread=False)
            self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._is_new = not self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
            marked = self._base.execute("PRAGMA application_id").fetchone()[0]
            if not self._is_new and marked != APPLICATION:
                raise StateError(f"{file} is a database, but not one of a sandbox")
            self._base.execute("PRAGMA journal_mode = WAL")
            self._base.execute("PRAGMA synchronous = NORMAL")
            if self._is_new:
                self._base.executescript(
                    f"BEGIN EXCLUSIVE; PRAGMA application_id = {APPLICATION}; {SCHEMA}"
                    f"INSERT INTO kept VALUES ({FORMAT}, NULL, 1, NULL); COMMIT;"
                )
            else:
                self._base.executescript("BEGIN EXCLUSIVE; COMMIT;")
        except sqlite3.OperationalError as error:
            reason = "is in use by another sandbox" if "locked" in str(error) else f"cannot be opened: {error}"
            raise StateError(f"{file} {reason}") from None
        except sqlite3.DatabaseError:
            raise StateError(f"{file} is no state of a sandbox") from None
        self._app: Gate
        self._spent = 0.0
        self._snapshot_time = 0.0

    def open(self, scenario: Any, seed: int, clock: Clock, *, budgets: bool = False) -> Gate:
        """The application over the kept world, or over a new one of the scenario where nothing was kept yet."""
        form, known, known_seed, state = self._base.execute("SELECT format, scenario, seed, state FROM kept").fetchone()
        if form != FORMAT:
            raise StateError(
                f"{self._file} was written by another version of the sandbox. "
                "Open it with that one, or name another file"
            )
        running = clock.running
        clock.run(False)
        realm = build_realm(
            json.loads(known) if state else read_scenario(scenario), known_seed if state else seed, clock=clock
        )
        realm.is_kept = True
        self._app = create_app(realm)
        if state:
            read_realm(realm, state)
            self._replay(realm)
            clock.run(running and realm.clock.running)
            for world in realm.worlds:
                webhook_events.resume_deliveries(world)
        else:
            clock.run(running)
            self._base.execute("UPDATE kept SET scenario = ?, seed = ?", (json.dumps(realm.scenario), seed))
        realm.budgets = budgets
        self._app.journal = self
        self.snapshot()
        return self._app

    def _replay(self, realm: Realm) -> None:
        realm.is_replaying = True
        rows = self._base.execute(
            "SELECT number, at, request, body, heard, status, digest FROM journal ORDER BY number"
        )
        for number, at, request, body, heard, status, digest in rows:
            instant = dt.datetime.fromisoformat(at)
            realm.clock.set(instant)
            realm.tell_heard(json.loads(heard))
            answered = None
            with realm.clock.held(instant), contextlib.suppress(Exception):
                answered = self._app.perform(_scope_of(json.loads(request)), body)[0]
            if _digest(answered) != (status, digest):
                raise StateError(
                    f"{self._file} does not come back as it was: request {number} is answered differently now. "
                    "Open it with the version that wrote it, and end that in the usual way"
                )
        realm.is_replaying = False

    def keep(self, scope: Scope, body: bytes) -> tuple[Reply, float]:
        """Have a request carried out, and write it down before it is answered."""
        perform = self._app.perform
        if scope["method"] == "GET" and scope["path"].startswith(CONTROL):
            return perform(scope, body)
        realm = self._app.realm
        at, heard, began = realm.clock.now(), realm.hear(), time.perf_counter()
        reply: Reply | None = None
        try:
            reply, pause = perform(scope, body)
        finally:
            # What went wrong inside may have left traces, so that is written down as well.
            request = json.dumps(_request_of(scope))
            self._base.execute(
                "INSERT INTO journal (at, request, body, heard, status, digest) VALUES (?, ?, ?, ?, ?, ?)",
                (at.isoformat(), request, body, json.dumps(heard), *_digest(reply)),
            )
        self._spent += time.perf_counter() - began
        if self._spent > max(REPLAY_TIME, 4 * self._snapshot_time):
            self.snapshot()
        return reply, pause

    def snapshot(self) -> None:
        """Write the whole realm down, in place of the requests that made it."""
        began = time.perf_counter()
        state = write_realm(self._app.realm)
        self._base.execute("BEGIN IMMEDIATE")
        self._base.execute("UPDATE kept SET state = ?", (state,))
        self._base.execute("DELETE FROM journal")
        self._base.execute("COMMIT")
        self._spent, self._snapshot_time = 0.0, time.perf_counter() - began

    def close(self) -> None:
        """The orderly end: what is opened next needs no replay."""
        with self._app.realm.lock:
            self.snapshot()
            self._app.journal = None
            self._base.close()


def _digest(reply: Reply | None) -> tuple[int, bytes]:
    if reply is None:
        return 500, b""
    return reply.status, hashlib.blake2b(reply.body, digest_size=8).digest()


def _request_of(scope: Scope) -> dict[str, Any]:
    """What of a request decides about its answer."""
    return {
        "scheme": scope.get("scheme", "http"),
        "method": scope["method"],
        "path": scope["path"],
        "raw_path": (scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        "query": scope["query_string"].decode("latin-1"),
        "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]],
        "client": scope.get("client"),
        "server": scope.get("server"),
    }


def _scope_of(request: dict[str, Any]) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "root_path": "",
        **{name: request[name] for name in ("scheme", "method", "path")},
        "raw_path": request["raw_path"].encode("latin-1"),
        "query_string": request["query"].encode("latin-1"),
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request["headers"]],
        "client": tuple(request["client"]) if request["client"] else None,
        "server": tuple(request["server"]) if request["server"] else None,
    }
