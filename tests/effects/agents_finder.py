"""Lead finders: whom they add to which campaign, what that costs, and what they tell of it."""

from __future__ import annotations

from typing import Any

from .demo import DAY, FINTECH, LOGISTICS, WEBINAR
from .observer import Fields, Observer, assert_holds, changed, effect, items_of, without

FINDER = "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3c01"
TOP_UP = 4
"""Seconds after which a top-up is over."""

OPERATIONS = {"department": ["Operations"]}
CHAIN = {"line": {"model_version": "gpt-5-mini", "prompt": "Write one opening line for {{firstName}}."}}


async def _credits(see: Observer) -> int:
    return (await see.ask("get_workspace_plan"))["subscriptions"]["credits"]["available_credits"]


async def _leads(see: Observer, campaign: str) -> dict[str, Fields]:
    return {lead["id"]: lead for lead in await see.all("list_leads", campaign=campaign)}


async def _active(see: Observer, campaign: str) -> int:
    return sum(lead["status"] == 1 for lead in (await _leads(see, campaign)).values())


async def _create(see: Observer, campaign: str = WEBINAR, **more: Any) -> Fields:
    given = {"name": "Seen", "search_filters": OPERATIONS, "min_active_leads": 10, "on_exhaustion": "pause", **more}
    return await see.ask("create_lead_finder", campaign_id=campaign, **given)


async def _events(see: Observer, agent: str) -> list[str]:
    return [event["event_type"] for event in await see.all("list_lead_finder_activities", id=agent)]


async def _tops_up(see: Observer, agent: str, campaign: str, wanted: int) -> list[Fields]:
    """A check found as many active leads as are wanted, and they are paid for. The new ones."""
    credits, before = await _credits(see), await _leads(see, campaign)
    added = wanted - await _active(see, campaign)
    assert added > 0
    total = (await see.ask("get_lead_finder_stats", id=agent))["leads_added_total"]
    see.wait(2 * TOP_UP)
    after = await _leads(see, campaign)
    new = [lead for lead_id, lead in after.items() if lead_id not in before]
    assert len(new) == added
    assert await _credits(see) <= credits - added
    assert (await _events(see, agent))[0] == "top_up_completed"
    assert (await see.ask("get_lead_finder_stats", id=agent))["leads_added_total"] == total + added
    return new


@effect
async def list_lead_finders(see: Observer) -> None:
    if "campaign_id" not in see.given:

        async def create() -> str:
            return (await _create(see))["id"]

        await see.lists(create)
        return
    # Of one campaign there is its active agent, or else the newest of those that pause.
    (before,) = items_of(await see.act())
    made = await _create(see, see.given["campaign_id"])
    (shown,) = items_of(await see.act())
    assert (shown["id"], shown["status"], before["status"]) == (made["id"], 1, 0)
    await _create(see, WEBINAR)
    assert [agent["id"] for agent in items_of(await see.act())] == [made["id"]]


@effect
async def create_lead_finder(see: Observer) -> None:
    campaign, before = see.given["campaign_id"], await see.ids("list_lead_finders")
    made = await see.act()
    shown = await see.ask("get_lead_finder", id=made["id"])
    assert_holds(shown["payload"], without(see.given, "name", "source"))
    assert (shown["name"], shown["status"]) == (see.given["name"], 1)
    assert shown["payload"]["campaign_name"] == (await see.ask("get_campaign", id=campaign))["name"]
    assert await see.ids("list_lead_finders") == before | {made["id"]}
    new = await _tops_up(see, made["id"], campaign, see.given["min_active_leads"])
    assert all(column in lead["payload"] for lead in new for column in see.given.get("ai_enrichment", ()))
    companies = [lead["company_domain"] for lead in new]
    assert see.given.get("show_one_lead_per_company") is False or len(set(companies)) == len(companies)
    # The filters of the second example find too few, so it goes over to those to fall back on.
    assert ("fallback_activated" in await _events(see, made["id"])) == ("fallback_search_filters" in see.given)
    assert "409" in await see.refused("create_lead_finder", **see.given)
    if campaign == FINTECH:
        # The campaign is active, so they are written to once those before them are.
        see.wait(10 * DAY)
        written = {mail["lead"] for mail in await see.emails(campaign)}
        assert written & {lead["email"] for lead in new}


@effect
async def get_lead_finder(see: Observer) -> None:
    before = await see.act()
    await see.ask("update_lead_finder", id=see.given["id"], name="Seen", search_filters=OPERATIONS)
    after = await see.act()
    assert (after["name"], after["payload"]["search_filters"]) == ("Seen", OPERATIONS)
    assert changed(before, after) == {"name", "payload", "timestamp_updated"}


@effect
async def update_lead_finder(see: Observer) -> None:
    await see.ask("update_lead_finder", id=FINDER, ai_enrichment=CHAIN)
    before = await see.ask("get_lead_finder", id=FINDER)
    await see.act()
    after = await see.ask("get_lead_finder", id=FINDER)
    assert_holds(after["payload"], without(see.written, "id", "name"))
    assert after["name"] == see.given.get("name", before["name"])
    assert changed(before["payload"], after["payload"]) == set(without(see.written, "id", "name"))
    await see.ask("resume_lead_finder", id=FINDER)
    await _tops_up(see, FINDER, LOGISTICS, after["payload"]["min_active_leads"])


@effect
async def delete_lead_finder(see: Observer) -> None:
    await see.ask("resume_lead_finder", id=FINDER)
    see.wait(TOP_UP)
    leads = await _leads(see, LOGISTICS)
    assert leads
    await see.deletes("get_lead_finder", "list_lead_finders")
    assert await _leads(see, LOGISTICS) == leads
    assert "not found" in await see.refused("list_lead_finder_activities", id=FINDER)


@effect
async def pause_lead_finder(see: Observer) -> None:
    await see.ask("resume_lead_finder", id=FINDER)
    see.wait(TOP_UP)
    (lead, *_) = await _leads(see, LOGISTICS)
    await see.act()
    assert (await see.ask("get_lead_finder", id=FINDER))["status"] == 0
    assert (await _events(see, FINDER))[0] == "agent_paused"
    # Who leaves is not made up for any more.
    await see.ask("delete_lead", id=lead)
    left = await _leads(see, LOGISTICS)
    see.wait(DAY)
    assert await _leads(see, LOGISTICS) == left


@effect
async def resume_lead_finder(see: Observer) -> None:
    wanted = (await see.ask("get_lead_finder", id=FINDER))["payload"]["min_active_leads"]
    await see.act()
    assert (await see.ask("get_lead_finder", id=FINDER))["status"] == 1
    await _tops_up(see, FINDER, LOGISTICS, wanted)
    assert "agent_resumed" in await _events(see, FINDER)


@effect
async def get_lead_finder_stats(see: Observer) -> None:
    before = await see.act()
    await see.ask("resume_lead_finder", id=FINDER)
    see.wait(TOP_UP)
    after = await see.act()
    added = len(await _leads(see, LOGISTICS))
    assert after["leads_added_total"] == before["leads_added_total"] + added
    assert after["top_ups_completed"] == before["top_ups_completed"] + 1
    assert after["top_ups_failed"] == before["top_ups_failed"]


@effect
async def list_lead_finder_activities(see: Observer) -> None:
    before = (await see.act())["items"]
    await see.ask("resume_lead_finder", id=FINDER)
    see.wait(TOP_UP)
    after = (await see.act())["items"]
    new = [event["event_type"] for event in after[: len(after) - len(before)]]
    assert new == ["top_up_completed", "top_up_started", "agent_resumed"]
    assert after[0]["payload"]["leads_added"] == len(await _leads(see, LOGISTICS))
    first = await see.ask("list_lead_finder_activities", id=FINDER, limit=1)
    rest = await see.ask(
        "list_lead_finder_activities", id=FINDER, starting_after=first["next_starting_after"], limit=100
    )
    assert first["items"] + rest["items"] == after


@effect
async def suggest_lead_finder_audience(see: Observer) -> None:
    found = await see.act()
    assert found["total_lead_count"] == len(await _leads(see, FINTECH))
    assert 0 < len(found["suggestions"]) <= see.given.get("count", 3)
    titles = {lead["job_title"] for lead in (await _leads(see, FINTECH)).values() if "job_title" in lead}
    for suggestion in found["suggestions"]:
        assert any(title in suggestion["query"] for title in titles)
        refused = await see.refused(
            "create_lead_finder",
            name="Seen",
            campaign_id=WEBINAR,
            search_filters=suggestion["filters"],
            min_active_leads=10,
            on_exhaustion="pause",
        )
        assert "unknown" in refused


@effect
async def list_lead_finder_workflows(see: Observer) -> None:
    async def create() -> str:
        made = await see.ask("create_lead_finder_workflow", name="Seen", ai_enrichment=CHAIN)
        return made["workflow"]["id"]

    shown = await see.lists(create)
    # A lead finder takes what is saved.
    made = await _create(see, ai_enrichment=shown["payload"]["ai_enrichment"])
    assert_holds(made["payload"]["ai_enrichment"], CHAIN)


@effect
async def create_lead_finder_workflow(see: Observer) -> None:
    before = await see.ids("list_lead_finder_workflows")
    made = (await see.act())["workflow"]
    found = {item["id"]: item for item in await see.all("list_lead_finder_workflows")}
    assert found.keys() - before == {made["id"]}
    assert found[made["id"]]["name"] == see.given["name"]
    assert_holds(found[made["id"]]["payload"], without(see.given, "name"))


@effect
async def delete_lead_finder_workflow(see: Observer) -> None:
    made = await _create(see, ai_enrichment=CHAIN)
    await see.deletes(None, "list_lead_finder_workflows")
    shown = await see.ask("get_lead_finder", id=made["id"])
    assert shown["payload"]["ai_enrichment"] == made["payload"]["ai_enrichment"]
