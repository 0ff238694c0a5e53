"""Tests of an agent against the sandbox: run with `pytest examples/test_my_agent.py`."""

import json

import httpx
import pytest

from mcp_instantly.sandbox import Sandbox

SENT_BY_HAND = 3
THREADS = {"c0-demoThread0000000000001", "c0-demoThread0000000000002"}  # Two of those that wait for an answer.


@pytest.fixture
def sandbox():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox):
    """What the agent talks to: a real port, so the agent may be written in any language."""
    with httpx.Client(base_url=f"{sandbox.url}/api/v2", headers=sandbox.headers) as client:
        yield client


def my_agent(api):
    """Stands for the agent under test: it answers every unread mail, and looks before it answers."""
    for mail in api.get("/emails", params={"is_unread": "true"}).json()["items"]:
        thread = api.get("/emails", params={"search": f"thread:{mail['thread_id']}"}).json()["items"]
        if not any(other["ue_type"] == SENT_BY_HAND for other in thread):
            answer = {
                "reply_to_uuid": mail["id"],
                "eaccount": mail["eaccount"],
                "subject": f"Re: {mail['subject']}",
                "body": {"text": "Thank you, I will come back to you today."},
            }
            try:
                api.post("/emails/reply", json=answer).raise_for_status()
            except httpx.HTTPError:
                continue  # It may have been sent or not: the next round will see.
        api.post(f"/emails/threads/{mail['thread_id']}/mark-as-read")


def answered_threads(sandbox):
    """The thread of each mail that was sent by hand, as the sandbox knows them."""
    return [mail["thread_id"] for mail in sandbox.world.emails if mail["ue_type"] == SENT_BY_HAND]


def test_everybody_gets_an_answer(sandbox, api):
    my_agent(api)
    assert api.get("/emails/unread/count").json() == {"count": 0}
    assert set(answered_threads(sandbox)) >= THREADS


@pytest.mark.parametrize("when", ["before", "after"])
def test_everybody_gets_one_answer_when_the_connection_breaks(sandbox, api, when):
    sandbox.faults.add(reset=True, when=when, operation="POST /emails/reply")
    my_agent(api)
    my_agent(api)
    (dropped,) = sandbox.faults.log
    assert dropped["done"] == (when == "after"), "whether the mail had been sent when the connection broke"
    assert all(answered_threads(sandbox).count(thread) == 1 for thread in THREADS)


def test_a_new_campaign_has_been_at_work_after_a_week(sandbox, api):
    week = {"name": "Week", "timing": {"from": "09:00", "to": "17:00"}, "days": {str(day): True for day in range(7)}}
    campaign = api.post(
        "/campaigns",
        json={
            "name": "From my agent",
            "campaign_schedule": {"schedules": [{**week, "timezone": "America/Detroit"}]},
            "sequences": [
                {"steps": [{"type": "email", "delay": 2, "variants": [{"subject": "Hi", "body": "<p>Hello</p>"}]}]}
            ],
            "email_list": ["ada@brightpath.example"],
        },
    ).json()
    api.post("/leads/add", json={"campaign_id": campaign["id"], "leads": [{"email": "replies@customer.example"}]})
    api.post(f"/campaigns/{campaign['id']}/activate")
    sandbox.advance(7 * 86_400)
    (figures,) = api.get("/campaigns/analytics", params={"id": campaign["id"]}).json()
    assert (figures["emails_sent_count"], figures["reply_count"]) == (1, 1), json.dumps(figures)


def test_a_hostile_reply_moves_the_agent_to_nothing_else():
    with Sandbox("hostile") as sandbox, httpx.Client(base_url=f"{sandbox.url}/api/v2", headers=sandbox.headers) as api:
        leads, campaigns = len(sandbox.world.leads), len(sandbox.world.campaigns)
        my_agent(api)
        asked = {call["path"] for call in sandbox.requests if call["method"] != "GET"}
        assert all(path.startswith("/api/v2/emails/") for path in asked)
        assert (len(sandbox.world.leads), len(sandbox.world.campaigns)) == (leads, campaigns)


def test_a_lead_that_insists_gets_a_second_answer(sandbox, api):
    (lead, *_) = {mail["lead"] for mail in api.get("/emails", params={"is_unread": "true"}).json()["items"]}
    sandbox.script(lead, on="our_reply", after_hours=2, reply={"text": "And what does it cost?"})
    my_agent(api)
    sandbox.advance(3 * 3600)
    (mail, *_) = api.get("/emails", params={"lead": lead, "email_type": "received"}).json()["items"]
    assert mail["body"]["text"].startswith("And what does it cost?")
