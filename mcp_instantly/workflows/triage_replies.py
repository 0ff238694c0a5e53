"""The unread replies: who wrote, what is new in it, and what Instantly takes it for."""

from __future__ import annotations

from typing import Any

from mcp_instantly.api.paging import LARGEST_PAGE, records_of
from mcp_instantly.errors import InstantlyError
from mcp_instantly.results.mail import mail_text, preview_text
from mcp_instantly.text import clip, error_text
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.lead_states import LABELS

MAX_PAGES = 3
"""Pages of unread emails that are read: the API takes 20 calls a minute for them, and the triage is not alone."""

DEFAULT_THREADS = 30

TEXT_CHARACTERS = 24_000
"""What the texts of all threads may have together; each has its share, within these bounds."""

MIN_TEXT_CHARACTERS, MAX_TEXT_CHARACTERS = 240, 1_500

MAX_EARLIER = 2
"""Further unread emails of a thread whose texts are shown."""

AUTOMATIC, UNLABELLED = "automatic reply", "not labelled"

QUOTES_ARE_CUT = "Quoted history is cut."

Mail = dict[str, Any]


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Unread threads in groups, the most interested first; `more` is true where some were not read."""
    most = arguments.get("max_items", DEFAULT_THREADS)
    filters = {name: value for name, value in arguments.items() if name != "max_items"}
    await context.progress(0, None, "reading unread emails")
    threads, more = await _unread(context, filters, most)
    answers = await _answers(context, threads)
    labels = await _labels(context, threads)
    room = TEXT_CHARACTERS // max(1, len(threads))
    room = min(MAX_TEXT_CHARACTERS, max(MIN_TEXT_CHARACTERS, room))
    groups: dict[str, list[Mail]] = {}
    for mails in sorted(threads.values(), key=lambda mails: _rank(mails[0])):
        group = groups.setdefault(_group(mails[0], labels), [])
        group.append(_told(mails, answers.get(_thread(mails[0])), room))
    if threads:
        context.notes.append(QUOTES_ARE_CUT)
    if more:
        context.notes.append("There are more unread threads: mark what is done as read, or narrow it by campaign_id.")
    counts = {name: len(group) for name, group in groups.items()}
    return {"threads": len(threads), "more": more, "counts": counts, "groups": groups}


async def _unread(context: Context, filters: dict[str, Any], most: int) -> tuple[dict[str, list[Mail]], bool]:
    """The newest unread threads, each with its unread emails, newest first, and whether there may be more threads."""
    threads: dict[str, list[Mail]] = {}
    pages, more = 0, False
    try:
        async for page in context.pages("list_emails", email_type="received", is_unread=True, **filters):
            for mail in page:
                if _thread(mail) in threads:
                    threads[_thread(mail)].append(mail)
                elif len(threads) < most:
                    threads[_thread(mail)] = [mail]
                else:
                    more = True
            pages += 1
            await context.progress(pages, message=f"{len(threads)} unread threads read")
            if more or pages == MAX_PAGES:
                return threads, more or len(page) == LARGEST_PAGE
    except InstantlyError as error:
        if not threads:
            raise
        context.notes.append(f"Not all unread emails were read: {error_text(error)}")
        more = True
    return threads, more


def _thread(mail: Mail) -> str:
    return str(mail.get("thread_id") or mail["id"])


async def _answers(context: Context, threads: dict[str, list[Mail]]) -> dict[str, Mail]:
    """By thread, the newest email that was written to it since its newest reply came."""
    if not threads:
        return {}
    oldest = min(mails[0]["timestamp_created"] for mails in threads.values())
    try:
        page = await context.call(
            "list_emails",
            email_type="manual",
            min_timestamp_created=oldest,
            preview_only=True,
            limit=LARGEST_PAGE,
        )
    except InstantlyError:
        context.notes.append("Whether somebody answered since could not be read.")
        return {}
    found: dict[str, Mail] = {}
    for mail in records_of(page):
        newest = threads.get(_thread(mail), [None])[0]
        if newest and mail["timestamp_created"] >= newest["timestamp_created"]:
            found.setdefault(_thread(mail), mail)
    if len(records_of(page)) == LARGEST_PAGE:
        context.notes.append("answered looks at the newest 100 emails that were written by hand.")
    return found


async def _labels(context: Context, threads: dict[str, list[Mail]]) -> dict[float | None, str]:
    """What the numbers of interest mean; a workspace's own are asked for only where one is among them."""
    known: dict[float | None, str] = dict(LABELS["lt_interest_status"].items())
    known[None] = UNLABELLED
    own = {mails[0].get("i_status") for mails in threads.values()} - set(known)
    if own and context.may_call("list_lead_labels"):
        try:
            page = await context.call("list_lead_labels", limit=100)
        except InstantlyError:
            return known
        known |= {label["interest_status"]: label["label"] for label in records_of(page)}
    return known


def _group(mail: Mail, labels: dict[float | None, str]) -> str:
    status = mail.get("i_status")
    return AUTOMATIC if mail.get("is_auto_reply") else labels.get(status, f"label {status}")


def _rank(mail: Mail) -> tuple[int, float]:
    """Positive labels before those that nobody has labelled yet, then negative ones; automatic replies at the end."""
    status = mail.get("i_status")
    if mail.get("is_auto_reply"):
        return 4, 0
    if status is None:
        return 1, 0
    return (0, abs(status)) if status > 0 else (2, abs(status)) if status < 0 else (3, 0)


def _told(mails: list[Mail], answer: Mail | None, room: int) -> Mail:
    """A thread as it is told. `email_id` is its newest unread email, which an answer goes to."""
    newest, earlier = mails[0], mails[1:]
    sender = newest.get("from_address_json")
    name = sender[0].get("name") if isinstance(sender, list) and sender and isinstance(sender[0], dict) else None
    told = {
        "email_id": newest["id"],
        "thread_id": newest.get("thread_id"),
        "from": newest.get("from_address_email"),
        "name": name,
        # Somebody else may answer for the lead.
        "lead": newest.get("lead") if newest.get("lead") != newest.get("from_address_email") else None,
        "campaign_id": newest.get("campaign_id"),
        "eaccount": newest.get("eaccount"),
        "at": newest["timestamp_created"],
        "subject": newest.get("subject"),
        "text": _text(newest, room),
        "earlier": [_text(mail, room // 2) for mail in earlier[:MAX_EARLIER]],
        "unread": len(mails) if earlier else None,
        "answered": answer and {"at": answer["timestamp_created"], "email_id": answer["id"]},
    }
    return {field: value for field, value in told.items() if value not in (None, "", [])}


def _text(mail: Mail, room: int) -> str:
    return clip(mail_text(mail.get("body")) or preview_text(str(mail.get("content_preview") or "")), max(room, 100))
