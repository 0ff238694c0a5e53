"""What keys may do: their scopes, and nothing beyond them."""

from __future__ import annotations

import httpx
import pytest

from mcp_instantly.sandbox import World
from mcp_instantly.sandbox.engine.auth import EVERYTHING, is_allowed, may_call
from mcp_instantly.sandbox.engine.routes import ROUTES, Route
from mcp_instantly.sandbox.resources.workspace.api_keys import SCOPES, add_key
from mcp_instantly.tools.catalog import Catalog

from ..cases import for_each

pytestmark = pytest.mark.anyio

LEAD = "01991f00-0001-7000-8000-000000000001"


def key_with(world: World, *scopes: str) -> dict[str, str]:
    return {"authorization": f"Bearer {add_key(world, 'Test', list(scopes))['key']}"}


async def test_a_key_does_what_its_scopes_say_and_nothing_else(api: httpx.AsyncClient, world: World) -> None:
    headers = key_with(world, "leads:read")
    assert (await api.get(f"/leads/{LEAD}", headers=headers)).status_code == 200
    refused = await api.patch(f"/leads/{LEAD}", json={"first_name": "New"}, headers=headers)
    assert refused.status_code == 403
    assert refused.json() == {"statusCode": 403, "error": "Forbidden", "message": refused.json()["message"]}
    assert (await api.get("/campaigns", headers=headers)).status_code == 403
    assert (await api.get(f"/leads/{LEAD}")).json()["first_name"] == "Maya"


@pytest.mark.parametrize("scope", ["leads:update", "leads:all", "all:update", "all:all"])
async def test_wider_scopes_are_enough_too(api: httpx.AsyncClient, world: World, scope: str) -> None:
    answer = await api.patch(f"/leads/{LEAD}", json={"first_name": "New"}, headers=key_with(world, scope))
    assert answer.status_code == 200


async def test_a_scope_is_missed_before_the_arguments_are_looked_at(api: httpx.AsyncClient, world: World) -> None:
    answer = await api.post("/campaigns", json={}, headers=key_with(world, "campaigns:read"))
    assert answer.status_code == 403


async def test_an_operation_without_a_scope_on_record_takes_any_key(api: httpx.AsyncClient, world: World) -> None:
    assert (await api.get("/webhooks", headers=key_with(world, "leads:read"))).status_code == 200


async def test_where_two_scopes_are_needed_one_is_not_enough(
    api: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaigns = next(known for known in ROUTES if (known.method, known.path) == ("GET", "/api/v2/campaigns"))
    monkeypatch.setattr(campaigns, "also_scope", "accounts:update")
    for scopes, status in (
        (["campaigns:read"], 403),
        (["accounts:all"], 403),
        (["campaigns:read", "accounts:all"], 200),
        (["all:all"], 200),
    ):
        key = (await api.post("/api-keys", json={"name": "x", "scopes": scopes})).json()["key"]
        answer = await api.get("/campaigns", headers={"authorization": f"Bearer {key}"})
        assert answer.status_code == status, scopes


NOT_GRANTED = ("ai_agent_guidances:", "engage_items:", "supersearch_enrichments:")
"""Scopes that no key can be given; it needs one that covers them."""


async def test_every_scope_that_is_asked_for_can_be_granted_in_some_way() -> None:
    for needed in {scope for known in ROUTES for scope in (known.scope, known.also_scope) if scope}:
        granting = [scope for scope in SCOPES if is_allowed(needed, [scope])]
        assert EVERYTHING in granting, needed
        assert needed in granting or needed.startswith(NOT_GRANTED), needed


async def test_the_sandbox_and_the_tools_agree_about_scopes(catalog: Catalog) -> None:
    """They are written down twice; inferred ones are not enforced, so they do not stand at the sandbox's routes."""
    stated = {
        f"{tool.method} {tool.path}": tool.scopes[0]
        for tool in catalog.operations.values()
        if tool.scopes and not tool.scopes_inferred
    }
    assert {f"{known.method} {known.path}": known.scope for known in ROUTES if known.scope} == stated
    both = {
        f"{tool.method} {tool.path}": tool.also_scopes[0] for tool in catalog.operations.values() if tool.also_scopes
    }
    assert {f"{known.method} {known.path}": known.also_scope for known in ROUTES if known.also_scope} == both


SCOPED = [known for known in ROUTES if known.scope]


@for_each("known", SCOPED, lambda known: f"{known.method} {known.path}")
def test_a_route_takes_the_scopes_that_its_tool_names_and_no_others(catalog: Catalog, known: Route) -> None:
    tool = next(op for op in catalog.operations.values() if (op.method, op.path) == (known.method, known.path))
    enough = set(tool.scopes) if not tool.also_scopes else set(tool.scopes) & set(tool.also_scopes)
    assert {scope for scope in {*SCOPES, *tool.scopes} if may_call(known, [scope])} == enough
