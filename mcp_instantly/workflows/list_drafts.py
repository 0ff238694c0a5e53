"""The drafts that are kept on this machine, with what became of them."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.drafts.draft import outline, whole
from mcp_instantly.workflows import Context

SHOWN = 20
"""Drafts that are shown unless the call says otherwise."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """One draft in full, or the newest of those in a state."""
    if "draft_id" in arguments:
        return {"drafts": [whole(await in_thread(context.drafts.find, arguments["draft_id"]))]}
    state = arguments.get("state")
    found = [draft for draft in await in_thread(context.drafts.all) if state in (None, draft.state)]
    shown = found[: arguments.get("limit", SHOWN)]
    if len(shown) < len(found):
        context.notes.append(f"There are {len(found) - len(shown)} older ones: give a state, or a larger limit.")
    return {"drafts": [outline(draft) for draft in shown]}
