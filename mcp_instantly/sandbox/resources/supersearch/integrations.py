"""Integrations: single lookups at other providers, paid with credits or by the workspace's own account there."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.directory.company_lists import look_up
from mcp_instantly.sandbox.directory.population import Company, directory
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, choice, fields, mapping, text, uuid
from mcp_instantly.sandbox.resources.supersearch.company_lists import need
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

CONNECTION = "a99c0001-6b7c-4d8e-9fa0-b1c2d3e4f501"
"""The workspace's own account at the one provider that is connected."""


def _input(key: str, label: str) -> Record:
    return {"key": key, "label": label, "required": True, "type": "column"}


def _action(action_id: str, name: str, column: str, category: str, *inputs: Record, **more: str) -> Record:
    found = {"id": action_id, "name": name, "description": f"{name}.", "outputColumn": column, "category": category}
    return {**found, **more, "inputs": list(inputs)}


def _provider(provider_id: str, name: str, cost: int, *actions: Record, **more: bool) -> Record:
    found = {"id": provider_id, "name": name, "creditCostPerAction": cost, "requiresUserConnection": False}
    return {**found, "isFeatured": False, "isConnected": False, **more, "actions": list(actions)}


DOMAIN = _input("domain", "Domain")
NAMES = (_input("first_name", "First name"), _input("last_name", "Last name"))
EMAIL = _action("find_email", "Find an email address", "email", "person", *NAMES, DOMAIN)
TOOLS = _action("find_technologies", "Find technologies", "technologies", "company", DOMAIN, subcategory="technology")
JOBS = _action("find_jobs", "Find open jobs", "open_jobs", "company", DOMAIN, subcategory="jobs")
FUNDING = _action("find_funding", "Find funding", "funding", "company", DOMAIN, subcategory="funding_investors")

PROVIDERS = [
    _provider("builtwith", "BuiltWith", 1, TOOLS, isFeatured=True),
    _provider("hunter", "Hunter", 2, EMAIL, isConnected=True),
    _provider("theirstack", "TheirStack", 3, JOBS),
    _provider("crunchbase", "Crunchbase", 0, FUNDING, requiresUserConnection=True),
]


@route("GET", "/supersearch-enrichment/integrations/providers", scope="supersearch_enrichments:read")
def list_providers(world: World, call: Call) -> list[Record]:
    return PROVIDERS


@route(
    "POST",
    "/supersearch-enrichment/integrations/run",
    scope="supersearch_enrichments:create",
    body=fields(
        "provider_id action_id inputs credential_source",
        CLOSED,
        provider_id=text(minLength=1),
        action_id=text(minLength=1),
        inputs=mapping({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}),
        credential_source=choice("workspace_key", "instantly_key"),
        app_connection_id=uuid(),
    ),
)
def run(world: World, call: Call) -> Record:
    """One lookup, which is paid for whether or not anything is found."""
    given = call.body
    provider = _find(PROVIDERS, given["provider_id"], "Provider")
    action = _find(provider["actions"], given["action_id"], "Action")
    for wanted in action["inputs"]:
        if not str(given["inputs"].get(wanted["key"], "")).strip():
            raise ApiRefusal(400, f"inputs/{wanted['key']} is required")
    cost = _cost(provider, given)
    need(world, cost)
    world.verification_credits -= cost
    found = _look_up(action["id"], given["inputs"])
    return {"success": bool(found), "credits_cost": cost, action["outputColumn"]: found}


def _find(records: list[Record], wanted: str, what: str) -> Record:
    for record in records:
        if record["id"] == wanted:
            return record
    raise not_found(what)


def _cost(provider: Record, given: Record) -> int:
    """The credits that a run costs. Raises a 400 for what the provider cannot be paid with."""
    if given["credential_source"] == "instantly_key":
        if provider["requiresUserConnection"]:
            raise ApiRefusal(400, f"{provider['name']} takes workspace_key only")
        return int(provider["creditCostPerAction"])
    if not provider["isConnected"]:
        raise ApiRefusal(400, f"{provider['name']} is not connected to the workspace")
    if given.get("app_connection_id", CONNECTION).lower() != CONNECTION:
        raise not_found("Connection")
    return 0


def _look_up(action_id: str, inputs: Record) -> Any:
    """What the directory knows; None for a company or a person that it does not hold."""
    company = look_up(str(inputs["domain"]).strip().lower())
    if company is None:
        return None
    if action_id == "find_email":
        return _address(company, f"{inputs['first_name']} {inputs['last_name']}".lower())
    facts = {"find_technologies": list(company.technologies), "find_jobs": list(company.jobs)}
    return facts.get(action_id, company.funding or None)


def _address(company: Company, name: str) -> str | None:
    for person in directory().people:
        if person.company is company and person.name.lower() == name:
            return person.email
    return None
