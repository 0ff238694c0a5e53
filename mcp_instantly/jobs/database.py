"""The database of jobs at a URL, `sqlite:///...` or `postgresql://...`, as SQLAlchemy opens it."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from mcp_instantly.errors import ConfigError
from mcp_instantly.private_file import make_private

BUSY_SECONDS = 30.0
"""How long SQLite waits for another process that writes."""

WAIT_SECONDS = 0.02
"""Between two attempts at what SQLite does not wait for itself."""


def driver_url(url: str) -> str:
    """The URL as SQLAlchemy reads it, with the driver that is installed. Raises ConfigError for another database."""
    if url.startswith("sqlite:///"):
        return url
    for prefix in ("postgresql://", "postgres://", "postgresql+psycopg://"):
        if url.startswith(prefix):
            return f"postgresql+psycopg://{url[len(prefix) :]}"
    raise ConfigError("--jobs-database must begin with sqlite:/// or postgresql://.")


def file_of(url: str) -> Path | None:
    """The file of a database, None for one that is a server's. Raises ConfigError for a URL that names neither."""
    try:
        found = sa.make_url(driver_url(url))
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError("--jobs-database is not a URL such as sqlite:///FILE or postgresql://HOST/NAME.") from None
    if found.get_backend_name() != "sqlite":
        return None
    name = found.database or ""
    if name in ("", ":memory:") or name.startswith("file:"):
        raise ConfigError("--jobs-database must name the file itself behind sqlite:///, as processes share it.")
    return Path(name)


def open_database(url: str) -> sa.Engine:
    """A file is made where there is none, and kept from others. Raises ConfigError and OSError."""
    full = driver_url(url)
    file = file_of(url)
    if file is None:
        return sa.create_engine(full, pool_pre_ping=True)
    # Arguments and addresses are nobody else's.
    make_private(file)
    engine = sa.create_engine(full, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False})

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous=NORMAL")

    return engine


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Have readers and a writer go on beside each other. Two processes may switch at once, which SQLite refuses at once
    to one of them, however long it would wait for other locks.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(WAIT_SECONDS)


def insert(engine: sa.Engine, table: sa.Table) -> Any:
    """An insertion that may say what to do in a conflict."""
    return (postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert)(table)
