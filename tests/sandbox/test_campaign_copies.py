"""Copies of campaigns: duplicate, export, share."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DAY = 86400


async def test_a_duplicate_is_a_draft_with_the_same_emails_and_senders(api: httpx.AsyncClient) -> None:
    source = (await api.get(f"/campaigns/{ACTIVE}")).json()
    copied = (await api.post(f"/campaigns/{ACTIVE}/duplicate")).json()
    assert (copied["name"], copied["status"]) == (f"{source['name']} (copy)", 0)
    assert copied["id"] != source["id"]
    assert (copied["sequences"], copied["email_list"]) == (source["sequences"], source["email_list"])
    assert (await api.post("/leads/list", json={"campaign": copied["id"]})).json()["items"] == []


async def test_a_duplicate_can_be_given_a_name(api: httpx.AsyncClient) -> None:
    assert (await api.post(f"/campaigns/{ACTIVE}/duplicate", json={"name": "Again"})).json()["name"] == "Again"
    assert (await api.post(f"/campaigns/{ACTIVE}/duplicate", json={"name": 1})).status_code == 400


async def test_a_change_of_the_copy_leaves_the_source_alone(api: httpx.AsyncClient) -> None:
    source = (await api.get(f"/campaigns/{ACTIVE}")).json()
    copied = (await api.post(f"/campaigns/{ACTIVE}/duplicate")).json()
    await api.patch(f"/campaigns/{copied['id']}", json={"sequences": [], "email_list": []})
    assert (await api.get(f"/campaigns/{ACTIVE}")).json() == source


async def test_an_export_is_the_campaign_and_changes_nothing(api: httpx.AsyncClient) -> None:
    source = (await api.get(f"/campaigns/{ACTIVE}")).json()
    assert (await api.post(f"/campaigns/{ACTIVE}/export")).json() == source
    assert (await api.get(f"/campaigns/{ACTIVE}")).json() == source


async def test_only_a_shared_campaign_can_be_taken_over(api: httpx.AsyncClient) -> None:
    refused = await api.post(f"/campaigns/{ACTIVE}/from-export")
    assert (refused.status_code, list(refused.json())) == (403, ["message"])
    shared = await api.post(f"/campaigns/{ACTIVE}/share")
    assert (shared.status_code, shared.content) == (204, b"")
    taken = await api.post(f"/campaigns/{ACTIVE}/from-export", json={"name": "Ignored"})
    assert taken.status_code == 200
    source = (await api.get(f"/campaigns/{ACTIVE}")).json()
    assert (taken.json()["name"], taken.json()["status"]) == (source["name"], 0)
    assert taken.json()["sequences"] == source["sequences"]
    assert "email_list" not in taken.json()


async def test_a_shared_campaign_can_be_taken_over_by_another_workspace() -> None:
    with Sandbox("agency") as sandbox:
        base = "http://sandbox/api/v2"
        async with httpx.AsyncClient(transport=sandbox.transport, base_url=base, headers=sandbox.headers) as api:
            own, member, *_ = (await api.get("http://sandbox/_sandbox/workspaces")).json()["items"]
            here, there = {"x-as-workspace": own["id"]}, {"x-as-workspace": member["id"]}
            (source, *_) = (await api.get("/campaigns", headers=there)).json()["items"]
            tag = (await api.post("/custom-tags", json={"label": "Senders"}, headers=there)).json()["id"]
            owner = (await api.get("/workspaces/current", headers=there)).json()["owner"]
            settings = {"email_tag_list": [tag], "owned_by": owner, "daily_limit": 33}
            await api.patch(f"/campaigns/{source['id']}", json=settings, headers=there)
            source = (await api.get(f"/campaigns/{source['id']}", headers=there)).json()
            copy = f"/campaigns/{source['id']}/from-export"
            assert (await api.post(copy, headers=here)).status_code == 403
            assert (await api.post(f"/campaigns/{source['id']}/share", headers=there)).status_code == 204
            taken = (await api.post(copy, headers=here)).json()
            assert (taken["status"], taken["organization"], taken["daily_limit"]) == (0, own["id"], 33)
            assert (taken["name"], taken["sequences"]) == (source["name"], source["sequences"])
            assert taken["id"] != source["id"] and not {"email_list", "email_tag_list", "owned_by"} & set(taken)
            assert (await api.get(f"/campaigns/{taken['id']}", headers=here)).json() == taken
            assert (await api.get(f"/campaigns/{source['id']}", headers=there)).json() == source
            sandbox.advance(7 * DAY)
            assert (await api.post(copy, headers=here)).status_code == 403
            assert (await api.post("/campaigns/00000000-0000-4000-8000-00000000dead/from-export")).status_code == 404


async def test_a_share_ends_after_seven_days(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    await api.post(f"/campaigns/{ACTIVE}/share")
    wait(6.9 * DAY)
    assert (await api.post(f"/campaigns/{ACTIVE}/from-export")).status_code == 200
    wait(0.2 * DAY)
    assert (await api.post(f"/campaigns/{ACTIVE}/from-export")).status_code == 403


async def test_a_share_does_not_show_in_the_campaign(api: httpx.AsyncClient) -> None:
    before = (await api.get(f"/campaigns/{ACTIVE}")).json()
    await api.post(f"/campaigns/{ACTIVE}/share")
    assert (await api.get(f"/campaigns/{ACTIVE}")).json() == before
