"""Twenty workspaces behind one sandbox, each with a key of its own, and clients that bring headers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

from .conftest import served

HTTP = ("serve", "--transport", "http")
TOKEN = "0123456789abcdef-of-alice"
CALLERS = 20


def key_of(number: int) -> str:
    return f"key-of-workspace-{number:04d}"


@contextlib.contextmanager
def sandbox_of_many(folder: Path, *more: str) -> Iterator[str]:
    """The base URL of a sandbox of an agency and the workspaces of CALLERS, whose only list has their number."""
    workspaces: list[dict[str, Any]] = [{"name": "Agency"}]
    for number in range(CALLERS):
        mine = {"name": f"Workspace {number}", "keys": [{"key": key_of(number), "scopes": ["all:all"]}]}
        workspaces.append({**mine, "lists": [{"name": f"List {number}", "leads": []}]})
    file = folder / "many.json"
    file.write_text(json.dumps({"description": "Many workspaces", "workspaces": workspaces}))
    with served("sandbox", "--scenario", str(file), *(more or ("--no-budgets",))) as (_, url):
        yield url.removesuffix("api/v2")


@contextlib.asynccontextmanager
async def connected(url: str, headers: dict[str, str], mode: str = "auto") -> AsyncIterator[Client]:
    """A client of the SDK that sends these headers with each request."""
    async with (
        create_mcp_http_client(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client
