"""All AI agents in one list, whatever their kind. Automations are not built here, so there is none in it."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import ApiRefusal, Response
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, array, choice, fields, integer, text, uuid
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, every_agent
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

AGENT, AUTOMATION = "ai_agent", "automation"


@route(
    "GET",
    "/agent-items",
    scope="engage_items:read",
    query={
        **PAGE,
        "type": text(),
        "status": text(),
        "ai_agent_type": integer(enum=[1, 2, 3, 4, 6, 7, 8, 9, 10]),
        "search": text(),
    },
)
def list_items(world: World, call: Call) -> Record:
    """Newest first."""
    query = call.query
    items = sorted(
        (_item(world, agent) for _, agent in every_agent(world)),
        key=lambda item: (item["timestamp_created"], item["resource_id"]),
        reverse=True,
    )
    places = [item["resource_id"] for item in items]
    after = query.get("starting_after")
    if after is not None:
        items = items[places.index(after) + 1 :] if after in places else []
    wanted = (item for item in items if _is_wanted(item, query))
    return page(wanted, query, cursor=lambda item: str(item["resource_id"]), render=dict)


def _item(world: World, agent: Record) -> Record:
    return {
        "resource_id": agent["id"],
        "type": AGENT,
        "workspace_id": world.workspace["id"],
        "name": agent["name"],
        "status": "Active" if agent["status"] == ACTIVE else "Paused",
        "metadata": {
            "original_status": agent["status"],
            "ai_agent_type": agent["agent_type"] if "agent_type" in agent else agent["type"],
            "pause_reason": agent.get("_pause_reason"),
        },
        "timestamp_created": agent["timestamp_created"],
        "timestamp_updated": agent["timestamp_updated"],
    }


def _is_wanted(item: Record, query: Record) -> bool:
    kind = query.get("ai_agent_type")
    return (
        ("type" not in query or item["type"] in commas(query["type"]))
        and ("status" not in query or item["status"] in commas(query["status"]))
        and (kind is None or item["metadata"]["ai_agent_type"] == kind)
        and query.get("search", "").lower() in item["name"].lower()
    )


@route(
    "POST",
    "/agent-items/bulk-delete",
    scope="engage_items:delete",
    body=fields(
        "items",
        CLOSED,
        items=array(fields("id", CLOSED, id=uuid(), type=choice(AGENT, AUTOMATION)), minItems=1, maxItems=100),
    ),
)
def delete_items(world: World, call: Call) -> Response:
    """What could not be deleted stands in `failed`, and the status is 200 all the same."""
    deleted: list[str] = []
    failed: list[Record] = []
    for item in call.body["items"]:
        try:
            _delete(world, item)
            deleted.append(item["id"])
        except ApiRefusal as refusal:
            failed.append({"id": item["id"], "reason": str(refusal)})
    return Response(payload={"deleted_ids": deleted, "failed": failed})


def _delete(world: World, item: Record) -> None:
    agents = {agent["id"]: (kind, agent) for kind, agent in every_agent(world)}
    if item.get("type", AGENT) != AGENT or item["id"] not in agents:
        raise ApiRefusal(404, "Agent not found" if item.get("type", AGENT) == AGENT else "Automation not found")
    kind, agent = agents[item["id"]]
    kind.remove(world, agent)
