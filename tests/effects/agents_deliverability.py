"""The deliverability agent: its runs, its feed, and the accounts that it pauses."""

from __future__ import annotations

from typing import Any

from .demo import ADA, CHLOE, DAY, LOGISTICS
from .observer import Observer, effect

AGENT = "de11a001-5d6e-4f70-8b8c-0d1e2f3a4b01"
UNSUBSCRIBED = "tariq.nowak@brightvault.example"


async def _status(see: Observer, email: str) -> Any:
    return (await see.ask("get_account", email=email))["status"]


@effect
async def get_default_deliverability_agent(see: Observer) -> None:
    assert (await see.act())["agent"]["status"] == 1
    await see.ask("pause_deliverability_agent", id=AGENT)
    assert (await see.act())["agent"]["status"] == 0
    await see.ask("delete_deliverability_agent", id=AGENT)
    assert (await see.act())["agent"] is None


@effect
async def deploy_deliverability_agent(see: Observer) -> None:
    assert (await see.act())["already_deployed"] is True
    await see.ask("pause_deliverability_agent", id=AGENT)
    assert (await see.act())["initial_cycle_enqueued"] is True
    see.wait(200)
    state = await see.ask("get_default_deliverability_state")
    assert state["current_activity"]["completed_summary"]["count"] == 2


@effect
async def run_deliverability_agent(see: Observer) -> None:
    cycle = (await see.act())["cycle_id"]
    see.wait(200)
    latest = (await see.ask("get_default_deliverability_state"))["run_summary"]["latest"]
    assert (latest["cycle_id"], latest["status"]) == (cycle, "completed")
    await see.ask("pause_deliverability_agent", id=AGENT)
    assert "not active" in await see.refused("run_deliverability_agent")


async def _reads_runs(see: Observer) -> None:
    before = await see.act()
    assert before["schedule"]["next_run_at"]
    await see.ask("run_deliverability_agent")
    after = await see.act()
    assert after["current_activity"]["active"]["status"] == "in_progress"
    see.wait(200)
    assert (await see.act())["current_activity"]["active"] is None
    await see.ask("pause_deliverability_agent", id=AGENT)
    assert (await see.act())["schedule"]["next_run_at"] is None


@effect
async def get_default_deliverability_state(see: Observer) -> None:
    await _reads_runs(see)


@effect
async def get_deliverability_state(see: Observer) -> None:
    await _reads_runs(see)


@effect
async def update_default_deliverability_settings(see: Observer) -> None:
    await see.act()
    agent = await see.ask("get_deliverability_agent", id=AGENT)
    assert agent["payload"]["integrations"]["slack"] == see.given.get("slack")


@effect
async def update_deliverability_agent(see: Observer) -> None:
    await see.act()
    agent = await see.ask("get_deliverability_agent", id=AGENT)
    assert agent["payload"]["integrations"]["slack"] == see.given.get("slack")


@effect
async def get_deliverability_agent(see: Observer) -> None:
    assert (await see.act())["status"] == 1
    await see.ask("pause_deliverability_agent", id=AGENT)
    assert (await see.act())["status"] == 0


@effect
async def delete_deliverability_agent(see: Observer) -> None:
    await see.act()
    assert (await see.ask("get_default_deliverability_agent"))["agent"] is None
    assert (await see.ask("deploy_deliverability_agent"))["agent"]["id"] != AGENT


@effect
async def list_deliverability_feed_items(see: Observer) -> None:
    before = [item["id"] for item in (await see.act())["items"]]
    assert len(before) == 3
    done = before[-1]
    await see.ask("pause_deliverability_campaign_sending", id=done)
    after = {item["id"]: item for item in (await see.act())["items"]}
    assert (done in after) == ("feed_filter" not in see.given)
    # What was done stands in the feed as an action of its own.
    actions = [item for item in after.values() if item["kind"] == "action"]
    assert bool(actions) == ("feed_filter" not in see.given)


@effect
async def pause_deliverability_agent(see: Observer) -> None:
    await see.act()
    assert (await see.ask("get_deliverability_agent", id=AGENT))["status"] == 0
    see.wait(2 * DAY)
    state = await see.ask("get_deliverability_state", id=AGENT)
    assert state["current_activity"]["completed_summary"]["count"] == 1


@effect
async def resume_deliverability_agent(see: Observer) -> None:
    before = await see.act()
    await see.ask("pause_deliverability_agent", id=AGENT)
    assert (await see.act())["timestamp_updated"] >= before["timestamp_updated"]
    assert (await see.ask("get_deliverability_agent", id=AGENT))["status"] == 1
    see.wait(DAY + 200)
    state = await see.ask("get_deliverability_state", id=AGENT)
    assert state["current_activity"]["completed_summary"]["count"] == 2


@effect
async def complete_deliverability_feed_item(see: Observer) -> None:
    await see.ask("create_lead", email=UNSUBSCRIBED, campaign=LOGISTICS)
    assert "still there" in await see.refused("complete_deliverability_feed_item", **see.given)
    await see.ask("create_block_list_entry", bl_value=UNSUBSCRIBED)
    assert (await see.act())["item"]["status"] == "done"
    todo = await see.all("list_deliverability_feed_items", id=AGENT, feed_filter="todo")
    assert see.given["id"] not in {item["id"] for item in todo}


@effect
async def pause_deliverability_affected_accounts(see: Observer) -> None:
    assert await _status(see, ADA) == 1
    done = await see.act()
    assert done["paused_account_count"] == 3
    assert await _status(see, ADA) == 2
    assert await see.act() == done


@effect
async def pause_deliverability_campaign_sending(see: Observer) -> None:
    done = await see.act()
    assert (done["paused_account_count"], done["duration_days"]) == (1, 14)
    assert await _status(see, CHLOE) == 2
    see.wait(14 * DAY + 1)
    assert await _status(see, CHLOE) == 1
