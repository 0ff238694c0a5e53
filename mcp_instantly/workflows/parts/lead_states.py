"""What the numbers in the fields of leads mean, in words."""

from __future__ import annotations

LABELS: dict[str, dict[int | None, str]] = {
    "status": {
        0: "not in a campaign",
        1: "active",
        2: "paused",
        3: "completed",
        -1: "bounced",
        -2: "unsubscribed",
        -3: "skipped",
    },
    "lt_interest_status": {
        0: "out of office",
        1: "interested",
        2: "meeting booked",
        3: "meeting completed",
        4: "won",
        -1: "not interested",
        -2: "wrong person",
        -3: "lost",
        -4: "no show",
        None: "not set",
    },
    "verification_status": {
        1: "verified",
        11: "pending",
        12: "pending",
        -1: "invalid",
        -2: "risky",
        -3: "catch-all",
        -4: "job change",
        None: "not verified",
    },
}
"""By field."""
