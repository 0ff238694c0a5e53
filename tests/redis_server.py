"""A Redis of our own on a free loopback port, from Debian's binary."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from .services import binary, free_port

START_SECONDS = 10


class RedisServer:
    """A Redis that keeps nothing on disk, and can be killed and started again on the same port."""

    def __init__(self, binary: str, folder: Path, *settings: str):
        self._binary = binary
        self._settings = settings
        self._folder = folder
        self.port = free_port()
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
    """A Redis that runs while the context is, with these settings besides."""
    redis = RedisServer(binary("redis-server"), folder, *settings)
    redis.start()
    try:
        yield redis
    finally:
        redis.kill()
