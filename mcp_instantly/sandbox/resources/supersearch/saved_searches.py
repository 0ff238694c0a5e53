"""Saved searches: filters of SuperSearch under a name. Nothing is looked for and nothing is charged."""

from __future__ import annotations

from mcp_instantly.sandbox.directory.filters import SEARCH
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, fields, text, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PATH = "/supersearch-enrichment/saved-searches"
LIMIT = 20
SETTINGS = {"name": text(minLength=1, maxLength=255), "search_filters": SEARCH}


def find(world: World, search_id: str) -> Record:
    """The saved search with this id. Raises a 404."""
    found = world.saved_searches.get(search_id)
    if not found:
        raise not_found("Saved search")
    return found


@route("POST", PATH, scope="supersearch_enrichments:create", body=fields("name search_filters", CLOSED, **SETTINGS))
def create_search(world: World, call: Call) -> Record:
    search = {
        "id": world.uuid7(),
        "name": call.body["name"],
        "search_filters": call.body["search_filters"],
        "organization_id": world.workspace["id"],
        "timestamp_created": world.stamp(),
    }
    return public(world.saved_searches.add(search))


@route(
    "GET",
    PATH,
    scope="supersearch_enrichments:read",
    query={**PAGE, "search": text()},
)
def list_searches(world: World, call: Call) -> Record:
    """Newest first; the search looks at names."""
    words = call.query.get("search", "").lower()
    searches = world.saved_searches.after(call.query.get("starting_after"), newest_first=True)
    found = (search for search in searches if words in search["name"].lower())
    return page(found, {"limit": LIMIT, **call.query})


@route("GET", PATH + "/{id}", scope="supersearch_enrichments:read", id=uuid())
def get_search(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    PATH + "/{id}",
    scope="supersearch_enrichments:update",
    body=fields("", {**CLOSED, "minProperties": 1}, **SETTINGS),
    id=uuid(),
)
def update_search(world: World, call: Call) -> Record:
    """The filters are replaced whole."""
    return public(world.saved_searches.change(find(world, call.path["id"]), **call.body))


@route("DELETE", PATH + "/{id}", scope="supersearch_enrichments:delete", id=uuid())
def delete_search(world: World, call: Call) -> Record:
    search = find(world, call.path["id"])
    world.saved_searches.remove(search["id"])
    return {"success": True}
