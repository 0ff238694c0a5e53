"""What an answer leaves unsaid: numbers without words, figures that are missing, settings that were left open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import name_some
from mcp_instantly.tools.operation import Operation

NOT_SENDING = {
    1: "outside its schedule",
    2: "no leads to send to",
    3: "its daily limit is reached",
    4: "the daily limits of its senders are reached",
    99: "an error",
}
"""Values of a campaign's not_sending_status, in words."""

LEFT_TO_INSTANTLY = (
    "stop_on_reply",
    "stop_on_auto_reply",
    "open_tracking",
    "link_tracking",
    "daily_limit",
    "daily_max_leads",
    "email_gap",
    "allow_risky_contacts",
)
"""Settings of a campaign that matter and may be left out."""


def unsaid(operation: Operation, sent: dict[str, Any], payload: Any) -> Iterator[str]:
    """A sentence for each thing that somebody who reads the answer would have to find out by trial."""
    if operation.name == "get_campaign_analytics":
        yield from _no_figures(sent, payload)
    if not isinstance(payload, dict):
        return
    if operation.name in ("get_campaign", "list_campaigns"):
        yield from _not_sending(payload)
    elif operation.name == "list_emails":
        yield from _previews(sent, payload)
    elif operation.name == "list_custom_tag_mappings":
        yield from _no_mappings(sent, payload)
    elif operation.name == "create_campaign":
        yield from _undecided(sent)
    elif operation.name == "create_dfy_order":
        yield from _quote(payload)


def _no_figures(sent: dict[str, Any], payload: Any) -> Iterator[str]:
    """Campaigns that were asked about and have no row in the answer."""
    if not isinstance(payload, list):
        return
    ids = sent.get("ids")
    asked = {str(one) for one in [*(ids if isinstance(ids, list) else ()), sent.get("id")] if one}
    missing = sorted(asked - {str(row.get("campaign_id")) for row in payload if isinstance(row, dict)})
    if missing:
        yield f"No figures for {name_some(missing)}: sent nothing in this time, or not of this workspace."


def _not_sending(payload: dict[str, Any]) -> Iterator[str]:
    """Why campaigns do not send at the moment, in words."""
    items = payload.get("items")
    records = items if isinstance(items, list) else [payload]
    for number in dict.fromkeys(one.get("not_sending_status") for one in records if isinstance(one, dict)):
        if isinstance(number, int) and number in NOT_SENDING:
            yield f"not_sending_status {number}: {NOT_SENDING[number]}."


def _previews(sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    if sent.get("preview_only") and payload.get("items"):
        yield (
            "preview_only leaves the texts out. content_preview is only their beginning, cut without a mark: read the "
            "text itself (get_email, or without preview_only) before acting on it."
        )


def _no_mappings(sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    if payload.get("items") == [] and "resource_ids" not in sent:
        yield "Empty: no tag is attached to anything, or Instantly wants resource_ids to be given."


def _undecided(sent: dict[str, Any]) -> Iterator[str]:
    """What a new campaign was not told, and needs or will have somehow."""
    needed = [] if sent.get("email_list") or sent.get("email_tag_list") else ["email_list"]
    needed += [] if sent.get("sequences") else ["sequences"]
    if needed:
        yield f"Not given, and needed before activate_campaign: {', '.join(needed)}."
    left = [name for name in LEFT_TO_INSTANTLY if sent.get(name) is None]
    if left:
        yield f"Not given, so Instantly decides, without a documented default; switches may be off: {', '.join(left)}."


def _quote(payload: dict[str, Any]) -> Iterator[str]:
    if payload.get("simulation") is True and payload.get("order_placed") is False:
        yield "A quote: nothing was ordered."
