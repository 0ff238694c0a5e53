"""Scenarios: those that come with the sandbox, and one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox, World, demo_world
from mcp_instantly.sandbox.worlds.building import build_workspaces
from mcp_instantly.sandbox.worlds.scenarios import ScenarioError, names, read_scenario


def client(sandbox: Sandbox) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=sandbox.transport, base_url="http://sandbox/api/v2", headers=sandbox.headers)


def world_of(**workspace: Any) -> World:
    return build_workspaces({"workspaces": [workspace]}).home


def test_the_named_scenarios_are_these() -> None:
    assert names() == ["agency", "busy", "demo", "fresh", "hostile", "unhealthy"]
    assert all(read_scenario(name)["description"] for name in names())


def test_fresh_is_empty() -> None:
    world = build_workspaces("fresh").home
    assert (len(world.accounts), len(world.campaigns), len(world.leads)) == (0, 0, 0)


def test_demo_is_the_demo_workspace() -> None:
    world = build_workspaces("demo").home
    assert world.workspace == demo_world().workspace
    assert [lead["id"] for lead in world.leads] == [lead["id"] for lead in demo_world().leads]


@pytest.mark.anyio
async def test_agency_has_five_workspaces_with_sixty_accounts_and_keys_that_see_their_own() -> None:
    with Sandbox("agency") as sandbox:
        worlds = list(sandbox.workspaces.worlds)
        assert len(worlds) == 5
        assert sum(len(world.accounts) for world in worlds) == 60
        async with client(sandbox) as api:
            group = (await api.get("/workspace-group-members")).json()["items"]
            seen = set()
            for member in group:
                acting = {"x-as-workspace": member["sub_workspace_id"]}
                (row, *_) = (await api.get("/campaigns/analytics", headers=acting)).json()
                assert row["emails_sent_count"] > 20 and row["reply_count"] > 0
                seen.add((await api.get("/workspaces/current", headers=acting)).json()["name"])
            assert len(seen) == 4
            own = {"authorization": "Bearer agency-harbour"}
            assert (await api.get("/workspaces/current", headers=own)).json()["name"] == "Harbour Logistics"
            assert (await api.get("/campaigns", headers={**own, **acting})).status_code == 403


def test_busy_has_twenty_thousand_leads() -> None:
    world = build_workspaces("busy").home
    assert len(world.leads) == 20_000
    assert len(world.emails) > 500


@pytest.mark.anyio
async def test_unhealthy_shows_failing_accounts_and_full_spam_folders() -> None:
    with Sandbox("unhealthy") as sandbox:
        async with client(sandbox) as api:
            accounts = (await api.get("/accounts", params={"limit": 100})).json()["items"]
            assert {account["status"] for account in accounts} == {1, 3, -1, -2, -3}
            assert all("status_message" in account for account in accounts if account["status"] < 0)
            answer = await api.post("/accounts/warmup-analytics", json={"emails": ["spam1@ailing-mail.example"]})
            (total,) = answer.json()["aggregate_data"].values()
            assert total["landed_spam"] > total["landed_inbox"]
            assert -1 in [campaign["status"] for campaign in (await api.get("/campaigns")).json()["items"]]
            (test,) = (await api.get("/inbox-placement-tests")).json()["items"]
            query = {"test_id": test["id"], "limit": 100}
            rows = (await api.get("/inbox-placement-analytics", params=query)).json()["items"]
            assert any(row.get("is_spam") for row in rows)


def test_the_example_in_the_documentation_works() -> None:
    from mcp_instantly.sandbox.worlds import scenarios

    text = scenarios.__doc__ or ""
    example = json.loads(text[text.index("    {\n") : text.index("    }\n\n") + 5])
    world = build_workspaces(example).home
    assert (len(world.accounts), len(world.lead_lists), len(world.leads)) == (5, 1, 51)
    assert world.accounts.get("sender4@acme.example")["daily_limit"] == 30
    assert world.leads.first(email="replies@customer.example")["email_reply_count"] == 1
    assert [tag["label"] for tag in world.custom_tags] == ["Mine"]
    assert world.accounts.get("broken@acme.example")["stat_warmup_score"] < 50
    assert world.api_keys.first(key="readonly")["scopes"] == ["all:read"]


def test_the_same_scenario_and_seed_make_the_same_world() -> None:
    def ids(seed: int) -> list[str]:
        return [email["id"] for email in build_workspaces("unhealthy", seed).home.emails]

    assert ids(1) == ids(1) != ids(2)


def test_the_demo_can_be_the_beginning_of_ones_own() -> None:
    world = world_of(base="demo", accounts=[{"email": "mine@x.example"}])
    assert len(world.accounts) == 6


def test_a_scenario_has_its_own_beginning() -> None:
    workspaces = build_workspaces({"start": "2027-01-04T08:00:00Z", "workspaces": [{"name": "Later"}]})
    assert workspaces.home.workspace["timestamp_created"] == "2027-01-04T08:00:00.000Z"
    workspaces.clock.advance(60)
    workspaces.reset()
    assert workspaces.home.stamp() == "2027-01-04T08:00:00.000Z"


@pytest.mark.parametrize("start", ["9500-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-13-01T00:00:00Z"])
def test_a_beginning_that_no_clock_can_show_is_refused(start: str) -> None:
    with pytest.raises(ScenarioError, match="scenario/start"):
        build_workspaces({"start": start, "workspaces": [{"name": "Never"}]})


@pytest.mark.parametrize(
    ("workspace", "complaint"),
    [
        ({"colour": "red"}, "scenario/workspaces/0 must NOT have additional properties"),
        ({"accounts": [{}]}, "scenario/workspaces/0/accounts/0 must have required property 'email'"),
        ({"accounts": [{"email": "a@x.example"}] * 2}, "two accounts a@x.example"),
        ({"accounts": [{"email": "nobody"}]}, "'nobody' is not an email address"),
        ({"accounts": [{"email": "a@x.example", "daily_limit": "30"}]}, "accounts/0/daily_limit must be number,null"),
        ({"accounts": [{"email": "a@x.example", "_spam": 1}]}, "accounts/0 must NOT have additional properties"),
        ({"settings": {"plan_id_inbox_placement": []}}, "settings/plan_id_inbox_placement must be string,null"),
        ({"settings": {"plan": None}}, "settings must NOT have additional properties"),
        ({"campaigns": [{"name": "C", "dayly_limit": 1}]}, "campaigns/0 must NOT have additional properties"),
        ({"lists": [{"name": "L", "leads": [{"email": ""}]}]}, "'' is not an email address"),
        ({"lists": [{"name": "L", "leads": [{"email": "a@x.example"}] * 2}]}, "two leads a@x.example"),
        ({"lists": [{"name": "L", "leads": [{"email": "a@x.example", "city": "Graz"}]}]}, "additional properties"),
        ({"lists": [{"name": float("nan")}]}, "the scenario is not valid JSON: NaN"),
        ({"lists": [{"name": object()}]}, "the scenario is not valid JSON"),
        ({"calls": [{"request": "POST /nothing"}]}, "no operation 'POST /nothing'"),
        ({"calls": [{"request": "POST /custom-tags", "body": {}}]}, "must have required property 'label'"),
    ],
)
def test_a_scenario_that_cannot_be_made_says_why(workspace: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ScenarioError, match=complaint):
        world_of(**workspace)


def test_a_file_that_is_none_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="nor one of agency, busy, demo, fresh, hostile, unhealthy"):
        read_scenario("nothing")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(ScenarioError, match=r"broken\.json is not valid JSON"):
        read_scenario(broken)
    broken.write_text('{"workspaces": [{"name": "From a file"}]}')
    assert build_workspaces(broken).home.workspace["name"] == "From a file"


async def _import(sandbox: Sandbox, limit: int) -> httpx.Response:
    wanted = {"search_filters": {}, "limit": limit, "work_email_enrichment": True}
    async with client(sandbox) as api:
        return await api.post("/supersearch-enrichment/enrich-leads-from-supersearch", json=wanted)


@pytest.mark.anyio
async def test_a_lead_limit_is_the_plans_and_an_import_beyond_it_is_forbidden_with_both_numbers() -> None:
    leads = [{"email": "lead{n}@prospect.example", "count": 3}]
    workspace = {"settings": {"lead_limit": 8}, "campaigns": [{"name": "Autumn", "leads": leads}]}
    with Sandbox({"workspaces": [workspace]}) as sandbox:
        async with client(sandbox) as api:
            plan = (await api.get("/workspace-billing/plan-details")).json()["subscriptions"]["outreach"]
            assert (plan["total_lead_limit"], plan["current_lead_count"]) == (8, 3)
            assert not any("lead_limit" in name for name in (await api.get("/workspaces/current")).json())
        refused = await _import(sandbox, 6)
        assert refused.status_code == 403
        told = refused.json()
        assert (told["leadsRemaining"], told["leadsRequested"]) == (5, 6)
        assert (await _import(sandbox, 5)).status_code == 200


@pytest.mark.anyio
async def test_a_campaign_takes_no_more_leads_than_the_plan_has_left() -> None:
    campaign = {"name": "Autumn", "id": CAMPAIGN, "leads": [{"email": "first@prospect.example"}]}
    workspace = {"settings": {"lead_limit": 3}, "campaigns": [campaign]}
    leads = [{"email": email} for email in ("first@prospect.example", "a@x.example", "b@x.example", "c@x.example")]
    with Sandbox({"workspaces": [workspace]}) as sandbox:
        async with client(sandbox) as api:
            answer = (await api.post("/leads/add", json={"campaign_id": CAMPAIGN, "leads": leads})).json()
            assert (answer["total_sent"], answer["leads_uploaded"], answer["remaining_in_plan"]) == (4, 2, 0)
            assert [lead["index"] for lead in answer["created_leads"]] == [1, 2]
            # No counter of the API is for these: the one that was there already is the only one that has a reason.
            assert sum(answer[name] for name in COUNTERS) == answer["duplicated_leads"] == 1
            refused = await api.post("/leads", json={"campaign": CAMPAIGN, "email": "c@x.example"})
            assert refused.status_code == 403
            assert (refused.json()["leadsRemaining"], refused.json()["leadsRequested"]) == (0, 1)
            known = await api.post("/leads", json={"campaign": CAMPAIGN, "email": "a@x.example"})
            assert (known.status_code, known.json()["email"]) == (200, "a@x.example")
            listed = (await api.post("/lead-lists", json={"name": "Later"})).json()["id"]
            more = {"list_id": listed, "leads": leads}
            assert (await api.post("/leads/add", json=more)).json()["leads_uploaded"] == 4
            assert (await api.post("/leads", json={"list_id": listed, "email": "d@x.example"})).status_code == 200
            plan = (await api.get("/workspace-billing/plan-details")).json()["subscriptions"]["outreach"]
            assert (plan["total_lead_limit"], plan["current_lead_count"]) == (3, 3)


@pytest.mark.anyio
@pytest.mark.parametrize("copy_leads", [True, False])
async def test_a_move_takes_no_more_leads_into_a_campaign_than_the_plan_has_left(copy_leads: bool) -> None:
    campaigns = [
        {"name": "Autumn", "id": CAMPAIGN, "leads": [{"email": "first@prospect.example"}]},
        {"name": "Spring", "id": OTHER_CAMPAIGN},
    ]
    listed = {"name": "Later", "id": LIST, "leads": [{"email": "later{n}@prospect.example", "count": 3}]}
    workspace = {"settings": {"lead_limit": 3}, "campaigns": campaigns, "lists": [listed]}
    with Sandbox({"workspaces": [workspace]}) as sandbox:
        async with client(sandbox) as api:

            async def move(**wanted: Any) -> dict[str, Any]:
                job = (await api.post("/leads/move", json={**wanted, "copy_leads": copy_leads})).json()
                sandbox.advance(60)
                return (await api.get(f"/background-jobs/{job['id']}")).json()["data"]

            done = await move(list_id=LIST, to_campaign_id=CAMPAIGN)
            assert (done["total_leads"], done["moved_leads"], done["duplicated_leads"]) == (3, 2, 0)
            assert len(done["moved_lead_emails"]) == 2
            left = (await api.post("/leads/list", json={"list_id": LIST})).json()["items"]
            assert len(left) == (3 if copy_leads else 1)
            # Within the campaigns a lead takes its place along; a copy needs one of its own.
            between = await move(campaign=CAMPAIGN, to_campaign_id=OTHER_CAMPAIGN)
            assert (between["total_leads"], between["moved_leads"]) == (3, 0 if copy_leads else 3)


CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9c01"
OTHER_CAMPAIGN, LIST = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9c02", "1157c0de-2b3c-4d5e-9f60-718293a4b5ff"
COUNTERS = (
    "in_blocklist",
    "duplicated_leads",
    "skipped_count",
    "invalid_email_count",
    "incomplete_count",
    "duplicate_email_count",
)
SALES = {"name": "Sales", "agent_type": 2, "type": "website", "input": "https://acme.example"}
FINDER = {
    "name": "More leads",
    "campaign_id": CAMPAIGN,
    "search_filters": {"title": {"include": ["CFO"]}},
    "min_active_leads": 10,
    "on_exhaustion": "pause",
}


def with_agents(**agents: Any) -> dict[str, Any]:
    accounts = [{"email": "ann@no-dkim.example"}]
    return {
        "workspaces": [
            {"accounts": accounts, "campaigns": [{"name": "Autumn", "id": CAMPAIGN, "days_ago": 5}], **agents}
        ]
    }


@pytest.mark.anyio
async def test_agents_of_every_kind_have_worked_since_the_days_that_a_scenario_says() -> None:
    scenario = with_agents(
        inbox_managers=[{"name": "Replies"}],
        sales_agents=[{**SALES, "status": "active", "days_ago": 2}],
        lead_finders=[{**FINDER, "days_ago": 1}],
        deliverability_agents=[{"days_ago": 3}],
    )
    with Sandbox(scenario) as sandbox:
        async with client(sandbox) as api:
            items = (await api.get("/agent-items")).json()["items"]
            assert {item["metadata"]["ai_agent_type"] for item in items} == {1, 2, 3, 6}
            assert {item["status"] for item in items} == {"Active"}
            (sales,) = (await api.get("/ai-agents/sales")).json()["items"]
            assert (await api.get(f"/ai-agents/sales/{sales['id']}/activities")).json()["items"]
            leads = (await api.post("/leads/list", json={"campaign": CAMPAIGN, "limit": 100})).json()["items"]
            assert len(leads) >= 10
            state = (await api.get("/ai-agents/deliverability/state")).json()
            assert state["current_activity"]["completed_summary"]["count"] >= 3
            assert [item["feed_code"] for item in state["activity_feed"]["items"]] == ["dns_records"]


@pytest.mark.anyio
async def test_paused_agents_of_a_scenario_have_done_nothing_and_keep_their_ids() -> None:
    agents = {"sales_agents": [SALES], "lead_finders": [FINDER], "deliverability_agents": [{}]}
    ids = {kind: f"a9e00001-5d6e-4f70-8b8c-0d1e2f3a4b0{n}" for n, kind in enumerate(agents)}
    paused = {kind: [{**entries[0], "id": ids[kind], "status": "paused"}] for kind, entries in agents.items()}
    with Sandbox(with_agents(**paused)) as sandbox:
        sandbox.advance(5 * 86400)
        async with client(sandbox) as api:
            items = (await api.get("/agent-items")).json()["items"]
            assert {item["resource_id"] for item in items} == set(ids.values())
            assert {item["status"] for item in items} == {"Paused"}
            assert (await api.post("/leads/list", json={"campaign": CAMPAIGN})).json()["items"] == []
            state = (await api.get("/ai-agents/deliverability/state")).json()
            assert state["run_summary"]["latest"]["status"] == "empty"


@pytest.mark.parametrize(
    ("agents", "told"),
    [
        ({"lead_finders": [FINDER, FINDER]}, "the lead finder 'More leads': "),
        ({"lead_finders": [{**FINDER, "campaign_id": CAMPAIGN[:-1] + "9"}]}, "the lead finder 'More leads': "),
        ({"sales_agents": [{"name": "Sales", "agent_type": 2}]}, "the sales agent 'Sales': "),
        ({"sales_agents": [{**SALES, "colour": "red"}]}, "must NOT have additional properties"),
        ({"deliverability_agents": [{}, {}]}, "deliverability_agents"),
        ({"deliverability_agents": [{}], "base": "demo"}, "a workspace has one only"),
    ],
)
def test_an_agent_that_the_api_would_refuse_is_an_error_in_the_scenario(agents: dict[str, Any], told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        build_workspaces(with_agents(**agents))
