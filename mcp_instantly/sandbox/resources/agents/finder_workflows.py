"""Enrichment workflows: chains of AI columns under a name, to be copied into lead finders. Saving one runs nothing."""

from __future__ import annotations

import re
from typing import Any

from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import Call, route
from mcp_instantly.sandbox.engine.shapes import CLOSED, array, boolean, fields, mapping, number, text, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

PATH = "/ai-agents/lead-finder/enrichment-workflows"
VARIABLE = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")

CHAIN = mapping(
    fields(
        "model_version",
        model_version=text(),
        prompt=text(),
        input_columns=array(text()),
        use_instantly_account=boolean(),
        overwrite=boolean(),
        order=number(),
        required=boolean(),
        verb=text(),
        object=text(),
        fallback=text(),
        skip_if_input_empty=boolean(),
    )
)
"""By output column, the step that fills it."""


def keep_chain(chain: dict[str, Any]) -> dict[str, Any]:
    """A chain as it is kept: the inputs of a step are the variables of its prompt, and one without fallback is needed,
    whatever the request says of both.
    """
    return {
        column: {
            **step,
            "input_columns": list(dict.fromkeys(VARIABLE.findall(step.get("prompt", "")))),
            "required": "fallback" not in step,
        }
        for column, step in chain.items()
    }


@route("GET", PATH, scope="ai_agents:read")
def list_workflows(world: World, call: Call) -> Record:
    """All of them at once, newest first."""
    return {"items": [public(workflow) for workflow in world.finder_workflows.after(newest_first=True)]}


@route(
    "POST",
    PATH,
    scope="ai_agents:create",
    body=fields(
        "name ai_enrichment",
        CLOSED,
        name=text(minLength=1, maxLength=80),
        ai_enrichment=CHAIN,
    ),
)
def create_workflow(world: World, call: Call) -> Record:
    at = world.stamp()
    workflow = {
        "id": world.uuid4(),
        "organization_id": world.workspace["id"],
        "name": call.body["name"],
        "payload": {"ai_enrichment": keep_chain(call.body["ai_enrichment"])},
        "timestamp_created": at,
        "timestamp_updated": at,
    }
    return {"workflow": public(world.finder_workflows.add(workflow))}


@route("DELETE", PATH + "/{id}", scope="ai_agents:delete", id=uuid())
def delete_workflow(world: World, call: Call) -> Record:
    """Lead finders that took it over keep their copy."""
    if world.finder_workflows.remove(call.path["id"]) is None:
        raise not_found("Enrichment workflow")
    return {"success": True}
