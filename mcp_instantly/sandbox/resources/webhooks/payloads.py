"""What webhooks report: the names of events, and what is in their payloads."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.sending.emails import is_reply, snippet, text_of
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ALL = "all_events"
EVENTS = {
    ALL: "All Events",
    "email_sent": "Email Sent",
    "email_opened": "Email Opened",
    "email_link_clicked": "Email Link Clicked",
    "reply_received": "Reply Received",
    "email_bounced": "Email Bounced",
    "lead_unsubscribed": "Lead Unsubscribed",
    "campaign_completed": "Campaign Completed",
    "account_error": "Account Error",
    "lead_neutral": "Lead status changed to 'Neutral'",
    "lead_interested": "Lead status changed to 'Interested'",
    "lead_not_interested": "Lead status changed to 'Not Interested'",
    "lead_meeting_booked": "Lead status changed to 'Meeting Booked'",
    "lead_meeting_completed": "Lead status changed to 'Meeting Completed'",
    "lead_closed": "Lead status changed to 'Closed'",
    "lead_out_of_office": "Lead status changed to 'Out of Office'",
    "lead_wrong_person": "Lead status changed to 'Wrong Person'",
    "lead_no_show": "Lead status changed to 'No Show'",
    "supersearch_enrichment_completed": "SuperSearch Enrichment Completed",
}
"""What can be subscribed to."""

INTEREST_STATUSES: dict[float | None, str] = {
    None: "lead_neutral",
    0: "lead_out_of_office",
    1: "lead_interested",
    2: "lead_meeting_booked",
    3: "lead_meeting_completed",
    4: "lead_closed",
    -1: "lead_not_interested",
    -2: "lead_wrong_person",
    -4: "lead_no_show",
}
"""The event of each interest status that has one; those of own labels are called like the label."""

AS_SUBSCRIBED = {"auto_reply_received": "reply_received"}
"""Events that come under another subscription."""

AS_SENT = {"email_link_clicked": "link_clicked"}
"""Events that payloads call otherwise than subscriptions do."""

UNIBOX = "https://app.instantly.ai/app/unibox"

NOT_KNOWN: dict[str, str | None] = {
    **dict.fromkeys(("firstName", "lastName", "companyName", "website", "personalization"), ""),
    "phone": None,
}
"""What payloads say where a core field of a lead is empty."""


def interest_event(world: World, value: float | None) -> str | None:
    """The name under which a new interest status is reported, or None where it is not reported."""
    if value in INTEREST_STATUSES:
        return INTEREST_STATUSES[value]
    return next((label["label"] for label in world.lead_labels if label["interest_status"] == value), None)


def is_wanted(webhook: Record, event: str, facts: dict[str, Any]) -> bool:
    """Whether a webhook has asked for this event."""
    campaign = webhook.get("campaign")
    if campaign is not None and campaign != campaign_of(facts):
        return False
    wanted = webhook.get("event_type")
    if wanted is None or "custom_interest_value" in webhook:
        value = webhook.get("custom_interest_value")
        if value is not None and value == facts.get("interest"):
            return True
    return wanted in (ALL, AS_SUBSCRIBED.get(event, event)) if wanted else False


def campaign_of(facts: dict[str, Any]) -> str | None:
    campaign, lead, email = (facts.get(name) or {} for name in ("campaign", "lead", "email"))
    return campaign.get("id") or email.get("campaign_id") or lead.get("campaign")


def build_payload(world: World, event: str, facts: dict[str, Any]) -> dict[str, Any]:
    """The payload of an event: what happened, to whom, in which campaign; the lead's fields lie flat among it.

    A change of interest comes with the lead's last reply, if there is one, but without the account.
    """
    lead, email = facts.get("lead") or {}, facts.get("email") or {}
    campaign_id = campaign_of(facts)
    campaign = world.campaigns.get(campaign_id or "") or {}
    payload: dict[str, Any] = {
        "timestamp": world.stamp(),
        "event_type": AS_SENT.get(event, event),
        "workspace": world.workspace["id"],
        "campaign_id": campaign_id,
        "campaign_name": campaign.get("name"),
        "list_id": facts.get("list_id"),
        "lead_email": lead.get("email") or email.get("lead"),
    }
    if "interest" in facts:
        payload.update(_said(email or last_reply(world, lead)))
    else:
        payload["email_account"] = (facts.get("account") or {}).get("email") or email.get("eaccount")
        payload["email_id"] = email.get("id")
        payload.update(_said(email))
        if "step" in email:
            payload["is_first"] = facts.get("is_first")
    known = {name: value for name, value in payload.items() if value is not None}
    if not lead:
        return known
    return {**_fields_of(lead), **known, "unibox_url": _unibox_url(world, lead, event)}


def last_reply(world: World, lead: Record) -> Record:
    """The last email that a lead has written; an empty record for none."""
    received = [email for email in world.emails.where(lead_id=lead.get("id", "")) if is_reply(email)]
    return max(received, key=lambda email: (email["timestamp_created"], email["id"]), default={})


def _fields_of(lead: Record) -> dict[str, Any]:
    """What is known of a lead, as its payload has it; the core fields are there in any case."""
    known = {name: value for name, value in lead.get("payload", {}).items() if value is not None}
    return {**NOT_KNOWN, "email": lead.get("email"), **known}


def _unibox_url(world: World, lead: Record, event: str) -> str | None:
    """Where the web app shows a reply; null for other events."""
    if AS_SUBSCRIBED.get(event, event) != "reply_received":
        return None
    return f"{UNIBOX}?thread_search={lead.get('email')}&selected_wks={world.workspace['id']}"


def _said(email: Record) -> dict[str, Any]:
    """Step and text of an email; nothing for an empty record."""
    if not email:
        return {}
    found: dict[str, Any] = {}
    if "step" in email:
        # Payloads count steps and variants from 1, unlike the emails themselves and the leads.
        _, step, variant = email["step"].split("_")
        found.update(step=int(step) + 1, variant=int(variant) + 1)
    kind = "reply" if is_reply(email) else "email"
    said = {"subject": email["subject"], "text": text_of(email), "html": email["body"].get("html", "")}
    found.update({f"{kind}_{name}": value for name, value in said.items()})
    if kind == "reply":
        found["reply_text_snippet"] = snippet(email)
    return found


def sample_payload(world: World, webhook: Record) -> dict[str, Any]:
    """A made-up event of the webhook's kind."""
    wanted = webhook.get("event_type") or interest_event(world, webhook.get("custom_interest_value"))
    event = "email_sent" if wanted in (None, ALL) else wanted
    return {
        "timestamp": world.stamp(),
        "event_type": AS_SENT.get(event, event),
        "workspace": world.workspace["id"],
        "campaign_id": webhook.get("campaign") or "00000000-0000-4000-8000-000000000000",
        "campaign_name": "Test campaign",
        "lead_email": "lead@sample.example",
        "email_account": "sender@sample.example",
        "step": 1,
        "variant": 1,
        "is_first": True,
        "unibox_url": None,
        **NOT_KNOWN,
        "email": "lead@sample.example",
        "firstName": "Test",
        "lastName": "Lead",
    }
