"""Analytics: their numbers are those of the emails and leads that other tools list."""

from __future__ import annotations

from collections import Counter
from typing import Any

from .demo import BOOK_A_CALL, CHLOE, DAY, FINTECH, FIRST_EMAIL, HOUR, INES, LOGISTICS, MAYA, SOFIA
from .observer import Observer, effect

RECEIVED, SENT = 2, 1


def _span(see: Observer) -> tuple[str, str]:
    """The stamps between which things count; a mere date is its first instant."""
    return see.given.get("start_date", ""), see.given.get("end_date", "~")


async def _mails(see: Observer, *campaigns: str) -> list[dict[str, Any]]:
    since, until = _span(see)
    found = [mail for campaign in campaigns for mail in await see.all("list_emails", campaign_id=campaign)]
    return [mail for mail in found if since <= mail["timestamp_email"] <= until]


def _is_reply(mail: dict[str, Any]) -> bool:
    """Whether a person has written it to us."""
    return mail["ue_type"] == RECEIVED and not mail["is_auto_reply"]


async def _shows_each(see: Observer, agree: Any) -> None:
    """The numbers agree with the mail there is, also when time has brought more; deleted mail was sent too."""
    # Another campaign sends as well.
    await see.ask("update_campaign", id=LOGISTICS, email_list=[CHLOE])
    await see.ask("create_lead", campaign=LOGISTICS, email="nils.berg@fraktlinje.example")
    await see.ask("activate_campaign", id=LOGISTICS)
    first = await agree()
    see.wait(2 * HOUR)
    second = await agree()
    assert second != first or "end_date" in see.given
    shown = await see.act()
    await see.ask("delete_email", id=FIRST_EMAIL)
    assert await see.act() == shown


@effect
async def get_campaign_analytics(see: Observer) -> None:
    wanted = see.given.get("ids") or [see.given["id"]]

    async def agree() -> Any:
        rows = {row["campaign_id"]: row for row in await see.act()}
        assert set(rows) == set(wanted)
        for campaign, row in rows.items():
            mails = await _mails(see, campaign)
            sent = [mail for mail in mails if mail["ue_type"] == SENT]
            received = [mail for mail in mails if mail["ue_type"] == RECEIVED]
            assert row["emails_sent_count"] == len(sent)
            assert row["contacted_count"] == len({mail["lead"] for mail in sent})
            assert row["reply_count"] == sum(not mail["is_auto_reply"] for mail in received)
            assert row["reply_count_automatic"] == sum(mail["is_auto_reply"] for mail in received)
            assert row["leads_count"] == len(await see.all("list_leads", campaign=campaign))
            assert row["campaign_name"] == (await see.ask("get_campaign", id=campaign))["name"]
        return rows

    await _shows_each(see, agree)


@effect
async def get_campaign_analytics_overview(see: Observer) -> None:
    async def agree() -> Any:
        wanted = see.given.get("ids") or [see.given.get("id")]
        if "campaign_status" in see.given:
            wanted = list(await see.ids("list_campaigns", status=see.given["campaign_status"]))
        row = await see.act()
        mails = await _mails(see, *wanted)
        assert row["emails_sent_count"] == sum(mail["ue_type"] == SENT for mail in mails)
        assert row["reply_count"] == sum(_is_reply(mail) for mail in mails)
        return row

    await _shows_each(see, agree)
    before = await see.act()
    ines = await see.ask("get_lead", id=INES)
    await see.ask("update_lead_interest_status", lead_email=ines["email"], campaign_id=FINTECH, interest_value=3)
    see.wait(2)
    after = await see.act()
    value = (await see.ask("get_campaign", id=FINTECH))["pl_value"]
    for name, more in (("total_meeting_completed", 1), ("total_opportunities", 1), ("total_opportunity_value", value)):
        assert after[name] == before[name] + more


@effect
async def get_daily_campaign_analytics(see: Observer) -> None:
    async def agree() -> Any:
        rows = {row["date"]: row for row in await see.act()}
        mails = await _mails(see, see.given["campaign_id"])
        sent = Counter(mail["timestamp_email"][:10] for mail in mails if mail["ue_type"] == SENT)
        replies = Counter(mail["timestamp_email"][:10] for mail in mails if _is_reply(mail))
        assert {date: row["sent"] for date, row in rows.items() if row["sent"]} == sent
        assert {date: row["replies"] for date, row in rows.items() if row["replies"]} == replies
        return rows

    await _shows_each(see, agree)


@effect
async def get_campaign_steps_analytics(see: Observer) -> None:
    async def agree() -> Any:
        rows = await see.act()
        mails = await _mails(see, see.given["campaign_id"])
        sent = Counter(mail["step"] for mail in mails if mail["ue_type"] == SENT and "subsequence_id" not in mail)
        assert {f"0_{row['step']}_{row['variant']}": row["sent"] for row in rows if row["sent"]} == sent
        return rows

    await _shows_each(see, agree)


@effect
async def get_daily_account_analytics(see: Observer) -> None:
    async def agree() -> Any:
        rows = await see.act()
        named = {"eaccount": ",".join(see.given["emails"])} if "emails" in see.given else {}
        mails = await see.all("list_emails", **named)
        since, until = see.given.get("start_date", "2026-08-09"), see.given.get("end_date", "2026-09-07")
        mails = [mail for mail in mails if since <= mail["timestamp_email"][:10] <= until]
        for kind, column in ((SENT, "sent"), (RECEIVED, "replies")):
            found = [mail for mail in mails if mail["ue_type"] == kind and not mail.get("is_auto_reply")]
            count = Counter((mail["timestamp_email"][:10], mail["eaccount"]) for mail in found)
            assert {(row["date"], row["email_account"]): row[column] for row in rows if row[column]} == count
        return rows

    await _shows_each(see, agree)


@effect
async def get_warmup_analytics(see: Observer) -> None:
    async def dates() -> dict[str, list[str]]:
        answer = await see.act()
        assert set(answer["email_date_data"]) == set(see.given["emails"])
        for email, days in answer["email_date_data"].items():
            total = answer["aggregate_data"][email]
            assert total["sent"] == sum(day["sent"] for day in days.values()) > 0
            assert total["health_score"] == round(100 * total["landed_inbox"] / total["sent"])
        return {email: sorted(days) for email, days in answer["email_date_data"].items()}

    first = await dates()
    assert {days[-1] for days in first.values()} == {"2026-09-07"}
    see.wait(2 * DAY)
    assert {days[-1] for days in (await dates()).values()} == {"2026-09-09"}
    # An account whose warmup is off has no new days, and today is none any more.
    await see.outcome(await see.ask("disable_account_warmup", emails=see.given["emails"]))
    see.wait(3 * DAY)
    assert {days[-1] for days in (await dates()).values()} == {"2026-09-08"}


@effect
async def get_subsequence_analytics(see: Observer) -> None:
    async def agree() -> dict[str, int]:
        rows = {row["subsequence_id"]: row["emails_sent"] for row in await see.act()}
        mails = await see.emails(see.given["campaign_id"])
        sent = Counter(mail["subsequence_id"] for mail in mails if "subsequence_id" in mail)
        assert {subsequence: count for subsequence, count in rows.items() if count} == sent
        assert set(rows) == await see.ids("list_subsequences", parent_campaign=see.given["campaign_id"])
        return rows

    assert (await agree())[BOOK_A_CALL] == 0
    await see.ask("move_lead_to_subsequence", id=MAYA, subsequence_id=BOOK_A_CALL)
    see.wait(1.2 * DAY)
    # Sofia was in it already.
    assert (await agree())[BOOK_A_CALL] == 2
    await see.ask(
        "create_subsequence", parent_campaign=see.given["campaign_id"], name="New", conditions={"crm_status": [4]}
    )
    assert len(await agree()) == 3


@effect
async def get_subsequence_steps_analytics(see: Observer) -> None:
    assert await see.act() == []
    steps = (await see.ask("get_subsequence", id=see.given["id"]))["sequences"]
    steps[0]["steps"][0]["pre_delay"] = 0
    await see.ask("update_subsequence", id=see.given["id"], sequences=steps)
    for lead in (MAYA, SOFIA):
        await see.ask("move_lead_to_subsequence", id=lead, subsequence_id=see.given["id"])
    see.wait(HOUR)
    (row,) = await see.act()
    assert (row["step"], row["variant"], row["sent"]) == ("0", "0", 2)
    mails = [mail for mail in await see.emails(FINTECH) if mail.get("subsequence_id") == see.given["id"]]
    assert {mail["lead_id"] for mail in mails} == {MAYA, SOFIA}
