"""E-mails as records: how a template becomes an email, and what an email in the Unibox looks like."""

from __future__ import annotations

import html
import re
import string
from typing import Any

from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

CAMPAIGN, RECEIVED, MANUAL, SCHEDULED = 1, 2, 3, 4
"""The values of ue_type."""

PREVIEW = 140
"""Characters of a content preview."""

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_BREAK = re.compile(r"<br\s*/?>|</(div|li|tr|h\d)>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"</p>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_DIGITS = string.digits + string.ascii_letters


def fill_template(world: World, template: str, values: dict[str, Any], key: str) -> str:
    """A template with its variables and spintax resolved; `key` decides, together with the seed, what spintax says.

    A variable that the lead lacks leaves a hole, as it does in the API's mails.
    """

    def resolve(place: re.Match[str]) -> str:
        name, *options = [part.strip() for part in place.group(1).split("|")]
        if name == "RANDOM" and options:
            return options[int(world.chance("spintax", key, place.start()) * len(options))]
        found = values.get(name)
        return (options[0] if options else "") if found is None else str(found)

    domain = str(values.get("sendingAccountEmail", "")).rpartition("@")[2]
    return _PLACE.sub(resolve, template).replace("{unsubscribe_link}", f"https://{domain}/unsubscribe")


def variables(lead: Record, account: Record) -> dict[str, Any]:
    """What a template may name, for this lead and this sender."""
    return {
        **lead.get("payload", {}),
        "email": lead.get("email"),
        "accountSignature": account.get("signature"),
        "sendingAccountEmail": account["email"],
        "sendingAccountName": f"{account.get('first_name', '')} {account.get('last_name', '')}".strip(),
        "sendingAccountFirstName": account.get("first_name"),
        "sendingAccountLastName": account.get("last_name"),
    }


def plain_text(markup: str) -> str:
    """HTML as the text that a reader sees."""
    lines = html.unescape(_TAG.sub("", _BREAK.sub("\n", _PARAGRAPH.sub("\n\n", markup)))).splitlines()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.strip() for line in lines)).strip()


def wrapped(text: str) -> str:
    """Plain text as the HTML page in which the API sends it."""
    inner = html.escape(text, quote=False).replace("\n", "<br/>")
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body><div>{inner}</div></body></html>'


def address_parts(address: str, name: str = "") -> Record:
    return {"address": address, "name": name}


def new_thread(world: World, key: str) -> str:
    """A thread's id; it follows from `key`."""
    return "31-" + "".join(_DIGITS[int(world.chance("thread", key, place) * len(_DIGITS))] for place in range(22))


def is_plain(campaign: Record, step: str, subsequence_id: str | None = None) -> bool:
    """Whether a campaign sends this step as text alone, in which nothing can be tracked."""
    first = step.startswith("0_0_") and subsequence_id is None
    return bool(campaign.get("text_only") or (first and campaign.get("first_email_text_only")))


def add_email(
    world: World, *, ue_type: int, sender: str, to: str, subject: str, markup: str, eaccount: str, **more: Any
) -> Record:
    """Put an email into the Unibox. `more` are further fields of the record; those that are None stay out."""
    text = plain_text(markup)
    at = more.pop("timestamp_created", None) or world.stamp()
    identity = more.pop("id", None) or world.uuid7()
    record: Record = {
        "id": identity,
        "timestamp_created": at,
        "timestamp_email": at,
        "message_id": f"<{identity.replace('-', '')}@{sender.rpartition('@')[2]}>",
        "subject": subject,
        "from_address_email": sender,
        "to_address_email_list": to,
        "body": {"text": text, "html": markup},
        "organization_id": world.workspace["id"],
        "eaccount": eaccount,
        "ue_type": ue_type,
        "content_preview": re.sub(r"\s+", " ", text)[:PREVIEW],
        "from_address_json": [address_parts(sender)],
        "to_address_json": [address_parts(address) for address in to.split(",")],
        **_copies(more.get("cc_address_email_list")),
        "thread_id": more.pop("thread_id", None) or new_thread(world, identity),
        **{field: value for field, value in more.items() if value is not None},
    }
    return world.emails.add(record)


def _copies(addresses: str | None) -> Record:
    named = [address.strip() for address in (addresses or "").split(",") if address.strip()]
    return {"cc_address_json": [address_parts(address) for address in named]} if named else {}


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
    """Send one step's email to a lead: a new thread, or the one begun with it when the step has no subject."""
    values = variables(lead, account)
    key = f"{lead['email']}|{step}"
    campaign = world.campaigns.get(lead["campaign"]) or {}
    subject = fill_template(world, variant["subject"], values, key + "|subject").strip()
    if not subject and lead.get("_thread") and lead.get("_sender") == account["email"]:
        thread_id = lead["_thread"]
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
        thread_id=thread_id,
        is_unread=0,
        is_auto_reply=0,
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
    **more: Any,
) -> Record:
    """A lead's answer to an email of ours, as it arrives in the Unibox: unread, in the same thread."""
    asked = to["subject"]
    return add_email(
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
