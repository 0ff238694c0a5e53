"""Leads are taken home into a file, a row each."""

from __future__ import annotations

from typing import Any

from mcp_instantly.jobs import exporting
from mcp_instantly.jobs.desk import Desk, Planner, Position, Turn
from mcp_instantly.jobs.exporting import is_outdated as is_outdated
from mcp_instantly.jobs.job import Plan

LISTING = exporting.Listing(
    "list_leads",
    (
        "id", "email", "first_name", "last_name", "company_name", "company_domain", "job_title", "phone", "website",
        "personalization", "status", "verification_status", "lt_interest_status", "pl_value_lead",
        "email_open_count", "email_reply_count", "email_click_count",
        "campaign", "list_id", "subsequence_id", "assigned_to", "esp_code", "esg_code", "upload_method",
        "timestamp_created", "timestamp_updated", "timestamp_last_contact", "timestamp_last_open",
        "timestamp_last_reply", "timestamp_last_click", "timestamp_last_interest_change", "payload",
    ),
)  # fmt: skip


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    return await exporting.plan(planner, arguments, LISTING)


async def run(desk: Desk, position: Position) -> Turn:
    return await exporting.run(desk, position, LISTING)
