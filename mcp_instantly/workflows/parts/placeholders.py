"""The `{{variables}}` of a campaign's copy: which it needs, what a lead or sender has for them, and how it reads."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]

SPINTAX = "RANDOM"

OF_SENDERS = {
    "accountSignature": ("signature",),
    "sendingAccountEmail": ("email",),
    "sendingAccountName": ("first_name", "last_name"),
    "sendingAccountFirstName": ("first_name",),
    "sendingAccountLastName": ("last_name",),
}
"""Variables that a sender fills, with the fields of the account that they take."""

OF_LEADS = {
    "email": "email",
    "firstName": "first_name",
    "lastName": "last_name",
    "companyName": "company_name",
    "jobTitle": "job_title",
    "companyDomain": "company_domain",
    "personalization": "personalization",
    "phone": "phone",
    "website": "website",
}
"""Variables that every lead may have, with the fields that they take. Custom ones stand in its payload."""

_PLACE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_BREAK = re.compile(r"<br\s*/?>|</(?:p|div|li|tr|h\d)>", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")


def places(text: str) -> Iterator[tuple[str, str | None]]:
    """The variables that a text names, each with its fallback: None without one, as in `{{firstName|there}}`."""
    for place in _PLACE.finditer(text):
        name, *fallback = [part.strip() for part in place[1].split("|")]
        if name and not (name == SPINTAX and fallback):
            yield name, fallback[0] if fallback else None


def needed(text: str) -> set[str]:
    """The variables of a text that leave a hole where they are empty: those that have no fallback."""
    return {name for name, fallback in places(text) if not fallback}


def has_broken_braces(text: str) -> bool:
    """Whether `{{` or `}}` is left once every variable is taken out, spintax around variables included."""
    left = _PLACE.sub("", _PLACE.sub("", text))
    return "{{" in left or "}}" in left


def values_of_lead(lead: Record) -> Record:
    """What a lead has for variables, without what is empty."""
    payload = lead.get("payload")
    found = {name: lead.get(field) for name, field in OF_LEADS.items()}
    found.update(payload if isinstance(payload, dict) else {})
    return {name: value for name, value in found.items() if _is_filled(value)}


def values_of_sender(account: Record) -> Record:
    """What a sender has for variables, without what is empty."""
    found = {
        name: " ".join(str(account[field]) for field in fields if _is_filled(account.get(field)))
        for name, fields in OF_SENDERS.items()
    }
    return {name: value for name, value in found.items() if value}


def fill(text: str, values: Record) -> str:
    """A text with its variables filled; a hole is marked, and spintax says its first option."""

    def resolve(place: re.Match[str]) -> str:
        name, *options = [part.strip() for part in place[1].split("|")]
        if name == SPINTAX and options:
            return options[0]
        return str(values.get(name) or (options[0] if options else "") or f"[{name} IS EMPTY]")

    def choose(place: re.Match[str]) -> str:
        name, *options = [part.strip() for part in place[1].split("|")]
        return options[0] if name == SPINTAX and options else place[0]

    # Spintax that had variables inside can be read once these are filled. What they hold is not copy.
    return _PLACE.sub(choose, _PLACE.sub(resolve, text))


def plain(markup: str) -> str:
    """HTML as the text that a reader sees, its lines joined by a slash."""
    lines = html.unescape(_TAG.sub("", _BREAK.sub("\n", markup))).splitlines()
    return " / ".join(filter(None, (" ".join(line.split()) for line in lines)))


def _is_filled(value: Any) -> bool:
    return value is not None and str(value).strip() != ""
