"""A draft that a person approved is sent, as it was approved, once."""

from __future__ import annotations

from typing import Any

import anyio
from anyio.to_thread import run_sync as in_thread

from mcp_instantly.drafts import draft as states
from mcp_instantly.drafts.draft import Draft
from mcp_instantly.errors import CallError, InstantlyError
from mcp_instantly.results.mail import written_in
from mcp_instantly.text import error_text, when
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.batch import DONE, NOT_DONE, outcome_of
from mcp_instantly.workflows.parts.replies import name_mail, read_thread

CUT_OFF = "the call was cut off while it was sent"


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Send the draft, if it is approved and neither its text nor its thread has changed. Raises CallError otherwise."""
    draft = await in_thread(context.drafts.find, arguments["draft_id"])
    if draft.state == states.UNKNOWN:
        draft = await _look_for(context, draft, [])
    if draft.state == states.SENT:
        context.notes.append("It was sent before; nothing was sent now.")
        return _told(draft)
    context.drafts.refuse_unless_approved(draft)
    await context.progress(0, 2, "looking for changes in the thread")
    await _refuse_changed(context, draft)
    await context.progress(1, 2, "sending")
    return await _send(context, draft)


async def rehearse(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Find out whether the reply would be refused once it is approved, and leave the draft as it is."""
    draft = await in_thread(context.drafts.find, arguments["draft_id"])
    if draft.state != states.SENT:
        await context.refuse("reply_to_email", **draft.arguments)
    return {}


async def _refuse_changed(context: Context, draft: Draft) -> None:
    """Raise CallError where the thread has emails that the person who approved was not told of."""
    thread = await read_thread(context.call, draft.thread)
    if draft.arguments["reply_to_uuid"] not in {mail["id"] for mail in thread}:
        raise CallError("Nothing was sent: list_emails does not show the thread, so whether it changed is not known.")
    new = [mail for mail in thread if mail["id"] not in draft.known]
    if not new:
        return
    what = f"since it was approved, its thread has another email: {name_mail(new[0])}"
    await in_thread(context.drafts.withdraw, draft.id, what)
    raise CallError(
        f"Nothing was sent: draft {draft.id} needs to be approved again, as {what}. Read it; if the draft is still "
        f"right, a person runs: {context.drafts.command('approve', draft.id)}"
    )


async def _send(context: Context, draft: Draft) -> dict[str, Any]:
    seconds = context.seconds_left
    claimed = await in_thread(lambda: context.drafts.claim(draft.id, content=draft.content, seconds=seconds))
    state, email, why = states.UNKNOWN, None, CUT_OFF
    try:
        sent = await context.call("reply_to_email", **claimed.arguments)
        state, why = states.SENT, ""
        email = sent.get("id") if isinstance(sent, dict) else None
    except InstantlyError as error:
        why = error_text(error)
        if outcome_of(error) == NOT_DONE:
            # Nobody needs to approve again what was not sent.
            state = states.APPROVED
            raise
    except BaseException as error:
        # It was cut off, or a guard answered in the place of Instantly.
        if outcome_of(error) == NOT_DONE:
            state, why = states.APPROVED, ""
        raise
    finally:
        # Also a call that is cancelled, or fails in a way that nobody foresaw.
        with anyio.CancelScope(shield=True):
            await _settle(context, claimed, state, email, why)
    if state == states.UNKNOWN:
        found = await _look_for(context, claimed, [why])
        if found.state != states.SENT:
            return {**_told(found), "why": why, "next": context.drafts.tells(claimed)}
        email = found.email
    return _told(claimed, email=email)


async def _settle(context: Context, claimed: Draft, state: str, email: str | None, why: str) -> None:
    """Note down what became of it. Where that fails, the draft stays `sending`, and nobody sends it again."""
    try:
        await in_thread(lambda: context.drafts.settle(claimed, state, email=email, why=why or None))
    except InstantlyError as error:
        context.notes.append(f"What became of the draft could not be noted down, so it is not sent again: {error}")


async def _look_for(context: Context, draft: Draft, why: list[str]) -> Draft:
    """A draft that may have been sent, as it is after a look into its thread."""
    try:
        thread = await read_thread(context.call, draft.thread)
    except InstantlyError:
        thread = []
    ours = written_in((mail for mail in thread if mail["id"] not in draft.known), draft.arguments["body"])
    if ours is not None:
        await _settle(context, draft, states.SENT, ours["id"], " ".join([*why, "The thread shows it."]))
    return await in_thread(context.drafts.find, draft.id)


def _told(draft: Draft, email: str | None = None) -> dict[str, Any]:
    sent = draft.state in (states.SENT, states.SENDING)
    told = {
        "draft_id": draft.id,
        "outcome": DONE if sent else draft.state,
        "to": draft.to,
        "subject": draft.arguments["subject"],
        "email_id": email or draft.email,
        "sent_at": when(draft.sent),
        "approved_by": draft.approved_by,
    }
    return {name: value for name, value in told.items() if value}
