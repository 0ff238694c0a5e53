"""The deliverability agent: what its runs find and leave, what clears a cause, and the accounts it pauses and frees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox, World
from mcp_instantly.sandbox.resources.workspace.api_keys import add_key

pytestmark = pytest.mark.anyio

Wait = Callable[[float], None]

DAY = 86400
BASE = "/ai-agents/deliverability"
AGENT = "de11a001-5d6e-4f70-8b8c-0d1e2f3a4b01"
WARMUP, SETTINGS, BLOCKLIST = (f"{BASE}/feed-items/de11a002-5d6e-4f70-8b8c-0d1e2f3a4b0{n}" for n in (1, 2, 3))
PAUSE = f"{WARMUP}/pause-campaign-sending"
PAUSE_ACCOUNTS = f"{BLOCKLIST}/pause-affected-accounts"
COMPLETE = f"{SETTINGS}/complete"
ADA, BEN, CHLOE = (f"{name}@brightpath.example" for name in ("ada", "ben", "chloe"))
FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LOGISTICS = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
UNSUBSCRIBED = "tariq.nowak@brightvault.example"
RUN = 130
"""Seconds within which a run is over."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Three senders: one whose domain lacks a record, one on blocklists, and one that came ready-made."""
    accounts = [{"email": f"ann@{domain}.example"} for domain in ("no-dkim", "blacklisted", "fine")]
    with Sandbox({"workspaces": [{"accounts": accounts}]}) as sandbox:
        yield sandbox


def client(sandbox: Sandbox) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox/api/v2", headers=sandbox.headers)


async def feed(api: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await api.get(f"{BASE}/state", params={"limit": 100, **query})).json()[
        "activity_feed"
    ]["items"]
    return found


async def sent_by(api: httpx.AsyncClient, email: str) -> int:
    query = {"eaccount": email, "email_type": "sent", "limit": 100}
    return len((await api.get("/emails", params=query)).json()["items"])


async def run(api: httpx.AsyncClient, wait: Wait) -> None:
    assert (await api.post(f"{BASE}/run-now")).status_code == 200
    wait(RUN)


async def test_pausing_accounts_takes_scopes_of_both_groups(world: World, api: httpx.AsyncClient) -> None:
    for scopes, status in ((["ai_agents:update"], 403), (["ai_agents:update", "accounts:all"], 200)):
        key = add_key(world, "Test", scopes)["key"]
        answer = await api.post(PAUSE, headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == status


async def test_an_item_of_another_kind_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.post(PAUSE.replace("campaign-sending", "affected-accounts"))).status_code == 400
    assert (await api.post(f"{WARMUP}/complete")).status_code == 400
    assert (await api.post(f"{SETTINGS}/pause-campaign-sending")).status_code == 400


async def test_whoever_resumes_an_account_ends_its_pause(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(PAUSE)
    await api.post(f"/accounts/{CHLOE}/resume")
    await api.post(f"/accounts/{CHLOE}/pause")
    wait(15 * DAY)
    assert (await api.get(f"/accounts/{CHLOE}")).json()["status"] == 2


async def test_the_last_page_has_no_cursor_in_the_list_and_null_in_the_state(api: httpx.AsyncClient) -> None:
    agent = (await api.get(f"{BASE}/state")).json()
    assert agent["activity_feed"]["next_starting_after"] is None
    listed = (await api.get(f"{BASE}/{agent['agent']['id']}/feed-items", params={"limit": 3})).json()
    assert (len(listed["items"]), "next_starting_after" in listed) == (3, False)


@pytest.mark.parametrize("clearing", ["block", "delete"])
async def test_the_cause_of_a_finding_about_settings_is_cleared_through_the_api(
    api: httpx.AsyncClient, clearing: str
) -> None:
    """Somebody who has unsubscribed is in a campaign again: blocked, or taken out of it, nobody can mail them."""
    again = (await api.post("/leads", json={"email": UNSUBSCRIBED, "campaign": LOGISTICS})).json()
    assert (await api.post(COMPLETE)).status_code == 409
    if clearing == "block":
        await api.post("/block-lists-entries", json={"bl_value": UNSUBSCRIBED})
    else:
        await api.delete(f"/leads/{again['id']}")
    done = (await api.post(COMPLETE)).json()
    assert done["item"]["status"] == "done"
    assert (await api.post(COMPLETE)).json() == done


async def test_a_run_tells_who_could_be_mailed_again_although_they_unsubscribed(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    await api.post("/leads", json={"email": UNSUBSCRIBED, "campaign": LOGISTICS})
    await run(api, wait)
    (item,) = [item for item in await feed(api, feed_filter="todo") if item["feed_code"] == "settings"]
    assert item["payload"] == {"settings": ["add_unsub_to_block"], "leads": [UNSUBSCRIBED]}


async def test_accepting_a_recommendation_leaves_an_action_in_the_feed(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(PAUSE)
    await api.post(PAUSE_ACCOUNTS)
    actions = [item for item in await feed(api, feed_filter="done") if item["kind"] == "action"]
    assert [(item["feed_code"], item["payload"]["accounts"]) for item in actions] == [
        ("accounts_paused", [ADA, BEN]),
        ("campaign_sending_paused", [CHLOE]),
    ]
    await api.post(PAUSE)
    assert len([item for item in await feed(api) if item["kind"] == "action"]) == 2


async def test_the_end_of_a_pause_of_sending_leaves_an_action_too(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(PAUSE)
    wait(14 * DAY + 1)
    assert (await api.get(f"/accounts/{CHLOE}")).json()["status"] == 1
    resumed = [item for item in await feed(api) if item["feed_code"] == "campaign_sending_resumed"]
    assert [item["payload"]["accounts"] for item in resumed] == [[CHLOE]]


async def test_paused_accounts_send_nothing_until_each_is_resumed(api: httpx.AsyncClient, wait: Wait) -> None:
    assert (await api.post(PAUSE_ACCOUNTS)).json()["paused_account_count"] == 3
    before = [await sent_by(api, email) for email in (ADA, BEN)]
    wait(3 * DAY)
    assert [await sent_by(api, email) for email in (ADA, BEN)] == before
    await api.post(f"/accounts/{ADA}/resume")
    # It was stopped (-1) when it had nobody left to send from.
    await api.post(f"/campaigns/{FINTECH}/activate")
    wait(3 * DAY)
    assert await sent_by(api, ADA) > before[0]
    assert await sent_by(api, BEN) == before[1]


async def test_ready_made_accounts_are_counted_and_go_on_sending(world: World, api: httpx.AsyncClient) -> None:
    world.accounts.change(world.accounts[CHLOE], _prewarmed=True)
    done = (await api.post(PAUSE)).json()
    assert (done["ready_made_account_count"], done["paused_account_count"]) == (1, 0)
    assert (await api.get(f"/accounts/{CHLOE}")).json()["status"] == 1


async def test_a_blocklist_finding_is_checked_again(api: httpx.AsyncClient, wait: Wait) -> None:
    """Of the accounts that it names none sends any more: there is nothing to confirm."""
    for email in (ADA, BEN, CHLOE):
        await api.post(f"/accounts/{email}/pause")
    refused = await api.post(PAUSE_ACCOUNTS)
    assert (refused.status_code, "confirm" in refused.json()["message"]) == (409, True)


async def test_a_listing_that_is_long_past_is_not_confirmed(api: httpx.AsyncClient, wait: Wait) -> None:
    wait(31 * DAY)
    assert (await api.post(PAUSE_ACCOUNTS)).status_code == 409


async def test_runs_find_missing_records_and_blocklisted_domains(sandbox: Sandbox) -> None:
    async with client(sandbox) as api:
        await api.post(f"{BASE}/deploy")
        sandbox.advance(RUN)
        found = {item["feed_code"]: item["payload"]["accounts"] for item in await feed(api, feed_filter="todo")}
        assert found == {"dns_records": ["ann@no-dkim.example"], "blocklist": ["ann@blacklisted.example"]}
        (item,) = [item for item in await feed(api) if item["feed_code"] == "blocklist"]
        done = (await api.post(f"{BASE}/feed-items/{item['id']}/pause-affected-accounts")).json()
        assert (done["affected_domain_count"], done["paused_account_count"]) == (1, 1)


async def test_a_run_closes_what_has_been_put_right_and_shows_what_still_waits(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    await run(api, wait)
    waiting = {item["feed_code"] for item in await feed(api, feed_filter="todo")}
    assert waiting == {"warmup_score", "blocklist"}
    latest = (await api.get(f"{BASE}/state")).json()["run_summary"]["latest"]
    assert {item["feed_code"] for item in latest["feed_items"]} == waiting
    assert latest["needs_attention_count"] == len(waiting)
    await api.post(f"/accounts/{CHLOE}/pause")
    await run(api, wait)
    (closed,) = [item for item in await feed(api, feed_filter="done") if item["feed_code"] == "warmup_score"]
    assert closed["completed_at"]


async def test_a_paused_agent_stops_its_run_and_a_deployment_starts_one_and_only_one(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    await api.post(f"{BASE}/run-now")
    await api.post(f"{BASE}/{AGENT}/pause")
    state = (await api.get(f"{BASE}/state")).json()
    assert state["current_activity"]["active"] is None
    assert (await api.post(f"{BASE}/deploy")).json()["initial_cycle_enqueued"] is True
    wait(RUN)
    assert (await api.get(f"{BASE}/state")).json()["current_activity"]["completed_summary"]["count"] == 2


async def test_a_run_by_hand_and_one_by_the_schedule_are_never_at_once(api: httpx.AsyncClient, wait: Wait) -> None:
    """The one that stood on the schedule is due while the other is going on."""
    await run(api, wait)
    next_run = (await api.get(f"{BASE}/state")).json()["schedule"]["next_run_at"]
    wait(DAY - RUN)
    await api.post(f"{BASE}/run-now")
    wait(RUN)
    state = (await api.get(f"{BASE}/state")).json()
    assert state["current_activity"]["completed_summary"]["count"] == 3
    assert state["current_activity"]["active"] is None
    assert state["schedule"]["next_run_at"] > next_run


async def test_runs_are_told_of_for_thirty_days(api: httpx.AsyncClient, wait: Wait) -> None:
    wait(60 * DAY)
    summary = (await api.get(f"{BASE}/state")).json()["current_activity"]["completed_summary"]
    assert summary["retention_days"] == 30
    assert 29 <= summary["count"] <= 31


async def test_an_agent_that_has_not_run_but_will_is_scheduled(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.delete(f"{BASE}/{AGENT}")
    await api.post(f"{BASE}/deploy")
    state = (await api.get(f"{BASE}/state")).json()
    await api.post(f"{BASE}/{state['agent']['id']}/pause")
    await api.post(f"{BASE}/{state['agent']['id']}/resume")
    latest = (await api.get(f"{BASE}/state")).json()["run_summary"]["latest"]
    assert (latest["status"], latest["cycle_id"]) == ("scheduled", None)
