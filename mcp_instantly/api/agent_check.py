"""Whether an AI inbox manager answers the same people: before a reply by hand, so that no lead gets two replies."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anyio

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.request import build_request
from mcp_instantly.errors import ApiError, Forbidden, InstantlyError
from mcp_instantly.text import name_some
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation

CHECKED = "reply_to_email"
LIST_MANAGERS = "list_inbox_managers"
MANAGERS_PATH = "/api/v2/ai-agents/inbox-manager"

SECONDS = 2.0
"""That the check may take; the reply is sent all the same."""

KEPT_SECONDS = 60.0
"""For which what was found holds, and that nothing could be found."""

ALL_ACCOUNTS = "default"
"""In the place of a tag, this stands for the accounts that no tag names."""

MAX_NAMED_MANAGERS = 3
"""Inbox managers that a note names."""

UNKNOWN = "Whether an AI inbox manager answers this thread too could not be found out ({reason}): see list_agent_items."
NOT_ALLOWED = (
    "Whether an AI inbox manager answers the same threads is not known: this key, or --scopes, lets nobody read them, "
    "which the scope {scope} would allow."
)


class AgentCheck:
    """Asks for the active inbox managers, once a minute at most, and again after they were changed from here.

    A key that may not read them (`allowed` says whether it may) is not asked with again; each reply says so. Without
    `asked` nothing is asked, and nothing said. `now` are seconds of a clock that never goes back.
    """

    def __init__(
        self,
        client: InstantlyClient,
        asked: Operation | None,
        now: Callable[[], float] = anyio.current_time,
        *,
        allowed: bool = True,
    ):
        self._client = client
        self._asked = asked
        self._now = now
        self._allowed = allowed
        self._changes = 0
        self._until = float("-inf")
        self._found: list[dict[str, Any]] = []
        self._reason = ""

    async def notes(self, operation: Operation, arguments: dict[str, Any]) -> tuple[str, ...]:
        """What to say of agents beside the result of this call: nothing, or a sentence. Raises nothing of its own."""
        if operation.name != CHECKED or self._asked is None:
            return ()
        return await self._say(self._asked, str(arguments.get("eaccount", "")))

    async def warning(self, operation: Operation, arguments: dict[str, Any]) -> str:
        """The same before a call, or a workflow with such a call in it, is confirmed; empty where there is nothing."""
        replies = operation.name == CHECKED or (isinstance(operation, Workflow) and CHECKED in operation.parts)
        if not replies or self._asked is None:
            return ""
        return " ".join(await self._say(self._asked, str(arguments.get("eaccount", ""))))

    @contextlib.contextmanager
    def changed_by(self, operation: Operation) -> Iterator[None]:
        """Forget, behind a call, what it may have changed, whatever became of it."""
        try:
            yield
        finally:
            if not operation.read_only and operation.path.startswith(MANAGERS_PATH):
                self._changes += 1
                self._until = float("-inf")

    async def _say(self, asked: Operation, account: str) -> tuple[str, ...]:
        if self._allowed and self._now() >= self._until:
            await self._ask(asked)
        if not self._allowed:
            return (NOT_ALLOWED.format(scope=asked.scopes[0]),)
        if self._reason:
            return (UNKNOWN.format(reason=self._reason),)
        return _warn(self._found, account)

    async def _ask(self, asked: Operation) -> None:
        """Note who is active, or why that is not known."""
        found: list[dict[str, Any]] = []
        changes = self._changes
        reason = f"no response within {SECONDS:g} s"
        with anyio.move_on_after(SECONDS):
            try:
                response = await self._client.send(asked, build_request(asked, {"status": 1, "limit": 100}))
                found, reason = _items(response.payload)
            except Forbidden:
                self._allowed = False
            except ApiError as error:
                reason = f"Instantly answered {error.status}"
            except InstantlyError:
                reason = "no response"
        self._found, self._reason = found, reason
        if changes == self._changes:
            self._until = self._now() + KEPT_SECONDS


def _items(payload: Any) -> tuple[list[dict[str, Any]], str]:
    """The agents of a page that are active, and why they are not known."""
    items = payload.get("items") if isinstance(payload, dict) else None
    if not isinstance(items, list):
        return [], "the response is not a list"
    return [item for item in items if isinstance(item, dict) and item.get("status") == 1], ""


def _warn(active: Iterable[dict[str, Any]], account: str) -> tuple[str, ...]:
    """A sentence about the agents that answer for an account, or that may."""
    sure: list[str] = []
    perhaps: list[str] = []
    for agent in active:
        settings = agent.get("payload")
        tags = settings.get("tags") if isinstance(settings, dict) else None
        answers = sure if not tags or ALL_ACCOUNTS in tags else perhaps
        answers.append(str(agent.get("name")))
    whose = f"for {account}" if account else "for this account"
    advice = "look at list_inbox_manager_replies, or pause it with update_inbox_manager"
    if sure:
        named = name_some(sure, MAX_NAMED_MANAGERS)
        return (f"An active AI inbox manager ({named}) answers {whose}: this lead may get two replies; {advice}.",)
    if perhaps:
        named = name_some(perhaps, MAX_NAMED_MANAGERS)
        covers = f"if it covers {account or 'this account'}, this lead may get two replies; {advice}"
        return (f"An active AI inbox manager ({named}) answers for the accounts with its tags; {covers}.",)
    return ()
