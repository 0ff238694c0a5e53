"""The workspace of the key."""

from __future__ import annotations

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio


async def test_the_workspace_is_the_demo(api: httpx.AsyncClient) -> None:
    workspace = (await api.get("/workspaces/current")).json()
    assert (workspace["name"], workspace["id"]) == ("Brightpath", "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c01")
    assert workspace["owner"] == "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c02"
    assert not [name for name in workspace if name.startswith("_")]


async def test_a_whitelabel_domain_shows_the_record_it_still_needs(api: httpx.AsyncClient, world: World) -> None:
    world.workspace.pop("org_client_domain", None)
    assert (await api.get("/workspaces/current/whitelabel-domain")).json() == {}
    world.workspace["org_client_domain"] = "mail.brightpath.example"
    domain = (await api.get("/workspaces/current/whitelabel-domain")).json()
    assert (domain["verified"], domain["name"]) == (False, "mail.brightpath.example")
    assert domain["verification"][0]["type"] == "CNAME"
