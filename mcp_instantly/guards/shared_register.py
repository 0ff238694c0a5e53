"""Where processes of one server enter what they did, for a minute or a few: calls that were made, seals that were used.

In a file for the workers of one machine, in Redis for replicas. Keys are digests, and each entry ends by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mcp_instantly.guards.fallback import Fallback
from mcp_instantly.log import get_logger
from mcp_instantly.redis_url import open_redis

if TYPE_CHECKING:
    from redis import Redis

BUSY_SECONDS = 5.0
"""To wait for another process that is writing."""

REDIS_SECONDS = 0.5
"""To wait for Redis."""

ANY_TOOL = ""
"""What releases the entries of every tool."""

TABLES = """
create table if not exists entry (name text primary key, tool text not null, text text not null, until real not null);
create table if not exists ended (name text primary key, at real not null, until real not null);
create table if not exists link (thing text not null, name text not null, primary key (thing, name));
"""


class Register(Protocol):
    """Entries by name. `tool` is what made an entry, `text` what it says, empty while its call is under way."""

    def claim(self, name: str, tool: str, seconds: float) -> bool:
        """Make an entry that says nothing yet; False where there is one already."""

    def read(self, name: str) -> str | None:
        """What an entry says; None where there is none."""

    def write(self, name: str, tool: str, text: str, things: Iterable[str], seconds: float) -> None:
        """Have an entry say something, and be known by some things and no others."""

    def free(self, name: str, seconds: float) -> None:
        """Forget an entry of a call that did nothing; for some seconds, it is known that."""

    def freed(self, name: str) -> float:
        """When an entry was freed last, in seconds since 1970; 0 where that is not known."""

    def release(self, tool: str, things: Iterable[str], seconds: float) -> None:
        """Forget entries of other tools that are known by one of these things; for some seconds, it is known that."""

    def released(self, name: str) -> float:
        """When an entry was released last, in seconds since 1970; 0 where that is not known."""


class FileRegister:
    """A register in a file, for processes of one machine. It is made again where something has removed it."""

    def __init__(self, file: str, now: Callable[[], float] = time.time):
        self._file = Path(file)
        self._now = now
        self._fallback = Fallback("register_away", sqlite3.Error, time.monotonic)
        with self._open() as db:
            db.executescript(TABLES)

    def claim(self, name: str, tool: str, seconds: float) -> bool:
        def claim(db: sqlite3.Connection) -> bool:
            now = self._now()
            db.execute("delete from entry where until <= ?", (now,))
            db.execute("delete from ended where until <= ?", (now,))
            db.execute("delete from link where name not in (select name from entry)")
            query = "insert or ignore into entry values (?, ?, '', ?)"
            return db.execute(query, (name, tool, now + seconds)).rowcount == 1

        return bool(self._ask(claim, True))

    def read(self, name: str) -> str | None:
        found = self._find("select text from entry where name = ? and until > ?", name)
        return None if found is None else str(found[0])

    def write(self, name: str, tool: str, text: str, things: Iterable[str], seconds: float) -> None:
        links = [(thing, name) for thing in things]

        def write(db: sqlite3.Connection) -> None:
            query = "insert or replace into entry values (?, ?, ?, ?)"
            db.execute(query, (name, tool, text, self._now() + seconds))
            db.execute("delete from link where name = ?", (name,))
            db.executemany("insert or ignore into link values (?, ?)", links)

        self._ask(write, None)

    def free(self, name: str, seconds: float) -> None:
        def free(db: sqlite3.Connection) -> None:
            now = self._now()
            db.execute("delete from entry where name = ?", (name,))
            db.execute("delete from link where name = ?", (name,))
            db.execute("insert or replace into ended values (?, ?, ?)", (_freed(name), now, now + seconds))

        self._ask(free, None)

    def freed(self, name: str) -> float:
        return self.released(_freed(name))

    def release(self, tool: str, things: Iterable[str], seconds: float) -> None:
        which = "tool != ? and text != '' and name in (select name from link where thing = ?)"
        pairs = [(tool, thing) for thing in things]

        def release(db: sqlite3.Connection) -> None:
            now = self._now()
            noted = f"insert or replace into ended select name, ?, ? from entry where {which}"
            db.executemany(noted, [(now, now + seconds, *pair) for pair in pairs])
            db.executemany(f"delete from entry where {which}", pairs)

        if pairs:
            self._ask(release, None)

    def released(self, name: str) -> float:
        found = self._find("select at from ended where name = ? and until > ?", name)
        return 0.0 if found is None else float(found[0])

    def _find(self, query: str, name: str) -> Any:
        """The row of a name that has not ended, if there is one."""
        return self._ask(lambda db: db.execute(query, (name, self._now())).fetchone(), None, begin="begin")

    def _ask(
        self, question: Callable[[sqlite3.Connection], Any], otherwise: Any, begin: str = "begin immediate"
    ) -> Any:
        return self._fallback.ask(lambda: self._transact(question, begin), otherwise)

    def _transact(self, question: Callable[[sqlite3.Connection], Any], begin: str) -> Any:
        """What a question finds in one transaction, in a file that is made again where there is none."""
        try:
            return self._transact_once(question, begin)
        except sqlite3.OperationalError as error:
            # A file that is not there is made by being opened, without the tables.
            if self._file.exists() and "no such table" not in str(error):
                raise
            get_logger().warning("register_gone", error_class=type(error).__name__, affects="repeats of calls, seals")
        self._make_again()
        return self._transact_once(question, begin)

    def _transact_once(self, question: Callable[[sqlite3.Connection], Any], begin: str) -> Any:
        with self._open() as db:
            db.execute(begin)
            found = question(db)
            db.execute("commit")
            return found

    def _make_again(self) -> None:
        """Make the file, in a folder that is ours alone. Raises sqlite3.Error where that does not work."""
        folder = self._file.parent
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            is_ours = folder.stat().st_uid == os.getuid()
        except OSError as error:
            raise sqlite3.OperationalError(str(error)) from None
        if not is_ours:
            raise sqlite3.OperationalError(f"{folder} belongs to somebody else")
        with self._open() as db:
            db.executescript(TABLES)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._file, timeout=BUSY_SECONDS, isolation_level=None)) as db:
            yield db


class RedisRegister:
    """A register in Redis. While that is away, each process knows what it has done itself, and one warning says so."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic):
        import redis

        self._fallback = Fallback("redis_away", redis.RedisError, now)
        self._redis = open_redis(url, REDIS_SECONDS, decode_responses=True)

    def claim(self, name: str, tool: str, seconds: float) -> bool:
        entry = json.dumps([tool, "", False])
        made = self._ask(lambda db: db.set(_key(name), entry, nx=True, px=int(seconds * 1000)), True)
        return bool(made)

    def read(self, name: str) -> str | None:
        found = self._ask(lambda db: db.get(_key(name)), None)
        return None if found is None else str(json.loads(found)[1])

    def write(self, name: str, tool: str, text: str, things: Iterable[str], seconds: float) -> None:
        places = [place for thing in things for place in ((_thing(thing), tool), (_thing(thing, tool), name))]

        def write(db: Redis) -> None:
            pipe = db.pipeline()
            pipe.set(_key(name), json.dumps([tool, text, bool(places)]), px=int(seconds * 1000))
            for place, value in places:
                pipe.sadd(place, value)
                pipe.pexpire(place, int(seconds * 1000))
            pipe.execute()

        self._ask(write, None)

    def free(self, name: str, seconds: float) -> None:
        def free(db: Redis) -> None:
            pipe = db.pipeline()
            pipe.delete(_key(name))
            pipe.set(_ended(_freed(name)), time.time(), px=int(seconds * 1000))
            pipe.execute()

        self._ask(free, None)

    def freed(self, name: str) -> float:
        return self.released(_freed(name))

    def release(self, tool: str, things: Iterable[str], seconds: float) -> None:
        wanted = list(things)

        def release(db: Redis) -> None:
            # By tool, as thousands of calls of one tool may have touched the same.
            tools = _members(db, map(_thing, wanted))
            places = [(thing, other) for thing, found in zip(wanted, tools, strict=True) for other in found - {tool}]
            names = _members(db, (_thing(thing, other) for thing, other in places))
            entries = sorted({(name, other) for (_, other), found in zip(places, names, strict=True) for name in found})
            texts = db.mget([_key(name) for name, _ in entries]) if entries else []
            pipe = db.pipeline()
            for (name, other), text in zip(entries, texts, strict=True):
                if _is_over(text, other):
                    pipe.delete(_key(name))
                    pipe.set(_ended(name), time.time(), px=int(seconds * 1000))
            pipe.execute()

        if wanted:
            self._ask(release, None)

    def released(self, name: str) -> float:
        return float(self._ask(lambda db: db.get(_ended(name)), None) or 0.0)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _ask(self, question: Callable[[Redis], Any], otherwise: Any) -> Any:
        return self._fallback.ask(lambda: question(self._redis), otherwise)


def _key(name: str) -> str:
    return f"mcp-instantly:call:{name}"


def _freed(name: str) -> str:
    """Under what it is kept when an entry was freed."""
    return f"freed {name}"


def _ended(name: str) -> str:
    """Where it is kept when an entry was released."""
    return f"mcp-instantly:ended:{name}"


def _thing(thing: str, tool: str = "") -> str:
    """Where the tools are kept whose calls touched a thing, or the names of the calls of one of them."""
    return f"mcp-instantly:thing:{thing}:{tool}"


def _members(db: Redis, places: Iterable[str]) -> list[set[str]]:
    """What each of some sets holds, all asked for at once."""
    pipe = db.pipeline(transaction=False)
    for place in places:
        pipe.smembers(place)
    return [set(map(str, found)) for found in pipe.execute()]


def _is_over(entry: Any, tool: str) -> bool:
    """Whether an entry is of a call of this tool that is not under way, and known by things at all."""
    made_by, text, *known = json.loads(entry) if entry else ("", "")
    return made_by == tool and bool(text) and known == [True]
