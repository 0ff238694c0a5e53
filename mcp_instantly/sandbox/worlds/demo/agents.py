"""The demo workspace's AI agents: all paused, so that they change nothing in its emails."""

from __future__ import annotations

import datetime as dt
from typing import Any

from mcp_instantly.sandbox.resources.agents.inbox_manager import add_inbox_manager
from mcp_instantly.sandbox.resources.agents.inbox_texts import BASICS, CONTEXT, HANDOVER
from mcp_instantly.sandbox.resources.agents.inbox_work import FAILED
from mcp_instantly.sandbox.resources.agents.kinds import ACTIVE, INACTIVE
from mcp_instantly.sandbox.state.clock import parse
from mcp_instantly.sandbox.state.world import World

MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"


def add_agents(world: World) -> None:
    """An inbox manager that was tried with a small budget, and what it wrote."""
    payload = {
        "configuration_type": 1,
        "tags": ["default"],
        "handle_followup": False,
        "respond_to_automatic_emails": False,
        "handle_objections": False,
        "monthly_credit_budget": 50,
    }
    with world.during(world.now() - dt.timedelta(days=4)):
        manager = add_inbox_manager(world, "Brightpath replies", payload, id=MANAGER, status=INACTIVE)
        for n, label, category, more in (
            (1, "Basics", BASICS, {"basic_guidance_options": {"tone": "friendly", "length": "concise"}}),
            (2, "Prices", CONTEXT, {"instruction": "It costs 49 dollars a seat and month."}),
            (3, "Contracts", HANDOVER, {"instruction": "Hand over whoever asks for a contract."}),
        ):
            _add_guidance(world, n, label=label, category=category, **more)
    # The email that each of them replies to.
    _add_reply(world, 1, "01991f80-0007-7000-8000-000000000007", None, "ACCOUNT_INACTIVE")
    _add_reply(world, 2, "01991f80-0004-7000-8000-000000000004", "references", None)
    world.inbox_managers.change(manager, timestamp_updated=world.stamp())


def _add_guidance(world: World, n: int, **given: Any) -> None:
    made = {"timestamp_created": world.stamp(), "timestamp_updated": world.stamp()}
    place = {"id": f"a1b0a002-4c5d-4e6f-8a7b-9c0d1e2f3a{n:02d}", "organization_id": world.workspace["id"]}
    world.inbox_guidances.add(
        {**place, "agent_id": MANAGER, "instruction": "", "status": ACTIVE, **made, **given},
    )


def _add_reply(world: World, n: int, email_id: str, asked: str | None, error: str | None) -> None:
    email = world.emails[email_id]
    with world.during(parse(email["timestamp_email"]) + dt.timedelta(minutes=1)):
        reply = {
            "id": f"01991fb0-{n:04x}-7000-8000-{n:012x}",
            "organization_id": world.workspace["id"],
            "timestamp_created": world.stamp(),
            "timestamp_updated": world.stamp(),
            "agent_id": MANAGER,
            "thread_id": email["thread_id"],
            "lead": email["lead"],
            "in_reply_to": email_id,
            "html": "Hi,<br/><br/>Thank you for your reply.",
            "requires_hitl": asked is not None,
            "requires_hitl_reason": asked and f"The lead asks for {asked}",
            "information_requested": asked,
            "action_pending": asked is not None,
            "confidence_score": 61,
            "generation_lag_seconds": 60,
            "is_automatic_email": False,
            "is_followup": False,
            "calendly_tool_used": False,
            "estimated_time_saved_seconds": 180,
            "sending_status": FAILED if error else None,
            "error_code": error,
        }
        world.inbox_replies.add({name: value for name, value in reply.items() if value is not None})
