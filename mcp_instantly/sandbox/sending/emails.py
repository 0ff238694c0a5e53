"""Emails as records: what an email in the Unibox looks like."""

from __future__ import annotations

import datetime as dt
import functools
import html
import re
import string
from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.sending.templates import fill_template, plain_text, variables, wrapped
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, chance

CAMPAIGN, RECEIVED, MANUAL, SCHEDULED = 1, 2, 3, 4
"""The values of ue_type."""

PREVIEW = 140
"""Characters of a content preview."""

SNIPPET = 200
"""Characters of what is new in a reply that its snippet holds at most."""

THREAD_LENGTH = 23
"""Characters of a thread's id that follow from the lead's address."""

ARRIVES_AFTER = (3.0, 12.0)
"""The shortest and the longest time, in seconds, from the sending of a reply until it stands in the Unibox."""

_PAGE_BODY = re.compile(r"<body[^>]*>(.*?)</body>", re.IGNORECASE | re.DOTALL)
_DIGITS = string.digits + string.ascii_letters + "-_"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def address_parts(address: str, name: str = "") -> Record:
    return {"address": address, "name": name}


def thread_of(world: World, campaign_id: str | None, address: str) -> str:
    """The id of the thread of one lead in one campaign: two digits of the campaign, the rest from the address."""
    return f"{(campaign_id or '00')[:2]}-{_thread_digits(world.seed, address)}"


@functools.lru_cache(10_000)
def _thread_digits(seed: int, address: str) -> str:
    """From the address, in each campaign and at each step: a lead gets several emails."""
    return "".join(
        _DIGITS[int(chance(seed, "thread", address, place) * len(_DIGITS))] for place in range(THREAD_LENGTH)
    )


def is_plain(campaign: Record, step: str, subsequence_id: str | None = None) -> bool:
    """Whether a campaign sends this step as text alone, in which nothing can be tracked."""
    first = step.startswith("0_0_") and subsequence_id is None
    return bool(campaign.get("text_only") or (first and campaign.get("first_email_text_only")))


def add_email(
    world: World, *, ue_type: int, sender: str, to: str, subject: str, markup: str, eaccount: str, **more: Any
) -> Record:
    """Put an email into the Unibox, with the fields that its kind has, at a whole second.

    `more` are further fields of the record; those that are None stay out.
    """
    at = stamp(world.now().replace(microsecond=0))
    identity = more.pop("id", None) or world.uuid7()
    thread = more.pop("thread_id", None) or thread_of(world, more.get("campaign_id"), more.get("lead") or identity)
    record: Record = {
        "id": identity,
        "timestamp_created": at,
        "timestamp_email": at,
        "message_id": _message_id(ue_type, identity, sender),
        "subject": subject,
        "from_address_email": sender,
        "to_address_email_list": to,
        "body": {"html": markup},
        "organization_id": world.workspace["id"],
        "eaccount": eaccount,
        "ue_type": ue_type,
        **_fields_of_kind(ue_type, sender, to, markup),
        **_copies(more.get("cc_address_email_list")),
        "thread_id": thread,
        **{field: value for field, value in more.items() if value is not None},
    }
    return world.emails.add(record)


def _message_id(ue_type: int, identity: str, sender: str) -> str:
    domain = sender.rpartition("@")[2]
    if ue_type == RECEIVED:
        # Other people's programs choose theirs.
        return f"<{identity.replace('-', '')}@{domain}>"
    return f"<{'ins-u-1-' if ue_type == MANUAL else ''}{identity}@{domain}>"


def _fields_of_kind(ue_type: int, sender: str, to: str, markup: str) -> Record:
    """The fields that emails of this kind have, and others lack."""
    if ue_type == MANUAL:
        empty = dict.fromkeys(("cc_address_email_list", "bcc_address_email_list"), "")
        return {**empty, "is_focused": 1, "content_preview": preview_of(plain_text(markup))}
    if ue_type == RECEIVED:
        return {
            "content_preview": preview_of(plain_text(markup)),
            "from_address_json": [address_parts(sender)],
            "to_address_json": [address_parts(address) for address in to.split(",")],
        }
    return {}


def preview_of(text: str) -> str:
    return re.sub(r"\s+", " ", text)[:PREVIEW]


def _copies(addresses: str | None) -> Record:
    named = [address.strip() for address in (addresses or "").split(",") if address.strip()]
    return {"cc_address_json": [address_parts(address) for address in named]} if named else {}


def all_emails(world: World, **exact: Any) -> Iterable[Record]:
    """The emails of a `campaign_id` or a `lead_id`, or all, oldest first; also those that were deleted since."""
    there, gone = (table.select(**exact) if exact else table for table in (world.emails, world.deleted_emails))
    deleted = list(gone)
    # Where none is, which is nearly always, there is nothing to be merged and nothing to be copied.
    return sorted([*there, *deleted], key=lambda e: (e["timestamp_created"], e["id"])) if deleted else there


def delete_email(world: World, email: Record) -> Record:
    """Take an email out of the Unibox. It was sent all the same: figures count it, and its reader may still react."""
    world.emails.remove(email["id"])
    return world.deleted_emails.add(email)


def find_any(world: World, email_id: str) -> Record | None:
    """The email with this id, whether it was deleted since or not."""
    return world.emails.get(email_id) or world.deleted_emails.get(email_id)


def text_of(email: Record) -> str:
    """What an email says, as plain text; only received ones have that as a field."""
    body = email["body"]
    return str(body["text"]) if "text" in body else plain_text(body.get("html") or "")


def is_reply(email: Record) -> bool:
    """Whether a lead has written this email: what a mail server reports of one is received as well."""
    return bool(email["ue_type"] == RECEIVED and email["from_address_email"] == email.get("lead"))


def new_words(email: Record) -> str:
    """What a reply says itself, without the email that it quotes."""
    return str(email["_words"]) if "_words" in email else text_of(email)


def snippet(email: Record) -> str:
    """The beginning of what a reply says itself, with the line breaks that the API leaves behind it."""
    words = new_words(email)[:SNIPPET]
    return f"{words} \n\n" if words else "\n\n\n"


def campaign_email(
    world: World,
    lead: Record,
    account: Record,
    variant: Record,
    *,
    step: str,
    subsequence_id: str | None = None,
    thread_id: str | None = None,
    **more: Any,
) -> Record:
    """Send one step's email to a lead, in the one thread that the lead has in the campaign."""
    values = variables(lead, account)
    key = f"{lead['email']}|{step}"
    campaign = world.campaigns.get(lead["campaign"]) or {}
    subject = fill_template(world, variant["subject"], values, key + "|subject").strip()
    if not subject and lead.get("_subject"):
        subject = f"Re: {lead['_subject']}"
    markup = fill_template(world, variant["body"], values, key)
    email = add_email(
        world,
        ue_type=CAMPAIGN,
        sender=account["email"],
        to=lead["email"],
        subject=subject,
        markup=wrapped(plain_text(markup)) if is_plain(campaign, step, subsequence_id) else markup,
        eaccount=account["email"],
        cc_address_email_list=",".join(campaign.get("cc_list") or ()) or None,
        bcc_address_email_list=",".join(campaign.get("bcc_list") or ()) or None,
        reply_to=account.get("reply_to"),
        ai_agent_id=campaign.get("ai_sdr_id"),
        campaign_id=lead["campaign"],
        subsequence_id=subsequence_id,
        list_id=lead.get("list_id"),
        lead=lead["email"],
        lead_id=lead["id"],
        step=step,
        thread_id=thread_id or lead.get("_thread"),
        is_unread=0,
        is_focused=1,
        **more,
    )
    subject = subject[4:] if subject.startswith("Re: ") else subject
    world.leads.change(lead, _thread=email["thread_id"], _subject=subject or None, _sender=account["email"])
    return email


def reply_email(
    world: World,
    to: Record,
    lead: Record,
    markup: str,
    *,
    automatic: bool = False,
    subject: str | None = None,
    words: str | None = None,
    **more: Any,
) -> Record:
    """A lead's reply to an email of ours, as it arrives in the Unibox: unread, in the same thread.

    `markup` is what is new in it, `words` the same as text, where that differs. Below that a person's reply quotes our
    email; a program's does not.
    """
    asked = to["subject"]
    reply = add_email(
        world,
        ue_type=RECEIVED,
        sender=lead["email"],
        to=to["eaccount"],
        subject=subject or (asked if asked.startswith("Re: ") else f"Re: {asked}"),
        markup=markup,
        eaccount=to["eaccount"],
        campaign_id=to.get("campaign_id"),
        subsequence_id=to.get("subsequence_id"),
        list_id=to.get("list_id"),
        lead=lead["email"],
        lead_id=lead["id"],
        step=to.get("step"),
        thread_id=to["thread_id"],
        i_status=lead.get("lt_interest_status"),
        is_auto_reply=int(automatic),
        is_focused=int(not automatic),
        **{"is_unread": 1, **more},
    )
    words = plain_text(markup) if words is None else words
    reply["_words"] = words
    reply["body"] = {"text": words, "html": markup} if automatic else _with_quote(world, words, markup, to)
    reply["content_preview"] = preview_of(reply["body"]["text"])
    reply["from_address_json"] = [address_parts(lead["email"], name_of(lead))]
    least, most = ARRIVES_AFTER
    took = least + (most - least) * world.chance("arrives", lead["email"], reply["subject"])
    sent = world.now() - dt.timedelta(seconds=took)
    # Whatever the transport took, a reply is younger than the email that it answers.
    reply["timestamp_email"] = max(stamp(sent.replace(microsecond=0)), to["timestamp_email"])
    return reply


def name_of(person: Record) -> str:
    """The full name of a lead or an account; "" for none."""
    return " ".join(filter(None, (person.get("first_name"), person.get("last_name"))))


def _with_quote(world: World, words: str, markup: str, to: Record) -> Record:
    """The body of a reply as a mail program makes it: the new words above the email that they answer."""
    address = to["from_address_email"]
    name = name_of(world.accounts.get(address) or {})
    when = _as_people_write(to["timestamp_email"])
    lines = "\n".join(f"> {line}".rstrip() for line in text_of(to).splitlines())
    page = to["body"].get("html") or ""
    inner = _PAGE_BODY.search(page)
    mailbox = f'&lt;<a href="mailto:{html.escape(address)}">{html.escape(address)}</a>&gt;'
    said = f"On {when} {html.escape(name)}".rstrip()
    return {
        "text": f"{words}\n\nOn {when} {f'{name} ' if name else ''}<{address}> wrote:\n\n{lines}\n",
        "html": f'<div dir="ltr">{markup}</div><br/><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        f"{said} {mailbox} wrote:<br/></div>"
        '<blockquote class="gmail_quote" style="margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex">'
        f"{inner.group(1) if inner else page}</blockquote></div>",
    }


def _as_people_write(instant: str) -> str:
    """An instant as mail programs put it above a quote: Mon, Jun 9, 2025 at 3:04 PM."""
    at = parse(instant)
    hour = at.hour % 12 or 12
    day = f"{_DAYS[at.weekday()]}, {_MONTHS[at.month - 1]} {at.day}, {at.year}"
    return f"{day} at {hour}:{at.minute:02d} {'AM' if at.hour < 12 else 'PM'}"
