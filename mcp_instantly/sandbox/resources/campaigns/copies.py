"""Copies of campaigns: duplicate, export, share, and take over what was shared."""

from __future__ import annotations

import copy
import datetime as dt

from mcp_instantly.sandbox.engine.responses import ApiRefusal, Response, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import fields, text, uuid
from mcp_instantly.sandbox.resources.campaigns.campaigns import SETTINGS, add_draft, find
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SHARED_FOR = dt.timedelta(days=7)


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
    """A draft from a campaign that was shared, under its old name and without its senders."""
    campaign = find(world, call.path["id"])
    if campaign.get("_shared_until", "") <= world.stamp():
        message = "This campaign is not shared"
        raise ApiRefusal(403, message, body={"message": message})
    settings = _settings(campaign)
    settings.pop("email_list", None)
    return public(add_draft(world, settings))
