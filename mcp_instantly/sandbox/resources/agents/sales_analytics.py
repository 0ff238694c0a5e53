"""Figures of sales agents, counted from the emails and leads of their campaigns; no number is stored."""

from __future__ import annotations

import collections
from collections.abc import Iterable

from mcp_instantly.sandbox.engine.responses import not_found
from mcp_instantly.sandbox.engine.routes import Call, page, route
from mcp_instantly.sandbox.engine.shapes import LIMIT, choice, date_time, text, uuid
from mcp_instantly.sandbox.resources.agents.sales_records import find_agent, linked_campaigns
from mcp_instantly.sandbox.resources.leads.labels import POSITIVE, side_of
from mcp_instantly.sandbox.sending.emails import all_emails
from mcp_instantly.sandbox.sending.engagement import (
    AUTO,
    BOUNCE,
    CLICK,
    OPEN,
    REPLY,
    SENT,
    EngagementEvent,
    Opportunity,
    engagement_events,
    interests,
)
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

RANGE = {"start_date": date_time(), "end_date": date_time()}
STAGES = {1: "interested", 2: "meeting_booked", 3: "meeting_completed", 4: "closed"}

LEADS_PER_PAGE = 100


class Figures:
    """What happened in an agent's campaigns within the range of a request; all of it without dates."""

    def __init__(self, world: World, call: Call):
        self._world = world
        self.agent = find_agent(world, call.path["id"])
        start, end = (call.query.get(name) for name in RANGE)
        self._start, self._end = stamp(parse(start)) if start else "", stamp(parse(end)) if end else "~"
        self.campaigns = linked_campaigns(world, self.agent)

    def _covers(self, at: str) -> bool:
        return self._start <= at <= self._end

    def events(self) -> list[EngagementEvent]:
        """Emails of the agent's campaigns, and what became of them."""
        return [
            event
            for campaign in self.campaigns
            for event in engagement_events(all_emails(self._world, campaign_id=campaign["id"]))
            if self._covers(event.at)
        ]

    def opportunities(self, campaign: Record) -> dict[str, Opportunity]:
        """By lead of a campaign, the last good sign that it gave."""
        return {
            event.lead: event
            for event in interests(self._world, campaign["id"])
            if self._covers(event.at) and side_of(self._world, event.value) == POSITIVE
        }

    def value(self, campaign: Record, count: int) -> float:
        each = campaign.get("pl_value")
        return count * (self._world.workspace.get("default_opportunity_value") or 0 if each is None else each)

    def found(self) -> list[str]:
        """When each lead was made that the agent found itself."""
        stamps = (lead["timestamp_created"] for lead in self._world.leads if lead.get("_found_by") == self.agent["id"])
        return [at for at in stamps if self._covers(at)]


def _per_day(stamps: Iterable[str]) -> list[Record]:
    counts = collections.Counter(at[:10] for at in stamps)
    return [{"x": f"{day}T00:00:00.000Z", "y": counts[day]} for day in sorted(counts)]


@route("GET", "/ai-agents/sales/{id}/analytics", scope="ai_sdr:read", query=RANGE, id=uuid())
def get_analytics(world: World, call: Call) -> Record:
    figures = Figures(world, call)
    log, found = figures.events(), figures.found()
    replies = [event.at for event in log if event.what == REPLY]
    opportunities = {campaign["id"]: figures.opportunities(campaign) for campaign in figures.campaigns}
    won = [event.at for events in opportunities.values() for event in events.values()]
    return {
        "total_email_activity_per_day": _per_day(event.at for event in log),
        "replies_per_day": _per_day(replies),
        "leads_found_per_day": _per_day(found),
        "opportunities_per_day": _per_day(won),
        "totals": {
            "total_sent": sum(event.what == SENT for event in log),
            "replies": len(replies),
            "opportunities": len(won),
            "opportunities_amount": sum(
                figures.value(campaign, len(opportunities[campaign["id"]])) for campaign in figures.campaigns
            ),
            "total_email_activity": len(log),
            "leads_found": len(found),
        },
    }


def _lead_rows(world: World, figures: Figures) -> list[Record]:
    """A row per address with activity, in the order of the addresses."""
    by_email: dict[str, list[str]] = collections.defaultdict(list)
    for event in figures.events():
        by_email[event.lead[1].lower()].append(event.what)
    chances = {lead for campaign in figures.campaigns for lead in figures.opportunities(campaign)}
    ours = {campaign["id"] for campaign in figures.campaigns}
    rows = []
    for email in sorted(by_email):
        what = collections.Counter(by_email[email])
        leads = [lead for lead in world.leads.where(email=email) if lead.get("campaign") in ours]
        replies = what[REPLY] + what[AUTO]
        rows.append(
            {
                "email": email,
                "emails_sent": what[SENT],
                "open_count": what[OPEN],
                "replied": replies > 0,
                "reply_count": replies,
                "click_count": what[CLICK],
                "bounced": what[BOUNCE] > 0,
                "has_opportunity": any(lead["id"] in chances for lead in leads),
                "lt_interest_status": next((lead.get("lt_interest_status") for lead in leads), None),
            }
        )
    return rows


@route(
    "GET",
    "/ai-agents/sales/{id}/leads/activity",
    scope="ai_sdr:read",
    query={**RANGE, "filter": choice("replied", "has_opportunity"), "limit": LIMIT, "starting_after": text()},
    id=uuid(),
)
def list_lead_activity(world: World, call: Call) -> Record:
    """Ordered by address, which is the cursor too."""
    query = call.query
    rows = _lead_rows(world, Figures(world, call))
    if "filter" in query:
        rows = [row for row in rows if row[query["filter"]]]
    behind = [row for row in rows if row["email"] > query.get("starting_after", "").lower()]
    found = page(behind, {"limit": LEADS_PER_PAGE, **query}, cursor=lambda row: row["email"], render=dict)
    return {**found, "total": len(rows)}


@route("GET", "/ai-agents/sales/{id}/leads/activity/summary", scope="ai_sdr:read", query=RANGE, id=uuid())
def get_lead_activity_summary(world: World, call: Call) -> Record:
    rows = _lead_rows(world, Figures(world, call))
    replied, promising = (sum(row[name] for row in rows) for name in ("replied", "has_opportunity"))
    return {
        "total": len(rows),
        "replied": replied,
        "has_opportunity": promising,
        "reply_rate": round(replied / len(rows), 4) if rows else 0,
        "opportunity_rate": round(promising / len(rows), 4) if rows else 0,
    }


@route(
    "GET",
    "/ai-agents/sales/{id}/leads/{lead_id}/research",
    scope="ai_sdr:read",
    id=uuid(),
    lead_id=uuid(),
)
def get_lead_research(world: World, call: Call) -> Record:
    """Null for a lead about which this agent read nothing."""
    agent, lead = find_agent(world, call.path["id"]), world.leads.get(call.path["lead_id"])
    if lead is None:
        raise not_found("Lead")
    return {"research": lead.get("_research") if lead.get("_found_by") == agent["id"] else None}


@route("GET", "/ai-agents/sales/{id}/opportunities/summary", scope="ai_sdr:read", query=RANGE, id=uuid())
def get_opportunities(world: World, call: Call) -> Record:
    """Each lead counts once, at the stage it reached last."""
    figures = Figures(world, call)
    rows, reached = [], collections.Counter[float]()
    for campaign in figures.campaigns:
        events = figures.opportunities(campaign).values()
        reached.update(event.value for event in events)
        if events:
            rows.append(
                {
                    "campaign_id": campaign["id"],
                    "total_opportunities": len(events),
                    "total_opportunity_value": figures.value(campaign, len(events)),
                }
            )
    return {
        "summary": {
            "total_opportunities": sum(row["total_opportunities"] for row in rows),
            "total_value": sum(row["total_opportunity_value"] for row in rows),
            "breakdown": {name: reached[stage] for stage, name in STAGES.items()},
        },
        "campaigns": rows,
    }
