"""The life of one call: find the operation, check, build, send, say what came of it, and log it whatever happened."""

from __future__ import annotations

import time
from typing import Any

import anyio

from mcp_instantly import result
from mcp_instantly.agent_check import ASKED, AgentCheck
from mcp_instantly.arguments import check_arguments, warn_of_uncertain
from mcp_instantly.catalog import Selection, covers
from mcp_instantly.client import InstantlyClient
from mcp_instantly.errors import InstantlyError
from mcp_instantly.log import get_logger
from mcp_instantly.masking import mask
from mcp_instantly.narrowing import notes_on_scope
from mcp_instantly.operation import Operation
from mcp_instantly.request import build_request
from mcp_instantly.result import Result
from mcp_instantly.settings import Settings
from mcp_instantly.truncation import refuse_cut_texts, writable

MAX_SMALLER_PAGES = 2
"""Further requests that are made for a page that does not fit."""


class Invoker:
    """Calls operations of a selection through a client.

    Every call writes one event, `tool_call`, whose outcome is ok, error, cancelled or crashed.
    """

    def __init__(self, selection: Selection, client: InstantlyClient, settings: Settings):
        self.selection = selection
        self._client = client
        self._settings = settings
        self._log = get_logger()
        asked = selection.catalog.operations.get(ASKED) if settings.agent_check else None
        self._agents = AgentCheck(client, asked if asked and covers(selection.scopes, asked) else None)

    async def invoke(self, name: str, arguments: dict[str, Any], **context: Any) -> Result:
        """Call a tool and return what the model reads; `context` (client, request id) goes into the log event.

        What a caller can act on comes back as a Result with an error. Anything else is a bug and is raised.
        """
        began = time.perf_counter()
        operation = self.selection.catalog.operations.get(name)
        event: dict[str, Any] = {"tool": name, "operation_id": operation and operation.operation_id, **context}
        if self._settings.log_arguments:
            event["arguments"] = mask(arguments, operation.full_schema if operation else {})
        event.update(outcome="crashed", http_status=None, attempts=0, bytes=0, error_class=None)
        try:
            operation = self.selection.find(name)
            refuse_cut_texts(operation, arguments)
            checked = check_arguments(operation, arguments)
            scope = (*notes_on_scope(operation, arguments, checked), *warn_of_uncertain(operation, checked))
            scope += await self._agents.notes(operation, checked)
            found = await self._ask(operation, checked, event, *scope)
            if found.fitting is not None:
                found = await self._ask_for_less(operation, checked, found, event, *scope)
            event["outcome"] = "ok"
        except InstantlyError as error:
            event["http_status"] = error.status or event["http_status"]
            event["attempts"] += error.attempts
            event.update(outcome="error", error_class=type(error).__name__)
            found = result.failure(error)
        except anyio.get_cancelled_exc_class() as error:
            event.update(outcome="cancelled", error_class="Cancelled")
            event["attempts"] += getattr(error, "attempts", 0)
            raise
        except Exception as error:
            event["attempts"] += getattr(error, "attempts", 0)
            event["error_class"] = type(error).__name__
            raise
        finally:
            event["duration_ms"] = round((time.perf_counter() - began) * 1000, 2)
            self._log.info("tool_call", **event)
        return found

    async def _ask(self, operation: Operation, arguments: dict[str, Any], event: dict[str, Any], *notes: str) -> Result:
        """Send one request and return its result; what it cost is added to the log event."""
        reply = await self._client.send(operation, build_request(operation, arguments))
        event["http_status"] = reply.status
        event["attempts"] += reply.attempts
        event["bytes"] += reply.size
        return result.success(
            operation,
            arguments,
            reply,
            self._settings.result_limit,
            kept=lambda: writable(operation, self.selection.catalog.operations.values()),
            more_notes=notes,
        )

    async def _ask_for_less(
        self, operation: Operation, arguments: dict[str, Any], found: Result, event: dict[str, Any], *notes: str
    ) -> Result:
        """A page that did not fit, asked for with a smaller limit, so that it is whole and its cursor true.

        The truncated page that there is already is the answer where that does not work.
        """
        for _ in range(MAX_SMALLER_PAGES):
            if found.fitting is None:
                break
            note = f"The page was too long, so it was asked for with limit {found.fitting}: page on for the others."
            try:
                found = await self._ask(operation, {**arguments, "limit": found.fitting}, event, *notes, note)
            except InstantlyError as error:
                event["attempts"] += error.attempts
                break
        return found
