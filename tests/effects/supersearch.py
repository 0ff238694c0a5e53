"""SuperSearch: people who are found, imported and enriched, and what that costs."""

from __future__ import annotations

from typing import Any

from .demo import ANNA, CFO_LIST, MINUTE
from .observer import Observer, effect, without

ENRICHED = 4
"""Seconds after which a run of enrichments is over."""

FIRST_NAMES = ("Rosa", "Rui", "Ana", "Nuno", "Ines")


async def _credits(see: Observer) -> int:
    return (await see.ask("get_workspace_plan"))["subscriptions"]["credits"]["available_credits"]


async def _leads(see: Observer, list_id: str = CFO_LIST) -> dict[str, dict[str, Any]]:
    return {lead["id"]: lead for lead in await see.all("list_leads", list_id=list_id)}


async def _import(see: Observer) -> list[dict[str, Any]]:
    """The first people whom the filters of the example find become leads."""
    made = await see.ask(
        "enrich_leads_from_supersearch",
        search_filters=see.given["search_filters"],
        limit=3,
        fully_enriched_profile=True,
    )
    await see.outcome({"id": made["background_job_id"]})
    return list((await _leads(see, made["resource_id"])).values())


async def _newest_run(see: Observer) -> dict[str, Any]:
    return (await see.ask("get_enrichment_history", resource_id=CFO_LIST))[0]


# searching


@effect
async def count_supersearch_leads(see: Observer) -> None:
    filters = see.given["search_filters"]
    everybody = without(filters, "skip_owned_leads", "show_one_lead_per_company")

    async def count(**more: bool) -> int:
        return (await see.ask("count_supersearch_leads", search_filters={**everybody, **more}))["number_of_leads"]

    before, free = await see.act(), await count(skip_owned_leads=True)
    assert before["number_of_leads"] > 0
    shown = await see.ask("preview_supersearch_leads", search_filters=filters)
    assert before["number_of_leads"] == shown["number_of_leads"]
    if filters.get("show_one_lead_per_company"):
        companies = {person["companyId"] for person in shown["leads"]}
        assert len(companies) == before["number_of_leads"]
    people = await _import(see)
    assert await count(skip_owned_leads=True) == free - len(people) < free
    fewer = len(people) if filters.get("skip_owned_leads") else 0
    assert (await see.act())["number_of_leads"] == before["number_of_leads"] - fewer


@effect
async def preview_supersearch_leads(see: Observer) -> None:
    before = (await see.act())["leads"]
    assert before
    assert {person["isOwned"] for person in before} == {False}
    names = {(lead["first_name"], lead["last_name"], lead["company_name"]) for lead in await _import(see)}
    shown = await see.act()
    owned = {
        (person["firstName"], person["lastName"], person["companyName"])
        for person in shown["leads"]
        if person["isOwned"]
    }
    if see.given["search_filters"].get("skip_owned_leads"):
        there = {(person["firstName"], person["lastName"], person["companyName"]) for person in shown["leads"]}
        assert not there & names
    else:
        assert owned == names


@effect
async def list_signal_keywords(see: Observer) -> None:
    """A search for somebody with a keyword finds as many people as the keyword is counted."""
    found = (await see.act())["keywords"]
    counts = [entry["count"] for entry in found]
    assert counts == sorted(counts, reverse=True)
    for entry in found[:3]:
        assert entry["keyword"].startswith(see.given.get("prefix", ""))
        signal = {
            "key": see.given["category"],
            "period_days": 90,
            "keywords": {see.given["field"]: [entry["keyword"]]},
        }
        count = await see.ask("count_supersearch_leads", search_filters={"signals": [signal]})
        assert count["number_of_leads"] == entry["count"] > 0


# enriching


@effect
async def enrich_leads_from_supersearch(see: Observer) -> None:
    credits, lists = await _credits(see), await see.ids("list_lead_lists")
    before = await _leads(see, see.given["resource_id"]) if "resource_id" in see.given else {}
    preview = await see.ask("preview_supersearch_leads", search_filters=see.given["search_filters"])
    answer = await see.act()
    target = answer["resource_id"]
    assert await see.ids("list_lead_lists") == lists | {target}
    assert (target in lists) == ("resource_id" in see.given)
    if "list_name" in see.given:
        assert (await see.ask("get_lead_list", id=target))["name"] == see.given["list_name"]
    assert (await see.logged())["activity_type"] == 35
    data = await see.outcome({"id": answer["background_job_id"]})
    after = await _leads(see, target)
    new = [lead for lead_id, lead in after.items() if lead_id not in before]
    assert 0 < len(new) == data["imported_leads"] <= see.given["limit"]
    found = {(person["firstName"], person["lastName"]) for person in preview["leads"]}
    assert (new[0]["first_name"], new[0]["last_name"]) in found
    assert any("email" in lead for lead in new)
    assert not see.given.get("skip_rows_without_email") or all("email" in lead for lead in new)
    assert not see.given.get("fully_enriched_profile") or all("headline" in lead["payload"] for lead in new)
    assert await _credits(see) == credits - data["credits_used"] < credits
    (run, *_) = await see.ask("get_enrichment_history", resource_id=target)
    assert (run["status"], run["total_leads"], run["credits_used"]) == ("completed", len(new), data["credits_used"])
    enrichment = await see.ask("get_enrichment", resource_id=target)
    assert enrichment["search_filters"] == see.given["search_filters"]
    for name in ("signal_enrichment", "fully_enriched_profile"):
        assert enrichment["enrichment_payload"].get(name) == see.given.get(name)
    assert enrichment["enrichment_payload"]["work_email_enrichment"] is True
    # The addresses are verified a little later.
    see.wait(10 * MINUTE)
    statuses = {lead.get("verification_status") for lead in (await _leads(see, target)).values() if "email" in lead}
    assert statuses <= {1, -1, -2, -3, -4}


@effect
async def create_enrichment(see: Observer) -> None:
    kind = see.given.get("type", "integration_actions")
    # Who there is to see it on: an address that nobody has verified, and people without one.
    await see.ask("bulk_delete_leads", list_id=CFO_LIST)
    await _add_people_without_address(see)
    nils = await see.ask("create_lead", list_id=CFO_LIST, email="nils.berg@fraktlinje.example")
    assert "verification_status" not in nils
    credits, old = await _credits(see), await _newest_run(see)
    await see.act()
    shown = await see.ask("get_enrichment", resource_id=CFO_LIST)
    assert shown["in_progress"] is True
    assert shown["enrichment_payload"][kind] == see.given.get(kind, True)
    see.wait(ENRICHED)
    assert (await see.ask("get_enrichment", resource_id=CFO_LIST))["in_progress"] is False
    run = await _newest_run(see)
    assert run["id"] != old["id"]
    assert (run["enrichments"], run["status"], run["total_leads"]) == ([kind], "completed", 1 + len(FIRST_NAMES))
    verifies = kind == "email_verification"
    leads = await _leads(see)
    assert leads.pop(nils["id"]).get("verification_status") == (1 if verifies else None)
    found = {lead["email"] for lead in leads.values() if "email" in lead}
    assert found <= {f"{name.lower()}.almeida@portico.example" for name in FIRST_NAMES}
    assert bool(found) != verifies
    # What the workspace's own account elsewhere does is free.
    assert run["credits_used"] == {"email_verification": 1, "custom_flow": len(found)}.get(kind, 0)
    assert await _credits(see) == credits - run["credits_used"]


async def _add_people_without_address(see: Observer) -> None:
    """Leads without an address; about most of them something can be found."""
    shared = {"last_name": "Almeida", "website": "https://portico.example", "company_name": "Portico"}
    leads = [{"first_name": name, **shared} for name in FIRST_NAMES]
    await see.ask("bulk_add_leads", list_id=CFO_LIST, leads=leads)


@effect
async def run_enrichment(see: Observer) -> None:
    credits, before, old = await _credits(see), await _leads(see), await _newest_run(see)
    await see.act()
    assert (await see.ask("get_enrichment", resource_id=CFO_LIST))["in_progress"] is True
    waiting = {lead_id for lead_id, lead in (await _leads(see)).items() if lead.get("enrichment_status") == 11}
    see.wait(ENRICHED)
    assert (await see.ask("get_enrichment", resource_id=CFO_LIST))["in_progress"] is False
    run, after = await _newest_run(see), await _leads(see)
    assert run["id"] != old["id"]
    assert run["total_leads"] == run["enriched_leads"] == len(waiting) > 0
    assert await _credits(see) == credits - run["credits_used"] < credits
    written = {lead_id for lead_id, lead in after.items() if lead["payload"].get("icebreaker")}
    assert waiting <= written
    assert {lead_id for lead_id in after if after[lead_id]["payload"] != before[lead_id]["payload"]} <= waiting
    if "lead_ids" in see.given:
        assert waiting == set(see.given["lead_ids"])
    if "count" in see.given:
        assert len(waiting) == see.given["count"]
        assert run["enrichments"] == [f"ai:{see.given['column_name']}"]


@effect
async def create_ai_enrichment(see: Observer) -> None:
    column = see.given["output_column"]

    async def written() -> set[str]:
        return {lead_id for lead_id, lead in (await _leads(see)).items() if lead["payload"].get(column)}

    credits, before = await _credits(see), await written()
    made = await see.act()
    progress = {ai["output_column"]: ai for ai in await see.ask("get_ai_enrichment_progress", resource_id=CFO_LIST)}
    assert (progress[column]["id"], progress[column]["status"]) == (made["id"], 1)
    see.wait(ENRICHED)
    progress = {ai["output_column"]: ai for ai in await see.ask("get_ai_enrichment_progress", resource_id=CFO_LIST)}
    assert progress[column]["status"] == 3
    new = await written() - before
    assert len(new) == see.given["limit"]
    assert await _credits(see) == credits - len(new)
    run = await _newest_run(see)
    assert (run["enrichments"], run["enriched_leads"]) == ([f"ai:{column}"], len(new))
    shown = (await see.ask("get_enrichment", resource_id=CFO_LIST))["enrichment_payload"]["ai_enrichment"][column]
    assert (shown["prompt"], shown["model_version"]) == (see.given["prompt"], see.given["model_version"])


@effect
async def get_ai_enrichment_progress(see: Observer) -> None:
    async def start() -> str:
        made = await see.ask(
            "create_ai_enrichment",
            resource_id=CFO_LIST,
            resource_type=2,
            output_column="seen",
            model_version="gpt-5-mini",
            prompt="Seen.",
        )
        return made["id"]

    assert (await see.lists(start))["status"] == 1
    see.wait(ENRICHED)
    assert {ai["output_column"]: ai["status"] for ai in await see.act()}["seen"] == 3


@effect
async def get_enrichment(see: Observer) -> None:
    before = await see.act()
    assert (before["exists"], before["in_progress"]) == (True, False)
    assert "news" not in before["enrichment_payload"]
    await see.ask("create_enrichment", resource_id=CFO_LIST, type="news", limit=7)
    after = await see.act()
    assert (after["in_progress"], after["enrichment_payload"]["news"]) == (True, True)
    assert after["enrichment_payload"]["limit"] == 7
    see.wait(ENRICHED)
    assert (await see.act())["in_progress"] is False


@effect
async def get_enrichment_history(see: Observer) -> None:
    async def run() -> str:
        await see.ask("run_enrichment", resource_id=CFO_LIST, lead_ids=[ANNA])
        return (await _newest_run(see))["id"]

    credits = await _credits(see)
    shown = await see.lists(run)
    assert (shown["status"], shown["total_leads"]) == ("pending", 1)
    see.wait(ENRICHED)
    newest = (await see.act())[0]
    assert (newest["id"], newest["status"], newest["enriched_leads"]) == (shown["id"], "completed", 1)
    assert await _credits(see) == credits - newest["credits_used"]


@effect
async def update_enrichment_settings(see: Observer) -> None:
    asked = {"resource_id": see.given["resource_id"]}
    seen = [name for name in ("auto_update", "is_evergreen") if name in see.given]
    await see.ask("update_enrichment_settings", **asked, **{name: not see.given[name] for name in seen})
    before = await see.ask("get_enrichment", **asked)
    await see.act()
    after = await see.ask("get_enrichment", **asked)
    assert seen
    for name in seen:
        assert (before[name], after[name]) == (not see.given[name], see.given[name])
    # Somebody without an address is passed over from now on, or not.
    await _add_people_without_address(see)
    await see.ask("create_enrichment", **asked, type="fully_enriched_profile")
    see.wait(ENRICHED)
    leads = (await _leads(see)).values()
    enriched = any("headline" in lead["payload"] for lead in leads if "email" not in lead)
    assert enriched != see.given.get("skip_rows_without_email", False)
