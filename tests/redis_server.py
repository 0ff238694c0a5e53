"""A Redis of our own on a free loopback port, from Debian's binary."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

START_SECONDS = 10


class RedisServer:
    """A Redis that keeps nothing on disk, and can be killed and started again on the same port."""

    def __init__(self, binary: str, folder: Path, *settings: str):
        self._binary = binary
        self._settings = settings
        self._folder = folder
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            self.port = sock.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        command = [self._binary, *settings, "--dir", str(self._folder), *self._settings]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(16).startswith((b"+PONG", b"-NOAUTH")):
                        return
            except OSError:
                assert self._process.poll() is None, "redis-server ended"
            assert time.monotonic() < deadline, "redis-server did not start"

    def kill(self) -> None:
        """End it at once, as a machine that fails would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextlib.contextmanager
def running_redis(folder: Path, *settings: str) -> Iterator[RedisServer]:
    """A Redis that runs while the context is, with these settings besides.

    Without the binary the test is skipped, and fails where CI is set.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        said = "redis-server is not installed (Debian: redis-server)"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    assert binary is not None
    redis = RedisServer(binary, folder, *settings)
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()
