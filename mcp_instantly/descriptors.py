"""Writing to a descriptor that may not block."""

from __future__ import annotations

import os
import select
import sys

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
