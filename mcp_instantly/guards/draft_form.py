"""A draft as a form shows it: in full, so that whoever accepts the form approves this very text."""

from __future__ import annotations

import dataclasses
from typing import Any

from anyio.to_thread import run_sync as in_thread
from structlog.contextvars import get_contextvars

from mcp_instantly.drafts.draft import APPROVED, DRAFT, Draft
from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.errors import CallError, InstantlyError
from mcp_instantly.guards.draft_page import UNREAD, look, page, warnings
from mcp_instantly.guards.guards import GuardedCall
from mcp_instantly.text import error_text, one_line, reveal

SECONDS = 4.0
"""For the look into the thread before a form is shown."""

MAX_CHARACTERS = 20_000
"""Of a form with a draft. A longer one is approved at a terminal: what is cut off nobody has read."""

MARK = "| "
"""Before each line of the reply, so that none of it can pretend to be a line of the form."""

MAX_NAME_CHARACTERS = 60
"""Of what a client calls itself."""

MAX_TOLD_CHARACTERS = 80
"""Of recipients and of a subject in a preview."""


@dataclasses.dataclass(frozen=True)
class DraftForm:
    """A form about sending a draft: its `message`, and the emails of the thread that it takes for known."""

    draft: Draft
    message: str
    known: tuple[str, ...]

    @property
    def bound(self) -> dict[str, Any]:
        """What an answer is for, beside the call: another text or another thread makes it an answer to nothing."""
        return {"content": self.draft.content, "known": sorted(self.known)}


def waits(drafts: Drafts, draft_id: Any) -> bool:
    """Whether a draft is not approved, so that it is not sent unless a person is asked. Raises CallError."""
    return not isinstance(draft_id, str) or not drafts.is_approved(draft_id)


def facts_of(call: GuardedCall, drafts: Drafts) -> dict[str, Any]:
    """What a preview tells of a draft; list_drafts shows its text. Raises CallError for one that there is not."""
    draft = drafts.find(str(call.arguments.get("draft_id")))
    to = one_line(", ".join(draft.to), MAX_TOLD_CHARACTERS)
    subject = one_line(str(draft.arguments["subject"]), MAX_TOLD_CHARACTERS)
    return {"state": draft.state, "from": draft.arguments["eaccount"], "to": to, "subject_of_draft": subject}


async def form_of(call: GuardedCall, drafts: Drafts) -> DraftForm | None:
    """The form for a draft, or None where no form can let it be sent: it is not there, not to be sent any more, may
    have been sent, or is too long.
    """
    try:
        draft = await in_thread(drafts.find, str(call.arguments.get("draft_id")))
        others = await in_thread(drafts.all)
    except CallError:
        return None
    if draft.state not in (DRAFT, APPROVED):
        return None

    async def read(name: str, **arguments: Any) -> Any:
        return await call.read(name, SECONDS, **arguments)

    try:
        thread = await look(draft, read)
    except InstantlyError as error:
        known = draft.known
        said = [UNREAD.format(reason=error_text(error))]
    else:
        known = tuple(mail["id"] for mail in thread)
        said = warnings(draft, thread, others)
    lines = [
        f"Send this reply now, as it stands here ({call.operation.name})? It cannot be recalled.",
        *(f"WARNING: {reveal(warning)}" for warning in said),
        "",
        *page(draft, MARK),
    ]
    message = "\n".join(lines)
    return DraftForm(draft, message, known) if len(message) <= MAX_CHARACTERS else None


def approve(form: DraftForm, drafts: Drafts, call: GuardedCall) -> None:
    """Whoever sits at the client has accepted the form. Raises CallError where the draft was changed meanwhile."""
    at = one_line(str(call.context.get("client_name") or "a client"), MAX_NAME_CHARACTERS)
    caller = get_contextvars().get("caller")
    by = f"the user of {at}{f' ({caller})' if caller else ''}, in a form"
    drafts.approve(form.draft.id, by, content=form.draft.content, known=form.known)
