"""Lead labels: their numbers, the leads that carry them, and which one a reply would get."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.sending.reactions import receive_reply

pytestmark = pytest.mark.anyio

CALL_BACK = "1abe0001-7c8d-4e9f-a0b1-2c3d4e5f6a01"
FINTECH = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
MAYA, TOM = "maya.lindqvist@fjordpay.example", "tom.okafor@ledgerly.example"
TOMS_REPLY = "01991f80-0004-7000-8000-000000000004"
MONTH = 30 * 86400
Wait = Callable[[float], None]


async def create(api: httpx.AsyncClient, label: str, side: str = "positive", **more: Any) -> dict[str, Any]:
    answer = await api.post("/lead-labels", json={"label": label, "interest_status_label": side, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def names(api: httpx.AsyncClient, **query: Any) -> list[str]:
    return [label["label"] for label in (await api.get("/lead-labels", params=query)).json()["items"]]


async def rate(api: httpx.AsyncClient, wait: Wait, value: float, email: str = TOM) -> None:
    answer = await api.post("/leads/update-interest-status", json={"lead_email": email, "interest_value": value})
    assert answer.status_code == 202, answer.text
    wait(5)


async def interest(api: httpx.AsyncClient, email: str = TOM) -> float | None:
    (found,) = (await api.post("/leads/list", json={"contacts": [email]})).json()["items"]
    return found.get("lt_interest_status")


async def guess(api: httpx.AsyncClient, text: str) -> str:
    answer = await api.post("/lead-labels/ai-reply-label", json={"reply_text": text})
    assert answer.status_code == 200
    return answer.json()["result"]


async def test_a_label_says_who_made_it_and_an_api_key_is_nobody(api: httpx.AsyncClient) -> None:
    made = (await api.post("/lead-labels", json={"label": "Maybe", "interest_status_label": "neutral"})).json()
    assert made["created_by"] is None
    assert "access_grants" not in made
    newest, *others = (await api.get("/lead-labels")).json()["items"]
    assert newest == made == (await api.get(f"/lead-labels/{made['id']}")).json()
    assert all(one["access_grants"] == [{"user_id": one["created_by"], "access_type": 4}] for one in others)
    assert others


async def test_labels_get_numbers_by_their_side(api: httpx.AsyncClient) -> None:
    assert (await api.get(f"/lead-labels/{CALL_BACK}")).json()["interest_status"] == 3001
    assert (await create(api, "Wants prices"))["interest_status"] == 3002
    assert (await create(api, "Under contract", "negative"))["interest_status"] < -4
    assert (await create(api, "Forwarded", "neutral"))["interest_status"] > 4


async def test_a_number_is_never_given_again(api: httpx.AsyncClient) -> None:
    gone = await create(api, "Wants prices")
    await api.delete(f"/lead-labels/{gone['id']}")
    assert (await create(api, "Wants a demo"))["interest_status"] > gone["interest_status"]


async def test_what_is_not_set_is_left_out(api: httpx.AsyncClient) -> None:
    label = await create(api, "Wants prices", description=None)
    assert not {"description", "use_with_ai"} & set(label)
    changed = await api.patch(f"/lead-labels/{CALL_BACK}", json={"description": None, "use_with_ai": False})
    assert ("description" in changed.json(), changed.json()["use_with_ai"]) == (False, False)


@pytest.mark.parametrize("side", ["good", None, 1])
async def test_a_side_is_one_of_three(api: httpx.AsyncClient, side: Any) -> None:
    body = {"label": "Odd", "interest_status_label": side}
    assert (await api.post("/lead-labels", json=body)).status_code == 400
    assert (await api.patch(f"/lead-labels/{CALL_BACK}", json=body)).status_code == 400
    assert (await api.patch(f"/lead-labels/{CALL_BACK}", json={})).status_code == 400


async def test_labels_are_found_by_text_and_side_newest_first(api: httpx.AsyncClient, wait: Wait) -> None:
    await create(api, "Under contract", "negative")
    wait(1)
    await create(api, "Call in spring")
    assert await names(api) == ["Call in spring", "Under contract", "Call back later"]
    assert await names(api, search="CALL") == ["Call in spring", "Call back later"]
    assert await names(api, interest_status="negative") == ["Under contract"]
    first = (await api.get("/lead-labels", params={"limit": 1})).json()
    assert first["next_starting_after"] == first["items"][0]["timestamp_created"]
    assert await names(api, starting_after=first["next_starting_after"]) == ["Under contract", "Call back later"]


async def test_a_renamed_label_stays_on_its_leads(api: httpx.AsyncClient, wait: Wait) -> None:
    await rate(api, wait, 3001)
    renamed = (await api.patch(f"/lead-labels/{CALL_BACK}", json={"label": "Call in spring"})).json()
    assert (renamed["label"], renamed["interest_status"]) == ("Call in spring", await interest(api))


async def test_leads_and_emails_of_a_deleted_label_are_reassigned(api: httpx.AsyncClient, wait: Wait) -> None:
    await rate(api, wait, 3001)
    deleted = await api.request("DELETE", f"/lead-labels/{CALL_BACK}", json={"reassigned_status": 2})
    assert deleted.json()["id"] == CALL_BACK
    assert await interest(api) == 2
    assert (await api.get(f"/emails/{TOMS_REPLY}")).json()["i_status"] == 2
    assert await interest(api, MAYA) == 1
    assert (await api.get(f"/lead-labels/{CALL_BACK}")).status_code == 404


async def test_without_a_reassignment_leads_lose_the_label(api: httpx.AsyncClient, wait: Wait) -> None:
    await rate(api, wait, 3001)
    assert (await api.delete(f"/lead-labels/{CALL_BACK}")).status_code == 200
    assert await interest(api) is None
    assert "i_status" not in (await api.get(f"/emails/{TOMS_REPLY}")).json()
    refused = {"lead_email": TOM, "interest_value": 3001}
    assert (await api.post("/leads/update-interest-status", json=refused)).status_code == 400


@pytest.mark.parametrize("status", [3001, 777, "1"])
async def test_a_reassignment_names_another_status(api: httpx.AsyncClient, status: Any) -> None:
    answer = await api.request("DELETE", f"/lead-labels/{CALL_BACK}", json={"reassigned_status": status})
    assert answer.status_code == 400
    assert (await api.get(f"/lead-labels/{CALL_BACK}")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_unknown_labels_are_not_found(api: httpx.AsyncClient, method: str) -> None:
    body = {"json": {"label": "x"}} if method == "PATCH" else {}
    assert (await api.request(method, f"/lead-labels/{NOWHERE}", **body)).status_code == 404
    assert (await api.request(method, "/lead-labels/hot", **body)).status_code == 400


async def test_an_own_label_brings_leads_into_the_subsequence_that_waits_for_it(
    api: httpx.AsyncClient, wait: Wait
) -> None:
    number = (await create(api, "Wants prices"))["interest_status"]
    await api.patch(f"/subsequences/{SUBSEQUENCE}", json={"conditions": {"crm_status": [number]}})
    await rate(api, wait, number)
    (found,) = (await api.post("/leads/list", json={"contacts": [TOM]})).json()["items"]
    assert found["subsequence_id"] == SUBSEQUENCE


@pytest.mark.parametrize(("side", "opportunities"), [("positive", 1), ("neutral", 0), ("negative", 0)])
async def test_only_positive_labels_are_opportunities(
    api: httpx.AsyncClient, wait: Wait, side: str, opportunities: int
) -> None:
    async def total() -> float:
        answer = await api.get("/campaigns/analytics/overview", params={"id": FINTECH})
        return answer.json()["total_opportunities"]

    async def filtered(name: str) -> list[str]:
        wanted = {"filter": f"FILTER_LEAD_CUSTOM_LABEL_{name}"}
        return [lead["email"] for lead in (await api.post("/leads/list", json=wanted)).json()["items"]]

    before = await total()
    await rate(api, wait, (await create(api, "Own", side))["interest_status"])
    assert await total() - before == opportunities
    assert await filtered("POSITIVE") == ([TOM] if side == "positive" else [])
    assert await filtered("NEGATIVE") == ([TOM] if side == "negative" else [])


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Sounds good. Call me on Thursday?", "Interested"),
        ("Not interested, thank you.", "Not Interested"),
        ("I\N{RIGHT SINGLE QUOTATION MARK}m not interested, please remove me.", "Not Interested"),
        ("I'm not the right person, please try my colleague.", "Wrong Person"),
        ("I am out of the office until Monday and happy to help then.", "Out of Office"),
        ("I have just booked a slot for Tuesday, see you then.", "Meeting Booked"),
        ("Received.", "Neutral"),
        ("", "Neutral"),
        ("Please call back later in the year.", "Call back later"),
        ("Not a priority now, please contact me again next quarter.", "Call back later"),
    ],
)
async def test_the_label_of_a_reply_follows_from_its_words(api: httpx.AsyncClient, text: str, label: str) -> None:
    assert await guess(api, text) == label


async def test_only_labels_for_the_ai_are_considered(api: httpx.AsyncClient) -> None:
    text = {"reply_text": "Our contract with Ledgerworks is binding until March."}
    label = await create(api, "Under contract", "negative", description="Has a binding contract with another vendor.")
    plain = (await api.post("/lead-labels/ai-reply-label", json=text)).json()
    assert plain == {"result": "Neutral", "custom_labels_considered": ["Call back later"]}
    await api.patch(f"/lead-labels/{label['id']}", json={"use_with_ai": True})
    found = (await api.post("/lead-labels/ai-reply-label", json=text)).json()
    assert found == {"result": "Under contract", "custom_labels_considered": ["Call back later", "Under contract"]}


async def test_a_refusal_gets_no_positive_label(api: httpx.AsyncClient) -> None:
    await create(api, "Wants prices", use_with_ai=True)
    assert await guess(api, "Who wants prices? Remove me.") == "Not Interested"
    assert await guess(api, "My boss wants prices.") == "Wants prices"


async def test_the_trials_of_a_month_are_limited(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    world.budgets = True
    for number in range(500):
        if number % 100 == 0:
            wait(1)
        await guess(api, "Yes")
    wait(1)
    refused = await api.post("/lead-labels/ai-reply-label", json={"reply_text": "Yes"})
    assert (refused.status_code, list(refused.json())) == (429, ["error"])
    wait(MONTH + 1)
    assert await guess(api, "Tell me more") == "Interested"


# replies that come in


def receive(world: World, wait: Wait, words: str) -> None:
    """Let Tom reply once more, and be labelled."""
    (lead,) = world.leads.where(email=TOM)
    *_, email = (email for email in world.emails.where(lead_id=lead["id"]) if email["ue_type"] == 1)
    receive_reply(world, email, lead, words)
    wait(15)


async def test_a_reply_gets_an_own_label_that_the_ai_may_give(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    label = await create(api, "Binding contract", "negative", use_with_ai=True)
    receive(world, wait, "Our contract with Ledgerworks is binding until March.")
    assert await interest(api) == label["interest_status"]


async def test_a_later_reply_brings_another_label(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    await rate(api, wait, 1)
    receive(world, wait, "Not interested, thank you.")
    assert await interest(api) == -1
    receive(world, wait, "Sounds good, on second thoughts.")
    assert await interest(api) == 1


async def test_a_neutral_reply_keeps_the_label_there_was(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    await rate(api, wait, 2)
    receive(world, wait, "I will be there.")
    assert await interest(api) == 2


async def test_a_lead_keeps_its_label_where_labelling_is_switched_off(
    api: httpx.AsyncClient, wait: Wait, world: World
) -> None:
    given = {"lead_email": TOM, "interest_value": 3}
    await api.post("/leads/update-interest-status", json={**given, "disable_auto_interest": True})
    wait(5)
    receive(world, wait, "Not interested, thank you.")
    assert await interest(api) == 3
    await api.post("/leads/update-interest-status", json={**given, "disable_auto_interest": False})
    wait(5)
    receive(world, wait, "Not interested, thank you.")
    assert await interest(api) == -1


async def test_our_own_words_below_a_reply_do_not_label_it(api: httpx.AsyncClient, wait: Wait, world: World) -> None:
    (lead,) = world.leads.where(email=TOM)
    for email in world.emails.where(lead_id=lead["id"]):
        email["body"] = {"html": "<p>Write unsubscribe and I will stop writing.</p>"}
    receive(world, wait, "Sounds good.")
    assert await interest(api) == 1


@pytest.mark.parametrize(
    ("note", "back"),
    [
        ("I am out of the office until Monday.", "2026-09-14"),
        ("Out of office, back on 21 September.", "2026-09-21"),
        ("On leave from September 8th to October 2nd, 2026.", "2026-10-02"),
        ("Out of the office until 2026-12-24.", "2026-12-24"),
        ("On annual leave until 4 January.", "2027-01-04"),
        ("Out of the office. Back on 31 February.", None),
        ("Out of the office since 1 June 2026.", None),
        ("Out of the office; call 12 34 56, or ask our 12 marketing people. Maybe 20 of them are in.", None),
        ("Out of the office till Sept. 9th.", "2026-09-09"),
    ],
)
def test_a_note_is_read_for_the_day_of_the_return(world: World, wait: Wait, note: str, back: str | None) -> None:
    receive(world, wait, note)
    (lead,) = world.leads.where(email=TOM)
    assert (lead["lt_interest_status"], lead["payload"].get("pause_until", "")[:10] or None) == (0, back)
