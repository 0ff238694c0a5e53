"""The workspace group: an admin workspace and the sub workspaces that have accepted its invitation."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import fields, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

PENDING, ACCEPTED = "pending", "accepted"
ANSWER_TIME = 3600
"""Seconds until the owner of an invited workspace accepts."""


def find(world: World, member_id: str) -> Record:
    """The membership with this id. Raises a 404."""
    member = world.group_members.get(member_id)
    if not member:
        raise not_found("Workspace group member")
    return member


def admin_membership(world: World) -> Record | None:
    """What makes the present workspace a sub workspace of another one."""
    return world.group_members.first(sub_workspace_id=world.workspace["id"], status=ACCEPTED)


@route(
    "POST",
    "/workspace-group-members",
    scope="workspace_group_members:create",
    body=fields("sub_workspace_id", sub_workspace_id=uuid()),
)
def invite_workspace(world: World, call: Call) -> Record:
    invited = call.body["sub_workspace_id"].lower()
    if invited == world.workspace["id"]:
        raise ApiRefusal(400, "A workspace cannot be a sub workspace of itself")
    if admin_membership(world):
        raise ApiRefusal(409, "This workspace is a sub workspace itself")
    if world.group_members.first(sub_workspace_id=invited):
        raise ApiRefusal(409, "The workspace has been invited into a group already")
    neighbour = world.neighbours.get(invited)
    if neighbour is None:
        raise not_found("Workspace")
    member = add_member(world, neighbour, status=PENDING)
    world.later(ANSWER_TIME, "accept_invitation", member["id"])
    return public(member)


def add_member(world: World, neighbour: Record, **more: str) -> Record:
    return world.group_members.add(
        {
            "id": world.uuid4() if "id" not in more else more["id"],
            "admin_workspace_id": world.workspace["id"],
            "sub_workspace_id": neighbour["id"],
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            "sub_workspace_name": neighbour["name"],
            "admin_workspace_name": world.workspace["name"],
            **more,
        }
    )


@action
def accept_invitation(world: World, member_id: str) -> None:
    member = world.group_members.get(member_id)
    if member and member["status"] == PENDING:
        world.group_members.change(member, status=ACCEPTED, timestamp_updated=world.stamp())
        world.sister_workspaces.add(member["sub_workspace_id"])


@route("GET", "/workspace-group-members", scope="workspace_group_members:read", query=PAGE)
def list_group(world: World, call: Call) -> Record:
    found = world.group_members.after(call.query.get("starting_after"))
    return page((member for member in found if member["admin_workspace_id"] == world.workspace["id"]), call.query)


@route("GET", "/workspace-group-members/admin")
def get_admin_workspace(world: World, call: Call) -> Record:
    """A workspace without one has an admin workspace by the name of Undefined."""
    member = admin_membership(world)
    if member is None:
        return {"workspace_name": "Undefined", "has_admin_workspace": False}
    return {
        "workspace_name": member["admin_workspace_name"],
        "has_admin_workspace": True,
        "workspace_group_member_id": member["id"],
    }


@route("GET", "/workspace-group-members/{id}", scope="workspace_group_members:read", id=uuid())
def get_group_member(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route("DELETE", "/workspace-group-members/{id}", scope="workspace_group_members:delete", id=uuid())
def delete_group_member(world: World, call: Call) -> Record:
    """Accounts can no longer be moved between the two."""
    member = find(world, call.path["id"])
    world.group_members.remove(member["id"])
    world.sister_workspaces.discard(member["sub_workspace_id"])
    return public(member)
