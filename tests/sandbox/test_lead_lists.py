"""Lead lists."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.anyio

CFOS, BADGES = "1157c0de-2b3c-4d5e-9f60-718293a4b501", "1157c0de-2b3c-4d5e-9f60-718293a4b502"
OWNER, REP = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02", "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c03"


async def test_a_new_list_belongs_to_the_caller(api: httpx.AsyncClient) -> None:
    created = (await api.post("/lead-lists", json={"name": "Logistics COOs"})).json()
    assert (created["name"], created["owned_by"], created["has_enrichment_task"]) == ("Logistics COOs", OWNER, False)
    assert (await api.get(f"/lead-lists/{created['id']}")).json() == created
    assert (await api.post("/lead-lists", json={})).json()["message"] == "body must have required property 'name'"


async def test_lists_are_paged_by_time_and_none_is_lost(api: httpx.AsyncClient) -> None:
    for number in range(3):
        await api.post("/lead-lists", json={"name": f"List {number}"})
    names, query = [], {"limit": "2"}
    while True:
        page = (await api.get("/lead-lists", params=query)).json()
        names += [entry["name"] for entry in page["items"]]
        if "next_starting_after" not in page:
            break
        query["starting_after"] = page["next_starting_after"]
    assert sorted(names) == ["Conference badge scans", "Fintech CFOs EU", "List 0", "List 1", "List 2"]


async def test_lists_are_found_by_name(api: httpx.AsyncClient) -> None:
    page = (await api.get("/lead-lists", params={"search": "fintech"})).json()
    assert [entry["id"] for entry in page["items"]] == [CFOS]
    page = (await api.get("/lead-lists", params={"has_enrichment_task": "true"})).json()
    assert [entry["id"] for entry in page["items"]] == [CFOS]


async def test_a_list_can_change_its_name_and_owner(api: httpx.AsyncClient) -> None:
    changed = (await api.patch(f"/lead-lists/{CFOS}", json={"name": "CFOs", "owned_by": REP})).json()
    assert (changed["name"], changed["owned_by"]) == ("CFOs", REP)
    assert (await api.patch(f"/lead-lists/{CFOS}", json={"name": 5})).status_code == 400


async def test_a_deleted_list_takes_its_leads_with_it(api: httpx.AsyncClient) -> None:
    assert (await api.delete(f"/lead-lists/{BADGES}")).json()["name"] == "Conference badge scans"
    assert (await api.get(f"/lead-lists/{BADGES}")).status_code == 404
    assert (await api.post("/leads/list", json={"list_id": BADGES})).json() == {"items": []}


async def test_verification_is_summed_up(api: httpx.AsyncClient) -> None:
    found = (await api.get(f"/lead-lists/{CFOS}/verification-stats")).json()
    assert found["total_leads"] == 40
    assert {name: count for name, count in found["stats"].items() if count} == {
        "verified": 30,
        "invalid": 2,
        "risky": 3,
        "catch_all": 4,
        "job_change": 1,
    }
