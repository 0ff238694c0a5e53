"""The file of drafts: SQLite, for its owner alone, shared by processes."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from mcp_instantly.errors import CallError
from mcp_instantly.private_file import data_folder, make_private
from mcp_instantly.text import file_fault

LOCK_SECONDS = 5.0
"""To wait for another process, whose transactions take milliseconds."""

FILE_NAME = "drafts.sqlite"
"""In the user's data folder, or in one that is named."""

APPLICATION_ID, VERSION = 0x494E4452, 1
"""What marks a file as one of ours, and its layout."""

TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE drafts (
  id TEXT PRIMARY KEY, owner TEXT NOT NULL, place TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL,
  arguments TEXT NOT NULL, answers TEXT NOT NULL, thread TEXT NOT NULL, known TEXT NOT NULL, content TEXT NOT NULL,
  approved_by TEXT, approved REAL, approved_content TEXT, approved_step INTEGER,
  claimed REAL, claimed_until REAL, claimed_step INTEGER, sent REAL, email TEXT, why TEXT
);
"""


def default_file() -> Path:
    """Where drafts are kept unless a file is named: in the user's data folder. Raises ConfigError without one."""
    return data_folder() / FILE_NAME


class DraftFile:
    """The file at a path, or where a folder is given, in it. Raises CallError where it cannot be used."""

    def __init__(self, path: Path):
        try:
            path = path.expanduser()
            self.path = path / FILE_NAME if path.is_dir() else path
        except (OSError, ValueError, RuntimeError) as error:
            # The last two: a name with a NUL, a ~ without a home directory.
            raise CallError(f"The drafts in {path} cannot be used: {file_fault(error)}.") from None

    @contextlib.contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """The file, which is made where it is missing; nobody but its owner can read it."""
        try:
            make_private(self.path)
            with contextlib.closing(sqlite3.connect(self.path, isolation_level=None, timeout=LOCK_SECONDS)) as base:
                base.row_factory = sqlite3.Row
                self._prepare(base)
                yield base
        except (OSError, sqlite3.Error) as error:
            raise CallError(f"The drafts in {self.path} cannot be used: {file_fault(error)}.") from None

    @contextlib.contextmanager
    def changed(self) -> Iterator[sqlite3.Connection]:
        """The file within one transaction, in which nobody else writes."""
        with self.opened() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                yield base
                base.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    base.execute("ROLLBACK")
                raise

    def _prepare(self, base: sqlite3.Connection) -> None:
        if _mark(base) == (APPLICATION_ID, VERSION):
            return
        base.execute("BEGIN IMMEDIATE")
        mark = _mark(base)
        if mark == (0, 0) and base.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            for statement in TABLES.split(";"):
                base.execute(statement)
            base.execute("INSERT INTO meta VALUES ('salt', ?), ('step', 0)", (secrets.token_bytes(16),))
            base.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            base.execute(f"PRAGMA user_version = {VERSION}")
        elif mark != (APPLICATION_ID, VERSION):
            base.execute("ROLLBACK")
            newer = "was written by another version" if mark[0] == APPLICATION_ID else "is not a file of drafts"
            raise CallError(f"The drafts in {self.path} cannot be used: it {newer}.")
        base.execute("COMMIT")


def _mark(base: sqlite3.Connection) -> tuple[int, int]:
    return base.execute("PRAGMA application_id").fetchone()[0], base.execute("PRAGMA user_version").fetchone()[0]


def next_step(base: sqlite3.Connection) -> int:
    """The next number of an order that holds whatever the clocks say."""
    base.execute("UPDATE meta SET value = value + 1 WHERE name = 'step'")
    step: int = base.execute("SELECT value FROM meta WHERE name = 'step'").fetchone()[0]
    return step
