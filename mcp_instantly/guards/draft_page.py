"""A draft as a person reads it before it is sent, at a terminal or in a form, and what they should know besides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from mcp_instantly.drafts.draft import SENDING, SENT, UNKNOWN, Draft
from mcp_instantly.errors import CallError
from mcp_instantly.results.lookalikes import lookalikes, said_of
from mcp_instantly.text import reveal
from mcp_instantly.workflows.parts.replies import name_mail, read_thread

RULE = "-" * 72

GONE = {SENDING: "is being sent", SENT: "was sent", UNKNOWN: "may have been sent"}
"""States in which a draft may have reached somebody, as they are said."""

UNREAD = "The thread could not be read, so it may have changed: {reason}"

COPIES = ("cc_address_email_list", "bcc_address_email_list")


def page(draft: Draft, mark: str = "") -> Iterator[str]:
    """The lines of a draft in full; nothing in it steers a terminal. Those of its text begin with `mark`."""
    given = draft.arguments
    lines = {
        "Draft": f"{draft.id}, {draft.state}{f' ({draft.why})' if draft.why else ''}",
        "Account": draft.place,
        "From": given["eaccount"],
        "To": ", ".join(draft.to),
        "Cc": given.get("cc_address_email_list"),
        "Bcc": given.get("bcc_address_email_list"),
        "Subject": given["subject"],
        "Reminder": given.get("reminder_ts"),
        "Assigned": given.get("assigned_to"),
    }
    yield from (f"{name + ':':10}{reveal(str(value))}" for name, value in lines.items() if value)
    answers = draft.answers
    yield f"It answers {reveal(str(answers.get('from')))}, {answers.get('received')}:"
    yield from (f"> {line}" for line in _lines(f"{answers.get('subject')}\n\n{answers.get('excerpt')}"))
    for kind, text in given["body"].items():
        unused = ", which is not sent, since there is html" if kind == "text" and "html" in given["body"] else ""
        yield f"{RULE} {kind}{unused}"
        yield from (f"{mark}{line}" for line in _lines(text))
    yield RULE


def _lines(text: str) -> Iterable[str]:
    return (reveal(line) for line in text.replace("\r\n", "\n").split("\n"))


async def look(draft: Draft, read: Callable[..., Awaitable[Any]]) -> list[dict[str, Any]]:
    """The emails in the thread of a draft. Raises InstantlyError where it is not there in full."""
    thread = await read_thread(read, draft.thread)
    if draft.arguments["reply_to_uuid"] not in {mail["id"] for mail in thread}:
        raise CallError("list_emails does not show it.")
    return thread


def warnings(draft: Draft, thread: Iterable[dict[str, Any]], drafts: Iterable[Draft]) -> list[str]:
    """What to know of a draft: letters of its recipients that look like others, the later emails of its thread, and
    other drafts to it that went out.
    """
    since = str(draft.answers.get("received"))
    others = (mail for mail in thread if mail["id"] != draft.arguments["reply_to_uuid"])
    alike = lookalikes(", ".join([*draft.to, *(str(draft.arguments.get(name, "")) for name in COPIES)]))
    # Also what came before the draft was made: its writer may have overlooked it.
    later = [mail for mail in others if str(mail.get("timestamp_created")) >= since or mail["id"] not in draft.known]
    went = [one for one in drafts if one.thread == draft.thread and one.id != draft.id]
    return [
        *([said_of(alike)] if alike else []),
        *(f"The thread has a newer email: {name_mail(mail)}." for mail in later),
        *(f"Draft {one.id} answers the same thread, and {GONE[one.state]}." for one in went if one.state in GONE),
    ]
