"""Who may do what: keys, their scopes, and the workspace that a request is about."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.engine.routes import API, Route
from mcp_instantly.sandbox.engine.workspaces import Workspaces
from mcp_instantly.sandbox.state.world import World

EVERYTHING = "all:all"

WHOLE = dict.fromkeys(("ai_agent_guidances", "ai_inbox_manager_analytics", "ai_sdr_replies"), "ai_agents")
"""Resources that are part of another one: the scope for all of that covers them."""


def is_allowed(needed: str | None, granted: Iterable[str]) -> bool:
    """Whether a key with the scopes `granted` may call an operation whose narrowest scope is `needed`.

    `campaigns:read` is also granted by `campaigns:all`, `all:read` and `all:all`. Operations without a scope on record
    may be called with any key.
    """
    if needed is None:
        return True
    resource, _, verb = needed.partition(":")
    return not {needed, f"{WHOLE.get(resource, resource)}:all", f"all:{verb}", EVERYTHING}.isdisjoint(granted)


def may_call(route: Route, granted: Collection[str]) -> bool:
    """Whether a key with the scopes `granted` may call the operation of this route."""
    return route.or_scope in granted or all(is_allowed(scope, granted) for scope in (route.scope, route.also_scope))


def authorize(workspaces: Workspaces, key: str, route: Route, workspace_id: str | None = None) -> World:
    """The world that a request is about.

    Raises a 401 for an unknown key, a 403 for what it may not do, a 402 for a workspace without a paid plan.
    """
    for owner in workspaces.worlds:
        record = None if key in owner.keys else owner.api_keys.first(key=key)
        if record or key in owner.keys:
            break
    else:
        raise ApiRefusal(401, "Invalid API key")
    world = workspaces.find(owner, workspace_id) if workspace_id else owner
    if world is None:
        raise ApiRefusal(403, "This API key has no access to the requested workspace")
    granted = record["scopes"] if record else (EVERYTHING,)
    if not may_call(route, granted):
        raise ApiRefusal(403, "This API key does not have the scopes that the operation requires")
    if not (world.workspace.get("plan_id") or route.path.startswith(f"{API}/oauth/")):
        raise ApiRefusal(402, "Your workspace does not have an active plan")
    return world


def is_key(workspaces: Workspaces, key: str) -> bool:
    """Whether any of the workspaces has this API key."""
    return any(key in world.keys or world.api_keys.first(key=key) for world in workspaces.worlds)
