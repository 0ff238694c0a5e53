"""Audiences proposed from the leads of a campaign. Here plain counting proposes them, always the same."""

from __future__ import annotations

import collections

from mcp_instantly.sandbox.directory.population import find_company
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, fields, integer, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

LOOKED_AT = 100
"""Leads of a campaign that are read at most."""

ENOUGH = 20
"""Leads with which the proposals are sure."""

COUNT = 3


@route(
    "POST",
    "/ai-agents/lead-finder/suggest-audience",
    scope="ai_agents:read",
    body=fields("campaign_id", CLOSED, campaign_id=uuid(), count=integer(minimum=1, maximum=5)),
)
def suggest_audience(world: World, call: Call) -> Record:
    """The most frequent kinds of lead. Raises a 422 where none tells enough."""
    campaign_id = call.body["campaign_id"]
    if campaign_id not in world.campaigns:
        raise not_found("Campaign")
    leads = list(world.leads.where(campaign=campaign_id))
    looked_at = leads[:LOOKED_AT]
    kinds = collections.Counter(
        (lead["job_title"], find_company(lead.get("company_domain", "")).industry)
        for lead in looked_at
        if lead.get("job_title")
    )
    if not kinds:
        raise ApiRefusal(422, "The campaign has no leads from which an audience could be inferred")
    most = kinds.most_common(int(call.body.get("count", COUNT)))
    return {
        "campaign_id": campaign_id,
        "analyzed_lead_count": len(looked_at),
        "total_lead_count": len(leads),
        "confidence": "high" if len(looked_at) >= ENOUGH else "low",
        "profile_summary": f"Mostly {most[0][0][0]} at companies in {most[0][0][1]}.",
        "suggestions": [_propose(title, industry, count, len(looked_at)) for (title, industry), count in most],
    }


def _propose(title: str, industry: str, count: int, of: int) -> Record:
    return {
        "label": f"{title}, {industry}",
        "query": f"{title} at companies in {industry}",
        "rationale": f"{count} of the {of} leads that were read are like this.",
        "filters": {"jobTitles": {"included": [title]}, "industries": {"included": [industry]}},
    }
