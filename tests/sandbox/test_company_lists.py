from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.worlds.demo.enrichments import LOOKALIKES, TARGET_ACCOUNTS

pytestmark = pytest.mark.anyio

ROOT = "/supersearch-enrichment"
LISTS = f"{ROOT}/company-lists"
SHOPS: dict[str, Any] = {
    "name": "Shops",
    "provider_id": "builtwith",
    "company_source_id": "technology_search",
    "filters": {"technologies": ["Shopify"]},
    "limit": 60,
}
COMPANIES: dict[str, Any] = {**SHOPS, "provider_id": "a_leads", "company_source_id": "company_search"}
LOOKUP = {
    "provider_id": "builtwith",
    "action_id": "find_technologies",
    "inputs": {"domain": "clearhouse.example"},
    "credential_source": "instantly_key",
}
Wait = Callable[[float], None]


async def build(api: httpx.AsyncClient, **more: Any) -> str:
    answer = await api.post(LISTS, json={**SHOPS, **more})
    assert (answer.status_code, answer.json()["status"]) == (202, "PENDING"), answer.text
    return answer.json()["id"]


async def shown(api: httpx.AsyncClient, list_id: str) -> dict[str, Any]:
    return (await api.get(f"{LISTS}/{list_id}")).json()


async def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


async def test_a_list_is_built_and_paid_for_step_by_step(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    before, list_id = world.verification_credits, await build(api)
    seen = [await shown(api, list_id)]
    while seen[-1]["status"] != "COMPLETED":
        wait(2)
        seen.append(await shown(api, list_id))
        assert before - world.verification_credits == seen[-1]["credits_charged"] == 2 * seen[-1]["saved_count"]
        assert len(seen) < 9
    assert [(one["status"], one["saved_count"]) for one in seen] == [
        ("PENDING", 0),
        ("IN_PROGRESS", 25),
        ("IN_PROGRESS", 50),
        ("COMPLETED", 60),
    ]
    assert seen[-1]["terminal_reason"] == "MAX_COMPANIES_REACHED"
    assert seen[-1]["filters"] == {"technologies": [{"label": "Shopify", "value": "Shopify"}]}


async def test_a_list_that_cannot_be_paid_is_refused_with_what_it_needs(api: httpx.AsyncClient, world: World) -> None:
    world.verification_credits = 100
    answer = await api.post(LISTS, json=SHOPS)
    body = answer.json()
    assert (answer.status_code, body["error"]) == (402, "Insufficient credits")
    assert (body["creditsRequired"], body["creditsAvailable"]) == (120, 100)
    assert (await api.get(LISTS)).json()["total"] == 2
    await build(api, limit=50)


@pytest.mark.parametrize(("left", "saved", "status"), [(3, 26, "COMPLETED"), (-49, 0, "FAILED")])
async def test_a_build_stops_where_the_credits_end(
    api: httpx.AsyncClient, wait: Wait, world: World, left: int, saved: int, status: str
) -> None:
    list_id = await build(api)
    if left > 0:
        wait(2)
        world.verification_credits = left
    else:
        world.verification_credits = 1
    wait(60)
    found = await shown(api, list_id)
    assert (found["status"], found["terminal_reason"]) == (status, "OUT_OF_CREDITS")
    assert (found["saved_count"], found["credits_charged"]) == (saved, 2 * saved)
    assert world.verification_credits == 1


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ({"industries": ["Fishery"]}, "PROVIDER_EXHAUSTED"),
        ({"keywords": ["no company says this"]}, "NO_RESULTS"),
    ],
)
async def test_a_list_ends_when_no_company_is_left(
    api: httpx.AsyncClient, wait: Wait, filters: dict[str, Any], reason: str
) -> None:
    list_id = await build(api, **{**COMPANIES, "filters": filters, "limit": 500})
    wait(60)
    found = await shown(api, list_id)
    assert (found["status"], found["terminal_reason"]) == ("COMPLETED", reason)
    count = await api.post(
        f"{ROOT}/count-leads-from-supersearch", json={"search_filters": {"company_list_id": list_id}}
    )
    assert (count.json()["number_of_leads"] > 0) == (found["company_count"] > 0) == (reason != "NO_RESULTS")


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"provider_id": "diffbot"}, 404, "Company source not found"),
        ({"company_source_id": "people"}, 404, "Company source not found"),
        ({"limit": 5001}, 400, "limit must be at most 5000 for this source"),
        ({"filters": {}}, 400, "filters/technologies is required"),
        ({"filters": {"technologies": ["Shopfy"]}}, 400, "filters/technologies does not know Shopfy"),
        ({"filters": {"technologies": "Shopify"}}, 400, "filters/technologies must be a list of at most 50 values"),
        ({"filters": {"technologies": [7]}}, 400, "filters/technologies must hold texts only"),
        ({"filters": {"technologies": ["Shopify"], "employees": [1]}}, 400, "filters/employees must be an object"),
        ({"filters": {"tools": ["Shopify"]}}, 400, "filters/tools is not a filter of this source"),
        ({**COMPANIES, "filters": {"employees": {"min": 5}}}, 400, "At least one of these filters is required"),
        (
            {"provider_id": "discolike", "company_source_id": "lookalikes", "filters": {"domain": 7}, "limit": 5},
            400,
            "filters/domain must be a text",
        ),
        ({"provider_id": "the_swarm", "company_source_id": "network_search"}, 400, "The Swarm must be connected"),
        ({"cancel": True}, 400, "body must NOT have additional properties"),
    ],
)
async def test_what_cannot_be_built_costs_nothing(
    api: httpx.AsyncClient, world: World, change: dict[str, Any], status: int, message: str
) -> None:
    before = world.verification_credits
    answer = await api.post(LISTS, json={**SHOPS, **change})
    assert answer.status_code == status
    assert message in answer.json()["message"]
    assert (await api.get(LISTS)).json()["total"] == 2
    assert world.verification_credits == before


async def test_lists_and_companies_are_paged_with_cursors_that_mean_nothing(api: httpx.AsyncClient) -> None:
    for url in (LISTS, f"{LISTS}/{TARGET_ACCOUNTS}/companies"):
        pages, after = [], {}
        while not pages or "next_starting_after" in pages[-1]:
            pages.append((await api.get(url, params={"limit": 1 if url == LISTS else 100, **after})).json())
            after = {"starting_after": pages[-1].get("next_starting_after"), "cursor": "ignored"}
            assert "items" not in pages[-1]
            assert pages[-1].get("next_cursor") == after["starting_after"]
        found = [str(record) for page in pages for record in page["data"]]
        assert len(pages) == 2
        assert len(set(found)) == len(found) > 1
        old_name = await api.get(url, params={"limit": 1, "cursor": pages[0]["next_cursor"]})
        assert old_name.json()["data"][0] == pages[1]["data"][0]
        for wrong in (TARGET_ACCOUNTS, "YWZ0ZXI6bm9ib2R5", "é"):
            assert await refusal(await api.get(url, params={"starting_after": wrong})) == (400, "Invalid cursor")


async def test_the_newest_list_comes_first(api: httpx.AsyncClient) -> None:
    made = [await build(api, name=name) for name in ("First", "Second")]
    found = (await api.get(LISTS, params={"limit": 2})).json()["data"]
    assert [one["company_list_id"] for one in found] == made[::-1]


async def test_only_a_list_that_has_ended_is_renamed_or_deleted(api: httpx.AsyncClient, wait: Wait) -> None:
    for begin in (None, build):
        list_id = await begin(api) if begin else LOOKALIKES
        url, too_early = f"{LISTS}/{list_id}", (400, "Company list is still being built")
        assert await refusal(await api.patch(url, json={"name": "New"})) == too_early
        assert await refusal(await api.delete(url)) == too_early
        wait(3600)
        assert (await api.patch(url, json={"name": "New"})).json()["name"] == "New"
        deleted = await api.delete(url)
        assert (deleted.status_code, deleted.content) == (204, b"")
        assert await refusal(await api.get(url)) == (404, "Company list not found")
        assert await refusal(await api.get(f"{url}/companies")) == (404, "Company list not found")


async def test_options_are_found_by_their_words(api: httpx.AsyncClient) -> None:
    async def options(**query: Any) -> httpx.Response:
        return await api.get(f"{LISTS}/filter-options", params=query)

    (found,) = (await options(catalog_id="industries", q="dairy")).json()["options"]
    assert {"label": "Dairy", "value": "Dairy"} in found["children"]
    assert len((await options(catalog_id="technologies", limit=3)).json()["options"]) == 3
    assert await refusal(await options(catalog_id="colours")) == (404, "Catalog not found")


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"provider_id": "nobody"}, 404, "Provider not found"),
        ({"action_id": "find_jobs"}, 404, "Action not found"),
        ({"inputs": {}}, 400, "inputs/domain is required"),
        ({"inputs": {"domain": ["a.example"]}}, 400, "body/inputs/domain must match a schema in anyOf"),
        ({"credential_source": "workspace_key"}, 400, "BuiltWith is not connected to the workspace"),
        ({"provider_id": "crunchbase", "action_id": "find_funding"}, 400, "Crunchbase takes workspace_key only"),
    ],
)
async def test_a_lookup_that_cannot_be_made_costs_nothing(
    api: httpx.AsyncClient, world: World, change: dict[str, Any], status: int, message: str
) -> None:
    before = world.verification_credits
    answer = await api.post(f"{ROOT}/integrations/run", json={**LOOKUP, **change})
    assert await refusal(answer) == (status, message)
    assert world.verification_credits == before


async def test_a_lookup_costs_each_time_and_needs_its_credits(api: httpx.AsyncClient, world: World) -> None:
    world.verification_credits = 2
    for domain, found in (("clearhouse.example", True), ("unknown.example", False)):
        answer = (await api.post(f"{ROOT}/integrations/run", json={**LOOKUP, "inputs": {"domain": domain}})).json()
        assert (answer["success"], answer["credits_cost"]) == (found, 1)
    answer = await api.post(f"{ROOT}/integrations/run", json=LOOKUP)
    assert answer.status_code == 402
    assert (answer.json()["creditsRequired"], answer.json()["creditsAvailable"]) == (1, 0)
