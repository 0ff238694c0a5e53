"""Rows of a table become leads: columns mapped, rows checked, all added in one call, and each accounted for."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

from mcp_instantly.errors import CallError, InstantlyError, NoResponse, ResponseTooLong, ServerError
from mcp_instantly.text import name_some, shorten
from mcp_instantly.workflows import Context

Row = dict[Any, Any]
"""A record by column; cells beyond the last column stand under None."""

MAX_ROWS = 1_000
MAX_CONTACTS = 100
"""Addresses that one reading of leads asks for."""

MAX_SHOWN_CHARACTERS = 40
"""Characters of an address that is quoted."""

FIELDS = {
    "email": "email emailaddress mail workemail businessemail mailaddress",
    "first_name": "firstname givenname forename first",
    "last_name": "lastname surname familyname last",
    "company_name": "companyname company organization organisation employer",
    "job_title": "jobtitle title position",
    "phone": "phone phonenumber telephone mobile mobilephone",
    "website": "website companywebsite url homepage",
    "personalization": "personalization personalisation icebreaker",
    "pl_value_lead": "plvaluelead",
}
"""The fields of a lead, and the names of columns that mean them, without spaces and signs."""

MEANT = {name: field for field, names in FIELDS.items() for name in names.split()}
NOT_HERE = ("lt_interest_status", "assigned_to", "custom_variables")
"""Fields of a lead that a table does not set."""

WHOLE_NAMES = ("name", "fullname", "contactname")
"""Columns that hold what nobody can split for certain."""

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

LOCAL_PART = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*")
DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*", re.IGNORECASE)
UNCOUNTED = re.compile(r"leads were added; left out:|^No lead was added:")
"""Notes whose places are those of the request: here the places are rows."""


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Add the rows, and tell how many were added and which were not, by reason.

    Raises CallError when the table cannot be read. After a write without an answer it says what is there now, and
    sends nothing again.
    """
    place: dict[str, Any] = {name: arguments[name] for name in ("campaign_id", "list_id") if name in arguments}
    rows = _read_csv(arguments["csv"]) if "csv" in arguments else arguments["rows"]
    columns = _map_columns(rows, arguments.get("columns") or {})
    table = Table(rows, columns, needs_email="campaign_id" in place)
    told: dict[str, Any] = {"rows": len(rows), "columns": columns}
    context.notes += _unsplit(columns)
    if not table.leads:
        context.notes.append("No row could be sent, so no lead was added.")
        return told | {"added": 0, "not_added": table.left_out.told()}
    await _prepare(context, place, table)
    await context.progress(1, 3, f"{len(table.leads)} of {len(rows)} rows are fit to be sent")
    flags = {name: arguments[name] for name in FLAGS if name in arguments}
    try:
        answer = await context.call("bulk_add_leads", **place, **flags, leads=[lead for _, lead in table.leads])
    except (NoResponse, ResponseTooLong, ServerError) as error:
        raise await _unknown(context, place, table, error) from error
    context.notes[:] = [note for note in context.notes if not UNCOUNTED.search(note)]
    await context.progress(2, 3, f"{answer.get('leads_uploaded')} leads added")
    await _account(context, place, table, answer)
    await context.progress(3, 3, "rows accounted for")
    if answer.get("duplicated_leads"):
        context.notes.append("Leads that were there already are unchanged: update_lead changes them.")
    if flags.get("verify_leads_on_import"):
        context.notes.append(
            f"Verification spends credits, for {answer.get('leads_uploaded')} of the rows, and goes on after this: "
            "count_leads shows the results."
        )
    return told | _told(answer, table)


def _told(answer: dict[str, Any], table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {"added": answer.get("leads_uploaded"), "not_added": table.left_out.told()}
    if table.converted:
        found["domains_converted"] = table.converted
    if answer.get("remaining_in_plan") is not None:
        found["remaining_in_plan"] = answer["remaining_in_plan"]
    return found


async def _prepare(context: Context, place: dict[str, Any], table: Table) -> None:
    """Make the variables known to the campaign, and say whether it is sending."""
    if "campaign_id" not in place or not context.may_call("get_campaign"):
        return
    campaign = await context.call("get_campaign", id=place["campaign_id"])
    new = [name for name in table.variables if name not in (campaign.get("custom_variables") or {})]
    if new and context.may_call("add_campaign_variables"):
        await context.call("add_campaign_variables", id=place["campaign_id"], variables=new)
    if campaign.get("status") == 1:
        context.notes.append("The campaign is active: it mails those who were added.")


# the table


def _read_csv(text: str) -> list[Row]:
    """The records below the header, by column. Raises CallError."""
    text = text.lstrip("\ufeff").strip("\r\n")
    header_line = text.partition("\n")[0]
    delimiter = max(",;\t", key=header_line.count)
    try:
        records = [record for record in csv.reader(io.StringIO(text), delimiter=delimiter, strict=True) if record]
    except csv.Error as error:
        raise CallError(f"Nothing was sent: csv cannot be read ({error}).") from None
    header = [name.strip() for name in records[0]] if records else []
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice or "" in header:
        raise CallError(
            f"Nothing was sent: the header of csv has {'a column without a name' if not twice else ''}"
            f"{name_some(twice)}{' more than once' if twice else ''}."
        )
    if not 1 < len(records) <= MAX_ROWS + 1:
        raise CallError(f"Nothing was sent: csv has {max(0, len(records) - 1)} rows below its header; give 1 to 1,000.")
    return list(csv.DictReader(io.StringIO(text), fieldnames=header, delimiter=delimiter))[1:]


def _map_columns(rows: list[Row], given: dict[str, str]) -> dict[str, str]:
    """Which field or variable each column goes to; "" for none. Raises CallError where two go to the same."""
    names = list(dict.fromkeys(name for row in rows for name in row if name is not None))
    unknown = [name for name in given if name not in names]
    columns = {name: given[name].strip() if name in given else _field_of(name) for name in names}
    problems = [f"columns names {shorten(name, 60)}, which no row has." for name in unknown]
    for target in dict.fromkeys(columns.values()):
        sources = [name for name, meant in columns.items() if meant == target]
        if target and len(sources) > 1:
            problems.append(
                f'{name_some(sources)} would all be {target}: say in columns which of them is, and "" for others.'
            )
        if target in NOT_HERE:
            problems.append(f"{target} is not set by a table: leave it out in columns, and see bulk_add_leads.")
    if problems:
        raise CallError(f"Nothing was sent: {' '.join(problems)} The columns are {name_some(names)}.")
    return columns


def _field_of(column: str) -> str:
    """The field that a column means by its name, or a variable of that name."""
    return MEANT.get(_bare(column), column.strip())


def _unsplit(columns: dict[str, str]) -> list[str]:
    """What to say of whole names, where no column has the first name."""
    whole = [name for name, target in columns.items() if target and _bare(target) in WHOLE_NAMES]
    if not whole or "first_name" in columns.values():
        return []
    return [f"{name_some(whole)} is a variable and was not split: {{{{firstName}}}} is empty for these leads."]


def _bare(column: str) -> str:
    return re.sub(r"[\W_]+", "", column).lower()


class LeftOut:
    """Rows that were not added, by reason, numbered from 1."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, str]] = {}

    def add(self, reason: str, row: int, detail: str = "") -> None:
        self._rows.setdefault(reason, {})[row] = detail

    def told(self) -> dict[str, Any]:
        """By reason, how many there are, and which: `3, 8-12, 15 (maya@@x)`."""
        return {reason: {"count": len(rows), "rows": _ranges(rows)} for reason, rows in self._rows.items()}


def _ranges(rows: dict[int, str]) -> str:
    parts: list[list[int]] = []
    for row in sorted(rows):
        if parts and not rows[row] and not rows[parts[-1][0]] and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    shown = (
        f"{low}-{high}" if low < high else f"{low} ({rows[low]})" if rows[low] else f"{low}" for low, high in parts
    )
    return ", ".join(shown)


class Table:
    """What is sent of the rows: `leads`, each with the number of its row."""

    def __init__(self, rows: list[Row], columns: dict[str, str], *, needs_email: bool):
        self.leads: list[tuple[int, dict[str, Any]]] = []
        self.left_out = LeftOut()
        self.converted: dict[str, str] = {}
        self._columns = columns
        self._needs_email = needs_email
        self._seen: dict[str, int] = {}
        for number, row in enumerate(rows, 1):
            self._take(number, row)

    @property
    def variables(self) -> list[str]:
        """Names of the variables that are sent."""
        return list(dict.fromkeys(name for _, lead in self.leads for name in lead.get("custom_variables", ())))

    def _take(self, number: int, row: Row) -> None:
        wrong = [str(name) for name, value in row.items() if isinstance(value, (dict, list)) and name is not None]
        wrong = [name for name in wrong if self._columns[name]]
        if None in row:
            self.left_out.add("more cells than the header", number)
        elif wrong:
            self.left_out.add("value not flat", number, name_some(wrong))
        else:
            self._check(number, self._lead(row))

    def _lead(self, row: Row) -> dict[str, Any]:
        lead: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for name, value in row.items():
            target = self._columns[name]
            value = value.strip() if isinstance(value, str) else value
            if value is None or value == "" or not target:
                continue
            if target in FIELDS:
                lead[target] = value if isinstance(value, str) else str(value)
            else:
                custom[target] = value
        return {**lead, "custom_variables": custom} if custom else lead

    def _check(self, number: int, lead: dict[str, Any]) -> None:
        written = lead.get("email")
        if written is None:
            if self._needs_email or not (lead.get("first_name") or lead.get("last_name")):
                self.left_out.add("no address" if self._needs_email else "neither address nor name", number)
            else:
                self.leads.append((number, lead))
            return
        email = _as_sent(written)
        if email is None:
            self.left_out.add("invalid address", number, shorten(written, MAX_SHOWN_CHARACTERS))
        elif email.lower() in self._seen:
            self.left_out.add("twice in the call", number, f"as row {self._seen[email.lower()]}")
        else:
            self._seen[email.lower()] = number
            if email != written:
                self.converted[str(number)] = email
            self.leads.append((number, {**lead, "email": email}))


def _as_sent(email: str) -> str | None:
    """An address with its domain in ASCII, as mail needs it; None for what is not an address."""
    import idna

    local, _, domain = email.rpartition("@")
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            return None
    return f"{local}@{domain}" if LOCAL_PART.fullmatch(local) and DOMAIN.fullmatch(domain) else None


# what became of it


async def _account(context: Context, place: dict[str, Any], table: Table, answer: dict[str, Any]) -> None:
    """Find for each row that was sent and not added why: by the counters, and by reading where they leave a choice."""
    created = {entry.get("index") for entry in answer.get("created_leads") or () if isinstance(entry, dict)}
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
        known = await _known(context, place, (lead.get("email", "") for _, lead in missing))
    except InstantlyError:
        return set()
    return {row for row, lead in missing if lead.get("email", "").lower() in known}


async def _known(context: Context, place: dict[str, Any], emails: Iterable[str]) -> set[str]:
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
        known = await _known(context, place, emails) if context.may_call("list_leads") else None
    except InstantlyError:
        known = None
    if known is None:
        state = f"{ask}: read that before anything else."
    else:
        absent = LeftOut()
        for row, lead in table.leads:
            if lead.get("email", "").lower() not in known:
                absent.add("", row)
        rows = f", all but rows {absent.told()['']['rows']}" if len(known) < len(table.leads) else ""
        state = (
            f"Now {len(known)} of the {len(emails)} addresses are there{rows}; some may have been before, and others "
            f"may still come: {ask}."
        )
    again = (
        "" if len(emails) < len(table.leads) else " After that it may be called again: who is there is not added twice."
    )
    return InstantlyError(
        f"It is not known whether the rows were added, and they were not sent again ({error}) {state}{again}"
    )
