"""The workspace that the key belongs to."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World


@route("GET", "/workspaces/current", scope="workspaces:read")
def get_workspace(world: World, call: Call) -> Record:
    return public(world.workspace)


@route("GET", "/workspaces/current/whitelabel-domain", scope="workspaces:read")
def get_whitelabel_domain(world: World, call: Call) -> Record:
    """The agency's domain and the DNS record it needs; nothing where there is none."""
    name = world.workspace.get("org_client_domain")
    if not name:
        return {}
    verified = bool(world.workspace.get("_domain_verified"))
    missing = {"type": "CNAME", "domain": name, "value": "clients.instantly.example", "reason": "record not found"}
    return {"verified": verified, "name": name, "verification": [] if verified else [missing]}
