"""The deliverability agent: who may let it pause accounts, and what an own decision changes about its pause."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.resources.workspace.api_keys import add_key

pytestmark = pytest.mark.anyio

BASE = "/ai-agents/deliverability"
PAUSE = f"{BASE}/feed-items/de11a002-5d6e-4f70-8b8c-0d1e2f3a4b01/pause-campaign-sending"


async def test_pausing_accounts_takes_scopes_of_both_groups(world: World, api: httpx.AsyncClient) -> None:
    for scopes, status in ((["ai_agents:update"], 403), (["ai_agents:update", "accounts:all"], 200)):
        key = add_key(world, "Test", scopes)["key"]
        answer = await api.post(PAUSE, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == status


async def test_an_item_of_another_kind_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.post(PAUSE.replace("campaign-sending", "affected-accounts"))).status_code == 400


async def test_whoever_resumes_an_account_ends_its_pause(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await api.post(PAUSE)
    await api.post("/accounts/chloe@brightpath.example/resume")
    await api.post("/accounts/chloe@brightpath.example/pause")
    wait(15 * 86400)
    assert (await api.get("/accounts/chloe@brightpath.example")).json()["status"] == 2


async def test_the_last_page_has_no_cursor_in_the_list_and_null_in_the_state(api: httpx.AsyncClient) -> None:
    agent = (await api.get(f"{BASE}/state")).json()
    assert agent["activity_feed"]["next_starting_after"] is None
    listed = (await api.get(f"{BASE}/{agent['agent']['id']}/feed-items", params={"limit": 3})).json()
    assert (len(listed["items"]), "next_starting_after" in listed) == (3, False)
