"""Custom prompt templates: prompts for the AI that are kept for reuse."""

from __future__ import annotations

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, choice, fields, nullable, text
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

MODELS = (
    "3.5",
    "gpt-5",
    "gpt-5.4",
    "gpt-5-mini",
    "gpt-5-nano",
    "4.0",
    "4.0-Omni",
    "gpt-4o",
    "o3",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-5.6-luna",
    "gpt-5.6-terra",
    "claude-4.5-sonnet",
    "claude-4.6-sonnet",
    "claude-5-sonnet",
    "r1",
    "grok-4.3",
    "grok-4.6",
    "gemini-3.0-flash",
    "gemini-3.5-flash",
    "instantly-ai-lightspeed-agent",
    "gemini-3.7-flash",
    "sonar",
    "sonar-pro",
)
SETTINGS = {
    "name": text(),
    "description": nullable(text()),
    "category": choice(1, 2, 3, 4, 5, 6),
    "properties": nullable(array(fields(name=text(), property=text()))),
    "prompt": text(),
    "is_public": boolean(),
    "model_version": choice(*MODELS),
    "from_shared": nullable(boolean()),
    "template_type": nullable(choice("custom", "public")),
}


def find(world: World, template_id: str) -> Record:
    """The template with this id. Raises a 404."""
    template = world.prompt_templates.get(template_id)
    if not template:
        raise not_found("Custom prompt template")
    return template


def _show(world: World, template: Record) -> Record:
    """A template with the name of whoever made it."""
    creator = world.users.get(template["created_by"])
    if not creator:
        return public(template)
    return {**public(template), "creator": {"id": creator["id"], "payload": {"name": creator["name"]}}}


@route(
    "POST",
    "/custom-prompt-templates",
    scope="custom_prompt_templates:create",
    body=fields("name category prompt is_public", **SETTINGS),
)
def create_template(world: World, call: Call) -> Record:
    template = {
        "id": world.uuid4(),
        "workspace_id": world.workspace["id"],
        "created_by": world.workspace["owner"],
        **{name: call.body[name] for name in SETTINGS if call.body.get(name) is not None},
        "like_count": 0,
        "execution_count": 0,
        "liked": False,
        "created_by_instantly": False,
    }
    return _show(world, world.prompt_templates.add(template))


@route("GET", "/custom-prompt-templates", scope="custom_prompt_templates:read", query={**PAGE, "search": text()})
def list_templates(world: World, call: Call) -> Record:
    """Newest first; the search looks at names and descriptions."""
    words = call.query.get("search", "").lower()
    templates = world.prompt_templates.after(call.query.get("starting_after"), newest_first=True)
    found = (item for item in templates if words in f"{item['name']} {item.get('description', '')}".lower())
    return page(found, call.query, render=lambda template: _show(world, template))


@route("GET", "/custom-prompt-templates/{id}", scope="custom_prompt_templates:read", id=text())
def get_template(world: World, call: Call) -> Record:
    return _show(world, find(world, call.path["id"]))


@route(
    "PATCH",
    "/custom-prompt-templates/{id}",
    scope="custom_prompt_templates:update",
    body=fields("", {"minProperties": 1}, **SETTINGS),
    id=text(),
)
def update_template(world: World, call: Call) -> Record:
    template = find(world, call.path["id"])
    settings = {name: call.body[name] for name in SETTINGS if name in call.body}
    return _show(world, world.prompt_templates.change(template, **settings))


@route("DELETE", "/custom-prompt-templates/{id}", scope="custom_prompt_templates:delete", id=text())
def delete_template(world: World, call: Call) -> Record:
    template = find(world, call.path["id"])
    world.prompt_templates.remove(template["id"])
    return _show(world, template)
