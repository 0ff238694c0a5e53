"""The sandbox alone: a client that talks to it over HTTP, and time to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from mcp_instantly.sandbox import KEY, World, create_app


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the demo workspace, with its key."""
    transport = httpx.ASGITransport(app=create_app(world))
    headers = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://sandbox/api/v2", headers=headers) as client:
        yield client


@pytest.fixture
def wait(world: World) -> Callable[[float], None]:
    """Let so many seconds pass in the sandbox, with all that happens in them."""

    def pass_time(seconds: float) -> None:
        world.clock.advance(seconds)
        world.settle()

    return pass_time
