"""What is wrong with a sending account, by its own record and by its warmup."""

from __future__ import annotations

from typing import Any

from mcp_instantly.text import shorten

Record = dict[str, Any]

ABLE = 1

STATUSES = {
    2: "paused",
    3: "in maintenance, which ends by itself",
    -1: "connection error",
    -2: "soft bounce error",
    -3: "sending error",
}
"""Numbers of accounts that cannot send, in words."""

WARMUPS = {-1: "warmup banned", -2: "warmup's spam folder unknown", -3: "warmup suspended for good"}

LOW_SCORE = 80
"""Warmup score, of 100, below which email is likely to land in spam."""

RECENT_DAYS = 3
FALL_POINTS = 10.0
FEWEST_EMAILS = 20
"""Warmup falls when its share in the inbox, in the last days, is so many points lower than before; each of the two
spans must have so many emails."""

PLACES = ("landed_inbox", "landed_spam")
"""Figures of a day's warmup, of whose types the document says nothing."""


def why_not_sending(account: Record) -> str | None:
    """Why an account cannot send, in words; None for one that can."""
    status = account.get("status")
    if status == ABLE:
        return "still being set up" if account.get("setup_pending") else None
    words = STATUSES.get(status, f"status {status}") if isinstance(status, int) else f"status {status}"
    told = account.get("status_message")
    said = (told.get("e_message") or told.get("response")) if isinstance(told, dict) else told
    return f"{words}: {shorten(str(said), 80)}" if said and status not in (2, 3) else words


def weaknesses(account: Record) -> list[str]:
    """What is wrong with the warmup of an account, by its record."""
    found = []
    warmup = account.get("warmup_status")
    if isinstance(warmup, int) and warmup < 0:
        found.append(WARMUPS.get(warmup, f"warmup status {warmup}"))
    score = account.get("stat_warmup_score")
    if isinstance(score, (int, float)) and score < LOW_SCORE:
        found.append(f"warmup score {score:g} of 100")
    return found


def fall(days: Any) -> str | None:
    """How the warmup of an account falls, from its figures by day; None where it does not, or too little is known."""
    if not isinstance(days, dict):
        return None
    rows = [row for _, row in sorted(days.items()) if isinstance(row, dict)]
    if not all(isinstance(row.get(name) or 0, (int, float)) for row in rows for name in PLACES):
        return None
    before, after = _inbox_share(rows[:-RECENT_DAYS]), _inbox_share(rows[-RECENT_DAYS:])
    if before is None or after is None or before - after < FALL_POINTS:
        return None
    return f"warmup in the inbox fell from {before:.0f}% to {after:.0f}% in the last {RECENT_DAYS} days"


def _inbox_share(rows: list[Record]) -> float | None:
    inbox, spam = (sum(row.get(name) or 0 for row in rows) for name in PLACES)
    total = inbox + spam
    return 100 * inbox / total if total >= FEWEST_EMAILS else None
