"""Leads change place: by a job between campaigns and lists, at once into a subsequence and out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

ACTIVE, DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
COMPLETED, SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
CFOS, BADGES = "1157c0de-2b3c-4d5e-9f60-718293a4b501", "1157c0de-2b3c-4d5e-9f60-718293a4b502"
REP = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c03"
DAY = 86400
Wait = Callable[[float], None]


def lead_id(n: int) -> str:
    return f"01991f00-{n:04x}-7000-8000-{n:012x}"


async def get(api: httpx.AsyncClient, n: int) -> dict[str, Any]:
    return (await api.get(f"/leads/{lead_id(n)}")).json()


async def count(api: httpx.AsyncClient, **wanted: Any) -> int:
    return len((await api.post("/leads/list", json={"limit": 100, **wanted})).json()["items"])


async def moved(api: httpx.AsyncClient, wait: Wait, **wanted: Any) -> dict[str, Any]:
    """The data of the job that moves these leads, once it is done."""
    job = (await api.post("/leads/move", json=wanted)).json()
    assert (job["type"], job["status"]) == ("move-leads", "pending")
    wait(2)
    done = (await api.get(f"/background-jobs/{job['id']}")).json()
    assert (done["status"], done["progress"]) == ("success", 100)
    return done["data"]


async def test_a_lead_moves_into_a_campaign_and_starts_there(api: httpx.AsyncClient, wait: Wait) -> None:
    data = await moved(api, wait, ids=[lead_id(141)], list_id=CFOS, to_campaign_id=DRAFT)
    assert (data["total_leads"], data["moved_leads"]) == (1, 1)
    assert data["moved_lead_emails"] == ["anna.weber@tresorio.example"]
    lead = await get(api, 141)
    assert (lead["campaign"], lead["status"]) == (DRAFT, 1)
    assert "list_id" not in lead
    assert await count(api, list_id=CFOS) == 39


@pytest.mark.parametrize("place", [{}, {"list_id": BADGES}, {"campaign": ACTIVE}])
async def test_ids_without_the_right_source_move_nobody(
    api: httpx.AsyncClient, wait: Wait, place: dict[str, str]
) -> None:
    data = await moved(api, wait, ids=[lead_id(141)], to_campaign_id=DRAFT, **place)
    assert (data["total_leads"], data["moved_leads"]) == (0, 0)


async def test_copied_leads_stay_where_they_were(api: httpx.AsyncClient, wait: Wait) -> None:
    wanted = {
        "campaign": COMPLETED,
        "filter": "FILTER_VAL_COMPLETED_NO_REPLY",
        "to_list_id": BADGES,
        "copy_leads": True,
    }
    assert (await moved(api, wait, **wanted))["moved_leads"] == 17
    assert (await count(api, campaign=COMPLETED), await count(api, list_id=BADGES)) == (20, 37)
    again = await moved(api, wait, **wanted, check_duplicates=True)
    assert (again["total_leads"], again["moved_leads"]) == (17, 0)


async def test_a_campaign_takes_every_address_once(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post("/leads", json={"campaign": DRAFT, "email": "anna.weber@tresorio.example"})
    data = await moved(api, wait, list_id=CFOS, limit=5, to_campaign_id=DRAFT)
    assert "anna.weber@tresorio.example" not in data["moved_lead_emails"]
    assert (data["moved_leads"], await count(api, campaign=DRAFT)) == (5, 6)


async def test_interest_stays_or_is_reset_as_asked(api: httpx.AsyncClient, wait: Wait) -> None:
    await moved(api, wait, campaign=ACTIVE, ids=[lead_id(1)], to_list_id=CFOS)
    assert (await get(api, 1))["lt_interest_status"] == 1
    await moved(api, wait, campaign=ACTIVE, ids=[lead_id(4)], to_list_id=CFOS, reset_interest_status=True)
    lead = await get(api, 4)
    assert "lt_interest_status" not in lead and "subsequence_id" not in lead


async def test_moved_and_copied_leads_go_to_the_user_who_is_named(api: httpx.AsyncClient, wait: Wait) -> None:
    chosen = {"ids": [lead_id(141)], "list_id": CFOS, "assigned_to": REP}
    assert (await moved(api, wait, **chosen, to_list_id=BADGES, copy_leads=True))["moved_leads"] == 1
    assert (await get(api, 141)).get("assigned_to") != REP
    assert await count(api, list_id=BADGES, organization_user_ids=[REP]) == 1
    assert (await moved(api, wait, **chosen, to_campaign_id=DRAFT))["moved_leads"] == 1
    assert (await get(api, 141))["assigned_to"] == REP
    stranger = {"campaign": DRAFT, "to_list_id": CFOS, "assigned_to": lead_id(1)}
    assert (await api.post("/leads/move", json=stranger)).status_code == 400


async def test_a_move_wants_one_known_destination(api: httpx.AsyncClient) -> None:
    async def status(**wanted: Any) -> int:
        return (await api.post("/leads/move", json={"list_id": CFOS, **wanted})).status_code

    assert await status() == 400
    assert await status(to_campaign_id=DRAFT, to_list_id=BADGES) == 400
    assert await status(to_campaign_id=lead_id(1)) == 404
    assert await status(to_campaign_id=DRAFT, filter="FILTER_VAL_HAPPY") == 400


async def test_a_lead_in_a_subsequence_gets_its_email_after_the_delay(api: httpx.AsyncClient, wait: Wait) -> None:
    body = {"id": lead_id(1), "subsequence_id": SUBSEQUENCE}
    lead = (await api.post("/leads/subsequence/move", json=body)).json()
    assert (lead["subsequence_id"], lead["status"]) == (SUBSEQUENCE, 1)
    wait(DAY - 60)
    query = {"lead": lead["email"], "limit": 100}
    assert len((await api.get("/emails", params=query)).json()["items"]) == 2
    wait(3600)
    (email, *_) = (await api.get("/emails", params=query)).json()["items"]
    assert (email["subsequence_id"], email["subject"]) == (SUBSEQUENCE, "Re: Month-end close")
    assert email["thread_id"] == "c0-demoThread0000000000001"


async def test_a_lead_that_has_answered_is_done_when_it_leaves_a_subsequence(api: httpx.AsyncClient) -> None:
    lead = (await api.post("/leads/subsequence/remove", json={"id": lead_id(4)})).json()
    assert lead["status"] == 3 and "subsequence_id" not in lead
    assert (await api.post("/leads/subsequence/remove", json={"id": lead_id(4)})).status_code == 400


async def test_a_lead_that_has_not_goes_on_in_its_campaign(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post("/leads/subsequence/move", json={"id": lead_id(3), "subsequence_id": SUBSEQUENCE})
    lead = (await api.post("/leads/subsequence/remove", json={"id": lead_id(3)})).json()
    assert lead["status"] == 1
    wait(8 * 3600)
    (email, *_) = (await api.get("/emails", params={"lead": lead["email"]})).json()["items"]
    assert email["step"] == "0_1_0"


async def test_a_subsequence_takes_only_leads_of_its_campaign(api: httpx.AsyncClient) -> None:
    async def status(**body: str) -> int:
        return (await api.post("/leads/subsequence/move", json=body)).status_code

    assert await status(id=lead_id(141), subsequence_id=SUBSEQUENCE) == 400
    assert await status(id=lead_id(1), subsequence_id=DRAFT) == 404
    assert await status(id=lead_id(999), subsequence_id=SUBSEQUENCE) == 404
