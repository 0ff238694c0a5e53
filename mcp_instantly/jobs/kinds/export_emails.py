"""Emails are taken home into a file, a row each."""

from __future__ import annotations

from typing import Any

from mcp_instantly.jobs import exporting
from mcp_instantly.jobs.desk import Desk, Planner, Position, Turn
from mcp_instantly.jobs.exporting import is_outdated as is_outdated
from mcp_instantly.jobs.job import Plan

LISTING = exporting.Listing(
    "list_emails",
    (
        "id", "thread_id", "timestamp_email", "timestamp_created", "subject", "from_address_email",
        "to_address_email_list", "cc_address_email_list", "bcc_address_email_list", "reply_to", "eaccount",
        "lead", "lead_id", "campaign_id", "subsequence_id", "list_id", "ue_type", "step", "is_unread",
        "is_auto_reply", "i_status", "ai_interest_value", "content_preview", "body.text",
    ),
)  # fmt: skip


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    return await exporting.plan(planner, arguments, LISTING)


async def run(desk: Desk, position: Position) -> Turn:
    return await exporting.run(desk, position, LISTING)
