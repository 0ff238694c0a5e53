"""The life of a call of a workflow: each operation that it calls is a call of its own, with its own event."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from mcp_instantly.api.request import Request, Response, build_request
from mcp_instantly.api.tracing import span
from mcp_instantly.call_log import CallLog, Event
from mcp_instantly.errors import InstantlyError, Outcome
from mcp_instantly.guards.guards import WRITE, Guard, GuardedCall, Limit, NotSent, guarded, outcome_of
from mcp_instantly.guards.risks import is_dry, without_token
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Selection
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import Operation
from mcp_instantly.workflows import CALLS, Ask, Context, Report, find, find_foresight, find_rehearsal, unreported

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.jobs.jobs import Jobs

Check = Callable[[Operation, dict[str, Any]], Awaitable[tuple[dict[str, Any], tuple[str, ...]]]]
"""The arguments of an operation as they are sent, and what must be said of them."""

AskInside = Callable[[Operation, dict[str, Any], Event, float], Awaitable[tuple[Any, tuple[str, ...]]]]
"""Calls an operation within some seconds, its course added to the event: its payload, and what is to be said of it."""


@dataclasses.dataclass(frozen=True)
class ComposedCalls:
    """Runs workflows, whose operations are called through `ask_inside`, and the guards around each as a whole.

    It also tries calls that are not made.
    """

    settings: Settings
    guards: Sequence[Guard]
    log: CallLog
    selection: Selection
    ask_inside: AskInside
    check: Check
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
            if workflow.keeps:
                event[WRITE] = "unknown"
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
        if WRITE in event:
            event[WRITE] = "unknown" if "unknown" in ends else outcome_of(reply, asked)
        return reply, at_work.notes

    def context(
        self, workflow: Workflow, event: Event, ends: set[Outcome | None], report: Report, origin: dict[str, Any]
    ) -> Context:
        """What a workflow works with. The event counts what its calls cost, `ends` what became of its writes."""
        ask = self._ask(workflow, event, ends, origin)
        return self._context(workflow, ask, report, self.kept.setdefault(workflow.name, {}))

    def _ask(self, workflow: Workflow, event: Event, ends: set[Outcome | None], origin: dict[str, Any]) -> Ask:
        """What calls the operations of a workflow, each with an event of its own."""

        async def ask(operation: Operation, given: dict[str, Any], seconds: float) -> tuple[Any, tuple[str, ...]]:
            within = {**origin, "workflow": workflow.name}
            with span(operation.name), self.log.entry(operation, operation.name, given, within) as inner:
                try:
                    return await self.ask_inside(operation, given, inner, seconds)
                finally:
                    event["attempts"] += inner["attempts"]
                    event["bytes"] += inner["bytes"]
                    end = inner.get(WRITE)
                    ends.add(end)
                    if end in ("done", "unknown"):
                        # Should it be cut off from now on, a part of it is done.
                        event[WRITE] = "unknown"

        return ask

    def _context(self, workflow: Workflow, ask: Ask, report: Report, kept: dict[str, Any]) -> Context:
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
            refuse=functools.partial(self._refuse_inside, workflow),
        )

    # calls that are not made

    async def rehearse(self, tool: Operation, checked: dict[str, Any]) -> dict[str, Any] | None:
        """Raise what would refuse a call with checked arguments, and what would end a workflow before its first write.

        What a workflow would do, where that was found out on the way. Where a person has set no limits, nothing would
        be refused, and nothing is read for that.
        """
        if not self._limits:
            return None
        request = None if isinstance(tool, Workflow) else build_request(tool, checked)
        await self._refuse(tool, checked, request, None)
        if isinstance(tool, Workflow) and not tool.read_only and not is_dry(tool, checked):
            return await self._go_through(tool.narrowed(checked), without_token(checked))
        return None

    async def _go_through(self, workflow: Workflow, given: dict[str, Any]) -> dict[str, Any] | None:
        """Have a workflow read what it reads, up to its first write that nothing would refuse. What it foresees, where
        that is its rehearsal.
        """
        run = find_rehearsal(workflow)
        if run is None:
            return None
        refused: list[InstantlyError] = []

        async def ask(operation: Operation, asked: dict[str, Any], seconds: float) -> tuple[Any, tuple[str, ...]]:
            if operation.read_only:
                return await read(operation, asked, seconds)
            try:
                await self._refuse_inside(workflow, operation, asked)
            except InstantlyError as error:
                refused.append(error)
                raise
            raise NotSent(operation.name, {}, ())

        read = self._ask(workflow, {"attempts": 0, "bytes": 0}, set(), {})
        at_work = self._context(workflow, ask, unreported, dict(self.kept.get(workflow.name, {})))
        try:
            found = await run(at_work, given)
        except NotSent:
            return None
        except InstantlyError as error:
            raise at_work.ended_by(error) from error
        if refused:
            # It would tell so of each of its items, and change nothing.
            raise refused[0]
        return found if run is find_foresight(workflow.name) else None

    async def _refuse_inside(self, workflow: Workflow, operation: Operation, given: dict[str, Any]) -> None:
        """Raise what would refuse a call that a workflow makes."""
        self.selection.refuse_unless_allowed(operation)
        checked, _ = await self.check(operation, given)
        await self._refuse(operation, checked, build_request(operation, checked), workflow.name)

    async def _refuse(self, tool: Operation, checked: dict[str, Any], request: Request | None, by: str | None) -> None:
        call = self.guarded_call(tool, checked, request, by, {})
        for limit in self._limits:
            await limit.refuse(call)

    @property
    def _limits(self) -> list[Limit]:
        return [guard for guard in self.guards if isinstance(guard, Limit)]

    def previewed(self, tool: Operation, checked: dict[str, Any], foreseen: dict[str, Any] | None) -> GuardedCall:
        """The call of an operation or a workflow that is looked at, and not made; `foreseen` is what it would do, where
        that is known, and not asked for again.
        """
        if not isinstance(tool, Workflow):
            return self.guarded_call(tool, checked, None, None, {})
        narrowed = tool.narrowed(checked)
        facts = self.facts(narrowed, checked, {"attempts": 0, "bytes": 0}, {})
        if foreseen is not None:
            facts = functools.partial(_known, foreseen)
        return self.guarded_call(narrowed, checked, None, None, {}, facts=facts)

    def facts(
        self, workflow: Workflow, arguments: dict[str, Any], event: Event, origin: dict[str, Any]
    ) -> Callable[[], Awaitable[dict[str, Any]]] | None:
        """What asks a workflow what it would do, where it can say."""
        foresee = find_foresight(workflow.name)
        if foresee is None:
            return None
        return lambda: foresee(self.context(workflow, event, set(), unreported, origin), without_token(arguments))


async def _known(facts: dict[str, Any]) -> dict[str, Any]:
    return facts
