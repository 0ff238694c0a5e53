"""Copies of campaigns: duplicate, export, share, and take over what was shared."""

from __future__ import annotations

import copy
import datetime as dt

from mcp_instantly.sandbox.engine.responses import ApiRefusal, Response, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import fields, text, uuid
from mcp_instantly.sandbox.resources.campaigns.campaigns import SETTINGS, add_draft, find
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SHARED_FOR = dt.timedelta(days=7)

OF_ITS_WORKSPACE = ("email_tag_list", "owned_by")
"""Settings that name what only the workspace of the campaign has: tags, and members."""


def _settings(campaign: Record) -> Record:
    return copy.deepcopy({name: campaign[name] for name in SETTINGS if name in campaign})


@route("POST", "/campaigns/{id}/duplicate", scope="campaigns:create", body=fields(name=text()), id=uuid())
def duplicate_campaign(world: World, call: Call) -> Record:
    """A draft with the same settings and senders, without the leads."""
    campaign = find(world, call.path["id"])
    name = call.body.get("name") or f"{campaign['name']} (copy)"
    return public(add_draft(world, {**_settings(campaign), "name": name}))


@route("POST", "/campaigns/{id}/export", scope="campaigns:read", id=uuid())
def export_campaign(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route("POST", "/campaigns/{id}/share", id=uuid())
def share_campaign(world: World, call: Call) -> Response:
    campaign = find(world, call.path["id"])
    world.campaigns.change(campaign, _shared_until=stamp(world.now() + SHARED_FOR))
    return Response(204)


@route("POST", "/campaigns/{id}/from-export", scope="campaigns:create", id=uuid())
def create_from_export(world: World, call: Call) -> Record:
    """A draft from a campaign that was shared, in any workspace, under its old name and without its senders."""
    campaign = _find_anywhere(world, call.path["id"])
    if campaign.get("_shared_until", "") <= world.stamp():
        message = "This campaign is not shared"
        raise ApiRefusal(403, message, body={"message": message})
    settings = _settings(campaign)
    unknown_here = OF_ITS_WORKSPACE if campaign["id"] not in world.campaigns else ()
    for name in ("email_list", *unknown_here):
        settings.pop(name, None)
    return public(add_draft(world, settings))


def _find_anywhere(world: World, campaign_id: str) -> Record:
    """The campaign with this id, of this workspace or of another one. Raises a 404."""
    others = world.workspaces.worlds if world.workspaces else ()
    for other in (world, *others):
        if campaign_id in other.campaigns:
            return find(other, campaign_id)
    raise not_found("Campaign")
