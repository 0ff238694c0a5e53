"""API keys: shown once, at work at once, gone at once."""

from __future__ import annotations

import httpx
import pytest

pytestmark = pytest.mark.anyio


async def test_a_new_key_works_and_is_never_shown_again(api: httpx.AsyncClient) -> None:
    made = (await api.post("/api-keys", json={"name": "Everything", "scopes": ["all:all"]})).json()
    assert (made["name"], made["scopes"]) == ("Everything", ["all:all"])
    mine = {"authorization": f"Bearer {made['key']}"}
    assert (await api.get("/workspaces/current", headers=mine)).status_code == 200
    listed = (await api.get("/api-keys")).json()["items"]
    assert [key["name"] for key in listed] == ["Everything", "CRM sync"]
    assert all(made["key"] not in key["key"] and key["key"].endswith("...") for key in listed)


async def test_a_deleted_key_is_refused(api: httpx.AsyncClient) -> None:
    made = (await api.post("/api-keys", json={"name": "Short-lived", "scopes": ["all:all"]})).json()
    mine = {"authorization": f"Bearer {made['key']}"}
    assert (await api.get("/workspaces/current", headers=mine)).status_code == 200
    deleted = (await api.delete(f"/api-keys/{made['id']}")).json()
    assert (deleted["id"], deleted["key"] == made["key"]) == (made["id"], False)
    assert (await api.get("/workspaces/current", headers=mine)).status_code == 401
    assert (await api.delete(f"/api-keys/{made['id']}")).status_code == 404


async def test_scopes_come_from_a_closed_list(api: httpx.AsyncClient) -> None:
    for scope in ("supersearch_enrichments:read", "email_verifications:delete", "leads"):
        answer = await api.post("/api-keys", json={"name": "x", "scopes": [scope]})
        assert answer.json()["message"] == "body/scopes/0 must be equal to one of the allowed values"


async def test_two_keys_of_one_name_are_two_keys(api: httpx.AsyncClient) -> None:
    keys = [(await api.post("/api-keys", json={"name": "x", "scopes": []})).json() for _ in range(2)]
    assert keys[0]["key"] != keys[1]["key"]
