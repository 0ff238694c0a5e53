"""With --drafts-only: email by hand goes out as a draft that a person approved, or not at all."""

from __future__ import annotations

from mcp_instantly.api.request import Response
from mcp_instantly.errors import CallError
from mcp_instantly.guards.costs import RECIPIENTS
from mcp_instantly.guards.guards import GuardedCall, Proceed
from mcp_instantly.tools.composition import Workflow

SEND_DRAFT = "send_draft"
"""The workflow that sends approved drafts, and nothing else."""


class DraftsOnly:
    """Refuses every call that sends email by hand, and workflows that would, before they change anything."""

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        await self.refuse(call)
        return await proceed()

    async def refuse(self, call: GuardedCall) -> None:
        """Raise CallError for what sends by hand and is no approved draft."""
        tool = call.operation
        asked = tool.parts if isinstance(tool, Workflow) else {tool.name: tool}
        if SEND_DRAFT in (tool.name, call.workflow) or RECIPIENTS.keys().isdisjoint(asked):
            return
        instead = (
            "Only drafts that a person approved are sent here (--drafts-only): keep the reply with draft_reply, let a "
            "person approve it with mcp-instantly drafts, then call send_draft."
            if "reply_to_email" in asked
            else "This server sends by hand only replies that a person approved as drafts (--drafts-only); a person "
            "does this in Instantly."
        )
        raise CallError(f"{tool.name} is not allowed, so nothing was sent. {instead}")
