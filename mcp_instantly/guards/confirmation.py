"""Nothing is sent, spent, deleted or handed over that a person was not asked about, where a person can be asked."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.api.request import Response
from mcp_instantly.errors import CallError
from mcp_instantly.guards.drafts_only import SEND_DRAFT
from mcp_instantly.guards.forms import Nobody, NotConfirmed, Person, Reply, asked
from mcp_instantly.guards.guards import CONFIRMED, GuardedCall, Proceed
from mcp_instantly.guards.risks import SENDS, TOKEN, asks_host, is_dry, risks_of, without_token
from mcp_instantly.guards.seals import Seals
from mcp_instantly.text import cut, join_words
from mcp_instantly.tools.operation import Operation

if TYPE_CHECKING:
    from mcp_instantly.drafts.drafts import Drafts
    from mcp_instantly.guards.draft_form import DraftForm

Mode = Literal["auto", "always", "never"]

Confirmed = Literal["form", "preview", "host", "none"]
"""How a call was confirmed: a person accepted the form, the call was previewed, hosts are told to ask, or nothing."""


FORM, PREVIEW = "form", "preview"
"""Purposes of seals."""

FORM_CHARACTERS = 4000
"""Of a form's message, at most."""

_covering: ContextVar[Confirmed | None] = ContextVar("covering", default=None)
"""How the workflow under way was confirmed; None outside of one, and in one that was to change nothing."""


@contextlib.contextmanager
def covered(confirmed: Confirmed) -> Iterator[None]:
    """For the calls inside, what they belong to was confirmed before, perhaps in another process."""
    token = _covering.set(confirmed)
    try:
        yield
    finally:
        _covering.reset(token)


def how_covered() -> Confirmed:
    """How the workflow under way was confirmed."""
    return _covering.get() or "none"


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a person decided at the start. `lockdown` tells whether strangers' text was read in this session; with
    `dry_run`, nothing is sent of what a workflow calls, so that there is nothing to ask about it.
    """

    mode: Mode = "auto"
    host_asks: bool = True
    require_preview: bool = False
    lockdown: Callable[[], bool] = lambda: False
    dry_run: bool = False


class Confirmation:
    """The guard. A workflow is asked about as a whole, before it begins; what it calls is then covered.

    `drafts` are those that send_draft sends, where any are kept.
    """

    def __init__(self, rules: Rules, seals: Seals, operations: Mapping[str, Operation], drafts: Drafts | None = None):
        self._rules = rules
        self._seals = seals
        self._operations = operations
        self._drafts = drafts

    async def around(self, call: GuardedCall, proceed: Proceed) -> Response:
        risks = risks_of(call.operation)
        if not risks or is_dry(call.operation, call.arguments):
            return await proceed()
        if call.workflow is not None:
            covering = _covering.get()
            if covering is None:
                raise NotConfirmed(
                    f"Nothing was sent: {call.workflow} was not confirmed to call {call.operation.name}."
                )
            call.context[CONFIRMED] = covering
            return await proceed()
        if call.request is None and self._rules.dry_run:
            return await proceed()
        found = await self._confirm(call, risks)
        if isinstance(found, Response):
            return found
        if found is None:
            # It says by itself why it sends nothing; should it try to, it would be refused.
            return await proceed()
        call.context[CONFIRMED] = found
        with covered(found):
            return await proceed()

    async def _confirm(self, call: GuardedCall, risks: list[str]) -> Confirmed | Response | None:
        """How a call was confirmed; or the answer in its place; None for a draft that is not to be sent as it is.

        Raises NotConfirmed and FormAwaited.
        """
        call.context[CONFIRMED] = "none"
        rules, person = self._rules, asked()
        locked = SENDS in risks and rules.lockdown()
        if rules.mode != "never" or locked:
            if person.can_be_asked:
                return await self._ask(call, risks, person)
            if rules.mode == "always":
                raise NotConfirmed(
                    f"Nothing was sent: {call.operation.name} can {_said(risks)}, and the server was started with "
                    "--confirm always, but this client cannot ask its user. No argument changes that. Tell the user."
                )
        if self._drafts and call.operation.name == SEND_DRAFT and await in_thread(self._waits, call, self._drafts):
            return None
        if rules.require_preview or locked:
            await in_thread(self._refuse_without_preview, call, locked)
            return "preview"
        # From the command line there is no host.
        told = rules.host_asks and not isinstance(person, Nobody) and asks_host(call.operation)
        return "host" if told else "none"

    # by a form

    async def _ask(self, call: GuardedCall, risks: list[str], person: Person) -> Confirmed | Response | None:
        name, given = call.operation.name, without_token(call.arguments)
        reply, shown = person.reply, None
        if self._drafts and name == SEND_DRAFT:
            shown = await self._draft_form(call, self._drafts)
            if shown is not None:
                given["draft"] = shown.bound
            elif await in_thread(self._waits, call, self._drafts):
                return None
        # An answer to another form, or to one that is too old or was answered before, does not count: it comes again.
        if reply is None or await in_thread(self._seals.take, reply.seal, FORM, name, given) != "good":
            message = shown.message if shown else form_message(call, risks, await self._foresee(call))
            seal = self._seals.give(FORM, name, given)
            reply = await person.ask(message, seal, self._seals.seconds)
            if await in_thread(self._seals.take, seal, FORM, name, given) != "good" and reply.action == "accepted":
                reply = Reply("silent")
        if reply.action == "accepted":
            if self._drafts and shown:
                from mcp_instantly.guards.draft_form import approve

                await in_thread(approve, shown, self._drafts, call)
            return "form"
        said = {
            "declined": "The user declined this call.",
            "cancelled": "The user closed the question without an answer.",
            "failed": "The client says that it shows forms and failed to show one; to do without forms, start the "
            "server with --confirm never.",
            "cut off": "The server was stopped, or its client went away, before the user answered.",
            "silent": f"The user was asked and did not answer within {self._seals.seconds:g} s.",
        }[reply.action]
        if shown and self._drafts and reply.action in ("failed", "silent", "cut off"):
            said += f" A person can also approve the draft with: {self._drafts.command('approve', shown.draft.id)} ."
        advice = "Nothing was sent. Do not make this call again, in this form or another, unless the user asks for it."
        payload = {"confirmed": False, "tool": name, "answer": reply.action}
        return Response(200, payload, "application/json", 0, 0, (f"{said} {advice}",), sent=False)

    async def _foresee(self, call: GuardedCall) -> dict[str, Any]:
        # Time zones and figures are not loaded before there is something to foresee.
        from mcp_instantly.guards.foresight import foresee

        return await foresee(call, self._operations)

    # drafts

    @staticmethod
    def _waits(call: GuardedCall, drafts: Drafts) -> bool:
        """Whether the draft of a call is not approved, or cannot be sent at all."""
        from mcp_instantly.guards.draft_form import waits

        try:
            return waits(drafts, call.arguments.get("draft_id"))
        except CallError:
            return True

    @staticmethod
    async def _draft_form(call: GuardedCall, drafts: Drafts) -> DraftForm | None:
        from mcp_instantly.guards.draft_form import form_of

        return await form_of(call, drafts)

    def _draft_facts(self, call: GuardedCall) -> dict[str, Any]:
        from mcp_instantly.guards.draft_form import facts_of

        return facts_of(call, self._drafts) if self._drafts else {}

    # by a preview

    async def preview(self, call: GuardedCall) -> dict[str, Any]:
        """What a call would do; with a token for it where one is required. Nothing is sent."""
        name, given = call.operation.name, without_token(call.arguments)
        risks = [] if is_dry(call.operation, given) else risks_of(call.operation)
        from mcp_instantly.guards.foresight import shown_arguments

        facts = await in_thread(self._draft_facts, call) if name == SEND_DRAFT else await self._foresee(call)
        found: dict[str, Any] = {"tool": name, "can": risks or ["nothing that needs a confirmation"]}
        found |= {"would": facts, "with": shown_arguments(given)}
        if risks and TOKEN in call.operation.extras:
            found |= {TOKEN: self._seals.give(PREVIEW, name, given), "valid_seconds": self._seals.seconds}
        return found

    def _refuse_without_preview(self, call: GuardedCall, locked: bool) -> None:
        """Take the token of a preview of this very call. Raises NotConfirmed where it is none."""
        name, token = call.operation.name, call.arguments.get(TOKEN)
        if not isinstance(token, str):
            why = "after text of strangers was read (--lockdown)" if locked else "(--require-preview)"
            raise NotConfirmed(
                f"Nothing was sent: {name} needs a preview {why}. Call preview_call with this tool and these "
                f"arguments, show the user what it says, and once they agree call again with its {TOKEN} added."
            )
        verdict = self._seals.take(token, PREVIEW, name, without_token(call.arguments))
        if verdict != "good":
            wrong = {
                "expired": f"is older than {self._seals.seconds:g} s",
                "used": "was used before",
                "wrong": "is not that of a preview of this tool with exactly these arguments",
            }[verdict]
            raise NotConfirmed(
                f"Nothing was sent: the {TOKEN} {wrong}. Call preview_call again and show the user what it says."
            )


def form_message(call: GuardedCall, risks: list[str], facts: Mapping[str, Any]) -> str:
    """What the person reads. Values stand on a line each, cut and visible, so that none can pretend to be ours."""
    from mcp_instantly.guards.foresight import shown_arguments

    lines = [f"{call.operation.title} ({call.operation.name}): this can {_said(risks)}."]
    lines += [f"{name.replace('_', ' ')}: {value}" for name, value in facts.items()]
    given = shown_arguments(call.arguments)
    if given:
        lines += ["", "As asked for by the assistant:"]
        lines += [f"{name}: {value}" for name, value in given.items()]
    return cut("\n".join(lines), FORM_CHARACTERS)


def _said(risks: list[str]) -> str:
    return join_words(risks, "and")
