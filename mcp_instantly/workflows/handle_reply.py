"""A reply is answered, its lead's interest set, and its thread marked as read."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import Any

import anyio

from mcp_instantly.arguments.narrowing import is_blank
from mcp_instantly.errors import InstantlyError, InvalidArguments
from mcp_instantly.results.mail import MANUAL, written_in
from mcp_instantly.text import error_text
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.batch import DONE, NOT_DONE, NOT_TRIED, UNKNOWN, ends_the_rest, outcome_of
from mcp_instantly.workflows.parts.replies import RECEIVED, SCHEDULED, read_thread, reply_subject

INTEREST = "update_lead_interest_status"

ACCEPTED = "accepted"
"""The outcome of what Instantly queues, to be done a little later."""

DOUBT_SECONDS = 120.0
"""For which a thread is left alone whose answer has no outcome yet: the thread may show it later than this one ends."""

Step = dict[str, Any]


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Answer, then set the interest, then mark as read, so that what went wrong leaves the thread unread.

    Raises InvalidArguments for an email that nobody sent to us. Only a thread that shows no answer is answered.
    """
    body = {kind: text for kind, text in arguments["body"].items() if not is_blank(text)}
    if not body:
        raise InvalidArguments("handle_reply", ["body: is blank; write the answer as html or text."])
    if "interest_value" in arguments and not context.may_call(INTEREST):
        raise InvalidArguments("handle_reply", [f"interest_value: {INTEREST} is not enabled here; leave it out."])
    await context.progress(0, 4, "reading the email")
    email = await context.call("get_email", id=arguments["email_id"])
    if email.get("ue_type") != RECEIVED:
        raise InvalidArguments("handle_reply", ["email_id: is not a received email (ue_type 2): see list_emails."])
    thread = email.get("thread_id")
    if not thread:
        problem = "email_id: has no thread in which an earlier answer would show; use reply_to_email."
        raise InvalidArguments("handle_reply", [problem])
    # Threads that are being answered, and those of which nobody knows, with the time when that began.
    in_doubt: dict[str, float] = context.kept
    _refuse_doubtful(thread, in_doubt)
    in_doubt[thread] = anyio.current_time()
    answer: Step = {}
    try:
        known = await _thread(context, email, again=arguments.get("answer_again", False))
        if isinstance(known, str):
            answer = {"outcome": NOT_DONE, "why": known}
        else:
            await context.progress(2, 4, "sending the answer")
            try:
                answer = await _answer(context, arguments, email, body, known)
            except BaseException as error:
                # Also a call that is cut off while it sends leaves its thread in doubt.
                if outcome_of(error) != NOT_DONE:
                    answer = {"outcome": UNKNOWN}
                raise
        steps = {"answer": answer, **await _follow(context, arguments, email, go_on=answer["outcome"] == DONE)}
    finally:
        if answer.get("outcome") != UNKNOWN:
            in_doubt.pop(thread, None)
    about = {name: email[name] for name in ("thread_id", "lead", "campaign_id") if email.get(name)}
    return {**about, **steps}


def _refuse_doubtful(thread: str, in_doubt: dict[str, float]) -> None:
    """Raise InvalidArguments for a thread that is being answered, or was answered with an outcome that is unknown."""
    now = anyio.current_time()
    for other in [other for other, began in in_doubt.items() if now - began >= DOUBT_SECONDS]:
        del in_doubt[other]
    if thread in in_doubt:
        left = math.ceil(in_doubt[thread] + DOUBT_SECONDS - now)
        problem = f"email_id: an answer to its thread is under way or its outcome unknown; call again in {left} s."
        raise InvalidArguments("handle_reply", [problem])


async def _thread(context: Context, email: dict[str, Any], *, again: bool) -> set[str] | str:
    """The ids of the emails in a thread; or, where it has an answer already, why there will be none."""
    await context.progress(1, 4, "looking for an answer in its thread")
    thread = await read_thread(context.call, email["thread_id"])
    if email["id"] not in {mail["id"] for mail in thread}:
        return "No answer was sent: list_emails does not show the thread, so whether it was answered is not known."
    later = [mail for mail in thread if str(mail.get("timestamp_created")) >= email["timestamp_created"]]
    newer = [mail["id"] for mail in later if mail.get("ue_type") == RECEIVED and mail["id"] != email["id"]]
    if newer:
        context.notes.append(f"The thread has a newer email than this one: {newer[0]}.")
    answers = [mail for mail in later if mail.get("ue_type") in (MANUAL, SCHEDULED)]
    if again:
        return {mail["id"] for mail in thread}
    if answers:
        return _answered_before(answers[0])
    unclear = [mail["id"] for mail in later if mail.get("ue_type") is None]
    if unclear:
        return (
            f"No answer was sent: email {unclear[0]} of its thread has no ue_type, so it may be an answer. Read it; if "
            "it is none, give answer_again."
        )
    return {mail["id"] for mail in thread}


def _answered_before(answer: dict[str, Any]) -> str:
    waits = "an answer is scheduled" if answer.get("ue_type") == SCHEDULED else "it was answered"
    return (
        f"No answer was sent: since this email came, {waits} (email {answer['id']}, {answer['timestamp_created']}). If "
        "another one is meant, give answer_again; for the other steps there are set_interest and mark_threads_read."
    )


async def _answer(
    context: Context, arguments: dict[str, Any], email: dict[str, Any], body: dict[str, str], known: set[str]
) -> Step:
    subject = str(arguments.get("subject", ""))
    if is_blank(subject):
        subject = reply_subject(email)
    try:
        sent = await context.call(
            "reply_to_email", reply_to_uuid=email["id"], eaccount=email["eaccount"], subject=subject, body=body
        )
        return _sent(sent)
    except InstantlyError as error:
        if outcome_of(error) == NOT_DONE:
            return {"outcome": NOT_DONE, "why": error_text(error)}
        return await _look(context, email, body, known, error_text(error))


async def _look(context: Context, email: dict[str, Any], body: dict[str, str], known: set[str], why: str) -> Step:
    """Whether an answer that was sent without a response is in the thread."""
    try:
        new = [mail for mail in await read_thread(context.call, email["thread_id"]) if mail["id"] not in known]
    except InstantlyError:
        new = []
    ours = written_in(new, body)
    if ours is not None:
        return {**_sent(ours), "why": "The response was lost or odd, but the thread shows the answer."}
    tells = (
        f'list_emails with search "thread:{email["thread_id"]}" tells in a minute or two. If it shows no answer then, '
        "call handle_reply again, which looks there first."
    )
    return {"outcome": UNKNOWN, "why": why, "next": tells}


def _sent(mail: Any) -> Step:
    told = {"id": "email_id", "to_address_email_list": "to", "subject": "subject"}
    found = mail if isinstance(mail, dict) else {}
    return {"outcome": DONE, **{name: found[field] for field, name in told.items() if found.get(field)}}


async def _follow(
    context: Context, arguments: dict[str, Any], email: dict[str, Any], *, go_on: bool
) -> dict[str, Step]:
    """The steps behind the answer, as far as they are wished; they wait for an answer that is known to be sent."""
    steps: dict[str, Step] = {}
    if "interest_value" in arguments:
        given = {"lead_email": email.get("lead"), "campaign_id": email.get("campaign_id")}
        given = {name: value for name, value in given.items() if value}
        if not go_on:
            steps["interest"] = {"outcome": NOT_TRIED}
        elif "lead_email" not in given:
            steps["interest"] = {"outcome": NOT_DONE, "why": "The email belongs to no lead."}
        else:
            value = arguments["interest_value"]
            change = context.call(INTEREST, **given, interest_value=value)
            steps["interest"], go_on = await _step(change, ACCEPTED)
    if arguments.get("mark_as_read", True):
        if not go_on:
            steps["mark_as_read"] = {"outcome": NOT_TRIED}
        else:
            await context.progress(3, 4, "marking as read")
            steps["mark_as_read"], _ = await _step(context.call("mark_thread_as_read", thread_id=email["thread_id"]))
    return steps


async def _step(change: Awaitable[Any], success: str = DONE) -> tuple[Step, bool]:
    """What became of a step, and whether another one can be tried."""
    try:
        await change
    except InstantlyError as error:
        return {"outcome": outcome_of(error), "why": error_text(error)}, not ends_the_rest(error)
    return {"outcome": success}, True
