"""Leads: finding, changing, deleting, merging, rating, assigning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

ACTIVE, COMPLETED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"
SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
CFOS, BADGES = "1157c0de-2b3c-4d5e-9f60-718293a4b501", "1157c0de-2b3c-4d5e-9f60-718293a4b502"
OWNER, REP = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02", "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c03"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
TOM = "tom.okafor@ledgerly.example"
Wait = Callable[[float], None]


def lead_id(n: int) -> str:
    return f"01991f00-{n:04x}-7000-8000-{n:012x}"


async def get(api: httpx.AsyncClient, n: int) -> dict[str, Any]:
    return (await api.get(f"/leads/{lead_id(n)}")).json()


async def listed(api: httpx.AsyncClient, **wanted: Any) -> list[int]:
    """The numbers of the demo's leads that a listing finds, over all pages."""
    found: list[int] = []
    body = {"limit": 100, **wanted}
    while True:
        answer = await api.post("/leads/list", json=body)
        assert answer.status_code == 200, answer.text
        found += [int(lead["id"][-12:], 16) for lead in answer.json()["items"]]
        if "next_starting_after" not in answer.json():
            return found
        body["starting_after"] = answer.json()["next_starting_after"]


async def test_leads_are_listed_in_order_ten_at_a_time(api: httpx.AsyncClient) -> None:
    first = (await api.post("/leads/list", json={})).json()
    assert [lead["id"] for lead in first["items"]] == [lead_id(n) for n in range(1, 11)]
    assert first["next_starting_after"] == lead_id(10)
    assert await listed(api, limit=7) == list(range(1, 201))


async def test_a_cursor_holds_when_its_lead_is_deleted(api: httpx.AsyncClient) -> None:
    await api.delete(f"/leads/{lead_id(10)}")
    assert (await listed(api, starting_after=lead_id(10)))[0] == 11
    assert await listed(api, starting_after=NOWHERE) == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"campaign": COMPLETED}, list(range(121, 141))),
        ({"list_id": BADGES}, list(range(181, 201))),
        ({"contacts": ["Maya.Lindqvist@fjordpay.example", "nobody@x.example"]}, [1]),
        ({"search": "tom oka"}, [2]),
        ({"search": "nordbank"}, [5, 6]),
        ({"campaign": ACTIVE, "ids": [lead_id(3), lead_id(130)]}, [3]),
        ({"ids": [lead_id(5), lead_id(3)], "excluded_ids": [lead_id(3)]}, [5]),
        ({"campaign": ACTIVE, "filter": "FILTER_LEAD_INTERESTED"}, [1, 4]),
        ({"filter": "FILTER_LEAD_MEETING_BOOKED"}, [122]),
        ({"campaign": ACTIVE, "filter": "FILTER_VAL_BOUNCED"}, [12]),
        ({"filter": "FILTER_VAL_UNSUBSCRIBED"}, [13]),
        ({"filter": "FILTER_VAL_IN_SUBSEQUENCE"}, [4]),
        ({"campaign": ACTIVE, "filter": "FILTER_VAL_REPLIED"}, [1, 2, 4, 7, 9]),
        ({"campaign": ACTIVE, "filter": "FILTER_VAL_CONTACTED"}, [1, 2, 3, 4, 5, *range(7, 14)]),
        ({"filter": "FILTER_VAL_INVALID"}, [147, 163]),
        ({"in_list": True, "in_campaign": False, "limit": 100}, list(range(141, 201))),
        (
            {
                "queries": [
                    {"actionType": "email-open", "values": {"occurrence-count": {"condition": "more", "count": 1}}}
                ]
            },
            [1, 2],
        ),
        ({"queries": [{"actionType": "reply", "values": {"occurrence-days": 1}}]}, [1, 2]),
        (
            {"queries": [{"actionType": "lead-status", "values": {"lead-status": {"status": -1, "condition": "is"}}}]},
            [7, 128],
        ),
        ({"organization_user_ids": [REP]}, []),
    ],
)
async def test_filters_find_what_they_say(api: httpx.AsyncClient, wanted: dict[str, Any], found: list[int]) -> None:
    assert await listed(api, **wanted) == found


async def test_a_misspelt_filter_lists_the_whole_workspace(api: httpx.AsyncClient) -> None:
    assert len(await listed(api, campaign_id=COMPLETED)) == 200


async def test_contacts_are_listed_once_by_address(api: httpx.AsyncClient) -> None:
    await api.post("/leads", json={"list_id": BADGES, "email": TOM})
    body = {"search": "okafor", "distinct_contacts": True, "limit": 1}
    page = (await api.post("/leads/list", json=body)).json()
    assert (page["items"][0]["email"], page["next_starting_after"]) == (TOM, TOM)
    rest = (await api.post("/leads/list", json={**body, "starting_after": TOM})).json()
    assert rest == {"items": []}
    assert len((await api.post("/leads/list", json={"search": "okafor"})).json()["items"]) == 2


@pytest.mark.parametrize(
    "wanted", [{"limit": 101}, {"filter": "FILTER_VAL_HAPPY"}, {"contacts": ["maya"]}, {"ids": ["1"]}]
)
async def test_a_listing_that_makes_no_sense_is_refused(api: httpx.AsyncClient, wanted: dict[str, Any]) -> None:
    assert (await api.post("/leads/list", json=wanted)).status_code == 400


async def test_a_change_shows_in_the_payload_and_custom_variables_are_replaced(api: httpx.AsyncClient) -> None:
    change = {"job_title": "Group CFO", "website": None, "custom_variables": {"uses_erp": True}, "status": 3}
    lead = (await api.patch(f"/leads/{lead_id(3)}", json=change)).json()
    assert (lead["job_title"], lead["status"]) == ("Group CFO", 1)
    assert lead["payload"] == {
        "firstName": "Ines",
        "lastName": "Moreau",
        "companyName": "Caissa",
        "jobTitle": "Group CFO",
        "email": "ines.moreau@caissa.example",
        "uses_erp": True,
    }
    assert "website" not in lead
    assert (await api.patch(f"/leads/{lead_id(3)}", json={})).status_code == 400


async def test_a_deleted_lead_comes_back_once(api: httpx.AsyncClient) -> None:
    answer = await api.delete(f"/leads/{lead_id(3)}")
    assert (answer.status_code, answer.json()["email"]) == (200, "ines.moreau@caissa.example")
    assert [(await call(f"/leads/{lead_id(3)}")).status_code for call in (api.delete, api.get)] == [404, 404]
    assert (await api.get("/leads/3")).json()["message"] == 'params/id must match format "uuid"'


@pytest.mark.parametrize(
    ("wanted", "count", "left"),
    [
        ({"list_id": BADGES, "ids": [lead_id(181), lead_id(1)]}, 1, 199),
        ({"campaign_id": COMPLETED, "status": 3, "limit": 10}, 10, 190),
        ({"campaign_id": COMPLETED, "status": -1}, 1, 199),
        ({"campaign_id": ACTIVE}, 120, 80),
        ({"campaign_id": NOWHERE}, 0, 200),
    ],
)
async def test_a_bulk_delete_spares_only_what_its_filters_spare(
    api: httpx.AsyncClient, wanted: dict[str, Any], count: int, left: int
) -> None:
    assert (await api.request("DELETE", "/leads", json=wanted)).json() == {"count": count}
    assert len(await listed(api)) == left


async def test_a_bulk_delete_wants_a_place(api: httpx.AsyncClient) -> None:
    assert (await api.request("DELETE", "/leads", json={"ids": [lead_id(1)]})).status_code == 400
    assert len(await listed(api)) == 200


async def test_a_merged_lead_lives_on_in_the_other(api: httpx.AsyncClient) -> None:
    await api.patch(f"/leads/{lead_id(6)}", json={"personalization": "Met in Oslo", "first_name": "Carl"})
    body = {"lead_id": lead_id(6), "destination_lead_id": lead_id(5)}
    survivor = (await api.post("/leads/merge", json=body)).json()
    assert (survivor["id"], survivor["first_name"], survivor["personalization"]) == (lead_id(5), "Karl", "Met in Oslo")
    assert (await api.post("/leads/merge", json=body)).status_code == 404
    assert (await api.post("/leads/merge", json={**body, "lead_id": lead_id(5)})).status_code == 400


async def test_out_of_office_is_an_interest_that_a_merge_leaves_alone(api: httpx.AsyncClient) -> None:
    made = [
        (await api.post("/leads", json={"email": f"{interest}@merged.example", "lt_interest_status": interest})).json()
        for interest in (0, 1)
    ]
    body = {"lead_id": made[1]["id"], "destination_lead_id": made[0]["id"]}
    assert (await api.post("/leads/merge", json=body)).json()["lt_interest_status"] == 0


async def test_interest_is_accepted_first_and_set_a_second_later(api: httpx.AsyncClient, wait: Wait) -> None:
    body = {"lead_email": TOM, "interest_value": -1, "campaign_id": ACTIVE}
    answer = await api.post("/leads/update-interest-status", json=body)
    assert (answer.status_code, list(answer.json())) == (202, ["message"])
    assert "lt_interest_status" not in await get(api, 2)
    wait(1)
    lead = await get(api, 2)
    assert (lead["lt_interest_status"], lead["timestamp_last_interest_change"]) == (-1, "2026-09-07T13:00:01.000Z")
    await api.post("/leads/update-interest-status", json={**body, "interest_value": None})
    wait(1)
    assert "lt_interest_status" not in await get(api, 2)


async def test_interest_wakes_the_subsequence_that_waits_for_it(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post("/leads/update-interest-status", json={"lead_email": TOM, "interest_value": 1})
    wait(1)
    assert (await get(api, 2))["subsequence_id"] == SUBSEQUENCE


async def test_interest_that_cannot_be_set_is_refused(api: httpx.AsyncClient, world: World) -> None:
    async def status(**body: Any) -> int:
        return (await api.post("/leads/update-interest-status", json=body)).status_code

    assert await status(lead_email="nobody@x.example", interest_value=1) == 404
    assert await status(lead_email=TOM, interest_value=55) == 400
    assert await status(lead_email=TOM) == 400
    world.lead_labels.add({"id": "1", "interest_status": 55})
    assert await status(lead_email=TOM, interest_value=55) == 202


async def test_leads_are_dealt_out_in_turn(api: httpx.AsyncClient, wait: Wait) -> None:
    body = {"organization_user_ids": [OWNER, REP], "list_id": CFOS, "limit": 3}
    answer = await api.post("/leads/bulk-assign", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    wait(1)
    assert [(await get(api, n)).get("assigned_to") for n in range(141, 145)] == [OWNER, REP, OWNER, None]
    assert (await api.post("/leads/bulk-assign", json={"organization_user_ids": [NOWHERE]})).status_code == 400
    assert (await api.post("/leads/bulk-assign", json={"organization_user_ids": []})).status_code == 400


async def test_a_smart_view_shows_the_leads_that_its_queries_mean(api: httpx.AsyncClient) -> None:
    async def found(**wanted: Any) -> list[str]:
        answer = await api.post("/leads/list", json={"limit": 100, **wanted})
        return [lead["id"] for lead in answer.json()["items"]]

    (view,) = (await api.get("/sales-flow")).json()["items"]
    seen = await found(smart_view_id=view["id"])
    assert seen == await found(queries=view["queries"], campaign=view["campaign_id"])
    assert len(seen) < len(await found(campaign=view["campaign_id"]))
    opened = {"actionType": "email-open", "values": {"occurrence-count": {"condition": "more", "count": 0}}}
    own = (await api.post("/sales-flow", json={"name": "Opened", "queries": [opened]})).json()["id"]
    assert set(await found(smart_view_id=own)) > set(seen)
    nothing = (await api.post("/sales-flow", json={"name": "x", "queries": [opened], "list_id": "all-lists"})).json()
    assert await found(smart_view_id=nothing["id"]) == []
    await api.post("/leads/bulk-assign", json={"smart_view_id": own, "organization_user_ids": [REP]})
    missing = await api.post("/leads/list", json={"smart_view_id": lead_id(1)})
    assert missing.status_code == 404
