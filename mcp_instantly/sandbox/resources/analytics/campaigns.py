"""Analytics of campaigns and subsequences, computed from the emails and leads there are; no number is stored."""

from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, choice, text, uuid
from mcp_instantly.sandbox.resources.analytics.ranges import check_length, read_instant, read_range
from mcp_instantly.sandbox.resources.leads.labels import POSITIVE, side_of
from mcp_instantly.sandbox.sending.emails import all_emails
from mcp_instantly.sandbox.sending.engagement import (
    AUTO,
    BOUNCE,
    CLICK,
    OPEN,
    REPLY,
    SENT,
    UNSUBSCRIBE,
    EngagementEvent,
    Opportunity,
    Tally,
    engagement_events,
    interests,
)
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

RANGE = {"start_date": text(), "end_date": text()}
STATUS = choice(-99, -1, -2, 0, 1, 2, 3, 4)


def _within(found: Iterable[Any], span: tuple[str, str]) -> list[Any]:
    return [fact for fact in found if span[0] <= fact.at <= span[1]]


def _campaigns(world: World, query: dict[str, Any]) -> list[Record]:
    """The campaigns that are asked for, by id, ids or status; all of them without."""
    named = [*query.get("ids", ()), *([query["id"]] if "id" in query else ())]
    named += [query["campaign_id"]] if "campaign_id" in query else []
    return [
        campaign
        for campaign in world.campaigns
        if (not named or campaign["id"] in named)
        and query.get("campaign_status", campaign["status"]) == campaign["status"]
    ]


def _occurred(world: World, campaign: Record) -> list[EngagementEvent]:
    return list(engagement_events(all_emails(world, campaign_id=campaign["id"])))


def _counts(tally: Tally) -> Record:
    return {
        "contacted_count": tally.unique(SENT),
        "emails_sent_count": tally.total(SENT),
        "new_leads_contacted_count": tally.first(),
        "open_count": tally.total(OPEN),
        "open_count_unique": tally.unique(OPEN),
        "open_count_unique_by_step": tally.by_step(OPEN),
        "reply_count": tally.total(REPLY),
        "reply_count_unique": tally.unique(REPLY),
        "reply_count_unique_by_step": tally.by_step(REPLY),
        "reply_count_automatic": tally.total(AUTO),
        "reply_count_automatic_unique": tally.unique(AUTO),
        "reply_count_automatic_unique_by_step": tally.by_step(AUTO),
        "link_click_count": tally.total(CLICK),
        "link_click_count_unique": tally.unique(CLICK),
        "link_click_count_unique_by_step": tally.by_step(CLICK),
        "bounced_count": tally.unique(BOUNCE),
        "unsubscribed_count": tally.unique(UNSUBSCRIBE),
    }


def _completed(world: World, campaign: Record, span: tuple[str, str]) -> int:
    leads = world.leads.where(campaign=campaign["id"])
    return sum(lead["status"] == 3 and span[0] <= lead.get("_ended", "") <= span[1] for lead in leads)


def _positive(world: World, campaign: Record, span: tuple[str, str]) -> list[Opportunity]:
    events = _within(interests(world, campaign["id"]), span)
    return [event for event in events if side_of(world, event.value) == POSITIVE]


def _value(world: World, campaign: Record, count: int) -> float:
    each = campaign.get("pl_value")
    return count * (world.workspace.get("default_opportunity_value") or 0 if each is None else each)


@route(
    "GET",
    "/campaigns/analytics",
    query={"id": uuid(), "ids": array(uuid()), **RANGE, "exclude_total_leads_count": boolean()},
)
def get_campaign_analytics(world: World, call: Call) -> list[Record]:
    """A row per campaign; none for one that has not sent anything yet."""
    span = read_range(call.query)
    rows = []
    for campaign in _campaigns(world, call.query):
        log = _occurred(world, campaign)
        if not any(fact.what == SENT for fact in log):
            continue
        opportunities = len({event.lead for event in _positive(world, campaign, span)})
        leads = 0 if call.query.get("exclude_total_leads_count") else world.leads.count(campaign=campaign["id"])
        rows.append(
            {
                "campaign_name": campaign["name"],
                "campaign_id": campaign["id"],
                "campaign_status": campaign["status"],
                "campaign_is_evergreen": bool(campaign.get("is_evergreen")),
                "leads_count": leads,
                **_counts(Tally(_within(log, span))),
                "completed_count": _completed(world, campaign, span),
                "total_opportunities": opportunities,
                "total_opportunity_value": _value(world, campaign, opportunities),
            }
        )
    return rows


@route(
    "GET",
    "/campaigns/analytics/overview",
    query={
        "id": uuid(),
        "ids": array(uuid()),
        **RANGE,
        "campaign_status": STATUS,
        "expand_crm_events": boolean(),
    },
)
def get_overview(world: World, call: Call) -> Record:
    """One row over all campaigns asked for. Of every kind of interest each lead counts once, or each time it came."""
    span = read_range(call.query)
    expand = call.query.get("expand_crm_events", False)
    campaigns = _campaigns(world, call.query)
    log = [fact for campaign in campaigns for fact in _within(_occurred(world, campaign), span)]
    reached: dict[float, int] = collections.Counter()
    total, value = 0, 0.0
    for campaign in campaigns:
        events = _positive(world, campaign, span)
        count = len(events) if expand else len({event.lead for event in events})
        total, value = total + count, value + _value(world, campaign, count)
        for step in (1, 2, 3, 4):
            leads = [event.lead for event in events if event.value == step]
            reached[step] += len(leads) if expand else len(set(leads))
    return {
        **_counts(Tally(log)),
        "completed_count": sum(_completed(world, campaign, span) for campaign in campaigns),
        "total_opportunities": total,
        "total_opportunity_value": value,
        "total_interested": reached[1],
        "total_meeting_booked": reached[2],
        "total_meeting_completed": reached[3],
        "total_closed": reached[4],
    }


@route("GET", "/campaigns/analytics/daily", query={"campaign_id": uuid(), **RANGE, "campaign_status": STATUS})
def get_daily(world: World, call: Call) -> list[Record]:
    """A row per day, in UTC, on which something happened."""
    query = call.query
    span = read_range(query)
    if "start_date" in query:
        end = read_instant(query["end_date"]) if "end_date" in query else world.now()
        check_length(read_instant(query["start_date"]).date(), end.date())
    by_date: dict[str, list[EngagementEvent]] = collections.defaultdict(list)
    positive: dict[str, list[Opportunity]] = collections.defaultdict(list)
    for campaign in _campaigns(world, call.query):
        for fact in _within(_occurred(world, campaign), span):
            by_date[fact.date].append(fact)
        for event in _positive(world, campaign, span):
            positive[event.date].append(event)
    rows = []
    for date in sorted({*by_date, *positive}):
        tally = Tally(by_date[date])
        rows.append(
            {
                "date": date,
                "contacted": tally.unique(SENT),
                "new_leads_contacted": tally.first(),
                **tally.engagement(),
                "opportunities": len(positive[date]),
                "unique_opportunities": len({event.lead for event in positive[date]}),
            }
        )
    return rows


@route(
    "GET",
    "/campaigns/analytics/steps",
    query={"campaign_id": uuid(), **RANGE, "include_opportunities_count": boolean()},
)
def get_steps(world: World, call: Call) -> list[Record]:
    """A row per step and variant of the campaigns themselves, without their subsequences, in no order. A row without
    step holds what belongs to none.
    """
    span = read_range(call.query)
    campaigns = _campaigns(world, call.query)
    rows = _step_rows([fact for campaign in campaigns for fact in _within(_occurred(world, campaign), span)], None)
    if call.query.get("include_opportunities_count"):
        events = [event for campaign in campaigns for event in _positive(world, campaign, span)]
        for row in rows:
            here = [event for event in events if event.place == (None, row["step"], row["variant"])]
            leads = {event.lead for event in here}
            now = [(world.leads.get(lead) or {}).get("lt_interest_status") for lead in leads]
            row["opportunities"], row["unique_opportunities"] = len(here), len(leads)
            row["meetings_booked"], row["won"] = now.count(2), now.count(4)
    return rows


def _step_rows(log: list[EngagementEvent], subsequence: str | None) -> list[Record]:
    by_place: dict[tuple[str | None, str | None], list[EngagementEvent]] = collections.defaultdict(list)
    for fact in log:
        if fact.place[0] == subsequence:
            by_place[fact.place[1:]].append(fact)
    if by_place and subsequence is None:
        by_place.setdefault((None, None), [])
    # The API promises no order, and recorded rows have none: the last step that began comes first here.
    places = reversed(by_place)
    return [
        {"step": step, "variant": variant, **Tally(by_place[step, variant]).engagement()} for step, variant in places
    ]


def _find_subsequence(world: World, subsequence_id: str) -> Record:
    found = world.subsequences.get(subsequence_id)
    if found is None:
        raise not_found("Subsequence")
    return found


@route("GET", "/subsequences/analytics", scope="subsequences:read", query={"campaign_id": uuid()}, needs="campaign_id")
def get_subsequence_analytics(world: World, call: Call) -> list[Record]:
    campaign = world.campaigns.get(call.query["campaign_id"])
    if campaign is None:
        raise not_found("Campaign")
    log = _occurred(world, campaign)
    rows = []
    for subsequence in world.subsequences.where(parent_campaign=campaign["id"]):
        tally = Tally(fact for fact in log if fact.place[0] == subsequence["id"])
        rows.append(
            {
                "subsequence_id": subsequence["id"],
                "emails_sent": tally.total(SENT),
                "unique_opens": tally.unique(OPEN),
                "unique_replies": tally.unique(REPLY),
            }
        )
    return rows


@route("GET", "/subsequences/{id}/analytics/steps", scope="subsequences:read", query=RANGE, id=uuid())
def get_subsequence_steps(world: World, call: Call) -> list[Record]:
    """Here both ends of the range are whole days."""
    subsequence = _find_subsequence(world, call.path["id"])
    campaign = world.campaigns.get(subsequence["parent_campaign"])
    start, end = (call.query.get(name) for name in RANGE)
    first = stamp(read_instant(start))[:10] if start else ""
    last = stamp(read_instant(end))[:10] if end else "~"
    log = _occurred(world, campaign) if campaign else []
    return _step_rows([fact for fact in log if first <= fact.date <= last], subsequence["id"])
