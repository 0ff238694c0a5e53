"""Sales flows: saved views of leads by what they did."""

from __future__ import annotations

import functools
from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page_of_matches, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, changes, fields, nullable, text, uuid
from mcp_instantly.sandbox.resources.leads.filters import QUERY
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ALL_LISTS, ALL_CAMPAIGNS = "all-lists", "all-campaigns"
SETTINGS = {
    "name": text(),
    "is_default": nullable(boolean()),
    "queries": array(QUERY),
    "list_id": nullable(text()),
    "campaign_id": nullable(text()),
}


def find(world: World, flow_id: str) -> Record:
    """The flow with this id. Raises a 404."""
    flow = world.sales_flows.get(flow_id)
    if not flow:
        raise not_found("Sales flow")
    return flow


def _settings(world: World, call: Call) -> dict[str, Any]:
    """What the request sets. All campaigns are written as none; all lists keep their word."""
    settings = call.given(SETTINGS)
    if settings.get("campaign_id") == ALL_CAMPAIGNS:
        settings["campaign_id"] = None
    if settings.get("campaign_id") and settings["campaign_id"] not in world.campaigns:
        raise not_found("Campaign")
    if settings.get("list_id", ALL_LISTS) not in (None, ALL_LISTS) and settings["list_id"] not in world.lead_lists:
        raise not_found("Lead list")
    return settings


def _save(world: World, flow: Record, settings: dict[str, Any]) -> Record:
    """Only one flow can be the default: the others cease to be."""
    if settings.get("is_default"):
        for other in world.sales_flows:
            if other.get("is_default"):
                world.sales_flows.change(other, is_default=False)
    return _show(world, world.sales_flows.change(flow, **settings))


def _show(world: World, flow: Record) -> Record:
    """A flow with the names that its list and its campaign have today."""
    shown = public(flow)
    campaign = world.campaigns.get(flow.get("campaign_id", ""))
    lead_list = world.lead_lists.get(flow.get("list_id", ""))
    return {
        **shown,
        **({"campaign_name": campaign["name"]} if campaign else {}),
        **({"list_name": lead_list["name"]} if lead_list else {}),
    }


@route("POST", "/sales-flow", scope="sales_flows:create", body=fields("name queries", **SETTINGS))
def create_flow(world: World, call: Call) -> Record:
    settings = _settings(world, call)
    flow = {
        "id": world.uuid7(),
        "timestamp_created": world.stamp(),
        "organization_id": world.workspace["id"],
        "created_by": world.workspace["owner"],
    }
    return _save(world, world.sales_flows.add(flow), settings)


@route("GET", "/sales-flow", scope="sales_flows:read", query={**PAGE, "search": text()})
def list_flows(world: World, call: Call) -> Record:
    """Newest first."""
    return page_of_matches(world.sales_flows, call.query, "name", render=functools.partial(_show, world))


@route("GET", "/sales-flow/{id}", scope="sales_flows:read", id=uuid())
def get_flow(world: World, call: Call) -> Record:
    return _show(world, find(world, call.path["id"]))


@route(
    "PATCH",
    "/sales-flow/{id}",
    scope="sales_flows:update",
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_flow(world: World, call: Call) -> Record:
    return _save(world, find(world, call.path["id"]), _settings(world, call))


@route("DELETE", "/sales-flow/{id}", scope="sales_flows:delete", id=uuid())
def delete_flow(world: World, call: Call) -> Record:
    flow = find(world, call.path["id"])
    world.sales_flows.remove(flow["id"])
    return _show(world, flow)
