"""Accounts as an assistant meets them: list, change, pause, repair, warm up, move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

ADA, BEN, CHLOE = "ada@brightpath.example", "ben@brightpath.example", "chloe@brightpath.example"
DEV, EVA = "dev@brightpath-mail.example", "eva@brightpath-mail.example"
CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
TAG = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"
HERE, THERE = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c01", "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c04"
NEW = {
    "email": "Finn@brightpath.example",
    "first_name": "Finn",
    "last_name": "Reed",
    "provider_code": 1,
    "imap_username": "finn",
    "imap_password": "secret-imap",
    "imap_host": "imap.brightpath.example",
    "imap_port": 993,
    "smtp_username": "finn",
    "smtp_password": "secret-smtp",
    "smtp_host": "smtp.brightpath.example",
    "smtp_port": 465,
}
Wait = Callable[[float], None]


async def emails(api: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await api.get("/accounts", params={"limit": 100, **query})
    assert answer.status_code == 200
    return [account["email"] for account in answer.json()["items"]]


async def account(api: httpx.AsyncClient, email: str) -> dict[str, Any]:
    return (await api.get(f"/accounts/{email.replace('@', '%40')}")).json()


async def test_a_new_account_is_active_and_shows_no_password(api: httpx.AsyncClient) -> None:
    answer = await api.post("/accounts", json=NEW)
    assert answer.status_code == 200
    assert "secret" not in answer.text
    created = answer.json()
    assert (created["email"], created["status"], created["warmup_status"]) == ("finn@brightpath.example", 1, 0)
    assert created["setup_pending"] is False
    assert await account(api, "FINN@brightpath.example") == created


async def test_an_address_can_be_added_once(api: httpx.AsyncClient) -> None:
    answer = await api.post("/accounts", json={**NEW, "email": ADA})
    assert (answer.status_code, answer.json()["message"]) == (400, "Account already exists")


async def test_an_unknown_account_is_not_found(api: httpx.AsyncClient) -> None:
    for method, path in [("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/mark-fixed")]:
        answer = await api.request(method, f"/accounts/nobody%40nowhere.example{path}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Account not found")


async def test_accounts_can_be_filtered(api: httpx.AsyncClient) -> None:
    assert await emails(api, status=2) == [DEV]
    assert await emails(api, filter="ACC_FILTER_ERROR") == [EVA]
    assert await emails(api, search="CHLOE") == [CHLOE]
    assert set(await emails(api, tag_ids=f"{TAG},{HERE}")) == {ADA, BEN}
    assert set(await emails(api, tag_ids_all=TAG)) == {ADA, BEN}
    assert await emails(api, tag_ids_all=f"{TAG},{HERE}") == []


async def test_a_list_of_accounts_shows_only_the_limit_of_the_warmup(api: httpx.AsyncClient) -> None:
    await api.patch(f"/accounts/{ADA}", json={"warmup": {"limit": 25, "reply_rate": 40}})
    (listed,) = (await api.get("/accounts", params={"search": ADA})).json()["items"]
    assert listed["warmup"] == {"limit": 25}
    assert (await account(api, ADA))["warmup"] == {"limit": 25, "reply_rate": 40}


async def test_tags_of_accounts_come_on_request(api: httpx.AsyncClient) -> None:
    (plain,) = (await api.get("/accounts", params={"search": ADA})).json()["items"]
    (tagged,) = (await api.get("/accounts", params={"search": ADA, "include_tags": True})).json()["items"]
    assert "tags" not in plain
    assert [(tag["id"], tag["label"]) for tag in tagged["tags"]] == [(TAG, "Warm senders")]


async def test_the_cursor_of_accounts_is_timestamp_and_address_or_an_older_timestamp(api: httpx.AsyncClient) -> None:
    everyone = (await api.get("/accounts")).json()["items"]
    first = (await api.get("/accounts", params={"limit": 1})).json()
    newest = everyone[0]
    assert first["next_starting_after"] == f"{newest['timestamp_created']}&{newest['email']}"
    behind = await api.get("/accounts", params={"starting_after": newest["timestamp_created"]})
    older = [a for a in everyone if a["timestamp_created"] < newest["timestamp_created"]]
    assert behind.json()["items"] == older


async def test_a_sorted_list_of_accounts_is_paged_by_skip(api: httpx.AsyncClient) -> None:
    names = await emails(api, sort_by="email", sort_order="asc")
    assert names == sorted(names)
    page = (await api.get("/accounts", params={"sort_by": "email", "sort_order": "asc", "limit": 2, "skip": 1})).json()
    assert [a["email"] for a in page["items"]] == names[1:3]
    assert "next_starting_after" not in page
    assert await emails(api, sort_by="email") == names[::-1]


async def test_a_change_of_warmup_replaces_all_of_it(api: httpx.AsyncClient) -> None:
    await api.patch(f"/accounts/{ADA}", json={"warmup": {"limit": 25, "reply_rate": 40}})
    changed = await api.patch(f"/accounts/{ADA}", json={"warmup": {"limit": 30}, "provider_code": 2})
    assert changed.json()["warmup"] == {"limit": 30}


async def test_a_provider_cannot_be_changed(api: httpx.AsyncClient) -> None:
    before = (await account(api, ADA))["provider_code"]
    changed = await api.patch(f"/accounts/{ADA}", json={"provider_code": 8 if before != 8 else 1})
    assert (changed.status_code, changed.json()["provider_code"]) == (200, before)


async def test_a_field_set_to_null_is_absent_afterwards(api: httpx.AsyncClient) -> None:
    await api.patch(f"/accounts/{ADA}", json={"signature": "Ada", "tracking_domain_name": "go.brightpath.example"})
    await api.patch(f"/accounts/{ADA}", json={"signature": None, "remove_tracking_domain": True})
    assert not {"signature", "tracking_domain_name"} & set(await account(api, ADA))


async def test_an_empty_change_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.patch(f"/accounts/{ADA}", json={})
    assert answer.json()["message"] == "body must NOT have fewer than 1 properties"


async def test_a_deleted_account_stays_among_the_senders_of_its_campaigns(api: httpx.AsyncClient) -> None:
    deleted = await api.delete(f"/accounts/{ADA}")
    assert (deleted.status_code, deleted.json()["email"]) == (200, ADA)
    assert (await api.get(f"/accounts/{ADA}")).status_code == 404
    assert ADA in (await api.get(f"/campaigns/{CAMPAIGN}")).json()["email_list"]
    assert len((await api.get(f"/account-campaign-mappings/{ADA}")).json()["items"]) >= 1
    assert await emails(api, tag_ids=TAG) == [BEN]


async def test_pause_and_resume_change_the_status(api: httpx.AsyncClient) -> None:
    assert (await api.post(f"/accounts/{CHLOE}/pause")).json()["status"] == 2
    assert (await api.post(f"/accounts/{CHLOE}/resume")).json()["status"] == 1


async def test_a_bulk_pause_names_what_it_did_not_change(api: httpx.AsyncClient) -> None:
    wanted = [CHLOE, DEV, "nobody@nowhere.example", CHLOE]
    answer = await api.post("/accounts/pause", json={"emails": wanted})
    assert answer.status_code == 200
    assert answer.json() == {"paused_emails": [CHLOE], "failed_emails": [DEV, "nobody@nowhere.example"]}
    assert (await api.post("/accounts/pause", json={"emails": []})).status_code == 400


@pytest.mark.parametrize("operation", ["mark-fixed", "resume"])
async def test_a_broken_connection_that_is_only_declared_fixed_breaks_again(
    api: httpx.AsyncClient, wait: Wait, operation: str
) -> None:
    before = await account(api, EVA)
    assert (before["status"], bool(before["status_message"])) == (-1, True)
    fixed = (await api.post(f"/accounts/{EVA}/{operation}")).json()
    assert fixed["status"] == 1
    assert "status_message" not in fixed
    wait(3600)
    after = await account(api, EVA)
    assert (after["status"], after["status_message"]) == (-1, before["status_message"])


async def test_mark_fixed_leaves_a_healthy_account_alone(api: httpx.AsyncClient) -> None:
    before = await account(api, ADA)
    assert (await api.post(f"/accounts/{ADA}/mark-fixed")).json() == before


async def test_campaigns_of_an_account_are_those_that_send_from_it(api: httpx.AsyncClient) -> None:
    campaigns = (await api.get(f"/account-campaign-mappings/{ADA}")).json()["items"]
    assert CAMPAIGN in [mapping["campaign_id"] for mapping in campaigns]
    first = (await api.get("/account-campaign-mappings/ada%40brightpath.example", params={"limit": 1})).json()
    assert len(first["items"]) == 1
    assert (await api.get("/account-campaign-mappings/nobody%40nowhere.example")).status_code == 404


async def test_a_campaign_that_sends_by_tag_counts_for_the_tagged_account(api: httpx.AsyncClient) -> None:
    draft = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
    await api.patch(f"/campaigns/{draft}", json={"email_tag_list": [TAG]})
    campaigns = (await api.get(f"/account-campaign-mappings/{BEN}")).json()["items"]
    assert draft in [mapping["campaign_id"] for mapping in campaigns]


async def job(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    return (await api.get(f"/background-jobs/{job_id}")).json()


async def test_warmup_is_switched_by_a_job(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post("/accounts", json=NEW)
    started = (await api.post("/accounts/warmup/enable", json={"emails": ["finn@brightpath.example"]})).json()
    assert (started["type"], started["status"], started["user_id"]) == ("update-warmup-accounts", "pending", None)
    assert started["data"]["filters"]["includeAllEmails"] is None
    wait(1)
    assert (await job(api, started["id"]))["status"] == "in-progress"
    wait(5)
    done = await job(api, started["id"])
    assert (done["status"], done["progress"], done["data"]["success_count"]) == ("success", 100, 1)
    assert "user_id" not in done
    warmed = await account(api, "finn@brightpath.example")
    assert (warmed["warmup_status"], "timestamp_warmup_start" in warmed) == (1, True)


async def test_a_warmup_job_succeeds_with_a_failure_inside(api: httpx.AsyncClient, wait: Wait) -> None:
    body = {"emails": [ADA, "nobody@nowhere.example"]}
    started = (await api.post("/accounts/warmup/disable", json=body)).json()
    wait(5)
    done = await job(api, started["id"])
    assert (done["status"], done["data"]["failed_count"], done["data"]["success_count"]) == ("success", 1, 1)
    failed = {"email": "nobody@nowhere.example", "status": "failed", "error": "Account not found"}
    assert failed in done["data"]["processed_emails"]
    assert (await account(api, ADA))["warmup_status"] == 0


async def test_warmup_of_all_accounts_can_leave_some_out(api: httpx.AsyncClient, wait: Wait) -> None:
    body = {"include_all_emails": True, "excluded_emails": [BEN], "filter": {"tag_id": TAG}}
    await api.post("/accounts/warmup/disable", json=body)
    wait(5)
    assert [(await account(api, email))["warmup_status"] for email in (ADA, BEN)] == [0, 1]


async def test_warmup_of_nothing_is_refused(api: httpx.AsyncClient) -> None:
    assert (await api.post("/accounts/warmup/enable", json={})).status_code == 400


async def test_a_tracking_domain_counts_once_an_account_uses_it(api: httpx.AsyncClient) -> None:
    async def status(host: str) -> dict[str, Any]:
        return (await api.get("/accounts/ctd/status", params={"host": host})).json()

    assert await status("example.com") == {"ssl": False, "cname": False, "host": "example.com"}
    settings = {"tracking_domain_name": "go.brightpath.example", "tracking_domain_status": "CTD_ACTIVE"}
    await api.patch(f"/accounts/{CHLOE}", json=settings)
    assert await status("go.brightpath.example") == {"ssl": True, "cname": True, "host": "go.brightpath.example"}


async def test_vitals_look_at_domains_not_at_accounts(api: httpx.AsyncClient) -> None:
    tested = ["nobody@brightpath.example", ADA, "x@no-dkim.example"]
    answer = (await api.post("/accounts/test/vitals", json={"accounts": tested})).json()
    assert [entry["domain"] for entry in answer["success_list"]] == ["brightpath.example"]
    (failure,) = answer["failure_list"]
    assert (failure["allPass"], failure["dkim"], failure["spf"]) == (False, False, True)
    refused = await api.post("/accounts/test/vitals", json={"emails": tested})
    assert (refused.status_code, list(refused.json())) == (400, ["error"])


async def test_accounts_move_to_a_workspace_of_the_same_admin(api: httpx.AsyncClient, world: World) -> None:
    body = {"emails": [ADA], "source_workspace_id": HERE, "destination_workspace_id": THERE}
    strange = await api.post("/accounts/move", json={**body, "destination_workspace_id": CAMPAIGN})
    assert strange.status_code == 404
    unknown = await api.post("/accounts/move", json={**body, "emails": [BEN, "nobody@nowhere.example"]})
    assert (unknown.status_code, BEN in await emails(api)) == (404, True)
    assert (await api.post("/accounts/move", json=body)).json() == {"status": "success"}
    assert ADA not in await emails(api)
