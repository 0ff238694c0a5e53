"""The workspace, who is in it and in its group, its keys and numbers."""

from __future__ import annotations

from .observer import Observer, changed, effect, ids, named, shows


@effect("update_workspace")
async def update_workspace(see: Observer) -> None:
    await changed(see, "get_workspace")


@effect("change_workspace_owner")
async def change_workspace_owner(see: Observer) -> None:
    before = (await see.read("get_workspace"))["owner"]
    await see.act()
    after = (await see.read("get_workspace"))["owner"]
    assert after != before
    assert named(await see.read("list_workspace_members"), email=see.given["email"])["user_id"] == after


@effect("schedule_workspace_removal")
async def schedule_workspace_removal(see: Observer) -> None:
    before = await see.read("get_workspace")
    await see.act()
    after = await see.read("get_workspace")
    assert set(after) - set(before)
    await see.write("cancel_workspace_removal")
    assert set(await see.read("get_workspace")) == set(before)


@effect("cancel_workspace_removal")
async def cancel_workspace_removal(see: Observer) -> None:
    before = set(await see.read("get_workspace"))
    await see.write("schedule_workspace_removal")
    assert set(await see.read("get_workspace")) != before
    await see.act()
    assert set(await see.read("get_workspace")) == before


@effect("set_workspace_whitelabel_domain")
async def set_workspace_whitelabel_domain(see: Observer) -> None:
    await see.act()
    assert (await see.read("get_workspace_whitelabel_domain"))["name"] == see.given["domain"]
    assert (await see.read("get_workspace"))["org_client_domain"] == see.given["domain"]


@effect("delete_workspace_whitelabel_domain")
async def delete_workspace_whitelabel_domain(see: Observer) -> None:
    await see.write("set_workspace_whitelabel_domain", domain="app.brightpath.example")
    assert (await see.read("get_workspace"))["org_client_domain"] == "app.brightpath.example"
    await see.act()
    assert "org_client_domain" not in await see.read("get_workspace")


@effect("create_workspace_member")
async def create_workspace_member(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_workspace_member", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_workspace_members", accepted=False))


@effect("update_workspace_member")
async def update_workspace_member(see: Observer) -> None:
    await changed(see, "get_workspace_member", id=see.given["id"])
    shows(named(await see.read("list_workspace_members"), id=see.given["id"]), see.given)


@effect("delete_workspace_member")
async def delete_workspace_member(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_workspace_member", **see.given)
    assert see.given["id"] not in ids(await see.read("list_workspace_members"))


@effect("create_workspace_group_member")
async def create_workspace_group_member(see: Observer) -> None:
    made = await see.act()
    shows(await see.read("get_workspace_group_member", id=made["id"]), see.given)
    assert made["id"] in ids(await see.read("list_workspace_group_members"))
    assert made["admin_workspace_id"] == (await see.read("get_workspace"))["id"]


@effect("delete_workspace_group_member")
async def delete_workspace_group_member(see: Observer) -> None:
    await see.act()
    await see.is_gone("get_workspace_group_member", **see.given)
    assert see.given["id"] not in ids(await see.read("list_workspace_group_members"))


@effect("get_admin_workspace")
async def get_admin_workspace(see: Observer) -> None:
    """The demo's workspace is the admin of its group, so that it has none above it."""
    assert (await see.act())["has_admin_workspace"] is False
    members = await see.read("list_workspace_group_members")
    assert {member["admin_workspace_id"] for member in members} == {(await see.read("get_workspace"))["id"]}


@effect("create_api_key")
async def create_api_key(see: Observer) -> None:
    made = await see.act()
    shown = named(await see.read("list_api_keys"), id=made["id"])
    shows(shown, see.given)
    assert (await see.read("list_audit_logs", activity_type=37))[0]["audit_metadata"]["name"] == see.given["name"]


@effect("delete_api_key")
async def delete_api_key(see: Observer) -> None:
    assert see.given["id"] in ids(await see.read("list_api_keys"))
    await see.act()
    assert see.given["id"] not in ids(await see.read("list_api_keys"))


@effect("delete_phone_number")
async def delete_phone_number(see: Observer) -> None:
    assert see.given["id"] in ids(await see.read("list_phone_numbers"))
    await see.act()
    assert see.given["id"] not in ids(await see.read("list_phone_numbers"))


@effect("get_workspace_subscription")
async def get_workspace_subscription(see: Observer) -> None:
    """Both tell of the same plan."""
    told = await see.act()
    plan = await see.read("get_workspace_plan")
    assert plan["subscriptions"]["outreach"]["product_id"] in str(told)
