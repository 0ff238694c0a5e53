"""A reply is kept as a draft, with what it answers, until a person approves it."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync as in_thread

from mcp_instantly.arguments.narrowing import is_blank
from mcp_instantly.drafts.draft import APPROVED, DRAFT, whole
from mcp_instantly.errors import CallError, InvalidArguments
from mcp_instantly.results.mail import mail_text
from mcp_instantly.text import clip
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.replies import RECEIVED, name_mail, read_thread, reply_subject

EXCERPT_CHARACTERS = 600
"""Of the answered email that are kept, so that whoever approves sees what is answered."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Keep the draft. Raises InvalidArguments for an email that nobody sent to us, and for what would be refused."""
    drafts = context.drafts
    body = {kind: text for kind, text in arguments["body"].items() if not is_blank(text)}
    if not body:
        raise InvalidArguments("draft_reply", ["body: is blank; write the answer as html or text."])
    email = await context.call("get_email", id=arguments["reply_to_uuid"])
    _refuse_unanswerable(email, arguments)
    thread = await read_thread(context.call, email["thread_id"])
    if email["id"] not in {mail["id"] for mail in thread}:
        raise CallError("No draft was kept: list_emails does not show the thread, so what is in it is not known.")
    newer = _newer(thread, email)
    if newer:
        context.notes.append(f"The thread has newer emails, {name_mail(newer[0])}: is this reply still right?")
    subject = arguments.get("subject", "")
    reply = {
        **arguments,
        "eaccount": email["eaccount"],
        "subject": reply_subject(email) if is_blank(subject) else subject,
        "body": body,
    }
    known = {mail["id"] for mail in thread}
    draft, new = await in_thread(drafts.add, reply, _answered(email), email["thread_id"], known)
    if not new:
        context.notes.append("This draft was there already; no second one is kept.")
    others = [
        one.id
        for one in await in_thread(drafts.all)
        if one.thread == draft.thread and one.id != draft.id and one.state in (DRAFT, APPROVED)
    ]
    if others:
        context.notes.append(f"Other drafts answer the same thread: {', '.join(others)}. Each would be an email.")
    # No full stop: the command is copied.
    step = (
        "send_draft shows it to the user, who decides, where the client can ask; otherwise a person reads and approves "
        f"it with: {drafts.command('approve', draft.id)}"
    )
    if draft.state == APPROVED:
        step = "it is approved, and send_draft sends it."
    return {**whole(draft), "next": f"Nothing was sent; {step}"}


def _refuse_unanswerable(email: dict[str, Any], arguments: dict[str, Any]) -> None:
    if email.get("ue_type") != RECEIVED:
        raise InvalidArguments("draft_reply", ["reply_to_uuid: is not a received email (ue_type 2): see list_emails."])
    if not email.get("thread_id"):
        raise InvalidArguments("draft_reply", ["reply_to_uuid: has no thread in which an answer would show."])
    account = arguments.get("eaccount", "")
    if not is_blank(account) and account.strip().lower() != str(email["eaccount"]).lower():
        raise InvalidArguments(
            "draft_reply", [f"eaccount: the email came to {email['eaccount']}, which answers it; leave it out."]
        )


def _newer(thread: list[dict[str, Any]], email: dict[str, Any]) -> list[dict[str, Any]]:
    """The emails that came or went after this one, the newest first."""
    since = str(email["timestamp_created"])
    later = [mail for mail in thread if mail["id"] != email["id"] and str(mail.get("timestamp_created")) >= since]
    return sorted(later, key=lambda mail: str(mail.get("timestamp_created")), reverse=True)


def _answered(email: dict[str, Any]) -> dict[str, Any]:
    told = {
        "from": email.get("from_address_email"),
        "subject": email.get("subject"),
        "received": email.get("timestamp_created"),
        "excerpt": clip((mail_text(email.get("body")) or "").strip(), EXCERPT_CHARACTERS),
    }
    if not told["from"]:
        raise CallError("No draft was kept: the email does not say who sent it, so who would be answered is not known.")
    return told
