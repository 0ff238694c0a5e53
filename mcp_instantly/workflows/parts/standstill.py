"""Why a campaign sends nothing and never will by itself: by its own settings, and by its sending status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import shorten
from mcp_instantly.workflows.parts.partial import share
from mcp_instantly.workflows.parts.sending_hours import has_ended

Record = dict[str, Any]

NO_LEADS = "waiting_for_leads"
NO_MATCH = "waiting_for_esp_match"
NEW_LEAD_LIMIT = "new_lead_limit_met"

PASSING = {
    "healthy",
    "out_of_schedule",
    "follow_up_delay_not_met",
    "daily_limit_met",
    "account_daily_limit_met",
    NEW_LEAD_LIMIT,
    "domain_limit_reached",
}
"""What an active campaign's sending status says while all is well: it sends again later. Where a schedule has ended, or
a limit is 0, later never comes."""

MAX_MESSAGE_CHARACTERS = 160


def settings_against(campaign: Record, now: dt.datetime) -> Iterator[str]:
    """The settings by which nothing is ever sent, whoever the leads are."""
    schedule = campaign.get("campaign_schedule") or {}
    if has_ended(schedule, now):
        yield (
            f"its schedule ended on {str(schedule.get('end_date'))[:10]}: give campaign_schedule a later end_date, or "
            "none, with update_campaign"
        )
    if campaign.get("daily_limit") == 0:
        yield "its daily_limit is 0, so it sends nothing: give a higher one with update_campaign"


def new_leads_against(campaign: Record, new: int, leads: int) -> str | None:
    """Why the leads who had no email yet, so many of all, never get one; None where nothing is against it."""
    if campaign.get("daily_max_leads") != 0:
        return None
    return (
        f"{share(new, leads)} leads are new and never written to, as daily_max_leads is 0: give a higher one, or clear "
        "it, with update_campaign"
    )


def status_against(answer: Any) -> tuple[str, str]:
    """The status by which an active campaign does not send, and what the API says of it; empty while all is well.

    `answer` is that of get_campaign_sending_status.
    """
    status = _status(answer)
    if status in PASSING or not status:
        return "", ""
    summary = answer.get("summary") or {}
    return status, shorten(str(summary.get("status_message") or ""), MAX_MESSAGE_CHARACTERS)


def may_pass(answer: Any) -> bool:
    """Whether leads may wait for nothing but a sender that is at its limit today, as the same answer tells."""
    if _status(answer) != NO_MATCH:
        return False
    unavailable = ((answer.get("diagnostics") or {}).get("accounts_summary") or {}).get("unavailable") or {}
    return any(unavailable.get(limit) for limit in ("daily_limit_hit", "slow_ramp_limit_hit"))


def writes_to_nobody_new(campaign: Record, answer: Any) -> bool:
    """Whether the limit of new leads that stops a campaign, by the same answer, is 0: so it is tomorrow, too."""
    return _status(answer) == NEW_LEAD_LIMIT and campaign.get("daily_max_leads") == 0


def _status(answer: Any) -> str:
    told = answer if isinstance(answer, dict) else {}
    return str((told.get("diagnostics") or {}).get("status") or (told.get("summary") or {}).get("status") or "")
