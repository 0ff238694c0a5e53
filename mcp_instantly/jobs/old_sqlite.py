"""SQLite before 3.42, which DBOS does not expect beside Python 3.12 or newer; systems such as Debian 12 have both."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

ENOUGH = (3, 42)
"""From when on SQLite's `unixepoch` takes "subsec", by which DBOS dates its rows; older ones answer NULL."""


def make_up_for_old_sqlite() -> None:
    """Give every connection that SQLAlchemy makes from now on an `unixepoch` that knows "subsec", if it lacks one."""
    if sqlite3.sqlite_version_info >= ENOUGH:
        return
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    if not event.contains(Engine, "connect", _teach):
        event.listen(Engine, "connect", _teach)


def _teach(connection: Any, _: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.create_function("unixepoch", -1, _unixepoch)


def _unixepoch(*given: Any) -> float | None:
    """Seconds since 1970, to the millisecond where "subsec" is asked for: as DBOS asks, now and no other time."""
    if given == ("subsec",):
        return round(time.time(), 3)
    return int(time.time()) if given in ((), ("now",)) else None
