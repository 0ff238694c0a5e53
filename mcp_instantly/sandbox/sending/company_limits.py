"""How many emails people of one company get per day, where a campaign limits that."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.sending.flows import Flow
from mcp_instantly.sandbox.sending.sent_times import RETENTION, Instants, count_since, note_instant
from mcp_instantly.sandbox.sending.timetable import day_start, next_day
from mcp_instantly.sandbox.state import clock
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

# Emails are counted under two headings: on the campaign, by its own days, and on the workspace, by days in UTC,
# since the campaigns of a workspace need not agree on when a day begins.


def note_email(world: World, flow: Flow, lead: Record) -> None:
    company, now = lead.get("company_domain", ""), world.now()
    for holder in (flow.campaign, world.workspace):
        emails: dict[str, Instants] = holder.setdefault("_companies", {})
        # Who was written to last stands last, so those that can be forgotten stand first.
        emails[company] = emails.pop(company, [])
        note_instant(emails[company], now)
        while emails[first := next(iter(emails))][-1] < (now - RETENTION).timestamp():
            del emails[first]


def limit_of(campaign: Record) -> float | None:
    """Emails per company and day; None without a limit."""
    wanted = campaign.get("limit_emails_per_company_override") or {}
    return wanted.get("daily_limit") if wanted.get("mode") == "custom" else None


def next_allowed(world: World, flow: Flow, lead: Record) -> dt.datetime | None:
    """When this lead's company may be written to again; None if it may be now."""
    limit = limit_of(flow.campaign)
    if limit is None:
        return None
    emails, begin, end = _today(world, flow)
    return end if count_since(emails.get(lead.get("company_domain", "")), begin) >= limit else None


def full_companies(world: World, flow: Flow) -> set[str]:
    """The companies that have had all the emails that they get today."""
    limit = limit_of(flow.campaign)
    if limit is None:
        return set()
    emails, begin, _ = _today(world, flow)
    return {company for company, at in emails.items() if count_since(at, begin) >= limit}


def _today(world: World, flow: Flow) -> tuple[dict[str, Instants], dt.datetime, dt.datetime]:
    """The emails by company that count, and the day in which they do."""
    now, schedule = world.now(), flow.campaign["campaign_schedule"]
    if (flow.campaign.get("limit_emails_per_company_override") or {}).get("scope") == "across_workspace":
        return world.workspace.get("_companies") or {}, clock.day_start(now), clock.next_day(now)
    return flow.campaign.get("_companies") or {}, day_start(schedule, now), next_day(schedule, now)
