"""The life of one call: find the operation, check, build, send, say what came of it, and log it whatever happened."""

from __future__ import annotations

import time
from typing import Any

import anyio

from mcp_instantly import result
from mcp_instantly.arguments import check_arguments
from mcp_instantly.catalog import Selection
from mcp_instantly.client import InstantlyClient
from mcp_instantly.errors import InstantlyError
from mcp_instantly.log import get_logger
from mcp_instantly.masking import mask
from mcp_instantly.request import build_request
from mcp_instantly.result import Result
from mcp_instantly.settings import Settings


class Invoker:
    """Calls operations of a selection through a client.

    Every call writes one event, `tool_call`, whose outcome is ok, error, cancelled or crashed.
    """

    def __init__(self, selection: Selection, client: InstantlyClient, settings: Settings):
        self.selection = selection
        self._client = client
        self._settings = settings
        self._log = get_logger()

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
            checked = check_arguments(operation, arguments)
            reply = await self._client.send(operation, build_request(operation, checked))
            event.update(http_status=reply.status, attempts=reply.attempts, bytes=reply.size)
            found = result.success(operation, reply, self._settings.result_limit)
            event["outcome"] = "ok"
        except InstantlyError as error:
            event["http_status"] = event["http_status"] or error.status
            event["attempts"] = event["attempts"] or error.attempts
            event.update(outcome="error", error_class=type(error).__name__)
            found = result.failure(error)
        except anyio.get_cancelled_exc_class() as error:
            event.update(outcome="cancelled", error_class="Cancelled", attempts=getattr(error, "attempts", 0))
            raise
        except Exception as error:
            event["attempts"] = event["attempts"] or getattr(error, "attempts", 0)
            event["error_class"] = type(error).__name__
            raise
        finally:
            event["duration_ms"] = round((time.perf_counter() - began) * 1000, 2)
            self._log.info("tool_call", **event)
        return found
