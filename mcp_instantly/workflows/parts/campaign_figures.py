"""What campaigns have reached: states in words, rates with their denominators, and what is wrong by them."""

from __future__ import annotations

from typing import Any

from mcp_instantly.text import shorten
from mcp_instantly.workflows.parts.partial import share

Record = dict[str, Any]

STATES = {
    0: "draft",
    1: "active",
    2: "paused",
    3: "completed",
    4: "running subsequences",
    -1: "accounts unhealthy",
    -2: "bounce protect",
    -99: "account suspended",
}
"""Numbers of a campaign's status, in words."""

STOPPED = {
    -1: "stopped: none of its senders can send",
    -2: "stopped: too many emails bounced",
    -99: "stopped: the account is suspended",
}
"""States in which a problem has stopped a campaign."""

SMALL_SAMPLE = 100
"""People contacted below which rates say little."""

HIGH_BOUNCE_RATE = 0.03
FEWEST_BOUNCES = 3
"""From so many bounces on, and above this share of the people contacted, a campaign harms its senders."""


def state(status: Any) -> str:
    return STATES.get(status, f"status {status}") if isinstance(status, int) else "status unknown"


def named(campaign: Record) -> Record:
    """A campaign by its id, name and state in words."""
    name = shorten(str(campaign.get("name")), 60)
    return {"id": campaign.get("id"), "name": name, "status": state(campaign.get("status"))}


def count(row: Record, name: str) -> int:
    """A figure of the analytics, 0 where it is missing."""
    value = row.get(name)
    return int(value) if isinstance(value, (int, float)) else 0


def is_empty(row: Record) -> bool:
    """Whether nothing was sent, and nothing came back."""
    return not any(
        count(row, name) for name in ("contacted_count", "emails_sent_count", "reply_count", "bounced_count")
    )


def rates(row: Record, *, opens: bool, clicks: bool) -> Record:
    """The figures of a campaign over the people contacted; opens and clicks where they are tracked."""
    contacted = count(row, "contacted_count")
    found: Record = {
        "contacted": contacted,
        "emails_sent": count(row, "emails_sent_count"),
        "replied": share(count(row, "reply_count_unique"), contacted),
        "automatic_replies": count(row, "reply_count_automatic_unique"),
        "bounced": share(count(row, "bounced_count"), contacted),
        "unsubscribed": share(count(row, "unsubscribed_count"), contacted),
        "opportunities": count(row, "total_opportunities"),
        "opened": share(count(row, "open_count_unique"), contacted) if opens else "not tracked",
        "clicked": share(count(row, "link_click_count_unique"), contacted) if clicks else "not tracked",
    }
    if contacted < SMALL_SAMPLE:
        found["small_sample"] = True
    return found


def high_bounces(row: Record) -> str | None:
    """How many people could not be reached, where that is too many; None otherwise."""
    bounced, contacted = count(row, "bounced_count"), count(row, "contacted_count")
    if bounced < FEWEST_BOUNCES or bounced <= HIGH_BOUNCE_RATE * contacted:
        return None
    small = ", a small sample" if contacted < SMALL_SAMPLE else ""
    return f"bounced {share(bounced, contacted)}{small}"
