"""The sandbox alone: a client that talks to it over HTTP, and time to pass."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from mcp_instantly.sandbox import KEY, World, create_app

from .refusals import check_refusal


@pytest.fixture
async def api(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the demo workspace, with its key. It takes no refusal that the real API would not give."""

    async def look_at(answer: httpx.Response) -> None:
        if answer.is_error and answer.request.url.path.startswith("/api/v2") and "fault" not in world.requests[-1]:
            await answer.aread()
            check_refusal(answer)

    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(world)),
        base_url="http://sandbox/api/v2",
        headers={"authorization": f"Bearer {KEY}"},
        event_hooks={"response": [look_at]},
    ) as client:
        yield client


@pytest.fixture
def wait(world: World) -> Callable[[float], None]:
    """Let so many seconds pass in the sandbox, with all that happens in them."""

    def pass_time(seconds: float) -> None:
        world.clock.advance(seconds)
        world.settle()

    return pass_time
