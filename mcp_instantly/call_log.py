"""The event of a call, which is written when the call has ended, however it did."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import anyio

from mcp_instantly.api.tracing import annotate
from mcp_instantly.errors import InstantlyError
from mcp_instantly.guards.guards import WRITE, NotSent
from mcp_instantly.log import get_logger
from mcp_instantly.masking import mask
from mcp_instantly.tools.operation import Operation

Event = dict[str, Any]


@contextlib.contextmanager
def sending(operation: Operation, event: Event) -> Iterator[None]:
    """While a request is sent: what is cut off meanwhile may be carried out, unless the exception knows better."""
    event["requests"] += 1
    if operation.read_only:
        yield
        return
    event[WRITE] = "unknown"
    try:
        yield
    except BaseException as error:
        event[WRITE] = getattr(error, "outcome", "unknown")
        raise


class CallLog:
    """Writes `tool_call` events; arguments stand in them, masked, where `log_arguments` is true.

    Each event is also given to `observed`.
    """

    def __init__(self, log_arguments: bool) -> None:
        self.observed: Callable[[Event], object] = lambda event: None
        self._log_arguments = log_arguments

    @contextlib.contextmanager
    def entry(
        self, tool: Operation | None, name: str, arguments: dict[str, Any], context: dict[str, Any]
    ) -> Iterator[Event]:
        """The event of one call, to which its course is added while it lasts.

        `outcome` is ok, asked, error, cancelled or crashed; `write` tells what became of a write. Exceptions pass; an
        InstantlyError of a write is made to say its outcome, and what cuts a call off has it as `outcome`.
        """
        began = time.perf_counter()
        writes = tool is not None and not tool.read_only
        event: Event = {"tool": name, "operation_id": tool and tool.operation_id, **context}
        if self._log_arguments:
            event["arguments"] = mask(arguments, tool.full_schema if tool else {})
        event.update(outcome="crashed", http_status=None, requests=0, attempts=0, bytes=0, error_class=None)
        if writes:
            event[WRITE] = "not sent"
        try:
            yield event
            event["outcome"] = "ok"
        except InstantlyError as error:
            if writes:
                error.say_outcome()
                event[WRITE] = error.told
            event["http_status"] = error.status or event["http_status"]
            event["attempts"] += error.attempts
            event.update(outcome=error.logged, error_class=type(error).__name__)
            raise
        except NotSent:
            event["outcome"] = "ok"
            raise
        except BaseException as error:
            if isinstance(error, anyio.get_cancelled_exc_class()):
                event.update(outcome="cancelled", error_class="Cancelled")
            else:
                event["error_class"] = type(error).__name__
            event["attempts"] += getattr(error, "attempts", 0)
            # A read says nothing of the write that it was a part of.
            error.outcome = event.get(WRITE, "unknown")  # type: ignore[attr-defined]
            raise
        finally:
            annotate(event)
            event["duration_ms"] = round((time.perf_counter() - began) * 1000, 2)
            get_logger().info("tool_call", **event)
            self.observed(event)
