"""Job titles: which there are, in which department and at which level, and which of them a search means."""

from __future__ import annotations

import dataclasses
import functools
import re

CXO, VICE, DIRECTOR, MANAGER = "Chief X Officer (CxO)", "Vice President (VP)", "Director", "Manager"
OWNER, PARTNER, EXECUTIVE = "Owner", "Partner", "Executive"
SENIOR, MID, ASSOCIATE, ENTRY = "Senior", "Mid-Senior level", "Associate", "Entry level"
INTERN, UNPAID = "Internship", "Unpaid / Internship"
LEVELS = (
    CXO, VICE, DIRECTOR, MANAGER, OWNER, PARTNER, EXECUTIVE, SENIOR, MID, ASSOCIATE, ENTRY, INTERN, UNPAID,
)  # fmt: skip
UNUSED_LEVELS = ("C-Level", "VP-Level", "Director-Level", "Manager-Level", "Staff")
"""Levels that a search accepts and no person has."""

DEPARTMENTS = (
    "Engineering", "Finance & Administration", "Human Resources", "IT & IS", "Marketing", "Operations", "Sales",
    "Support", "Other",
)  # fmt: skip

_CHIEFS = {
    "Engineering": ("CTO", "Chief Technology Officer"),
    "Finance & Administration": ("CFO", "CFO", "Chief Financial Officer"),
    "Human Resources": ("Chief People Officer", "Chief Human Resources Officer"),
    "IT & IS": ("CIO", "Chief Information Officer", "Chief Information Security Officer"),
    "Marketing": ("CMO", "Chief Marketing Officer"),
    "Operations": ("COO", "Chief Operating Officer"),
    "Sales": ("Chief Revenue Officer", "Chief Sales Officer"),
    "Support": ("Chief Customer Officer",),
    "Other": ("CEO", "Chief Executive Officer", "Chief Strategy Officer"),
}
_FIELDS = {
    "Engineering": ("Engineering", "Software Development", "Product"),
    "Finance & Administration": ("Finance", "Accounting", "Treasury"),
    "Human Resources": ("Human Resources", "Talent", "People"),
    "IT & IS": ("IT", "Information Security", "Data"),
    "Marketing": ("Marketing", "Growth", "Communications"),
    "Operations": ("Operations", "Supply Chain", "Procurement"),
    "Sales": ("Sales", "Business Development", "Partnerships"),
    "Support": ("Customer Success", "Customer Support"),
    "Other": ("Strategy", "Legal", "Research"),
}
_ROLES = {
    "Engineering": ("Software Engineer", "Mechanical Engineer", "Quality Engineer"),
    "Finance & Administration": ("Accountant", "Financial Analyst", "Controller"),
    "Human Resources": ("Recruiter", "HR Business Partner"),
    "IT & IS": ("Systems Administrator", "Data Engineer", "Security Analyst"),
    "Marketing": ("Content Marketer", "Demand Generation Specialist", "Designer"),
    "Operations": ("Operations Analyst", "Buyer", "Logistics Planner"),
    "Sales": ("Account Executive", "Sales Development Representative", "Sales Engineer"),
    "Support": ("Support Engineer", "Customer Success Specialist"),
    "Other": ("Legal Counsel", "Researcher", "Consultant"),
}
_HEADS = {OWNER: ("Owner", "Founder", "Co-Founder"), PARTNER: ("Managing Partner", "Partner")}
_PATTERNS = {
    VICE: ("VP {field}", "VP of {field}", "Vice President {field}"),
    DIRECTOR: ("Director of {field}", "{field} Director", "Head of {field}"),
    MANAGER: ("{field} Manager", "{field} Team Lead"),
    EXECUTIVE: ("{field} Executive",),
    INTERN: ("{field} Intern",),
    UNPAID: ("{field} Trainee",),
    SENIOR: ("Senior {role}",),
    MID: ("{role}", "Lead {role}"),
    ASSOCIATE: ("Associate {role}",),
    ENTRY: ("Junior {role}",),
}


@dataclasses.dataclass(frozen=True)
class Title:
    text: str
    level: str
    department: str


@functools.cache
def titles() -> dict[tuple[str, str], tuple[Title, ...]]:
    """All titles by level and department. Owners and partners are in the department Other only."""
    found: dict[tuple[str, str], tuple[Title, ...]] = {}
    for department in DEPARTMENTS:
        written = {CXO: _CHIEFS[department], **(_HEADS if department == "Other" else {})}
        for level, patterns in _PATTERNS.items():
            words = _ROLES if "{role}" in patterns[0] else _FIELDS
            written[level] = tuple(p.format(field=w, role=w) for w in words[department] for p in patterns)
        for level, texts in written.items():
            found[level, department] = tuple(Title(text, level, department) for text in texts)
    return found


_SHORT = {
    "ceo": "chief executive officer",
    "cfo": "chief financial officer",
    "cio": "chief information officer",
    "ciso": "chief information security officer",
    "cmo": "chief marketing officer",
    "coo": "chief operating officer",
    "cro": "chief revenue officer",
    "cto": "chief technology officer",
    "chro": "chief human resources officer",
    "vp": "vice president",
    "svp": "senior vice president",
    "hr": "human resources",
    "sdr": "sales development representative",
    "dev": "development",
    "sr": "senior",
    "jr": "junior",
    "of": "",
    "the": "",
    "and": "",
}


@functools.lru_cache(maxsize=4096)
def spell_out(text: str) -> str:
    """A title in full words between single spaces, so that VP Sales and Vice President of Sales are one."""
    words = (_SHORT.get(word, word) for word in re.findall(r"\w+", text.lower()))
    return " " + " ".join(word for word in words if word) + " "


def is_meant(title: str, phrases: tuple[str, ...]) -> bool:
    """Whether one of these phrases, spelled out, stands in the title."""
    full = spell_out(title)
    return any(phrase in full for phrase in phrases)
