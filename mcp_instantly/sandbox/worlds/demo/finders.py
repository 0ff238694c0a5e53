"""The demo's saved search, and its lead finder, which was paused before it had added anybody."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.resources.agents.finder_workflows import keep_chain
from mcp_instantly.sandbox.resources.agents.kinds import INACTIVE
from mcp_instantly.sandbox.resources.agents.lead_finders import add_agent
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo.campaigns import LOGISTICS

FINDER = "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3c01"
WORKFLOW = "f17de101-4e5f-4a6b-8c7d-9e0f1a2b3c01"
SEARCH = "5a5ea001-4e5f-4a6b-8c7d-9e0f1a2b3c01"

OPERATIONS = {"department": ["Operations"], "industry": {"include": ["Transportation & Storage"]}}
FREIGHT = {
    "freight_focus": {
        "model_version": "gpt-5-mini",
        "prompt": "In ten words, what does {{companyName}} ship?",
        "order": 1,
        "fallback": "freight",
    }
}


def add_finders(world: World) -> None:
    """With ids of their own, so that ids made later do not depend on what is made here."""
    now = world.now()
    made, stopped = (stamp(now - dt.timedelta(days=1, minutes=minutes)) for minutes in (60, 50))
    add_agent(
        world,
        {
            "id": FINDER,
            "name": "Operations heads in logistics",
            "payload": {
                "campaign_id": LOGISTICS,
                "search_filters": OPERATIONS,
                "min_active_leads": 25,
                "on_exhaustion": "pause",
                "show_one_lead_per_company": True,
            },
            "timestamp_created": made,
            "timestamp_updated": stopped,
            "status": INACTIVE,
        },
    )
    events: tuple[tuple[str, str, dict[str, str]], ...] = (
        ("top_up_started", made, {}),
        ("top_up_failed", stopped, {"reason": "The search timed out"}),
        ("agent_paused", stopped, {}),
    )
    for place, (event, at, payload) in enumerate(events):
        world.lead_finder_events.add(
            {
                "id": f"f17de201-4e5f-4a6b-8c7d-9e0f1a2b3c{place + 1:02d}",
                "agent_id": FINDER,
                "organization_id": world.workspace["id"],
                "timestamp_created": at,
                "event_type": event,
                "payload": payload,
            }
        )
    world.finder_workflows.add(
        {
            "id": WORKFLOW,
            "organization_id": world.workspace["id"],
            "name": "What they ship",
            "payload": {"ai_enrichment": keep_chain(FREIGHT)},
            "timestamp_created": stopped,
            "timestamp_updated": stopped,
        }
    )
    world.saved_searches.add(
        {
            "id": SEARCH,
            "name": "Finance chiefs, DACH",
            "search_filters": {
                "title": {"include": ["CFO"]},
                "locations": {"include": [{"country": "Germany"}, {"country": "Austria"}, {"country": "Switzerland"}]},
            },
            "organization_id": world.workspace["id"],
            "timestamp_created": stamp(now - dt.timedelta(days=8)),
        }
    )
