"""Company lists: the companies that a search can be kept to. They are built, or there from the start."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.directory.population import Company, directory
from mcp_instantly.sandbox.directory.search import search_companies
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PENDING, BUILDING, COMPLETED, FAILED = "PENDING", "IN_PROGRESS", "COMPLETED", "FAILED"
ENDED = (COMPLETED, FAILED)

OWN_SOURCE = {"provider_id": "a_leads", "company_source_id": "company_search", "_cost": 1}
"""What the lists that were there from the start are taken to be made from."""

NO_COMPANIES = {"domains": ["nobody.invalid"]}
"""Filters that mean no company: empty ones mean all of them."""


def add_company_list(
    world: World, name: str, companies: dict[str, Any], *, list_id: str | None = None, ready_in: float = 0
) -> Record:
    """A list of the companies that these filters of a search mean; it takes so many seconds to be completed."""
    return world.company_lists.add(
        {
            **OWN_SOURCE,
            "id": list_id or world.uuid4(),
            "name": name,
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            "_companies": companies,
            "_ready_at": stamp(world.now() + dt.timedelta(seconds=ready_in)),
        }
    )


def status_of(world: World, found: Record) -> str:
    """A build says it itself; a list that was there from the start becomes completed with time."""
    if "status" in found:
        return str(found["status"])
    return BUILDING if found["_ready_at"] > world.stamp() else COMPLETED


def domains_of(world: World, found: Record) -> list[str]:
    """The companies that are in the list by now."""
    if "_saved" in found:
        return list(found["_saved"])
    if status_of(world, found) != COMPLETED:
        return []
    named = found["_companies"].get("domains")
    return list(named) if named else [company.domain for company in search_companies(found["_companies"])]


def look_up(domain: str) -> Company | None:
    """What the directory knows of a company."""
    return directory().by_domain.get(domain)


def find_company_list(world: World, list_id: str) -> Record:
    """The list of this workspace with this id. Raises a 404, and a 409 while the list is not completed."""
    found = world.company_lists.get(list_id.lower())
    if found is None:
        raise _refusal(404, "COMPANY_LIST_NOT_FOUND", "Company list not found")
    if status_of(world, found) != COMPLETED:
        raise _refusal(409, "COMPANY_LIST_NOT_READY", "Company list is not completed yet")
    return found


def _refusal(status: int, code: str, message: str) -> ApiRefusal:
    return ApiRefusal(status, message, body={"errorCode": code, "message": message})
