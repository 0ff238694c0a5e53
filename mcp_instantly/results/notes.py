"""What must be said about an answer that looks like a success: not done yet, not all of it, or not what was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from mcp_instantly.api.collection import MAX_ITEMS
from mcp_instantly.api.paging import NEXT_CURSOR, place_behind, say_how
from mcp_instantly.api.request import Response
from mcp_instantly.errors import BadRequest, InstantlyError
from mcp_instantly.results.comparison import other_state
from mcp_instantly.results.unsaid import unsaid
from mcp_instantly.suggestions import name_close, suggest
from mcp_instantly.text import name_some, shorten
from mcp_instantly.tools.operation import WAIT_SECONDS, Operation
from mcp_instantly.tools.schema_paths import enums_at, values_at


class Call(NamedTuple):
    """An operation, the arguments that it was called with, and the answer."""

    operation: Operation
    sent: dict[str, Any]
    reply: Response


def collect_notes(call: Call) -> Iterator[str]:
    """A sentence or two for each thing that the answer does not say plainly, or says where nobody looks."""
    operation, sent, reply = call
    payload = reply.payload
    waited = bool(sent.get(WAIT_SECONDS))
    yield from _unlisted(operation, sent)
    if payload is None:
        yield f"Done: {operation.name} answers with no content."
    if reply.media_type == "text/csv" and isinstance(payload, str):
        rows = max(0, len(payload.strip().splitlines()) - 1)
        yield f"CSV with {rows} {'row' if rows == 1 else 'rows'} below its header."
    if reply.status == 202 and not waited:
        asked = f" {_either(operation.poll)} tells when it is done." if operation.poll else ""
        yield f"Accepted, not done yet.{asked}"
    if not reply.in_doubt:
        yield from _not_deleted(operation, sent, payload)
    yield from unsaid(operation, sent, payload)
    if not isinstance(payload, dict):
        return
    if operation.read_only:
        yield from _last_page(sent, payload)
        yield from _more_behind(operation, sent, payload)
        yield from _unknown_addresses(sent, payload)
    elif operation.name.startswith(("create_", "update_")):
        yield from other_state(operation, sent, payload)
    else:
        yield from _left_out(sent, payload)
        yield from _not_blocked(payload)
        yield from _passed_over(operation, sent, payload)
        yield from _moved_up(operation, sent)
    if not waited:
        yield from _unfinished(operation, reply.status, payload)
    if not reply.in_doubt:
        yield from _failed(payload)


def denies(operation: Operation, sent: dict[str, Any], payload: Any) -> bool:
    """Whether the answer of a write says of some of what it was to do that this was not done."""
    failed = _failed(payload) if isinstance(payload, dict) else ()
    return not operation.read_only and any((*_not_deleted(operation, sent, payload), *failed))


# Not known


def say_unlisted(error: InstantlyError, operation: Operation, sent: dict[str, Any]) -> None:
    """Have the refusal of a call name the values that it may be about."""
    if isinstance(error, BadRequest):
        for said in _unlisted(operation, sent):
            error.say(said)


def _unlisted(operation: Operation, sent: dict[str, Any]) -> Iterator[str]:
    """Values that were sent although they are not among those known here, as the vendor keeps adding some."""
    for path in operation.moving:
        known = [str(value) for place in enums_at(operation.full_schema, path) for value in place["enum"]]
        for where, value in values_at(sent, path):
            if isinstance(value, (str, int, float)) and str(value) not in known:
                said = suggest(str(value), known) or name_close(str(value), known)
                quoted = shorten(json.dumps(value, ensure_ascii=False), 60)
                yield (
                    f"{where}: {quoted} is not among the {len(known)} known values; Instantly adds new ones often, so "
                    f"it was sent as it is.{said}"
                )


# Not finished


STATES = ("status", "verification_status")
"""Fields of an answer that say in words how far the work is."""


def _unfinished(operation: Operation, status: int, payload: dict[str, Any]) -> Iterator[str]:
    pending = any(payload.get(name) in ("pending", "in-progress") for name in STATES)
    if payload.get("action_status") in ("approved", "in_progress") and not operation.read_only:
        yield f"Approved, not done yet. {_either(operation.poll)} tells when it is done."
    if pending and status != 202:
        ask = operation.poll or ((operation.name,) if operation.read_only else ())
        yield f"Not finished yet{f': ask {_either(ask)} again later' if ask else ''}."
    elif operation.waiting.ask and status != 202 and not any(isinstance(payload.get(name), str) for name in STATES):
        yield f"Begun, not done yet. {_either(operation.poll)} tells when it is done."


# Not all of it


def _failed(payload: dict[str, Any]) -> Iterator[str]:
    """Items of a bulk call or of a job that failed, stayed, or were never found."""
    inside = payload.get("data")
    data: dict[str, Any] = inside if isinstance(inside, dict) else {}
    failed = payload.get("failed_count") or data.get("failed_count")
    if failed and isinstance(failed, int):
        yield f"{failed} of the items failed, although the status may say success; see the details per item."
    if payload.get("failed") and isinstance(payload["failed"], list):
        reasons = (item.get("reason") for item in payload["failed"] if isinstance(item, dict))
        said = name_some(list(dict.fromkeys(str(reason) for reason in reasons if reason)))
        yield f"{len(payload['failed'])} of the items failed, although the status says success{said and f': {said}'}."
    if payload.get("failed_emails") and isinstance(payload["failed_emails"], list):
        count = len(payload["failed_emails"])
        yield (
            f"{count} of the accounts {'was' if count == 1 else 'were'} not changed, as failed_emails says: paused "
            "before, or they could not be paused."
        )
    total, moved = data.get("total_leads"), data.get("moved_leads")
    if payload.get("status") == "success":
        if total == 0:
            yield "The job matched no leads; check its filters."
        elif isinstance(total, int) and isinstance(moved, int) and moved < total:
            yield f"{moved} of {total} leads were moved; the others were to stay, or are known where they were to go."


REASONS = {
    "duplicated_leads": "already there",
    "duplicate_email_count": "twice in the call",
    "skipped_count": "skipped because known elsewhere",
    "in_blocklist": "on the block list",
    "invalid_email_count": "with an invalid address or none",
    "incomplete_count": "incomplete",
}
"""Counters of leads that an import left out, in words."""


def _left_out(sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    """Leads of an import that were not added, and why."""
    added, leads = payload.get("leads_uploaded"), sent.get("leads")
    if not isinstance(added, int) or not isinstance(leads, list) or added >= len(leads):
        return
    missing = len(leads) - added
    counts = {words: payload.get(name) for name, words in REASONS.items()}
    reasons = [f"{count} {words}" for words, count in counts.items() if isinstance(count, int) and count > 0]
    unexplained = missing - sum(count for count in counts.values() if isinstance(count, int) and count > 0)
    if unexplained > 0:
        reasons.append(f"{unexplained} without a reason given")
    amount = f"{added} of {len(leads)} leads were added; left out:" if added else "No lead was added:"
    known = " Leads that were there already are unchanged." if payload.get("duplicated_leads") else ""
    places = _places_left_out(leads, payload, missing)
    rows = f" ({name_some([f'leads[{place}]' for place in places])})" if 0 < len(places) < len(leads) else ""
    yield f"{amount} {', '.join(reasons)}{rows}.{known}"
    if payload.get("invalid_email_count"):
        yield from _foreign_domains(leads, places)


def _places_left_out(leads: list[Any], payload: dict[str, Any], missing: int) -> list[int]:
    """Which rows were left out; empty where the answer does not tell."""
    created = payload.get("created_leads")
    if missing == len(leads) or not isinstance(created, list):
        return list(range(len(leads))) if missing == len(leads) else []
    taken = {entry.get("index") for entry in created if isinstance(entry, dict)}
    places = [place for place in range(len(leads)) if place not in taken]
    return places if len(places) == missing else []


def _foreign_domains(leads: list[Any], places: list[int]) -> Iterator[str]:
    """How the domains of rows that were left out are to be written, where they have letters beyond ASCII."""
    named = []
    for place in places:
        email = leads[place].get("email") if isinstance(leads[place], dict) else None
        domain = email.rpartition("@")[2] if isinstance(email, str) else ""
        if not domain.isascii():
            try:
                named.append(f"leads[{place}]: {domain.encode('idna').decode('ascii')}")
            except UnicodeError:
                continue
    if named:
        yield f"Domains beyond ASCII are to be written in punycode: {name_some(named)}."


def _not_blocked(payload: dict[str, Any]) -> Iterator[str]:
    invalid = payload.get("invalid_count")
    if isinstance(invalid, int) and invalid > 0 and "valid_count" in payload:
        yield f"{invalid} of the values are neither an address nor a domain, so they are not blocked."


def _not_deleted(operation: Operation, sent: dict[str, Any], payload: Any) -> Iterator[str]:
    """Deletions that matched nothing, or fewer than were named; the answer counts what is gone, or lists it."""
    if not operation.destructive or "delete" not in operation.name:
        return
    count = len(payload) if isinstance(payload, list) else payload.get("count") if isinstance(payload, dict) else None
    ids = set(sent.get("ids") or ()) if "limit" not in sent else set()
    if count == 0:
        yield "Nothing was deleted: nothing matched."
    elif isinstance(count, int) and count < len(ids):
        yield f"{count} of the {len(ids)} ids were deleted; the others matched nothing."


def _passed_over(operation: Operation, sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    """Activities of an agent that were to be approved or rejected and did not wait for it."""
    named = sent.get("activity_ids")
    for verb in ("approved", "rejected"):
        count = payload.get(verb)
        if not isinstance(named, list) or not isinstance(count, int):
            continue
        different = len(set(named))
        if count < different:
            yield (
                f"{count} of {different} activities were {verb}; the others do not wait for it or are not this "
                "agent's: list_sales_agent_activities shows them."
            )
        if count and verb == "approved":
            yield f"They are not done yet: {_either(operation.poll)} tells when, and whether one failed."


# Not what was asked


def _moved_up(operation: Operation, sent: dict[str, Any]) -> Iterator[str]:
    """A deletion after which the ids of others mean something else."""
    if operation.name == "delete_sales_agent_guidance_rule":
        yield f"Rules behind {sent['rule_id']} have moved up by one: read list_sales_agent_guidance_rules again."


def repeats_cursor(sent: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether an answer's cursor leads to the same page again, which would have its reader turn in circles."""
    return bool(answer.get(NEXT_CURSOR)) and answer[NEXT_CURSOR] == sent.get("starting_after")


def _last_page(sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    if repeats_cursor(sent, payload):
        yield f"{NEXT_CURSOR} was the cursor that was sent, so it is left out: there are no further pages behind it."


def _more_behind(operation: Operation, sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    """What the answer of a list without cursors does not say; where pages were collected, it is said already."""
    if MAX_ITEMS not in sent and not payload.get(NEXT_CURSOR):
        place = place_behind(operation.paging, sent, payload, set())
        if place is not None:
            yield f"There may be more records: {say_how(place)}."


def _unknown_addresses(sent: dict[str, Any], payload: dict[str, Any]) -> Iterator[str]:
    """Accounts about which a reply by address says nothing."""
    asked, found = sent.get("emails"), payload.get("email_date_data")
    if isinstance(asked, list) and isinstance(found, dict):
        known = {str(email).lower() for email in found}
        unknown = [str(email) for email in asked if str(email).lower() not in known]
        if unknown:
            yield f"No figures for {name_some(unknown)}: not an account of this workspace, or no warmup in this time."


def _either(tools: tuple[str, ...]) -> str:
    return " or ".join(tools)
