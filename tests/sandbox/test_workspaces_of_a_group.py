"""Several workspaces: the admin workspace, its group, and who sees what."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

ADMIN = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c01"
NORDICS = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c04"
IBERIA = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c05"
AS_NORDICS = {"x-as-workspace": NORDICS}


async def own_key(api: httpx.AsyncClient) -> dict[str, str]:
    """A key that was made inside the sub workspace."""
    made = await api.post("/api-keys", json={"name": "Own", "scopes": ["all:all"]}, headers=AS_NORDICS)
    return {"authorization": f"Bearer {made.json()['key']}"}


async def test_an_admin_key_acts_in_a_sub_workspace(api: httpx.AsyncClient) -> None:
    workspace = (await api.get("/workspaces/current", headers=AS_NORDICS)).json()
    assert (workspace["id"], workspace["name"]) == (NORDICS, "Brightpath Nordics")
    await api.post("/custom-tags", json={"label": "Only here"}, headers=AS_NORDICS)
    there = (await api.get("/custom-tags", headers=AS_NORDICS)).json()["items"]
    here = (await api.get("/custom-tags")).json()["items"]
    assert [tag["label"] for tag in there] == ["Only here"]
    assert "Only here" not in [tag["label"] for tag in here]
    assert (await api.get("/campaigns", headers=AS_NORDICS)).json() == {"items": []}


async def test_a_key_of_a_sub_workspace_sees_only_its_own(api: httpx.AsyncClient) -> None:
    headers = await own_key(api)
    assert (await api.get("/workspaces/current", headers=headers)).json()["id"] == NORDICS
    for other in (ADMIN, IBERIA):
        assert (await api.get("/campaigns", headers={**headers, "x-as-workspace": other})).status_code == 403
    assert (await api.get("/campaigns", headers={**headers, **AS_NORDICS})).status_code == 200
    assert len((await api.get("/api-keys", headers=headers)).json()["items"]) == 1


async def test_a_sub_workspace_knows_its_admin_workspace(api: httpx.AsyncClient) -> None:
    found = (await api.get("/workspace-group-members/admin", headers=AS_NORDICS)).json()
    assert (found["workspace_name"], found["has_admin_workspace"]) == ("Brightpath", True)


async def test_a_workspace_can_be_entered_once_it_has_accepted(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    headers = {"x-as-workspace": IBERIA}
    assert (await api.get("/campaigns", headers=headers)).status_code == 403
    joined = (await api.post("/workspace-group-members", json={"sub_workspace_id": IBERIA})).json()
    assert (await api.get("/campaigns", headers=headers)).status_code == 403
    wait(3601)
    assert (await api.get("/workspaces/current", headers=headers)).json()["name"] == "Brightpath Iberia"
    await api.delete(f"/workspace-group-members/{joined['id']}")
    assert (await api.get("/campaigns", headers=headers)).status_code == 403


async def test_an_account_moves_with_its_settings(api: httpx.AsyncClient) -> None:
    email = "chloe@brightpath.example"
    before = (await api.get(f"/accounts/{email}")).json()
    body = {"emails": [email], "source_workspace_id": ADMIN, "destination_workspace_id": NORDICS}
    assert (await api.post("/accounts/move", json=body)).json() == {"status": "success"}
    assert (await api.get(f"/accounts/{email}")).status_code == 404
    after = (await api.get(f"/accounts/{email}", headers=AS_NORDICS)).json()
    assert after == {**before, "organization": NORDICS}
    back = {"emails": [email], "source_workspace_id": NORDICS, "destination_workspace_id": ADMIN}
    refused = await api.post("/accounts/move", json=back, headers=await own_key(api))
    assert refused.status_code == 404
    assert (await api.post("/accounts/move", json=back)).status_code == 200
    assert (await api.get(f"/accounts/{email}")).json() == before


async def test_workspaces_share_one_clock_and_one_beginning(
    api: httpx.AsyncClient, world: World, wait: Callable[[float], None]
) -> None:
    await api.post("/custom-tags", json={"label": "Gone"}, headers=AS_NORDICS)
    wait(60)
    made = (await api.post("/custom-tags", json={"label": "Later"}, headers=AS_NORDICS)).json()
    assert made["timestamp_created"] == world.stamp()
    await api.post("http://sandbox/_sandbox/reset")
    assert (await api.get("/custom-tags", headers=AS_NORDICS)).json() == {"items": []}
    listed = (await api.get("http://sandbox/_sandbox/workspaces")).json()["items"]
    assert [(item["name"], item["admin"]) for item in listed] == [("Brightpath", True), ("Brightpath Nordics", False)]


async def test_a_mailbox_is_connected_to_the_workspace_that_began_it(api: httpx.AsyncClient) -> None:
    session = (await api.post("/oauth/google/init", headers=AS_NORDICS)).json()
    done = await api.post(session["auth_url"], data={"email": "new@nordics.example", "decision": "allow"})
    assert done.status_code == 200
    assert (await api.get("/accounts/new@nordics.example", headers=AS_NORDICS)).status_code == 200
    assert (await api.get("/accounts/new@nordics.example")).status_code == 404
