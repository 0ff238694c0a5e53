"""Forms with one box, which a client shows to its user before a call, and whoever can be asked this way."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal, Protocol

from mcp_instantly.errors import ASKED, CallError

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


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came of a form: `accepted` only with the box ticked; `silent` where nothing came in time; `cut off` where
    the connection ended before; `failed` where the client could not show it.
    """

    action: Literal["accepted", "declined", "cancelled", "silent", "cut off", "failed"]
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


@contextlib.contextmanager
def asked_through(person: Person) -> Iterator[None]:
    """For the calls inside, this is the person who can be asked."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


def asked() -> Person:
    """The person who can be asked about the current call, or Nobody."""
    return _person.get() or Nobody()
