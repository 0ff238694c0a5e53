"""The API's budgets, on the sandbox's clock; in process only for those who ask."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

Wait = Callable[[float], None]
COUNT = "/campaigns/count-launched"


async def test_in_process_there_are_no_rate_limits_unless_asked_for(api: httpx.AsyncClient) -> None:
    assert {(await api.get("/emails", params={"limit": 1})).status_code for _ in range(130)} == {200}


async def test_a_workspace_has_a_hundred_calls_a_second(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    world.budgets = True
    codes = [(await api.get(COUNT)).status_code for _ in range(101)]
    assert codes == [200] * 100 + [429]
    wait(1)
    assert (await api.get(COUNT)).status_code == 200


async def test_all_keys_of_a_workspace_share_its_budget_and_other_workspaces_have_their_own(
    api: httpx.AsyncClient, world: World
) -> None:
    made = (await api.post("/api-keys", json={"name": "Second", "scopes": ["all:all"]})).json()
    world.workspaces.budgets = True
    for _ in range(100):
        await api.get(COUNT)
    other_key = await api.get(COUNT, headers={"authorization": f"Bearer {made['key']}"})
    refused = other_key.json()
    assert (other_key.status_code, refused["statusCode"], refused["error"]) == (429, 429, "Too Many Requests")
    elsewhere = {"x-as-workspace": "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c04"}
    assert (await api.get(COUNT, headers=elsewhere)).status_code == 200


async def test_a_workspace_has_six_thousand_calls_a_minute(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    world.budgets = True
    # What was called before, told without calling.
    world.calls["every minute"] = [world.now()] * 5999
    wait(30)
    assert (await api.get(COUNT)).status_code == 200
    assert (await api.get(COUNT)).status_code == 429
    wait(30)
    assert (await api.get(COUNT)).status_code == 200


async def test_an_address_that_starts_too_many_oauth_sessions_is_shut_out_longer_each_time(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    world.budgets = True

    async def start() -> httpx.Response:
        return await api.post("/oauth/google/init")

    for minutes in (30, 120):
        world.calls["oauth from 127.0.0.1"] = [world.now()] * 150
        refused = await start()
        assert (refused.status_code, refused.headers["retry-after"]) == (429, str(minutes * 60))
        wait(minutes * 60 - 1)
        assert (await start()).headers["retry-after"] == "1"
        wait(1)
        assert (await start()).status_code == 200
