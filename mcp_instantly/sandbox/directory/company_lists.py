"""Company lists: the companies that a search can be kept to. The API names them; they are made in the web app only."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal
from mcp_instantly.sandbox.state.clock import stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World


def add_company_list(
    world: World, name: str, companies: dict[str, Any], *, list_id: str | None = None, ready_in: float = 0
) -> Record:
    """A list of the companies that these filters of a search mean; it takes so many seconds to be completed."""
    return world.company_lists.add(
        {
            "id": list_id or world.uuid4(),
            "name": name,
            "_companies": companies,
            "_ready_at": stamp(world.now() + dt.timedelta(seconds=ready_in)),
        }
    )


def find_company_list(world: World, list_id: str) -> Record:
    """The list of this workspace with this id. Raises a 404, and a 409 while the list is being completed."""
    found = world.company_lists.get(list_id.lower())
    if found is None:
        raise _refusal(404, "COMPANY_LIST_NOT_FOUND", "Company list not found")
    if found["_ready_at"] > world.stamp():
        raise _refusal(409, "COMPANY_LIST_NOT_READY", "Company list is not completed yet")
    return found


def _refusal(status: int, code: str, message: str) -> ApiRefusal:
    return ApiRefusal(status, message, body={"errorCode": code, "message": message})
