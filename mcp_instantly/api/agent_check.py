"""Whether an AI inbox manager answers the same people: before a reply by hand, so that no lead gets two replies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anyio

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import build_request
from mcp_instantly.errors import ApiError, Forbidden, InstantlyError
from mcp_instantly.text import name_some
from mcp_instantly.tools.operation import Operation

CHECKED = "reply_to_email"
ASKED = "list_inbox_managers"

SECONDS = 2.0
"""That the check may take; the reply is sent all the same."""

KEPT_SECONDS = 60.0
"""For which what was found holds, and that nothing could be found."""

ALL_ACCOUNTS = "default"
"""In the place of a tag, this stands for the accounts that no tag names."""

MAX_NAMED_MANAGERS = 3
"""Inbox managers that a note names."""

UNKNOWN = "Whether an AI inbox manager answers this thread too could not be found out ({reason}): see list_agent_items."


class AgentCheck:
    """Asks for the active inbox managers, once a minute at most.

    A key that may not read them is not asked with again. `now` are seconds of a clock that never goes back.
    """

    def __init__(self, client: InstantlyClient, asked: Operation | None, now: Callable[[], float] = anyio.current_time):
        self._client = client
        self._asked = asked
        self._now = now
        self._until = float("-inf")
        self._found: list[dict[str, Any]] = []
        self._reason = ""

    async def notes(self, operation: Operation, arguments: dict[str, Any]) -> tuple[str, ...]:
        """What to say of agents beside the result of this call: nothing, or a sentence. Raises nothing of its own."""
        if operation.name != CHECKED or self._asked is None:
            return ()
        if self._now() >= self._until:
            await self._ask(self._asked)
        if self._reason:
            return (UNKNOWN.format(reason=self._reason),)
        return tuple(_warn(self._found, str(arguments.get("eaccount", ""))))

    async def _ask(self, asked: Operation) -> None:
        """Note who is active, or why that is not known."""
        found: list[dict[str, Any]] = []
        reason = f"no response within {SECONDS:g} s"
        with anyio.move_on_after(SECONDS):
            try:
                response = await self._client.send(asked, build_request(asked, {"status": 1, "limit": 100}))
                found, reason = _items(response.payload)
            except Forbidden:
                self._asked = None
                reason = ""
            except ApiError as error:
                reason = f"Instantly answered {error.status}"
            except InstantlyError:
                reason = "no response"
        self._found, self._reason = found, reason
        self._until = self._now() + KEPT_SECONDS


def _items(payload: Any) -> tuple[list[dict[str, Any]], str]:
    """The agents of a page that are active, and why they are not known."""
    items = payload.get("items") if isinstance(payload, dict) else None
    if not isinstance(items, list):
        return [], "the response is not a list"
    return [item for item in items if isinstance(item, dict) and item.get("status") == 1], ""


def _warn(active: Iterable[dict[str, Any]], account: str) -> Iterable[str]:
    """A sentence about the agents that answer for an account, or that may."""
    sure: list[str] = []
    perhaps: list[str] = []
    for agent in active:
        settings = agent.get("payload")
        tags = settings.get("tags") if isinstance(settings, dict) else None
        (sure if not tags or ALL_ACCOUNTS in tags else perhaps).append(str(agent.get("name")))
    whose = f"for {account}" if account else "for this account"
    advice = "look at list_inbox_manager_replies, or pause it with update_inbox_manager"
    if sure:
        named = name_some(sure, MAX_NAMED_MANAGERS)
        yield f"An active AI inbox manager ({named}) answers {whose}: this lead may get two replies; {advice}."
    elif perhaps:
        yield (
            f"An active AI inbox manager ({name_some(perhaps, MAX_NAMED_MANAGERS)}) answers for the accounts with its "
            f"tags; if it covers {account or 'this account'}, this lead may get two replies; {advice}."
        )
