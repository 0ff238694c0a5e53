"""What is known of a thread in which somebody replied: its emails, and whether ours is among them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.text import quotable

RECEIVED, SCHEDULED = 2, 4
"""Values of ue_type, beside MANUAL of an email that was written by hand."""

REPLY_MARK = re.compile(r"(re|aw|sv|antw|rv)\s*:", re.IGNORECASE)
"""How the subject of a reply begins."""

Call = Callable[..., Awaitable[Any]]
"""`await call(operation_name, **arguments)`: the JSON value that the API answers."""


async def read_thread(call: Call, thread: str) -> list[dict[str, Any]]:
    """The newest emails of a thread."""
    page = await call("list_emails", search=f"thread:{thread}", limit=LARGEST_PAGE)
    return [mail for mail in records_of(page) if mail.get("thread_id") == thread]


def reply_subject(email: dict[str, Any]) -> str:
    """The subject of a reply to an email."""
    subject = str(email.get("subject") or "")
    return subject if REPLY_MARK.match(subject) else f"Re: {subject}".rstrip()


def name_mail(mail: dict[str, Any]) -> str:
    """An email in a few words: who wrote it, when, and its id."""
    kind = "scheduled by" if mail.get("ue_type") == SCHEDULED else "from"
    return f"{kind} {quotable(mail.get('from_address_email'))}, {mail.get('timestamp_created', '')} ({mail['id']})"
