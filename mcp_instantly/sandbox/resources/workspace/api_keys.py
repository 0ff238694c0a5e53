"""API keys: made with scopes, shown once, and refused from the moment they are deleted."""

from __future__ import annotations

import base64
import random

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.engine.responses import not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, page, route
from mcp_instantly.sandbox.engine.shapes import array, choice, fields, text, uuid
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

ACTIONS = ("all", "create", "read", "update", "delete")
_RESOURCES = (
    "all ai_agents api_keys audit_logs custom_prompt_templates account_campaign_mappings campaigns"
    " inbox_placement_tests inbox_placement_analytics inbox_placement_reports lead_lists leads background-jobs"
    " custom_tags custom_tag_mappings crm_actions accounts block_list_entries lead-labels email_verifications emails"
    " email_templates workspaces workspace_billing workspace_group_members workspace_members subsequences ai_sdr"
    " ai_sdr_replies ai_inbox_manager_analytics sales_flows webhooks webhook_events security_tokens"
    " dfy_email_account_orders auth"
)
SCOPES = [
    f"{resource}:{action}"
    for resource in _RESOURCES.split()
    for action in (ACTIONS[:3] if resource == "email_verifications" else ACTIONS)
]
"""Nothing here covers SuperSearch: it takes a key for everything."""

SHOWN = 6
"""Characters of a key that are still legible after its creation."""


def add_key(world: World, name: str, scopes: list[str], **more: str) -> Record:
    """Make a key that works from now on."""
    key_id = more.get("id") or world.uuid4()
    secret = random.Random(f"{world.seed}|api key|{key_id}").randbytes(9)
    return world.api_keys.add(
        {
            "id": key_id,
            "name": name,
            "scopes": list(dict.fromkeys(scopes)),
            "key": base64.b64encode(f"{key_id}:".encode() + base64.b64encode(secret)).decode(),
            "organization_id": world.workspace["id"],
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            **more,
        }
    )


def mask(record: Record) -> Record:
    """A key as it is shown after its creation: enough to tell it from others, too little to use it."""
    return {**public(record), "key": f"{record['key'][:SHOWN]}..."}


@route(
    "POST",
    "/api-keys",
    scope="api_keys:create",
    audit=audit.KEY_CREATED,
    body=fields("name scopes", name=text(), scopes=array(choice(*SCOPES))),
)
def create_key(world: World, call: Call) -> Record:
    return public(add_key(world, call.body["name"], call.body["scopes"]))


@route("GET", "/api-keys", scope="api_keys:read", query=PAGE)
def list_keys(world: World, call: Call) -> Record:
    return page(world.api_keys.after(call.query.get("starting_after"), newest_first=True), call.query, render=mask)


@route("DELETE", "/api-keys/{id}", scope="api_keys:delete", audit=audit.KEY_DELETED, id=uuid())
def delete_key(world: World, call: Call) -> Record:
    found = world.api_keys.remove(call.path["id"])
    if not found:
        raise not_found("API key")
    return mask(found)
