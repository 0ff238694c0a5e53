"""A directory of fictional companies and people, for searches. It is the same everywhere, and made when first needed.

Ages of news and signals are in days before whatever day it is: the directory does not grow old.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mcp_instantly.sandbox.directory import buying_signals, industries, words
from mcp_instantly.sandbox.directory.job_titles import (
    ASSOCIATE,
    CXO,
    DEPARTMENTS,
    DIRECTOR,
    ENTRY,
    EXECUTIVE,
    INTERN,
    MANAGER,
    MID,
    OWNER,
    PARTNER,
    SENIOR,
    UNPAID,
    VICE,
    Title,
    titles,
)
from mcp_instantly.sandbox.directory.words import Place

SEED = "directory 1"
COMPANIES = 5200

Told = tuple[int, dict[str, tuple[str, ...]]]
"""A signal: how many days ago, and its keywords by field."""

T = TypeVar("T")

LEVELS = {
    CXO: 12, VICE: 11, DIRECTOR: 15, MANAGER: 17, EXECUTIVE: 4, PARTNER: 2, SENIOR: 11, MID: 13, ASSOCIATE: 5,
    ENTRY: 6, INTERN: 2, UNPAID: 1,
}  # fmt: skip
TEAMS = dict(zip(DEPARTMENTS, (16, 14, 7, 10, 13, 12, 19, 6, 3), strict=True))
SIZES = ((2, 25, 34), (25, 100, 28), (100, 250, 16), (250, 1000, 12), (1000, 10_000, 8), (10_000, 180_000, 2))
"""Smallest, largest, weight."""
ROUNDS = {"seed": 30, "series_a": 24, "pre_seed": 14, "series_b": 14, "angel": 10, "series_c": 8, "series_d": 4}

FOUND, CATCH_ALL, RISKY, INVALID = 0.82, 0.88, 0.91, 0.93
"""Of all people, up to which share an address is good, catches all, is risky, is invalid; the rest has none."""


@dataclasses.dataclass(slots=True, eq=False)
class Company:
    number: int
    name: str
    domain: str
    industry: str
    sub_industry: str
    employees: int
    revenue: float
    place: Place
    description: str
    technologies: tuple[str, ...]
    news: tuple[str, ...]
    jobs: tuple[str, ...]
    funding: str
    signals: dict[str, Told]

    @property
    def id(self) -> str:
        """The number that a professional network knows it by."""
        return str(70_000_000 + self.number * 37)


@dataclasses.dataclass(slots=True, eq=False)
class Person:
    number: int
    first: str
    last: str
    title: Title
    company: Company
    place: Place
    luck: float
    signals: dict[str, Told]

    @property
    def id(self) -> str:
        return f"person-{self.number:05d}"

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"

    @property
    def address(self) -> str:
        """The address that there would be."""
        return f"{self.first}.{self.last}@{self.company.domain}".lower()

    @property
    def email(self) -> str | None:
        """The address that can be found."""
        return self.address if self.luck < INVALID else None

    @property
    def profile(self) -> str:
        return f"https://linkedin.example/in/{self.first}-{self.last}-{self.number:05d}".lower()


@dataclasses.dataclass(frozen=True)
class Directory:
    companies: tuple[Company, ...]
    people: tuple[Person, ...]
    staff: tuple[list[Person], ...]
    """The people of each company, by its number."""
    by_domain: dict[str, Company]
    by_id: dict[str, Person]


@functools.cache
def directory() -> Directory:
    """The one directory there is."""
    draw = random.Random(SEED)
    companies = _companies(draw)
    people: list[Person] = []
    staff: list[list[Person]] = []
    for company in companies:
        staff.append(_staff(draw, company, len(people)))
        people += staff[-1]
    # In no order of companies, so that the first matches of a search come from many.
    draw.shuffle(people)
    for number, person in enumerate(people):
        person.number = number
    return Directory(
        tuple(companies),
        tuple(people),
        tuple(staff),
        {company.domain: company for company in companies},
        {person.id: person for person in people},
    )


def _chooser(draw: random.Random, weights: dict[T, int]) -> Callable[[], T]:
    """A quick weighted choice."""
    options, marks = list(weights), list(itertools.accumulate(weights.values()))
    return lambda: options[bisect.bisect(marks, draw.random() * marks[-1])]


def _one(draw: random.Random, options: Sequence[T]) -> T:
    return options[int(draw.random() * len(options))]


def _some(draw: random.Random, options: Sequence[T], count: int) -> tuple[T, ...]:
    """Up to `count` options, none of them twice."""
    return tuple(dict.fromkeys(_one(draw, options) for _ in range(count)))


def _companies(draw: random.Random) -> list[Company]:
    bases = [begin + end for begin in words.BEGINNINGS.split() for end in words.ENDINGS.split()]
    bases.remove("Brightpath")  # the demo workspace itself
    draw.shuffle(bases)
    industry_of = _chooser(draw, {name: industries.WEIGHTS.get(name, 1) for name in industries.SUB_INDUSTRIES})
    size_of = _chooser(draw, {(low, high): weight for low, high, weight in SIZES})
    place_of = _chooser(draw, {place: place.weight for place in words.PLACES})
    round_of = _chooser(draw, {name: ROUNDS.get(name, 1) for name in industries.FUNDING})
    all_jobs = [title.text for found in titles().values() for title in found if title.level not in (OWNER, PARTNER)]
    made = []
    for number in range(COMPANIES):
        industry, (low, high) = industry_of(), size_of()
        name = f"{bases[number]} {_one(draw, words.SUFFIXES)}".strip()
        sold = _some(draw, industries.OFFERS[industry], 2)
        employees = int(low * (high / low) ** draw.random())
        made.append(
            Company(
                number=number,
                name=name,
                domain=bases[number].lower() + ".example",
                industry=industry,
                sub_industry=_one(draw, industries.SUB_INDUSTRIES[industry]),
                employees=employees,
                revenue=round(employees * (0.05 + 0.3 * draw.random()), 2),
                place=place_of(),
                description=f"{name} offers {' and '.join(sold)} for {_one(draw, industries.CUSTOMERS)}.",
                technologies=_some(draw, industries.TECHNOLOGIES, 2 + int(draw.random() * 7)),
                news=_some(draw, industries.NEWS, int(draw.random() * 4)),
                jobs=_some(draw, all_jobs, int(draw.random() * 4)),
                # Large companies are past it.
                funding=round_of() if employees < 2500 and draw.random() < 0.4 else "",
                signals=_signals(draw, personal=False),
            )
        )
    return made


def _signals(draw: random.Random, *, personal: bool) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for name, share, fields in _categories(personal):
        if draw.random() < share:
            found[name] = (int(draw.random() * 120), {field: _one(draw, options) for field, options in fields})
    return found


@functools.cache
def _categories(personal: bool) -> list[tuple[str, float, list[tuple[str, list[tuple[str, ...]]]]]]:
    """The categories about people or about companies; for each field, what can be said in one word or two."""
    return [
        (name, share, [(field, [*zip(said), *itertools.combinations(said, 2)]) for field, said in fields.items()])
        for name, (about_people, share, fields) in buying_signals.CATEGORIES.items()
        if about_people == personal
    ]


@functools.cache
def _names(pool: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(words.FIRST[pool].split()), tuple(words.LAST[pool].split())


@functools.cache
def _levels() -> tuple[list[str], list[int], list[str], list[int]]:
    return (
        list(LEVELS),
        list(itertools.accumulate(LEVELS.values())),
        list(TEAMS),
        list(itertools.accumulate(TEAMS.values())),
    )


def _staff(draw: random.Random, company: Company, number: int) -> list[Person]:
    """Those of a company whom the directory knows: more of a large one, and nearly always its head."""
    levels, level_marks, teams, team_marks = _levels()
    known = titles()
    small = company.employees < 60
    head: tuple[tuple[str, str], float] = ((OWNER, "Other"), 0.7) if small else ((CXO, "Other"), 0.8)
    count = 2 + int(draw.random() * min(4 + company.employees.bit_length() / 2, 9) * 0.7)
    taken: set[str] = set()
    found: list[Any] = []
    while len(found) < count:
        place = company.place if draw.random() < 0.85 else _one(draw, words.PLACES)
        firsts, lasts = _names(place.names)
        first, last = _one(draw, firsts), _one(draw, lasts)
        if first + last in taken:
            continue
        taken.add(first + last)
        if not found and draw.random() < head[1]:
            kind = head[0]
        else:
            level = levels[bisect.bisect(level_marks, draw.random() * level_marks[-1])]
            team = teams[bisect.bisect(team_marks, draw.random() * team_marks[-1])]
            kind = (level, "Other" if level == PARTNER else team)
        title = _one(draw, known[kind])
        told = _signals(draw, personal=True)
        found.append(Person(number, first, last, title, company, place, draw.random(), told))
    return found


def find_company(domain: str) -> Company:
    """What is known about the company behind a domain; one that the directory does not hold is taken for another."""
    held = directory()
    known = held.by_domain.get(domain)
    if known:
        return known
    place = random.Random(f"{SEED} {domain}").randrange(len(held.companies))
    return held.companies[place]


def count_keywords(category: str, field: str) -> dict[str, int] | None:
    """How often each keyword occurs in fresh signals; None for a category or a field that there is not."""
    about_people, _, fields = buying_signals.CATEGORIES.get(category, (False, 0, {}))
    if field not in fields:
        return None
    held = directory()
    records: Sequence[Any] = held.people if about_people else held.companies
    counts: dict[str, int] = {}
    for record in records:
        age, told = record.signals.get(category, (buying_signals.WINDOW, {}))
        if age < buying_signals.WINDOW:
            for word in told[field]:
                counts[word] = counts.get(word, 0) + 1
    return counts
