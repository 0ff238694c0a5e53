"""AI inbox managers: what they answer, what they leave to people, what that costs, and what their figures say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.worlds.building import build_workspaces
from mcp_instantly.sandbox.worlds.scenarios import ScenarioError

from .outreach import ALWAYS, DAY, MINUTE

pytestmark = pytest.mark.anyio

MANAGERS = "/ai-agents/inbox-manager"
DEMO = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
BASICS, PRICES = (f"a1b0a002-4c5d-4e6f-8a7b-9c0d1e2f3a0{n}" for n in (1, 2))
ADA, BEN = "ada@brightpath.example", "ben@brightpath.example"
MAYA, TOM, HENRIK = "maya.lindqvist@fjordpay.example", "tom.okafor@ledgerly.example", "henrik.haas@swiftremit.example"
MAYAS_ANSWER = "01991f80-0002-7000-8000-000000000002"
Q4 = "7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102"
NOBODY = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3aff"
Wait = Callable[[float], None]


async def hired(api: httpx.AsyncClient, **payload: Any) -> str:
    """An inbox manager with these settings, active from now on."""
    answer = await api.post(MANAGERS, json={"name": "Replies", "payload": {"configuration_type": 1, **payload}})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def replies(api: httpx.AsyncClient, manager: str, **query: Any) -> dict[str, dict[str, Any]]:
    """What it wrote, by lead."""
    answer = await api.get(f"{MANAGERS}/{manager}/replies", params={"limit": 100, **query})
    assert answer.status_code == 200, answer.text
    return {reply["lead"]: reply for reply in answer.json()["items"]}


async def sent_to(api: httpx.AsyncClient, lead: str) -> list[str | None]:
    """The agents that have answered a lead, None for a person, oldest first."""
    found = (await api.get("/emails", params={"lead": lead, "limit": 100, "sort_order": "asc"})).json()["items"]
    return [email.get("ai_agent_id") for email in found if email["ue_type"] == 3]


async def test_it_answers_what_waits_without_being_told_to(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    assert await sent_to(api, MAYA) == []
    wait(2 * MINUTE)
    assert (await replies(api, manager))[MAYA]["sending_status"] == 2
    wait(8 * MINUTE)
    assert (await replies(api, manager))[MAYA]["sending_status"] == 1
    assert await sent_to(api, MAYA) == [manager]


async def test_a_person_who_answers_too_makes_it_two_answers(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    wait(2 * MINUTE)
    by_hand = {"reply_to_uuid": MAYAS_ANSWER, "eaccount": ADA, "subject": "Re: Hello", "body": {"text": "Gladly."}}
    assert (await api.post("/emails/reply", json=by_hand)).status_code == 200
    wait(8 * MINUTE)
    assert await sent_to(api, MAYA) == [None, manager]


async def test_it_answers_replies_that_come_later(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    lead = "reply.now@pond.example"
    body = {"name": "Now", "campaign_schedule": ALWAYS, "email_list": [ADA], "sequences": _sequence()}
    campaign = (await api.post("/campaigns", json=body)).json()["id"]
    await api.post("/leads", json={"campaign": campaign, "email": lead})
    await api.post(f"/campaigns/{campaign}/activate")
    wait(60 * MINUTE)
    assert await sent_to(api, lead) == [manager]


def _sequence() -> list[dict[str, Any]]:
    variants = [{"subject": "Hello", "body": "<p>Hello</p>"}]
    return [{"steps": [{"type": "email", "delay": 2, "variants": variants}]}]


async def test_one_that_is_paused_answers_nobody_and_begins_when_it_is_activated(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    wait(10 * MINUTE)
    assert await sent_to(api, MAYA) == []
    assert (await api.patch(f"{MANAGERS}/{DEMO}", json={"status": 1})).json()["status"] == 1
    wait(2 * MINUTE)
    await api.patch(f"{MANAGERS}/{DEMO}", json={"status": 0})
    wait(10 * MINUTE)
    assert await sent_to(api, MAYA) == [], "it was paused before it sent"
    await api.patch(f"{MANAGERS}/{DEMO}", json={"status": 1})
    wait(10 * MINUTE)
    assert await sent_to(api, MAYA) == [DEMO]


async def test_what_nobody_told_it_waits_for_a_person(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    wait(10 * MINUTE)
    asks = (await replies(api, manager, requires_hitl="true"))[TOM]
    assert asks["information_requested"] == "prices, references"
    assert asks["action_pending"] and "sending_status" not in asks
    # To mark it as handled sends nothing.
    done = await api.patch(f"{MANAGERS}/{manager}/replies/{asks['id']}", json={"action_pending": False})
    assert done.json()["action_pending"] is False
    wait(10 * MINUTE)
    assert await sent_to(api, TOM) == []
    assert TOM not in await replies(api, manager, action_pending="true")


async def test_a_guidance_tells_it_what_to_say(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    for text in ("It costs 49 dollars a seat.", "Name Kontor as a reference, a customer of our size."):
        given = {"label": text[:8], "category": 2, "instruction": text, "status": 1}
        assert (await api.post(f"{MANAGERS}/{manager}/guidances", json=given)).status_code == 200
    wait(10 * MINUTE)
    reply = (await replies(api, manager))[TOM]
    assert reply["sending_status"] == 1
    whole = (await api.get(f"{MANAGERS}/{manager}/replies/{reply['id']}")).json()
    assert "49 dollars a seat" in whole["html"] and "Kontor" in whole["html"]


async def test_objections_and_automatic_mail_are_answered_only_where_it_is_told_to(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    first = await hired(api)
    wait(10 * MINUTE)
    assert HENRIK not in await replies(api, first)
    await api.delete(f"{MANAGERS}/{first}")
    second = await hired(api, handle_objections=True, respond_to_automatic_emails=True)
    wait(10 * MINUTE)
    answered = await replies(api, second)
    assert HENRIK in answered
    assert any(reply["is_automatic_email"] for reply in answered.values())


@pytest.mark.parametrize(("mode", "answered"), [("include", True), ("exclude", False)])
async def test_labels_decide_whom_it_answers(api: httpx.AsyncClient, wait: Wait, mode: str, answered: bool) -> None:
    # Maya is interested; Tom has no label.
    settings = {"trigger_on_labels_enabled": True, "trigger_on_labels": [1], "trigger_on_labels_mode": mode}
    manager = await hired(api, **settings)
    wait(10 * MINUTE)
    found = await replies(api, manager)
    assert (MAYA in found, TOM in found) == (answered, not answered)


async def test_tags_decide_for_whom_it_answers(api: httpx.AsyncClient, wait: Wait) -> None:
    tagging = {"tag_ids": [Q4], "resource_type": 1, "resource_ids": [BEN], "assign": True}
    assert (await api.post("/custom-tags/toggle-resource", json=tagging)).status_code == 200
    everybody, of_ben = await hired(api, tags=["default"]), await hired(api, tags=[Q4])
    wait(10 * MINUTE)
    assert (MAYA in await replies(api, everybody), TOM in await replies(api, everybody)) == (True, True)
    # The first one had taken up what waited; from now on the one with the tag answers for Ben.
    await api.patch(f"{MANAGERS}/{everybody}", json={"status": 0})
    assert MAYA not in await replies(api, of_ben)
    unknown = await api.post(MANAGERS, json={"name": "x", "payload": {"configuration_type": 1, "tags": [NOBODY]}})
    assert unknown.status_code == 400


async def test_a_budget_ends_its_answers_for_the_month(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api, monthly_credit_budget=4)
    wait(10 * MINUTE)
    failed = (await replies(api, manager))[MAYA]
    assert (failed["sending_status"], failed["error_code"]) == (-1, "MONTHLY_BUDGET_EXCEEDED")
    assert await sent_to(api, MAYA) == []


async def test_answers_cost_credits_and_end_with_them(api: httpx.AsyncClient, world: World, wait: Wait) -> None:
    before = world.verification_credits
    manager = await hired(api)
    wait(6 * MINUTE)
    sent = sum(reply.get("sending_status") == 1 for reply in (await replies(api, manager)).values())
    assert sent and before - world.verification_credits == 5 * sent
    await api.delete(f"{MANAGERS}/{manager}")
    world.reset()
    world.verification_credits = 4
    manager = await hired(api)
    wait(6 * MINUTE)
    assert (await replies(api, manager))[MAYA]["error_code"] == "OUT_OF_CREDITS"


async def test_an_account_that_cannot_send_and_a_lead_who_is_blocked_get_an_error_code(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    manager = await hired(api, handle_objections=True)
    await api.post(f"/accounts/{ADA}/pause")
    await api.post("/block-lists-entries", json={"bl_value": HENRIK})
    wait(10 * MINUTE)
    codes = {lead: reply.get("error_code") for lead, reply in (await replies(api, manager)).items()}
    assert (codes[MAYA], codes[HENRIK]) == ("ACCOUNT_INACTIVE", "LEAD_BLOCKED")


async def test_it_writes_once_more_on_a_business_day_where_it_is_told_to(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    wait(3 * DAY - 10 * MINUTE)  # Thursday, so that two days later is a Saturday
    manager = await hired(api, handle_followup=True, followup_business_days_only=True)
    wait(6 * DAY)
    rows = (await api.get(f"{MANAGERS}/{manager}/analytics/activity", params={"job_type": 2})).json()["items"]
    days = {dt.date.fromisoformat(row["timestamp_created"][:10]).weekday() for row in rows}
    assert rows and max(days) < 5
    assert all(row["is_followup"] and row["activity_type"] == "followup" for row in rows)


async def test_no_conversation_goes_on_without_a_person_for_ever(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    wait(60 * DAY)
    threads: dict[str, int] = {}
    page = (await api.get(f"{MANAGERS}/{manager}/replies", params={"limit": 100})).json()["items"]
    for reply in page:
        threads[reply["thread_id"]] = threads.get(reply["thread_id"], 0) + (reply.get("sending_status") == 1)
    assert max(threads.values()) <= 3


# guidances


async def test_basics_are_there_once_and_always_active(api: httpx.AsyncClient) -> None:
    path = f"{MANAGERS}/{DEMO}/guidances"
    given = {"label": "Tone", "category": 0, "basic_guidance_options": {"tone": "neutral", "length": "standard"}}
    again = (await api.post(path, json={**given, "status": 0})).json()
    assert (again["id"], again["status"], again["basic_guidance_options"]["tone"]) == (BASICS, 1, "neutral")
    assert len((await api.get(path)).json()["items"]) == 3
    assert (await api.patch(f"{path}/{BASICS}", json={"status": 0})).json()["status"] == 1


@pytest.mark.parametrize(
    "given",
    [
        {"label": "x", "category": 0},
        {
            "label": "x",
            "category": 0,
            "instruction": "x",
            "basic_guidance_options": {"tone": "neutral", "length": "concise"},
        },
        {"label": "x", "category": 1, "instruction": "x"},
        {"label": "x", "category": 1, "status": 1},
        {"label": "x", "category": 1, "instruction": "x", "status": 1, "more": 1},
    ],
)
async def test_a_guidance_that_is_not_whole_is_refused(api: httpx.AsyncClient, given: dict[str, Any]) -> None:
    assert (await api.post(f"{MANAGERS}/{DEMO}/guidances", json=given)).status_code == 400


async def test_no_guidance_changes_to_or_from_basics(api: httpx.AsyncClient) -> None:
    path = f"{MANAGERS}/{DEMO}/guidances"
    for guidance, change in ((BASICS, {"category": 1}), (PRICES, {"category": 0}), (BASICS, {"instruction": "x"})):
        assert (await api.patch(f"{path}/{guidance}", json=change)).status_code == 400
    assert (await api.patch(f"{path}/{PRICES}", json={"category": 4})).json()["category"] == 4


# reading, refusing, deleting


async def test_settings_that_are_left_out_stay_and_null_takes_away(api: httpx.AsyncClient) -> None:
    slack = {"connection_id": NOBODY, "enabled": True}
    changed = await api.patch(f"{MANAGERS}/{DEMO}", json={"payload": {"integrations": {"slack": slack}}})
    assert changed.json()["payload"]["monthly_credit_budget"] == 50
    assert changed.json()["payload"]["integrations"] == {"slack": slack}
    shown = (await api.get(f"{MANAGERS}/{DEMO}", params={"with_metadata": "true"})).json()
    assert shown["metadata"]["integrations"]["slack"]["is_valid"] is True
    nulls = {"integrations": {"slack": None}, "monthly_credit_budget": None}
    changed = await api.patch(f"{MANAGERS}/{DEMO}", json={"payload": nulls})
    assert changed.json()["payload"]["integrations"] == {}
    assert changed.json()["payload"]["monthly_credit_budget"] is None


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/{NOBODY}", None, 404),
        ("PATCH", f"/{NOBODY}", {"status": 0}, 404),
        ("DELETE", f"/{NOBODY}", None, 404),
        ("GET", f"/{NOBODY}/replies", None, 404),
        ("GET", f"/{NOBODY}/analytics/summary", None, 404),
        ("GET", f"/{DEMO}/replies/{NOBODY}", None, 404),
        ("GET", f"/{DEMO}/guidances/{NOBODY}", None, 404),
        ("PATCH", f"/{DEMO}", {}, 400),
        ("PATCH", f"/{DEMO}", {"description": "x"}, 400),
        ("POST", "", {"name": "", "payload": {"configuration_type": 1}}, 400),
        ("POST", "", {"name": "x", "payload": {}}, 400),
        ("POST", "", {"name": "x", "payload": {"configuration_type": 1, "monthly_credit_budget": 0}}, 400),
        ("GET", f"/{DEMO}/analytics/activity?activity_type=recovery&action_pending=true", None, 400),
        ("GET", f"/{DEMO}/analytics/activity?activity_type=reply&job_type=1", None, 400),
    ],
)
async def test_what_is_not_there_or_not_right_is_refused(
    api: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    more = {} if body is None else {"json": body}
    assert (await api.request(method, MANAGERS + path, **more)).status_code == status


async def test_what_is_deleted_takes_its_guidances_along_and_leaves_what_it_sent(
    api: httpx.AsyncClient, world: World, wait: Wait
) -> None:
    await api.patch(f"{MANAGERS}/{DEMO}", json={"status": 1})
    wait(10 * MINUTE)
    gone = (await api.delete(f"{MANAGERS}/{DEMO}")).json()
    assert (gone["id"], gone["configuration_mode"]) == (DEMO, None)
    assert (len(world.inbox_guidances), len(world.inbox_replies)) == (0, 0)
    assert await sent_to(api, MAYA) == [DEMO]
    assert (await api.get("/agent-items", params={"ai_agent_type": 1})).json()["items"] == []


async def test_the_figures_count_what_happened(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await hired(api)
    wait(10 * MINUTE)
    rows = (await api.get(f"{MANAGERS}/{manager}/analytics/activity")).json()
    figures = (await api.get(f"{MANAGERS}/{manager}/analytics/summary")).json()
    people = sum(row["requires_hitl"] for row in rows["items"])
    assert figures["total_actions"] == figures["replies_count"] == len(rows["items"]) > people > 0
    assert (figures["human_intervention"], rows["has_more"]) == (people, False)
    assert 0 < figures["resolution_rate"] < 100
    (day,) = (await api.get(f"{MANAGERS}/{manager}/analytics/summary-by-date")).json()
    assert (day["date"], day["total_actions"]) == ("2026-09-07", len(rows["items"]))
    before = {"to": "2026-09-06"}
    assert (await api.get(f"{MANAGERS}/{manager}/analytics/summary", params=before)).json()["total_actions"] == 0


async def test_activity_is_paged(api: httpx.AsyncClient) -> None:
    path = f"{MANAGERS}/{DEMO}/analytics/activity"
    first = (await api.get(path, params={"limit": 1})).json()
    rest = (await api.get(path, params={"limit": 1, "starting_after": first["next_starting_after"]})).json()
    assert (first["has_more"], rest["has_more"], "next_starting_after" in rest) == (True, False, False)
    assert first["items"][0]["timestamp_created"] > rest["items"][0]["timestamp_created"]


# agents of all kinds

FINDER = "Operations heads in logistics"
DELIVERABILITY = "Deliverability Agent"
OTHERS = {"Finance teams", "Recruiting, a try"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"ai_agent_type": 1}, {"Replies", "Brightpath replies"}),
        ({"status": "Active"}, {"Replies", DELIVERABILITY}),
        ({"status": "Paused,Error"}, {"Brightpath replies", FINDER, *OTHERS}),
        ({"ai_agent_type": 6}, {FINDER}),
        ({"type": "automation"}, set()),
        ({"ai_agent_type": 1, "search": "BRIGHT"}, {"Brightpath replies"}),
        ({"ai_agent_type": 8}, set()),
        ({"starting_after": NOBODY}, set()),
    ],
)
async def test_the_list_of_agents_can_be_narrowed(
    api: httpx.AsyncClient, query: dict[str, Any], found: set[str]
) -> None:
    await hired(api)
    items = (await api.get("/agent-items", params=query)).json()["items"]
    assert {item["name"] for item in items} == found


async def test_what_could_not_be_deleted_stands_beside_what_was(api: httpx.AsyncClient) -> None:
    wanted = [{"id": DEMO}, {"id": NOBODY}, {"id": DEMO, "type": "automation"}]
    answer = await api.post("/agent-items/bulk-delete", json={"items": wanted})
    assert (answer.status_code, answer.json()["deleted_ids"]) == (200, [DEMO])
    assert [failure["id"] for failure in answer.json()["failed"]] == [NOBODY, DEMO]


# scenarios


async def test_a_scenario_can_hold_inbox_managers() -> None:
    managers = [
        {"name": "Replies", "days_ago": 2, "payload": {"configuration_type": 2, "handle_objections": True}},
        {"name": "Later", "status": "paused"},
    ]
    workspace = {
        "accounts": [{"email": "ann@acme.example"}],
        "inbox_managers": managers,
        "campaigns": [
            {
                "name": "Autumn",
                "status": "active",
                "days_ago": 4,
                "steps": [{"subject": "Hello", "body": "Hello"}],
                "leads": [{"email": "reply@customer.example"}],
            }
        ],
    }
    world = build_workspaces({"workspaces": [workspace]}).home
    assert [(manager["name"], manager["status"]) for manager in world.inbox_managers] == [("Replies", 1), ("Later", 0)]
    assert [reply["lead"] for reply in world.inbox_replies][:1] == ["reply@customer.example"]
    broken = {"name": "x", "payload": {"configuration_type": 1, "tags": [NOBODY]}}
    with pytest.raises(ScenarioError, match="the inbox manager 'x'"):
        build_workspaces({"workspaces": [{"inbox_managers": [broken]}]})


async def missed(api: httpx.AsyncClient, wait: Wait, **settings: Any) -> str:
    """An inbox manager that has replied to Maya, who then missed her meeting."""
    manager = await hired(api, no_show={"enabled": True, **settings})
    wait(10 * MINUTE)
    answer = await api.post("/leads/update-interest-status", json={"lead_email": MAYA, "interest_value": -4})
    assert answer.is_success
    return manager


async def no_show_emails(api: httpx.AsyncClient, manager: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = (
        await api.get(f"/ai-agents/inbox-manager/{manager}/analytics/activity", params={"job_type": 3})
    ).json()["items"]
    return rows


async def test_who_missed_a_meeting_is_written_to_until_they_reply(api: httpx.AsyncClient, wait: Wait) -> None:
    manager = await missed(api, wait, max_followups=2)
    assert await no_show_emails(api, manager) == []
    wait(12 * MINUTE)
    assert [row["followup_number"] for row in await no_show_emails(api, manager)] == [1]
    assert (await sent_to(api, MAYA))[-1] == manager
    wait(10 * DAY)
    # Maya has written back, so that no second email follows.
    figures = (await api.get(f"{MANAGERS}/{manager}/analytics/summary")).json()
    assert (figures["no_show_follow_ups_generated"], figures["no_show_total_leads_recovered"]) == (1, 1)
    assert (figures["no_show_time_saved"], figures["no_show_recovery_rate"]) == (180, 100)


async def test_no_follow_up_is_written_without_the_setting_or_after_the_status_has_changed(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    manager = await missed(api, wait, max_followups=3)
    await api.post("/leads/update-interest-status", json={"lead_email": MAYA, "interest_value": 2})
    wait(10 * DAY)
    assert await no_show_emails(api, manager) == []


async def test_a_fallback_account_writes_where_that_of_the_conversation_cannot(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    manager = await missed(api, wait, fallback_sending_accounts={"accounts": [BEN]})
    await api.post(f"/accounts/{ADA}/pause")
    wait(12 * MINUTE)
    assert [row["sending_status"] for row in await no_show_emails(api, manager)] == [1]
    found = (await api.get("/emails", params={"lead": MAYA, "limit": 1})).json()["items"]
    assert found[0]["eaccount"] == BEN
