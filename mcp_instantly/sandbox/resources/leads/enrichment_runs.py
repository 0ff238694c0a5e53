"""Enrichments as records: what a list or campaign is enriched with, and the runs in which that happens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.resources.leads.records import payload_of
from mcp_instantly.sandbox.state.events import announce
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

CAMPAIGN, LIST = 1, 2
ENRICHED, MISSING, PENDING = 1, -1, 11
"""Values of a lead's enrichment_status."""

QUEUED, RUNNING, DONE, FAILED = 1, 2, 3, 4
"""Values of the status of an AI enrichment."""

BEGINS, ENDS = 1.0, 3.0
"""Seconds after which a run begins, and is over."""

AI = "ai:"
"""Stands before the name of a column where other kinds of enrichment have their name."""

Enricher = Callable[[World, Record, Record, str], "bool | None"]
ENRICHERS: dict[str, Enricher] = {}
"""By kind, functions `(world, enrichment, lead, kind)` that write on the lead what is known.

They answer whether anything was found, which costs a credit; None where there was nothing to look for.
"""


def enricher(*kinds: str) -> Callable[[Enricher], Enricher]:
    def register(function: Enricher) -> Enricher:
        if known := ENRICHERS.keys() & set(kinds):
            raise ValueError(f"there is a finder for {', '.join(sorted(known))} already")
        ENRICHERS.update(dict.fromkeys(kinds, function))
        return function

    return register


# what is enriched


def type_of(world: World, resource_id: str) -> int:
    """Whether it is a campaign or a list. Raises a 404."""
    if resource_id in world.campaigns:
        return CAMPAIGN
    if resource_id in world.lead_lists:
        return LIST
    raise not_found("Resource")


def leads_of(world: World, resource_id: str) -> list[Record]:
    """The leads of a list or campaign, oldest first."""
    field = "campaign" if resource_id in world.campaigns else "list_id"
    return list(world.leads.where(**{field: resource_id}))


def find_enrichment(world: World, resource_id: str) -> Record | None:
    return world.enrichments.first(resource_id=resource_id)


def ensure_enrichment(world: World, resource_id: str) -> Record:
    """The enrichment of a list or campaign, made if it has none yet. Raises a 404 if there is no such resource."""
    kind = type_of(world, resource_id)
    known = find_enrichment(world, resource_id)
    if known:
        return known
    if kind == LIST:
        world.lead_lists.change(world.lead_lists[resource_id], has_enrichment_task=True)
    return world.enrichments.add(
        {
            "id": world.uuid4(),
            "organization_id": world.workspace["id"],
            "resource_id": resource_id,
            "resource_type": kind,
            "_kinds": [],
            "_details": {},
        }
    )


def add_kinds(enrichment: Record, kinds: Iterable[str]) -> None:
    enrichment["_kinds"] = list(dict.fromkeys([*enrichment["_kinds"], *kinds]))


def payload(world: World, enrichment: Record) -> dict[str, Any]:
    """The kinds of enrichment and their details, by name."""
    found: dict[str, Any] = {kind: True for kind in enrichment["_kinds"] if not kind.startswith(AI)}
    found.update(enrichment["_details"])
    columns = {
        ai["output_column"]: {name: ai[name] for name in ("id", "model_version", "prompt", "template_id") if name in ai}
        for ai in world.ai_enrichments.where(resource_id=enrichment["resource_id"])
    }
    return {**found, "ai_enrichment": columns} if columns else found


def is_running(world: World, resource_id: str) -> bool:
    return any(
        run["status"] in ("pending", "in-progress") for run in world.enrichment_runs.where(resource_id=resource_id)
    )


# the columns of a lead


def read_column(lead: Record, name: str) -> Any:
    """The value under a column's name, in either spelling of the built-in ones."""
    value = lead.get("payload", {}).get(name)
    return lead.get(name) if value is None and not name.startswith("_") else value


def write_columns(world: World, lead: Record, **values: Any) -> None:
    custom = {**lead.get("_custom", {}), **values}
    shown = payload_of({**lead, "_custom": custom})
    world.leads.change(lead, _custom=custom, payload=shown, timestamp_updated=world.stamp())


def passes(lead: Record, filters: Iterable[Record]) -> bool:
    """Whether a lead fits all filters. Their types: 1 is, 2 is not, 3 contains, 4 does not, 5 empty, 6 not empty."""
    return all(_fits(lead, condition) for condition in filters)


def _fits(lead: Record, condition: Record) -> bool:
    held = str(read_column(lead, condition.get("column_name", "")) or "").lower()
    wanted = [str(value).lower() for value in condition.get("value") or ()]
    fits = {
        1: lambda: held in wanted,
        2: lambda: held not in wanted,
        3: lambda: any(value in held for value in wanted),
        4: lambda: not any(value in held for value in wanted),
        5: lambda: not held,
        6: lambda: bool(held),
    }
    return fits.get(condition.get("type", 0), lambda: True)()


# runs


def need_credits(world: World) -> None:
    """Raise a 402 where no credit is left."""
    if world.verification_credits < 1:
        raise ApiRefusal(402, "Not enough credits")


def need_free_credits(world: World, required: int) -> None:
    """Raise a 402 where no credit is left, or running imports hold all that are left: those are to be waited for."""
    running = (run for run in world.enrichment_runs if run["status"] in ("pending", "in-progress"))
    reserved = min(sum(run.get("_holds", 0) for run in running), world.verification_credits)
    available = world.verification_credits - reserved
    if available < 1:
        code = {"errorCode": "CREDIT_RESERVATION_CONFLICT"} if reserved else {}
        counts = {"creditsRequired": required, "creditsAvailable": available, "creditsReserved": reserved}
        body = {"error": "Insufficient credits", **code, **counts}
        raise ApiRefusal(402, "Insufficient credits", body=body)


def add_run(world: World, enrichment: Record, kinds: Iterable[str]) -> Record:
    """A run that is still to happen."""
    at = world.stamp()
    return world.enrichment_runs.add(
        {
            "id": world.uuid4(),
            "enrichment_id": enrichment["id"],
            "organization_id": enrichment["organization_id"],
            "resource_id": enrichment["resource_id"],
            "resource_type": enrichment["resource_type"],
            "enrichments": list(kinds),
            "status": "pending",
            "total_leads": 0,
            "enriched_leads": 0,
            "credits_used": 0,
            "timestamp_created": at,
            "timestamp_updated": at,
        }
    )


def start_run(
    world: World, enrichment: Record, kinds: Iterable[str], leads: Iterable[Record], *, again: bool = False
) -> Record:
    """Have leads enriched in a moment; until then they are pending. With `again`, also with what they had before."""
    run = add_run(world, enrichment, kinds)
    run["_again"] = again
    lead_ids = []
    for lead in leads:
        world.leads.change(lead, enrichment_status=PENDING)
        lead_ids.append(lead["id"])
    world.enrichment_runs.change(run, total_leads=len(lead_ids))
    _mark_columns(world, run, QUEUED)
    world.later(BEGINS, "begin_run", run["id"])
    world.later(ENDS, "end_run", run["id"], lead_ids)
    return run


@action
def begin_run(world: World, run_id: str) -> None:
    run = world.enrichment_runs[run_id]
    world.enrichment_runs.change(run, status="in-progress", timestamp_updated=world.stamp())
    _mark_columns(world, run, RUNNING)


@action
def end_run(world: World, run_id: str, lead_ids: list[str]) -> None:
    """Enrich one lead after the other as far as the credits go."""
    run = world.enrichment_runs[run_id]
    enrichment = world.enrichments[run["enrichment_id"]]
    for lead_id in lead_ids:
        lead = world.leads.get(lead_id)
        if lead and not enrich_lead(world, enrichment, run, lead):
            world.leads.change(lead, enrichment_status=None)
    close_run(world, run)


def enrich_lead(world: World, enrichment: Record, run: Record, lead: Record) -> bool:
    """Enrich one lead with all of a run; False where a credit was missing, which the run then says."""
    found = []
    for kind in run["enrichments"]:
        if not run.get("_again") and _has(lead, kind):
            continue
        free = _is_free(world, kind, enrichment, lead)
        if not free and world.verification_credits < 1:
            world.enrichment_runs.change(run, error="Not enough credits")
            return False
        result = ENRICHERS[AI if kind.startswith(AI) else kind](world, enrichment, lead, kind)
        found.append(result)
        if result and not free:
            world.verification_credits -= 1
            run["credits_used"] += 1
            _note_purchase(world, kind, lead)
        lead["_enriched"] = list(dict.fromkeys([*lead.get("_enriched", ()), kind]))
    nothing = False in found and True not in found
    world.leads.change(lead, enrichment_status=MISSING if nothing else ENRICHED)
    run["enriched_leads"] += not nothing
    return True


def _has(lead: Record, kind: str) -> bool:
    """Whether a lead has had an enrichment, or a value of its own in the column that it would fill."""
    column = kind.removeprefix(AI) if kind.startswith(AI) else None
    return kind in lead.get("_enriched", ()) or bool(column and read_column(lead, column))


def _is_free(world: World, kind: str, enrichment: Record, lead: Record) -> bool:
    """Whether no credit is due: what runs on the user's own account is free, and what was bought before."""
    if kind == "integration_actions":
        return True
    if kind.startswith(AI):
        ai = find_column(world, enrichment["resource_id"], kind.removeprefix(AI))
        return ai is not None and ai.get("_own_account", False)
    bought = world.acquisitions.get(lead.get("_person", ""))
    return bought is not None and kind in bought["kinds"]


def _note_purchase(world: World, kind: str, lead: Record) -> None:
    if "_person" in lead and not kind.startswith(AI):
        acquire(world, lead["_person"])["kinds"].append(kind)


def acquire(world: World, person: str) -> Record:
    """Keep that the workspace has somebody of the directory, and with which enrichments."""
    return world.acquisitions.get(person) or world.acquisitions.add({"id": person, "kinds": []})


def close_run(world: World, run: Record) -> None:
    failed = "error" in run and not run["enriched_leads"]
    world.enrichment_runs.change(run, status="failed" if failed else "completed", timestamp_updated=world.stamp())
    _mark_columns(world, run, FAILED if failed else DONE)
    campaign = world.campaigns.get(run["resource_id"])
    list_id = None if campaign else run["resource_id"]
    announce(world, "supersearch_enrichment_completed", campaign=campaign, list_id=list_id)


def find_column(world: World, resource_id: str, column: str) -> Record | None:
    """The AI enrichment that writes a column."""
    for ai in world.ai_enrichments.where(resource_id=resource_id):
        if ai["output_column"] == column:
            return ai
    return None


def _mark_columns(world: World, run: Record, status: int) -> None:
    for kind in run["enrichments"]:
        if kind.startswith(AI):
            ai = find_column(world, run["resource_id"], kind.removeprefix(AI))
            if ai:
                world.ai_enrichments.change(ai, status=status)
