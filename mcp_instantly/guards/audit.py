"""Guards that write down what was changed: what each write was to do, what there was before, and what became of it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping

import anyio
import anyio.to_thread
from structlog.contextvars import get_contextvars

from mcp_instantly.api.request import Response
from mcp_instantly.errors import ASKED, CallError, InstantlyError
from mcp_instantly.guards.audit_file import BEGUN, AuditFile, Entry
from mcp_instantly.guards.guards import CONFIRMED, GuardedCall, Proceed, outcome_of
from mcp_instantly.guards.inverse import NoInverse, inverse_of
from mcp_instantly.guards.snapshot import VARIABLES, Place, State, kept, lost_variables, place_of, unkept_variables
from mcp_instantly.log import get_logger
from mcp_instantly.masking import mask
from mcp_instantly.text import file_fault, name_some
from mcp_instantly.tools.operation import Operation

BEFORE_SECONDS = 4.0
BEFORE_SHARE = 0.2
"""For what there was before: it is unknown when that takes longer, or more of what is left of the call's time."""

UNKNOWN = "unknown"
"""In the place of a state that is not known."""


class AuditUnwritable(CallError):
    """The audit file takes no line, so nothing is sent that would be missing from it."""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


@dataclasses.dataclass
class _Write:
    """A write under way: the line that it will have, and what there was before where `place` shows it."""

    entry: Entry
    place: Place | None = None
    before: State | None = None


class Audit:
    """Stands outermost: every write ends with a line that has its outcome, also one that another guard refused.

    `begin` stands innermost: what is sent has a line before, so that a full disk or a killed process hides nothing.
    """

    def __init__(
        self,
        file: AuditFile,
        operations: Mapping[str, Operation],
        now: Callable[[], dt.datetime] = _now,
        *,
        sub_workspace: str | None = None,
    ):
        """`sub_workspace` is the one in which the key acts."""
        self.begin = _Begin(self)
        self._file = file
        self._operations = operations
        self._now = now
        self._sub_workspace = sub_workspace
        self._under_way: dict[int, _Write] = {}

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if not call.writes:
            return await proceed()
        write = self._under_way[id(call)] = _Write(self._entry(call))
        try:
            response = await proceed()
        except AuditUnwritable:
            raise
        except BaseException as error:
            if isinstance(error, InstantlyError) and error.logged == ASKED:
                # The same call comes again, with what the person has said.
                raise
            write.entry |= {
                "confirmed": call.context.get(CONFIRMED),
                "outcome": outcome_of(error, call).replace(" ", "_"),
                "error": type(error).__name__,
            }
            if not await self._end(write) and isinstance(error, InstantlyError):
                error.say_outcome()
                error.say(self._missing(write))
            raise
        finally:
            del self._under_way[id(call)]
        write.entry["confirmed"] = call.context.get(CONFIRMED)
        write.entry["outcome"] = outcome_of(response, call).replace(" ", "_")
        if response.sent:
            response = self._compared(call, write, response)
        if await self._end(write):
            return response
        return dataclasses.replace(response, notes=(*response.notes, self._missing(write)))

    def _entry(self, call: GuardedCall) -> Entry:
        operation = call.operation
        known = get_contextvars()
        entry: Entry = {
            "id": uuid.uuid4().hex[:16],
            "time": self._stamp(),
            "tool": operation.name,
            "operation_id": operation.operation_id,
            "effect": operation.effect,
            "effects": list(operation.effects),
            "arguments": mask(call.arguments, operation.full_schema),
            "workflow": call.workflow,
            "client": call.context.get("client_name"),
            "caller": known.get("caller"),
            "key": known.get("key"),
            "workspace": call.context.get("workspace"),
            "sub_workspace": self._sub_workspace,
            "confirmed": None,
        }
        undoes = call.context.get("undoes")
        return {**entry, "undoes": undoes} if undoes else entry

    def _stamp(self) -> str:
        return self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _compared(self, call: GuardedCall, write: _Write, response: Response) -> Response:
        """Add what changed, and how that is undone; the response says which variables are gone."""
        after = None if write.place is None else write.place.after(response.payload)
        before = write.before
        if before is not None and after is not None:
            after = {name: value for name, value in after.items() if before.get(name) != value}
            before = {name: value for name, value in before.items() if name in after}
        if write.place is not None:
            write.entry["before"] = UNKNOWN if before is None else kept(before)
            write.entry["after"] = UNKNOWN if after is None else kept(after)
        try:
            known = None if before is None else kept(before)
            tool, arguments = inverse_of(call.operation, call.arguments, known, after)
        except NoInverse as error:
            write.entry["no_inverse"] = str(error)
        else:
            write.entry["inverse"] = {"tool": tool, "arguments": arguments}
        if before is None or after is None or not (gone := lost_variables(before, after)):
            return response
        return dataclasses.replace(response, notes=(*response.notes, _say_gone(gone, unkept_variables(before, gone))))

    async def _end(self, write: _Write) -> bool:
        """Write the last line, also of a call that is cancelled; whether the file has taken it."""
        write.entry["ended"] = self._stamp()
        try:
            with anyio.CancelScope(shield=True):
                await self._append(write.entry)
        except OSError as error:
            get_logger().error("audit_incomplete", reason=file_fault(error), **write.entry)
            return False
        return True

    def _missing(self, write: _Write) -> str:
        return (
            f"The audit file {self._file.path} could not take how this ended (entry {write.entry['id']}): tell the "
            "person who runs this server."
        )

    async def _append(self, entry: Entry) -> None:
        await anyio.to_thread.run_sync(self._file.append, entry)

    async def begun(self, call: GuardedCall) -> None:
        """Read what there is before, and write the first line. Raises AuditUnwritable."""
        write = self._under_way[id(call)]
        write.place = place_of(call.operation, call.arguments, self._operations)
        if write.place is not None:
            write.before = await self._read(call, write.place)
        before = {} if write.place is None else {"before": UNKNOWN if write.before is None else kept(write.before)}
        try:
            write.entry["confirmed"] = call.context.get(CONFIRMED)
            await self._append({**write.entry, **before, "outcome": BEGUN})
        except OSError as error:
            raise AuditUnwritable(
                f"Nothing was sent: the audit file {self._file.path} cannot be written ({file_fault(error)}), "
                "and nothing is changed that it would not show. The person who runs this server has to make room or "
                "give --audit another file; tools that only read still work."
            ) from None

    async def _read(self, call: GuardedCall, place: Place) -> State | None:
        seconds = min(BEFORE_SECONDS, BEFORE_SHARE * call.seconds)
        with anyio.move_on_after(seconds):
            try:
                return place.state(await call.read(place.tool, seconds, **place.arguments))
            except InstantlyError:
                return None
        return None


def _say_gone(gone: list[str], unkept: list[str]) -> str:
    """The sentence on variables that are gone, of which the audit lacks some."""
    said = f"{VARIABLES} were replaced as a whole; no longer there: {name_some(gone)}. The audit"
    if not unkept:
        return f"{said} has what was there."
    has = "does not have what was there" if unkept == gone else f"has what was there, but not {name_some(unkept)}"
    return f"{said} {has}: what may be a secret, or is too long, is not kept."


class _Begin:
    """Stands next to the request."""

    def __init__(self, audit: Audit):
        self._audit = audit

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        if call.writes:
            await self._audit.begun(call)
        return await proceed()
