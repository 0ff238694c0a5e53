"""Rows of a table become leads: columns mapped, rows checked, all added in one call, and each accounted for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from mcp_instantly.errors import CallError, InstantlyError, ServerError, TransportError
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.mapping import Mapping, map_columns
from mcp_instantly.workflows.parts.rows import Leads, LeftOut, Row, Table, read_csv

MAX_CONTACTS = 100
"""Addresses that one reading of leads asks for."""

FLAGS = ("verify_leads_on_import", "skip_if_in_workspace", "skip_if_in_campaign", "skip_if_in_list")

BLOCKED, HERE = "on the block list", "already there"
COUNTERS = {
    "in_blocklist": BLOCKED,
    "duplicated_leads": HERE,
    "skipped_count": "known elsewhere",
    "invalid_email_count": "invalid address to Instantly",
    "incomplete_count": "incomplete",
    "duplicate_email_count": "twice in the call",
}
"""Why Instantly leaves out leads, by its counters."""

UNCOUNTED = re.compile(r"leads were added; left out:|: No lead was added:")
"""Notes whose places are those of the request: here the places are rows."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Add the rows, and tell how many were added and which were not, by reason.

    Raises CallError when the table cannot be read. After a write without an answer it says what is there now, and
    sends nothing again.
    """
    place: dict[str, Any] = {name: arguments[name] for name in ("campaign_id", "list_id") if name in arguments}
    rows = read_csv(arguments["csv"]) if "csv" in arguments else arguments["rows"]
    mapping = _mapping(rows, arguments.get("columns"), needs_email="campaign_id" in place)
    table = Table(rows, mapping, needs_email="campaign_id" in place)
    told: dict[str, Any] = {"rows": len(rows), "columns": mapping.columns}
    context.notes += mapping.notes
    if not table.leads:
        context.notes.append("No row could be sent, so no lead was added.")
        return told | {"added": 0, "not_added": table.left_out.told()}
    await prepare(context, place, table)
    await context.progress(1, 3, f"{len(table.leads)} of {len(rows)} rows are fit to be sent")
    flags = {name: arguments[name] for name in FLAGS if name in arguments}
    try:
        answer = await context.call("bulk_add_leads", **place, **flags, leads=[lead for _, lead in table.leads])
    except (TransportError, ServerError) as error:
        if error.outcome != "unknown":
            raise
        raise await _unknown(context, place, table, error) from error
    context.notes[:] = [note for note in context.notes if not UNCOUNTED.search(note)]
    await context.progress(2, 3, f"{answer.get('leads_uploaded')} leads added")
    await account(context, place, table, answer)
    await context.progress(3, 3, "rows accounted for")
    if answer.get("duplicated_leads"):
        context.notes.append("Leads that were there already are unchanged: update_lead changes them.")
    if flags.get("verify_leads_on_import"):
        context.notes.append(
            f"Verification spends credits, for {answer.get('leads_uploaded')} of the rows, and goes on after this: "
            "count_leads shows the results."
        )
    return told | _told(answer, table)


def _mapping(rows: list[Row], given: dict[str, str] | None, *, needs_email: bool) -> Mapping:
    """What becomes of the columns. Raises CallError where that is not certain."""
    names = list(dict.fromkeys(name for row in rows for name in row if name is not None))
    try:
        return map_columns(names, given, needs_email=needs_email)
    except CallError as error:
        raise CallError(f"Nothing was sent: {error}") from None


def _told(answer: dict[str, Any], table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {"added": answer.get("leads_uploaded"), "not_added": table.left_out.told()}
    if table.converted:
        found["domains_converted"] = table.converted
    if answer.get("remaining_in_plan") is not None:
        found["remaining_in_plan"] = answer["remaining_in_plan"]
    return found


async def prepare(context: Context, place: dict[str, Any], table: Leads) -> None:
    """Make the variables known to the campaign, and say whether it is sending."""
    if "campaign_id" not in place or not context.may_call("get_campaign"):
        return
    campaign = await context.call("get_campaign", id=place["campaign_id"])
    new = [name for name in table.variables if name not in (campaign.get("custom_variables") or {})]
    if new and context.may_call("add_campaign_variables"):
        await context.call("add_campaign_variables", id=place["campaign_id"], variables=new)
    if campaign.get("status") == 1:
        context.notes.append("The campaign is active: it mails those who were added.")


# what became of it


async def account(context: Context, place: dict[str, Any], table: Leads, answer: dict[str, Any]) -> None:
    """Find for each row that was sent and not added why: by the counters, and by reading where they leave a choice."""
    created = {entry["index"] for entry in answer.get("created_leads") or ()}
    missing = [sent for index, sent in enumerate(table.leads) if index not in created]
    if len(missing) != len(table.leads) - (answer.get("leads_uploaded") or 0):
        context.notes.append("Instantly does not say which rows were added: list_leads with contacts tells.")
        return
    left = {words: answer.get(name) or 0 for name, words in COUNTERS.items() if answer.get(name)}
    for reason, find in ((BLOCKED, _blocked), (HERE, _there)):
        if reason in left and len(left) > 1:
            found = await find(context, place, missing)
            if len(found) == left[reason]:
                for row in found:
                    table.left_out.add(reason, row)
                missing = [(row, lead) for row, lead in missing if row not in found]
                del left[reason]
    counts = "; ".join(f"{count} {reason}" for reason, count in left.items())
    exact = sum(left.values()) == len(missing)
    reason = (next(iter(left)) if len(left) == 1 else f"one of: {counts}") if left and exact else "no reason given"
    for row, _ in missing:
        table.left_out.add(reason, row)


async def _blocked(context: Context, place: dict[str, Any], missing: list[tuple[int, Row]]) -> set[int]:
    """Rows whose address or domain stands in the block list; none where that cannot be read."""
    if not context.may_call("download_block_list"):
        return set()
    try:
        text = await context.call("download_block_list")
    except InstantlyError:
        return set()
    entries = {record[0].strip().lower() for record in csv.reader(io.StringIO(str(text))) if record}
    return {row for row, lead in missing if entries & _values_of(lead.get("email", ""))}


def _values_of(email: str) -> set[str]:
    return {email.lower(), email.lower().rpartition("@")[2]}


async def _there(context: Context, place: dict[str, Any], missing: list[tuple[int, Row]]) -> set[int]:
    """Rows whose address is in the campaign or list; none where that cannot be read."""
    if not context.may_call("list_leads"):
        return set()
    try:
        there = await known(context, place, (lead.get("email", "") for _, lead in missing))
    except InstantlyError:
        return set()
    return {row for row, lead in missing if lead.get("email", "").lower() in there}


async def known(context: Context, place: dict[str, Any], emails: Iterable[str]) -> set[str]:
    """Those of the addresses that are in the campaign or list now."""
    where = {"campaign": place["campaign_id"]} if "campaign_id" in place else {"list_id": place["list_id"]}
    asked = {email.lower() for email in emails if email}
    found: set[str] = set()
    for some in _batches(sorted(asked)):
        async for page in context.pages("list_leads", **where, contacts=some):
            found.update(str(lead.get("email", "")).lower() for lead in page)
            if asked <= found:
                break
    return found & asked


def _batches(emails: list[str]) -> Iterator[list[str]]:
    for begin in range(0, len(emails), MAX_CONTACTS):
        yield emails[begin : begin + MAX_CONTACTS]


async def _unknown(context: Context, place: dict[str, Any], table: Table, error: InstantlyError) -> InstantlyError:
    """What to say after a write whose outcome is not known, with what a read shows; nothing is sent again."""
    emails = [lead["email"] for _, lead in table.leads if "email" in lead]
    name = next(iter(place))
    ask = f"list_leads with {'campaign' if name == 'campaign_id' else name} and contacts tells who is there"
    try:
        there = await known(context, place, emails) if context.may_call("list_leads") else None
    except InstantlyError:
        there = None
    if there is None:
        state = f"{ask}: read that before anything else."
    else:
        absent = LeftOut()
        for row, lead in table.leads:
            if lead.get("email", "").lower() not in there:
                absent.add("", row)
        rows = f", all but rows {absent.told()['']['rows']}" if len(there) < len(table.leads) else ""
        state = (
            f"Now {len(there)} of the {len(emails)} addresses are there{rows}; some may have been before, and others "
            f"may still come: {ask}."
        )
    again = (
        " After that it may be called again, and adds nobody twice who is there; too early, it is refused with the "
        "seconds to wait (--repeat-window)."
    )
    if len(emails) < len(table.leads):
        again = ""
    return InstantlyError(
        f"It is not known whether the rows were added, and they were not sent again ({error}) {state}{again}"
    )
