"""Subsequences: their settings, who is in them, and that they send or do not."""

from __future__ import annotations

from .demo import BOOK_A_CALL, DAY, FINTECH, LOGISTICS, MAYA, SOFIA
from .observer import Observer, assert_holds, effect

SHARED = ("conditions", "subsequence_schedule", "sequences")


async def _emails(see: Observer, subsequence: str) -> set[str]:
    """To whom a subsequence has written."""
    mails = await see.emails(FINTECH)
    return {mail["lead_id"] for mail in mails if mail.get("subsequence_id") == subsequence}


@effect
async def create_subsequence(see: Observer) -> None:
    shown = await see.creates("get_subsequence", "list_subsequences")
    assert shown["status"] == 0
    rows = await see.ask("get_subsequence_analytics", campaign_id=see.given["parent_campaign"])
    assert shown["id"] in {row["subsequence_id"] for row in rows}


@effect
async def get_subsequence(see: Observer) -> None:
    await see.reads("update_subsequence", name="Seen", conditions={"crm_status": [2]})


@effect
async def list_subsequences(see: Observer) -> None:
    async def create() -> str:
        made = await see.ask(
            "create_subsequence", parent_campaign=FINTECH, name="Interested, too", conditions={"crm_status": [2]}
        )
        return made["id"]

    async def create_elsewhere() -> str:
        made = await see.ask(
            "create_subsequence", parent_campaign=LOGISTICS, name="Other", conditions={"crm_status": [2]}
        )
        return made["id"]

    shown = await see.lists(create, besides=create_elsewhere)
    assert (shown["name"], shown["parent_campaign"]) == ("Interested, too", FINTECH)


@effect
async def update_subsequence(see: Observer) -> None:
    # A limit of its own, so that the inherited one is a change; the other settings have none at first.
    await see.updates("get_subsequence", first={"daily_limit_mode": "custom"})
    entry = await see.logged()
    assert (entry["activity_type"], entry["subsequence_id"]) == (12, see.given["id"])


@effect
async def delete_subsequence(see: Observer) -> None:
    await see.ask("move_lead_to_subsequence", id=MAYA, subsequence_id=see.given["id"])
    assert (await see.ask("get_lead", id=MAYA))["subsequence_id"] == see.given["id"]
    await see.deletes("get_subsequence", "list_subsequences")
    lead = await see.ask("get_lead", id=MAYA)
    assert (lead["campaign"], lead["status"], lead.get("subsequence_id")) == (FINTECH, 3, None)


@effect
async def duplicate_subsequence(see: Observer) -> None:
    source = await see.ask("get_subsequence", id=see.given["id"])
    shown = await see.creates("get_subsequence", "list_subsequences", hidden={"id"})
    assert shown["id"] != source["id"]
    assert shown["name"] == see.given.get("name", source["name"])
    assert shown["status"] == 0
    assert_holds(shown, {name: source[name] for name in SHARED})


@effect
async def pause_subsequence(see: Observer) -> None:
    assert (await see.ask("get_lead", id=SOFIA))["subsequence_id"] == see.given["id"]
    await see.act()
    assert (await see.ask("get_subsequence", id=see.given["id"]))["status"] == 2
    see.wait(2 * DAY)
    assert await _emails(see, see.given["id"]) == set()
    # It was the pause that held the email back.
    await see.ask("resume_subsequence", id=see.given["id"])
    see.wait(DAY)
    assert SOFIA in await _emails(see, see.given["id"])


@effect
async def resume_subsequence(see: Observer) -> None:
    await see.ask("move_lead_to_subsequence", id=MAYA, subsequence_id=see.given["id"])
    see.wait(2.2 * DAY)
    assert await _emails(see, see.given["id"]) == set()
    await see.act()
    assert (await see.ask("get_subsequence", id=see.given["id"]))["status"] == 1
    see.wait(DAY)
    assert await _emails(see, see.given["id"]) == {MAYA}


@effect
async def get_subsequence_sending_status(see: Observer) -> None:
    paused = see.given["id"] != BOOK_A_CALL
    before = await see.act()
    assert (before["summary"]["status"] == "campaign_paused") == paused
    assert (before["summary"]["ai_summary"] is not None) == ("with_ai_summary" in see.given)
    await see.ask("resume_subsequence" if paused else "pause_subsequence", id=see.given["id"])
    after = await see.act()
    assert (after["summary"]["status"] == "campaign_paused") != paused
