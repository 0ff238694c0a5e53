"""What the demo workspace keeps for following up: a label of its own, a paused subsequence, and who is left alone."""

from __future__ import annotations

import datetime as dt

from mcp_instantly.sandbox.resources.campaigns.subsequences import add_draft
from mcp_instantly.sandbox.resources.leads.block_lists import block
from mcp_instantly.sandbox.resources.leads.labels import POSITIVE, add_label
from mcp_instantly.sandbox.state.world import World
from mcp_instantly.sandbox.worlds.demo.campaigns import CALL_AGAIN, FINTECH, step

CALL_BACK = "1abe0001-7c8d-4e9f-a0b1-2c3d4e5f6a01"
PAUSED = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b12"
RITA = "3b10c0de-4d5e-4f60-8a71-8293a4b5c602"


def add_follow_up(world: World) -> None:
    """To be called after the past has been made: no lead in it entered the paused subsequence."""
    with world.during(world.now() - dt.timedelta(days=60)):
        add_label(
            world,
            "Call back later",
            POSITIVE,
            id=CALL_BACK,
            created_by=world.workspace["owner"],
            access_grants=[{"user_id": world.workspace["owner"], "access_type": 4}],
            description="Not now, but asks to be contacted again in some months, next quarter or next year.",
            use_with_ai=True,
        )
    with world.during(world.now() - dt.timedelta(days=21)):
        block(world, "rita.kold@oldclient.example", False, id=RITA)
    with world.during(world.now() - dt.timedelta(hours=3)):
        clicked = {"name": "Clicked, no answer", "conditions": {"lead_activity": [4]}, "status": 2}
        steps = [step(("", CALL_AGAIN), delay=2, pre_delay=2)]
        add_draft(world, FINTECH, {**clicked, "id": PAUSED, "sequences": [{"steps": steps}]})
