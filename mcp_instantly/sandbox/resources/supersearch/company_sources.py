"""Where company lists come from: sources with prices and filters, and what their filters mean in the directory."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.directory.industries import SUB_INDUSTRIES, TECHNOLOGIES
from mcp_instantly.sandbox.directory.words import PLACES
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import integer, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PROVIDERS = (
    "a_leads", "builtwith", "diffbot", "discolike", "fullenrich", "predict_leads", "rocketreach", "store_leads",
    "theirstack", "the_swarm",
)  # fmt: skip
OPTIONS = 100
"""How many options are answered where no limit is given."""


def _of_catalog(key: str, label: str, *, tree: bool = False) -> Record:
    source = {"catalog_id": key, "supports_search": True, "renderer": "tree" if tree else "flat"}
    return {"key": key, "label": label, "type": "multiselect", "max_values": 50, "options_source": source}


INDUSTRIES, COUNTRIES = _of_catalog("industries", "Industries", tree=True), _of_catalog("countries", "Countries")
TOOLS = {**_of_catalog("technologies", "Technologies"), "required": True}
EMPLOYEES: Record = {
    "key": "employees",
    "label": "Employees",
    "type": "range",
    "value_type": "number",
    "min": 1,
    "presets": [{"label": "1-25", "min": 1, "max": 25}, {"label": "250 and more", "min": 250}],
}
KEYWORDS: Record = {"key": "keywords", "label": "Keywords", "type": "string_list", "max_values": 20}
JOBS: Record = {"key": "job_titles", "label": "Open jobs", "type": "string_list", "max_values": 20, "required": True}
DOMAIN: Record = {"key": "domain", "label": "Similar to", "type": "text", "required": True}

MEANINGS: dict[str, Callable[[Any], Record]] = {
    "countries": lambda values: {
        "location_mode": "company",
        "locations": {"include": [{"country": value} for value in values]},
    },
    "technologies": lambda values: {"technologies": values},
    "employees": lambda bounds: {"employeeCount": [{"op": "between", **bounds}]},
    "keywords": lambda words: {"keyword_filter": {"include": ",".join(words)}},
    "job_titles": lambda titles: {"jobListing": titles},
    "domain": lambda domain: {"look_alike": domain, "lookAlikeMode": "broad"},
}
"""By the key of a filter, what it is in a search; industries are looked at in `meaning`."""


def _source(
    provider: str, name: str, source_id: str, cost: int, most: int, filters: list[Record], **more: Any
) -> Record:
    return {
        "provider_id": provider,
        "provider_name": name,
        "logo_id": provider,
        "company_source_id": source_id,
        "source_name": source_id.replace("_", " ").capitalize(),
        "credential_sources": ["instantly_key", "workspace_key"],
        "credit_cost_per_saved_record": cost,
        "max_records_per_build": most,
        "supports_preview": False,
        "connected": False,
        "filters": filters,
        "recipes": [],
        **more,
    }


RECIPES: list[Record] = [
    {
        "recipe_id": "payments_in_europe",
        "source_id": "a_leads",
        "company_source_id": "company_search",
        "title": "Finance in Germany",
        "description": "Financial companies in Germany with 25 people and more.",
        "prefilled": {
            "industries": [{"value": "Financial Services", "label": "Financial Services"}],
            "countries": [{"value": "Germany", "label": "Germany"}],
            "employees": {"min": 25},
        },
    },
    {
        "recipe_id": "shops",
        "source_id": "builtwith",
        "company_source_id": "technology_search",
        "title": "Shops on Shopify",
        "description": "Companies that sell with Shopify.",
        "prefilled": {"technologies": [{"value": "Shopify", "label": "Shopify"}]},
    },
]

SOURCES = [
    _source(
        "a_leads", "A-Leads", "company_search", 1, 10_000, [INDUSTRIES, COUNTRIES, EMPLOYEES, KEYWORDS],
        require_any_of=["industries", "countries", "keywords"],
    ),
    _source("builtwith", "BuiltWith", "technology_search", 2, 5000, [TOOLS, COUNTRIES, EMPLOYEES]),
    _source("theirstack", "TheirStack", "job_search", 3, 1000, [JOBS, COUNTRIES]),
    _source("discolike", "DiscoLike", "lookalikes", 1, 500, [DOMAIN, COUNTRIES]),
    _source(
        "the_swarm", "The Swarm", "network_search", 0, 1000, [INDUSTRIES, KEYWORDS],
        credential_sources=["workspace_key"],
    ),
]  # fmt: skip


@route("GET", "/supersearch-enrichment/company-lists/sources", scope="supersearch_enrichments:read")
def list_sources(world: World, call: Call) -> list[Record]:
    return [{**source, "recipes": _recipes(source)} for source in SOURCES]


def _recipes(source: Record) -> list[Record]:
    kept = ("recipe_id", "title", "description", "prefilled")
    return [
        {**{name: recipe[name] for name in kept}, "visible_filter_keys": list(recipe["prefilled"])}
        for recipe in RECIPES
        if recipe["company_source_id"] == source["company_source_id"]
    ]


@route("GET", "/supersearch-enrichment/company-lists/recipes", scope="supersearch_enrichments:read")
def list_recipes(world: World, call: Call) -> list[Record]:
    return RECIPES


@route(
    "GET",
    "/supersearch-enrichment/company-lists/filter-options",
    scope="supersearch_enrichments:read",
    needs="catalog_id",
    query={"catalog_id": text(minLength=1), "q": text(), "limit": integer(minimum=1, maximum=500)},
)
def list_options(world: World, call: Call) -> Record:
    """With `q`, those that contain it, or have children that do."""
    options = catalogs().get(call.query["catalog_id"])
    if options is None:
        raise not_found("Catalog")
    wanted = call.query.get("q", "").strip().lower()
    found = [
        option
        for option in options
        if any(wanted in one["label"].lower() for one in (option, *option.get("children", ())))
    ]
    return {"options": found[: call.query.get("limit", OPTIONS)], "stale": False}


@functools.cache
def catalogs() -> dict[str, list[Record]]:
    """The options of the filters that take their values from a catalogue, by its id."""
    countries = sorted({place.country for place in PLACES})
    industries = [
        {**_option(name), "children": [_option(line) for line in lines]} for name, lines in SUB_INDUSTRIES.items()
    ]
    return {
        "industries": industries,
        "technologies": [_option(name) for name in TECHNOLOGIES],
        "countries": [_option(name) for name in countries],
    }


def _option(name: str) -> Record:
    return {"label": name, "value": name}


def find_source(provider_id: str, source_id: str) -> Record:
    for source in SOURCES:
        if (source["provider_id"], source["company_source_id"]) == (provider_id, source_id):
            return source
    raise not_found("Company source")


# filters


def read_filters(source: Record, given: Record) -> tuple[Record, Record]:
    """The filters as they are shown, and what they mean in the directory. Raises a 400 for the first wrong one."""
    known = {one["key"]: one for one in source["filters"]}
    for key in given:
        if key not in known:
            raise _wrong(key, f"is not a filter of this source, which has {', '.join(known)}")
    values = {key: _values(known[key], value) for key, value in given.items()}
    values = {key: value for key, value in values.items() if value}
    for key, one in known.items():
        if one.get("required") and key not in values:
            raise _wrong(key, "is required")
    either = source.get("require_any_of")
    if either and not set(either) & set(values):
        raise ApiRefusal(400, f"At least one of these filters is required: {', '.join(either)}")
    shown, meant = {}, {}
    for key, value in values.items():
        is_option = "options_source" in known[key]
        shown[key] = [_option(name) for name in value] if is_option else value
        meant.update(meaning(value) if key == "industries" else MEANINGS[key](value))
    return shown, meant


def meaning(industries: list[str]) -> Record:
    """Industries, and lines of business within others."""
    lines = [name for name in industries if name not in SUB_INDUSTRIES]
    whole = [line for name in industries for line in SUB_INDUSTRIES.get(name, ())]
    return {"subIndustry": {"include": [*lines, *whole]}}


def _values(one: Record, value: Any) -> Any:
    """A filter's value: text, the bounds of a range, or a list of words, options among them by their value."""
    key, kind = one["key"], one["type"]
    if kind == "text":
        if not isinstance(value, str):
            raise _wrong(key, "must be a text")
        return value.strip()
    if kind == "range":
        bounds = value if isinstance(value, dict) else {"": None}
        if any(name not in ("min", "max") or type(bound) not in (int, float) for name, bound in bounds.items()):
            raise _wrong(key, "must be an object with the numbers min and max")
        return bounds
    if not isinstance(value, list) or len(value) > one["max_values"]:
        raise _wrong(key, f"must be a list of at most {one['max_values']} values")
    names = [item.get("value") if isinstance(item, dict) else item for item in value]
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise _wrong(key, "must hold texts only")
        if "options_source" in one and name not in _known(one["options_source"]["catalog_id"]):
            raise _wrong(key, f"does not know {name}")
    return names


@functools.cache
def _known(catalog_id: str) -> frozenset[str]:
    options = catalogs()[catalog_id]
    return frozenset(one["value"] for option in options for one in (option, *option.get("children", ())))


def _wrong(key: str, problem: str) -> ApiRefusal:
    return ApiRefusal(400, f"filters/{key} {problem}")
