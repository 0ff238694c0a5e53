"""A sandbox that is kept in a file, as tests talk to it and break it off."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx

from mcp_instantly.sandbox import KEY
from mcp_instantly.sandbox.engine.gate import Gate

HEADERS = {"authorization": f"Bearer {KEY}"}


def client(app: Gate) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://sandbox/api/v2", headers=HEADERS, timeout=5
    )


def crash(file: Path) -> Path:
    """The file as a kill at this instant would leave it."""
    left = file.with_name(f"after-{file.name}")
    for suffix in ("", "-wal"):
        if file.with_name(file.name + suffix).exists():
            shutil.copy(f"{file}{suffix}", f"{left}{suffix}")
    return left
