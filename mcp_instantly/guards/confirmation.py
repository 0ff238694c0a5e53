"""Nothing is sent, spent, deleted or handed over that a person was not asked about, where a person can be asked."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Literal, Protocol

from mcp_instantly.api.request import Response
from mcp_instantly.errors import ASKED, CallError
from mcp_instantly.guards.guards import CONFIRMED, GuardedCall, Proceed
from mcp_instantly.guards.risks import SENDS, TOKEN, asks_host, is_dry, risks_of, without_token
from mcp_instantly.guards.seals import Seals
from mcp_instantly.text import join_words
from mcp_instantly.tools.operation import Operation

Mode = Literal["auto", "always", "never"]

Confirmed = Literal["form", "preview", "host", "none"]
"""How a call was confirmed: a person accepted the form, the call was previewed, hosts are told to ask, or nothing."""


FORM, PREVIEW = "form", "preview"
"""Purposes of seals."""

GO_AHEAD = "go_ahead"

FORM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        GO_AHEAD: {
            "type": "boolean",
            "title": "Yes, do this",
            "description": "Nothing happens unless this is ticked.",
            "default": False,
        }
    },
    "required": [GO_AHEAD],
}
"""What the form asks: one box, and nothing that can be filled in."""

FORM_CHARACTERS = 4000
"""Of a form's message, at most."""


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a form: `accepted` only with the box ticked; `silent` where nothing came in time; `failed` where
    the client could not show it.
    """

    action: Literal["accepted", "declined", "cancelled", "silent", "failed"]
    seal: str = ""


class Person(Protocol):
    """Whoever sits at the client that makes a call.

    `can_be_asked` says whether the client shows forms. `reply` is what came with the call, where its client answers a
    form by calling again. `ask` shows a form and waits, `seconds` at most; or raises FormAwaited.
    """

    @property
    def can_be_asked(self) -> bool: ...

    @property
    def reply(self) -> Reply | None: ...

    async def ask(self, message: str, seal: str, seconds: float) -> Reply: ...


class Nobody:
    """A client that shows no forms."""

    can_be_asked = False
    reply = None

    async def ask(self, message: str, seal: str, seconds: float) -> Reply:
        raise NotConfirmed("Nothing was sent: nobody can be asked here.")


class NotConfirmed(CallError):
    """The call needs a person, or a preview, and has neither."""


class FormAwaited(CallError):
    """The client is to show a form and to call again, with its answer and the seal."""

    logged = ASKED

    def __init__(self, tool: str, message: str, seal: str):
        super().__init__(f"Nothing was sent yet: {tool} waits for the user's confirmation.")
        self.message = message
        self.seal = seal


_person: ContextVar[Person | None] = ContextVar("person", default=None)

_covering: ContextVar[Confirmed | None] = ContextVar("covering", default=None)
"""How the workflow under way was confirmed; None outside of one, and in one that was to change nothing."""


@contextlib.contextmanager
def asked_through(person: Person) -> Iterator[None]:
    """For the calls inside, this is the person who can be asked."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


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
    """What a person decided at the start. `lockdown` tells whether strangers' text was read in this session."""

    mode: Mode = "auto"
    host_asks: bool = True
    require_preview: bool = False
    lockdown: Callable[[], bool] = lambda: False


class Confirmation:
    """The guard. A workflow is asked about as a whole, before it begins; what it calls is then covered."""

    def __init__(self, rules: Rules, seals: Seals, operations: Mapping[str, Operation]):
        self._rules = rules
        self._seals = seals
        self._operations = operations

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
        found = await self._confirm(call, risks)
        if isinstance(found, Response):
            return found
        call.context[CONFIRMED] = found
        with covered(found):
            return await proceed()

    async def _confirm(self, call: GuardedCall, risks: list[str]) -> Confirmed | Response:
        """How a call was confirmed; or the answer in its place. Raises NotConfirmed and FormAwaited."""
        call.context[CONFIRMED] = "none"
        rules, person = self._rules, _person.get() or Nobody()
        locked = SENDS in risks and rules.lockdown()
        if rules.mode != "never" or locked:
            if person.can_be_asked:
                return await self._ask(call, risks, person)
            if rules.mode == "always":
                raise NotConfirmed(
                    f"Nothing was sent: {call.operation.name} can {_said(risks)}, and the server was started with "
                    "--confirm always, but this client cannot ask its user. No argument changes that. Tell the user."
                )
        if rules.require_preview or locked:
            self._refuse_without_preview(call, locked)
            return "preview"
        # From the command line there is no host.
        told = rules.host_asks and not isinstance(person, Nobody) and asks_host(call.operation)
        return "host" if told else "none"

    # by a form

    async def _ask(self, call: GuardedCall, risks: list[str], person: Person) -> Confirmed | Response:
        name, given = call.operation.name, without_token(call.arguments)
        reply = person.reply
        # An answer to another form, to one that is too old or was answered before, is no answer: the form comes again.
        if reply is None or self._seals.take(reply.seal, FORM, name, given) != "good":
            message = form_message(call, risks, await self._foresee(call))
            seal = self._seals.give(FORM, name, given)
            reply = await person.ask(message, seal, self._seals.seconds)
            if self._seals.take(seal, FORM, name, given) != "good" and reply.action == "accepted":
                reply = Reply("silent")
        if reply.action == "accepted":
            return "form"
        said = {
            "declined": "The user declined this call.",
            "cancelled": "The user closed the question without an answer.",
            "failed": "The client says that it shows forms, and failed to show one (--confirm never does without).",
            "silent": f"The user was asked and did not answer within {self._seals.seconds:g} s.",
        }[reply.action]
        advice = "Nothing was sent. Do not make this call again, in this form or another, unless the user asks for it."
        payload = {"confirmed": False, "tool": name, "answer": reply.action}
        return Response(200, payload, "application/json", 0, 0, (f"{said} {advice}",), sent=False)

    async def _foresee(self, call: GuardedCall) -> dict[str, Any]:
        # Time zones and figures are not loaded before there is something to foresee.
        from mcp_instantly.guards.foresight import foresee

        return await foresee(call, self._operations)

    # by a preview

    async def preview(self, call: GuardedCall) -> dict[str, Any]:
        """What a call would do; with a token for it where one is required. Nothing is sent."""
        name, given = call.operation.name, without_token(call.arguments)
        risks = [] if is_dry(call.operation, given) else risks_of(call.operation)
        from mcp_instantly.guards.foresight import shown_arguments

        facts = await self._foresee(call)
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
    text = "\n".join(lines)
    return text if len(text) <= FORM_CHARACTERS else f"{text[: FORM_CHARACTERS - 1]}…"


def _said(risks: list[str]) -> str:
    return join_words(risks, "and")
