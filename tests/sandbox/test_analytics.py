"""Analytics of campaigns, subsequences and accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

from ..conftest import Connect
from .outreach import leads, mails, sender, started

pytestmark = pytest.mark.anyio

ACTIVE, DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
COMPLETED, SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03", "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
PAUSED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b12"
NOWHERE = "00000000-0000-4000-8000-00000000dead"
ADA, BEN, CHLOE = "ada@brightpath.example", "ben@brightpath.example", "chloe@brightpath.example"
DAY = 86400
Wait = Callable[[float], None]


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_campaign_that_sent_nothing_has_no_row(api: httpx.AsyncClient) -> None:
    assert await get(api, "/campaigns/analytics", id=DRAFT) == []
    assert await get(api, "/campaigns/analytics", id=NOWHERE) == []
    assert [row["campaign_id"] for row in await get(api, "/campaigns/analytics")] == [COMPLETED, ACTIVE]
    both = await get(api, "/campaigns/analytics", ids=[ACTIVE, COMPLETED, DRAFT])
    assert len(both) == 2


async def test_the_row_of_a_campaign_adds_up(api: httpx.AsyncClient) -> None:
    (row,) = await get(api, "/campaigns/analytics", id=ACTIVE)
    expected = {
        "campaign_name": "Fintech CFOs, autumn",
        "campaign_status": 1,
        "leads_count": 120,
        "emails_sent_count": 12,
        "contacted_count": 12,
        "reply_count": 4,
        "reply_count_unique": 4,
        "reply_count_automatic": 1,
        "bounced_count": 1,
        "unsubscribed_count": 1,
        "completed_count": 3,
        "total_opportunities": 2,
        "total_opportunity_value": 4800,
    }
    assert {name: row[name] for name in expected} == expected
    (short,) = await get(api, "/campaigns/analytics", id=ACTIVE, exclude_total_leads_count="true")
    assert short["leads_count"] == 0


async def test_a_range_of_dates_begins_and_ends_at_midnight_in_utc(api: httpx.AsyncClient) -> None:
    async def sent(**query: str) -> int:
        return (await get(api, "/campaigns/analytics/overview", id=ACTIVE, **query))["emails_sent_count"]

    assert await sent(start_date="2026-09-04", end_date="2026-09-05") == 12
    assert await sent(start_date="2026-09-04", end_date="2026-09-04") == 0
    assert await sent(start_date="2026-09-04T20:30:00.000Z") == 6


@pytest.mark.parametrize("path", ["", "/overview", "/daily", "/steps"])
async def test_a_date_that_is_none_is_refused_with_a_message_alone(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.get(f"/campaigns/analytics{path}", params={"start_date": "yesterday"})
    assert (answer.status_code, list(answer.json())) == (400, ["message"])


async def test_the_overview_counts_every_kind_of_interest_once_per_lead(api: httpx.AsyncClient, wait: Wait) -> None:
    totals = ("total_opportunities", "total_interested", "total_meeting_booked", "total_closed")

    async def counted(**query: str) -> list[int]:
        overview = await get(api, "/campaigns/analytics/overview", **query)
        return [overview[name] for name in totals]

    assert await counted() == [3, 3, 1, 0]
    assert await counted(campaign_status="3") == [1, 1, 1, 0]
    assert await counted(id=COMPLETED, expand_crm_events="true") == [2, 1, 1, 0]
    for value in (4, 1, 4):
        body = {"lead_email": "maya.lindqvist@fjordpay.example", "interest_value": value}
        await api.post("/leads/update-interest-status", json=body)
        wait(700)
    assert await counted(id=ACTIVE) == [2, 2, 0, 1]
    assert await counted(id=ACTIVE, expand_crm_events="true") == [5, 3, 0, 2]


async def test_quick_changes_of_interest_are_one_event(api: httpx.AsyncClient, wait: Wait) -> None:
    for value in (2, 3, 4):
        body = {"lead_email": "tom.okafor@ledgerly.example", "interest_value": value}
        await api.post("/leads/update-interest-status", json=body)
        wait(60)
    overview = await get(api, "/campaigns/analytics/overview", id=ACTIVE)
    found = [overview[f"total_{name}"] for name in ("meeting_booked", "meeting_completed", "closed")]
    assert found == [1, 0, 0]


async def test_the_days_add_up_to_the_whole(api: httpx.AsyncClient, wait: Wait) -> None:
    wait(3 * DAY)
    days = await get(api, "/campaigns/analytics/daily", campaign_id=ACTIVE)
    (whole,) = await get(api, "/campaigns/analytics", id=ACTIVE)
    sums = {
        name: sum(day[name] for day in days) for name in ("sent", "opened", "replies", "clicks", "new_leads_contacted")
    }
    assert sums == {
        "sent": whole["emails_sent_count"],
        "opened": whole["open_count"],
        "replies": whole["reply_count"],
        "clicks": whole["link_click_count"],
        "new_leads_contacted": whole["contacted_count"],
    }
    assert [day["date"] for day in days] == sorted({day["date"] for day in days})
    assert await get(api, "/campaigns/analytics/daily", date="2026-09-04") == await get(
        api, "/campaigns/analytics/daily"
    )


async def test_the_steps_add_up_too(api: httpx.AsyncClient, wait: Wait) -> None:
    rows = await get(api, "/campaigns/analytics/steps", campaign_id=ACTIVE, include_opportunities_count="true")
    assert [(row["step"], row["variant"], row["sent"]) for row in rows if row["step"]] == [
        ("0", "1", 6),
        ("0", "0", 6),
    ]
    assert sum(row["opportunities"] for row in rows) == 2
    wait(3 * DAY)
    rows = await get(api, "/campaigns/analytics/steps", campaign_id=ACTIVE)
    assert {(row["step"], row["variant"]) for row in rows} == {("0", "0"), ("0", "1"), ("1", "0"), (None, None)}
    assert "opportunities" not in rows[0]


async def test_subsequences_are_counted_apart(api: httpx.AsyncClient, wait: Wait) -> None:
    nothing = {"emails_sent": 0, "unique_opens": 0, "unique_replies": 0}
    assert await get(api, "/subsequences/analytics", campaign_id=ACTIVE) == [
        {"subsequence_id": SUBSEQUENCE, **nothing},
        {"subsequence_id": PAUSED, **nothing},
    ]
    wait(2 * DAY)
    row, resting = await get(api, "/subsequences/analytics", campaign_id=ACTIVE)
    assert resting == {"subsequence_id": PAUSED, **nothing}
    steps = await get(api, f"/subsequences/{SUBSEQUENCE}/analytics/steps")
    assert (row["emails_sent"], [(found["step"], found["sent"]) for found in steps]) == (3, [("0", 3)])
    assert await get(api, f"/subsequences/{SUBSEQUENCE}/analytics/steps", end_date="2026-09-07") == []
    assert len(await get(api, f"/subsequences/{SUBSEQUENCE}/analytics/steps", end_date="2026-09-08")) == 1
    assert (await api.get("/subsequences/analytics")).status_code == 400
    assert (await api.get("/subsequences/analytics", params={"campaign_id": NOWHERE})).status_code == 404
    assert (await api.get(f"/subsequences/{NOWHERE}/analytics/steps")).status_code == 404


async def test_figures_keep_counting_email_that_is_deleted_from_the_unibox(api: httpx.AsyncClient, wait: Wait) -> None:
    async def figures() -> list[Any]:
        return [
            await get(api, "/campaigns/analytics"),
            await get(api, "/campaigns/analytics/overview"),
            await get(api, "/campaigns/analytics/daily", campaign_id=ACTIVE),
            await get(api, "/campaigns/analytics/steps", campaign_id=ACTIVE, include_opportunities_count="true"),
            await get(api, "/subsequences/analytics", campaign_id=ACTIVE),
            await get(api, "/accounts/analytics/daily", emails=[ADA, BEN]),
            await get(api, f"/campaigns/{ACTIVE}/sending-status"),
            [await get(api, f"/ai-agents/sales/{agent['id']}/analytics") for agent in agents],
        ]

    agents = (await get(api, "/ai-agents/sales"))["items"]
    wait(DAY)
    shown = await figures()
    emails = (await get(api, "/emails", campaign_id=ACTIVE, limit=100, sort_order="asc"))["items"]
    # Every other one: those that are left come before and after the deleted ones.
    for gone in emails[::2]:
        assert (await api.delete(f"/emails/{gone['id']}")).json() == gone
        assert (await api.get(f"/emails/{gone['id']}")).status_code == 404
    assert await figures() == shown
    for gone in emails[1::2]:
        await api.delete(f"/emails/{gone['id']}")
    assert (await get(api, "/emails", campaign_id=ACTIVE))["items"] == []
    assert await figures() == shown


async def test_people_answer_email_that_is_deleted_from_the_unibox(api: httpx.AsyncClient, wait: Wait) -> None:
    people = [f"replies{number}@portico.example" for number in range(2)]
    account = await sender(api, "one@ours.example")
    campaign_id = await started(api, people, email_list=[account])
    wait(300)
    for email in await mails(api, campaign_id):
        await api.delete(f"/emails/{email['id']}")
    # Leads that are merged are one from then on, whichever of their emails there are.
    first, second = await leads(api, campaign_id)
    await api.post("/leads/merge", json={"lead_id": first["id"], "destination_lead_id": second["id"]})
    wait(DAY)
    (row,) = await get(api, "/campaigns/analytics", id=campaign_id)
    assert (row["emails_sent_count"], row["reply_count"]) == (2, 2)
    assert {email["lead_id"] for email in await mails(api, campaign_id, email_type="received")} == {second["id"]}


async def test_accounts_have_a_row_per_day(api: httpx.AsyncClient) -> None:
    rows = await get(api, "/accounts/analytics/daily", emails=[ADA, BEN, CHLOE])
    assert {(row["email_account"], row["sent"]) for row in rows if row["sent"]} == {(ADA, 6), (BEN, 6)}
    assert sum(row["bounced"] for row in rows) == 1
    spring = {"start_date": "2026-04-01", "end_date": "2026-04-30"}
    rows = await get(api, "/accounts/analytics/daily", emails=ADA, **spring)
    assert (rows[0]["date"], rows[0]["sent"], rows[0]["new_leads_contacted"]) == ("2026-04-15", 10, 10)


async def test_days_of_accounts_are_asked_for_by_the_month(api: httpx.AsyncClient) -> None:
    path = "/accounts/analytics/daily"
    query = {"emails": ADA, "start_date": "2026-08-01", "end_date": "2026-09-01"}
    answer = await api.get(path, params=query)
    assert (answer.status_code, list(answer.json())) == (400, ["message"])
    assert (await api.get(path, params={**query, "end_date": "2026-08-31"})).status_code == 200


async def test_all_accounts_at_once_are_too_much_for_a_large_workspace_only(
    api: httpx.AsyncClient, world: World
) -> None:
    path = "/accounts/analytics/daily"
    every = [account["email"] for account in world.accounts]
    assert (await api.get(path)).json() == await get(api, path, emails=every) != []
    for number in range(201 - len(every)):
        world.accounts.add({**next(iter(world.accounts)), "email": f"more{number}@brightpath.example"})
    refused = await api.get(path)
    assert (refused.status_code, "Add an emails filter" in refused.json()["message"]) == (413, True)
    assert len(await get(api, path, emails=every)) > 0


async def test_a_model_asks_for_all_accounts_and_reads_what_to_do_where_they_are_too_many(
    connect: Connect, world: World
) -> None:
    async with connect() as client:
        whole = await client.call_tool("get_daily_account_analytics", {"start_date": "2026-09-01"})
        assert not whole.is_error
        assert ADA in whole.content[0].text
        for number in range(200):
            world.accounts.add({**next(iter(world.accounts)), "email": f"more{number}@brightpath.example"})
        refused = await client.call_tool("get_daily_account_analytics", {})
        assert refused.is_error
        assert "Add an emails filter or request a smaller date range" in refused.content[0].text


async def test_warmup_figures_cover_accounts_and_leave_out_other_addresses(api: httpx.AsyncClient) -> None:
    answer = await api.post("/accounts/warmup-analytics", json={"emails": [ADA, CHLOE, "nobody@x.example"]})
    found = answer.json()
    assert set(found["aggregate_data"]) == set(found["email_date_data"]) == {ADA, CHLOE}
    total, days = found["aggregate_data"][CHLOE], found["email_date_data"][CHLOE]
    assert total["sent"] == sum(day["sent"] for day in days.values()) and len(days) == 7
    assert found["aggregate_data"][ADA]["health_score"] > total["health_score"]
    account = (await api.get(f"/accounts/{CHLOE}")).json()
    # The account's own score leaves out today.
    assert abs(account["stat_warmup_score"] - total["health_score"]) <= 2
    nobody = await api.post("/accounts/warmup-analytics", json={"emails": ["nobody@x.example"]})
    assert nobody.json() == {"email_date_data": {}, "aggregate_data": {}}
    assert (await api.post("/accounts/warmup-analytics", json={"emails": []})).status_code == 400
