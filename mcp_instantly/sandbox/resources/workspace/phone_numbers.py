"""The workspace's phone numbers: each is rented by the month until it is given up."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

RENT = ("renewal_date", "price")


@route("GET", "/crm-actions/phone-numbers", scope="crm_actions:read")
def list_numbers(world: World, call: Call) -> Any:
    """All of them, in a bare array."""
    return [public(number) for number in world.phone_numbers]


@route("DELETE", "/crm-actions/phone-numbers/{id}", scope="crm_actions:delete", id=text())
def delete_number(world: World, call: Call) -> Record:
    """The answer no longer speaks of the rent."""
    number = world.phone_numbers.remove(call.path["id"])
    if not number:
        raise not_found("Phone number")
    return {name: value for name, value in public(number).items() if name not in RENT}
