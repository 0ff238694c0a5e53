"""AI inbox managers: agents that reply to what leads write, from the moment on at which they are made."""

from __future__ import annotations

from typing import Any

from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import (
    CLOSED,
    array,
    boolean,
    choice,
    fields,
    nullable,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.resources.agents import inbox_work
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE, INBOX_MANAGER, agent_kind, summary
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SLACK = fields(
    "",
    CLOSED,
    connection_id=uuid(),
    enabled=boolean(),
    connection_name=text(),
    channel_id=text(),
    channel_name=text(),
)
QUESTION = fields(
    name=text(),
    type=text(),
    required=boolean(),
    answer_choices=array(text()),
    include_other=boolean(),
    enabled=boolean(),
    position=number(),
)
CALENDLY = fields(
    "",
    CLOSED,
    connection_id=uuid(),
    calendar_uri=text(),
    calendar_name=text(),
    disable_auto_booking=boolean(),
    connection_name=nullable(text()),
    scheduling_url=nullable(text()),
    custom_questions=nullable(array(QUESTION)),
)
SETTINGS = {
    "configuration_type": choice(1, 2),
    "tags": array({"oneOf": [choice(inbox_work.DEFAULT_TAG), uuid()]}),
    "handle_followup": boolean(),
    "respond_to_automatic_emails": boolean(),
    "handle_objections": boolean(),
    "integrations": fields("", CLOSED, slack=nullable(SLACK), calendly=nullable(CALENDLY)),
    "no_show": fields(
        enabled=boolean(),
        max_followups=number(minimum=1, maximum=10),
        fallback_sending_accounts=fields(accounts=array(text(format="email")), tag_ids=array(uuid())),
    ),
    "trigger_on_labels_enabled": boolean(),
    "trigger_on_labels": array(number()),
    "trigger_on_labels_mode": choice("include", "exclude"),
    "monthly_credit_budget": nullable(number(minimum=1)),
    "followup_business_days_only": boolean(),
}
PAYLOAD = fields("configuration_type", CLOSED, **SETTINGS)
NAME = text(minLength=1)


def find(world: World, agent_id: str) -> Record:
    """The inbox manager with this id. Raises a 404."""
    manager = world.inbox_managers.get(agent_id)
    if not manager:
        raise not_found("AI inbox manager")
    return manager


def add_inbox_manager(world: World, name: str, payload: Record, **more: Any) -> Record:
    """A new inbox manager, active unless `more` says otherwise; what waits for a reply gets one."""
    _check_tags(world, payload)
    manager = {
        "id": more.get("id") or world.uuid4(),
        "organization_id": world.workspace["id"],
        "name": name,
        "payload": _without_disconnected(payload),
        "type": INBOX_MANAGER,
        "timestamp_created": world.stamp(),
        "timestamp_updated": world.stamp(),
        "status": ACTIVE,
        "is_auto_created": False,
        "created_by": world.workspace["owner"],
        **more,
    }
    world.inbox_managers.add(manager)
    if manager["status"] == ACTIVE:
        inbox_work.activate(world, manager)
    return manager


def _check_tags(world: World, payload: Record) -> None:
    for tag in payload.get("tags", ()):
        if tag != inbox_work.DEFAULT_TAG and tag not in world.custom_tags:
            raise ApiRefusal(400, f"Tag {tag} not found")


def _without_disconnected(payload: Record) -> Record:
    """The settings without integrations that are null."""
    if "integrations" not in payload:
        return payload
    connected = {name: given for name, given in payload["integrations"].items() if given is not None}
    return {**payload, "integrations": connected}


@route(
    "POST",
    "/ai-agents/inbox-manager",
    scope="ai_agents:create",
    body=fields("name payload", CLOSED, name=NAME, payload=PAYLOAD, description=text()),
)
def create_manager(world: World, call: Call) -> Record:
    body = call.body
    return public(add_inbox_manager(world, body["name"], body["payload"], description=body.get("description")))


@route(
    "GET",
    "/ai-agents/inbox-manager",
    scope="ai_agents:read",
    query={**PAGE, "status": choice(INACTIVE, ACTIVE), "search": text()},
)
def list_managers(world: World, call: Call) -> Record:
    """Newest first."""
    query = call.query
    found = (
        manager
        for manager in world.inbox_managers.after(query.get("starting_after"), newest_first=True)
        if query.get("status", manager["status"]) == manager["status"]
        and query.get("search", "").lower() in manager["name"].lower()
    )
    return page(found, query)


@route("GET", "/ai-agents/inbox-manager/{id}", scope="ai_agents:read", query={"with_metadata": boolean()}, id=uuid())
def get_manager(world: World, call: Call) -> Record:
    manager = find(world, call.path["id"])
    if not call.query.get("with_metadata"):
        return public(manager)
    return {**public(manager), "metadata": _metadata(world, manager["payload"])}


def _metadata(world: World, payload: Record) -> Record:
    """What its tags and connections are called."""
    tags = (world.custom_tags.get(tag) for tag in payload.get("tags", ()))
    connected = payload.get("integrations", {}).items()
    return {
        "tags": {tag["id"]: {"id": tag["id"], "label": tag["label"]} for tag in tags if tag},
        "integrations": {
            name: {
                "id": given.get("connection_id", name),
                "label": given.get("connection_name") or name.title(),
                "is_valid": "connection_id" in given,
                "error": None if "connection_id" in given else "Not connected",
            }
            for name, given in connected
        },
    }


@route(
    "PATCH",
    "/ai-agents/inbox-manager/{id}",
    scope="ai_agents:update",
    body=fields(
        "",
        {**CLOSED, "minProperties": 1},
        name=NAME,
        status=choice(INACTIVE, ACTIVE),
        payload=fields("", CLOSED, **SETTINGS),
    ),
    id=uuid(),
)
def update_manager(world: World, call: Call) -> Record:
    """Settings that are left out stay. One that becomes active replies to what waits."""
    manager, given = find(world, call.path["id"]), dict(call.body)
    was = manager["status"]
    if "payload" in given:
        _check_tags(world, given["payload"])
        integrations = {**manager["payload"].get("integrations", {}), **given["payload"].get("integrations", {})}
        merged = {**manager["payload"], **given["payload"]}
        given["payload"] = _without_disconnected({**merged, **({"integrations": integrations} if integrations else {})})
    world.inbox_managers.change(manager, **given, timestamp_updated=world.stamp())
    if manager["status"] == ACTIVE and was != ACTIVE:
        world.inbox_managers.change(manager, _pause_reason=None)
        inbox_work.activate(world, manager)
    return public(manager)


@agent_kind("inbox_managers")
def remove(world: World, manager: Record) -> None:
    """Its guidances and the record of its replies go with it; the emails that it has sent stay."""
    for table in (world.inbox_guidances, world.inbox_replies):
        for record in list(table.where(agent_id=manager["id"])):
            table.remove(record["id"])
    world.inbox_managers.remove(manager["id"])


@route("DELETE", "/ai-agents/inbox-manager/{id}", scope="ai_agents:delete", id=uuid())
def delete_manager(world: World, call: Call) -> Record:
    manager = find(world, call.path["id"])
    remove(world, manager)
    return summary(manager)
