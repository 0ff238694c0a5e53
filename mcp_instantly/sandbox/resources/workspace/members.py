"""The people of the workspace: invited by email, members once they accept."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, changes, choice, fields, nullable, text, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World, action

OWNER = "owner"
ROLES = (OWNER, "admin", "editor", "view", "client")
GIVEN = ("admin", "editor", "view")
"""The roles that can be given here: the owner has founded the workspace, clients come in through a white label."""

_PERMISSIONS = (
    "dashboard.view campaigns.view campaigns.create campaigns.edit campaigns.delete organization.manage"
    " organization.integrations organization.billing organization.users.manage leadFinder.view"
    " customLeadLabels.create customLeadLabels.edit customLeadLabels.delete unibox.all analytics.view"
    " websiteChat.view websiteChat.manage agency.manage accounts.view accounts.manage leadManagement.view leads.move"
    " crm.view websiteVisitors.view blocklist.manage preferences.manage inboxPlacement.view aiAgents.manage"
    " workspaceGroupMembers.invite workspaceGroupMembers.remove workspaceGroupMembers.leave"
)

NICKNAME = nullable(text(maxLength=80))
ANSWER_TIME = 3600
"""Seconds until an invited person accepts."""


def find(world: World, member_id: str) -> Record:
    """The member with this id. Raises a 404."""
    member = world.members.get(member_id)
    if not member:
        raise not_found("Workspace member")
    return member


def _check_role(role: str) -> None:
    if role not in GIVEN:
        raise ApiRefusal(400, f"The role {role} cannot be assigned through the API")


@route(
    "POST",
    "/workspace-members",
    scope="workspace_members:create",
    body=fields(
        "email role",
        email=text(format="email"),
        user_email=nullable(text(format="email")),
        nickname=NICKNAME,
        role=choice(*ROLES),
        permissions=nullable(array(choice(*_PERMISSIONS.split()))),
    ),
)
def invite_member(world: World, call: Call) -> Record:
    body, email = call.body, call.body["email"].lower()
    _check_role(body["role"])
    if world.members.first(email=email):
        raise ApiRefusal(400, "This person is a member of the workspace already")
    member: dict[str, Any] = {
        "id": world.uuid4(),
        "email": email,
        "user_id": world.uuid4(),
        "user_email": body.get("user_email") or email,
        "role": body["role"],
        "timestamp_created": world.stamp(),
        "workspace_id": world.workspace["id"],
        "accepted": False,
        "issuer_id": world.workspace["owner"],
    }
    optional = {name: body[name] for name in ("nickname", "permissions") if body.get(name) is not None}
    world.later(ANSWER_TIME, "accept_membership", member["id"])
    return public(world.members.add({**member, **optional}))


@action
def accept_membership(world: World, member_id: str) -> None:
    """The invited person has an account from now on, so leads can be theirs."""
    member = world.members.get(member_id)
    if member is None or member["accepted"]:
        return
    first, _, last = member["email"].partition("@")[0].replace("-", ".").partition(".")
    name = {"first": first.capitalize(), "last": last.capitalize()}
    world.members.change(member, accepted=True, name={part: value for part, value in name.items() if value})
    if member["user_id"] not in world.users:
        user = {"id": member["user_id"], "email": member["email"], "name": name, "role": member["role"]}
        world.users.add(user)


@route(
    "GET", "/workspace-members", scope="workspace_members:read", query={**PAGE, "accepted": boolean(), "search": text()}
)
def list_members(world: World, call: Call) -> Record:
    query = call.query
    found = world.members.after(query.get("starting_after"))
    return page((member for member in found if _wanted(member, query)), query)


def _wanted(member: Record, query: dict[str, Any]) -> bool:
    words = " ".join([*member.get("name", {}).values(), member["email"]]).lower()
    return query.get("accepted", member["accepted"]) == member["accepted"] and query.get("search", "").lower() in words


@route("GET", "/workspace-members/{id}", scope="workspace_members:read", id=uuid())
def get_member(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/workspace-members/{id}",
    scope="workspace_members:update",
    body=changes(
        nickname=NICKNAME,
        role=choice(*ROLES),
    ),
    id=uuid(),
)
def update_member(world: World, call: Call) -> Record:
    member = find(world, call.path["id"])
    settings = call.given(("nickname", "role"))
    if "role" in settings and settings["role"] != member["role"]:
        _check_role(settings["role"])
        if member["role"] == OWNER:
            raise ApiRefusal(400, "The role of the workspace owner cannot be changed")
        give_role(world, member, settings["role"])
    return public(world.members.change(member, **settings))


def give_role(world: World, member: Record, role: str) -> None:
    world.members.change(member, role=role)
    user = world.users.get(member["user_id"])
    if user:
        world.users.change(user, role=role)


@route("DELETE", "/workspace-members/{id}", scope="workspace_members:delete", id=uuid())
def delete_member(world: World, call: Call) -> Record:
    """The leads of a former member stay assigned; no more leads can be assigned to them."""
    member = find(world, call.path["id"])
    if member["role"] == OWNER:
        raise ApiRefusal(400, "The workspace owner cannot be removed")
    world.members.remove(member["id"])
    world.users.remove(member["user_id"])
    return public(member)
