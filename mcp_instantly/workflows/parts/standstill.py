"""Why a campaign sends nothing and never will by itself: by its own settings, and by its sending status."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from mcp_instantly.text import shorten
from mcp_instantly.workflows.parts.partial import share
from mcp_instantly.workflows.parts.sending_hours import has_ended

Record = dict[str, Any]

PASSING = {
    "healthy",
    "out_of_schedule",
    "follow_up_delay_not_met",
    "daily_limit_met",
    "account_daily_limit_met",
    "new_lead_limit_met",
}
"""What an active campaign's sending status says while all is well: it sends again later. Where a schedule has ended, or
a limit is 0, later never comes."""

NO_LEADS = "waiting_for_leads"

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


def status_against(campaign: Record, answer: Any) -> tuple[str, str]:
    """The status by which an active campaign does not send, and what the API says of it; empty while all is well.

    `answer` is that of get_campaign_sending_status.
    """
    told = answer if isinstance(answer, dict) else {}
    summary = told.get("summary") or {}
    status = str((told.get("diagnostics") or {}).get("status") or summary.get("status") or "")
    starved = status == "new_lead_limit_met" and campaign.get("daily_max_leads") == 0
    if status in PASSING and not starved:
        return "", ""
    return status, shorten(str(summary.get("status_message") or ""), MAX_MESSAGE_CHARACTERS)
