"""Custom tags, and which accounts and campaigns carry them."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page, page_by_time, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, array, boolean, changes, choice, fields, nullable, text, uuid
from mcp_instantly.sandbox.resources.accounts.filters import STATE, in_state, named_like
from mcp_instantly.sandbox.sending.matching import tag_ids
from mcp_instantly.sandbox.state.table import Record, Table
from mcp_instantly.sandbox.state.world import World

ACCOUNT, CAMPAIGN = 1, 2

AUDITED = {ACCOUNT: audit.ACCOUNT_UPDATE, CAMPAIGN: audit.CAMPAIGN_UPDATE}
"""What becomes of the tagged, in the audit log."""
LABEL = text(minLength=1, pattern=r".*\S.*")

UNTAGGED = "no-tag"
SELECTED = fields(
    "",
    CLOSED,
    tag_id={"oneOf": [uuid(), choice(UNTAGGED)]},
    tag_ids=array(uuid(), minItems=1),
    tag_ids_all=array(uuid(), minItems=1),
    filter=nullable(STATE),
    search=text(),
)


def find(world: World, tag_id: str) -> Record:
    """The tag with this id. Raises a 404."""
    tag = world.custom_tags.get(tag_id)
    if not tag:
        raise not_found("Custom tag")
    return tag


def _free_label(world: World, label: str, besides: str = "") -> str:
    """The label without the space around it. Raises a 409 where another tag has it, in whatever case and spacing."""
    label = label.strip()
    if any(_normal(tag["label"]) == _normal(label) and tag["id"] != besides for tag in world.custom_tags):
        raise ApiRefusal(409, "A tag with this label already exists")
    return label


def _normal(label: str) -> str:
    return " ".join(label.split()).casefold()


@route(
    "POST", "/custom-tags", scope="custom_tags:create", body=fields("label", label=LABEL, description=nullable(text()))
)
def create_tag(world: World, call: Call) -> Record:
    """Unlike later reads, the response does not show the description."""
    tag = {
        "id": world.uuid4(),
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        "organization_id": world.workspace["id"],
        "label": _free_label(world, call.body["label"]),
    }
    world.custom_tags.add({**tag, "description": call.body.get("description")})
    return tag


@route(
    "GET",
    "/custom-tags",
    scope="custom_tags:read",
    query={**PAGE, "search": text(), "resource_ids": text(), "tag_ids": text()},
)
def list_tags(world: World, call: Call) -> Record:
    """In the order of ids."""
    query = call.query
    found = sorted((tag for tag in world.custom_tags if _wanted(world, tag, query)), key=lambda tag: tag["id"])
    if "starting_after" in query:
        found = [tag for tag in found if tag["id"] > query["starting_after"]]
    return page(found, query)


def _wanted(world: World, tag: Record, query: dict[str, Any]) -> bool:
    searched = query.get("search", "").lower() in f"{tag['label']} {tag.get('description') or ''}".lower()
    named = "tag_ids" not in query or tag["id"] in commas(query["tag_ids"])
    if not (searched and named) or "resource_ids" not in query:
        return searched and named
    return any(tag["id"] in tag_ids(world, resource) for resource in commas(query["resource_ids"]))


@route("GET", "/custom-tags/{id}", scope="custom_tags:read", id=uuid())
def get_tag(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/custom-tags/{id}",
    scope="custom_tags:update",
    body=changes(
        label=LABEL,
        description=nullable(text()),
    ),
    id=uuid(),
)
def update_tag(world: World, call: Call) -> Record:
    tag = find(world, call.path["id"])
    settings = call.given(("label", "description"))
    if "label" in settings:
        settings["label"] = _free_label(world, settings["label"], besides=tag["id"])
    return public(world.custom_tags.change(tag, **settings, timestamp_updated=world.stamp()))


@route("DELETE", "/custom-tags/{id}", scope="custom_tags:delete", id=uuid())
def delete_tag(world: World, call: Call) -> Record:
    tag = find(world, call.path["id"])
    world.custom_tags.remove(tag["id"])
    for mapping in world.custom_tag_mappings.where(tag_id=tag["id"]):
        world.custom_tag_mappings.remove(mapping["id"])
    return public(tag)


@route(
    "POST",
    "/custom-tags/toggle-resource",
    audit=lambda call: AUDITED[call.body["resource_type"]],
    body=fields(
        "tag_ids resource_type assign",
        tag_ids=array(uuid(), minItems=1),
        resource_type=choice(ACCOUNT, CAMPAIGN),
        resource_ids=array(text(), minItems=1),
        excluded_resource_ids=array(text(), minItems=1),
        assign=boolean(),
        selected_all=boolean(),
        filter={"oneOf": [nullable(STATE), SELECTED]},
        search=text(),
    ),
)
def toggle_tags(world: World, call: Call) -> Record:
    """Put tags on resources, or take them off."""
    body = call.body
    tags = [find(world, tag_id) for tag_id in dict.fromkeys(body["tag_ids"])]
    for resource_id in _resources(world, body):
        for tag in tags:
            (assign if body["assign"] else unassign)(world, tag["id"], resource_id, body["resource_type"])
    return {"success": True}


def _resources(world: World, body: dict[str, Any]) -> list[str]:
    kind = body["resource_type"]
    table: Table = world.accounts if kind == ACCOUNT else world.campaigns
    if body.get("selected_all"):
        excluded = {resource.lower() for resource in body.get("excluded_resource_ids", ())}
        ids = [record[table.key] for record in table if _selected(world, record, kind, body)]
        return [resource for resource in ids if resource.lower() not in excluded]
    if "resource_ids" not in body:
        raise ApiRefusal(400, "resource_ids is required unless selected_all is true")
    ids = list(dict.fromkeys(resource.lower() for resource in body["resource_ids"]))
    if any(resource not in table for resource in ids):
        raise not_found("Account" if kind == ACCOUNT else "Campaign")
    return ids


def _selected(world: World, record: Record, kind: int, body: dict[str, Any]) -> bool:
    wanted = body.get("filter")
    wanted = wanted if isinstance(wanted, dict) else {"filter": wanted}
    search = body.get("search", wanted.get("search"))
    if kind == ACCOUNT:
        fits = in_state(record, wanted.get("filter")) and named_like(record, search)
    else:
        fits = (search or "").lower() in record["name"].lower()
    carried = set(tag_ids(world, record["email" if kind == ACCOUNT else "id"]))
    one = wanted.get("tag_id")
    return (
        fits
        and (one is None or (not carried if one == UNTAGGED else one in carried))
        and (not wanted.get("tag_ids") or bool(carried & set(wanted["tag_ids"])))
        and carried >= set(wanted.get("tag_ids_all", ()))
    )


def assign(world: World, tag_id: str, resource_id: str, resource_type: int) -> None:
    if tag_id not in tag_ids(world, resource_id):
        world.custom_tag_mappings.add(
            {
                "id": world.uuid7(),
                "tag_id": tag_id,
                "resource_id": resource_id,
                "resource_type": resource_type,
                "timestamp_created": world.stamp(),
                "organization_id": world.workspace["id"],
            }
        )


def unassign(world: World, tag_id: str, resource_id: str, resource_type: int) -> None:
    for mapping in world.custom_tag_mappings.where(tag_id=tag_id, resource_id=resource_id):
        world.custom_tag_mappings.remove(mapping["id"])


@route("GET", "/custom-tag-mappings", scope="custom_tag_mappings:read", query={**PAGE, "resource_ids": text()})
def list_mappings(world: World, call: Call) -> Record:
    wanted = call.query.get("resource_ids")
    mappings = world.custom_tag_mappings
    found = [mapping for mapping in mappings if wanted is None or mapping["resource_id"] in commas(wanted)]
    return page_by_time(found, call.query)
