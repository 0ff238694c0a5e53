"""What the demo's list of CFOs has been enriched with, and the lists of companies that SuperSearch can be kept to."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.directory.company_lists import add_company_list
from mcp_instantly.sandbox.resources.leads.enrichment_runs import (
    AI,
    add_kinds,
    add_run,
    close_run,
    enrich_lead,
    ensure_enrichment,
    leads_of,
)
from mcp_instantly.sandbox.resources.supersearch.ai_enrichments import add_column
from mcp_instantly.sandbox.state.world import World

TARGET_ACCOUNTS, LOOKALIKES = "c0317a57-4d5e-4f60-9182-93a4b5c6d701", "c0317a57-4d5e-4f60-9182-93a4b5c6d702"
BEING_MADE = 1800
"""Seconds until the second list is completed."""

COLUMN = {
    "output_column": "icebreaker",
    "model_version": "gpt-5-mini",
    "prompt": "Write one opening line for {{firstName}} of {{companyName}}.",
    "limit": 10,
}


def add_enrichments(world: World, list_id: str) -> None:
    """Some addresses verified and a few opening lines; both runs took only the first leads, so that some are left."""
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


def add_company_lists(world: World) -> None:
    """One that is completed, and one that is still being made."""
    finance = {"industry": {"include": ["Financial Services"]}, "employeeCount": [{"op": "gte", "min": 250}]}
    add_company_list(world, "Target accounts, finance", finance, list_id=TARGET_ACCOUNTS)
    software = {"industry": {"include": ["Software & Internet"]}}
    add_company_list(world, "Like our best customers", software, list_id=LOOKALIKES, ready_in=BEING_MADE)
