"""The workspace itself: its name and domain, what it pays for, its log, its jobs and its telephone numbers."""

from __future__ import annotations

from .demo import ADA, DAY, FINTECH, HOUR, LOGISTICS, MAYA, WEBHOOK, WEEKDAYS
from .observer import Observer, effect, items_of


@effect
async def get_workspace(see: Observer) -> None:
    await see.reads("update_workspace", key="", name="Seen", org_logo_url="https://brightpath.example/logo.png")


@effect
async def update_workspace(see: Observer) -> None:
    await see.updates("get_workspace", key="", first={"org_logo_url": "https://brightpath.example/logo.png"})
    plan = await see.ask("get_workspace_plan")
    assert plan["organization_name"] == (await see.ask("get_workspace"))["name"]


@effect
async def schedule_workspace_removal(see: Observer) -> None:
    assert "scheduled_for_removal_at" not in await see.ask("get_workspace")
    await see.act()
    assert (await see.ask("get_workspace"))["scheduled_for_removal_at"] == "2026-09-08T13:00:00.000Z"
    see.wait(DAY - 1)
    await see.ask("get_workspace")
    see.wait(1)
    assert "api key" in await see.refused("get_workspace")


@effect
async def cancel_workspace_removal(see: Observer) -> None:
    await see.ask("schedule_workspace_removal")
    see.wait(HOUR)
    await see.act()
    assert "scheduled_for_removal_at" not in await see.ask("get_workspace")
    see.wait(2 * DAY)
    await see.ask("get_workspace")


@effect
async def set_workspace_whitelabel_domain(see: Observer) -> None:
    assert await see.ask("get_workspace_whitelabel_domain") == {}
    await see.act()
    found = await see.ask("get_workspace_whitelabel_domain")
    assert (found["name"], found["verified"]) == (see.given["domain"], False)
    assert (await see.ask("get_workspace"))["org_client_domain"] == see.given["domain"]
    see.wait(HOUR)
    assert (await see.ask("get_workspace_whitelabel_domain"))["verified"] is True


@effect
async def get_workspace_whitelabel_domain(see: Observer) -> None:
    assert await see.act() == {}
    await see.ask("set_workspace_whitelabel_domain", domain="seen.brightpath.example")
    found = await see.act()
    assert (found["name"], found["verified"]) == ("seen.brightpath.example", False)
    assert found["verification"][0]["domain"] == "seen.brightpath.example"


@effect
async def delete_workspace_whitelabel_domain(see: Observer) -> None:
    await see.ask("set_workspace_whitelabel_domain", domain="app.brightpath.example")
    assert (await see.ask("get_workspace_whitelabel_domain"))["name"] == "app.brightpath.example"
    await see.act()
    assert await see.ask("get_workspace_whitelabel_domain") == {}
    assert "org_client_domain" not in await see.ask("get_workspace")


# what it pays for


@effect
async def get_workspace_plan(see: Observer) -> None:
    before = await see.act()
    leads, credits = before["subscriptions"]["outreach"], before["subscriptions"]["credits"]
    assert leads["current_lead_count"] == sum("campaign" in lead for lead in await see.all("list_leads"))
    await see.ask("create_lead", campaign=LOGISTICS, email="nils.berg@fraktlinje.example")
    await see.ask("verify_email", email="nils.berg@fraktlinje.example")
    await see.ask("update_workspace", name="Seen")
    after = await see.act()
    assert after["organization_name"] == "Seen"
    assert after["subscriptions"]["outreach"]["current_lead_count"] == leads["current_lead_count"] + 1
    assert after["subscriptions"]["credits"]["available_credits"] == credits["available_credits"] - 1


@effect
async def get_workspace_subscription(see: Observer) -> None:
    """What is paid for is what the plan consists of, and each month it is paid anew."""

    async def agree() -> int:
        paid = {row["product_id"]: row for row in (await see.act())["subscriptions"]}
        plans = (await see.ask("get_workspace_plan"))["subscriptions"]
        assert (await see.ask("get_workspace"))["plan_id"] in paid
        for plan in (plans["outreach"], plans["credits"]):
            assert paid[plan["product_id"]]["price_in_dollars"] == plan["price_in_dollars"]
            assert paid[plan["product_id"]]["current_period_end"] == plan["current_period_end"]
        return plans["outreach"]["current_period_end"]

    before = await agree()
    see.wait(30 * DAY)
    assert await agree() == before + 30 * DAY


# log and jobs


@effect
async def list_audit_logs(see: Observer) -> None:
    async def delete_a_campaign() -> str:
        made = await see.ask("create_campaign", name="Login reminders", campaign_schedule=WEEKDAYS)
        await see.ask("delete_campaign", id=made["id"])
        return (await see.logged())["id"]

    async def resume_a_webhook_a_day_later() -> str:
        see.wait(DAY)
        await see.ask("resume_webhook", id=WEBHOOK)
        return (await see.logged())["id"]

    entry = await see.lists(delete_a_campaign, besides=resume_a_webhook_a_day_later)
    assert (entry["activity_type"], entry["audit_metadata"]["name"]) == (3, "Login reminders")
    assert entry["from_api"] is True
    stamps = [one["timestamp"] for one in items_of(await see.act())]
    assert stamps == sorted(stamps, reverse=True)


@effect
async def get_background_job(see: Observer) -> None:
    job = await see.act()
    (listed,) = await see.all("list_background_jobs", ids=see.given["id"])
    if "data_fields" in see.given:
        wanted = see.given["data_fields"].split(",")
        assert job["data"] == {name: listed["data"][name] for name in wanted}
        assert len(listed["data"]) > len(job["data"])
    else:
        assert job == listed
        leads = await see.ids("list_leads", key="email", campaign=job["entity_id"])
        assert set(job["data"]["moved_lead_emails"]) == leads
    # One that is on its way is told of as well, up to its end.
    moved = await see.ask("move_leads", ids=[MAYA], campaign=FINTECH, to_campaign_id=LOGISTICS)
    see.wait(1)
    deliveries_in_flight = await see.ask("get_background_job", id=moved["id"])
    assert (deliveries_in_flight["status"], deliveries_in_flight["progress"]) == ("in-progress", 50)
    see.wait(1)
    done = await see.ask("get_background_job", id=moved["id"])
    assert (done["status"], done["data"]["moved_leads"]) == ("success", 1)


@effect
async def list_background_jobs(see: Observer) -> None:
    async def start() -> str:
        job = await see.ask("move_leads", ids=[MAYA], campaign=FINTECH, to_campaign_id=LOGISTICS)
        await see.outcome(job)
        return job["id"]

    async def begin() -> str:
        return (await see.ask("disable_account_warmup", emails=[ADA]))["id"]

    if "ids" not in see.given:
        assert (await see.lists(start, besides=begin))["data"]["moved_lead_emails"] == [
            "maya.lindqvist@fjordpay.example"
        ]
    else:
        await start()
    jobs = items_of(await see.act())
    for job in jobs:
        assert job == await see.ask("get_background_job", id=job["id"])
        assert job["type"] == see.given.get("type", job["type"])
        assert job["status"] in see.given.get("status", job["status"]).split(",")
        assert job["id"] in see.given.get("ids", job["id"]).split(",")
    stamps = [job["created_at"] for job in jobs]
    assert stamps == sorted(stamps, reverse=see.given.get("sort_order") == "desc")


# telephone numbers


@effect
async def list_phone_numbers(see: Observer) -> None:
    (first, *others) = await see.act()
    assert others
    await see.ask("delete_phone_number", id=first["id"])
    assert await see.act() == others


@effect
async def delete_phone_number(see: Observer) -> None:
    await see.deletes(None, "list_phone_numbers")
    assert "not found" in await see.refused("delete_phone_number", id=see.given["id"])
