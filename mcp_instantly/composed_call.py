"""The life of a call of a workflow: each operation that it calls is a call of its own, with its own event."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from mcp_instantly.api.request import Response
from mcp_instantly.api.tracing import span
from mcp_instantly.call_log import CallLog, Event
from mcp_instantly.errors import InstantlyError, Outcome
from mcp_instantly.guards.guards import Guard, GuardedCall, NotSent, guarded, outcome_of
from mcp_instantly.guards.risks import without_token
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Selection
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation
from mcp_instantly.workflows import CALLS, Context, Report, find, find_foresight, unreported

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.jobs.jobs import Jobs

AskInside = Callable[[Operation, dict[str, Any], Event, float], Awaitable[tuple[Any, tuple[str, ...]]]]
"""Calls an operation within some seconds, its course added to the event: its payload, and what is to be said of it."""


@dataclasses.dataclass(frozen=True)
class ComposedCalls:
    """Runs workflows, whose operations are called through `ask_inside`, and the guards around each as a whole."""

    settings: Settings
    guards: Sequence[Guard]
    log: CallLog
    selection: Selection
    ask_inside: AskInside
    guarded_call: Callable[..., GuardedCall]
    now: Callable[[], dt.datetime]
    drafts: Drafts | None
    jobs: Jobs | None
    only_campaign: str | None = None
    kept: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    async def run(
        self, workflow: Workflow, checked: dict[str, Any], event: Event, report: Report, origin: dict[str, Any]
    ) -> tuple[Response, list[str]]:
        """Run a workflow with checked arguments: its answer, and what its calls have said."""
        ends: set[Outcome | None] = set()
        at_work = self.context(workflow, event, ends, report, origin)

        async def work() -> Response:
            said: tuple[str, ...] = ()
            try:
                at_work.begin()
                found, sent = await find(workflow.name)(at_work, without_token(checked)), True
            except NotSent as error:
                found, sent = error.payload, False
                said = (at_work.not_sent(error.operation), *error.notes)
            except InstantlyError as error:
                raise at_work.ended_by(error) from error
            finally:
                event["calls"] = sum(at_work.calls.values())
            told = {**found, CALLS: dict(at_work.calls)}
            return Response(200, told, "application/json", 0, 0, said, sent or bool(at_work.changed))

        facts = self.facts(workflow, checked, event, origin)
        seconds = self.settings.call_timeout
        asked = self.guarded_call(workflow, checked, None, None, event, seconds=seconds, facts=facts)
        reply = await guarded(self.guards, asked, work)
        if "write" in event:
            event["write"] = "unknown" if "unknown" in ends else outcome_of(reply)
        return reply, at_work.notes

    def context(
        self, workflow: Workflow, event: Event, ends: set[Outcome | None], report: Report, origin: dict[str, Any]
    ) -> Context:
        """What a workflow works with. The event counts what its calls cost, `ends` what became of its writes."""

        async def ask(operation: Operation, given: dict[str, Any], seconds: float) -> tuple[Any, tuple[str, ...]]:
            within = {**origin, "workflow": workflow.name}
            with span(operation.name), self.log.entry(operation, operation.name, given, within) as inner:
                try:
                    return await self.ask_inside(operation, given, inner, seconds)
                finally:
                    event["attempts"] += inner["attempts"]
                    event["bytes"] += inner["bytes"]
                    ends.add(inner.get("write"))

        kept = self.kept.setdefault(workflow.name, {})
        return Context(
            workflow,
            ask,
            self.selection,
            report,
            self.settings.call_timeout,
            kept,
            self.drafts,
            self.settings.files,
            self.jobs,
            self.only_campaign,
            now=self.now,
        )

    def previewed(self, tool: Operation, checked: dict[str, Any]) -> GuardedCall:
        """The call of an operation or a workflow that is looked at, and not made."""
        if not isinstance(tool, Workflow):
            return self.guarded_call(tool, checked, None, None, {})
        narrowed = tool.narrowed(checked)
        facts = self.facts(narrowed, checked, {"attempts": 0, "bytes": 0}, {})
        return self.guarded_call(narrowed, checked, None, None, {}, facts=facts)

    def facts(
        self, workflow: Workflow, arguments: dict[str, Any], event: Event, origin: dict[str, Any]
    ) -> Callable[[], Awaitable[dict[str, Any]]] | None:
        """What asks a workflow what it would do, where it can say."""
        foresee = find_foresight(workflow.name)
        if foresee is None:
            return None
        return lambda: foresee(self.context(workflow, event, set(), unreported, origin), without_token(arguments))
