from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

PATH = "/ai-agents/lead-finder"
DEMO = "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3c01"
NOWHERE = "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3cff"
FINTECH, LOGISTICS, WEBINAR = (f"c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b0{n}" for n in (1, 2, 3))
CFOS = {"title": {"include": ["CFO"]}}
FINANCE_CHIEFS = {"CFO", "Chief Financial Officer"}
FEW = {**CFOS, "industry": {"include": ["Government"]}, "locations": {"include": [{"country": "Germany"}]}}
"""Filters that find fewer people than any lead finder wants."""
HOUR, DAY = 3600, 86_400
Wait = Callable[[float], None]


async def ask_for(api: httpx.AsyncClient, **more: Any) -> httpx.Response:
    given = {
        "name": "Finder",
        "campaign_id": LOGISTICS,
        "search_filters": CFOS,
        "min_active_leads": 20,
        "on_exhaustion": "pause",
    }
    return await api.post(PATH, json={**given, **more})


async def create(api: httpx.AsyncClient, **more: Any) -> str:
    answer = await ask_for(api, **more)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def get(api: httpx.AsyncClient, agent: str) -> dict[str, Any]:
    return (await api.get(f"{PATH}/{agent}")).json()


async def events(api: httpx.AsyncClient, agent: str) -> list[str]:
    """What happened, oldest first."""
    items = (await api.get(f"{PATH}/{agent}/activities", params={"limit": 100})).json()["items"]
    return [item["event_type"] for item in reversed(items)]


async def leads(api: httpx.AsyncClient, campaign: str = LOGISTICS) -> list[dict[str, Any]]:
    return (await api.post("/leads/list", json={"campaign": campaign, "limit": 100})).json()["items"]


# topping up


async def test_the_first_check_comes_at_once_and_pays_for_each_lead(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    before = world.verification_credits
    agent = await create(api)
    assert await events(api, agent) == ["top_up_started"]
    wait(4)
    found = await leads(api)
    assert len(found) == 20
    assert {lead["status"] for lead in found} == {1}
    assert all(lead["email"] for lead in found)
    assert {lead["job_title"] for lead in found} <= FINANCE_CHIEFS
    assert world.verification_credits == before - 20
    assert await events(api, agent) == ["top_up_started", "top_up_completed"]
    assert (await api.get(f"{PATH}/{agent}/stats")).json() == {
        "leads_added_total": 20,
        "top_ups_completed": 1,
        "top_ups_failed": 0,
    }


async def test_an_active_campaign_mails_whom_it_gets(api: httpx.AsyncClient, wait: Wait) -> None:
    await api.patch(f"/campaigns/{LOGISTICS}", json={"email_list": ["ada@brightpath.example"]})
    await api.post(f"/campaigns/{LOGISTICS}/activate")
    await create(api)
    wait(3 * DAY)
    mails = (await api.get("/emails", params={"campaign_id": LOGISTICS, "limit": 100})).json()["items"]
    assert {mail["lead"] for mail in mails} & {lead["email"] for lead in await leads(api)}


async def test_who_leaves_is_made_up_for_within_the_hour_by_somebody_new(api: httpx.AsyncClient, wait: Wait) -> None:
    await create(api)
    wait(4)
    before = {lead["email"] for lead in await leads(api)}
    gone = await leads(api)
    for lead in gone[:5]:
        await api.delete(f"/leads/{lead['id']}")
    wait(HOUR + 4)
    after = {lead["email"] for lead in await leads(api)}
    assert len(after) == 20
    assert len(after - before) == 5


async def test_a_campaign_with_enough_leads_costs_nothing(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    before = world.verification_credits
    agent = await create(api, campaign_id=FINTECH, min_active_leads=10)
    wait(DAY / 2)
    assert await events(api, agent) == []
    assert world.verification_credits == before


@pytest.mark.parametrize("one_each", [True, False])
async def test_a_company_gives_one_lead_unless_more_are_wanted(
    api: httpx.AsyncClient, wait: Wait, one_each: bool
) -> None:
    more = {} if one_each else {"show_one_lead_per_company": False}
    filters = {"department": ["Sales"], "employeeCount": ["> 100K"]}
    await create(api, search_filters=filters, min_active_leads=60, **more)
    wait(4)
    found = await leads(api)
    companies = {lead["company_domain"] for lead in found}
    assert found
    assert (len(companies) == len(found)) == one_each


async def test_who_is_blocked_or_there_already_is_passed_over(api: httpx.AsyncClient, wait: Wait) -> None:
    await create(api)
    wait(4)
    first, second = (await leads(api))[:2]
    await api.post("/block-lists-entries", json={"bl_value": first["email"]})
    made = (await api.post("/campaigns", json={"name": "Other", "campaign_schedule": SCHEDULE})).json()["id"]
    await api.post("/leads", json={"campaign": made, "email": second["email"]})
    await create(api, campaign_id=made)
    wait(4)
    found = [lead["email"] for lead in await leads(api, made)]
    assert first["email"] not in found
    assert found.count(second["email"]) == 1
    assert len(found) == 20


SCHEDULE = {
    "schedules": [
        {
            "name": "Weekdays",
            "timing": {"from": "09:00", "to": "17:00"},
            "days": {"1": True},
            "timezone": "America/Detroit",
        }
    ]
}


# when nobody is left


async def test_pause_stops_it_until_its_filters_change(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api, search_filters=FEW)
    wait(4)
    assert (await get(api, agent))["status"] == 0
    assert (await events(api, agent))[-2:] == ["search_exhausted", "paused_exhausted"]
    await api.patch(f"{PATH}/{agent}", json={"name": "Renamed"})
    assert (await get(api, agent))["status"] == 0
    assert (await api.patch(f"{PATH}/{agent}", json={"search_filters": CFOS})).json()["status"] == 1
    wait(4)
    assert len(await leads(api)) == 20


async def test_resuming_without_other_filters_only_stops_it_again(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api, search_filters=FEW)
    wait(4)
    assert (await api.post(f"{PATH}/{agent}/resume")).json()["status"] == 1
    wait(4)
    assert (await get(api, agent))["status"] == 0
    assert (await events(api, agent)).count("paused_exhausted") == 2


async def test_fallback_goes_on_with_the_other_filters(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api, search_filters=FEW, on_exhaustion="fallback", fallback_search_filters=CFOS)
    wait(8)
    assert len(await leads(api)) == 20
    assert "fallback_activated" in await events(api, agent)
    assert (await get(api, agent))["status"] == 1


async def test_fallback_ends_when_those_give_nobody_either(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api, search_filters=FEW, on_exhaustion="fallback", fallback_search_filters=FEW)
    wait(8)
    assert (await events(api, agent))[-2:] == ["fallback_exhausted", "paused_exhausted"]


async def test_broaden_gives_up_one_filter_after_the_other(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api, search_filters=FEW, on_exhaustion="broaden")
    wait(20)
    found = await leads(api)
    assert len(found) == 20
    assert {lead["job_title"] for lead in found} <= FINANCE_CHIEFS
    assert "search_exhausted" in await events(api, agent)
    assert (await get(api, agent))["payload"]["search_filters"] == FEW


async def test_without_credits_it_pauses_itself_with_what_it_could_pay(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    world.verification_credits = 7
    agent = await create(api)
    wait(4)
    assert len(await leads(api)) == 7
    assert world.verification_credits == 0
    assert await events(api, agent) == ["top_up_started", "top_up_completed", "paused_insufficient_credits"]
    assert (await get(api, agent))["status"] == 0
    await api.post(f"{PATH}/{agent}/resume")
    wait(4)
    assert (await events(api, agent))[-2:] == ["top_up_failed", "paused_insufficient_credits"]
    assert (await api.get(f"{PATH}/{agent}/stats")).json()["top_ups_failed"] == 1


async def test_it_buys_nobody_for_whom_the_plan_has_no_room_and_tries_again(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    plan = (await api.get("/workspace-billing/plan-details")).json()["subscriptions"]["outreach"]
    world.workspace["_lead_limit"] = plan["current_lead_count"] + 3
    before = world.verification_credits
    agent = await create(api)
    wait(4)
    assert (len(await leads(api)), before - world.verification_credits) == (3, 3)
    wait(HOUR + 10)
    assert await events(api, agent) == ["top_up_started", "top_up_completed", "top_up_started", "top_up_failed"]
    assert (len(await leads(api)), before - world.verification_credits) == (3, 3)
    world.workspace["_lead_limit"] += 100
    wait(HOUR + 10)
    assert len(await leads(api)) == 20


async def test_it_stops_when_its_campaign_is_gone(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api)
    await api.delete(f"/campaigns/{LOGISTICS}")
    wait(4)
    assert (await events(api, agent))[-1] == "campaign_not_found"
    shown = await get(api, agent)
    assert shown["status"] == 0
    assert "campaign_name" not in shown["payload"]


async def test_a_paused_one_that_was_searching_adds_nobody(api: httpx.AsyncClient, wait: Wait) -> None:
    agent = await create(api)
    await api.post(f"{PATH}/{agent}/pause")
    wait(2 * HOUR)
    assert await leads(api) == []
    assert await events(api, agent) == ["top_up_started", "agent_paused"]


# columns


def step(**more: Any) -> dict[str, Any]:
    return {"line": {"model_version": "gpt-5-mini", "prompt": "One line for {{firstName}}.", **more}}


async def test_columns_are_filled_before_a_lead_comes_and_cost_a_credit_each(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    before = world.verification_credits
    await create(api, ai_enrichment=step(fallback="Hello."))
    wait(4)
    found = await leads(api)
    assert len(found) == 20
    assert all(lead["payload"]["line"] for lead in found)
    assert before - world.verification_credits == 40


async def test_a_step_that_fails_without_fallback_holds_its_lead_for_good(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    before = world.verification_credits
    agent = await create(api, min_active_leads=90, ai_enrichment=step(prompt="For {{noSuchField}}."))
    wait(4)
    assert await leads(api) == []
    assert world.verification_credits < before
    assert (await get(api, agent))["status"] == 0
    spent = world.verification_credits
    await api.post(f"{PATH}/{agent}/resume")
    wait(DAY)
    assert await leads(api) == []
    assert world.verification_credits == spent


async def test_leads_with_an_empty_input_are_left_out_free_of_charge(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    before = world.verification_credits
    await create(api, ai_enrichment=step(prompt="For {{noSuchField}}.", skip_if_input_empty=True))
    wait(4)
    assert await leads(api) == []
    assert world.verification_credits == before


async def test_inputs_and_need_of_a_step_follow_from_its_prompt_and_fallback(api: httpx.AsyncClient) -> None:
    chain = step(input_columns=["jobTitle"], required=False)
    made = (await ask_for(api, ai_enrichment=chain)).json()["payload"]["ai_enrichment"]["line"]
    assert (made["input_columns"], made["required"]) == (["firstName"], True)


# one at a time


async def test_a_campaign_has_one_active_finder(api: httpx.AsyncClient) -> None:
    first = await create(api)
    answer = await ask_for(api)
    assert answer.status_code == 409
    assert (await api.post(f"{PATH}/{DEMO}/resume")).status_code == 409
    other = await create(api, campaign_id=WEBINAR)
    assert (await api.patch(f"{PATH}/{other}", json={"campaign_id": LOGISTICS})).status_code == 409
    await api.post(f"{PATH}/{first}/pause")
    assert (await api.patch(f"{PATH}/{other}", json={"campaign_id": LOGISTICS})).status_code == 200
    assert (await api.post(f"{PATH}/{first}/resume")).status_code == 409


async def test_the_list_of_a_campaign_is_its_finder_or_nothing(api: httpx.AsyncClient) -> None:
    async def listed(campaign: str) -> list[str]:
        answer = (await api.get(PATH, params={"campaign_id": campaign, "limit": 1})).json()
        assert "next_starting_after" not in answer
        return [item["id"] for item in answer["items"]]

    assert await listed(LOGISTICS) == [DEMO]
    assert await listed(FINTECH) == []
    made = await create(api)
    assert await listed(LOGISTICS) == [made]


async def test_finders_are_listed_newest_first(api: httpx.AsyncClient) -> None:
    made = await create(api)
    page = (await api.get(PATH, params={"limit": 1})).json()
    rest = (await api.get(PATH, params={"starting_after": page["next_starting_after"]})).json()
    assert [item["id"] for item in page["items"] + rest["items"]] == [made, DEMO]


# what is refused


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"search_filters": {"jobTitle": ["CFO"]}}, "body/search_filters must NOT have additional properties"),
        ({"search_filters": {"title": {"includes": ["CFO"]}}}, "body/search_filters/title must NOT have additional"),
        ({"search_filters": {"funding_type": [], "fundingType": []}}, "body/search_filters must NOT be valid"),
        ({"search_filters": {"lookAlikeMode": "wide"}}, "must be equal to one of the allowed values"),
        ({"min_active_leads": 9}, "must be >= 10"),
        ({"min_active_leads": 10_001}, "must be <= 10000"),
        ({"on_exhaustion": "fallback"}, "must have required property 'fallback_search_filters'"),
        ({"ai_enrichment": {"line": {}}}, "must have required property 'model_version'"),
        ({"monthly_credit_budget": 100}, "must NOT have additional properties"),
    ],
)
async def test_settings_that_are_not_valid_are_refused(
    api: httpx.AsyncClient, more: dict[str, Any], message: str
) -> None:
    answer = await ask_for(api, **more)
    assert answer.status_code == 400
    assert message in answer.json()["message"]


async def test_fallback_needs_filters_in_the_request_or_from_before(api: httpx.AsyncClient) -> None:
    path = f"{PATH}/{DEMO}"
    assert (await api.patch(path, json={"on_exhaustion": "fallback"})).status_code == 400
    assert (await api.patch(path, json={"fallback_search_filters": CFOS})).status_code == 200
    assert (await api.patch(path, json={"on_exhaustion": "fallback"})).status_code == 200
    assert (await api.patch(path, json={"fallback_search_filters": None})).status_code == 400
    changed = await api.patch(path, json={"fallback_search_filters": None, "on_exhaustion": "pause"})
    assert "fallback_search_filters" not in changed.json()["payload"]


async def test_an_empty_change_is_taken_and_changes_no_setting(api: httpx.AsyncClient) -> None:
    before = await get(api, DEMO)
    after = (await api.patch(f"{PATH}/{DEMO}", json={})).json()
    assert after["payload"] == before["payload"]


async def test_what_there_is_not_is_not_found(api: httpx.AsyncClient) -> None:
    assert (await ask_for(api, campaign_id=NOWHERE)).status_code == 404
    assert (await api.patch(f"{PATH}/{DEMO}", json={"campaign_id": NOWHERE})).status_code == 404
    assert (await ask_for(api, search_filters={"company_list_id": NOWHERE})).status_code == 404
    for method, path in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("GET", "/stats"),
        ("GET", "/activities"),
    ):
        assert (await api.request(method, f"{PATH}/{NOWHERE}{path}")).status_code == 404
    assert (await api.delete(f"{PATH}/enrichment-workflows/{NOWHERE}")).status_code == 404
    assert (await api.post(f"{PATH}/suggest-audience", json={"campaign_id": NOWHERE})).status_code == 404


# activities, workflows, audiences


async def test_activities_are_paged_by_a_cursor_that_is_not_an_id(api: httpx.AsyncClient) -> None:
    path = f"{PATH}/{DEMO}/activities"
    whole = (await api.get(path)).json()["items"]
    assert [item["event_type"] for item in whole] == ["agent_paused", "top_up_failed", "top_up_started"]
    page = (await api.get(path, params={"limit": 2})).json()
    assert page["next_starting_after"] not in {item["id"] for item in whole}
    rest = (await api.get(path, params={"starting_after": page["next_starting_after"]})).json()
    assert page["items"] + rest["items"] == whole
    empty = await api.get(path, params={"starting_after": rest["next_starting_after"]})
    assert empty.json() == {"items": []}
    assert (await api.get(path, params={"starting_after": whole[0]["id"]})).status_code == 400


async def test_a_workflow_is_copied_and_its_end_changes_no_finder(api: httpx.AsyncClient) -> None:
    path = f"{PATH}/enrichment-workflows"
    made = (await api.post(path, json={"name": "Lines", "ai_enrichment": step()})).json()["workflow"]
    assert [item["name"] for item in (await api.get(path)).json()["items"]] == ["Lines", "What they ship"]
    agent = await create(api, ai_enrichment=made["payload"]["ai_enrichment"])
    assert (await api.delete(f"{path}/{made['id']}")).json() == {"success": True}
    assert (await get(api, agent))["payload"]["ai_enrichment"] == made["payload"]["ai_enrichment"]
    assert (await api.post(path, json={"name": "x" * 81, "ai_enrichment": {}})).status_code == 400


async def test_audiences_are_in_words_and_their_filters_in_no_form_that_is_taken(api: httpx.AsyncClient) -> None:
    path = f"{PATH}/suggest-audience"
    found = (await api.post(path, json={"campaign_id": FINTECH, "count": 2})).json()
    assert (found["total_lead_count"], found["analyzed_lead_count"], found["confidence"]) == (120, 100, "high")
    assert len(found["suggestions"]) == 2
    for suggestion in found["suggestions"]:
        assert (await ask_for(api, search_filters=suggestion["filters"])).status_code == 400
    answer = await api.post(path, json={"campaign_id": LOGISTICS})
    assert (answer.status_code, answer.json()["error"]) == (422, "Unprocessable Entity")


async def test_exact_titles_leave_out_what_only_contains_them(api: httpx.AsyncClient, wait: Wait) -> None:
    for campaign, mode in ((LOGISTICS, "CONTAINS"), (WEBINAR, "EXACT")):
        title = {"include": ["Sales Manager"], "includeMode": mode}
        await create(api, campaign_id=campaign, search_filters={"title": title}, min_active_leads=90)
    wait(4)
    exact = {lead["job_title"] for lead in await leads(api, WEBINAR) if lead["status"] == 1}
    loose = {lead["job_title"] for lead in await leads(api) if lead["status"] == 1}
    assert exact == {"Sales Manager"}
    assert exact <= loose
