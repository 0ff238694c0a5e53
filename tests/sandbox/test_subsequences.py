"""Subsequences: who comes into them, what they send, and why they do not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .outreach import ALWAYS, DAY, HOUR, Wait

pytestmark = pytest.mark.anyio

FINTECH, LOGISTICS = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
SUBSEQUENCE, PAUSED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b12"
SOFIA = "01991f00-0004-7000-8000-000000000004"
NOWHERE = "00000000-0000-4000-8000-00000000dead"


def step(subject: str = "", body: str = "<p>Shall we talk?</p>", **more: Any) -> dict[str, Any]:
    return {"type": "email", "delay": 1, "variants": [{"subject": subject, "body": body}], **more}


async def started(api: httpx.AsyncClient, *names: str, **more: Any) -> str:
    """An active campaign of one email to these people, whose sender is Chloe; her slow ramp is over."""
    await api.patch("/accounts/chloe@brightpath.example", json={"enable_slow_ramp": False})
    body = {
        "name": "Parent",
        "campaign_schedule": ALWAYS,
        "sequences": [{"steps": [step("Hello", '<p>Hello, <a href="https://brightpath.example">look</a></p>')]}],
        "email_list": ["chloe@brightpath.example"],
        "open_tracking": True,
        "link_tracking": True,
        "stop_on_reply": True,
        **more,
    }
    campaign = (await api.post("/campaigns", json=body)).json()["id"]
    leads = [{"email": f"{name}@portico.example"} for name in names]
    await api.post("/leads/add", json={"campaign_id": campaign, "leads": leads})
    await api.post(f"/campaigns/{campaign}/activate")
    return campaign


async def follow(api: httpx.AsyncClient, campaign: str, *, resumed: bool = True, **more: Any) -> str:
    """A subsequence of a campaign, with one email unless it says otherwise."""
    body = {"parent_campaign": campaign, "name": "Follow", "conditions": {}, "sequences": [{"steps": [step()]}], **more}
    answer = await api.post("/subsequences", json=body)
    assert answer.status_code == 200, answer.text
    if resumed:
        await api.post(f"/subsequences/{answer.json()['id']}/resume")
    return answer.json()["id"]


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> dict[str, Any]:
    answer = await api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def lead(api: httpx.AsyncClient, name: str) -> dict[str, Any]:
    (found,) = (await api.post("/leads/list", json={"contacts": [f"{name}@portico.example"]})).json()["items"]
    return found


async def sent(api: httpx.AsyncClient, campaign: str) -> int:
    """How many emails the campaign's only subsequence has sent."""
    rows = (await api.get("/subsequences/analytics", params={"campaign_id": campaign})).json()
    return sum(row["emails_sent"] for row in rows)


async def interest(api: httpx.AsyncClient, name: str, value: int) -> None:
    body = {"lead_email": f"{name}@portico.example", "interest_value": value}
    assert (await api.post("/leads/update-interest-status", json=body)).status_code == 202


async def reason(api: httpx.AsyncClient, subsequence: str) -> str:
    found = await get(api, f"/subsequences/{subsequence}/sending-status")
    return (found["diagnostics"] or found["summary"])["status"]


# what it is


async def test_a_new_one_is_a_draft(api: httpx.AsyncClient) -> None:
    body = {"parent_campaign": LOGISTICS, "name": "Prices", "conditions": {"reply_contains": "price"}}
    created = (await api.post("/subsequences", json=body)).json()
    assert (created["status"], created["parent_campaign"], created["conditions"]) == (
        0,
        LOGISTICS,
        {"reply_contains": "price"},
    )
    assert not {"sequences", "subsequence_schedule", "daily_limit"} & set(created)
    assert await get(api, f"/subsequences/{created['id']}") == created


async def test_units_of_delays_are_filled_in(api: httpx.AsyncClient) -> None:
    subsequence = await follow(api, LOGISTICS, sequences=[{"steps": [step(pre_delay=2, pre_delay_unit="hours")]}])
    (found,) = (await get(api, f"/subsequences/{subsequence}"))["sequences"][0]["steps"]
    assert (found["delay_unit"], found["pre_delay_unit"]) == ("days", "hours")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"conditions": None}, "body/conditions must be object"),
        ({"conditions": {"crm_status": [40000]}}, "body/conditions/crm_status/0 must be <= 30000"),
        (
            {"conditions": {"lead_activity": [1]}},
            "body/conditions/lead_activity/0 must be equal to one of the allowed values",
        ),
        (
            {"sequences": [{"steps": [step(variants=[])]}]},
            "body/sequences/0/steps/0/variants must NOT have fewer than 1 items",
        ),
        (
            {"sequences": [{"steps": [step(variants=[{"subject": "", "body": "", "v_disabled": True}])]}]},
            "body/sequences/0/steps/0/variants must contain at least 1 valid item(s)",
        ),
        ({"daily_limit_mode": "none"}, "body/daily_limit_mode must be equal to one of the allowed values"),
        ({"parent_campaign": "mine"}, 'body/parent_campaign must match format "uuid"'),
    ],
)
async def test_what_does_not_fit_is_refused(api: httpx.AsyncClient, change: dict[str, Any], complaint: str) -> None:
    body = {"parent_campaign": LOGISTICS, "name": "Odd", "conditions": {}, **change}
    answer = await api.post("/subsequences", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, complaint)


async def test_its_campaign_must_exist(api: httpx.AsyncClient) -> None:
    body = {"parent_campaign": NOWHERE, "name": "Odd", "conditions": {}}
    assert (await api.post("/subsequences", json=body)).status_code == 404
    copied = await api.post(f"/subsequences/{SUBSEQUENCE}/duplicate", json={"parent_campaign": NOWHERE})
    assert copied.status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/duplicate"),
        ("GET", "/sending-status"),
    ],
)
async def test_an_unknown_one_is_not_found(api: httpx.AsyncClient, method: str, path: str) -> None:
    bodies = {"PATCH": {"name": "x"}, "POST/duplicate": {"parent_campaign": FINTECH}}
    body = bodies.get(method + path, bodies.get(method) if not path else None)
    more = {"json": body} if body else {}
    assert (await api.request(method, f"/subsequences/{NOWHERE}{path}", **more)).status_code == 404
    assert (await api.request(method, f"/subsequences/mine{path}", **more)).status_code == 400


async def test_they_are_found_by_campaign_and_text(api: httpx.AsyncClient) -> None:
    other = await follow(api, LOGISTICS, name="Prices")

    async def found(**query: Any) -> list[str]:
        return [item["id"] for item in (await get(api, "/subsequences", **query))["items"]]

    assert set(await found()) == {SUBSEQUENCE, PAUSED, other}
    assert set(await found(parent_campaign=FINTECH)) == {SUBSEQUENCE, PAUSED}
    assert await found(parent_campaign_not=FINTECH) == [other]
    assert await found(search="interested") == [SUBSEQUENCE]
    assert await found(parent_campaign=NOWHERE) == []


async def test_pages_hold_each_of_them_once(api: httpx.AsyncClient) -> None:
    for number in range(3):
        await follow(api, LOGISTICS, name=f"Number {number}")
    first = await get(api, "/subsequences", limit=3)
    second = await get(api, "/subsequences", limit=3, starting_after=first["next_starting_after"])
    assert len({item["id"] for item in [*first["items"], *second["items"]]}) == 5
    third = await get(api, "/subsequences", limit=3, starting_after=second["next_starting_after"])
    assert third == {"items": []}


async def test_a_change_replaces_whole_fields(api: httpx.AsyncClient) -> None:
    changed = await api.patch(
        f"/subsequences/{SUBSEQUENCE}", json={"conditions": {"lead_activity": [2]}, "daily_limit": 5}
    )
    assert (changed.json()["conditions"], changed.json()["daily_limit"]) == ({"lead_activity": [2]}, 5)
    reset = (await api.patch(f"/subsequences/{SUBSEQUENCE}", json={"daily_limit": None})).json()
    assert ("daily_limit" in reset, reset["conditions"]) == (False, {"lead_activity": [2]})
    assert (await api.patch(f"/subsequences/{SUBSEQUENCE}", json={})).status_code == 400


async def test_a_copy_is_a_draft_of_its_own(api: httpx.AsyncClient) -> None:
    body = {"parent_campaign": LOGISTICS}
    copied = (await api.post(f"/subsequences/{SUBSEQUENCE}/duplicate", json=body)).json()
    source = await get(api, f"/subsequences/{SUBSEQUENCE}")
    assert (copied["status"], copied["parent_campaign"], copied["name"]) == (0, LOGISTICS, source["name"])
    assert (copied["conditions"], copied["sequences"]) == (source["conditions"], source["sequences"])
    named = await api.post(f"/subsequences/{SUBSEQUENCE}/duplicate", json={**body, "name": "Second"})
    assert named.json()["name"] == "Second"
    await api.patch(f"/subsequences/{copied['id']}", json={"conditions": {"crm_status": [2]}})
    assert (await get(api, f"/subsequences/{SUBSEQUENCE}"))["conditions"] == source["conditions"]
    assert (await api.post(f"/subsequences/{SUBSEQUENCE}/duplicate", json={})).status_code == 400


# who comes into it


@pytest.mark.parametrize(
    ("conditions", "comes"),
    [
        ({"lead_activity": [2]}, True),
        ({"lead_activity": [4]}, False),
        ({"lead_activity": [4, 2], "crm_status": [1]}, True),
        ({"crm_status": [1]}, True),  # the label of the reply
        ({"crm_status": [2]}, False),
        ({"reply_contains": "REPLY"}, True),  # the name under the answer
        ({"reply_contains": "Zanzibar"}, False),
        ({}, False),
    ],
)
async def test_what_a_lead_does_decides(
    api: httpx.AsyncClient, wait: Wait, conditions: dict[str, Any], comes: bool
) -> None:
    campaign = await started(api, "reply.one")
    await follow(api, campaign, conditions=conditions)
    wait(HOUR)
    assert ("subsequence_id" in await lead(api, "reply.one")) == comes


async def test_who_bounces_gets_nothing_more(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign = await started(api, "bounce.one")
    await follow(api, campaign, conditions={"lead_activity": [91]}, sequences=[{"steps": [step(pre_delay=1)]}])
    wait(3 * DAY)
    assert ((await lead(api, "bounce.one"))["status"], await sent(api, campaign)) == (-1, 0)


async def test_a_lead_that_is_through_without_an_answer_is_followed_up(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign = await started(api, "silent.one")
    subsequence = await follow(api, campaign, conditions={"lead_activity": [91]})
    wait(HOUR)
    assert (await lead(api, "silent.one"))["subsequence_id"] == subsequence
    wait(DAY)
    assert await sent(api, campaign) == 1


@pytest.mark.parametrize("state", ["draft", "paused"])
async def test_only_an_active_one_takes_leads(api: httpx.AsyncClient, wait: Wait, state: str) -> None:
    campaign = await started(api, "reply.one")
    subsequence = await follow(api, campaign, resumed=False, conditions={"crm_status": [1]})
    if state == "paused":
        assert (await api.post(f"/subsequences/{subsequence}/pause")).json()["status"] == 2
    wait(HOUR)
    await interest(api, "reply.one", 1)
    wait(DAY)
    assert "subsequence_id" not in await lead(api, "reply.one")
    assert (await api.post(f"/subsequences/{subsequence}/resume")).json()["status"] == 1
    wait(DAY)
    assert await sent(api, campaign) == 0
    await interest(api, "reply.one", 1)
    wait(DAY)
    assert await sent(api, campaign) == 1


# what it sends


async def test_while_paused_nothing_is_sent(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign = await started(api, "reply.one")
    steps = [step(), step(), step()]
    subsequence = await follow(api, campaign, conditions={"crm_status": [1]}, sequences=[{"steps": steps}])
    wait(HOUR)
    await interest(api, "reply.one", 1)
    wait(HOUR)
    assert await sent(api, campaign) == 1
    await api.post(f"/subsequences/{subsequence}/pause")
    wait(5 * DAY)
    assert (await sent(api, campaign), (await lead(api, "reply.one"))["subsequence_id"]) == (1, subsequence)
    await api.post(f"/subsequences/{subsequence}/resume")
    wait(HOUR)
    assert await sent(api, campaign) == 2
    wait(2 * DAY)
    assert await sent(api, campaign) == 3


async def test_the_parent_shows_that_only_subsequences_still_send(api: httpx.AsyncClient, wait: Wait) -> None:
    campaign = await started(api, "silent.one")
    slow = [{"steps": [step(pre_delay=9)]}]
    subsequence = await follow(api, campaign, conditions={"lead_activity": [91]}, sequences=slow)
    wait(DAY)

    async def parent() -> int:
        return (await get(api, f"/campaigns/{campaign}"))["status"]

    assert await parent() == 4
    await api.post(f"/subsequences/{subsequence}/pause")
    assert await parent() == 3
    await api.post(f"/subsequences/{subsequence}/resume")
    assert await parent() == 4
    wait(10 * DAY)
    assert (await parent(), await sent(api, campaign)) == (3, 1)


async def test_leads_that_came_before_there_were_steps_begin_with_them(api: httpx.AsyncClient, wait: Wait) -> None:
    later = [step("Hello"), step("", delay=1)]
    campaign = await started(api, "silent.one", sequences=[{"steps": later}])
    subsequence = await follow(api, campaign, conditions={"crm_status": [1]}, sequences=[])
    wait(HOUR)
    await interest(api, "silent.one", 1)
    wait(3 * DAY)
    mails = (await get(api, "/emails", lead="silent.one@portico.example"))["items"]
    assert sum(mail["ue_type"] == 1 for mail in mails) == 1
    await api.patch(f"/subsequences/{subsequence}", json={"sequences": [{"steps": [step()]}]})
    wait(DAY)
    assert await sent(api, campaign) == 1


async def test_a_daily_limit_of_its_own_is_kept(api: httpx.AsyncClient, wait: Wait) -> None:
    people = [f"silent.{number}" for number in range(4)]
    campaign = await started(api, *people)
    waiting = {"conditions": {"lead_activity": [91]}, "sequences": [{"steps": [step(pre_delay=1)]}]}
    subsequence = await follow(api, campaign, daily_limit_mode="custom", daily_limit=2, **waiting)
    wait(1.4 * DAY)
    assert (await sent(api, campaign), await reason(api, subsequence)) == (2, "daily_limit_met")
    await api.patch(f"/subsequences/{subsequence}", json={"daily_limit_mode": "unlimited"})
    wait(2 * HOUR)
    assert await sent(api, campaign) == 4


async def test_a_deleted_one_leaves_its_leads_alone(api: httpx.AsyncClient, wait: Wait) -> None:
    assert (await api.delete(f"/subsequences/{SUBSEQUENCE}")).json()["id"] == SUBSEQUENCE
    assert (await api.get(f"/subsequences/{SUBSEQUENCE}")).status_code == 404
    found = await get(api, f"/leads/{SOFIA}")
    assert ("subsequence_id" in found, found["campaign"], found["status"]) == (False, FINTECH, 3)
    before = found["timestamp_last_contact"]
    wait(5 * DAY)
    assert (await get(api, f"/leads/{SOFIA}"))["timestamp_last_contact"] == before


# why it does not send


async def test_its_own_pause_is_a_reason_and_so_is_that_of_its_campaign(api: httpx.AsyncClient) -> None:
    own = await get(api, f"/subsequences/{PAUSED}/sending-status", with_ai_summary="true")
    assert (own["diagnostics"], own["summary"]["status"]) == (None, "campaign_paused")
    assert "The subsequence is paused" in own["summary"]["ai_summary"]
    await api.post(f"/campaigns/{FINTECH}/pause")
    parents = (await get(api, f"/subsequences/{SUBSEQUENCE}/sending-status"))["summary"]
    assert (parents["status"], parents["ai_summary"]) == ("campaign_paused", None)
    assert "The campaign is paused" in parents["status_message"]


async def test_a_draft_says_so(api: httpx.AsyncClient) -> None:
    assert await reason(api, await follow(api, FINTECH, resumed=False)) == "campaign_draft"


async def test_leads_that_wait_for_their_first_email_are_counted(api: httpx.AsyncClient) -> None:
    found = (await get(api, f"/subsequences/{SUBSEQUENCE}/sending-status"))["diagnostics"]
    assert (found["campaign_id"], found["subsequence_id"]) == (FINTECH, SUBSEQUENCE)
    assert (found["status"], found["follow_ups_waiting"]["count"]) == ("follow_up_delay_not_met", 1)
    assert 0 < found["follow_ups_waiting"]["earliest_wait_time_seconds"] <= DAY


async def test_without_leads_it_waits_for_some(api: httpx.AsyncClient) -> None:
    await api.post(f"/subsequences/{PAUSED}/resume")
    assert await reason(api, PAUSED) == "waiting_for_leads"


async def test_out_of_its_own_hours_it_does_not_send(api: httpx.AsyncClient) -> None:
    (window,) = ALWAYS["schedules"]
    sundays = {"schedules": [{**window, "days": {"0": True}}]}
    await api.patch(f"/subsequences/{SUBSEQUENCE}", json={"subsequence_schedule": sundays})
    assert await reason(api, SUBSEQUENCE) == "out_of_schedule"


async def test_changes_are_in_the_audit_log(api: httpx.AsyncClient) -> None:
    await api.post(f"/subsequences/{SUBSEQUENCE}/pause")
    entry = (await get(api, "/audit-logs", limit=1))["items"][0]
    assert (entry["subsequence_id"], entry["from_api"]) == (SUBSEQUENCE, True)


@pytest.mark.parametrize(("name", "status"), [("ann.bounce", -1), ("ann.unsubscribe", -2)])
async def test_who_must_not_be_written_to_gets_nothing_in_a_subsequence(
    api: httpx.AsyncClient, wait: Wait, name: str, status: int
) -> None:
    campaign = await started(api, name)
    subsequence = await follow(api, campaign)
    wait(DAY)
    gone = await lead(api, name)
    assert gone["status"] == status
    body = {"id": gone["id"], "subsequence_id": subsequence}
    moved = await api.post("/leads/subsequence/move", json=body)
    assert (moved.json()["status"], moved.json()["subsequence_id"]) == (status, subsequence)
    wait(3 * DAY)
    assert await sent(api, campaign) == 0
    removed = await api.post("/leads/subsequence/remove", json={"id": gone["id"]})
    assert (removed.json()["status"], "subsequence_id" in removed.json()) == (status, False)
    wait(3 * DAY)
    assert len((await get(api, "/emails", campaign_id=campaign, email_type="sent"))["items"]) == 1


async def test_a_note_of_absence_that_stops_a_lead_does_not_say_it_is_through(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    campaign = await started(api, "ann.ooo", stop_on_auto_reply=True, sequences=[{"steps": [step("One"), step()]}])
    await follow(api, campaign, conditions={"lead_activity": [91]})
    wait(7 * DAY)
    stopped = await lead(api, "ann.ooo")
    assert (stopped["status"], "subsequence_id" in stopped) == (3, False)
    assert await sent(api, campaign) == 0
