from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

PATH = "/supersearch-enrichment/saved-searches"
DEMO = "5a5ea001-4e5f-4a6b-8c7d-9e0f1a2b3c01"
NOWHERE = "5a5ea001-4e5f-4a6b-8c7d-9e0f1a2b3cff"
CFOS = {"title": {"include": ["CFO"]}}


async def save(api: httpx.AsyncClient, name: str = "Seen", **filters: Any) -> dict[str, Any]:
    answer = await api.post(PATH, json={"name": name, "search_filters": filters or CFOS})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(api: httpx.AsyncClient, **query: Any) -> list[str]:
    return [item["name"] for item in (await api.get(PATH, params=query)).json()["items"]]


async def test_a_saved_search_is_read_as_it_was_written_and_costs_nothing(api: httpx.AsyncClient, world: World) -> None:
    before = world.verification_credits
    made = await save(api, "Finance", **CFOS)
    assert (await api.get(f"{PATH}/{made['id']}")).json() == made
    assert (made["name"], made["search_filters"]) == ("Finance", CFOS)
    assert world.verification_credits == before


async def test_the_newest_comes_first_twenty_on_a_page(api: httpx.AsyncClient) -> None:
    for number in range(21):
        await save(api, f"Search {number}")
    page = (await api.get(PATH)).json()
    assert [item["name"] for item in page["items"][:2]] == ["Search 20", "Search 19"]
    assert len(page["items"]) == 20
    rest = (await api.get(PATH, params={"starting_after": page["next_starting_after"]})).json()
    assert [item["name"] for item in rest["items"]] == ["Search 0", "Finance chiefs, DACH"]
    empty = await api.get(PATH, params={"starting_after": rest["next_starting_after"]})
    assert empty.json() == {"items": []}


async def test_a_search_among_the_names_takes_any_case(api: httpx.AsyncClient) -> None:
    await save(api, "Engineers")
    assert await names(api, search="FINANCE") == ["Finance chiefs, DACH"]
    assert await names(api, search="nobody") == []


async def test_filters_are_replaced_whole_and_the_name_stays(api: httpx.AsyncClient) -> None:
    changed = (await api.patch(f"{PATH}/{DEMO}", json={"search_filters": CFOS})).json()
    assert (changed["name"], changed["search_filters"]) == ("Finance chiefs, DACH", CFOS)


async def test_an_unknown_filter_is_kept_since_nothing_is_strict_about_these(api: httpx.AsyncClient) -> None:
    made = await save(api, jobTitle=["CFO"])
    assert made["search_filters"] == {"jobTitle": ["CFO"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "must NOT have fewer than 1 properties"),
        ({"name": ""}, "must NOT have fewer than 1 characters"),
        ({"name": "x" * 256}, "must NOT have more than 255 characters"),
        ({"title": "CFO"}, "must NOT have additional properties"),
        ({"search_filters": {"level": ["Boss"]}}, "must be equal to one of the allowed values"),
    ],
)
async def test_a_change_that_says_nothing_or_the_wrong_thing_is_refused(
    api: httpx.AsyncClient, body: dict[str, Any], message: str
) -> None:
    answer = await api.patch(f"{PATH}/{DEMO}", json=body)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


async def test_what_was_deleted_is_gone(api: httpx.AsyncClient) -> None:
    assert (await api.delete(f"{PATH}/{DEMO}")).json() == {"success": True}
    for method in ("GET", "DELETE"):
        assert (await api.request(method, f"{PATH}/{DEMO}")).status_code == 404
    assert (await api.patch(f"{PATH}/{NOWHERE}", json={"name": "x"})).status_code == 404
