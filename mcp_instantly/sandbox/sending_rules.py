"""The rules by which a campaign holds letters back: its senders' ramps, providers, companies, and too many bounces."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from mcp_instantly.sandbox import audit_logs
from mcp_instantly.sandbox.flows import PROTECTED, Flow
from mcp_instantly.sandbox.table import Record
from mcp_instantly.sandbox.timetable import day_of
from mcp_instantly.sandbox.world import World

DAILY_LIMIT = 50
"""Letters per day of a sender that sets no limit."""

RAMP = 2
"""Letters that a sender with slow ramp sends on its first day, and by which every later day may have more."""

PROTECT_AFTER, BOUNCES_ALLOWED = 100, 0.05
"""Letters since its activation after which a campaign's bounces are looked at, and the share of them that is borne."""

GOOGLE, OUTLOOK, OTHER = "google", "outlook", "other"
RECIPIENTS = {1: GOOGLE, 2: OUTLOOK}
"""Families of providers, by esp_code of leads."""

SENDERS = {2: GOOGLE, 3: OUTLOOK}
"""The same, by provider_code of accounts."""

BUCKET = "to "
"""What the names of lines begin with in which leads of one family wait, such as "to google"."""

# how much a sender may send


def limit_of_sender(account: Record, day: str) -> float:
    """How many letters a sender may send on this day."""
    limit = account.get("daily_limit")
    return min(DAILY_LIMIT if limit is None else limit, ramp_of(account, day))


def ramp_of(account: Record, day: str) -> float:
    """What slow ramp allows a sender on this day; infinity without it."""
    if not account.get("enable_slow_ramp"):
        return float("inf")
    begun = dt.date.fromisoformat(account.get("_ramp") or day)
    return RAMP * (1 + max((dt.date.fromisoformat(day) - begun).days, 0))


def note_ramp(account: Record, day: str) -> None:
    """A ramp begins with the first letter after it was switched on."""
    if not account.get("enable_slow_ramp"):
        account.pop("_ramp", None)
    else:
        account.setdefault("_ramp", day)


# which sender may write to whom


def routes(campaign: Record) -> bool:
    """Whether it matters which sender writes to whom."""
    return bool(campaign.get("match_lead_esp") or campaign.get("provider_routing_rules"))


def family_of_lead(lead: Record) -> str:
    return RECIPIENTS.get(lead.get("esp_code", 0), OTHER)


def family_of_sender(account: Record) -> str:
    return SENDERS.get(account.get("provider_code", 0), OTHER)


def may_serve(campaign: Record, sender: str, recipient: str, senders: set[str]) -> bool:
    """Whether a sender of one family may write to a recipient of another; `senders` are the families there are.

    A rule that forbids a pair holds. Where rules name senders for a recipient, only those may write to it. Matching
    keeps recipients to senders of their own family where there is one.
    """
    rules = campaign.get("provider_routing_rules") or []
    about = [rule for rule in rules if {"all", recipient} & set(rule["recipient_esp"])]
    named = [rule for rule in about if {"all", sender} & set(rule["sender_esp"])]
    if any(rule["action"] == "do_not_send" for rule in named):
        return False
    if any(rule["action"] == "send" for rule in about):
        return any(rule["action"] == "send" for rule in named)
    return not (campaign.get("match_lead_esp") and recipient in senders) or sender == recipient


def has_server(campaign: Record, lead: Record, senders: Iterable[Record]) -> bool:
    """Whether any of these senders may write to a lead that nobody has written to yet."""
    families = {family_of_sender(account) for account in senders}
    return any(may_serve(campaign, family, family_of_lead(lead), families) for family in families)


# how much a company gets


def company_is_full(world: World, flow: Flow, lead: Record) -> bool:
    """Whether a lead's company has had as many letters today as the campaign allows."""
    rule = _company_rule(flow.campaign)
    return rule is not None and _company_counts(world, flow).get(lead["company_domain"], 0) >= rule["daily_limit"]


def count_company(world: World, flow: Flow, lead: Record) -> None:
    """Count a letter to a company, for its campaign and for the whole workspace."""
    for record, day in _company_places(world, flow):
        at, counts = record.get("_companies") or ("", {})
        counts = counts if at == day else {}
        counts[lead["company_domain"]] = counts.get(lead["company_domain"], 0) + 1
        record["_companies"] = [day, counts]


def companies_at_limit(world: World, flow: Flow) -> int | None:
    """How many companies get no more today; None where there is no such limit."""
    rule = _company_rule(flow.campaign)
    if rule is None:
        return None
    return sum(count >= rule["daily_limit"] for count in _company_counts(world, flow).values())


def _company_rule(campaign: Record) -> Record | None:
    rule = campaign.get("limit_emails_per_company_override") or {}
    return rule if rule.get("mode") == "custom" and "daily_limit" in rule else None


def _company_counts(world: World, flow: Flow) -> dict[str, int]:
    rule = _company_rule(flow.campaign) or {}
    record, day = _company_places(world, flow)[rule.get("scope") == "across_workspace"]
    at, counts = record.get("_companies") or ("", {})
    return counts if at == day else {}


def _company_places(world: World, flow: Flow) -> tuple[tuple[Record, str], tuple[Record, str]]:
    day = day_of(flow.schedule, world.now())
    return (flow.campaign, day), (world.workspace, day)


# too many bounces


def forget_bounces(campaign: Record) -> None:
    """A campaign that is activated again is given another chance."""
    campaign.pop("_sent_since", None)
    campaign.pop("_bounced_since", None)


def count_sent(campaign: Record) -> None:
    campaign["_sent_since"] = campaign.get("_sent_since", 0) + 1


def count_bounce(world: World, campaign: Record) -> None:
    """Count a bounce, and stop a campaign whose letters bounce too often."""
    campaign["_bounced_since"] = campaign.get("_bounced_since", 0) + 1
    sent, bounced = campaign.get("_sent_since", 0), campaign["_bounced_since"]
    if campaign["status"] != 1 or campaign.get("disable_bounce_protect"):
        return
    if sent >= PROTECT_AFTER and bounced > BOUNCES_ALLOWED * sent:
        world.campaigns.change(campaign, status=PROTECTED, timestamp_updated=world.stamp())
        audit_logs.note(
            world,
            audit_logs.CAMPAIGN_PAUSE,
            campaign_id=campaign["id"],
            audit_metadata={"name": campaign["name"], "reason": "bounce protection"},
        )
