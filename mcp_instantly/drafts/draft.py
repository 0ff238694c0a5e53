"""A draft of a reply: what would be sent, whom it answers, and how far it has come."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from mcp_instantly.text import cut, when

DRAFT, APPROVED, SENDING, SENT, UNKNOWN, DISCARDED = "draft", "approved", "sending", "sent", "unknown", "discarded"
STATES = (DRAFT, APPROVED, SENDING, SENT, UNKNOWN, DISCARDED)


@dataclasses.dataclass(frozen=True)
class Draft:
    """A draft as it is kept. Times are seconds since 1970.

    `arguments` are those of reply_to_email; `answers` tells of the answered email (from, subject, excerpt, received);
    `known` are the ids of the emails in its thread when it was looked at last: by draft_reply, or for the approval.
    `content` is the hash of what would be sent, to whom, in which thread. `why` says what ended its last state.
    """

    id: str
    owner: str
    place: str
    state: str
    created: float
    arguments: dict[str, Any]
    answers: dict[str, Any]
    thread: str
    known: tuple[str, ...]
    content: str
    approved_by: str | None
    approved: float | None
    approved_content: str | None
    approved_step: int | None
    claimed: float | None
    claimed_until: float | None
    claimed_step: int | None
    sent: float | None
    email: str | None
    why: str | None

    @property
    def to(self) -> list[str]:
        """Who would get it, those in copy apart: the sender of the answered email, and who else is named."""
        return [str(self.answers.get("from", "")), *self.arguments.get("additional_recipients", ())]


def content_of(arguments: dict[str, Any], answers: dict[str, Any], thread: str) -> str:
    """The hash of what would be sent, to whom, and in which thread."""
    text = json.dumps([arguments, answers.get("from"), thread], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


OUTLINED_CHARACTERS = 200
"""Of the text of a draft in a list."""


def outline(draft: Draft) -> dict[str, Any]:
    """A draft as a list shows it."""
    body = draft.arguments["body"]
    text = str(body.get("html") or body.get("text"))
    return _without_empty({**_head(draft), "begins": cut(text, OUTLINED_CHARACTERS), **_history(draft)})


def whole(draft: Draft) -> dict[str, Any]:
    """A draft in full, with the email that it answers."""
    said = {**draft.arguments, "answers": {"email_id": draft.arguments["reply_to_uuid"], **draft.answers}}
    hidden = ("reply_to_uuid", "additional_recipients", "subject")
    told = {name: value for name, value in said.items() if name not in hidden}
    return _without_empty({**_head(draft), **told, "thread_id": draft.thread, **_history(draft)})


def _head(draft: Draft) -> dict[str, Any]:
    return {"draft_id": draft.id, "state": draft.state, "to": draft.to, "subject": draft.arguments["subject"]}


def _history(draft: Draft) -> dict[str, Any]:
    approved = draft.state in (APPROVED, SENDING, SENT, UNKNOWN)
    return {
        "created_at": when(draft.created),
        "approved_by": draft.approved_by if approved else None,
        "approved_at": when(draft.approved) if approved else None,
        "sent_at": when(draft.sent),
        "email_id": draft.email,
        "why": draft.why,
    }


def _without_empty(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value not in (None, "", [])}
