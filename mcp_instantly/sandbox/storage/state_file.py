"""The file of a sandbox: a SQLite database with the last snapshot and the requests since, for one process at a time.

Every row is sealed with a checksum of itself and of all before it, so that damage is noticed when the file is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = 4
APPLICATION = 0x494E5342
"""What marks a SQLite file as a sandbox's."""

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


class Snapshot(NamedTuple):
    """The workspaces as text: the scenario as JSON, the seed, and what `storage/snapshot.py` wrote."""

    scenario: str
    seed: int
    state: str


class Row(NamedTuple):
    """A request as it is kept: `request` and `received_answers` (of receivers of webhooks) are JSON."""

    number: int
    at: str
    request: str
    body: bytes
    received_answers: str
    status: int
    digest: bytes


class StateFile:
    """The open and locked file. The file is for its owner alone.

    `patience` is for how many seconds to wait for another process that has it open. Raises StateError.
    """

    def __init__(self, path: Path, patience: float = 0.0):
        self.path = path
        self._base = self._connect(time.monotonic() + patience)
        self._seal = b""  # of what was written last; the next row's is made from it

    def _connect(self, deadline: float) -> sqlite3.Connection:
        while True:
            try:
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
                # SQLite gives the files beside it the rights that this one has.
                self._base = sqlite3.connect(self.path, isolation_level=None, timeout=0, check_same_thread=False)
            except (OSError, sqlite3.Error) as error:
                reason = getattr(error, "strerror", None) or error
                raise StateError(f"{self.path} cannot be opened: {reason}") from None
            try:
                with self.closed_on_failure():
                    self._claim()
                return self._base
            except InUseError:
                # Let go of it in between: two processes that wait for each other would wait for ever.
                if time.monotonic() >= deadline:
                    raise
                time.sleep(random.uniform(0.02, 0.1))

    @contextlib.contextmanager
    def closed_on_failure(self) -> Iterator[None]:
        """Let go of the file, and say in a sentence what is wrong with it, if it cannot be used."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._base.close()
            if isinstance(error, sqlite3.OperationalError):
                if "locked" in str(error):
                    raise InUseError(f"{self.path} is in use by another sandbox") from None
                raise StateError(f"{self.path} cannot be opened: {error}") from None
            if isinstance(error, sqlite3.Error):
                raise StateError(f"{self.path} is not a sandbox state file, or is damaged: {error}") from None
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
            raise StateError(f"{self.path} is a database, but not one of a sandbox")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        self._base.executescript("BEGIN EXCLUSIVE; COMMIT;")
        with contextlib.suppress(OSError):
            os.chmod(self.path, 0o600)

    def read_snapshot(self) -> Snapshot | None:
        """The last snapshot; None before the first one. Raises StateError."""
        try:
            ((form,),) = self._base.execute("SELECT format FROM kept").fetchall()
            if form != FORMAT:
                raise self.another_version()
            ((scenario, seed, state, seal),) = self._base.execute("SELECT scenario, seed, state, seal FROM kept")
            ((rows,),) = self._base.execute("SELECT count(*) FROM journal")
        except (sqlite3.Error, ValueError) as error:
            raise error if isinstance(error, StateError) else self._damaged("its snapshot cannot be read") from None
        if state is None and seal is None and not rows:
            return None
        if seal != _seal(b"", scenario, seed, state):
            raise self._damaged("its snapshot is not what was written")
        self._seal = seal
        return Snapshot(scenario, seed, state)

    def read_rows(self) -> Iterator[Row]:
        """The requests since the snapshot, which is to be read first, in their order. Raises StateError."""
        try:
            rows = self._base.execute(
                "SELECT number, at, request, body, heard, status, digest, seal FROM journal ORDER BY number"
            ).fetchall()
        except sqlite3.Error:
            raise self._damaged("its requests cannot be read") from None
        for *values, seal in rows:
            row = Row(*values)
            self._seal = _seal(self._seal, row.at, row.request, row.body, row.received_answers)
            if self._seal != seal:
                raise self._damaged(f"request {row.number} is not what was written")
            yield row

    def append(self, at: str, request: str, body: bytes, received_answers: str, status: int, digest: bytes) -> None:
        """Write a request down, in a transaction of its own. Raises sqlite3.Error."""
        seal = _seal(self._seal, at, request, body, received_answers)
        self._base.execute(
            "INSERT INTO journal (at, request, body, heard, status, digest, seal) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (at, request, body, received_answers, status, digest, seal),
        )
        self._seal = seal

    def write_snapshot(self, snapshot: Snapshot) -> None:
        """Write a snapshot in place of the last one and of all requests since. Raises sqlite3.Error."""
        seal = _seal(b"", *snapshot)
        try:
            self._base.execute("BEGIN IMMEDIATE")
            self._base.execute("UPDATE kept SET scenario = ?, seed = ?, state = ?, seal = ?", (*snapshot, seal))
            self._base.execute("DELETE FROM journal")
            self._base.execute("COMMIT")
        except sqlite3.Error:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise
        self._seal = seal

    def checkpoint(self) -> None:
        """Bring what was written into the file itself, where that is possible now."""
        with contextlib.suppress(sqlite3.Error):
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._base.close()

    def another_version(self, reason: str = "") -> StateError:
        """The error for a file of another version; `reason` stands in brackets."""
        return StateError(
            f"{self.path} was written by another version of the sandbox{reason and f' ({reason})'}. "
            "Open it with that one, or name another file"
        )

    def _damaged(self, how: str) -> StateError:
        return StateError(f"{self.path} is damaged: {how}; {RESTORE}")


def _seal(before: bytes, *values: Any) -> bytes:
    """A checksum of these values, and of what stands before them."""
    digest = hashlib.blake2b(before, digest_size=16)
    for value in values:
        digest.update(repr(value).encode())
    return digest.digest()
