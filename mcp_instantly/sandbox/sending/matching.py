"""Who may write to whom: senders of a campaign, blocked recipients, and the rules about mail providers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

CONNECTED = 1
"""The status of an account that can send."""

GOOGLE, OUTLOOK, OTHER = "google", "outlook", "other"
PROVIDERS = (GOOGLE, OUTLOOK, OTHER)

Routes = dict[str, tuple[str, ...]]
"""The providers of recipients that each sender, by its address, may write to."""


def provider_of_lead(lead: Record) -> str:
    return {1: GOOGLE, 2: OUTLOOK}.get(lead.get("esp_code") or lead.get("_esp_code") or 0, OTHER)


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
    return given is not None and ("all" in given or provider in given)


# senders and recipients


def can_send(account: Record) -> bool:
    """Whether it is connected, and set up if it was ordered."""
    return account["status"] == CONNECTED and not account.get("setup_pending")


def tag_ids(world: World, resource_id: str) -> list[str]:
    """The tags of an account (by its address) or of a campaign (by its id)."""
    return [mapping["tag_id"] for mapping in world.custom_tag_mappings.where(resource_id=resource_id)]


def sends_from(world: World, campaign: Record, email: str) -> bool:
    listed = email in (sender.lower() for sender in campaign.get("email_list", ()))
    return listed or bool(set(campaign.get("email_tag_list", ())) & set(tag_ids(world, email)))


def senders(world: World, campaign: Record) -> list[Record]:
    """The accounts that a campaign names, by address or by tag; addresses without an account are passed over."""
    emails = [sender.lower() for sender in campaign.get("email_list", ())]
    for tag_id in campaign.get("email_tag_list", ()):
        emails += [mapping["resource_id"] for mapping in world.custom_tag_mappings.where(tag_id=tag_id)]
    found = (world.accounts.get(email) for email in dict.fromkeys(emails))
    return [account for account in found if account]


def is_blocked(world: World, email: str) -> bool:
    """Whether an address or its domain stands in the block list."""
    return any(world.block_list.count(bl_value=value) for value in (email, email.rpartition("@")[2]))
