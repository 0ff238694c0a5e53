"""AI sales agents: what they know, what they propose, and what comes of it, over time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from .outreach import ALWAYS, DAY, HOUR, MINUTE, Wait, sender

pytestmark = pytest.mark.anyio

SALES = "/ai-agents/sales"
AGENT, UNUSED = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501", "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f502"
DEMO = f"{SALES}/{AGENT}"
WEBINAR = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03"
CREATE, RECOMMEND, EDIT = (f"ac710001-7c8d-4e9f-a0b1-2c3d4e5f6a0{n}" for n in (4, 5, 6))
DONE = "ac710001-7c8d-4e9f-a0b1-2c3d4e5f6a02"
NOBODY = "5d1a0001-6b7c-4d8e-9fa0-ffffffffffff"
FROM_WORKSPACE = {"name": "New", "memory_from_workspace": True, "agent_type": 2}


async def made(api: httpx.AsyncClient, **more: Any) -> str:
    """The path of a new agent."""
    answer = await api.post(SALES, json={**FROM_WORKSPACE, **more})
    assert answer.status_code == 200, answer.text
    return f"{SALES}/{answer.json()['id']}"


async def activities(api: httpx.AsyncClient, agent: str, **query: Any) -> list[dict[str, Any]]:
    """Of an agent, newest first."""
    answer = await api.get(f"{agent}/activities", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def running(api: httpx.AsyncClient, wait: Wait, **config: Any) -> tuple[str, str]:
    """An active agent with a campaign of its own that mails at any hour: the agent's path, the campaign's id."""
    await sender(api, "seller@outbound.example")
    outreach = {"campaign_schedule": ALWAYS, "email_list": ["seller@outbound.example"]}
    agent = await made(api, config={"outreach_settings": outreach, **config}, status=1)
    (setup,) = await activities(api, agent)
    assert (await api.post(f"{agent}/activities/{setup['id']}/approve")).status_code == 200
    wait(MINUTE)
    (done,) = await activities(api, agent, action_type="initial_setup_campaigns")
    return agent, done["action_output"]["campaign_id"]


# agents


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"name": "x"}, "must have required property 'type'"),
        ({"name": "x", "type": "website", "agent_type": 2}, "must have required property 'input'"),
        ({"name": "x", "memory_from_workspace": True}, "must have required property 'agent_type'"),
        ({"name": "x", "is_duplicate": True}, "must have required property 'source_ai_sdr_id'"),
        ({**FROM_WORKSPACE, "agent_type": 4}, "must be equal to one of the allowed values"),
        ({**FROM_WORKSPACE, "tone": "kind"}, "must NOT have additional properties"),
    ],
)
async def test_an_agent_needs_a_source_of_what_it_knows(
    api: httpx.AsyncClient, given: dict[str, Any], complaint: str
) -> None:
    refused = await api.post(SALES, json=given)
    assert refused.status_code == 400
    assert complaint in refused.json()["message"]


async def test_a_copy_knows_what_its_source_knows_and_has_none_of_its_campaigns(api: httpx.AsyncClient) -> None:
    source = (await api.get(DEMO)).json()
    copy = (await api.post(SALES, json={"name": "Copy", "is_duplicate": True, "source_ai_sdr_id": AGENT})).json()
    assert (copy["config"], copy["agent_type"], copy["status"]) == (source["config"], 2, 0)
    await api.post(f"{SALES}/{copy['id']}/guidance-rules", json={"content": "Only for the copy."})
    assert (await api.get(DEMO)).json() == source
    assert (await api.delete(f"{SALES}/{copy['id']}")).status_code == 200
    missing = await api.post(SALES, json={"name": "Copy", "is_duplicate": True, "source_ai_sdr_id": NOBODY})
    assert missing.status_code == 404


async def test_a_site_is_read_at_once_and_what_is_none_fails(api: httpx.AsyncClient, wait: Wait) -> None:
    site = "https://www.fjordpay.example/about"
    for address, status in ((site, "completed"), ("not a site", "failed"), (None, "failed")):
        given = {"name": "Reader", "type": "website", "input": address, "agent_type": 2}
        agent = f"{SALES}/{(await api.post(SALES, json=given)).json()['id']}"
        assert (await api.get(agent)).json()["initial_scrape_ready"] is False
        assert [a["action_status"] for a in await activities(api, agent)] == ["in_progress"]
        wait(2 * MINUTE)
        (reading,) = await activities(api, agent)
        shown = (await api.get(agent)).json()
        assert (reading["action_status"], shown["initial_scrape_ready"]) == (status, status == "completed")
        if status == "completed":
            assert shown["config"]["memory"]["company"] == "Fjordpay"
        else:
            assert reading["error_code"] == "scrape_site_not_supported"


async def test_the_memory_is_merged_key_by_key_and_null_empties_a_field(api: httpx.AsyncClient) -> None:
    before = (await api.get(DEMO)).json()
    change = {"config": {"memory": {"company": "Brightpath Ltd"}, "autonomy_settings": {"manual_leads_mode": True}}}
    after = (await api.patch(DEMO, json={**change, "description": None})).json()
    assert after["config"]["memory"] == {**before["config"]["memory"], "company": "Brightpath Ltd"}
    assert after["config"]["autonomy_settings"] == {**before["config"]["autonomy_settings"], "manual_leads_mode": True}
    assert after["config"]["outreach_settings"] == before["config"]["outreach_settings"]
    assert "description" not in after
    assert (await api.patch(DEMO, json={})).status_code == 400


async def test_an_agent_with_linked_campaigns_cannot_be_deleted(api: httpx.AsyncClient) -> None:
    assert (await api.delete(DEMO)).status_code == 409
    await api.delete(f"/campaigns/{WEBINAR}")
    gone = (await api.delete(DEMO)).json()
    assert (gone["type"], gone["configuration_mode"]) == (2, "copilot")
    assert (await api.get(DEMO)).status_code == 404
    unused = (await api.delete(f"{SALES}/{UNUSED}")).json()
    assert (unused["type"], unused["configuration_mode"]) == (7, None)


async def test_pausing_an_agent_pauses_its_campaigns_and_resuming_resumes_them(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    agent, campaign = await running(api, wait)
    await api.post("/leads", json={"campaign": campaign, "email": "first@there.example"})
    await api.patch(agent, json={"status": 0})
    assert (await api.get(f"/campaigns/{campaign}")).json()["status"] == 2
    others = (await api.get("/campaigns", params={"status": 1})).json()["items"]
    assert others
    wait(DAY)
    assert (await api.get("/emails", params={"campaign_id": campaign})).json()["items"] == []
    await api.patch(agent, json={"status": 1})
    assert (await api.get(f"/campaigns/{campaign}")).json()["status"] == 1
    wait(HOUR)
    assert len((await api.get("/emails", params={"campaign_id": campaign})).json()["items"]) == 1


async def test_outreach_settings_are_handed_on_to_the_campaigns(api: httpx.AsyncClient, wait: Wait) -> None:
    agent, campaign = await running(api, wait)
    await api.patch(agent, json={"config": {"outreach_settings": {"daily_limit": 7, "open_tracking": True}}})
    shown = (await api.get(f"/campaigns/{campaign}")).json()
    assert (shown["daily_limit"], shown["open_tracking"], shown["email_list"]) == (7, True, ["seller@outbound.example"])


# proposals


async def test_an_active_agent_finds_people_for_credits_and_mails_them_when_that_is_approved(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    agent, campaign = await running(api, wait, enrichment_settings={"enrichment_limit_per_run": 3})
    credits = world.verification_credits
    wait(2 * MINUTE)
    (search,) = await activities(api, agent, action_status="pending")
    assert (search["action_type"], search["action_payload"]["limit"]) == ("enrich_leads", 3)
    assert world.verification_credits == credits
    await api.post(f"{agent}/activities/{search['id']}/approve")
    wait(MINUTE)
    assert world.verification_credits == credits - 3
    pushes = await activities(api, agent, action_status="pending", action_type="push_lead")
    assert len(pushes) == 3
    lead = (await api.get(f"/leads/{pushes[0]['action_payload']['lead_id']}")).json()
    assert lead["list_id"] == (await api.get(agent)).json()["master_lead_list_id"]
    assert (await api.get(f"{agent}/leads/{lead['id']}/research")).json()["research"]["sources"]
    await api.post(f"{agent}/activities/approve", json={"activity_ids": [push["id"] for push in pushes[:2]]})
    wait(HOUR)
    emails = (await api.get("/emails", params={"campaign_id": campaign})).json()["items"]
    assert {email["lead"] for email in emails} == {push["action_payload"]["email"] for push in pushes[:2]}
    assert (await api.get(f"{agent}/analytics")).json()["totals"]["leads_found"] == 3


async def test_an_agent_on_autopilot_asks_nobody(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    credits = world.verification_credits
    await sender(api, "seller@outbound.example")
    config = {
        "autonomy_settings": {"autopilot_mode": True},
        "enrichment_settings": {"enrichment_limit_per_run": 2},
        "outreach_settings": {"campaign_schedule": ALWAYS, "email_list": ["seller@outbound.example"]},
    }
    agent = await made(api, config=config, status=1)
    (setup,) = await activities(api, agent)
    await api.post(f"{agent}/activities/{setup['id']}/reject", json={"rejection_reason": "Its own will do."})
    wait(HOUR)
    (campaign,) = (await api.get("/campaigns", params={"ai_sales_agent_id": agent[-36:]})).json()["items"]
    assert (await api.get("/emails", params={"campaign_id": campaign["id"]})).json()["items"]
    assert world.verification_credits == credits - 2
    assert await activities(api, agent, action_status="pending") == []
    decided = await activities(api, agent, action_type="create_campaign")
    assert "approved_at" in decided[0]
    assert "approved_by" not in decided[0]


async def test_an_agent_in_manual_leads_mode_looks_for_nobody(api: httpx.AsyncClient, wait: Wait) -> None:
    agent, _ = await running(api, wait, autonomy_settings={"manual_leads_mode": True})
    wait(3 * DAY)
    assert await activities(api, agent, action_type="enrich_leads") == []


async def test_what_is_approved_without_credits_fails_and_says_so(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    world.verification_credits = 0
    await api.post(f"{DEMO}/activities/{RECOMMEND}/approve")
    wait(MINUTE)
    (failed,) = await activities(api, DEMO, action_status="failed")
    assert (failed["id"], failed["error_code"]) == (RECOMMEND, "insufficient_credits")


async def test_a_campaign_approved_while_its_agent_rests_is_paused(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(f"{DEMO}/activities/{CREATE}/approve")
    wait(MINUTE)
    (done,) = await activities(api, DEMO, action_type="create_campaign", action_status="completed", limit=1)
    campaign = (await api.get(f"/campaigns/{done['action_output']['campaign_id']}")).json()
    assert (campaign["ai_sdr_id"], campaign["status"]) == (AGENT, 2)


async def test_bulk_answers_count_those_that_waited_and_404_where_none_did(api: httpx.AsyncClient) -> None:
    mixed = {"activity_ids": [RECOMMEND, RECOMMEND, DONE, NOBODY]}
    assert (await api.post(f"{DEMO}/activities/approve", json=mixed)).json() == {"approved": 1}
    assert (await api.post(f"{DEMO}/activities/approve", json=mixed)).status_code == 404
    reason = {"rejection_reason": "No."}
    assert (await api.post(f"{DEMO}/activities/reject", json={**mixed, **reason})).status_code == 404
    assert (await api.post(f"{DEMO}/activities/reject", json={"activity_ids": [EDIT, NOBODY], **reason})).json() == {
        "rejected": 1
    }
    assert (await api.post(f"{DEMO}/activities/{EDIT}/approve")).status_code == 404
    assert (await api.post(f"{DEMO}/activities/{CREATE}/reject", json={})).status_code == 400
    assert (await api.post(f"{SALES}/{UNUSED}/activities/{CREATE}/approve")).status_code == 404


async def test_what_the_feed_hides_can_be_left_out(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.post(f"{DEMO}/activities/{RECOMMEND}/approve")
    wait(MINUTE)
    everything = {item["id"]: item["action_type"] for item in await activities(api, DEMO)}
    shown = {item["id"] for item in await activities(api, DEMO, exclude_live_feed_hidden="true")}
    assert {everything[gone] for gone in set(everything) - shown} == {"warning", "recommend_lead"}
    first = (await api.get(f"{DEMO}/activities", params={"limit": 3})).json()
    rest = await activities(api, DEMO, starting_after=first["next_starting_after"])
    assert [item["id"] for item in [*first["items"], *rest]] == list(everything)


# guidance


async def test_the_eleventh_rule_is_refused_and_titles_come_from_positions(api: httpx.AsyncClient) -> None:
    for place in range(3, 10):
        made_rule = (await api.post(f"{DEMO}/guidance-rules", json={"content": "One more."})).json()
        assert made_rule == {"id": f"rule-{place}", "title": f"Rule {place + 1}", "content": "One more."}
    refused = await api.post(f"{DEMO}/guidance-rules", json={"content": "Too much."})
    assert refused.status_code == 400
    too_long = {"title": "x" * 120, "content": "y"}
    assert (await api.post(f"{SALES}/{UNUSED}/guidance-rules", json=too_long)).status_code == 400
    two_lines = {"title": "a\nb", "content": "y"}
    assert (await api.post(f"{SALES}/{UNUSED}/guidance-rules", json=two_lines)).status_code == 400


async def test_after_a_deletion_a_rules_id_means_the_one_behind_it(api: httpx.AsyncClient) -> None:
    titles = [rule["title"] for rule in (await api.get(f"{DEMO}/guidance-rules")).json()["items"]]
    assert (await api.delete(f"{DEMO}/guidance-rules/rule-0")).json() == {"id": "rule-0", "deleted": True}
    assert (await api.delete(f"{DEMO}/guidance-rules/rule-0")).json() == {"id": "rule-0", "deleted": True}
    (left,) = (await api.get(f"{DEMO}/guidance-rules")).json()["items"]
    assert (left["id"], left["title"]) == ("rule-0", titles[2])
    assert (await api.patch(f"{DEMO}/guidance-rules/rule-1", json={"content": "Gone."})).status_code == 404
    assert (await api.patch(f"{DEMO}/guidance-rules/rule-0", json={})).status_code == 400
    assert (await api.delete(f"{DEMO}/guidance-rules/third")).status_code == 400


# what comes back


async def test_replies_become_activities_and_are_answered_once_where_the_agent_is_to(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    agent, campaign = await running(api, wait, autonomy_settings={"auto_reply_to_responses": True})
    await api.post("/leads", json={"campaign": campaign, "email": "anna.replies@there.example"})
    wait(2 * DAY)
    (*_, first) = await activities(api, agent, action_type="reply_received")
    reply = (await api.get(f"/emails/{first['email_id']}")).json()
    assert (reply["ue_type"], reply["campaign_id"]) == (2, campaign)
    thread = (await api.get("/emails", params={"search": f"thread:{reply['thread_id']}"})).json()["items"]
    answers = [email for email in thread if email["ue_type"] == 3]
    assert [email["to_address_email_list"] for email in answers] == ["anna.replies@there.example"]
    row = (await api.get(f"{agent}/leads/activity", params={"filter": "replied"})).json()["items"][0]
    assert (row["email"], row["replied"]) == ("anna.replies@there.example", True)


async def test_figures_are_kept_to_the_dates_and_paged_by_address(api: httpx.AsyncClient) -> None:
    whole = (await api.get(f"{DEMO}/leads/activity")).json()
    assert whole["total"] == len(whole["items"]) == 20
    page = (await api.get(f"{DEMO}/leads/activity", params={"limit": 7})).json()
    assert page["next_starting_after"] == page["items"][-1]["email"]
    rest = await api.get(f"{DEMO}/leads/activity", params={"starting_after": page["next_starting_after"]})
    assert page["items"] + rest.json()["items"] == whole["items"]
    later = {"start_date": "2026-08-01T00:00:00Z"}
    assert (await api.get(f"{DEMO}/analytics", params=later)).json()["totals"]["total_sent"] == 0
    summary = (await api.get(f"{DEMO}/leads/activity/summary", params=later)).json()
    assert summary == {"total": 0, "replied": 0, "has_opportunity": 0, "reply_rate": 0, "opportunity_rate": 0}
    assert (await api.get(f"{DEMO}/opportunities/summary", params=later)).json()["campaigns"] == []
    assert (await api.get(f"{DEMO}/analytics", params={"start_date": "yesterday"})).status_code == 400
