"""What scripted people do (see engine/people.py): which entry an email starts, and what its replies look like."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.people import AFTER_HOURS, ANY_EMAIL, FIRST_EMAIL, OUR_REPLY, step_of
from mcp_instantly.sandbox.sending.emails import (
    CAMPAIGN,
    PREVIEW,
    RECEIVED,
    add_email,
    address_parts,
    all_emails,
    reply_email,
)
from mcp_instantly.sandbox.sending.reply_texts import as_html
from mcp_instantly.sandbox.sending.templates import plain_text, wrapped
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

HOUR = 3600.0


def schedule_script(world: World, lead: Record, email: Record, *, by_hand: bool = False) -> bool:
    """Put on the agenda what the lead's script says of this email.

    True where the lead has a script, even if it says nothing of this email: then the lead does nothing else.
    """
    entries = list(world.people.where(lead=lead["email"].lower()))
    entry = next(
        (entry for entry in entries if entry["_happened"] is None and _fits(world, entry, email, by_hand)), None
    )
    if entry is not None:
        entry["_happened"] = world.stamp()
        _schedule(world, entry, email)
    return bool(entries)


def _fits(world: World, entry: Record, email: Record, by_hand: bool) -> bool:
    if by_hand:
        return bool(entry["on"] == OUR_REPLY)
    if entry["on"] == FIRST_EMAIL:
        earlier = all_emails(world, lead_id=email["lead_id"])
        return all(other["ue_type"] != CAMPAIGN or other["id"] == email["id"] for other in earlier)
    step = step_of(entry["on"])
    if step is not None:
        return "subsequence_id" not in email and email["step"].split("_")[1] == str(step)
    return bool(entry["on"] == ANY_EMAIL)


def _schedule(world: World, entry: Record, email: Record) -> None:
    delay = HOUR * entry.get("after_hours", AFTER_HOURS)
    if "bounce" in entry:
        world.later(delay, "bounce_as_scripted", email["id"], entry["id"])
        return
    if entry.get("open"):
        world.later(delay, "open_email", email["id"])
    if entry.get("click"):
        world.later(delay, "click_email", email["id"])
    for number, reply in enumerate(entry.get("reply", ())):
        delay += HOUR * reply.get("after_hours", AFTER_HOURS if number else 0)
        world.later(delay, "reply_as_scripted", email["id"], entry["id"], number)
    if entry.get("unsubscribe"):
        world.later(delay, "unsubscribe_email", email["id"])


def write_reply(world: World, email: Record, lead: Record, reply: Record) -> Record:
    """A scripted reply in the Unibox. With text and html, each is as it was given, even if they differ."""
    text, markup = reply.get("text"), reply.get("html")
    more: Record = {"automatic": bool(reply.get("automatic")), "subject": reply.get("subject")}
    if text is not None and markup is not None:
        more["words"] = text
    if reply.get("attachments"):
        more["attachment_json"] = {"files": [{"filename": name} for name in reply["attachments"]]}
    return reply_email(world, email, lead, as_html(text or "") if markup is None else markup, **more)


def write_report(world: World, email: Record, lead: Record, text: str) -> Record:
    """The report that an email could not be delivered, from the recipient's mail server.

    It belongs to no campaign: in the figures, the bounce counts and the report does not.
    """
    sender = f"mailer-daemon@{lead['email'].rpartition('@')[2]}"
    return add_email(
        world,
        ue_type=RECEIVED,
        sender=sender,
        to=email["eaccount"],
        subject=f"Undelivered: {plain_text(email['subject'])}",
        markup=wrapped(text),
        body={"text": text, "html": wrapped(text)},
        content_preview=text[:PREVIEW],
        eaccount=email["eaccount"],
        lead=lead["email"],
        lead_id=lead["id"],
        thread_id=email["thread_id"],
        from_address_json=[address_parts(sender, "Mail Delivery System")],
        is_unread=1,
        is_auto_reply=1,
        is_focused=0,
    )
