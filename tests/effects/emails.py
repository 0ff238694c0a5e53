"""The Unibox, and the verification of addresses."""

from __future__ import annotations

from .demo import EVA, MAYAS_ANSWER, MINUTE, OWNER
from .observer import Observer, effect, items_of


async def _unread(see: Observer) -> int:
    return (await see.ask("count_unread_emails"))["count"]


async def _credits(see: Observer) -> int:
    return (await see.ask("get_workspace_plan"))["subscriptions"]["credits"]["available_credits"]


@effect
async def get_email(see: Observer) -> None:
    await see.reads("update_email", is_unread=0, reminder_ts="2026-09-10T13:00:00.000Z")


@effect
async def list_emails(see: Observer) -> None:
    before = {mail["id"]: mail for mail in items_of(await see.act())}
    assert "reminder_ts" not in before[MAYAS_ANSWER]
    await see.ask("update_email", id=MAYAS_ANSWER, reminder_ts="2026-09-10T13:00:00.000Z")
    mails = await see.all("list_emails", **see.given)
    after = {mail["id"]: mail for mail in items_of(await see.act())}
    assert list(after) == [mail["id"] for mail in mails[: see.given.get("limit", 10)]]
    assert after[MAYAS_ANSWER]["reminder_ts"] == "2026-09-10T13:00:00.000Z"
    body = (await see.ask("get_email", id=MAYAS_ANSWER))["body"]
    assert after[MAYAS_ANSWER]["body"] == ({} if see.given.get("preview_only") else body)
    stamps = [mail["timestamp_created"] for mail in mails]
    assert stamps == sorted(stamps, reverse=see.given.get("sort_order") != "asc")
    for mail in mails:
        assert mail.get("campaign_id") == see.given.get("campaign_id", mail.get("campaign_id"))
        assert mail["eaccount"] in see.given.get("eaccount", mail["eaccount"]).split(",")
        assert mail["thread_id"] == see.given.get("search", f"thread:{mail['thread_id']}")[len("thread:") :]
        assert "email_type" not in see.given or (mail["ue_type"], mail["is_unread"]) == (2, 1)
    await see.ask("delete_email", id=MAYAS_ANSWER)
    assert MAYAS_ANSWER not in {mail["id"] for mail in items_of(await see.act())}


@effect
async def count_unread_emails(see: Observer) -> None:
    unread = await see.all("list_emails", is_unread=True)
    assert (await see.act())["count"] == len(unread) > 0
    await see.ask("update_email", id=unread[0]["id"], is_unread=0)
    assert (await see.act())["count"] == len(unread) - 1


@effect
async def update_email(see: Observer) -> None:
    await see.updates("get_email", first={"is_unread": 1 - see.given["is_unread"]})
    unread = await see.ids("list_emails", is_unread=True)
    assert (see.given["id"] in unread) == bool(see.given["is_unread"])
    assert await _unread(see) == len(unread)


@effect
async def delete_email(see: Observer) -> None:
    unread = await _unread(see)
    assert (await see.ask("get_email", id=see.given["id"]))["is_unread"] == 1
    await see.deletes("get_email", "list_emails")
    assert await _unread(see) == unread - 1


@effect
async def mark_thread_as_read(see: Observer) -> None:
    unread = await see.all("list_emails", is_unread=True)
    mine = {mail["id"] for mail in unread if mail["thread_id"] == see.given["thread_id"]}
    assert mine
    await see.act()
    left = await see.ids("list_emails", is_unread=True)
    assert left == {mail["id"] for mail in unread} - mine
    assert await _unread(see) == len(left)


@effect
async def reply_to_email(see: Observer) -> None:
    answered = await see.ask("get_email", id=see.given["reply_to_uuid"])
    await _is_sent(see, to=answered["from_address_email"])
    lead = await see.ask("get_lead", id=answered["lead_id"])
    assert lead["timestamp_last_contact"] == "2026-09-07T13:00:00.000Z"


@effect
async def forward_email(see: Observer) -> None:
    original = await see.ask("get_email", id=see.given["reply_to_uuid"])
    text = await _is_sent(see, to=see.given["to_address_email_list"])
    assert original["from_address_email"] in text
    assert "Forwarded message" in text


async def _is_sent(see: Observer, *, to: str) -> str:
    """An email has come into the thread, as it was written; its text."""
    thread = f"thread:{(await see.ask('get_email', id=see.given['reply_to_uuid']))['thread_id']}"
    before = await see.ids("list_emails", search=thread)
    sent = await see.act()
    assert await see.ids("list_emails", search=thread) == before | {sent["id"]}
    mail = await see.ask("get_email", id=sent["id"])
    assert mail["ue_type"] == 3
    assert (mail["eaccount"], mail["from_address_email"]) == (see.given["eaccount"], see.given["eaccount"])
    assert (mail["to_address_email_list"], mail["subject"]) == (to, see.given["subject"])
    assert mail["cc_address_email_list"] == see.given.get("cc_address_email_list", "")
    assert mail.get("reminder_ts") == see.given.get("reminder_ts")
    for body in see.given.get("body", {}).values():
        assert body in mail["body"]["html"]
    assert sent["id"] in await see.ids("list_emails", email_type="manual")
    return mail["body"]["html"]


@effect
async def send_test_email(see: Observer) -> None:
    """It is on its way to a colleague: nothing of it stays in the Unibox, and no lead has been contacted."""
    mails, leads = await see.all("list_emails"), await see.all("list_leads", organization_user_ids=[OWNER])
    assert await see.act() == {"status": "success"}
    assert await see.all("list_emails") == mails
    assert await see.all("list_leads", organization_user_ids=[OWNER]) == leads
    # A sender that has lost its connection cannot send one.
    assert "acc_auth_error" in await see.refused("send_test_email", **{**see.given, "eaccount": EVA})


@effect
async def verify_email(see: Observer) -> None:
    asked = {"email": see.given["email"]}
    assert "not found" in await see.refused("get_email_verification", **asked)
    left = await _credits(see)
    answer = await see.act()
    assert await see.ask("get_email_verification", **asked) == answer
    assert await _credits(see) == answer["credits"] == left - answer["credits_used"] < left
    see.wait(MINUTE)
    assert (await see.ask("get_email_verification", **asked))["verification_status"] == "verified"


@effect
async def get_email_verification(see: Observer) -> None:
    before = await see.act()
    answer = await see.ask("verify_email", **see.given)
    after = await see.act()
    assert after == answer
    assert after["credits"] == before["credits"] - 1 == await _credits(see)
