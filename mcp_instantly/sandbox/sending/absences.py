"""Out-of-office notes: until when their authors are away."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

LONGEST = dt.timedelta(days=366)
"""How far ahead a date may lie to be that of a return."""

_SHORT = {name[:3].lower(): number for number, name in enumerate(MONTHS, 1)}
_MONTH = rf"(?P<month>{'|'.join(MONTHS)}|Sept|{'|'.join(name[:3] for name in MONTHS)})\b\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.)?"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_DATES = (
    re.compile(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})\b"),
    re.compile(rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}{_YEAR}\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\s+{_DAY}{_YEAR}\b", re.IGNORECASE),
)
_WEEKDAY = re.compile(
    rf"\b(?:until|till|on|by|back|return(?:ing)?)\s+(?:next\s+)?({'|'.join(WEEKDAYS)})\b", re.IGNORECASE
)


def return_date(text: str, today: dt.date) -> dt.date | None:
    """The date on which the author of a note is back: the last that it names within a year, or its weekday.

    None where the text names none.
    """
    named = [date for date in _dates(text, today) if today < date <= today + LONGEST]
    if named:
        return max(named)
    weekday = _WEEKDAY.search(text)
    if weekday is None:
        return None
    ahead = (WEEKDAYS.index(weekday.group(1).title()) - today.weekday() - 1) % 7 + 1
    return today + dt.timedelta(days=ahead)


def _dates(text: str, today: dt.date) -> Iterator[dt.date]:
    for pattern in _DATES:
        for found in pattern.finditer(text):
            month = found["month"]
            number = int(month) if month.isdigit() else _SHORT[month[:3].lower()]
            for year in [int(found["year"])] if found["year"] else [today.year, today.year + 1]:
                try:
                    date = dt.date(year, number, int(found["day"]))
                except ValueError:
                    continue
                if found["year"] or date > today:
                    yield date
                    break
