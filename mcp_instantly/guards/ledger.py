"""What was used within the last 24 hours, in a file that processes share and that outlives them."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mcp_instantly.errors import ConfigError
from mcp_instantly.private_file import make_private

PERIOD_SECONDS = 24 * 3600

KEPT_SECONDS = 7 * PERIOD_SECONDS
"""After which entries are deleted, so that the file stays small."""

BUSY_SECONDS = 5.0
"""To wait for another process that is writing."""

TABLES = """
create table if not exists used (
  id integer primary key, at real not null, scope text not null, kind text not null, amount integer not null
);
create index if not exists used_at on used (scope, kind, at);
create table if not exists passed (
  scope text not null, tool text not null, object text not null, at real not null, primary key (scope, tool, object)
);
create table if not exists incomplete (
  scope text not null, tool text not null, object text not null, left_out text not null,
  primary key (scope, tool, object)
);
create table if not exists seals (id text primary key, until real not null);
"""


class LedgerUnusable(Exception):
    """The file cannot be read or written; the text says why."""


class Exhausted(Exception):
    """Of `kind`, `used` were used within the period, so that `asked` more do not fit."""

    def __init__(self, kind: str, used: int, asked: int):
        super().__init__(kind)
        self.kind = kind
        self.used = used
        self.asked = asked


class Ledger:
    """Amounts by kind, checks that were passed, and seals that were used. `scope` keeps apart what is counted apart.

    What a call may use is reserved before it and settled after it, so that several processes never use more than is
    allowed, and what was reserved counts as used until it is known better. `now` are seconds since 1970: a clock that
    goes on while no process runs. Everything but the constructor raises LedgerUnusable.
    """

    def __init__(self, file: Path, scope: str, now: Callable[[], float] = time.time):
        self._file = file
        self._scope = scope
        self._now = now
        try:
            make_private(file)
            with self._open() as db:
                db.execute("pragma journal_mode = wal")
                db.executescript(TABLES)
                db.execute("delete from used where at < ?", (self._now() - KEPT_SECONDS,))
        except (OSError, LedgerUnusable) as error:
            raise ConfigError(f"The ledger {file} cannot be used: {error}.") from None

    def reserve(self, amounts: Mapping[str, int], most: Mapping[str, int]) -> dict[str, int]:
        """Write down that amounts are about to be used, each with its entry. Raises Exhausted, and then none is.

        `most` are the amounts of each kind that may be used within 24 hours; a kind without one is written down alone.
        """
        with self._write() as db:
            self._refuse_too_much(db, amounts, most)
            return {kind: self._insert(db, kind, amount) for kind, amount in amounts.items() if amount}

    def refuse_too_much(self, amounts: Mapping[str, int], most: Mapping[str, int]) -> None:
        """Raise what `reserve` would raise now, and write nothing."""
        with self._open() as db:
            self._refuse_too_much(db, amounts, most)

    def settle(self, entries: Mapping[str, int], amounts: Mapping[str, int]) -> None:
        """Write down what was used of what had been reserved; a kind that is not in `amounts` stays as it is."""
        with self._write() as db:
            for kind, entry in entries.items():
                if kind in amounts:
                    db.execute("update used set amount = ? where id = ?", (amounts[kind], entry))

    def passed(self, tool: str, thing: str) -> float | None:
        """How many seconds ago a check of a thing was passed; None if it was not."""
        query = "select at from passed where scope = ? and tool = ? and object = ?"
        with self._open() as db:
            found = db.execute(query, (self._scope, tool, thing)).fetchone()
        return None if found is None else self._now() - found[0]

    def things_passed(self) -> set[str]:
        """The things of which some check was passed."""
        with self._open() as db:
            found = db.execute("select distinct object from passed where scope = ?", (self._scope,)).fetchall()
        return {thing for (thing,) in found}

    def take_passed(self, tool: str, thing: str) -> float | None:
        """What `passed` says, of a check that does not hold any more then: of all that ask, one alone has it."""
        of_it = (self._scope, tool, thing)
        with self._write() as db:
            found = db.execute("select at from passed where scope = ? and tool = ? and object = ?", of_it).fetchone()
            db.execute("delete from passed where scope = ? and tool = ? and object = ?", of_it)
        return None if found is None else self._now() - found[0]

    def left_out(self, tool: str, thing: str) -> str | None:
        """What the last check of a thing left out, where it did not count for that."""
        query = "select left_out from incomplete where scope = ? and tool = ? and object = ?"
        with self._open() as db:
            found = db.execute(query, (self._scope, tool, thing)).fetchone()
        return None if found is None else str(found[0])

    def note_passed(self, tool: str, thing: str, seconds_ago: float = 0.0) -> None:
        """Have a check of a thing by a tool hold, which was made so many seconds ago."""
        at = self._now() - seconds_ago
        with self._write() as db:
            self._forget(db, thing, tool)
            db.execute("insert into passed values (?, ?, ?, ?)", (self._scope, tool, thing, at))

    def note_incomplete(self, tool: str, thing: str, left_out: str) -> None:
        """Have checks of a thing by a tool no longer hold, as the last one left something out."""
        with self._write() as db:
            self._forget(db, thing, tool)
            db.execute("insert into incomplete values (?, ?, ?, ?)", (self._scope, tool, thing, left_out))

    def forget_passed(self, thing: str, tool: str | None = None) -> None:
        """Have checks of a thing no longer hold: those of one tool, or all."""
        with self._write() as db:
            self._forget(db, thing, tool)

    def _forget(self, db: sqlite3.Connection, thing: str, tool: str | None) -> None:
        for table in ("passed", "incomplete"):
            query = f"delete from {table} where scope = ? and object = ? and (? is null or tool = ?)"
            db.execute(query, (self._scope, thing, tool, tool))

    def use_seal(self, identity: str, until: float) -> bool:
        """Whether a seal is used for the first time; it is kept until nobody takes it any more."""
        with self._write() as db:
            db.execute("delete from seals where until <= ?", (self._now(),))
            return db.execute("insert or ignore into seals values (?, ?)", (identity, until)).rowcount == 1

    def _refuse_too_much(self, db: sqlite3.Connection, amounts: Mapping[str, int], most: Mapping[str, int]) -> None:
        for kind, amount in amounts.items():
            used = self._sum(db, kind)
            if kind in most and amount and used + amount > most[kind]:
                raise Exhausted(kind, used, amount)

    def _sum(self, db: sqlite3.Connection, kind: str) -> int:
        query = "select coalesce(sum(amount), 0) from used where scope = ? and kind = ? and at > ?"
        found: int = db.execute(query, (self._scope, kind, self._now() - PERIOD_SECONDS)).fetchone()[0]
        return found

    def _insert(self, db: sqlite3.Connection, kind: str, amount: int) -> int:
        query = "insert into used (at, scope, kind, amount) values (?, ?, ?, ?)"
        entry = db.execute(query, (self._now(), self._scope, kind, amount)).lastrowid
        assert entry is not None
        return entry

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which no other process writes, from its first read on."""
        with self._open() as db:
            db.execute("begin immediate")
            try:
                yield db
            except BaseException:
                db.execute("rollback")
                raise
            db.execute("commit")

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own for each use: short, and safe whatever processes and threads there are."""
        try:
            with contextlib.closing(sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)) as db:
                db.execute("pragma synchronous = full")
                yield db
        except sqlite3.Error as error:
            raise LedgerUnusable(str(error)) from None
