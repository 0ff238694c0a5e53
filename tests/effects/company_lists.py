"""Company lists, from their sources to their companies, and single lookups: what each costs and shows."""

from __future__ import annotations

from typing import Any

from .demo import HOUR
from .observer import Observer, assert_holds, effect, items_of

TARGET_ACCOUNTS, LOOKALIKES = (f"c0317a57-4d5e-4f60-9182-93a4b5c6d70{n}" for n in (1, 2))
BUILD = {"provider_id": "theirstack", "company_source_id": "job_search", "filters": {"job_titles": ["CFO"]}}


async def _credits(see: Observer) -> int:
    return (await see.ask("get_workspace_plan"))["subscriptions"]["credits"]["available_credits"]


async def _lists(see: Observer) -> set[str]:
    return {found["company_list_id"] for found in (await see.ask("list_company_lists", limit=100))["data"]}


async def _domains(see: Observer, list_id: str) -> list[str]:
    """The companies of a list, from all its pages."""
    page = await see.ask("list_company_list_companies", company_list_id=list_id, limit=100)
    found = page["data"]
    while "next_starting_after" in page:
        after = page["next_starting_after"]
        page = await see.ask("list_company_list_companies", company_list_id=list_id, limit=100, starting_after=after)
        found += page["data"]
    return [company["normalized_domain"] for company in found]


async def _build(see: Observer, name: str = "Hiring in finance", limit: int = 2, **build: Any) -> str:
    """Another list, when it is completed."""
    made = await see.ask("create_company_list", name=name, limit=limit, **{**BUILD, **build})
    see.wait(HOUR)
    assert (await see.ask("get_company_list", company_list_id=made["id"]))["status"] == "COMPLETED"
    return str(made["id"])


async def _source(see: Observer, provider_id: str) -> dict[str, Any]:
    found = items_of(await see.ask("list_company_list_sources"))
    return {source["provider_id"]: source for source in found}[provider_id]


# what there is to choose from


@effect
async def list_company_list_sources(see: Observer) -> None:
    """A list takes the filters of its source, and costs its price for each record."""
    found = {source["provider_id"]: source for source in items_of(await see.act())}
    source = found[BUILD["provider_id"]]
    assert source["company_source_id"] == BUILD["company_source_id"]
    assert set(BUILD["filters"]) <= {one["key"] for one in source["filters"]}
    shown = await see.ask("get_company_list", company_list_id=await _build(see, limit=4))
    price = source["credit_cost_per_saved_record"]
    assert (shown["credit_cost_per_saved_record"], shown["credits_charged"]) == (price, 4 * price)
    too_many = {"name": "All", "limit": source["max_records_per_build"] + 1, **BUILD}
    assert str(source["max_records_per_build"]) in await see.refused("create_company_list", **too_many)


@effect
async def list_company_list_recipes(see: Observer) -> None:
    for recipe in items_of(await see.act()):
        (own,) = (await _source(see, recipe["source_id"]))["recipes"]
        assert (own["recipe_id"], own["prefilled"]) == (recipe["recipe_id"], recipe["prefilled"])
        source = {"provider_id": recipe["source_id"], "company_source_id": recipe["company_source_id"]}
        list_id = await _build(see, filters=recipe["prefilled"], **source)
        assert (await see.ask("get_company_list", company_list_id=list_id))["filters"] == recipe["prefilled"]


@effect
async def list_company_list_filter_options(see: Observer) -> None:
    """An option that is answered is one that a list can be kept to."""
    options = (await see.act())["options"]
    words = see.given.get("q", "")
    assert options
    assert all(words in str(option).lower() for option in options)
    catalog = see.given["catalog_id"]
    provider = {"technologies": "builtwith", "industries": "a_leads"}[catalog]
    source = await _source(see, provider)
    assert catalog in [one["options_source"]["catalog_id"] for one in source["filters"] if "options_source" in one]
    chosen = {"label": options[0]["label"], "value": options[0]["value"]}
    list_id = await _build(
        see,
        provider_id=provider,
        company_source_id=source["company_source_id"],
        filters={catalog: [chosen]},
    )
    companies = await see.ask("list_company_list_companies", company_list_id=list_id)
    field = {"technologies": "technologies", "industries": "industry"}[catalog]
    assert all(chosen["value"] in company[field] for company in companies["data"])


# building


@effect
async def create_company_list(see: Observer) -> None:
    credits, before = await _credits(see), await _lists(see)
    source = await _source(see, see.given["provider_id"])
    made = await see.act()
    list_id = made["id"]
    assert made["status"] == "PENDING"
    assert await _lists(see) == before | {list_id}
    assert await _credits(see) == credits
    search = {"search_filters": {"company_list_id": list_id}}
    assert "not completed" in await see.refused("count_supersearch_leads", **search)
    see.wait(HOUR)
    shown = await see.ask("get_company_list", company_list_id=list_id)
    assert (shown["status"], shown["terminal_reason"]) == ("COMPLETED", "MAX_COMPANIES_REACHED")
    assert_holds(shown, {name: see.given[name] for name in ("name", "provider_id", "company_source_id")})
    assert shown["requested_count"] == shown["saved_count"] == see.given["limit"]
    spent = source["credit_cost_per_saved_record"] * see.given["limit"]
    assert shown["credits_charged"] == spent
    assert await _credits(see) == credits - spent
    domains = await _domains(see, list_id)
    assert len(set(domains)) == see.given["limit"]
    count = await see.ask("count_supersearch_leads", **search)
    same = await see.ask("count_supersearch_leads", search_filters={"domains": domains})
    assert count["number_of_leads"] == same["number_of_leads"] > 0


@effect
async def list_company_lists(see: Observer) -> None:
    before = await see.act()
    list_id = await _build(see, "Hiring in finance")
    await _build(see, "Elsewhere")
    after = await see.act()
    new = {found["company_list_id"] for found in after["data"]} - {found["company_list_id"] for found in before["data"]}
    assert list_id in new
    assert len(new) == (1 if "search" in see.given else 2)
    assert after["total"] == before["total"] + len(new)
    shown = await see.ask("get_company_list", company_list_id=list_id)
    (item,) = [found for found in after["data"] if found["company_list_id"] == list_id]
    assert_holds(shown, item)


@effect
async def get_company_list(see: Observer) -> None:
    shown = await see.act()
    assert shown["status"] == "COMPLETED"
    assert shown["company_count"] == len(await _domains(see, see.given["company_list_id"])) > 0
    await see.ask("rename_company_list", company_list_id=see.given["company_list_id"], name="Other")
    assert (await see.act())["name"] == "Other"


@effect
async def list_company_list_companies(see: Observer) -> None:
    """Those companies, and no others, are where a search in the list finds people."""
    target = see.given["company_list_id"]
    page = await see.act()
    shown = await see.ask("get_company_list", company_list_id=target)
    assert len(page["data"]) == min(see.given.get("limit", 10), shown["company_count"])
    assert page["next_starting_after"] == page["next_cursor"]
    domains = await _domains(see, target)
    assert [company["normalized_domain"] for company in page["data"]] == domains[: len(page["data"])]
    assert len(set(domains)) == shown["company_count"]
    within = await see.ask("count_supersearch_leads", search_filters={"company_list_id": target})
    same = await see.ask("count_supersearch_leads", search_filters={"domains": domains})
    assert within["number_of_leads"] == same["number_of_leads"]


# changing


@effect
async def rename_company_list(see: Observer) -> None:
    being_built = {"company_list_id": LOOKALIKES, "name": see.given["name"]}
    assert "still being built" in await see.refused("rename_company_list", **being_built)
    await see.updates("get_company_list", key="company_list_id")


@effect
async def delete_company_list(see: Observer) -> None:
    target, credits, before = see.given["company_list_id"], await _credits(see), await _lists(see)
    assert "still being built" in await see.refused("delete_company_list", company_list_id=LOOKALIKES)
    await see.act()
    assert await _lists(see) == before - {target}
    assert "not found" in await see.refused("get_company_list", company_list_id=target)
    filters = {"company_list_id": target}
    assert "not found" in await see.refused("count_supersearch_leads", search_filters=filters)
    assert await _credits(see) == credits


# lookups


@effect
async def list_integration_providers(see: Observer) -> None:
    """A run costs what the list says."""
    domain = {"domain": "clearhouse.example"}
    for provider in items_of(await see.act()):
        action = provider["actions"][0]
        if [wanted["key"] for wanted in action["inputs"]] != ["domain"]:
            continue
        run = {"provider_id": provider["id"], "action_id": action["id"], "inputs": domain}
        if provider["requiresUserConnection"]:
            said = await see.refused("run_integration", **run, credential_source="instantly_key")
            assert "workspace_key only" in said
            continue
        credits = await _credits(see)
        answer = await see.ask("run_integration", **run, credential_source="instantly_key")
        assert action["outputColumn"] in answer
        assert await _credits(see) == credits - provider["creditCostPerAction"]


@effect
async def run_integration(see: Observer) -> None:
    providers = {provider["id"]: provider for provider in items_of(await see.ask("list_integration_providers"))}
    provider = providers[see.given["provider_id"]]
    (action,) = [one for one in provider["actions"] if one["id"] == see.given["action_id"]]
    credits = await _credits(see)
    answer = await see.act()
    assert answer["success"] is True
    assert answer[action["outputColumn"]]
    own_account = see.given["credential_source"] == "workspace_key"
    cost = 0 if own_account else provider["creditCostPerAction"]
    assert (answer["credits_cost"], await _credits(see)) == (cost, credits - cost)
