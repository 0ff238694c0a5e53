"""The file of an audit: lines of JSON that are appended, and read again however they end."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

from mcp_instantly.descriptors import sync_folder
from mcp_instantly.errors import ConfigError
from mcp_instantly.text import compact, file_fault

Entry = dict[str, Any]

MODE = 0o600
"""Only its owner reads it: it holds addresses, and values of fields."""

BEGUN = "begun"
"""The outcome of a write that has no other line yet."""


class AuditFile:
    """Lines are appended with one write each and are on the disk when `append` returns, so that processes can share
    it, and a process that is killed loses none of them. It is opened for each line: it may be moved away meanwhile.
    """

    def __init__(self, path: Path):
        """Make the file when there is none. Raises ConfigError for one that cannot be written."""
        self.path = path
        try:
            os.close(self._open())
        except (OSError, ValueError) as error:
            raise ConfigError(f"The audit file {path} cannot be written: {file_fault(error)}.") from None

    def append(self, entry: Entry) -> None:
        """Write one line down. Raises OSError."""
        line = compact(entry).encode("utf-8", "backslashreplace") + b"\n"
        opened = self._open()
        try:
            if _is_torn(opened):
                line = b"\n" + line
            if os.write(opened, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(opened)
        finally:
            os.close(opened)

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        flags |= getattr(os, "O_BINARY", 0)
        try:
            opened = os.open(self.path, flags)
        except FileNotFoundError:
            opened = os.open(self.path, flags | os.O_CREAT, MODE)
            sync_folder(self.path.parent)
        try:
            found = os.fstat(opened)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "it is not a file")
            if os.name == "posix" and stat.S_IMODE(found.st_mode) & ~MODE:
                os.fchmod(opened, MODE)
        except BaseException:
            os.close(opened)
            raise
        return opened


def _is_torn(opened: int) -> bool:
    """Whether the last line of a file has no end: a full disk took only a part of it."""
    size = os.lseek(opened, 0, os.SEEK_END)
    if size == 0:
        return False
    os.lseek(opened, size - 1, os.SEEK_SET)
    return os.read(opened, 1) != b"\n"


@dataclasses.dataclass(frozen=True)
class Trail:
    """The writes of a file by their ids, in the order in which they began, and how many lines cannot be read."""

    entries: dict[str, Entry]
    torn: int


def read_trail(path: Path) -> Trail:
    """Read a file. A write without an end, as its process was killed, is unknown. Raises ConfigError."""
    try:
        lines = path.read_bytes().split(b"\n")
    except (OSError, ValueError) as error:
        raise ConfigError(f"The audit file {path} cannot be read: {file_fault(error)}.") from None
    entries: dict[str, Entry] = {}
    torn = 0
    for line in filter(bytes.strip, lines):
        entry = _entry(line)
        if entry is None:
            torn += 1
        elif entry["outcome"] != BEGUN or entry["id"] not in entries:
            entries[entry["id"]] = entry
    for name, entry in entries.items():
        if entry["outcome"] == BEGUN:
            entries[name] = {**entry, "outcome": "unknown", "error": "no end was written: its process was killed"}
    return Trail(entries, torn)


def _entry(line: bytes) -> Entry | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    needed = ("id", "time", "tool", "outcome")
    is_entry = isinstance(found, dict) and all(isinstance(found.get(name), str) for name in needed)
    return found if is_entry else None
