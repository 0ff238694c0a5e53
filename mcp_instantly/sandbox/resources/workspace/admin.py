"""What only an administrator does to the workspace: rename it, give it a domain or another owner, remove it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import changes, fields, nullable, text
from mcp_instantly.sandbox.resources.workspace.members import OWNER, give_role
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

GRACE = dt.timedelta(hours=24)
"""How long a removal can be taken back."""

RECORD_TIME = 600
"""Seconds until the DNS records of a new white-label domain are found."""

DOMAIN = re.compile(r"(?!-)([a-z0-9-]{1,63}\.)+[a-z][a-z0-9-]+", re.IGNORECASE)


def _change(world: World, **settings: Any) -> Record:
    """Set fields of the workspace; those that are None are left out from then on."""
    for name, value in {**settings, "timestamp_updated": world.stamp()}.items():
        if value is None:
            world.workspace.pop(name, None)
        else:
            world.workspace[name] = value
    return public(world.workspace)


@route(
    "PATCH",
    "/workspaces/current",
    scope="workspaces:update",
    body=changes(
        name=text(),
        org_logo_url=nullable(text()),
    ),
)
def update_workspace(world: World, call: Call) -> Record:
    return _change(world, **call.given(("name", "org_logo_url")))


@route("POST", "/workspaces/current/schedule-for-removal", scope="workspaces:delete")
def schedule_removal(world: World, call: Call) -> Record:
    """A removal that is scheduled already keeps its hour."""
    if "scheduled_for_removal_at" in world.workspace:
        return public(world.workspace)
    when = world.now() + GRACE
    world.at(when, "remove_workspace", stamp(when))
    return _change(world, scheduled_for_removal_at=stamp(when))


@route("DELETE", "/workspaces/current/schedule-for-removal", scope="workspaces:delete")
def cancel_removal(world: World, call: Call) -> Record:
    return _change(world, scheduled_for_removal_at=None)


@action
def remove_workspace(world: World, scheduled: str) -> None:
    """From then on every request is refused, and nothing is sent."""
    if world.workspace.get("scheduled_for_removal_at") == scheduled:
        world.keys.clear()
        for key in world.api_keys:
            world.api_keys.remove(key["id"])
        world.agenda.clear()


@route("POST", "/workspaces/current/whitelabel-domain", scope="workspaces:update", body=fields("domain", domain=text()))
def set_domain(world: World, call: Call) -> Record:
    domain = call.body["domain"].strip().lower()
    if not DOMAIN.fullmatch(domain):
        raise ApiRefusal(400, "Invalid domain")
    world.later(RECORD_TIME, "verify_domain", domain)
    return _change(world, org_client_domain=domain, _domain_verified=None)


@action
def verify_domain(world: World, domain: str) -> None:
    if world.workspace.get("org_client_domain") == domain:
        world.workspace["_domain_verified"] = True


@route("DELETE", "/workspaces/current/whitelabel-domain", scope="workspaces:update")
def delete_domain(world: World, call: Call) -> Record:
    return _change(world, org_client_domain=None, _domain_verified=None)


@route(
    "POST",
    "/workspaces/current/change-owner",
    scope="workspaces:update",
    body=fields("email sec", email=text(format="email"), sec=text()),
)
def change_owner(world: World, call: Call) -> Record:
    """The former owner stays on as an admin."""
    if not call.body["sec"] or call.body["sec"] != world.workspace.get("_security_token"):
        raise ApiRefusal(401, "Invalid security token")
    heir = world.members.first(email=call.body["email"].lower())
    if heir is None or not heir["accepted"]:
        raise not_found("Workspace member")
    for member in world.members:
        if member["role"] == OWNER:
            give_role(world, member, "admin")
    give_role(world, heir, OWNER)
    return _change(world, owner=heir["user_id"])
