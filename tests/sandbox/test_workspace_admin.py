"""Name, domain, owner and end of the workspace, and what it pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

REMOVAL = "/workspaces/current/schedule-for-removal"
DOMAIN = "/workspaces/current/whitelabel-domain"
OWNER = "/workspaces/current/change-owner"


async def test_name_and_logo_can_be_changed(api: httpx.AsyncClient) -> None:
    logo = "https://brightpath.example/logo.png"
    changed = (await api.patch("/workspaces/current", json={"name": "Brighter", "org_logo_url": logo})).json()
    assert (changed["name"], changed["org_logo_url"]) == ("Brighter", logo)
    assert "org_logo_url" not in (await api.patch("/workspaces/current", json={"org_logo_url": None})).json()
    assert (await api.get("/workspaces/current")).json()["name"] == "Brighter"
    refused = await api.patch("/workspaces/current", json={})
    assert refused.json()["message"] == "body must NOT have fewer than 1 properties"


async def test_a_workspace_is_removed_a_day_after_it_was_asked_for(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    scheduled = (await api.post(REMOVAL)).json()
    assert scheduled["scheduled_for_removal_at"] == "2026-09-08T13:00:00.000Z"
    wait(23 * 3600)
    assert (await api.post(REMOVAL)).json()["scheduled_for_removal_at"] == scheduled["scheduled_for_removal_at"]
    wait(2 * 3600)
    assert (await api.get("/workspaces/current")).status_code == 401


async def test_a_removal_can_be_taken_back(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await api.post(REMOVAL)
    wait(3600)
    assert "scheduled_for_removal_at" not in (await api.delete(REMOVAL)).json()
    wait(3600)
    # A second removal counts from its own beginning.
    await api.post(REMOVAL)
    wait(23 * 3600)
    assert (await api.get("/workspaces/current")).status_code == 200
    wait(3600)
    assert (await api.get("/workspaces/current")).status_code == 401


async def test_a_domain_is_verified_once_its_record_is_found(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    changed = (await api.post(DOMAIN, json={"domain": "App.brightpath.example"})).json()
    assert changed["org_client_domain"] == "app.brightpath.example"
    waiting = (await api.get(DOMAIN)).json()
    assert (waiting["verified"], len(waiting["verification"])) == (False, 1)
    wait(3600)
    assert (await api.get(DOMAIN)).json() == {
        "verified": True,
        "name": "app.brightpath.example",
        "verification": [],
    }
    # Another domain begins anew.
    await api.post(DOMAIN, json={"domain": "mail.brightpath.example"})
    assert (await api.get(DOMAIN)).json()["verified"] is False
    assert "org_client_domain" not in (await api.delete(DOMAIN)).json()
    assert (await api.get(DOMAIN)).json() == {}


@pytest.mark.parametrize("domain", ["", "brightpath", "https://app.brightpath.example", "app brightpath.example"])
async def test_what_is_no_domain_is_refused(api: httpx.AsyncClient, domain: str) -> None:
    assert (await api.post(DOMAIN, json={"domain": domain})).status_code == 400


async def test_the_workspace_goes_to_a_member_who_has_the_token(api: httpx.AsyncClient) -> None:
    changed = (await api.post(OWNER, json={"email": "leo@brightpath.example", "sec": "sec-demo-0001"})).json()
    assert changed["owner"] == "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c03"
    assert "_security_token" not in changed
    members = (await api.get("/workspace-members")).json()["items"]
    assert [member["role"] for member in members] == ["admin", "owner", "view"]


@pytest.mark.parametrize(
    ("email", "token", "status"),
    [
        ("leo@brightpath.example", "guessed", 401),
        ("leo@brightpath.example", "", 401),
        ("stranger@brightpath.example", "sec-demo-0001", 404),
        ("kim@brightpath.example", "sec-demo-0001", 404),
    ],
)
async def test_the_workspace_does_not_go_to_anybody(
    api: httpx.AsyncClient, email: str, token: str, status: int
) -> None:
    assert (await api.post(OWNER, json={"email": email, "sec": token})).status_code == status
    assert (await api.get("/workspaces/current")).json()["owner"] == "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02"


@pytest.mark.parametrize(
    ("path", "body", "gone"),
    [
        ("/leads/01991f00-0001-7000-8000-000000000001", None, 1),
        ("/leads", {"campaign_id": "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "limit": 30}, 30),
        ("/leads", {"list_id": "1157c0de-2b3c-4d5e-9f60-718293a4b501"}, 0),
        ("/campaigns/c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03", None, 20),
    ],
)
async def test_the_plan_counts_leads_in_campaigns_and_deleted_ones_for_some_minutes_more(
    api: httpx.AsyncClient, wait: Callable[[float], None], path: str, body: Any, gone: int
) -> None:
    async def count() -> tuple[int, int]:
        outreach = (await api.get("/workspace-billing/plan-details")).json()["subscriptions"]["outreach"]
        return outreach["current_lead_count"], outreach["total_lead_limit"]

    assert await count() == (140, 25000)
    assert (await api.request("DELETE", path, json=body)).status_code == 200
    wait(5 * 60 - 1)
    assert await count() == (140, 25000)
    wait(5 * 60 + 1)
    assert await count() == (140 - gone, 25000)


async def test_credits_that_are_spent_are_missing_in_the_plan(api: httpx.AsyncClient) -> None:
    async def credits() -> float:
        plan = (await api.get("/workspace-billing/plan-details")).json()
        return plan["subscriptions"]["credits"]["available_credits"]

    before = await credits()
    await api.post("/email-verification", json={"email": "new.person@ledgerly.example"})
    assert await credits() < before


async def test_subscriptions_end_in_the_future(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    async def end() -> float:
        paid = (await api.get("/workspace-billing/subscription-details")).json()
        assert paid["all_subs_cancelled"] is False
        return paid["subscriptions"][0]["current_period_end"]

    first = await end()
    assert first > 1788786000  # the sandbox's first instant
    wait(30 * 24 * 3600)
    assert await end() == first + 30 * 24 * 3600
