"""Campaigns, their subsequences and their analytics."""

from __future__ import annotations

from .observer import Observer, changed, effect, ids, named, shows

DAY = 86_400.0
COPIED = ("campaign_schedule", "sequences", "daily_limit", "email_list")
RUNNING = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"


@effect("create_campaign")
async def create_campaign(see: Observer) -> None:
    before = await see.read("list_campaigns")
    made = await see.act()
    shown = await see.read("get_campaign", id=made["id"])
    shows(shown, see.given)
    assert shown["status"] == 0
    assert set(ids(await see.read("list_campaigns"))) == {*ids(before), made["id"]}
    assert await see.read("get_campaign_analytics", id=made["id"]) == []


@effect("update_campaign")
async def update_campaign(see: Observer) -> None:
    before = await see.read("get_campaign", id=see.given["id"])
    await see.act()
    after = await see.read("get_campaign", id=see.given["id"])
    shows(after, see.given)
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} <= {
        *see.given,
        "timestamp_updated",
    }
    log = await see.read("list_audit_logs", activity_type=11)
    assert log[0]["campaign_id"] == see.given["id"]


@effect("delete_campaign")
async def delete_campaign(see: Observer) -> None:
    where = {"campaign": see.given["id"]}
    lead = await see.write("create_lead", **where, email="nils.berg@fraktlinje.example")
    assert lead["id"] in ids(await see.read("list_leads", **where))
    await see.act()
    await see.is_gone("get_campaign", **see.given)
    assert see.given["id"] not in ids(await see.read("list_campaigns"))
    assert await see.read("list_leads", **where) == []
    assert (await see.read("list_audit_logs", activity_type=3))[0]["campaign_id"] == see.given["id"]


@effect("activate_campaign")
async def activate_campaign(see: Observer) -> None:
    campaign = see.given["id"]
    if not await see.read("list_leads", campaign=campaign):
        await see.write("create_lead", campaign=campaign, email="nils.berg@fraktlinje.example")
        await see.write("update_campaign", id=campaign, email_list=["ada@brightpath.example"])
    before = (await see.read("get_campaign", id=campaign))["status"]
    launched = await see.read("count_launched_campaigns")
    sent = (await see.read("get_campaign_analytics_overview", id=campaign))["emails_sent_count"]
    await see.act()
    assert (await see.read("get_campaign", id=campaign))["status"] == 1
    assert campaign in ids(await see.read("list_campaigns", status=1))
    assert (await see.read("count_launched_campaigns"))["count"] == launched["count"] + (before != 1)
    see.wait(3 * DAY)
    after = await see.read("get_campaign_analytics_overview", id=campaign)
    assert after["emails_sent_count"] > sent
    assert (
        sum(row["sent"] for row in await see.read("get_daily_campaign_analytics", campaign_id=campaign))
        == (after["emails_sent_count"])
    )
    (row,) = await see.read("get_campaign_analytics", id=campaign)
    assert row["emails_sent_count"] == after["emails_sent_count"]
    steps = await see.read("get_campaign_steps_analytics", campaign_id=campaign)
    letters = [mail for mail in await see.read("list_emails", campaign_id=campaign) if mail["ue_type"] == 1]
    own = [mail for mail in letters if "subsequence_id" not in mail]
    assert (sum(row["sent"] for row in steps), len(letters)) == (len(own), after["emails_sent_count"])
    senders = sorted({mail["eaccount"] for mail in letters})
    days = await see.read("get_daily_account_analytics", emails=senders, start_date="2026-09-07", end_date="2026-09-10")
    assert sum(row["sent"] for row in days) >= after["emails_sent_count"] - sent


@effect("pause_campaign")
async def pause_campaign(see: Observer) -> None:
    await see.act()
    assert (await see.read("get_campaign", **see.given))["status"] == 2
    assert see.given["id"] in ids(await see.read("list_campaigns", status=2))
    sent = (await see.read("get_campaign_analytics_overview", **see.given))["emails_sent_count"]
    see.wait(3 * DAY)
    assert (await see.read("get_campaign_analytics_overview", **see.given))["emails_sent_count"] == sent
    assert (await see.read("get_campaign_sending_status", **see.given))["summary"]["status"] == "campaign_paused"


@effect("duplicate_campaign")
async def duplicate_campaign(see: Observer) -> None:
    original = await see.read("get_campaign", id=see.given["id"])
    made = await see.act()
    copy = await see.read("get_campaign", id=made["id"])
    assert copy["id"] != original["id"]
    assert copy["status"] == 0
    assert copy["name"] == see.given.get("name", f"{original['name']} (copy)")
    shows(copy, {name: original[name] for name in COPIED if name in original})
    assert await see.read("list_leads", campaign=made["id"]) == []


@effect("share_campaign")
async def share_campaign(see: Observer) -> None:
    await see.act()
    made = await see.write("create_campaign_from_export", id=see.given["id"])
    original = await see.read("export_campaign", id=see.given["id"])
    copy = await see.read("get_campaign", id=made["id"])
    assert copy["sequences"] == original["sequences"]


@effect("create_campaign_from_export")
async def create_campaign_from_export(see: Observer) -> None:
    original = await see.read("get_campaign", id=see.given["id"])
    made = await see.act()
    copy = await see.read("get_campaign", id=made["id"])
    assert (copy["name"], copy["status"]) == (original["name"], 0)
    assert copy["sequences"] == original["sequences"]
    assert made["id"] in ids(await see.read("list_campaigns"))


@effect("add_campaign_variables")
async def add_campaign_variables(see: Observer) -> None:
    before = (await see.read("get_campaign", id=see.given["id"]))["custom_variables"]
    await see.act()
    after = (await see.read("get_campaign", id=see.given["id"]))["custom_variables"]
    assert set(after) == {*before, *see.given["variables"]}


@effect("create_subsequence")
async def create_subsequence(see: Observer) -> None:
    made = await see.act()
    shown = await see.read("get_subsequence", id=made["id"])
    shows(shown, see.given)
    assert shown["status"] == 0
    assert made["id"] in ids(await see.read("list_subsequences", parent_campaign=see.given["parent_campaign"]))
    analytics = await see.read("get_subsequence_analytics", campaign_id=see.given["parent_campaign"])
    assert named(analytics, subsequence_id=made["id"])["emails_sent"] == 0


@effect("update_subsequence")
async def update_subsequence(see: Observer) -> None:
    shown = await changed(see, "get_subsequence", id=see.given["id"])
    listed = named(await see.read("list_subsequences"), id=see.given["id"])
    assert listed["name"] == shown["name"]


@effect("delete_subsequence")
async def delete_subsequence(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_subsequence", **see.given)
    assert see.given["id"] not in ids(await see.read("list_subsequences"))


@effect("duplicate_subsequence")
async def duplicate_subsequence(see: Observer) -> None:
    original = await see.read("get_subsequence", id=see.given["id"])
    made = await see.act()
    copy = await see.read("get_subsequence", id=made["id"])
    assert copy["parent_campaign"] == see.given["parent_campaign"]
    assert copy["name"] == see.given.get("name", original["name"])
    assert copy["sequences"] == original["sequences"]
    assert made["id"] in ids(await see.read("list_subsequences", parent_campaign=see.given["parent_campaign"]))


@effect("pause_subsequence")
async def pause_subsequence(see: Observer) -> None:
    await see.act()
    assert (await see.read("get_subsequence", **see.given))["status"] == 2
    sent = await see.read("get_subsequence_steps_analytics", **see.given)
    see.wait(5 * DAY)
    after = await see.read("get_subsequence_steps_analytics", **see.given)
    assert [row["sent"] for row in after] == [row["sent"] for row in sent]


@effect("resume_subsequence")
async def resume_subsequence(see: Observer) -> None:
    assert (await see.read("get_subsequence", **see.given))["status"] != 1
    await see.act()
    assert (await see.read("get_subsequence", **see.given))["status"] == 1
    told = await see.read("get_subsequence_sending_status", **see.given)
    assert told["summary"] or told["diagnostics"]


@effect("move_lead_to_subsequence")
async def move_lead_to_subsequence(see: Observer) -> None:
    lead, subsequence = see.given["id"], see.given["subsequence_id"]
    email = (await see.read("get_lead", id=lead))["email"]
    await see.act()
    assert (await see.read("get_lead", id=lead))["subsequence_id"] == subsequence
    see.wait(7 * DAY)
    mails = await see.read("list_emails", lead=email)
    assert [mail for mail in mails if mail.get("subsequence_id") == subsequence]


@effect("remove_lead_from_subsequence")
async def remove_lead_from_subsequence(see: Observer) -> None:
    before = await see.read("get_lead", **see.given)
    assert "subsequence_id" in before
    mails = len(await see.read("list_emails", lead=before["email"]))
    await see.act()
    after = await see.read("get_lead", **see.given)
    assert "subsequence_id" not in after
    assert after["campaign"] == before["campaign"]
    see.wait(7 * DAY)
    later = await see.read("list_emails", lead=before["email"])
    assert len([mail for mail in later if mail["ue_type"] == 1]) <= mails
