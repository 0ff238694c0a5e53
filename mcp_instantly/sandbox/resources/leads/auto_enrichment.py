"""Leads that come to a list or campaign later, where enrichment goes on by itself."""

from __future__ import annotations

from mcp_instantly.sandbox.resources.leads.enrichment_runs import AI, find_column, find_enrichment, start_run
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

COLLECTING_SECONDS = 5.0
"""Seconds in which more may come, so that one run is for all."""


def note_arrival(world: World, lead: Record) -> None:
    """Have a new lead enriched if its place wants that."""
    if not len(world.enrichments):
        return
    for place in (lead.get("campaign"), lead.get("list_id")):
        enrichment = find_enrichment(world, place) if place else None
        if enrichment and _kinds(world, enrichment):
            waiting = enrichment.setdefault("_arrived", [])
            if not waiting:
                world.later(COLLECTING_SECONDS, "enrich_arrivals", place)
            waiting.append(lead["id"])


def _kinds(world: World, enrichment: Record) -> list[str]:
    """All kinds of enrichment, or only the AI columns that are written for new leads."""
    if enrichment.get("auto_update") or enrichment.get("is_evergreen"):
        found: list[str] = enrichment["_kinds"]
        return found
    columns = [kind for kind in enrichment["_kinds"] if kind.startswith(AI)]
    found_by = {kind: find_column(world, enrichment["resource_id"], kind.removeprefix(AI)) for kind in columns}
    return [kind for kind, ai in found_by.items() if ai and ai["auto_update"]]


@action
def enrich_arrivals(world: World, resource_id: str) -> None:
    enrichment = find_enrichment(world, resource_id)
    if enrichment is None:
        return
    arrived = [world.leads.get(lead_id) for lead_id in enrichment.pop("_arrived", ())]
    leads = [lead for lead in arrived if lead and resource_id in (lead.get("campaign"), lead.get("list_id"))]
    kinds = _kinds(world, enrichment)
    if leads and kinds:
        start_run(world, enrichment, kinds, leads)
