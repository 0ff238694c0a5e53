"""SuperSearch: counting and previewing the people of the directory, and what its signals are about."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.directory.company_lists import find_company_list
from mcp_instantly.sandbox.directory.filters import SEARCH
from mcp_instantly.sandbox.directory.population import Person, count_keywords
from mcp_instantly.sandbox.directory.search import one_per_company, search, shows_company_place
from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import boolean, fields, number, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

MAX_COUNT = 1_000_000
"""No count goes above it."""

SAMPLE = 25
KEYWORDS = 20

QUERY = fields(
    "search_filters",
    search_filters=SEARCH,
    skip_owned_leads=boolean(),
    show_one_lead_per_company=boolean(),
)


def find_people(world: World, filters: Record) -> Iterator[Person]:
    """The people whom the filters mean. Raises a 404 or a 409 for a list of companies that cannot be used."""
    list_id = filters.get("company_list_id")
    within = find_company_list(world, list_id)["_companies"] if list_id else None
    if not filters.get("skip_owned_leads"):
        return search(filters, within)
    # An owned lead must not stand for its company either.
    everybody = search({**filters, "show_one_lead_per_company": False}, within)
    free = (person for person in everybody if not is_owned(world, person))
    return one_per_company(free) if filters.get("show_one_lead_per_company") else free


def is_owned(world: World, person: Person) -> bool:
    """Whether the workspace has this person, or had once: what was paid for is not paid for again."""
    return person.id in world.acquisitions or world.leads.count(email=person.address) > 0


def _filters(body: Record) -> Record:
    """The filters; two of them may stand beside the others as well as among them."""
    beside = {name: True for name in ("skip_owned_leads", "show_one_lead_per_company") if body.get(name)}
    return {**body["search_filters"], **beside}


@route("POST", "/supersearch-enrichment/count-leads-from-supersearch", scope="supersearch_enrichments:read", body=QUERY)
def count_leads(world: World, call: Call) -> Record:
    return {"number_of_leads": min(sum(1 for _ in find_people(world, _filters(call.body))), MAX_COUNT)}


@route(
    "POST", "/supersearch-enrichment/preview-leads-from-supersearch", scope="supersearch_enrichments:read", body=QUERY
)
def preview_leads(world: World, call: Call) -> Record:
    """The first matches, without their addresses."""
    filters = _filters(call.body)
    found = find_people(world, filters)
    sample = list(itertools.islice(found, SAMPLE))
    return {
        "number_of_leads": min(len(sample) + sum(1 for _ in found), MAX_COUNT),
        "number_of_redacted_results": 0,
        "leads": [_preview(world, person, of_company=shows_company_place(filters)) for person in sample],
    }


def _preview(world: World, person: Person, *, of_company: bool) -> dict[str, Any]:
    return {
        "firstName": person.first,
        "lastName": person.last,
        "fullName": person.name,
        "jobTitle": person.title.text,
        "location": (person.company.place if of_company else person.place).text,
        "linkedIn": person.profile,
        "companyName": person.company.name,
        "companyLogo": f"https://logos.example/{person.company.domain}.png",
        "companyId": person.company.id,
        "isOwned": is_owned(world, person),
    }


@route(
    "POST",
    "/supersearch-enrichment/signal-keywords-facet",
    scope="supersearch_enrichments:read",
    body=fields("category field", category=text(), field=text(), prefix=text(), limit=number(minimum=1, maximum=100)),
)
def list_keywords(world: World, call: Call) -> Record:
    """The most frequent first."""
    category, field = call.body["category"], call.body["field"]
    counts = count_keywords(category, field)
    if counts is None:
        raise ApiRefusal(400, f"Unknown signal category or field: {category}, {field}")
    prefix = call.body.get("prefix", "").lower()
    found = sorted((-count, word) for word, count in counts.items() if word.startswith(prefix))
    limit = int(call.body.get("limit", KEYWORDS))
    return {"keywords": [{"keyword": word, "count": -count} for count, word in found[:limit]]}
