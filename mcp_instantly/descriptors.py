"""Writing through descriptors: all of it to one that may not block, and names that are to last."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from pathlib import Path

PIPE_BYTES = 512 if sys.platform == "win32" else select.PIPE_BUF
"""So much can be written to a pipe that is ready without waiting."""


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of it, however long its reader takes. Raises OSError where nobody reads."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select([], [descriptor], [])


def sync_folder(folder: Path) -> None:
    """Make the names of a folder last; where a folder cannot be opened, the system does it by itself."""
    with contextlib.suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
