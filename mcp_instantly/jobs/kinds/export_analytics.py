"""Figures are taken home into a file: of campaigns, their days and steps, or of sending accounts by day.

The API answers 31 days at most: a longer time is asked for in parts, of which each day belongs to one.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.api.paging import records_of
from mcp_instantly.errors import CallError
from mcp_instantly.jobs import exporting
from mcp_instantly.jobs.desk import Desk, Planner, Position, Turn
from mcp_instantly.jobs.exporting import is_outdated as is_outdated
from mcp_instantly.jobs.job import Plan

PART_DAYS = 30
DEFAULT_DAYS = 30

EARLIEST = dt.date(2015, 1, 1)
"""Before any figure, and so near that the parts of a time are few."""

DAYS_AHEAD = 366
"""For which the last day may lie behind today: until the end of a year, for instance."""

FIGURES = (
    "sent", "contacted", "new_leads_contacted", "opened", "unique_opened", "replies", "unique_replies",
    "replies_automatic", "unique_replies_automatic", "clicks", "unique_clicks",
)  # fmt: skip
OPERATIONS = {
    "campaigns": "get_campaign_analytics",
    "days": "get_daily_campaign_analytics",
    "steps": "get_campaign_steps_analytics",
    "account_days": "get_daily_account_analytics",
}
FIELDS = {
    "campaigns": (
        "campaign_id", "campaign_name", "campaign_status", "leads_count", "contacted_count", "emails_sent_count",
        "new_leads_contacted_count", "open_count", "open_count_unique", "reply_count", "reply_count_unique",
        "reply_count_automatic", "reply_count_automatic_unique", "link_click_count", "link_click_count_unique",
        "bounced_count", "unsubscribed_count", "completed_count", "total_opportunities", "total_opportunity_value",
    ),
    "days": ("campaign_id", "date", *FIGURES, "opportunities", "unique_opportunities"),
    "steps": ("campaign_id", "step", "variant", *FIGURES, "opportunities", "unique_opportunities"),
    "account_days": ("date", "email_account", "bounced", *FIGURES),
}  # fmt: skip

Part = tuple[str | None, dt.date, dt.date]
"""A campaign, or None for all, and the first and last day."""


async def plan(planner: Planner, arguments: dict[str, Any]) -> Plan:
    report = arguments["report"]
    planner.require(OPERATIONS[report])
    settled: dict[str, Any] = exporting.settle_target(arguments["file"], planner.folders)
    settled["columns"] = exporting.columns_of(FIELDS[report])
    settled |= _settle_days(arguments)
    if report == "account_days" and "campaign_ids" in arguments:
        raise CallError("Nothing was sent: figures of accounts are not by campaign; leave campaign_ids out.")
    parts = _parts(arguments, settled)
    facts = {"file": settled["file"], "from": settled["start"], "to": settled["end"]}
    return Plan(None, len(parts), 0, facts, settled)


def today() -> dt.date:
    """The day that it is in UTC."""
    return dt.datetime.now(dt.timezone.utc).date()


def _settle_days(arguments: dict[str, Any]) -> dict[str, str]:
    """The first and last day, so that a job that goes on tomorrow asks for the same ones. Raises CallError."""
    latest = today() + dt.timedelta(days=DAYS_AHEAD)
    given = {name: dt.date.fromisoformat(arguments[name]) for name in ("start_date", "end_date") if name in arguments}
    for name, day in given.items():
        if not EARLIEST <= day <= latest:
            raise CallError(f"Nothing was sent: {name} must lie between {EARLIEST} and {latest}, where figures are.")
    end = given.get("end_date", today())
    start = given.get("start_date", end - dt.timedelta(days=DEFAULT_DAYS - 1))
    if start > end:
        raise CallError("Nothing was sent: start_date is after end_date.")
    return {"start": start.isoformat(), "end": end.isoformat()}


def _parts(arguments: dict[str, Any], settled: dict[str, Any]) -> list[Part]:
    start, end = dt.date.fromisoformat(settled["start"]), dt.date.fromisoformat(settled["end"])
    campaigns: list[str | None] = list(arguments.get("campaign_ids") or [None])
    if arguments["report"] in ("campaigns", "steps"):
        return [(campaign, start, end) for campaign in campaigns]
    firsts = [start + dt.timedelta(days=place) for place in range(0, (end - start).days + 1, PART_DAYS)]
    last = dt.timedelta(days=PART_DAYS - 1)
    return [(campaign, first, min(first + last, end)) for campaign in campaigns for first in firsts]


async def run(desk: Desk, position: Position) -> Turn:
    if position.get("ended"):
        return await exporting.finish(desk, position)
    parts = _parts(desk.job.arguments, desk.job.settled)
    place = position.get("part", 0)
    records = await _records(desk, parts[place])
    rows = await exporting.append(desk, position, records)
    ends: Position = {"ended": True} if place + 1 == len(parts) else {"part": place + 1}
    return Turn({"rows": rows, **ends}, max(1, len(records)))


async def _records(desk: Desk, part: Part) -> list[dict[str, Any]]:
    campaign, first, last = part
    report = desk.job.arguments["report"]
    # Figures of campaigns end before their end_date, those of accounts with it.
    behind = last if report == "account_days" else last + dt.timedelta(days=1)
    days = {"start_date": first.isoformat(), "end_date": behind.isoformat()}
    named = {} if campaign is None else {"id" if report == "campaigns" else "campaign_id": campaign}
    found = records_of(await desk.call(OPERATIONS[report], **days, **named))
    # Some answers have a day more than was asked for, which would be there twice.
    within = [one for one in found if first.isoformat() <= (one.get("date") or f"{first}")[:10] <= last.isoformat()]
    return [{"campaign_id": campaign, **one} for one in within]
