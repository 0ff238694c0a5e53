"""Where the services are that tests start for themselves: their binaries, from Debian's packages, and a free port."""

from __future__ import annotations

import os
import shutil
import socket

import pytest


def binary(name: str) -> str:
    """The path of a binary. Without it the test is skipped, and fails where CI is set."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        said = f"{name} is not installed (Debian: nginx, redis-server)"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    assert found is not None
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
