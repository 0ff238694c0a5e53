"""Campaigns as an assistant meets them: drafts, changes, starting and stopping."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .outreach import ALWAYS, Wait

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
COMPLETED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
STEP = {"type": "email", "delay": 2, "variants": [{"subject": "Hello {{firstName}}", "body": "<p>Hello</p>"}]}


async def create(api: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await api.post("/campaigns", json={"name": "New", "campaign_schedule": ALWAYS, **more})
    assert answer.status_code == 200
    return answer.json()


async def get(api: httpx.AsyncClient, campaign_id: str) -> dict[str, Any]:
    return (await api.get(f"/campaigns/{campaign_id}")).json()


async def test_a_new_campaign_is_a_draft_and_shows_only_what_is_set(api: httpx.AsyncClient) -> None:
    created = await create(api, daily_limit=None)
    assert set(created) == {
        *("id", "name", "status", "campaign_schedule"),
        *("timestamp_created", "timestamp_updated", "open_tracking", "organization"),
    }
    assert (created["status"], created["open_tracking"]) == (0, False)
    assert await get(api, created["id"]) == created


async def test_units_of_delays_are_filled_in(api: httpx.AsyncClient) -> None:
    created = await create(api, sequences=[{"steps": [STEP, {**STEP, "delay_unit": "hours"}]}])
    steps = created["sequences"][0]["steps"]
    assert [(step["delay_unit"], step["pre_delay_unit"]) for step in steps] == [("days", "days"), ("hours", "days")]


async def test_fields_that_do_not_exist_are_dropped(api: httpx.AsyncClient) -> None:
    assert "account_ids" not in await create(api, account_ids=["ada@brightpath.example"], status=1)


async def test_shapes_inside_a_campaign_are_checked(api: httpx.AsyncClient) -> None:
    for field, value, message in [
        ("sequences", [{"steps": [{"type": "call", "delay": 1, "variants": []}]}], "sequences/0/steps/0/type"),
        ("sequences", [{"steps": [{"type": "email", "variants": []}]}], "sequences/0/steps/0 must have"),
        ("email_tag_list", ["warm"], "email_tag_list/0 must match format"),
        ("cc_list", ["nobody"], "cc_list/0 must match format"),
        ("daily_max_leads", 1.5, "daily_max_leads must be integer,null"),
        ("auto_variant_select", {"trigger": "luck"}, "auto_variant_select/trigger must be equal"),
        ("limit_emails_per_company_override", {}, "limit_emails_per_company_override must have required"),
        ("provider_routing_rules", [{"action": "hold"}], "provider_routing_rules/0/action must be equal"),
    ]:
        answer = await api.patch(f"/campaigns/{DRAFT}", json={field: value})
        assert answer.status_code == 400
        assert answer.json()["message"].startswith(f"body/{message}")


async def test_campaigns_can_be_filtered(api: httpx.AsyncClient) -> None:
    async def ids(**query: Any) -> list[str]:
        return [campaign["id"] for campaign in (await api.get("/campaigns", params=query)).json()["items"]]

    assert await ids() == [COMPLETED, DRAFT, ACTIVE]
    assert await ids(search="FINTECH") == [ACTIVE]
    assert await ids(status=3) == [COMPLETED]
    assert await ids(exclude_status=1) == [COMPLETED, DRAFT]
    assert await ids(tag_ids=f"7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102,{NOWHERE}") == [DRAFT]
    assert await ids(ai_sales_agent_id=NOWHERE) == []


async def test_an_unknown_campaign_is_not_found(api: httpx.AsyncClient) -> None:
    calls = [("GET", ""), ("DELETE", ""), ("GET", "/sending-status")]
    calls += [("POST", f"/{name}") for name in ("activate", "pause", "share", "export", "from-export", "duplicate")]
    for method, path in calls:
        answer = await api.request(method, f"/campaigns/{NOWHERE}{path}")
        assert (answer.status_code, answer.json()["message"]) == (404, "Campaign not found")


async def test_a_change_replaces_lists_as_a_whole(api: httpx.AsyncClient) -> None:
    before = await get(api, ACTIVE)
    assert len(before["sequences"][0]["steps"]) == 2
    change = {"sequences": [{"steps": [STEP]}], "email_list": ["chloe@brightpath.example"]}
    changed = (await api.patch(f"/campaigns/{ACTIVE}", json=change)).json()
    assert (len(changed["sequences"][0]["steps"]), changed["email_list"]) == (1, ["chloe@brightpath.example"])
    assert changed["name"] == before["name"]


async def test_null_unsets_a_field(api: httpx.AsyncClient) -> None:
    await api.patch(f"/campaigns/{DRAFT}", json={"daily_limit": 40, "stop_on_reply": True})
    assert "daily_limit" not in (await api.patch(f"/campaigns/{DRAFT}", json={"daily_limit": None})).json()
    assert (await get(api, DRAFT))["stop_on_reply"] is True


async def test_the_status_cannot_be_set_by_a_change(api: httpx.AsyncClient) -> None:
    answer = await api.patch(f"/campaigns/{DRAFT}", json={"status": 1})
    assert (answer.status_code, answer.json()["status"]) == (200, 0)


async def test_a_deleted_campaign_is_gone_with_its_leads(api: httpx.AsyncClient) -> None:
    async def leads() -> list[dict[str, Any]]:
        return (await api.post("/leads/list", json={"campaign": ACTIVE})).json()["items"]

    assert await leads()
    assert (await api.delete(f"/campaigns/{ACTIVE}")).json()["id"] == ACTIVE
    assert (await api.get(f"/campaigns/{ACTIVE}")).status_code == 404
    assert await leads() == []


async def test_a_deleted_campaign_sends_no_more(api: httpx.AsyncClient, wait: Wait) -> None:
    async def count() -> int:
        return len((await api.get("/emails", params={"campaign_id": ACTIVE, "limit": 100})).json()["items"])

    await api.delete(f"/campaigns/{ACTIVE}")
    before = await count()
    wait(3 * 86400)
    assert await count() == before


async def test_activation_without_senders_succeeds_and_shows_in_the_status_later(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    created = await create(api, sequences=[{"steps": [STEP]}], email_list=[])
    await api.post("/leads", json={"campaign": created["id"], "email": "zoe@portico.example"})
    activated = await api.post(f"/campaigns/{created['id']}/activate")
    assert (activated.status_code, activated.json()["status"]) == (200, 1)
    wait(3600)
    assert (await get(api, created["id"]))["status"] == -1
    status = (await api.get(f"/campaigns/{created['id']}/sending-status")).json()
    assert status["diagnostics"] is None
    assert status["summary"]["status"] == "campaign_accounts_unhealthy"


async def test_an_activated_campaign_writes_to_its_leads(api: httpx.AsyncClient, wait: Wait) -> None:
    created = await create(api, sequences=[{"steps": [STEP]}], email_list=["chloe@brightpath.example"])
    await api.post("/leads", json={"campaign": created["id"], "email": "zoe@portico.example", "first_name": "Zoe"})
    await api.post(f"/campaigns/{created['id']}/activate")
    wait(86400)
    (mail, *_) = (await api.get("/emails", params={"campaign_id": created["id"], "limit": 100})).json()["items"][::-1]
    assert (mail["lead"], mail["subject"], mail["eaccount"]) == (
        "zoe@portico.example",
        "Hello Zoe",
        "chloe@brightpath.example",
    )


async def test_a_paused_campaign_sends_nothing_until_it_is_activated_again(api: httpx.AsyncClient, wait: Wait) -> None:
    leads = [{"email": f"person{number}@portico.example"} for number in range(3)]
    created = await create(api, sequences=[{"steps": [STEP]}], email_list=["chloe@brightpath.example"])
    await api.post("/leads/add", json={"campaign_id": created["id"], "leads": leads})

    async def count() -> int:
        query = {"campaign_id": created["id"], "email_type": "sent", "limit": 100}
        return len((await api.get("/emails", params=query)).json()["items"])

    await api.post(f"/campaigns/{created['id']}/activate")
    assert (await api.post(f"/campaigns/{created['id']}/pause")).json()["status"] == 2
    wait(86400)
    assert await count() == 0
    assert (await api.post(f"/campaigns/{created['id']}/activate")).json()["status"] == 1
    wait(2 * 86400)
    assert await count() == 3


async def test_variables_are_core_or_custom_and_add_up(api: httpx.AsyncClient) -> None:
    await api.post(f"/campaigns/{DRAFT}/variables", json={"variables": ["firstName", "badge"]})
    changed = (await api.post(f"/campaigns/{DRAFT}/variables", json={"variables": ["hall"]})).json()
    assert changed["core_variables"]["firstName"] is True
    assert changed["custom_variables"].items() >= {"badge": True, "hall": True}.items()


async def test_launched_campaigns_are_all_but_the_drafts(api: httpx.AsyncClient) -> None:
    assert (await api.get("/campaigns/count-launched")).json() == {"count": 2}
    await api.post(f"/campaigns/{DRAFT}/activate")
    assert (await api.get("/campaigns/count-launched")).json() == {"count": 3}


async def test_campaigns_are_found_by_a_contact(api: httpx.AsyncClient) -> None:
    async def found(email: str) -> list[str]:
        answer = (await api.get("/campaigns/search-by-contact", params={"search": email})).json()
        assert list(answer) == ["items"]
        return [campaign["id"] for campaign in answer["items"]]

    assert await found("Maya.Lindqvist@fjordpay.example") == [ACTIVE]
    assert await found("nobody@nowhere.example") == []


async def test_a_raw_ampersand_empties_the_body_it_stands_in(api: httpx.AsyncClient) -> None:
    bodies = [
        "<p>R&amp;D&#38;&#x26;</p>",
        "<p>R&D</p>",
        '<a href="https://a.example/?a=1&b=2">x</a>',
        "<p>A & B;</p>",
    ]
    steps = [{**STEP, "variants": [{"subject": "R&D", "body": body} for body in bodies]}]
    campaign = await create(api, sequences=[{"steps": steps}])
    for _ in range(2):
        variants = (await get(api, campaign["id"]))["sequences"][0]["steps"][0]["variants"]
        assert [variant["body"] for variant in variants] == [bodies[0], "", "", ""]
        assert {variant["subject"] for variant in variants} == {"R&D"}
        await api.patch(f"/campaigns/{campaign['id']}", json={"sequences": [{"steps": steps}]})


async def test_a_hard_space_in_a_body_becomes_a_plain_one(api: httpx.AsyncClient) -> None:
    steps = [{**STEP, "variants": [{"subject": "x", "body": "<p>two&nbsp;words</p>"}]}]
    (kept,) = (await create(api, sequences=[{"steps": steps}]))["sequences"][0]["steps"][0]["variants"]
    assert kept["body"] == "<p>two words</p>"
