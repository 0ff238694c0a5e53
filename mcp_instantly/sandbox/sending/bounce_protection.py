"""Bounce protection: a campaign of whose recent emails too many came back stops, until somebody starts it again."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.sending.emails import find_any
from mcp_instantly.sandbox.sending.flows import ACTIVE, BOUNCE_PROTECT
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

RECENT = 100
"""How many of a campaign's last emails count."""

MIN_SAMPLE = 40
"""Emails that must have been sent before bounces say anything."""

MAX_BOUNCE_RATE = 0.08
"""The part of the recent emails that may come back. People of the sandbox send two in a hundred back, so that chance
alone hardly ever stops a campaign."""

GRACE = dt.timedelta(days=7)
"""How long a campaign is left alone that was started again after it had been stopped."""


def note_email(campaign: Record, email: Record) -> None:
    recent = campaign.setdefault("_recent", [])
    recent.append(email["id"])
    del recent[:-RECENT]


def note_bounce(world: World, campaign: Record) -> None:
    """An email has come back: stop the campaign if that were too many."""
    if campaign.get("status") != ACTIVE or campaign.get("disable_bounce_protect"):
        return
    if world.stamp() < campaign.get("_spared_until", ""):
        return
    recent = campaign.get("_recent", ())
    bounced = sum("_bounced" in (find_any(world, email_id) or {}) for email_id in recent)
    if len(recent) >= MIN_SAMPLE and bounced > MAX_BOUNCE_RATE * len(recent):
        at = world.stamp()
        world.campaigns.change(
            campaign, status=BOUNCE_PROTECT, not_sending_status=None, timestamp_updated=at, _stopped_at=at
        )
        about = {"name": campaign["name"], "reason": "bounce protection"}
        audit.note(world, audit.CAMPAIGN_PAUSE, campaign_id=campaign["id"], audit_metadata=about)


def reset_protection(world: World, campaign: Record) -> None:
    """A campaign that had been stopped runs again: what bounced before counts no longer."""
    if campaign["status"] == ACTIVE and "_stopped_at" in campaign:
        spared = stamp(world.now() + GRACE)
        world.campaigns.change(campaign, _stopped_at=None, _recent=None, _spared_until=spared)
