"""Who works in the demo workspace, with which keys and webhooks, and what the audit log says of the last days."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.engine import audit
from mcp_instantly.sandbox.resources.webhooks.deliveries import record
from mcp_instantly.sandbox.resources.webhooks.payloads import build_payload
from mcp_instantly.sandbox.resources.workspace.api_keys import add_key
from mcp_instantly.sandbox.resources.workspace.group import ACCEPTED, add_member
from mcp_instantly.sandbox.sending.emails import is_reply
from mcp_instantly.sandbox.state.clock import parse
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo.campaigns import FINTECH, OWNER, REP
from mcp_instantly.sandbox.worlds.demo.people import CFO_LIST

KEY_ID = "4a6e0001-6b7c-4d8e-9fa0-1b2c3d4e5f01"
WEBHOOK = "9e0b0001-5a6b-4c7d-8e9f-0a1b2c3d4e01"
HOOK_URL = "https://hooks.brightpath.example/instantly"
SISTER = "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c04"
NEIGHBOURS = (
    (SISTER, "Brightpath Nordics"),
    ("5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c05", "Brightpath Iberia"),
)


def webhook_event_id(n: int) -> str:
    return f"01991fa0-{n:04x}-7000-8000-{n:012x}"


def add_office(world: World) -> None:
    """People, group, a key, and the log; what they refer to need not be there yet."""
    world.workspace["_security_token"] = "sec-demo-0001"
    _add_members(world)
    for workspace, name in NEIGHBOURS:
        world.neighbours.add({"id": workspace, "name": name})
    with world.during(world.now() - dt.timedelta(days=200)):
        nordics = world.neighbours.get(SISTER) or {}
        add_member(world, nordics, id="62009001-afb0-41c2-93e4-5f6a7b8c9d01", status=ACCEPTED)
    with world.during(world.now() - dt.timedelta(days=75)):
        add_key(world, "CRM sync", ["leads:read", "leads:update", "campaigns:read"], id=KEY_ID)


def _add_members(world: World) -> None:
    people: tuple[tuple[str, str, str, str, int, dict[str, Any]], ...] = (
        ("3e3be001-9eaf-40b1-82d3-4e5f6a7b8c00", OWNER, "nora", "owner", 310, {}),
        (
            "3e3be001-9eaf-40b1-82d3-4e5f6a7b8c01",
            REP,
            "leo",
            "editor",
            160,
            {"issuer_id": OWNER, "nickname": "Leo, CFOs", "permissions": ["campaigns.view", "unibox.all"]},
        ),
        (
            "3e3be001-9eaf-40b1-82d3-4e5f6a7b8c02",
            "5f0c2a1e-7b1d-4c55-9a34-0d1f6e2b7c10",
            "kim",
            "view",
            3,
            {"issuer_id": OWNER},
        ),
    )
    for member, user_id, name, role, days, more in people:
        user = world.users.get(user_id)
        with world.during(world.now() - dt.timedelta(days=days)):
            world.members.add(
                {
                    "id": member,
                    "email": f"{name}@brightpath.example",
                    "user_id": user_id,
                    "user_email": f"{name}@brightpath.example",
                    "role": role,
                    "timestamp_created": world.stamp(),
                    "workspace_id": world.workspace["id"],
                    "accepted": user is not None,
                    **({"name": dict(user["name"])} if user else {}),
                    **more,
                }
            )


def add_webhooks(world: World) -> None:
    """A webhook for replies: it had deliveries on each of the last days, once only after its receiver had been down."""
    webhook: Record = {
        "id": WEBHOOK,
        "organization": world.workspace["id"],
        "name": "Replies to Slack",
        "target_hook_url": HOOK_URL,
        "event_type": "reply_received",
        "headers": {"X-Hook-Token": "demo-hook-token"},
        "status": 1,
    }
    with world.during(world.now() - dt.timedelta(days=6)):
        world.webhooks.add({**webhook, "timestamp_created": world.stamp()})
    replies = [
        email
        for email in world.emails
        if is_reply(email) and email["timestamp_created"] > world.webhooks[WEBHOOK]["timestamp_created"]
    ]
    replies.sort(key=lambda email: email["timestamp_created"])
    for place, email in enumerate(replies, 1):
        with world.during(parse(email["timestamp_created"])):
            kind = "auto_reply_received" if email.get("is_auto_reply") else "reply_received"
            facts = {"email": email, "lead": world.leads.get(email["lead_id"])}
            event = record(world, webhook, build_payload(world, kind, facts), id=webhook_event_id(place))
        if place == 2:
            world.webhook_events.change(event, retry_count=1, retry_successful=True, retry_group_id=event["id"])
        if place == 3:
            failed = {"success": False, "status_code": 502, "error_message": "Request failed with status code 502"}
            world.webhook_events.change(
                event, **failed, retry_count=3, retry_successful=False, retry_group_id=event["id"]
            )


def add_log(world: World) -> None:
    """What people did in the app, in the order in which it happened."""
    nora = {"user_id": OWNER, "user_name": "Nora Vance", "ip_address": "192.0.2.14"}
    leo = {"user_id": REP, "user_name": "Leo Marsh", "ip_address": "192.0.2.77"}
    agent = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
    removed = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b00"
    entries: tuple[tuple[float, int, dict[str, Any]], ...] = (
        (75, audit.KEY_CREATED, {**nora, "audit_metadata": {"name": "CRM sync"}}),
        (40, audit.LEAD_ADDED, {**nora, "affected_count": 40, "list_id": CFO_LIST}),
        (12.1, audit.LOGIN, leo),
        (12.05, audit.CAMPAIGN_DELETION, {**leo, "campaign_id": removed, "audit_metadata": {"name": "Summer test"}}),
        (6, audit.WEBHOOK_CREATED, {**nora, "webhook_id": WEBHOOK, "audit_metadata": {"target_hook_url": HOOK_URL}}),
        (2.8, audit.LOGIN, nora),
        (2.75, audit.LEAD_ADDED, {**nora, "affected_count": 120, "campaign_id": FINTECH}),
        (2.72, audit.CAMPAIGN_UPDATE, {**nora, "campaign_id": FINTECH}),
        (2.708, audit.CAMPAIGN_LAUNCH, {**nora, "campaign_id": FINTECH}),
        (0.05, audit.LOGIN, leo),
    )
    for days, activity, more in entries:
        with world.during(world.now() - dt.timedelta(days=days)):
            audit.note(world, activity, user_agent=agent, **more)
