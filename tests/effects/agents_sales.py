"""Sales agents: what they are told, what they propose, and what comes of it once it is approved."""

from __future__ import annotations

from typing import Any

from .demo import ADA, DAY, FINTECH, HOUR, MINUTE, WEBINAR
from .observer import Fields, Observer, effect, holds, items_of, without

SALES_AGENT = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501"
NEW_CAMPAIGN = "ac710001-7c8d-4e9f-a0b1-2c3d4e5f6a04"


async def activity(see: Observer, activity_id: str, agent: str = SALES_AGENT) -> Fields:
    found = await see.all("list_sales_agent_activities", id=agent)
    return next(item for item in found if item["id"] == activity_id)


async def campaigns_of(see: Observer, agent: str = SALES_AGENT) -> list[Fields]:
    return await see.all("list_campaigns", ai_sales_agent_id=agent)


async def make_agent(see: Observer, **more: Any) -> Fields:
    return await see.ask("create_sales_agent", name="Finance, seen", memory_from_workspace=True, agent_type=2, **more)


# agents


@effect
async def create_sales_agent(see: Observer) -> None:
    given = {"memory_from_workspace", "is_duplicate", "source_ai_sdr_id"}
    made = await see.creates("get_sales_agent", "list_sales_agents", hidden=given)
    assert made["status"] == 0
    see.wait(HOUR)
    (setup,) = (await see.ask("list_sales_agent_activities", id=made["id"]))["items"] or [{}]
    known = (await see.ask("get_sales_agent", id=made["id"]))["config"]["memory"]
    if "type" in see.given:
        assert (setup["action_type"], setup["action_status"]) == ("initial_setup_scrape", "completed")
    elif "is_duplicate" in see.given:
        source = await see.ask("get_sales_agent", id=see.given["source_ai_sdr_id"])
        assert (setup, known) == ({}, source["config"]["memory"])
    else:
        assert (setup["action_type"], setup["action_status"]) == ("initial_setup_campaigns", "pending")
    assert known["company"] == "Brightpath"


@effect
async def list_sales_agents(see: Observer) -> None:
    async def add_one() -> str:
        return (await make_agent(see))["id"]

    async def add_another() -> str:
        made = await see.ask(
            "create_sales_agent", name="Other", memory_from_workspace=True, agent_type=8, config={}, status=1
        )
        return made["id"]

    shown = await see.lists(add_one, besides=add_another)
    assert (shown["name"], shown["status"], shown["agent_type"]) == ("Finance, seen", 0, 2)


@effect
async def get_sales_agent(see: Observer) -> None:
    await see.reads("update_sales_agent", name="Seen", description="Seen too")


@effect
async def update_sales_agent(see: Observer) -> None:
    campaign = await see.ask(
        "create_campaign_from_export", id=WEBINAR
    )  # a campaign of nobody, which must stay as it is
    await see.updates("get_sales_agent", also={"timestamp_updated", "next_decision_time"})
    settings = see.given.get("config", {}).get("outreach_settings", {})
    for linked in await campaigns_of(see):
        assert holds(linked, settings)
    assert await see.ask("get_campaign", id=campaign["id"]) == campaign
    if see.given.get("status") == 1:
        see.wait(HOUR)
        kinds = [item["action_type"] for item in await see.all("list_sales_agent_activities", id=see.given["id"])]
        assert kinds[0] != "warning" or "create_campaign" in kinds


@effect
async def delete_sales_agent(see: Observer) -> None:
    await see.deletes("get_sales_agent", "list_sales_agents")
    assert "not found" in await see.refused("list_sales_agent_activities", id=see.given["id"])
    assert "linked campaigns" in await see.refused("delete_sales_agent", id=SALES_AGENT)


# activities


@effect
async def list_sales_agent_activities(see: Observer) -> None:
    before = items_of(await see.act())
    for item in before:
        assert item["action_status"] in see.given.get("action_status", [item["action_status"]])
        assert item["action_type"] in see.given.get("action_type", [item["action_type"]])
    await see.ask("approve_sales_agent_activity", id=see.given["id"], activity_id=NEW_CAMPAIGN)
    see.wait(MINUTE)
    after = {item["id"]: item["action_status"] for item in items_of(await see.act())}
    if "completed" in see.given.get("action_status", ["completed"]):
        assert after[NEW_CAMPAIGN] == "completed"
    else:
        assert NEW_CAMPAIGN not in after


@effect
async def approve_sales_agent_activity(see: Observer) -> None:
    agent = see.given["id"]
    await see.ask("update_sales_agent", id=agent, status=1, config={"outreach_settings": {"email_list": [ADA]}})
    before = {campaign["id"] for campaign in await campaigns_of(see)}
    approved = await see.act()
    assert approved["action_status"] == "approved"
    assert {campaign["id"] for campaign in await campaigns_of(see)} == before
    see.wait(10)
    assert (await activity(see, approved["id"]))["action_status"] == "in_progress"
    see.wait(MINUTE)
    done = await activity(see, approved["id"])
    (made,) = [campaign for campaign in await campaigns_of(see) if campaign["id"] not in before]
    assert (done["action_status"], done["action_output"]["campaign_id"]) == ("completed", made["id"])
    assert (made["name"], made["status"], made["email_list"]) == (done["action_payload"]["name"], 1, [ADA])
    assert "not found or not pending" in await see.refused("approve_sales_agent_activity", **see.given)


@effect
async def approve_sales_agent_activities(see: Observer) -> None:
    credits = await _credits(see)
    assert (await see.act())["approved"] == len(see.given["activity_ids"])
    see.wait(MINUTE)
    done = [await activity(see, activity_id) for activity_id in see.given["activity_ids"]]
    assert {item["action_status"] for item in done} == {"completed"}
    recommended, edited = done
    lead = await see.ask("get_lead", id=recommended["action_output"]["lead_id"])
    assert lead["first_name"] == recommended["action_payload"]["first_name"]
    assert await _credits(see) == credits - 1
    changes = edited["action_payload"]["changes"]
    assert holds(await see.ask("get_campaign", id=edited["action_payload"]["campaign_id"]), changes)
    assert "no pending" in await see.refused("approve_sales_agent_activities", **see.given)


@effect
async def reject_sales_agent_activity(see: Observer) -> None:
    assert (await see.act())["action_status"] == "rejected"
    await _stays_rejected(see, [see.given["activity_id"]])


@effect
async def reject_sales_agent_activities(see: Observer) -> None:
    assert (await see.act())["rejected"] == len(see.given["activity_ids"])
    await _stays_rejected(see, see.given["activity_ids"])


async def _stays_rejected(see: Observer, activity_ids: list[str]) -> None:
    before, credits = await see.ids("list_campaigns"), await _credits(see)
    for activity_id in activity_ids:
        refusal = await see.refused("approve_sales_agent_activity", id=see.given["id"], activity_id=activity_id)
        assert "not pending" in refusal
    see.wait(HOUR)
    for activity_id in activity_ids:
        shown = await activity(see, activity_id)
        assert (shown["action_status"], shown["rejection_reason"]) == ("rejected", see.given["rejection_reason"])
    assert await see.ids("list_campaigns") == before
    assert await _credits(see) == credits


async def _credits(see: Observer) -> int:
    return (await see.ask("get_workspace_plan"))["subscriptions"]["credits"]["available_credits"]


# guidance


async def rules(see: Observer) -> list[Fields]:
    return (await see.ask("list_sales_agent_guidance_rules", id=see.given["id"]))["items"]


@effect
async def list_sales_agent_guidance_rules(see: Observer) -> None:
    before = items_of(await see.act())
    made = await see.ask("create_sales_agent_guidance_rule", id=see.given["id"], title="Last", content="Seen.")
    assert items_of(await see.act()) == [*before, made]


@effect
async def create_sales_agent_guidance_rule(see: Observer) -> None:
    before = await rules(see)
    made = await see.act()
    assert holds(made, without(see.given, "id"))
    assert await rules(see) == [*before, made]
    kept = (await see.ask("get_sales_agent", id=see.given["id"]))["config"]["memory"]["custom_fields"]
    assert kept[-1] == f"{made['title']}\n{made['content']}"


@effect
async def update_sales_agent_guidance_rule(see: Observer) -> None:
    before = await rules(see)
    await see.act()
    expected = [
        {**rule, **without(see.given, "id", "rule_id")} if rule["id"] == see.given["rule_id"] else rule
        for rule in before
    ]
    assert before != expected
    assert await rules(see) == expected


@effect
async def delete_sales_agent_guidance_rule(see: Observer) -> None:
    gone, *others = await rules(see)
    assert gone["id"] == see.given["rule_id"]
    await see.act()
    left = await rules(see)
    assert [rule["id"] for rule in left] == ["rule-0", "rule-1"]
    assert [rule["content"] for rule in left] == [rule["content"] for rule in others]


# figures


async def run_campaign(see: Observer) -> str:
    """The agent's new campaign, running, with a lead that has been mailed and has answered."""
    await see.ask("update_sales_agent", id=SALES_AGENT, status=1)
    await see.ask("approve_sales_agent_activity", id=SALES_AGENT, activity_id=NEW_CAMPAIGN)
    see.wait(MINUTE)
    campaign = (await activity(see, NEW_CAMPAIGN))["action_output"]["campaign_id"]
    lead = await see.ask("create_lead", campaign=campaign, email="nils.replies@fraktlinje.example", first_name="Nils")
    await see.ask("update_lead_interest_status", lead_email=lead["email"], interest_value=1, campaign_id=campaign)
    see.wait(3 * DAY)
    return campaign


@effect
async def get_sales_agent_analytics(see: Observer) -> None:
    before = (await see.act())["totals"]
    assert before["total_sent"] == len(await see.emails(WEBINAR))
    campaign = await run_campaign(see)
    after = await see.act()
    assert after["totals"]["total_sent"] == before["total_sent"] + len(await see.emails(campaign))
    assert after["totals"]["total_sent"] > before["total_sent"]
    assert after["totals"]["opportunities"] == before["opportunities"] + 1
    for series, total in (
        ("total_email_activity", "total_email_activity"),
        ("replies", "replies"),
        ("leads_found", "leads_found"),
        ("opportunities", "opportunities"),
    ):
        assert sum(point["y"] for point in after[f"{series}_per_day"]) == after["totals"][total]


@effect
async def list_sales_agent_lead_activity(see: Observer) -> None:
    before = {row["email"] for row in items_of(await see.act())}
    await run_campaign(see)
    answer = await see.act()
    rows = {row["email"]: row for row in items_of(answer)}
    assert set(rows) == before | {"nils.replies@fraktlinje.example"}
    assert answer["total"] == len(rows)
    row = rows["nils.replies@fraktlinje.example"]
    assert (row["replied"], row["has_opportunity"]) == (True, True)
    assert list(rows) == sorted(rows)


@effect
async def get_sales_agent_lead_activity_summary(see: Observer) -> None:
    before = await see.act()
    await run_campaign(see)
    after = await see.act()
    for name in ("total", "replied", "has_opportunity"):
        assert after[name] == before[name] + 1
    assert after["reply_rate"] == round(after["replied"] / after["total"], 4)


@effect
async def get_sales_agent_opportunity_summary(see: Observer) -> None:
    before = (await see.act())["summary"]
    campaign = await run_campaign(see)
    after = await see.act()
    assert after["summary"]["total_opportunities"] == before["total_opportunities"] + 1
    assert after["summary"]["breakdown"]["interested"] >= before["breakdown"]["interested"]
    assert campaign in {row["campaign_id"] for row in after["campaigns"]}


@effect
async def get_sales_agent_lead_research(see: Observer) -> None:
    research = (await see.act())["research"]
    lead = await see.ask("get_lead", id=see.given["lead_id"])
    assert lead["company_domain"] in research["grounding"][0]["citations"][0]["url"]
    other = await see.ask("create_lead", campaign=FINTECH, email="nils.berg@fraktlinje.example")
    unread = await see.ask("get_sales_agent_lead_research", id=see.given["id"], lead_id=other["id"])
    assert unread["research"] is None
