"""Tables of people: read, their columns mapped to the fields of a lead, and each row checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.text import name_some, shorten

Row = dict[Any, Any]
"""A record by column; cells beyond the last column stand under None."""

MAX_ROWS = 1_000
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

TWICE = "twice in the call"
"""Why a row is left out whose address an earlier one has."""

WHOLE_NAMES = ("name", "fullname", "contactname")
"""Columns that hold what nobody can split for certain."""

LOCAL_PART = re.compile(r"[!#-'*+/-9=?A-Z^-~-]+(\.[!#-'*+/-9=?A-Z^-~-]+)*")
DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*", re.IGNORECASE)


def read_csv(text: str) -> list[Row]:
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


def map_columns(rows: list[Row], given: dict[str, str]) -> dict[str, str]:
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


def unsplit(columns: dict[str, str]) -> list[str]:
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

    def reasons(self) -> Iterator[tuple[int, str, str]]:
        """Each row with its reason and the detail of it."""
        for reason, rows in self._rows.items():
            for row, detail in rows.items():
                yield row, reason, detail

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


class Leads:
    """Leads that are fit to be sent, each with the number of its row; and the rows that are left out."""

    def __init__(self, *, needs_email: bool):
        self.leads: list[tuple[int, dict[str, Any]]] = []
        self.left_out = LeftOut()
        self.converted: dict[str, str] = {}
        self._needs_email = needs_email
        self._seen: dict[str, int] = {}

    @property
    def variables(self) -> list[str]:
        """Names of the variables that are sent."""
        return list(dict.fromkeys(name for _, lead in self.leads for name in lead.get("custom_variables", ())))

    def take(self, number: int, lead: dict[str, Any]) -> None:
        """Check a lead, and keep it or leave its row out."""
        written = lead.get("email")
        if written is None:
            if self._needs_email or not (lead.get("first_name") or lead.get("last_name")):
                self.left_out.add("no address" if self._needs_email else "neither address nor name", number)
            else:
                self.leads.append((number, lead))
            return
        email = as_sent(written)
        if email is None:
            self.left_out.add("invalid address", number, shorten(written, MAX_SHOWN_CHARACTERS))
        elif email.lower() in self._seen:
            self.left_out.add(TWICE, number, f"as row {self._seen[email.lower()]}")
        else:
            self._seen[email.lower()] = number
            if email != written:
                self.converted[str(number)] = email
            self.leads.append((number, {**lead, "email": email}))


class Table(Leads):
    """What is sent of the rows of a table, by its columns."""

    def __init__(self, rows: list[Row], columns: dict[str, str], *, needs_email: bool):
        super().__init__(needs_email=needs_email)
        self._columns = columns
        for number, row in enumerate(rows, 1):
            self._read(number, row)

    def _read(self, number: int, row: Row) -> None:
        wrong = [str(name) for name, value in row.items() if isinstance(value, (dict, list)) and name is not None]
        wrong = [name for name in wrong if self._columns[name]]
        if None in row:
            self.left_out.add("more cells than the header", number)
        elif wrong:
            self.left_out.add("value not flat", number, name_some(wrong))
        else:
            self.take(number, self._lead(row))

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


def as_sent(email: str) -> str | None:
    """An address with its domain in ASCII, as mail needs it; None for what is not an address."""
    local, _, written = email.rpartition("@")
    domain = domain_as_sent(written)
    return f"{local}@{domain}" if domain and LOCAL_PART.fullmatch(local) else None


def domain_as_sent(domain: str) -> str | None:
    """A domain in ASCII; None for what is not a domain."""
    import idna

    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError:
            return None
    return domain if DOMAIN.fullmatch(domain) else None
