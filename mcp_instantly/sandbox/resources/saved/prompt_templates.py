"""Custom prompt templates: prompts for the AI that are kept for reuse."""

from __future__ import annotations

import functools

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page_of_matches, route
from mcp_instantly.sandbox.engine.shapes import array, boolean, changes, choice, fields, nullable, text
from mcp_instantly.sandbox.resources.supersearch.ai_enrichments import LANGUAGE_MODELS
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

MODELS = (*LANGUAGE_MODELS, "4.0-Omni", "instantly-ai-lightspeed-agent")
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
    """A template with the name of its creator."""
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
        **call.given(SETTINGS, nulls=False),
        "like_count": 0,
        "execution_count": 0,
        "liked": False,
        "created_by_instantly": False,
    }
    return _show(world, world.prompt_templates.add(template))


@route("GET", "/custom-prompt-templates", scope="custom_prompt_templates:read", query={**PAGE, "search": text()})
def list_templates(world: World, call: Call) -> Record:
    """Newest first; the search looks at names and descriptions."""
    render = functools.partial(_show, world)
    return page_of_matches(world.prompt_templates, call.query, "name", "description", render=render)


@route("GET", "/custom-prompt-templates/{id}", scope="custom_prompt_templates:read", id=text())
def get_template(world: World, call: Call) -> Record:
    return _show(world, find(world, call.path["id"]))


@route(
    "PATCH",
    "/custom-prompt-templates/{id}",
    scope="custom_prompt_templates:update",
    body=changes(**SETTINGS),
    id=text(),
)
def update_template(world: World, call: Call) -> Record:
    template = find(world, call.path["id"])
    settings = call.given(SETTINGS)
    return _show(world, world.prompt_templates.change(template, **settings))


@route("DELETE", "/custom-prompt-templates/{id}", scope="custom_prompt_templates:delete", id=text())
def delete_template(world: World, call: Call) -> Record:
    template = find(world, call.path["id"])
    world.prompt_templates.remove(template["id"])
    return _show(world, template)
