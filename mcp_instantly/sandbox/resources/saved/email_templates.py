"""Email templates: texts that are kept for later emails."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page_of_matches, route
from mcp_instantly.sandbox.engine.shapes import changes, fields, nullable, text, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

SETTINGS = {"body": text(), "name": text(), "subject": nullable(text())}


def find(world: World, template_id: str) -> Record:
    """The template with this id. Raises a 404."""
    template = world.email_templates.get(template_id)
    if not template:
        raise not_found("Email template")
    return template


@route("POST", "/email-templates", scope="email_templates:create", body=fields("body name", **SETTINGS))
def create_template(world: World, call: Call) -> Record:
    template = {
        "id": world.uuid7(),
        "timestamp_created": world.stamp(),
        **call.given(SETTINGS, nulls=False),
        "organization": world.workspace["id"],
    }
    return public(world.email_templates.add(template))


@route("GET", "/email-templates", scope="email_templates:read", query={**PAGE, "search": text()})
def list_templates(world: World, call: Call) -> Record:
    """Newest first; the search looks at names and subjects."""
    return page_of_matches(world.email_templates, call.query, "name", "subject")


@route("GET", "/email-templates/{id}", scope="email_templates:read", id=uuid())
def get_template(world: World, call: Call) -> Record:
    return public(find(world, call.path["id"]))


@route(
    "PATCH",
    "/email-templates/{id}",
    scope="email_templates:update",
    body=changes(**SETTINGS),
    id=uuid(),
)
def update_template(world: World, call: Call) -> Record:
    template = find(world, call.path["id"])
    settings = call.given(SETTINGS)
    return public(world.email_templates.change(template, **settings))


@route("DELETE", "/email-templates/{id}", scope="email_templates:delete", id=uuid())
def delete_template(world: World, call: Call) -> Record:
    template = find(world, call.path["id"])
    world.email_templates.remove(template["id"])
    return public(template)
