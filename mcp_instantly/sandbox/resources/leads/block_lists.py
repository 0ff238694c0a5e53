"""The block list: addresses and domains that get no mail, whatever the campaign."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, Response, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, changes, fields, is_address, text, uuid
from mcp_instantly.sandbox.state.events import listener
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SELECTED = {"domains_only": boolean(), "search": text()}
SEVERAL = {"minItems": 1, "maxItems": 1000}

_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*")


def find(world: World, entry_id: str) -> Record:
    """The entry with this id. Raises a 404."""
    entry = world.block_list.get(entry_id)
    if not entry:
        raise not_found("Block list entry")
    return entry


def read_value(value: str) -> tuple[str, bool] | None:
    """An address or domain as it is kept, and whether it is a domain; None if it is neither."""
    value = value.strip().lower()
    if "@" in value:
        return (value, False) if is_address(value) else None
    return (value, True) if _DOMAIN.fullmatch(value) else None


def _must_read(value: str) -> tuple[str, bool]:
    found = read_value(value)
    if found is None:
        raise ApiRefusal(400, "bl_value must be a valid email or domain")
    return found


def block(world: World, value: str, is_domain: bool, **more: Any) -> Record:
    """The entry for an address or domain: a new one, unless it is blocked already."""
    known = world.block_list.first(bl_value=value)
    if known:
        return known
    entry = {
        "id": more.get("id") or world.uuid7(),
        "timestamp_created": world.stamp(),
        "organization_id": world.workspace["id"],
        "bl_value": value,
        "is_domain": is_domain,
    }
    return world.block_list.add(entry)


@listener
def block_unsubscribed(world: World, event: str, facts: dict[str, Any]) -> None:
    """In workspaces that wish it, to unsubscribe from one campaign is to be out of all."""
    if event == "lead_unsubscribed" and world.workspace.get("add_unsub_to_block"):
        block(world, facts["lead"]["email"], False)


@route("POST", "/block-lists-entries", scope="block_list_entries:create", body=fields("bl_value", bl_value=text()))
def create_entry(world: World, call: Call) -> Record:
    """What is blocked already is not added again: the entry that is there comes back."""
    return public(block(world, *_must_read(call.body["bl_value"])))


@route(
    "POST",
    "/block-lists-entries/bulk-create",
    scope="block_list_entries:create",
    body=fields("bl_values", bl_values=array(text(), **SEVERAL)),
)
def create_entries(world: World, call: Call) -> Record:
    """Takes what is an address or a domain and counts the rest."""
    found = [read_value(value) for value in call.body["bl_values"]]
    valid = [value for value in found if value is not None]
    return {
        "items": [public(block(world, *value)) for value in dict.fromkeys(valid)],
        "valid_count": len(valid),
        "invalid_count": len(found) - len(valid),
    }


def _select(world: World, query: dict[str, Any]) -> Iterator[Record]:
    """The entries asked for, newest first."""
    words = query.get("search", "").strip().lower()
    for entry in world.block_list.after(query.get("starting_after"), newest_first=True):
        if words in entry["bl_value"] and (entry["is_domain"] or not query.get("domains_only")):
            yield entry


@route("GET", "/block-lists-entries", scope="block_list_entries:read", query={**PAGE, **SELECTED})
def list_entries(world: World, call: Call) -> Record:
    return page(_select(world, call.query), call.query)


@route("GET", "/block-lists-entries/download", scope="block_list_entries:read", query=SELECTED)
def download_entries(world: World, call: Call) -> Response:
    """A table with a line per entry."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(("Blocked Email", "Date"))
    table.writerows((entry["bl_value"], entry["timestamp_created"]) for entry in _select(world, call.query))
    return Response(200, written.getvalue().removesuffix("\r\n"), "text/csv")


@route("DELETE", "/block-lists-entries", scope="block_list_entries:delete", query=SELECTED)
def delete_all(world: World, call: Call) -> list[Record]:
    """Without a filter the whole list goes."""
    gone = list(_select(world, call.query))
    for entry in gone:
        world.block_list.remove(entry["id"])
    return [public(entry) for entry in gone]


@route(
    "POST",
    "/block-lists-entries/bulk-delete",
    scope="block_list_entries:delete",
    body=fields("ids", ids=array(text(), **SEVERAL)),
)
def delete_entries(world: World, call: Call) -> list[Record]:
    """Answers those that were there; ids that are not known change nothing."""
    gone = (world.block_list.remove(entry_id) for entry_id in call.body["ids"])
    return [public(entry) for entry in gone if entry]


@route("GET", "/block-lists-entries/{id}", scope="block_list_entries:read", id=uuid())
def get_entry(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/block-lists-entries/{id}",
    scope="block_list_entries:update",
    body=changes(
        bl_value=text(),
    ),
    id=uuid(),
)
def update_entry(world: World, call: Call) -> Record:
    """Another address or domain in place of the old one, which is free again."""
    entry = find(world, call.path["id"])
    if "bl_value" in call.body:
        value, is_domain = _must_read(call.body["bl_value"])
        if any(other["id"] != entry["id"] for other in world.block_list.where(bl_value=value)):
            raise ApiRefusal(400, "This value is already in the block list")
        world.block_list.change(entry, bl_value=value, is_domain=is_domain)
    return public(entry)


@route("DELETE", "/block-lists-entries/{id}", scope="block_list_entries:delete", id=uuid())
def delete_entry(world: World, call: Call) -> Record:
    entry = find(world, call.path["id"])
    world.block_list.remove(entry["id"])
    return public(entry)
