"""Filters of SuperSearch by the words that people have for them: those that take any text, and sizes of companies."""

from __future__ import annotations

import re
from typing import Any

OPEN: dict[str, Any] = {
    "title": {"include": ["Head of Sales"], "exclude": ["Assistant"]},
    "name": ["Rosa Marin"],
    "company_name": {"include": ["Acme"], "exclude": ["Acme Holding"]},
    "locations": {"include": [{"city": "Berlin", "country": "Germany"}, {"state": "California"}]},
    "domains": ["acme.example"],
    "look_alike": "acme.example",
    "keyword_filter": {"include": "payouts, invoices", "include_mode": "ANY"},
    "technologies": ["Salesforce"],
    "jobListing": ["Account Executive"],
    "signals": ["job_change"],
}
"""Filters that take any text, each with an example of its form."""

OTHER_NAMES = {
    **dict.fromkeys(("job title", "position", "role"), "title"),
    **dict.fromkeys(("location", "place", "city", "state", "region", "country"), "locations"),
    **dict.fromkeys(("company", "organization"), "company_name"),
    **dict.fromkeys(("keyword", "company keyword"), "keyword_filter"),
    **dict.fromkeys(("technology", "tech stack"), "technologies"),
    **dict.fromkeys(("domain", "website"), "domains"),
    **dict.fromkeys(("lookalike", "similar company"), "look_alike"),
    **dict.fromkeys(("job post", "job posting", "hiring for"), "jobListing"),
    **dict.fromkeys(("signal", "intent"), "signals"),
    **dict.fromkeys(("company size", "size", "headcount", "employee", "number of employee"), "employeeCount"),
    **dict.fromkeys(("sub industry", "subindustry"), "subIndustry"),
    **dict.fromkeys(("seniority", "management level"), "level"),
    **dict.fromkeys(("funding", "funding round"), "funding_type"),
}
"""What people call filters, in the plain form."""

NUMBER = r"(\d+(?:[.,]\d+)*)\s*(k\b)?"
PEOPLE = r"(?:employees?|people|persons?|staff|headcount|ftes?)\b"
BETWEEN = re.compile(rf"(?:between\s+|from\s+)?{NUMBER}\s*(?:-|\u2013|to|and)\s*{NUMBER}\s*{PEOPLE}", re.IGNORECASE)
AT_LEAST = re.compile(rf"(?:over|more than|at least|above|>=?)\s*{NUMBER}\s*{PEOPLE}", re.IGNORECASE)
OR_MORE = re.compile(rf"{NUMBER}\s*(?:\+|or more)\s*{PEOPLE}", re.IGNORECASE)
AT_MOST = re.compile(rf"(?:under|less than|fewer than|up to|at most|below|<=?)\s*{NUMBER}\s*{PEOPLE}", re.IGNORECASE)


def plain(text: str) -> str:
    """Lower case, words only, without the ending of a plural."""
    words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).lower())
    return " ".join(map(singular, words))


def singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def filter_named(text: str, closed: list[str]) -> str | None:
    """The filter that a text names, rather than a value of it; `closed` are those with a list of values."""
    said = plain(text)
    return next((name for name in (*closed, *OPEN) if plain(name) == said), OTHER_NAMES.get(said))


def size_in(text: str) -> tuple[dict[str, Any] | None, str]:
    """The number of employees that a text asks for, as employeeCount takes it, and what else the text says."""
    for pattern, op, names in (
        (BETWEEN, "between", ("min", "max")),
        (AT_LEAST, "gte", ("min",)),
        (OR_MORE, "gte", ("min",)),
        (AT_MOST, "lte", ("max",)),
    ):
        if match := pattern.search(text):
            digits = match.groups()
            numbers = [_number(*digits[place : place + 2]) for place in range(0, len(digits), 2)]
            rest = f"{text[: match.start()]} {text[match.end() :]}"
            return {"op": op, **dict(zip(names, numbers, strict=True))}, rest
    return None, text


def _number(digits: str, thousands: str | None) -> int:
    if thousands:
        return int(float(digits.replace(",", ".")) * 1000)
    return int(re.sub(r"[.,]", "", digits))
