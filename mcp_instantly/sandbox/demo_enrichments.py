"""What the demo's list of CFOs has been enriched with: some addresses verified, and a few opening lines."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.ai_enrichments import add_column
from mcp_instantly.sandbox.enrichment_facts import verify_address  # noqa: F401  (registers what can be found)
from mcp_instantly.sandbox.enrichment_records import (
    AI,
    add_kinds,
    add_run,
    close_run,
    enrich_lead,
    ensure_enrichment,
    leads_of,
)
from mcp_instantly.sandbox.world import World

COLUMN = {
    "output_column": "icebreaker",
    "model_version": "gpt-5-mini",
    "prompt": "Write one opening line for {{firstName}} of {{companyName}}.",
    "limit": 10,
}


def add_enrichments(world: World, list_id: str) -> None:
    """Both runs took only the first leads, so that some are left."""
    before = world.verification_credits
    for days, kind, count in ((30, "email_verification", 25), (6, AI + "icebreaker", 10)):
        with world.during(world.now() - dt.timedelta(days=days)):
            enrichment = ensure_enrichment(world, list_id)
            if kind.startswith(AI):
                add_column(world, list_id, COLUMN)
            add_kinds(enrichment, [kind])
            leads = leads_of(world, list_id)[:count]
            run = add_run(world, enrichment, [kind])
            for lead in leads:
                enrich_lead(world, enrichment, run, lead)
            world.enrichment_runs.change(run, total_leads=len(leads))
            close_run(world, run)
    # Paid from what the month before had left.
    world.verification_credits = before
