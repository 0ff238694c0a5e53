"""From SuperSearch into a list: a background job adds the people and enriches them."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.directory.filters import SEARCH, WANTED_SIGNAL
from mcp_instantly.sandbox.directory.population import Person
from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, fields, number, text, uuid
from mcp_instantly.sandbox.resources.leads.enrichment_runs import (
    AI,
    acquire,
    add_kinds,
    add_run,
    close_run,
    enrich_lead,
    ensure_enrichment,
    need_free_credits,
)
from mcp_instantly.sandbox.resources.leads.lists import find_list
from mcp_instantly.sandbox.resources.leads.records import CHECKED_AFTER, PENDING, build_lead
from mcp_instantly.sandbox.resources.supersearch.ai_enrichments import add_column
from mcp_instantly.sandbox.resources.supersearch.facts import verified_as
from mcp_instantly.sandbox.resources.supersearch.search import find_people
from mcp_instantly.sandbox.resources.workspace.background_jobs import start_job
from mcp_instantly.sandbox.resources.workspace.billing import need_room
from mcp_instantly.sandbox.sending.flows import LISTED, WAITING
from mcp_instantly.sandbox.sending.matching import is_blocked
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

FLAGS = ("work_email_enrichment", "fully_enriched_profile")
DETAILS = ("custom_flow", "signal_enrichment")


@route(
    "POST",
    "/supersearch-enrichment/enrich-leads-from-supersearch",
    audit=audit.ENRICHMENT,
    body=fields(
        "search_filters limit",
        search_filters=SEARCH,
        search_name=text(),
        work_email_enrichment=boolean(),
        fully_enriched_profile=boolean(),
        custom_flow=array(text()),
        signal_enrichment=array(WANTED_SIGNAL),
        resource_id=uuid(),
        auto_update=boolean(),
        skip_rows_without_email=boolean(),
        list_name=text(),
        limit=number(minimum=1, maximum=1_000_000),
        ai_enrichment=fields(),
    ),
)
def enrich_leads(world: World, call: Call) -> Record:
    """The list is there at once, the leads when the job is done."""
    given = call.body
    columns = _columns(world, given.get("ai_enrichment") or {})
    kinds = [kind for kind in (*FLAGS, *DETAILS) if given.get(kind)]
    if not kinds and not columns:
        raise ApiRefusal(400, "At least one enrichment must be enabled")
    filters = given["search_filters"]
    find_people(world, filters)  # to refuse at once what no job could do
    target = find_list(world, given["resource_id"]) if "resource_id" in given else None
    need_room(world, int(given["limit"]))
    need_free_credits(world, int(given["limit"]) * (len(kinds) + len(columns)))
    if target is None:
        target = _add_list(world, given.get("list_name") or given.get("search_name"))
    enrichment = ensure_enrichment(world, target["id"])
    for column in columns:
        add_column(world, target["id"], column)
    kinds += [AI + column["output_column"] for column in columns]
    add_kinds(enrichment, kinds)
    enrichment["_details"].update({name: given[name] for name in DETAILS if given.get(name)})
    world.enrichments.change(
        enrichment,
        search_filters=filters,
        limit=given["limit"],
        list_name=target["name"],
        **{name: given[name] for name in ("auto_update", "skip_rows_without_email", "custom_flow") if name in given},
    )
    run = add_run(world, enrichment, kinds)
    run["_holds"] = int(given["limit"])
    job = start_job(
        world,
        "import-leads",
        entity_id=target["id"],
        entity_type="list",
        data={"search_filters": filters, "limit": given["limit"]},
        finish="import_people",
        arguments=[run["id"], filters, int(given["limit"])],
    )
    shown = ("id", "organization_id", "resource_id", "resource_type", "search_filters", "limit", "list_name")
    found = {name: enrichment[name] for name in shown}
    if "custom_flow" in given:
        found["custom_flow"] = given["custom_flow"]
    return {**found, "background_job_id": job["id"], "live_list_workflow_id": None}


def _columns(world: World, wanted: dict[str, Any]) -> list[Record]:
    """AI columns, as they are wanted by name, in the form in which one alone would be asked for."""
    found = []
    for name, details in wanted.items():
        if not isinstance(details, dict) or not (details.get("prompt") or details.get("template_id")):
            raise ApiRefusal(400, f"ai_enrichment/{name} must have a prompt or a template_id")
        if details.get("template_id") and details["template_id"] not in world.prompt_templates:
            raise not_found("Custom prompt template")
        found.append({"model_version": "gpt-5-mini", **details, "output_column": name})
    return found


def _add_list(world: World, name: str | None) -> Record:
    return world.lead_lists.add(
        {
            "id": world.uuid4(),
            "organization_id": world.workspace["id"],
            "has_enrichment_task": True,
            "owned_by": world.workspace["owner"],
            "name": name or f"SuperSearch {world.stamp()[:10]}",
            "timestamp_created": world.stamp(),
        }
    )


@action
def import_people(world: World, run_id: str, filters: Record, limit: int) -> dict[str, Any]:
    """Add whom the filters mean, up to the limit and as far as the credits go, and enrich each at once.

    Who is in the list already, or in the block list, is passed over.
    """
    run = world.enrichment_runs[run_id]
    enrichment = world.enrichments[run["enrichment_id"]]
    list_id = run["resource_id"]
    if list_id not in world.lead_lists:
        world.enrichment_runs.change(run, error="The list is gone")
        close_run(world, run)
        raise ValueError("The list is gone")
    here = {lead.get("email") for lead in world.leads.where(list_id=list_id)}
    here |= {lead.get("_person") for lead in world.leads.where(list_id=list_id)}
    finds_addresses = {"work_email_enrichment", "custom_flow"} & set(run["enrichments"])
    skipped, nobody = 0, True
    added: list[str] = []
    for person in find_people(world, filters):
        nobody = False
        if len(added) == limit:
            break
        silent = enrichment.get("skip_rows_without_email") and (not finds_addresses or person.email is None)
        if silent or {person.id, person.address} & here or is_blocked(world, person.address):
            skipped += 1
            continue
        lead = build_person(world, person, list_id=list_id)
        if not enrich_lead(world, enrichment, run, world.leads.add(lead)):
            world.leads.remove(lead["id"])
            break
        if "email" in lead:
            world.leads.change(lead, verification_status=PENDING)
        acquire(world, person.id)
        added.append(lead["id"])
    world.enrichments.change(enrichment, _found_nobody=nobody)
    world.enrichment_runs.change(run, total_leads=len(added))
    close_run(world, run)
    world.later(CHECKED_AFTER, "check_people", added)
    return {"imported_leads": len(added), "skipped_leads": skipped, "credits_used": run["credits_used"]}


def build_person(
    world: World, person: Person, *, list_id: str | None = None, campaign: str | None = None, email: str | None = None
) -> Record:
    """Somebody of the directory as a lead, who is not in the table yet: without an address unless one was found."""
    company = person.company
    given = {
        "first_name": person.first,
        "last_name": person.last,
        "company_name": company.name,
        "job_title": person.title.text,
        "website": f"https://{company.domain}",
        "custom_variables": {"location": person.place.text, "linkedIn": person.profile},
        "email": email,
    }
    status = WAITING if campaign else LISTED
    more: Record = {"_person": person.id, "status": status, "upload_method": None}
    return build_lead(world, given, campaign=campaign, list_id=list_id, **more)


@action
def check_people(world: World, lead_ids: list[str]) -> None:
    """The addresses of an import are verified."""
    for lead_id in lead_ids:
        lead = world.leads.get(lead_id)
        if lead and lead.get("verification_status") == PENDING:
            world.leads.change(lead, verification_status=verified_as(lead), timestamp_updated=world.stamp())
