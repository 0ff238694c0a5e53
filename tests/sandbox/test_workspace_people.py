"""Members of the workspace and of its group."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

pytestmark = pytest.mark.anyio

NORA, LEO = "3e3be001-9eaf-40b1-82d3-4e5f6a7b8c00", "3e3be001-9eaf-40b1-82d3-4e5f6a7b8c01"
WORKSPACE, NORDICS, IBERIA = (f"5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c0{n}" for n in (1, 4, 5))
MEMBERSHIP = "62009001-afb0-41c2-93e4-5f6a7b8c9d01"
CAMPAIGN = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"


async def test_an_invited_person_becomes_a_member_who_can_have_leads(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    invited = (
        await api.post(
            "/workspace-members",
            json={"email": "Rosa.Lind@brightpath.example", "role": "editor", "permissions": ["unibox.all"]},
        )
    ).json()
    assert (invited["accepted"], invited["email"]) == (False, "rosa.lind@brightpath.example")
    assign = {"organization_user_ids": [invited["user_id"]], "campaign_id": CAMPAIGN, "ids": []}
    assert (await api.post("/leads/bulk-assign", json=assign)).status_code >= 400
    wait(3600)
    member = (await api.get(f"/workspace-members/{invited['id']}")).json()
    assert (member["accepted"], member["name"]) == (True, {"first": "Rosa", "last": "Lind"})
    assert (await api.post("/leads/bulk-assign", json=assign)).status_code < 300


async def test_members_are_found_by_name_address_and_acceptance(api: httpx.AsyncClient) -> None:
    async def names(**query: object) -> list[str]:
        found = (await api.get("/workspace-members", params=query)).json()["items"]
        return [member["email"].partition("@")[0] for member in found]

    assert await names() == ["nora", "leo", "kim"]
    assert await names(search="MARSH") == ["leo"]
    assert await names(accepted="false") == ["kim"]
    assert await names(accepted="true") == ["nora", "leo"]


async def test_a_second_invitation_of_the_same_address_is_refused(api: httpx.AsyncClient) -> None:
    answer = await api.post("/workspace-members", json={"email": "LEO@brightpath.example", "role": "view"})
    assert answer.status_code == 400


@pytest.mark.parametrize("role", ["owner", "client"])
async def test_some_roles_cannot_be_given(api: httpx.AsyncClient, role: str) -> None:
    body = {"email": "x@brightpath.example", "role": role}
    assert (await api.post("/workspace-members", json=body)).status_code == 400
    assert (await api.patch(f"/workspace-members/{LEO}", json={"role": role})).status_code == 400


async def test_role_and_nickname_of_a_member_can_be_changed(api: httpx.AsyncClient) -> None:
    changed = (await api.patch(f"/workspace-members/{LEO}", json={"role": "admin", "nickname": None})).json()
    assert (changed["role"], "nickname" in changed) == ("admin", False)


async def test_the_owner_stays(api: httpx.AsyncClient) -> None:
    assert (await api.delete(f"/workspace-members/{NORA}")).status_code == 400
    assert (await api.patch(f"/workspace-members/{NORA}", json={"role": "view"})).status_code == 400
    assert (await api.patch(f"/workspace-members/{NORA}", json={"nickname": "Boss"})).json()["nickname"] == "Boss"


async def test_a_removed_member_is_gone(api: httpx.AsyncClient) -> None:
    assert (await api.delete(f"/workspace-members/{LEO}")).json()["id"] == LEO
    assert (await api.get(f"/workspace-members/{LEO}")).status_code == 404


async def test_a_workspace_joins_the_group_when_it_accepts_and_can_then_take_accounts(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    move = {
        "emails": ["chloe@brightpath.example"],
        "source_workspace_id": WORKSPACE,
        "destination_workspace_id": IBERIA,
    }
    assert (await api.post("/accounts/move", json=move)).status_code == 404
    invited = (await api.post("/workspace-group-members", json={"sub_workspace_id": IBERIA})).json()
    assert (invited["status"], invited["sub_workspace_name"]) == ("pending", "Brightpath Iberia")
    wait(3600)
    assert (await api.get(f"/workspace-group-members/{invited['id']}")).json()["status"] == "accepted"
    assert (await api.post("/accounts/move", json=move)).status_code == 200


async def test_only_workspaces_that_exist_and_are_free_can_be_invited(api: httpx.AsyncClient) -> None:
    for workspace, status in ((WORKSPACE, 400), (NORDICS, 409), (LEO, 404)):
        answer = await api.post("/workspace-group-members", json={"sub_workspace_id": workspace})
        assert answer.status_code == status


async def test_a_workspace_leaves_the_group(api: httpx.AsyncClient) -> None:
    assert [m["id"] for m in (await api.get("/workspace-group-members")).json()["items"]] == [MEMBERSHIP]
    assert (await api.delete(f"/workspace-group-members/{MEMBERSHIP}")).json()["sub_workspace_id"] == NORDICS
    assert (await api.get("/workspace-group-members")).json()["items"] == []
    move = {
        "emails": ["ben@brightpath.example"],
        "source_workspace_id": WORKSPACE,
        "destination_workspace_id": NORDICS,
    }
    assert (await api.post("/accounts/move", json=move)).status_code == 404


async def test_the_admin_workspace_has_none_above_it(api: httpx.AsyncClient) -> None:
    admin = (await api.get("/workspace-group-members/admin")).json()
    assert admin == {"workspace_name": "Undefined", "has_admin_workspace": False}
