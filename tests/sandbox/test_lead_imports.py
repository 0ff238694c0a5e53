"""Leads come in: one by one, and by the thousand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

ACTIVE, DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
OWNER, REP = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02", "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c03"
MAYA = "maya.lindqvist@fjordpay.example"


async def add(api: httpx.AsyncClient, leads: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer = await api.post("/leads/add", json={"campaign_id": DRAFT, "leads": leads, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_new_lead_shows_its_variables_in_the_payload(api: httpx.AsyncClient) -> None:
    given = {
        "campaign": DRAFT,
        "email": " Hana.Sato@Hakobu.example ",
        "first_name": "Hana",
        "custom_variables": {"fleet_size": 120, "cold_chain": True, "region": None},
    }
    lead = (await api.post("/leads", json=given)).json()
    assert (lead["email"], lead["company_domain"], lead["status"]) == ("hana.sato@hakobu.example", "hakobu.example", 1)
    assert (lead["payload"]["firstName"], lead["payload"]["lastName"]) == ("Hana", "")
    assert (lead["payload"]["fleet_size"], lead["payload"]["cold_chain"]) == (120, True)
    assert lead["last_name"] == "" and "custom_variables" not in lead
    assert (await api.get(f"/leads/{lead['id']}")).json() == lead
    campaign = (await api.get(f"/campaigns/{DRAFT}")).json()
    assert set(campaign["custom_variables"]) == {"fleet_size", "cold_chain"}


async def test_a_lead_of_a_list_needs_only_a_name(api: httpx.AsyncClient) -> None:
    lead = (await api.post("/leads", json={"list_id": LIST, "first_name": "Rosa"})).json()
    assert (lead["status"], lead["list_id"], lead["company_domain"]) == (1, LIST, "")
    assert "email" not in lead and "campaign" not in lead
    assert (await api.post("/leads", json={"list_id": LIST, "company_name": "Portico"})).status_code == 400


async def test_a_known_address_comes_back_as_it_was(api: httpx.AsyncClient) -> None:
    answer = await api.post("/leads", json={"campaign": ACTIVE, "email": MAYA.upper(), "first_name": "Other"})
    assert (answer.status_code, answer.json()["first_name"]) == (200, "Maya")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"first_name": "Nobody"}, 400),
        ({"campaign": DRAFT, "first_name": "Nobody"}, 400),
        ({"campaign": DRAFT, "email": "nobody"}, 400),
        ({"campaign": DRAFT, "email": "a@b.example", "custom_variables": {"tags": ["x"]}}, 400),
        ({"campaign": DRAFT, "email": "a@b.example", "lt_interest_status": 7}, 400),
        ({"campaign": "autumn", "email": "a@b.example"}, 400),
        ({"campaign": NOWHERE, "email": "a@b.example"}, 404),
        ({"list_id": NOWHERE, "email": "a@b.example"}, 404),
    ],
)
async def test_a_lead_that_cannot_be_is_refused(api: httpx.AsyncClient, body: dict[str, Any], status: int) -> None:
    assert (await api.post("/leads", json=body)).status_code == status


async def test_every_lead_of_an_import_falls_under_one_counter(api: httpx.AsyncClient) -> None:
    await api.post("/leads", json={"campaign": DRAFT, "email": "known@here.example"})
    leads = [
        {"email": "new@here.example", "first_name": "New", "payload": {"lost": 1}},
        {"email": "New@here.example"},
        {"email": "known@here.example"},
        {"email": "not an address"},
        {"first_name": "Nobody"},
        {"email": "someone@competitor.example"},
        {"email": MAYA},
    ]
    answer = await add(api, leads, skip_if_in_workspace=True)
    counters = {
        name: value for name, value in answer.items() if name.endswith(("count", "leads", "list", "sent", "uploaded"))
    }
    (created,) = counters.pop("created_leads")
    assert counters == {
        "total_sent": 7,
        "leads_uploaded": 1,
        "duplicate_email_count": 1,
        "duplicated_leads": 1,
        "invalid_email_count": 2,
        "incomplete_count": 0,
        "in_blocklist": 1,
        "skipped_count": 1,
    }
    assert (created["index"], created["email"], answer["status"]) == (0, "new@here.example", "success")
    assert (await api.get(f"/leads/{created['id']}")).json()["payload"] == {
        "firstName": "New",
        "email": "new@here.example",
    }


async def test_without_flags_a_person_of_another_campaign_is_taken_again(api: httpx.AsyncClient) -> None:
    assert (await add(api, [{"email": MAYA}], skip_if_in_list=True))["leads_uploaded"] == 1
    assert (await add(api, [{"email": "tom.okafor@ledgerly.example"}], skip_if_in_campaign=True))["skipped_count"] == 1


async def test_an_import_into_a_list_counts_the_nameless_as_incomplete(api: httpx.AsyncClient) -> None:
    body = {
        "list_id": LIST,
        "leads": [{"phone": "1"}, {"last_name": "Almeida"}, {"email": "luis.ortega@portico.example"}],
    }
    answer = (await api.post("/leads/add", json=body)).json()
    assert (answer["incomplete_count"], answer["leads_uploaded"], answer["duplicated_leads"]) == (1, 1, 1)
    assert answer["remaining_in_plan"] is None


async def test_an_import_wants_one_place_and_one_to_a_thousand_leads(api: httpx.AsyncClient) -> None:
    lead = {"email": "a@b.example"}
    for body in (
        {"leads": [lead]},
        {"campaign_id": DRAFT, "list_id": LIST, "leads": [lead]},
        {"campaign_id": DRAFT, "leads": []},
        {"campaign_id": DRAFT, "leads": [lead] * 1001},
    ):
        assert (await api.post("/leads/add", json=body)).status_code == 400
    message = (await api.post("/leads/add", json={"campaign_id": DRAFT, "leads": [lead, {"email": 5}]})).json()[
        "message"
    ]
    assert message == "body/leads/1/email must be string,null"


async def test_imported_leads_belong_to_the_owner_of_the_campaign_unless_told_otherwise(api: httpx.AsyncClient) -> None:
    first = (await add(api, [{"email": "a@b.example"}]))["created_leads"][0]["id"]
    second = (await add(api, [{"email": "b@b.example"}], assigned_to=REP))["created_leads"][0]["id"]
    assert [(await api.get(f"/leads/{id_}")).json()["assigned_to"] for id_ in (first, second)] == [OWNER, REP]


async def test_verification_on_import_goes_on_after_the_answer(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    names = ("good", "invalid", "risky", "catchall")
    leads = [{"email": f"{name}@b.example"} for name in names]
    body = {"list_id": LIST, "leads": leads, "verify_leads_on_import": True}
    created = (await api.post("/leads/add", json=body)).json()["created_leads"]

    async def statuses() -> list[int]:
        return [(await api.get(f"/leads/{entry['id']}")).json()["verification_status"] for entry in created]

    assert await statuses() == [12] * 4
    wait(30)
    assert await statuses() == [1, -1, -2, -3]
    stats = (await api.get(f"/lead-lists/{LIST}/verification-stats")).json()
    assert (stats["stats"]["verified"], stats["stats"]["catch_all"], stats["total_leads"]) == (1, 1, 24)


async def test_a_block_list_keeps_a_single_lead_out_where_it_is_asked(api: httpx.AsyncClient) -> None:
    lead = {"campaign": DRAFT, "email": "someone@competitor.example"}
    refused = await api.post("/leads", json={**lead, "blocklist_id": NOWHERE})
    assert (refused.status_code, refused.json()["message"]) == (400, "The lead is in the blocklist")
    assert (await api.post("/leads", json={**lead, "email": "a@b.example", "blocklist_id": NOWHERE})).status_code == 200
    assert (await api.post("/leads", json=lead)).json()["email"] == "someone@competitor.example"


@pytest.mark.parametrize(("flag", "status"), [("verify_leads_on_import", 12), ("verify_leads_for_lead_finder", 11)])
async def test_a_lead_waits_for_the_verification_that_was_asked_for(
    api: httpx.AsyncClient, wait: Callable[[float], None], flag: str, status: int
) -> None:
    lead = (await api.post("/leads", json={"list_id": LIST, "email": "good@b.example", flag: True})).json()
    assert lead["verification_status"] == status
    wait(30)
    assert (await api.get(f"/leads/{lead['id']}")).json()["verification_status"] == 1


async def test_an_import_says_what_is_left_of_the_plan(api: httpx.AsyncClient) -> None:
    left = (await add(api, [{"email": "a@b.example"}, {"email": "b@b.example"}]))["remaining_in_plan"]
    plan = (await api.get("/workspace-billing/plan-details")).json()["subscriptions"]["outreach"]
    assert left == plan["total_lead_limit"] - plan["current_lead_count"] == 25000 - 142


async def test_a_thousand_leads_go_in_one_call(api: httpx.AsyncClient) -> None:
    leads = [{"email": f"p{n}@firm{n}.example", "first_name": "P", "custom_variables": {"n": n}} for n in range(1000)]
    assert (await add(api, leads))["leads_uploaded"] == 1000
