"""The audit log follows what is changed through the API."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LEAD = "01991f00-0001-7000-8000-000000000001"


async def newest(api: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    return (await api.get("/audit-logs", params={"limit": 1, **query})).json()["items"][0]


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "more"),
    [
        ("POST", f"/campaigns/{CAMPAIGN}/pause", None, 5, {"campaign_id": CAMPAIGN}),
        ("POST", f"/campaigns/{CAMPAIGN}/activate", None, 4, {"campaign_id": CAMPAIGN}),
        ("PATCH", f"/campaigns/{CAMPAIGN}", {"name": "Renamed"}, 11, {"campaign_id": CAMPAIGN}),
        ("DELETE", f"/campaigns/{CAMPAIGN}", None, 3, {"campaign_id": CAMPAIGN}),
        ("POST", "/leads", {"email": "new@lead.example", "campaign": CAMPAIGN}, 9, {"affected_count": 1}),
        (
            "POST",
            "/leads/add",
            {"campaign_id": CAMPAIGN, "leads": [{"email": "a@new.example"}, {"email": "b@new.example"}]},
            9,
            {"affected_count": 2, "campaign_id": CAMPAIGN},
        ),
        ("DELETE", f"/leads/{LEAD}", None, 2, {"affected_count": 1, "campaign_id": CAMPAIGN}),
        ("DELETE", "/leads", {"campaign_id": CAMPAIGN, "ids": [LEAD]}, 2, {"affected_count": 1}),
        ("PATCH", "/accounts/ada@brightpath.example", {"daily_limit": 5}, 36, {}),
        ("DELETE", "/accounts/ada@brightpath.example", None, 7, {}),
        ("POST", "/webhooks", {"target_hook_url": "https://hooks.brightpath.example/x"}, 18, {}),
        ("POST", "/api-keys", {"name": "New", "scopes": []}, 37, {}),
    ],
)
async def test_a_change_leaves_an_entry(
    api: httpx.AsyncClient, method: str, path: str, body: Any, kind: int, more: dict[str, Any]
) -> None:
    answer = await api.request(method, path, json=body) if body is not None else await api.request(method, path)
    assert answer.status_code == 200
    entry = await newest(api)
    assert (entry["activity_type"], entry["from_api"]) == (kind, True)
    assert {name: entry[name] for name in more} == more


async def test_the_entry_names_the_key_that_made_the_change(api: httpx.AsyncClient) -> None:
    made = (await api.post("/api-keys", json={"name": "All", "scopes": ["all:all"]})).json()
    headers = {"authorization": f"Bearer {made['key']}", "user-agent": "crm/1.0"}
    await api.post(f"/campaigns/{CAMPAIGN}/pause", headers=headers)
    entry = await newest(api)
    assert (entry["api_key_id"], entry["user_agent"]) == (made["id"], "crm/1.0")
    assert made["key"] not in str((await api.get("/audit-logs")).json())


async def test_reads_and_refused_changes_leave_none(api: httpx.AsyncClient) -> None:
    before = await newest(api)
    await api.get("/leads/" + LEAD)
    await api.post("/leads/list", json={})
    assert (await api.post("/campaigns/00000000-0000-4000-8000-000000000000/pause")).status_code == 404
    assert (await api.patch(f"/campaigns/{CAMPAIGN}", json={"name": 1})).status_code == 400
    nobody = {"campaign_id": CAMPAIGN, "ids": ["01991f00-ffff-7000-8000-000000000001"]}
    assert (await api.request("DELETE", "/leads", json=nobody)).json()["count"] == 0
    assert await newest(api) == before


async def test_entries_are_found_by_kind_words_and_days(api: httpx.AsyncClient) -> None:
    logins = (await api.get("/audit-logs", params={"search": "login"})).json()["items"]
    assert {entry["activity_type"] for entry in logins} == {1}
    assert (await newest(api, activity_type=3))["audit_metadata"]["name"] == "Summer test"
    assert (await newest(api, search="Nora"))["user_name"] == "Nora Vance"
    days = {"start_date": "2026-09-04", "end_date": "2026-09-04", "limit": 1000}
    found = (await api.get("/audit-logs", params=days)).json()["items"]
    assert found
    assert {entry["timestamp"][:10] for entry in found} == {"2026-09-04"}


async def test_the_log_is_paged_newest_first(api: httpx.AsyncClient) -> None:
    everything = (await api.get("/audit-logs", params={"limit": 1000})).json()["items"]
    assert [e["timestamp"] for e in everything] == sorted((e["timestamp"] for e in everything), reverse=True)
    paged: list[Any] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        answer = (await api.get("/audit-logs", params=query)).json()
        paged += answer["items"]
        if "next_starting_after" not in answer:
            break
        query["starting_after"] = answer["next_starting_after"]
    assert paged == everything
