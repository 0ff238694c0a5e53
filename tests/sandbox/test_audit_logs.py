"""The audit log follows what is changed through the API."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.engine import audit
from mcp_instantly.tools.catalog import load_catalog
from mcp_instantly.tools.operation import Operation

from .asking import send

pytestmark = pytest.mark.anyio

CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
LEAD = "01991f00-0001-7000-8000-000000000001"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
TAG = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa101"


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
        ("DELETE", f"/lead-lists/{LIST}", None, 2, {"affected_count": 20, "list_id": LIST}),
        (
            "POST",
            "/custom-tags/toggle-resource",
            {"tag_ids": [TAG], "resource_type": 2, "resource_ids": [CAMPAIGN], "assign": True},
            11,
            {"affected_count": 1},
        ),
        (
            "POST",
            "/custom-tags/toggle-resource",
            {"tag_ids": [TAG], "resource_type": 1, "resource_ids": ["ada@brightpath.example"], "assign": True},
            36,
            {"affected_count": 1},
        ),
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


WITHOUT_KIND = re.findall(
    r"\w+",
    """
    bulk_delete_agent_items create_inbox_manager create_inbox_manager_guidance delete_inbox_manager
    delete_inbox_manager_guidance update_inbox_manager update_inbox_manager_guidance update_inbox_manager_reply
    bulk_assign_leads bulk_create_block_list_entries bulk_delete_block_list_entries cancel_dfy_accounts
    cancel_workspace_removal change_workspace_owner create_block_list_entry create_campaign create_campaign_from_export
    create_custom_prompt_template create_custom_tag create_dfy_order create_email_template create_inbox_placement_test
    create_lead_label create_lead_list create_sales_flow create_subsequence create_workspace_group_member
    create_workspace_member delete_all_block_list_entries delete_block_list_entry delete_custom_prompt_template
    delete_custom_tag delete_email delete_email_template delete_inbox_placement_test delete_lead_label
    delete_phone_number delete_sales_flow delete_subsequence delete_webhook delete_workspace_group_member
    delete_workspace_member delete_workspace_whitelabel_domain duplicate_campaign duplicate_subsequence forward_email
    get_oauth_session_status mark_thread_as_read reply_to_email run_enrichment schedule_workspace_removal
    send_test_email set_workspace_whitelabel_domain share_campaign start_google_oauth start_microsoft_oauth
    test_ai_reply_label test_webhook update_block_list_entry update_custom_prompt_template update_custom_tag
    update_email update_email_template update_enrichment_settings update_inbox_placement_test update_lead
    update_lead_interest_status update_lead_label update_lead_list update_sales_flow update_workspace
    update_workspace_member verify_email
    create_lead_finder create_lead_finder_workflow create_saved_search delete_lead_finder delete_lead_finder_workflow
    delete_saved_search pause_lead_finder resume_lead_finder suggest_lead_finder_audience update_lead_finder
    update_saved_search
    complete_deliverability_feed_item delete_deliverability_agent deploy_deliverability_agent
    pause_deliverability_affected_accounts run_deliverability_agent
    pause_deliverability_agent pause_deliverability_campaign_sending resume_deliverability_agent
    update_default_deliverability_settings update_deliverability_agent
    create_company_list delete_company_list rename_company_list run_integration
    approve_sales_agent_activities approve_sales_agent_activity create_sales_agent create_sales_agent_guidance_rule
    delete_sales_agent delete_sales_agent_guidance_rule reject_sales_agent_activities reject_sales_agent_activity
    update_sales_agent update_sales_agent_guidance_rule
    """,
)
"""Changes for which the API's closed list of activities has no kind."""

CHANGES = [op for op in load_catalog().operations.values() if not op.read_only]


@pytest.mark.parametrize("operation", CHANGES, ids=lambda operation: operation.name)
async def test_every_change_that_has_a_kind_leaves_an_entry(api: httpx.AsyncClient, operation: Operation) -> None:
    before = (await newest(api))["id"]
    assert (await send(api, operation, operation.examples[0])).is_success
    noted = (await newest(api))["id"] != before
    assert noted != (operation.name in WITHOUT_KIND)


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


async def test_the_newest_kinds_of_entries_are_found_by_number_and_by_words(
    api: httpx.AsyncClient, world: World
) -> None:
    for kind in range(40, 46):
        audit.note(world, kind)
        (entry,) = (await api.get("/audit-logs", params={"activity_type": kind})).json()["items"]
        assert entry["activity_type"] == kind
    found = (await api.get("/audit-logs", params={"search": "do-not-call"})).json()["items"]
    assert [entry["activity_type"] for entry in found] == [45, 44]
