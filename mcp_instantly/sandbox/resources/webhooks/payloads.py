"""What a webhook is told: the names of events, and what stands in their payloads."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.sending.emails import snippet, text_of
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ALL = "all_events"
EVENTS = {
    ALL: "All events",
    "email_sent": "Email sent",
    "email_opened": "Email opened",
    "email_link_clicked": "Link clicked",
    "reply_received": "Reply received",
    "email_bounced": "Email bounced",
    "lead_unsubscribed": "Lead unsubscribed",
    "campaign_completed": "Campaign completed",
    "account_error": "Account error",
    "lead_neutral": "Lead neutral",
    "lead_interested": "Lead interested",
    "lead_not_interested": "Lead not interested",
    "lead_meeting_booked": "Meeting booked",
    "lead_meeting_completed": "Meeting completed",
    "lead_closed": "Lead closed",
    "lead_out_of_office": "Lead out of office",
    "lead_wrong_person": "Lead wrong person",
    "lead_no_show": "Lead no show",
    "supersearch_enrichment_completed": "SuperSearch enrichment completed",
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


def interest_event(world: World, value: float | None) -> str | None:
    """The name under which a new interest status is told, or None where it is not told."""
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
    """The payload of an event: what happened, to whom, in which campaign; the lead's fields lie flat among it."""
    lead, email = facts.get("lead") or {}, facts.get("email") or {}
    account = (facts.get("account") or {}).get("email") or email.get("eaccount")
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
        "email_account": account,
        **_about_email(email),
    }
    own = {name: value for name, value in lead.get("payload", {}).items() if name not in payload}
    return {name: value for name, value in {**payload, **own}.items() if value is not None}


def _about_email(email: Record) -> dict[str, Any]:
    if not email:
        return {}
    found: dict[str, Any] = {"email_id": email["id"]}
    if "step" in email:
        # Payloads count steps and variants from 1, unlike the e-mails themselves.
        _, step, variant = email["step"].split("_")
        found.update(step=int(step) + 1, variant=int(variant) + 1, is_first=step == "0")
    said = {"subject": email["subject"], "text": text_of(email), "html": email["body"].get("html", "")}
    kind = "reply" if email["ue_type"] == 2 else "email"
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
        "firstName": "Test",
        "lastName": "Lead",
    }
