from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.directory.company_lists import find_company_list
from mcp_instantly.sandbox.directory.population import directory
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.worlds import demo
from mcp_instantly.sandbox.worlds.building import build_workspaces
from mcp_instantly.sandbox.worlds.demo.enrichments import LOOKALIKES, TARGET_ACCOUNTS

pytestmark = pytest.mark.anyio

CFOS = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
ROOT = "/supersearch-enrichment"
CFO_SEARCH: dict[str, Any] = {"title": {"include": ["CFO"]}, "locations": {"include": [{"country": "Germany"}]}}
Wait = Callable[[float], None]


async def count(api: httpx.AsyncClient, more: dict[str, Any] | None = None, **filters: Any) -> int:
    body = {"search_filters": filters, **(more or {})}
    answer = await api.post(f"{ROOT}/count-leads-from-supersearch", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["number_of_leads"]


async def preview(api: httpx.AsyncClient, **filters: Any) -> dict[str, Any]:
    answer = await api.post(f"{ROOT}/preview-leads-from-supersearch", json={"search_filters": filters})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def enrich(api: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    body = {"search_filters": CFO_SEARCH, "limit": 10, "work_email_enrichment": True, **more}
    answer = await api.post(f"{ROOT}/enrich-leads-from-supersearch", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def leads_in(api: httpx.AsyncClient, list_id: str) -> list[dict[str, Any]]:
    return (await api.post("/leads/list", json={"list_id": list_id, "limit": 100})).json()["items"]


async def credits(api: httpx.AsyncClient) -> int:
    plan = (await api.get("/workspace-billing/plan-details")).json()
    return plan["subscriptions"]["credits"]["available_credits"]


# the directory


def test_the_directory_is_large_and_made_quickly_and_only_when_it_is_searched() -> None:
    directory.cache_clear()
    World(seed_data=demo.seed_data)
    assert directory.cache_info().misses == 0
    begun = time.process_time()
    held = directory()
    assert time.process_time() - begun < 2
    assert (len(held.companies) >= 5000, len(held.people) >= 20_000) == (True, True)
    first = [person.address for person in held.people]
    directory.cache_clear()
    assert [person.address for person in directory().people] == first
    assert len(set(first)) == len(first)
    assert all(address.endswith(".example") for address in first)


async def test_a_broad_count_takes_well_under_a_tenth_of_a_second(api: httpx.AsyncClient) -> None:
    wanted = {"keyword_filter": {"include": "software, payment processing"}, "signals": ["linkedin_post_contact"]}
    await count(api, **wanted)
    begun = time.process_time()
    for _ in range(5):
        await count(api, **wanted)
    assert (time.process_time() - begun) / 5 < 0.1


# what the filters mean


async def test_the_people_of_a_preview_fit_the_filters_and_have_no_addresses(api: httpx.AsyncClient) -> None:
    found = await preview(api, title={"include": ["Chief Financial Officer"]}, locations=[{"country": "Austria"}])
    assert 0 < len(found["leads"]) <= found["number_of_leads"]
    for lead in found["leads"]:
        assert lead["jobTitle"] in ("CFO", "Chief Financial Officer")
        assert lead["location"].endswith("Austria")
        assert lead["fullName"] == f"{lead['firstName']} {lead['lastName']}"
        assert "email" not in lead
        assert lead["isOwned"] is False


async def test_include_and_exclude_split_what_there_is(api: httpx.AsyncClient) -> None:
    every = await count(api)
    inside = await count(api, industry={"include": ["Financial Services"]})
    outside = await count(api, industry={"exclude": ["Financial Services"]})
    assert inside + outside == every
    bands = ["0 - 25", "25 - 100", "100 - 250", "250 - 1000", "1K - 10K", "10K - 50K", "50K - 100K", "> 100K"]
    assert await count(api, employeeCount=bands) == every
    both = await count(api, employeeCount=["25 - 100"]) + await count(api, employeeCount=[{"op": "gte", "min": 101}])
    assert await count(api, employeeCount=[{"op": "between", "min": 25}]) == both


async def test_keywords_can_all_be_asked_for(api: httpx.AsyncClient) -> None:
    words = "cloud security, data pipelines"
    some = await count(api, keyword_filter={"include": words, "include_mode": "ANY"})
    every = await count(api, keyword_filter={"include": words, "include_mode": "ALL"})
    assert 0 < every < some


async def test_levels_that_exist_in_name_only_match_no_person(api: httpx.AsyncClient) -> None:
    assert await count(api, level=["C-Level", "VP-Level", "Director-Level", "Manager-Level", "Staff"]) == 0
    assert await count(api, level=["C-Level", "Chief X Officer (CxO)"]) > 0


async def test_a_signal_counts_for_thirty_days_unless_said_otherwise(api: httpx.AsyncClient) -> None:
    month = await count(api, signals=["job_change"])
    assert await count(api, signals=[{"key": "job_change", "period_days": 30}]) == month
    assert 0 < await count(api, signals=[{"key": "job_change", "period_days": 7}]) < month
    stages = {"objection_type": ["pricing"], "buying_stage": ["decision"]}
    told = [await count(api, signals=[{"key": "product_review", "keywords": k}]) for k in (stages, ["pricing"])]
    assert 0 < told[0] < told[1]
    assert await count(api, signals=["no_such_signal"]) == 0


async def test_a_search_that_cannot_be_made_says_why(api: httpx.AsyncClient) -> None:
    path = f"{ROOT}/count-leads-from-supersearch"
    for filters, where in (
        ({"level": ["Boss"]}, "body/search_filters/level/0 must be equal to one of the allowed values"),
        ({"employeeCount": "25 - 100"}, "body/search_filters/employeeCount must be array"),
    ):
        answer = await api.post(path, json={"search_filters": filters})
        assert (answer.status_code, answer.json()["message"]) == (400, where)
    unknown = await api.post(path, json={"search_filters": {"company_list_id": CFOS}})
    assert (unknown.status_code, unknown.json()["errorCode"]) == (404, "COMPANY_LIST_NOT_FOUND")


# company lists


async def test_a_search_within_a_company_list_finds_only_people_of_its_companies(api: httpx.AsyncClient) -> None:
    within = await preview(api, company_list_id=TARGET_ACCOUNTS)
    everybody, found = await count(api), within["number_of_leads"]
    assert 0 < found < everybody / 5
    industry = await count(api, industry={"include": ["Financial Services"]}, company_list_id=TARGET_ACCOUNTS)
    assert industry == found
    elsewhere = await count(api, industry={"exclude": ["Financial Services"]}, company_list_id=TARGET_ACCOUNTS)
    assert elsewhere == 0
    cfos = await count(api, title={"include": ["CFO"]}, company_list_id=TARGET_ACCOUNTS)
    assert 0 < cfos < found
    alone = await count(api, show_one_lead_per_company=True, company_list_id=TARGET_ACCOUNTS.upper())
    assert cfos < alone < found


async def test_a_company_list_can_be_used_only_when_it_is_completed(api: httpx.AsyncClient, wait: Wait) -> None:
    filters = {"company_list_id": LOOKALIKES}
    for operation in ("count-leads", "preview-leads", "enrich-leads"):
        body = {"search_filters": filters, "limit": 5, "work_email_enrichment": True}
        answer = await api.post(f"{ROOT}/{operation}-from-supersearch", json=body)
        assert (answer.status_code, answer.json()["errorCode"]) == (409, "COMPANY_LIST_NOT_READY")
    wait(3600)
    assert await count(api, **filters) > 0


async def test_people_come_into_a_list_from_a_company_list(api: httpx.AsyncClient, wait: Wait) -> None:
    begun = await enrich(api, search_filters={"company_list_id": TARGET_ACCOUNTS}, limit=6)
    wait(10)
    domains = {lead["company_domain"] for lead in await leads_in(api, begun["resource_id"])}
    industries = {company.industry for company in directory().companies if company.domain in domains}
    assert industries == {"Financial Services"}


def test_a_scenario_has_company_lists_of_its_own() -> None:
    held = {"id": CFOS, "name": "Two", "domains": ["a.example", "b.example"], "ready_in_hours": 2}
    workspaces = build_workspaces({"workspaces": [{"company_lists": [held]}]})
    (found,) = workspaces.home.company_lists
    assert (found["id"], found["_companies"]) == (CFOS, {"domains": ["a.example", "b.example"]})
    with pytest.raises(ApiRefusal, match="not completed"):
        find_company_list(workspaces.home, CFOS)
    workspaces.clock.advance(7200)
    assert find_company_list(workspaces.home, CFOS) is found


# keywords of signals


async def test_keywords_of_signals_come_most_frequent_first(api: httpx.AsyncClient) -> None:
    wanted = {"category": "linkedin_post_contact", "field": "tags"}
    found = (await api.post(f"{ROOT}/signal-keywords-facet", json={**wanted, "limit": 5})).json()["keywords"]
    counts = [entry["count"] for entry in found]
    assert (len(found), counts) == (5, sorted(counts, reverse=True))
    some = (await api.post(f"{ROOT}/signal-keywords-facet", json={**wanted, "prefix": "AI"})).json()["keywords"]
    assert {entry["keyword"] for entry in some} == {"ai agents", "air freight"}
    wanted["field"] = "no_such_field"
    assert (await api.post(f"{ROOT}/signal-keywords-facet", json=wanted)).status_code == 400


# into a list


async def test_people_come_into_a_list_of_their_own_when_the_job_is_done(api: httpx.AsyncClient, wait: Wait) -> None:
    begun = await enrich(api, list_name="German CFOs")
    list_id = begun["resource_id"]
    assert (await api.get(f"/lead-lists/{list_id}")).json()["name"] == "German CFOs"
    assert await leads_in(api, list_id) == []
    assert (await api.get(f"{ROOT}/{list_id}")).json()["in_progress"] is True
    assert (await api.get(f"/background-jobs/{begun['background_job_id']}")).json()["status"] == "pending"
    wait(3)
    job = (await api.get(f"/background-jobs/{begun['background_job_id']}")).json()
    leads = await leads_in(api, list_id)
    assert (job["status"], job["data"]["imported_leads"], len(leads)) == ("success", 10, 10)
    state = (await api.get(f"{ROOT}/{list_id}")).json()
    assert (state["in_progress"], state["has_no_leads"], state["search_filters"]) == (False, False, CFO_SEARCH)
    assert {lead["status"] for lead in leads} == {0}
    assert all(lead["payload"]["location"].endswith("Germany") for lead in leads)


async def test_each_address_found_costs_a_credit_and_the_same_people_cost_nothing_again(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    before = await credits(api)
    first = await enrich(api, limit=30)
    wait(3)
    found = [lead for lead in await leads_in(api, first["resource_id"]) if "email" in lead]
    assert 0 < len(found) < 30
    left = await credits(api)
    assert before - left == len(found)
    again = await enrich(api, limit=30)
    wait(3)
    assert len(await leads_in(api, again["resource_id"])) == 30
    assert await credits(api) == left


async def test_addresses_are_verified_a_little_later(api: httpx.AsyncClient, wait: Wait) -> None:
    begun = await enrich(api, limit=60, search_filters={"title": {"include": ["CFO"]}}, skip_rows_without_email=True)
    wait(3)
    leads = await leads_in(api, begun["resource_id"])
    assert (len(leads), {lead["verification_status"] for lead in leads}) == (60, {11})
    wait(30)
    settled = {lead["verification_status"] for lead in await leads_in(api, begun["resource_id"])}
    assert 1 in settled
    assert settled <= {1, -1, -2, -3}
    assert len(settled) > 1


async def test_owned_people_can_be_left_out(api: httpx.AsyncClient, wait: Wait) -> None:
    before = await count(api, **CFO_SEARCH)
    await enrich(api)
    wait(30)
    assert await count(api, **CFO_SEARCH) == before
    assert await count(api, **CFO_SEARCH, skip_owned_leads=True) == before - 10
    assert await count(api, {"skip_owned_leads": True}, **CFO_SEARCH) == before - 10
    assert sum(lead["isOwned"] for lead in (await preview(api, **CFO_SEARCH))["leads"]) == 10
    fresh = await enrich(api, search_filters={**CFO_SEARCH, "skip_owned_leads": True})
    wait(30)
    assert len(await leads_in(api, fresh["resource_id"])) == min(10, before - 10)


async def test_who_is_in_the_list_or_blocked_is_passed_over(api: httpx.AsyncClient, wait: Wait) -> None:
    first = await enrich(api, skip_rows_without_email=True)
    wait(3)
    have = await leads_in(api, first["resource_id"])
    await enrich(api, resource_id=first["resource_id"], skip_rows_without_email=True)
    wait(3)
    emails = [lead["email"] for lead in await leads_in(api, first["resource_id"])]
    assert len(emails) == len(set(emails)) == 20
    await api.post("/block-lists-entries", json={"bl_value": have[0]["company_domain"]})
    other = await enrich(api, skip_rows_without_email=True)
    wait(3)
    assert have[0]["email"] not in {lead["email"] for lead in await leads_in(api, other["resource_id"])}


async def test_an_import_ends_where_the_credits_end(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    world.verification_credits = 4
    begun = await enrich(api, skip_rows_without_email=True)
    wait(3)
    assert (len(await leads_in(api, begun["resource_id"])), await credits(api)) == (4, 0)
    body = {"search_filters": CFO_SEARCH, "limit": 5, "work_email_enrichment": True}
    refused = await api.post(f"{ROOT}/enrich-leads-from-supersearch", json=body)
    assert (refused.status_code, refused.json()) == (
        402,
        {"error": "Insufficient credits", "creditsRequired": 5, "creditsAvailable": 0, "creditsReserved": 0},
    )


async def test_credits_that_a_running_import_holds_are_to_be_waited_for(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    world.verification_credits = 30
    body = {"search_filters": CFO_SEARCH, "limit": 30, "work_email_enrichment": True}
    assert (await api.post(f"{ROOT}/enrich-leads-from-supersearch", json=body)).status_code == 200
    refused = await api.post(f"{ROOT}/enrich-leads-from-supersearch", json={**body, "limit": 2})
    assert (refused.status_code, refused.json()) == (
        402,
        {
            "error": "Insufficient credits",
            "errorCode": "CREDIT_RESERVATION_CONFLICT",
            "creditsRequired": 2,
            "creditsAvailable": 0,
            "creditsReserved": 30,
        },
    )
    wait(3)
    world.verification_credits += 1
    assert (await api.post(f"{ROOT}/enrich-leads-from-supersearch", json={**body, "limit": 2})).status_code == 200


@pytest.mark.parametrize(
    "signal",
    ["moon_landing", {"key": "moon_landing"}, *({"key": "promotion", "period_days": days} for days in (0, 1.5))],
)
async def test_signals_that_leads_cannot_be_enriched_with_are_refused(api: httpx.AsyncClient, signal: Any) -> None:
    body = {"search_filters": CFO_SEARCH, "limit": 2, "signal_enrichment": [signal]}
    assert (await api.post(f"{ROOT}/enrich-leads-from-supersearch", json=body)).status_code == 400


async def test_a_search_without_results_says_so(api: httpx.AsyncClient, wait: Wait) -> None:
    begun = await enrich(api, search_filters={"level": ["C-Level"]})
    wait(3)
    state = (await api.get(f"{ROOT}/{begun['resource_id']}")).json()
    assert (state["has_no_leads"], state["in_progress"]) == (True, False)


async def test_an_import_needs_an_enrichment_and_a_list_that_exists(api: httpx.AsyncClient) -> None:
    path = f"{ROOT}/enrich-leads-from-supersearch"
    body: dict[str, Any] = {"search_filters": CFO_SEARCH, "limit": 5, "work_email_enrichment": False}
    assert (await api.post(path, json=body)).status_code == 400
    body |= {"ai_enrichment": {"opener": {"template_id": "nothing"}}}
    assert (await api.post(path, json=body)).status_code == 404
    assert len((await api.get("/lead-lists")).json()["items"]) == 2
    body |= {"work_email_enrichment": True, "resource_id": "1157c0de-2b3c-4d5e-9f60-718293a4bfff"}
    assert (await api.post(path, json=body)).status_code == 404


async def test_profiles_signals_and_ai_columns_can_come_with_an_import(api: httpx.AsyncClient, wait: Wait) -> None:
    begun = await enrich(
        api,
        search_filters={"signals": ["job_change"]},
        fully_enriched_profile=True,
        signal_enrichment=["job_change"],
        ai_enrichment={"opener": {"prompt": "Write an opening line for {{firstName}}."}},
    )
    wait(3)
    for lead in await leads_in(api, begun["resource_id"]):
        assert lead["payload"]["headline"].startswith(lead["job_title"])
        assert lead["payload"]["signals"].startswith("job change")
        assert lead["company_name"] in lead["payload"]["opener"]
