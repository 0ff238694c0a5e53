"""Campaigns: their settings, their copies, and that they send or do not."""

from __future__ import annotations

from .demo import CHLOE, FINTECH, HOUR, LOGISTICS, MAYA_EMAIL, Q4, WEEKDAYS
from .observer import Observer, assert_holds, changed, effect, items_of

SHARED = ("sequences", "campaign_schedule", "daily_limit", "stop_on_reply")
"""Settings that every copy has."""


@effect
async def create_campaign(see: Observer) -> None:
    launched = await see.ask("count_launched_campaigns")
    shown = await see.creates("get_campaign", "list_campaigns")
    assert shown["status"] == 0
    assert await see.ask("count_launched_campaigns") == launched
    status = await see.ask("get_campaign_sending_status", id=shown["id"])
    assert status["summary"]["status"] == "campaign_draft"


@effect
async def get_campaign(see: Observer) -> None:
    await see.reads("update_campaign", name="Seen", daily_limit=17)


@effect
async def list_campaigns(see: Observer) -> None:
    async def launch_another() -> str:
        made = await see.ask("create_campaign", name="Fintech, again", campaign_schedule=WEEKDAYS)
        await see.ask("toggle_custom_tag", tag_ids=[Q4], resource_type=2, assign=True, resource_ids=[made["id"]])
        await see.ask("activate_campaign", id=made["id"])
        return made["id"]

    async def draft_one() -> str:
        return (await see.ask("create_campaign", name="Plain", campaign_schedule=WEEKDAYS))["id"]

    shown = await see.lists(launch_another, besides=draft_one)
    assert (shown["name"], shown["status"]) == ("Fintech, again", 1)
    for item in items_of(await see.act()):
        assert item["status"] == see.given.get("status", item["status"])
        assert see.given.get("search", "") in item["name"].lower()


@effect
async def update_campaign(see: Observer) -> None:
    await see.updates("get_campaign")
    entry = await see.logged()
    assert (entry["activity_type"], entry["campaign_id"]) == (11, see.given["id"])


@effect
async def delete_campaign(see: Observer) -> None:
    campaign = see.given["id"]
    lead = await see.ask("create_lead", campaign=campaign, email="nils.berg@fraktlinje.example")
    child = await see.ask("create_subsequence", parent_campaign=campaign, name="Child", conditions={"crm_status": [1]})
    assert campaign in await see.ids("list_custom_tag_mappings", key="resource_id")
    await see.deletes("get_campaign", "list_campaigns")
    assert "not found" in await see.refused("get_lead", id=lead["id"])
    assert "not found" in await see.refused("get_subsequence", id=child["id"])
    assert campaign not in await see.ids("list_custom_tag_mappings", key="resource_id")
    entry = await see.logged()
    assert (entry["activity_type"], entry["campaign_id"]) == (3, campaign)


@effect
async def activate_campaign(see: Observer) -> None:
    campaign = see.given["id"]
    await see.ask("update_campaign", id=campaign, email_list=[CHLOE])
    await see.ask("create_lead", campaign=campaign, email="nils.berg@fraktlinje.example")
    await see.ask("pause_campaign", id=campaign)
    see.wait(HOUR)
    before = await see.emails(campaign)
    await see.act()
    assert (await see.ask("get_campaign", id=campaign))["status"] == 1
    assert (await see.logged())["activity_type"] == 4
    see.wait(HOUR)
    new = (await see.emails(campaign))[len(before) :]
    assert {mail["eaccount"] for mail in new} == {CHLOE}
    assert (await see.ask("get_campaign_sending_status", id=campaign))["summary"]["last_healthy_send_at"]


@effect
async def pause_campaign(see: Observer) -> None:
    campaign = see.given["id"]
    quiet = await see.emails(campaign)
    see.wait(HOUR)
    before = await see.emails(campaign)
    assert len(before) > len(quiet)
    await see.act()
    assert (await see.ask("get_campaign", id=campaign))["status"] == 2
    assert (await see.logged())["activity_type"] == 5
    see.wait(2 * HOUR)
    assert await see.emails(campaign) == before
    status = await see.ask("get_campaign_sending_status", id=campaign)
    assert status["summary"]["status"] == "campaign_paused"


@effect
async def add_campaign_variables(see: Observer) -> None:
    before = await see.ask("get_campaign", id=see.given["id"])
    assert not set(see.given["variables"]) & set(before["custom_variables"])
    await see.act()
    after = await see.ask("get_campaign", id=see.given["id"])
    assert set(after["custom_variables"]) == {*before["custom_variables"], *see.given["variables"]}
    assert changed(before, after) <= {"custom_variables", "core_variables", "timestamp_updated"}


@effect
async def count_launched_campaigns(see: Observer) -> None:
    async def launched() -> int:
        count = (await see.act())["count"]
        assert count == sum(item["status"] != 0 for item in await see.all("list_campaigns"))
        return count

    before = await launched()
    await see.ask("activate_campaign", id=LOGISTICS)
    assert await launched() == before + 1


@effect
async def get_campaign_sending_status(see: Observer) -> None:
    before = await see.act()
    assert before["summary"]["status"] == "healthy"
    assert (before["summary"]["ai_summary"] is not None) == ("with_ai_summary" in see.given)
    see.wait(HOUR)
    after = await see.act()
    emails = await see.emails(see.given["id"])
    assert after["summary"]["last_healthy_send_at"] == max(mail["timestamp_email"] for mail in emails)
    today = [mail for mail in emails if mail["timestamp_email"] > "2026-09-07"]
    assert after["diagnostics"]["campaign_daily_limit"]["sent"] == len(today) > 0
    await see.ask("pause_campaign", id=see.given["id"])
    assert (await see.act())["summary"]["status"] == "campaign_paused"


@effect
async def search_campaigns_by_contact(see: Observer) -> None:
    async def add_the_contact() -> str:
        await see.ask("create_lead", campaign=LOGISTICS, email=see.given["search"])
        return LOGISTICS

    assert see.given["search"] == MAYA_EMAIL
    await see.lists(add_the_contact)
    assert {item["id"] for item in items_of(await see.act())} == {FINTECH, LOGISTICS}


# copies


@effect
async def duplicate_campaign(see: Observer) -> None:
    source = await see.ask("get_campaign", id=see.given["id"])
    shown = await see.creates("get_campaign", "list_campaigns", hidden={"id"})
    assert shown["id"] != source["id"]
    assert shown["name"] == see.given.get("name", f"{source['name']} (copy)")
    assert shown["status"] == 0
    assert_holds(shown, {name: source[name] for name in (*SHARED, "email_list")})
    assert await see.all("list_leads", campaign=shown["id"]) == []


@effect
async def export_campaign(see: Observer) -> None:
    after = await see.reads("update_campaign", name="Seen", daily_limit=17)
    assert after == await see.ask("get_campaign", id=see.given["id"])


@effect
async def share_campaign(see: Observer) -> None:
    assert "not shared" in await see.refused("create_campaign_from_export", id=see.given["id"])
    await see.act()
    copy = await see.ask("create_campaign_from_export", id=see.given["id"])
    source = await see.ask("get_campaign", id=see.given["id"])
    assert_holds(await see.ask("get_campaign", id=copy["id"]), {name: source[name] for name in (*SHARED, "name")})
    # A week later it is over.
    see.wait(7 * 24 * HOUR)
    assert "not shared" in await see.refused("create_campaign_from_export", id=see.given["id"])


@effect
async def create_campaign_from_export(see: Observer) -> None:
    source = await see.ask("get_campaign", id=see.given["id"])
    shown = await see.creates("get_campaign", "list_campaigns", hidden={"id"})
    assert shown["id"] != source["id"]
    assert shown["status"] == 0
    assert "email_list" not in shown
    assert_holds(shown, {name: source[name] for name in (*SHARED, "name")})
