"""Many threads are marked as read."""

from __future__ import annotations

from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE
from mcp_instantly.errors import InstantlyError
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.batch import Batch, ends_the_rest

MAX_PAGES = 2
"""Pages of unread emails that are read before: 20 calls a minute are allowed in all."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Mark each thread; `done` are those for which Instantly says success, as it does for unknown ones too.

    So the unread emails are read before: what is not among them was read already, or is not a thread.
    """
    wanted: list[str] = list(dict.fromkeys(arguments["thread_ids"]))
    batch: Batch[str] = Batch(lambda thread: thread)
    await context.progress(0, len(wanted), "reading what is unread")
    unread, complete = await _unread(context)
    threads = {mail.get("thread_id") for mail in unread}
    mistaken = {mail["id"]: mail.get("thread_id") for mail in unread if mail.get("id") in set(wanted) - threads}
    for email, thread in mistaken.items():
        batch.fail(email, f"This is the id of an email; its thread_id is {thread}.")
    meant = [thread for thread in wanted if thread not in mistaken]
    await batch.run(context, meant, lambda thread: context.call("mark_thread_as_read", thread_id=thread), "marked")
    found = {"done": batch.done, **batch.told()}
    strange = [thread for thread in batch.done if thread not in threads]
    if complete and strange:
        found["were_not_unread"] = strange
        context.notes.append("were_not_unread: read before, or no such thread; Instantly says success for both.")
    elif strange:
        context.notes.append("Instantly says success for a wrong thread_id too; see list_emails with is_unread.")
    return found


async def _unread(context: Context) -> tuple[list[dict[str, Any]], bool]:
    """Emails that are unread, and whether these are all of them."""
    found: list[dict[str, Any]] = []
    if not context.may_call("list_emails"):
        return found, False
    try:
        pages = 0
        async for page in context.pages("list_emails", is_unread=True, preview_only=True):
            found += page
            pages += 1
            if pages == MAX_PAGES and len(page) == LARGEST_PAGE:
                return found, False
    except InstantlyError as error:
        # The rate limit of this list is its own, and the threads can be marked all the same.
        if ends_the_rest(error) and error.status not in (403, 429):
            raise
        return found, False
    return found, True
