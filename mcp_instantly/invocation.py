"""The life of one call: find the tool, check, build, send, say what came of it, and log it whatever happened."""

from __future__ import annotations

import copy
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from mcp_instantly.api.agent_check import LIST_MANAGERS, AgentCheck
from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.api.collection import MAX_ITEMS, Collection
from mcp_instantly.api.paging import LARGEST_PAGE, RECORDS
from mcp_instantly.api.request import Response, build_request
from mcp_instantly.api.waiting import Waiter
from mcp_instantly.arguments.arguments import check_arguments, warn_of_uncertain
from mcp_instantly.arguments.narrowing import notes_on_scope
from mcp_instantly.arguments.own_keys import OwnKeys
from mcp_instantly.call_log import CallLog, Event, sending
from mcp_instantly.composed_call import ComposedCalls
from mcp_instantly.errors import InstantlyError
from mcp_instantly.guards.guards import WRITE, Guard, GuardedCall, NotSent, Previewer, guarded, outcome_of
from mcp_instantly.guards.locks import UNLOCKED, CampaignLock
from mcp_instantly.guards.offering import offer
from mcp_instantly.guards.preview import NAME as PREVIEW
from mcp_instantly.guards.tells import say_what_tells, with_doubt
from mcp_instantly.progress import say
from mcp_instantly.results import result
from mcp_instantly.results.exposure import Exposure
from mcp_instantly.results.notes import Call, collect_notes, denies, say_unlisted
from mcp_instantly.results.presentation import Presentation
from mcp_instantly.results.projection import View, listed
from mcp_instantly.results.protection import refuse_cut_texts
from mcp_instantly.results.result import Result
from mcp_instantly.results.strangers import without_marks
from mcp_instantly.results.truncation import NOTE_CHARACTERS
from mcp_instantly.settings import Settings
from mcp_instantly.text import compact
from mcp_instantly.tools.catalog import Selection, covers
from mcp_instantly.tools.composition import Workflow
from mcp_instantly.tools.operation import WAIT_SECONDS, Operation
from mcp_instantly.workflows import Context, Report, unreported

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.jobs.jobs import Jobs

Arguments = dict[str, Any]

MAX_SMALLER_PAGES = 2
"""Further requests that are made for a page that does not fit."""


class Invoker:
    """Calls tools of a selection through a client; every call goes through the guards, the first outermost.

    Every call writes one event, `tool_call`, whose outcome is ok, asked, error, cancelled or crashed; `write` tells
    what became of a write. So does every operation that a workflow calls, with the workflow's name.
    """

    discovery = False
    """Whether the tools of the selection are reached through others, which find and run them."""

    workspaces: tuple[str, ...] = ()
    """The names from which each call chooses, where there is more than one key."""

    def __init__(
        self,
        selection: Selection,
        client: InstantlyClient,
        settings: Settings,
        guards: Sequence[Guard] = (),
        lock: CampaignLock = UNLOCKED,
        exposure: Exposure | None = None,
        drafts: Drafts | None = None,
        jobs: Jobs | None = None,
    ):
        self.selection = selection
        self._previewer = next((guard for guard in guards if isinstance(guard, Previewer)), None)
        self._client = client
        self._settings = settings
        self.opens_files = bool(settings.files)
        self._guards = guards
        self._lock = lock
        self.log = CallLog(settings.log_arguments)
        self.kept: dict[str, Any] = {}
        self._presentation = Presentation(selection.catalog.operations, settings)
        self._own_keys = OwnKeys(settings)
        self._waiter = Waiter(selection.catalog.operations, selection.allows, self._send, client.sleep)
        asked = selection.catalog.operations.get(LIST_MANAGERS) if settings.agent_check else None
        self._agents = AgentCheck(client, asked, allowed=bool(asked and covers(selection.scopes, asked)))
        self.exposure = exposure or Exposure()
        self._asked = functools.partial(GuardedCall, read=self._read, warning=self._agents.warning)
        asking = (self._ask_inside, self._check, self._asked, client.clock.now)
        self._composed = ComposedCalls(settings, guards, self.log, selection, *asking, drafts, jobs, lock.campaign)

    def narrowed(self, narrow: Callable[[Selection], Selection]) -> Invoker:
        """The same, with the tools that `narrow` leaves; whatever is kept between calls is shared."""
        other = copy.copy(self)
        other.selection = narrow(self.selection)
        other._composed = dataclasses.replace(self._composed, selection=other.selection, ask_inside=other._ask_inside)
        other._waiter = dataclasses.replace(self._waiter, allows=other.selection.allows, send=other._send)
        return other

    @property
    def offered(self) -> list[dict[str, Any]]:
        """The tools that a client sees, as they go over the wire."""
        return [self._lock.tool(offer(tool, self._settings)) for tool in self.selection.tools.values()]

    async def invoke(self, name: str, arguments: Arguments, *, report: Report = unreported, **context: Any) -> Result:
        """Call a tool and return what the model reads; `context` (client, request id) goes into the log event.

        `report` is told of progress. What a caller can act on comes back as a Result with an error. Anything else is a
        bug and is raised.
        """
        return await self.perform(name, arguments, report=report, **context)

    async def perform(self, name: str, arguments: Arguments, *, report: Report = unreported, **context: Any) -> Result:
        """As `invoke`, by the name of the tool itself, however tools are offered to clients."""
        name = self._own_keys.redact(name)
        try:
            with self.log.entry(self.selection.catalog.tools.get(name), name, arguments, context) as event:
                tool = self.selection.find(name)
                if tool.name == PREVIEW and self._previewer:
                    found = await self._preview(tool, arguments, self._previewer)
                elif isinstance(tool, Workflow):
                    found = await self._run(tool, arguments, event, report, context)
                else:
                    found = await self._call(tool, arguments, event, report)
                found = dataclasses.replace(found, outcome=event[WRITE]) if WRITE in event else found
        except InstantlyError as error:
            found = result.failure(error, raw=self._settings.raw_text)
        if found.by_strangers:
            self.exposure.remember()
        return found

    async def read(self, name: str, arguments: Arguments, seconds: float, **context: Any) -> Any:
        """Call a tool that reads, for a purpose of ours: the JSON value that the API answers, as it is.

        It is given `seconds`, repeats among them. Raises InstantlyError where a call would answer with an error.
        """
        with self.log.entry(self.selection.catalog.tools.get(name), name, arguments, context) as event:
            payload, _ = await self._ask_inside(self.selection.find(name), arguments, event, seconds)
            return payload

    def refuse(self, tool: Operation, arguments: Arguments, error: InstantlyError, **context: Any) -> Result:
        """The result of a call that is refused before it begins; it is logged like any other."""
        try:
            with self.log.entry(tool, tool.name, arguments, context):
                raise error
        except InstantlyError:
            return result.failure(error)

    # operations

    async def _call(self, operation: Operation, arguments: Arguments, event: Event, report: Report) -> Result:
        checked, notes = await self._check(operation, arguments)
        notes += await self._agents.notes(operation, checked)
        view = self._presentation.view(operation, checked)
        if MAX_ITEMS in checked:
            return await self._collect(operation, checked, view, event, report, *notes)
        reply = await self._send(operation, checked, event)
        found = self._presentation.show(operation, checked, view, reply, *notes)
        if found.fitting is not None:
            found = await self._ask_for_less(operation, checked, view, found, event, *notes)
        return found

    async def _check(self, operation: Operation, arguments: Arguments) -> tuple[dict[str, Any], tuple[str, ...]]:
        """The arguments as they are sent, and what must be said of them."""
        self._own_keys.refuse_in(operation, arguments)
        arguments = without_marks(arguments)
        refuse_cut_texts(operation, arguments)
        arguments = self._lock.fill(operation, listed(operation, arguments))
        # Once more, as an argument may have come under another name.
        checked = self._lock.fill(operation, check_arguments(operation, arguments))
        return checked, (*notes_on_scope(operation, arguments, checked), *warn_of_uncertain(operation, checked))

    async def _send(
        self, operation: Operation, arguments: Arguments, event: Event, seconds: float = math.inf, fields: bool = False
    ) -> Response:
        """Send one request through the guards; what it cost is added to the log event. Programs give `seconds`, and
        `fields` where they go by those of records."""
        request = build_request(operation, arguments)

        async def send() -> Response:
            with self._agents.changed_by(operation), sending(operation, event):
                reply = await self._client.send(operation, request, seconds)
            event["http_status"] = reply.status
            event["attempts"] += reply.attempts
            event["bytes"] += reply.size
            result.refuse_unusable(operation, reply.payload, by_programs=seconds < math.inf, fields=fields)
            if reply.in_doubt and not denies(operation, arguments, reply.payload):
                return dataclasses.replace(reply, in_doubt=False)
            return reply

        asked = self._asked(operation, arguments, request, event.get("workflow"), event, seconds=seconds)
        deadline = arguments.get(WAIT_SECONDS) and anyio.current_time() + min(seconds, self._settings.call_timeout)
        try:
            reply = with_doubt(await guarded(self._guards, asked, send), asked, self.selection.tools)
        except InstantlyError as error:
            say_unlisted(error, operation, arguments)
            say_what_tells(error, asked, self.selection.tools)
            raise
        if WRITE in event:
            event[WRITE] = outcome_of(reply, asked)
        if deadline and reply.sent:
            reply = await self._waiter.until_done(operation, arguments, reply, event, deadline - anyio.current_time())
        return reply

    async def _read(self, name: str, seconds: float, /, **arguments: Any) -> Any:
        """What a read answers to a guard, within `seconds`; it needs not be on. Raises InstantlyError."""
        operation = self.selection.catalog.operations[name]
        payload = (await self._client.send(operation, build_request(operation, arguments), seconds)).payload
        result.refuse_unusable(operation, payload, by_programs=True, fields=False)
        return payload

    async def _collect(
        self, operation: Operation, arguments: Arguments, view: View, event: Event, report: Report, *notes: str
    ) -> Result:
        """Follow the cursors of a list for as many records as were asked for, as far as they fit into one answer."""
        deadline = anyio.current_time() + self._settings.call_timeout

        collection = Collection(
            send=lambda given, seconds: self._send(operation, given, event, seconds),
            size=lambda records: len(compact(view.show({RECORDS[0]: records})[0])),
            report=report,
            seconds_left=lambda: max(0.0, deadline - anyio.current_time()),
            largest=operation.full_schema["properties"]["limit"].get("maximum", LARGEST_PAGE),
            room=self._settings.result_limit - NOTE_CHARACTERS - len(" ".join(notes)),
            paging=operation.paging,
        )
        reply, said = await collection.collect(arguments, arguments[MAX_ITEMS])
        return self._presentation.show(operation, arguments, view, reply, *notes, said)

    async def _ask_for_less(
        self, operation: Operation, arguments: Arguments, view: View, found: Result, event: Event, *notes: str
    ) -> Result:
        """A page that did not fit, asked for with a smaller limit, so that it is whole and its cursor true.

        The truncated page that there is already is the answer where that does not work.
        """
        for _ in range(MAX_SMALLER_PAGES):
            if found.fitting is None:
                break
            note = f"The page was too long, so it was asked for with limit {found.fitting}: page on for the others."
            await say(f"The page was too long: asking for one of {found.fitting}")
            try:
                less = {**arguments, "limit": found.fitting}
                reply = await self._send(operation, less, event)
                found = self._presentation.show(operation, less, view, reply, *notes, note)
            except InstantlyError as error:
                event["attempts"] += error.attempts
                break
        return found

    async def _preview(self, tool: Operation, arguments: Arguments, previewer: Previewer) -> Result:
        """What a call would do, whose arguments are checked as if it were made."""
        asked = check_arguments(tool, arguments)
        operation = self.selection.find(asked["tool"])
        given, notes = await self._check(operation, asked.get("arguments", {}))
        foreseen = await self._composed.rehearse(operation, given)
        found = await previewer.preview(self._composed.previewed(operation, given, foreseen))
        return self._presentation.show_composed(tool, found, notes)

    # workflows

    async def _run(
        self, workflow: Workflow, arguments: Arguments, event: Event, report: Report, context: dict[str, Any]
    ) -> Result:
        checked, notes = await self._check(workflow, arguments)
        workflow = workflow.narrowed(checked)
        reply, said = await self._composed.run(workflow, checked, event, report, context)
        return self._presentation.show_composed(workflow, reply.payload, [*notes, *said, *reply.notes])

    def open_work(self, name: str, arguments: Arguments, **context: Any) -> Context:
        """What goes on with the work of a tool that was called, and confirmed, before: a job.

        Each of its calls goes through the guards, and is logged with `context`.
        """
        workflow = self.selection.catalog.workflows[name].narrowed(arguments)
        return self._composed.context(workflow, {"attempts": 0, "bytes": 0}, set(), unreported, context)

    async def _ask_inside(
        self, operation: Operation, arguments: Arguments, event: Event, seconds: float
    ) -> tuple[Any, tuple[str, ...]]:
        """What an operation answers to a workflow, and what must be said of that; raises what would be an error."""
        self.selection.refuse_unless_allowed(operation)
        checked, notes = await self._check(operation, arguments)
        notes += await self._agents.notes(operation, checked)
        reply = await self._send(operation, checked, event, seconds, fields=True)
        if not reply.sent:
            raise NotSent(operation.name, reply.payload, reply.notes)
        # What a read says of itself, and of what it was asked for, is for the workflow to tell.
        said = () if operation.read_only else (*notes, *collect_notes(Call(operation, checked, reply)))
        about = (f"{operation.name}: {note}" for note in (*said, *reply.notes))
        return reply.payload, (*about, *self._lock.notes(operation, arguments, checked))
