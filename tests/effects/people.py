"""Who works in the workspace, with which keys, and which workspaces belong to its group."""

from __future__ import annotations

from .demo import DEV, HOUR, MAYA, NEIGHBOUR, OWNER, REP, SISTER, WORKSPACE
from .observer import Observer, effect

MEMBERS = ("get_workspace_member", "list_workspace_members")
GROUP = ("get_workspace_group_member", "list_workspace_group_members")


@effect
async def create_workspace_member(see: Observer) -> None:
    shown = await see.creates(*MEMBERS)
    assert shown["accepted"] is False
    assert "do not belong" in await see.refused(
        "bulk_assign_leads", organization_user_ids=[shown["user_id"]], ids=[MAYA]
    )
    see.wait(2 * HOUR)
    assert (await see.ask(MEMBERS[0], id=shown["id"]))["accepted"] is True
    # From now on leads can be theirs.
    await see.ask("bulk_assign_leads", organization_user_ids=[shown["user_id"]], ids=[MAYA])
    see.wait(2)
    assert (await see.ask("get_lead", id=MAYA))["assigned_to"] == shown["user_id"]


@effect
async def get_workspace_member(see: Observer) -> None:
    await see.reads("update_workspace_member", role="view", nickname="Seen")


@effect
async def list_workspace_members(see: Observer) -> None:
    async def invite() -> str:
        return (await see.ask("create_workspace_member", email="leona@brightpath.example", role="view"))["id"]

    async def invite_another_who_accepts() -> str:
        made = await see.ask("create_workspace_member", email="zoe@brightpath.example", role="view")
        see.wait(2 * HOUR)
        return made["id"]

    assert (await see.lists(invite, besides=invite_another_who_accepts))["email"] == "leona@brightpath.example"


@effect
async def update_workspace_member(see: Observer) -> None:
    await see.updates("get_workspace_member")


@effect
async def delete_workspace_member(see: Observer) -> None:
    user = (await see.ask(MEMBERS[0], id=see.given["id"]))["user_id"]
    await see.ask("bulk_assign_leads", organization_user_ids=[user], ids=[MAYA])
    await see.deletes(*MEMBERS)
    assert "do not belong" in await see.refused("bulk_assign_leads", organization_user_ids=[user], ids=[MAYA])


@effect
async def change_workspace_owner(see: Observer) -> None:
    async def roles() -> dict[str, str]:
        return {member["user_id"]: member["role"] for member in await see.all("list_workspace_members")}

    assert (await see.ask("get_workspace"))["owner"] == OWNER
    before = await roles()
    await see.act()
    assert (await see.ask("get_workspace"))["owner"] == REP
    assert await roles() == {**before, OWNER: "admin", REP: "owner"}


# keys


@effect
async def create_api_key(see: Observer) -> None:
    before = await see.ids("list_api_keys")
    made = await see.act()
    shown = {key["id"]: key for key in await see.all("list_api_keys")}
    assert set(shown) == before | {made["id"]}
    assert (shown[made["id"]]["name"], shown[made["id"]]["scopes"]) == (see.given["name"], see.given["scopes"])
    # The key itself is told once.
    assert made["key"] != shown[made["id"]]["key"]
    entry = await see.logged()
    assert (entry["activity_type"], entry["audit_metadata"]["name"]) == (37, see.given["name"])


@effect
async def list_api_keys(see: Observer) -> None:
    async def create() -> str:
        return (await see.ask("create_api_key", name="Seen", scopes=["leads:read"]))["id"]

    shown = await see.lists(create)
    assert (shown["name"], shown["scopes"]) == ("Seen", ["leads:read"])
    await see.ask("delete_api_key", id=shown["id"])
    assert shown["id"] not in {key["id"] for key in (await see.act())["items"]}


@effect
async def delete_api_key(see: Observer) -> None:
    await see.deletes(None, "list_api_keys")
    assert "not found" in await see.refused("delete_api_key", id=see.given["id"])
    assert (await see.logged())["activity_type"] == 38


# the group


def _move(destination: str) -> dict[str, object]:
    return {"emails": [DEV], "source_workspace_id": WORKSPACE, "destination_workspace_id": destination}


@effect
async def create_workspace_group_member(see: Observer) -> None:
    assert see.given["sub_workspace_id"] == NEIGHBOUR
    shown = await see.creates(*GROUP)
    assert shown["status"] == "pending"
    assert "not found" in await see.refused("move_accounts", **_move(NEIGHBOUR))
    see.wait(2 * HOUR)
    assert (await see.ask(GROUP[0], id=shown["id"]))["status"] == "accepted"
    await see.ask("move_accounts", **_move(NEIGHBOUR))
    assert "not found" in await see.refused("get_account", email=DEV)


@effect
async def delete_workspace_group_member(see: Observer) -> None:
    assert (await see.ask(GROUP[0], id=see.given["id"]))["sub_workspace_id"] == SISTER
    await see.deletes(*GROUP)
    assert "not found" in await see.refused("move_accounts", **_move(SISTER))
    await see.ask("get_account", email=DEV)


@effect
async def get_workspace_group_member(see: Observer) -> None:
    member = await see.act()
    assert member in await see.all(GROUP[1])
    await see.ask("delete_workspace_group_member", id=member["id"])
    assert "not found" in await see.refused("get_workspace_group_member", id=member["id"])
    assert "not found" in await see.refused("move_accounts", **_move(member["sub_workspace_id"]))


@effect
async def list_workspace_group_members(see: Observer) -> None:
    async def invite() -> str:
        return (await see.ask("create_workspace_group_member", sub_workspace_id=NEIGHBOUR))["id"]

    shown = await see.lists(invite)
    assert (shown["sub_workspace_id"], shown["status"]) == (NEIGHBOUR, "pending")


@effect
async def get_admin_workspace(see: Observer) -> None:
    """The workspace is the admin of its group, so it has none above it; a workspace that joins it has one."""
    assert (await see.act())["has_admin_workspace"] is False
    joined = await see.ask("create_workspace_group_member", sub_workspace_id=NEIGHBOUR)
    see.wait(2 * HOUR)
    assert (await see.act())["has_admin_workspace"] is False
    async with see.elsewhere(NEIGHBOUR) as there:
        assert await there.act() == {
            "workspace_name": (await see.ask("get_workspace"))["name"],
            "has_admin_workspace": True,
            "workspace_group_member_id": joined["id"],
        }
