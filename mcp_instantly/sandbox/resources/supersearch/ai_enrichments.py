"""AI enrichments: a column that a model writes for every lead. Here plain rules write it, always the same."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.sandbox.directory.population import find_company
from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, choice, fields, number, text, uuid
from mcp_instantly.sandbox.resources.leads.enrichment_runs import (
    AI,
    QUEUED,
    add_kinds,
    enricher,
    ensure_enrichment,
    find_column,
    leads_of,
    need_credits,
    passes,
    read_column,
    start_run,
    type_of,
    write_columns,
)
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

LANGUAGE_MODELS = (
    "3.5",
    "4.0",
    "gpt-4o",
    "o3",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5",
    "gpt-5.4",
    "gpt-5.6-luna",
    "gpt-5.6-terra",
    "claude-4.5-sonnet",
    "claude-4.6-sonnet",
    "claude-5-sonnet",
    "r1",
    "grok-4.3",
    "grok-4.6",
    "gemini-3.0-flash",
    "gemini-3.5-flash",
    "gemini-3.7-flash",
    "sonar",
    "sonar-pro",
)
MODELS = (
    *LANGUAGE_MODELS,
    "instantly-ai-lightspeed-agent-for-web-research",
    "instantly-ai-lightspeed-agent-for-email-generation",
)
SHOWN = (
    "id", "resource_id", "resource_type", "output_column", "status", "model_version", "input_columns", "overwrite",
    "auto_update", "limit", "template_id",
)  # fmt: skip
PROGRESS = ("id", "organization_id", "resource_id", "resource_type", "output_column", "status")

PERSONAL = re.compile(
    r"\b(opening|opener|icebreaker|first line|personali[sz]\w+|intro\w*|greeting|e-?mail|mail|line)\b"
)
LINES = (
    "{name}, what you are building at {company} caught my eye this week.",
    "Saw that {company} is growing, {name}: that must keep a {title} busy.",
    "{name}, every {title} I talk to names the same bottleneck, and {company} seems to have solved half of it.",
    "Your work as {title} at {company} is why I am writing, {name}.",
)


@route(
    "POST",
    "/supersearch-enrichment/ai",
    scope="supersearch_enrichments:create",
    audit=audit.ENRICHMENT,
    body=fields(
        "resource_id output_column resource_type model_version",
        resource_id=uuid(),
        output_column=text(),
        resource_type=choice(1, 2),
        input_columns=array(text()),
        model_version=choice(*MODELS),
        use_instantly_account=boolean(),
        overwrite=boolean(),
        auto_update=boolean(),
        skip_leads_without_email=boolean(),
        limit=number(minimum=1, maximum=1_000_000),
        prompt=text(),
        template_id=text(),
        status=choice(1, 2, 3, 4),
        filters=array(fields()),
    ),
)
def create_ai_enrichment(world: World, call: Call) -> Record:
    """It runs at once. A column that there is already is written anew from now on."""
    given = call.body
    if type_of(world, given["resource_id"]) != given["resource_type"]:
        raise not_found("Resource")
    if given.get("use_instantly_account", True):
        need_credits(world)
    ai = add_column(world, given["resource_id"], given)
    enrichment = ensure_enrichment(world, given["resource_id"])
    start_run(world, enrichment, [AI + ai["output_column"]], _wanted(world, ai, given), again=True)
    return {**{name: ai[name] for name in SHOWN if name in ai}, "template_id": ai.get("template_id")}


def add_column(world: World, resource_id: str, given: Record, *, ai_id: str | None = None) -> Record:
    """Keep how a column is written. Raises a 400 without a prompt, and a 404 for a template that there is not."""
    template = given.get("template_id")
    if template and template not in world.prompt_templates:
        raise not_found("Custom prompt template")
    prompt = world.prompt_templates[template]["prompt"] if template else given.get("prompt")
    if not prompt:
        raise ApiRefusal(400, "Either prompt or template_id must be provided")
    enrichment = ensure_enrichment(world, resource_id)
    column = given["output_column"]
    add_kinds(enrichment, [AI + column])
    known = find_column(world, resource_id, column)
    if known:
        world.ai_enrichments.remove(known["id"])
    ai: Record = {
        "id": ai_id or (known["id"] if known else world.uuid4()),
        "organization_id": world.workspace["id"],
        "resource_id": resource_id,
        "resource_type": enrichment["resource_type"],
        "output_column": column,
        "status": QUEUED,
        "model_version": given["model_version"],
        "overwrite": given.get("overwrite", False),
        "auto_update": given.get("auto_update", False),
        "prompt": prompt,
        "_own_account": not given.get("use_instantly_account", True),
        "_skips": given.get("skip_leads_without_email", False),
    }
    optional: Record = {name: given[name] for name in ("input_columns", "limit", "template_id") if name in given}
    return world.ai_enrichments.add({**ai, **optional})


def _wanted(world: World, ai: Record, given: Record) -> list[Record]:
    found = [
        lead
        for lead in leads_of(world, ai["resource_id"])
        if passes(lead, given.get("filters", ()))
        and not (ai["_skips"] and "email" not in lead)
        and (ai["overwrite"] or not read_column(lead, ai["output_column"]))
    ]
    return found[: int(ai.get("limit", len(found)))]


@route(
    "GET",
    "/supersearch-enrichment/ai/{resource_id}/in-progress",
    scope="supersearch_enrichments:read",
    resource_id=uuid(),
)
def list_columns(world: World, call: Call) -> list[Record]:
    """The columns of a list or campaign, and how far each is."""
    resource_id = call.path["resource_id"]
    type_of(world, resource_id)
    found = world.ai_enrichments.where(resource_id=resource_id)
    return [{name: ai[name] for name in PROGRESS} for ai in found]


@enricher(AI)
def write_column(world: World, enrichment: Record, lead: Record, kind: str) -> bool | None:
    ai = find_column(world, enrichment["resource_id"], kind.removeprefix(AI))
    if ai is None or (ai["_skips"] and "email" not in lead):
        return None
    write_columns(world, lead, **{ai["output_column"]: write_text(world, ai, lead)})
    return True


def write_text(world: World, ai: Record, lead: Record) -> str:
    """A line to the lead where the prompt asks for one, otherwise a sentence about the company."""
    company = lead.get("company_name") or lead.get("company_domain") or "your company"
    if PERSONAL.search(f"{ai['output_column']} {ai['prompt']}".lower().replace("_", " ")):
        line = LINES[int(world.chance("line", ai["output_column"], lead["id"]) * len(LINES))]
        about: dict[str, Any] = {
            "name": lead.get("first_name", "Hello"),
            "company": company,
            "title": lead.get("job_title", "manager"),
        }
        return line.format(**about)
    known = find_company(lead.get("company_domain", ""))
    return known.description.replace(known.name, company, 1)
