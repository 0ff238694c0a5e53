"""The Unibox: emails sent and received, read and replied to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcp_instantly.sandbox.engine.rate_limits import count_call
from mcp_instantly.sandbox.engine.responses import ApiRefusal, not_found, public
from mcp_instantly.sandbox.engine.routes import PAGE, Call, commas, page, route
from mcp_instantly.sandbox.engine.shapes import (
    boolean,
    changes,
    choice,
    date_time,
    nullable,
    number,
    text,
    uuid,
)
from mcp_instantly.sandbox.sending import emails
from mcp_instantly.sandbox.sending.emails import CAMPAIGN, MANUAL, RECEIVED, SCHEDULED
from mcp_instantly.sandbox.state.clock import parse, stamp
from mcp_instantly.sandbox.state.table import Record
from mcp_instantly.sandbox.state.world import World

LISTS_PER_MINUTE = 20

TYPES = {"received": (RECEIVED,), "sent": (CAMPAIGN, MANUAL), "manual": (MANUAL,)}
"""What email_type means in terms of ue_type."""


TIME_LIMITS = ("min_timestamp_created", "max_timestamp_created")


def find_email(world: World, email_id: str) -> Record:
    email = world.emails.get(email_id)
    if email is None:
        raise not_found("Email")
    return email


@route(
    "GET",
    "/emails",
    scope="emails:read",
    query={
        **PAGE,
        "search": text(),
        "campaign_id": uuid(),
        "list_id": uuid(),
        "i_status": number(),
        "eaccount": text(),
        "is_unread": boolean(),
        "has_reminder": boolean(),
        "mode": choice("emode_focused", "emode_others", "emode_all"),
        "preview_only": boolean(),
        "sort_order": choice("asc", "desc"),
        "scheduled_only": boolean(),
        "assigned_to": text(),
        "lead": text(),
        "company_domain": text(),
        "marked_as_done": boolean(),
        "email_type": choice(*TYPES),
        "min_timestamp_created": text(),
        "max_timestamp_created": text(),
        "latest_of_thread": boolean(),
    },
)
def list_emails(world: World, call: Call) -> Record:
    """Newest first unless asked otherwise, twenty times a minute at most."""
    count_call(world, "list_emails", LISTS_PER_MINUTE)
    query = {**call.query, **_instants(call.query)}
    newest_first = query.get("sort_order", "desc") == "desc"
    found = (email for email in _candidates(world, query, newest_first) if _wanted(world, email, query))
    return page(found, query, render=_preview if query.get("preview_only") else public)


def _instants(query: dict[str, Any]) -> dict[str, str]:
    """The limits in time that are asked for, as stamps."""
    try:
        return {name: stamp(parse(query[name])) for name in TIME_LIMITS if name in query}
    except ValueError:
        raise ApiRefusal(400, "Invalid timestamp") from None


def _candidates(world: World, query: dict[str, Any], newest_first: bool) -> Iterable[Record]:
    """Emails behind the cursor among which the wanted ones are, from the narrowest index there is."""
    after = query.get("starting_after")
    if query.get("search", "").startswith("thread:"):
        return world.emails.select(
            after, newest_first=newest_first, thread_id=query["search"][len("thread:") :].strip()
        )
    if "lead" in query:
        return world.emails.select(after, newest_first=newest_first, lead=query["lead"].strip().lower())
    if "campaign_id" in query:
        return world.emails.select(after, newest_first=newest_first, campaign_id=query["campaign_id"])
    return world.emails.after(after, newest_first=newest_first)


def _wanted(world: World, email: Record, query: dict[str, Any]) -> bool:
    return (
        all(email.get(name) == query[name] for name in ("campaign_id", "list_id", "i_status") if name in query)
        and ("eaccount" not in query or email["eaccount"] in commas(query["eaccount"].lower()))
        and ("is_unread" not in query or bool(email.get("is_unread")) == query["is_unread"])
        and ("has_reminder" not in query or ("reminder_ts" in email) == query["has_reminder"])
        and ("email_type" not in query or email["ue_type"] in TYPES[query["email_type"]])
        and (not query.get("scheduled_only") or email["ue_type"] == SCHEDULED)
        and not query.get("marked_as_done")  # nothing here marks an email as done
        and query.get("min_timestamp_created", "") <= email["timestamp_created"]
        and email["timestamp_created"] <= query.get("max_timestamp_created", "~")
        and _in_mode(email, query.get("mode", "emode_all"))
        and _found_by(email, query.get("search", ""))
        and _of_lead(world, email, query)
        and (not query.get("latest_of_thread") or _is_latest(world, email, query))
    )


def _in_mode(email: Record, mode: str) -> bool:
    return mode == "emode_all" or bool(email.get("is_focused", 1)) == (mode == "emode_focused")


def _found_by(email: Record, search: str) -> bool:
    if not search or search.startswith("thread:"):
        return True
    places = (email.get("lead", ""), email["from_address_email"], email["to_address_email_list"], email["subject"])
    return any(search.lower() in place.lower() for place in places)


def _of_lead(world: World, email: Record, query: dict[str, Any]) -> bool:
    if "company_domain" in query and email.get("lead", "").rpartition("@")[2] != query["company_domain"].lower():
        return False
    if "assigned_to" in query:
        lead = world.leads.get(email.get("lead_id", ""))
        return lead is not None and lead.get("assigned_to") == query["assigned_to"]
    return True


def _is_latest(world: World, email: Record, query: dict[str, Any]) -> bool:
    """Whether nothing of the wanted type came later in the email's thread."""
    types = TYPES.get(query.get("email_type", ""), (CAMPAIGN, RECEIVED, MANUAL, SCHEDULED))
    later = world.emails.select(email["id"], thread_id=email["thread_id"])
    return all(other["ue_type"] not in types for other in later)


def _preview(email: Record) -> Record:
    return {**public(email), "body": {}}


@route("GET", "/emails/unread/count", scope="emails:read")
def count_unread(world: World, call: Call) -> Record:
    return {"count": world.emails.count(is_unread=1)}


@route("GET", "/emails/{id}", scope="emails:read", id=uuid())
def get_email(world: World, call: Call) -> Record:
    return public(find_email(world, call.path["id"]))


@route(
    "PATCH",
    "/emails/{id}",
    scope="emails:update",
    body=changes(is_unread=nullable(number()), reminder_ts=nullable(date_time())),
    id=uuid(),
)
def update_email(world: World, call: Call) -> Record:
    email = find_email(world, call.path["id"])
    given = {field: call.body[field] for field in ("is_unread", "reminder_ts") if field in call.body}
    return public(world.emails.change(email, **given))


@route("DELETE", "/emails/{id}", scope="emails:delete", id=uuid())
def delete_email(world: World, call: Call) -> Record:
    return public(emails.delete_email(world, find_email(world, call.path["id"])))


@route("POST", "/emails/threads/{thread_id}/mark-as-read", scope="emails:update", thread_id=text())
def mark_as_read(world: World, call: Call) -> Record:
    """Says success for a thread that does not exist, too."""
    for email in list(world.emails.where(thread_id=call.path["thread_id"])):
        if email.get("is_unread"):
            world.emails.change(email, is_unread=0)
    return {"success": True}
