"""How many letters people of one company get per day, where a campaign limits that."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.flows import Flow
from mcp_instantly.sandbox.table import Record
from mcp_instantly.sandbox.timetable import day_of, next_day
from mcp_instantly.sandbox.world import World

# Letters are counted under two headings: on the campaign, by its own days, and on the workspace, by days in UTC,
# since the campaigns of a workspace need not agree on when a day begins.


def note_letter(world: World, flow: Flow, lead: Record) -> None:
    company = lead.get("company_domain", "")
    for holder, day in ((flow.campaign, _campaign_day(world, flow)), (world.workspace, _utc_day(world))):
        counted = holder.get("_companies")
        if not counted or counted[0] != day:
            counted = holder["_companies"] = [day, {}]
        counted[1][company] = counted[1].get(company, 0) + 1


def limit_of(campaign: Record) -> float | None:
    """Letters per company and day; None without a limit."""
    wanted = campaign.get("limit_emails_per_company_override") or {}
    return wanted.get("daily_limit") if wanted.get("mode") == "custom" else None


def put_off(world: World, flow: Flow, lead: Record) -> dt.datetime | None:
    """When this lead's company may be written to again; None if it may be now."""
    limit = limit_of(flow.campaign)
    if limit is None or _counts(world, flow).get(lead.get("company_domain", ""), 0) < limit:
        return None
    if _across(flow):
        midnight = world.now().replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight + dt.timedelta(days=1)
    return next_day(flow.campaign["campaign_schedule"], world.now())


def full_companies(world: World, flow: Flow) -> set[str]:
    """The companies that have had all the letters that they get today."""
    limit = limit_of(flow.campaign)
    if limit is None:
        return set()
    return {company for company, letters in _counts(world, flow).items() if letters >= limit}


def _counts(world: World, flow: Flow) -> dict[str, int]:
    holder, day = (world.workspace, _utc_day(world)) if _across(flow) else (flow.campaign, _campaign_day(world, flow))
    at, counts = holder.get("_companies") or ("", {})
    return counts if at == day else {}


def _across(flow: Flow) -> bool:
    wanted = flow.campaign.get("limit_emails_per_company_override") or {}
    return wanted.get("scope") == "across_workspace"


def _campaign_day(world: World, flow: Flow) -> str:
    return day_of(flow.campaign["campaign_schedule"], world.now())


def _utc_day(world: World) -> str:
    return world.now().date().isoformat()
