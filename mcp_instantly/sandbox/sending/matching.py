"""Who may write to whom: the mail providers of recipients and senders, and what a campaign says about them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.state.table import Record

GOOGLE, OUTLOOK, OTHER = "google", "outlook", "other"
PROVIDERS = (GOOGLE, OUTLOOK, OTHER)

Routes = dict[str, tuple[str, ...]]
"""The providers of recipients that each sender, by its address, may write to."""


def provider_of_lead(lead: Record) -> str:
    return {1: GOOGLE, 2: OUTLOOK}.get(lead.get("esp_code", 0), OTHER)


def provider_of_account(account: Record) -> str:
    return {2: GOOGLE, 3: OUTLOOK}.get(account.get("provider_code", 0), OTHER)


def is_routed(campaign: Record) -> bool:
    return bool(campaign.get("match_lead_esp") or campaign.get("provider_routing_rules"))


def routes_of(campaign: Record, senders: Iterable[Record]) -> Routes:
    """Rules come first; among those whom they leave, matching prefers a lead's own provider where it is there."""
    senders = list(senders)
    if not is_routed(campaign):
        return {account["email"]: PROVIDERS for account in senders}
    found: dict[str, list[str]] = {account["email"]: [] for account in senders}
    for recipient in PROVIDERS:
        able = [account for account in senders if _allowed(campaign, recipient, provider_of_account(account))]
        if campaign.get("match_lead_esp"):
            able = [account for account in able if provider_of_account(account) == recipient] or able
        for account in able:
            found[account["email"]].append(recipient)
    return {email: tuple(recipients) for email, recipients in found.items()}


def _allowed(campaign: Record, recipient: str, sender: str) -> bool:
    """No rule forbids it, and where rules say who sends to this provider, this sender is among them."""
    rules = [
        rule for rule in campaign.get("provider_routing_rules") or () if _names(rule.get("recipient_esp"), recipient)
    ]
    forbidden = any(rule.get("action") == "do_not_send" and _names(rule.get("sender_esp"), sender) for rule in rules)
    chosen = [rule for rule in rules if rule.get("action") == "send"]
    return not forbidden and (not chosen or any(_names(rule.get("sender_esp"), sender) for rule in chosen))


def _names(given: list[Any] | None, provider: str) -> bool:
    return bool(given) and ("all" in given or provider in given)
