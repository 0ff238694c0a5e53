"""Where ordered domains forward to: when that can be changed, and how often."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from mcp_instantly.sandbox import World

pytestmark = pytest.mark.anyio

DAY = 86400
FORWARDING = "/domains/brightpath-team.example/forwarding"
TARGET = {"forwarding_domain": "brightpath.example"}


async def test_a_domain_forwards_elsewhere_once_it_is_provisioned(
    api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    assert (await api.put(FORWARDING, json=TARGET)).status_code == 409
    wait(DAY)
    assert (await api.put(FORWARDING, json=TARGET)).json()["forwarding_mode"] == "redirect"
    assert (await api.put(FORWARDING, json={"forwarding_domain": "brightpath-team.example"})).status_code == 400
    assert (await api.get("/domains/nobody.example/forwarding")).status_code == 404


async def test_changes_have_a_limit_a_minute_and_one_an_hour(
    world: World, api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    wait(DAY)
    world.budgets = True
    for _ in range(6):
        statuses = [(await api.delete(FORWARDING)).status_code for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        wait(61)
    assert (await api.put(FORWARDING, json=TARGET)).status_code == 429
    assert (await api.get(FORWARDING)).status_code == 200
    wait(3600)
    assert (await api.put(FORWARDING, json=TARGET)).status_code == 200


async def test_a_domain_that_cannot_forward_says_so(
    world: World, api: httpx.AsyncClient, wait: Callable[[float], None]
) -> None:
    world.dfy_orders.change(next(iter(world.dfy_orders)), domain="brightpath-parked.example")
    wait(DAY)
    assert (await api.put("/domains/brightpath-parked.example/forwarding", json=TARGET)).status_code == 422
