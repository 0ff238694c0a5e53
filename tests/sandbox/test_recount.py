"""Every number that analytics report, counted once more and in another way from the e-mails and leads there are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

DAY = 86_400.0
ADA = "ada@brightpath.example"
ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
KINDS = {1: "sent", 2: "reply"}
HOURS = {
    "schedules": [
        {
            "name": "Always",
            "timing": {"from": "08:00", "to": "20:00"},
            "days": {str(day): True for day in range(7)},
            "timezone": "America/Detroit",
        }
    ]
}

Fact = dict[str, Any]


async def read_all(api: httpx.AsyncClient, path: str, **query: Any) -> list[Any]:
    """All pages of a list."""
    items: list[Any] = []
    while True:
        page = (await api.get(path, params={"limit": 100, **query})).json()
        items += page["items"]
        if "next_starting_after" not in page:
            return items
        query["starting_after"] = page["next_starting_after"]


async def facts_of(api: httpx.AsyncClient, world: World) -> list[Fact]:
    """What happened to every mail of a campaign: from the mails that the API shows, and reactions kept there."""
    found: list[Fact] = []
    met: set[Any] = set()
    mails = await read_all(api, "/emails", sort_order="asc")
    for mail in sorted(mails, key=lambda mail: (mail["timestamp_email"], mail["id"])):
        if "campaign_id" not in mail or mail["ue_type"] not in KINDS:
            continue
        _, step, variant = mail["step"].split("_") if "step" in mail else (None, None, None)
        fact = {
            "campaign": mail["campaign_id"],
            "lead": mail["lead"],
            "account": mail["eaccount"],
            "subsequence": mail.get("subsequence_id"),
            "step": step,
            "variant": variant,
        }
        person = (mail["campaign_id"], mail["lead"])
        kept: Any = world.emails.get(mail["id"])
        what = "auto" if mail.get("is_auto_reply") else KINDS[mail["ue_type"]]
        found.append({**fact, "what": what, "at": mail["timestamp_email"], "new": what == "sent" and person not in met})
        if what == "sent":
            met.add(person)
            found += [{**fact, "what": "open", "at": at} for at in kept.get("_opens", ())]
            found += [{**fact, "what": "click", "at": at} for at in kept.get("_clicks", ())]
            found += [{**fact, "what": "bounce", "at": kept["_bounced"]}] if "_bounced" in kept else []
            found += [{**fact, "what": "unsubscribe", "at": kept["_unsubscribed"]}] if "_unsubscribed" in kept else []
    return found


def total(facts: list[Fact], *what: str) -> int:
    return len([fact for fact in facts if fact["what"] in what])


def unique(facts: list[Fact], what: str, *more: str) -> int:
    return len({tuple(fact[name] for name in ("campaign", "lead", *more)) for fact in facts if fact["what"] == what})


def row_of(facts: list[Fact]) -> dict[str, int]:
    """The columns that a campaign's row and the overview have in common."""
    return {
        "contacted_count": unique(facts, "sent"),
        "emails_sent_count": total(facts, "sent"),
        "new_leads_contacted_count": len([fact for fact in facts if fact.get("new")]),
        "open_count": total(facts, "open"),
        "open_count_unique": unique(facts, "open"),
        "open_count_unique_by_step": unique(facts, "open", "subsequence", "step"),
        "reply_count": total(facts, "reply"),
        "reply_count_unique": unique(facts, "reply"),
        "reply_count_unique_by_step": unique(facts, "reply", "subsequence", "step"),
        "reply_count_automatic": total(facts, "auto"),
        "reply_count_automatic_unique": unique(facts, "auto"),
        "reply_count_automatic_unique_by_step": unique(facts, "auto", "subsequence", "step"),
        "link_click_count": total(facts, "click"),
        "link_click_count_unique": unique(facts, "click"),
        "link_click_count_unique_by_step": unique(facts, "click", "subsequence", "step"),
        "bounced_count": unique(facts, "bounce"),
        "unsubscribed_count": unique(facts, "unsubscribe"),
    }


def engagement_of(facts: list[Fact]) -> dict[str, int]:
    return {
        "sent": total(facts, "sent"),
        "opened": total(facts, "open"),
        "unique_opened": unique(facts, "open"),
        "replies": total(facts, "reply"),
        "unique_replies": unique(facts, "reply"),
        "replies_automatic": total(facts, "auto"),
        "unique_replies_automatic": unique(facts, "auto"),
        "clicks": total(facts, "click"),
        "unique_clicks": unique(facts, "click"),
    }


def only(facts: list[Fact], **wanted: Any) -> list[Fact]:
    return [fact for fact in facts if all(fact[name] == value for name, value in wanted.items())]


def days_of(facts: list[Fact]) -> list[str]:
    return sorted({fact["at"][:10] for fact in facts})


@pytest.fixture
async def eventful(api: httpx.AsyncClient, wait: Callable[[float], None]) -> None:
    """Twelve days in which two campaigns and a subsequence have been at work."""
    sequence = [
        {
            "steps": [
                {
                    "type": "email",
                    "delay": 1,
                    "variants": [{"subject": text, "body": f'<a href="https://b.example">{text}</a>'}],
                }
                for text in ("One", "Two")
            ]
        }
    ]
    made = (
        await api.post(
            "/campaigns",
            json={
                "name": "Eventful",
                "campaign_schedule": HOURS,
                "sequences": sequence,
                "email_list": [ADA, "ben@brightpath.example"],
                "open_tracking": True,
                "link_tracking": True,
                "email_gap": 2,
            },
        )
    ).json()
    leads = [{"email": f"person{number}@company{number % 40}.example"} for number in range(150)]
    leads += [
        {"email": f"{word}{number}@magic.example"}
        for word in ("bounce", "unsubscribe", "ooo", "replies")
        for number in (1, 2)
    ]
    assert (await api.post("/leads/add", json={"campaign_id": made["id"], "leads": leads})).json()[
        "leads_uploaded"
    ] == 158
    follow_up = await api.post(
        "/subsequences",
        json={
            "parent_campaign": made["id"],
            "name": "After an answer",
            "conditions": {"crm_status": [1], "lead_activity": [], "reply_contains": ""},
            "subsequence_schedule": HOURS,
            "sequences": sequence,
        },
    )
    await api.post(f"/subsequences/{follow_up.json()['id']}/resume")
    assert (await api.post(f"/campaigns/{made['id']}/activate")).json()["status"] == 1
    for _ in range(12):
        wait(DAY)
    for email in ("unsubscribe1@magic.example", "person3@company3.example"):
        await api.post("/leads/update-interest-status", json={"lead_email": email, "interest_value": 1})
    for _ in range(3):
        wait(DAY)


@pytest.mark.usefixtures("eventful")
async def test_the_numbers_of_campaigns_are_those_of_their_emails(api: httpx.AsyncClient, world: World) -> None:
    facts = await facts_of(api, world)
    rows = {row["campaign_id"]: row for row in (await api.get("/campaigns/analytics")).json()}
    assert set(rows) == {fact["campaign"] for fact in only(facts, what="sent")}
    for campaign_id, row in rows.items():
        mine = only(facts, campaign=campaign_id)
        leads = [lead for lead in world.leads if lead.get("campaign") == campaign_id]
        expected = row_of(mine)
        assert {name: row[name] for name in expected} == expected
        assert row["leads_count"] == len(leads)
        assert row["completed_count"] == len([lead for lead in leads if lead["status"] == 3])
        assert row["open_count"] == sum(lead["email_open_count"] for lead in leads)
        assert row["link_click_count"] == sum(lead["email_click_count"] for lead in leads)
        assert row["reply_count"] + row["reply_count_automatic"] == sum(lead["email_reply_count"] for lead in leads)
        assert row["bounced_count"] == len([lead for lead in leads if lead["status"] == -1])
        assert row["unsubscribed_count"] == len([lead for lead in leads if lead["status"] == -2])
    overview = (await api.get("/campaigns/analytics/overview")).json()
    expected = row_of(facts)
    assert {name: overview[name] for name in expected} == expected
    for name in ("emails_sent_count", "open_count", "link_click_count", "reply_count", "bounced_count"):
        assert overview[name] > 0, f"nothing was counted as {name}"


@pytest.mark.usefixtures("eventful")
async def test_the_numbers_of_days_are_those_of_their_emails(api: httpx.AsyncClient, world: World) -> None:
    facts = await facts_of(api, world)
    rows = {row["date"]: row for row in (await api.get("/campaigns/analytics/daily")).json()}
    assert set(days_of(facts)) <= set(rows)
    for date, row in rows.items():
        mine = [fact for fact in facts if fact["at"][:10] == date]
        expected = {
            **engagement_of(mine),
            "contacted": unique(mine, "sent"),
            "new_leads_contacted": len([fact for fact in mine if fact.get("new")]),
        }
        assert {name: row[name] for name in expected} == expected, date
    accounts = sorted({fact["account"] for fact in facts})
    day_of_account = {}
    first, end = (dt.date.fromisoformat(days_of(facts)[place]) for place in (0, -1))
    while first <= end:
        last = first + dt.timedelta(days=30)
        query = {"emails": accounts, "start_date": first.isoformat(), "end_date": last.isoformat()}
        for row in (await api.get("/accounts/analytics/daily", params=query)).json():
            day_of_account[row["date"], row["email_account"]] = row
        first = last + dt.timedelta(days=1)
    assert set(day_of_account) == {(fact["at"][:10], fact["account"]) for fact in facts}
    for (date, account), row in day_of_account.items():
        mine = [fact for fact in only(facts, account=account) if fact["at"][:10] == date]
        expected = {**engagement_of(mine), "bounced": total(mine, "bounce"), "contacted": unique(mine, "sent")}
        assert {name: row[name] for name in expected} == expected, (date, account)


@pytest.mark.usefixtures("eventful")
async def test_the_numbers_of_steps_are_those_of_their_emails(api: httpx.AsyncClient, world: World) -> None:
    facts = await facts_of(api, world)
    followed = 0
    for campaign in await read_all(api, "/campaigns"):
        mine = only(facts, campaign=campaign["id"], subsequence=None)
        rows = (await api.get("/campaigns/analytics/steps", params={"campaign_id": campaign["id"]})).json()
        assert {(row["step"], row["variant"]) for row in rows if row["step"]} == {
            (fact["step"], fact["variant"]) for fact in mine
        }
        for row in rows:
            expected = engagement_of(only(mine, step=row["step"], variant=row["variant"]))
            assert {name: row[name] for name in expected} == expected
        query = {"campaign_id": campaign["id"]}
        for row in (await api.get("/subsequences/analytics", params=query)).json():
            mine = only(facts, subsequence=row["subsequence_id"])
            followed += row["emails_sent"]
            assert row["emails_sent"] == total(mine, "sent")
            assert (row["unique_opens"], row["unique_replies"]) == (unique(mine, "open"), unique(mine, "reply"))
            steps = (await api.get(f"/subsequences/{row['subsequence_id']}/analytics/steps")).json()
            for step in steps:
                expected = engagement_of(only(mine, step=step["step"], variant=step["variant"]))
                assert {name: step[name] for name in expected} == expected
    assert followed > 0, "no subsequence has sent anything"
