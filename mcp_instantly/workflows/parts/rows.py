"""Tables of people: read, and each row checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from mcp_instantly.errors import CallError
from mcp_instantly.text import name_some, shorten
from mcp_instantly.workflows.parts.mapping import Mapping

Row = dict[Any, Any]
"""A record by column; cells beyond the last column stand under None."""

MAX_ROWS = 1_000
MAX_SHOWN_CHARACTERS = 40
"""Characters of an address that is quoted."""

TWICE = "twice in the call"
"""Why a row is left out whose address an earlier one has."""

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

    def __init__(self, rows: list[Row], mapping: Mapping, *, needs_email: bool):
        super().__init__(needs_email=needs_email)
        self._mapping = mapping
        for number, row in enumerate(rows, 1):
            self._read(number, row)

    def _read(self, number: int, row: Row) -> None:
        nested = [name for name, value in row.items() if isinstance(value, (dict, list)) and name is not None]
        nested = [name for name in nested if self._mapping.columns[name]]
        if None in row:
            self.left_out.add("more cells than the header", number)
        elif nested:
            self.left_out.add("value not flat", number, name_some(nested))
        else:
            self.take(number, self._mapping.lead(row))


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
