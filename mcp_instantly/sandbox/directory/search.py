"""Searching the directory: which companies, and which of their people, a set of filters means."""

from __future__ import annotations

import functools
import itertools
import operator
import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from mcp_instantly.sandbox.directory.buying_signals import FRESH
from mcp_instantly.sandbox.directory.industries import EMPLOYEES, REVENUE, SUB_INDUSTRIES
from mcp_instantly.sandbox.directory.job_titles import is_meant, spell_out
from mcp_instantly.sandbox.directory.locations import Filters, place_tests, wanted_places
from mcp_instantly.sandbox.directory.population import SEED, Company, Person, directory

CompanyTest = Callable[[Company], bool]
PersonTest = Callable[[Person], bool]
T = TypeVar("T")

_WORD = re.compile(r"[^\W_]+")


def search(filters: Filters, within: Filters | None = None) -> Iterator[Person]:
    """The people who fit all filters, always in the same order. An empty filter asks for nothing.

    With `within`, only those at companies that these other filters mean.
    """
    held = directory()
    tests = [*_company_tests(filters), *_company_tests(within or {})]
    people = _staff_of(_that_pass(tests, held.companies)) if tests else held.people
    found = _that_pass(_person_tests(filters), people)
    return one_per_company(found) if filters.get("show_one_lead_per_company") else found


def _staff_of(companies: Iterable[Company]) -> list[Person]:
    """The people at these companies, in the order of the directory."""
    staff = directory().staff
    people = itertools.chain.from_iterable(staff[company.number] for company in companies)
    return sorted(people, key=operator.attrgetter("number"))


def one_per_company(people: Iterable[Person]) -> Iterator[Person]:
    """The first of these people at each company."""
    met: set[int] = set()
    for person in people:
        if person.company.number not in met:
            met.add(person.company.number)
            yield person


def search_companies(filters: Filters) -> Iterator[Company]:
    """The companies that fit all filters, always in the same order."""
    return _that_pass(_company_tests(filters), directory().companies)


def _that_pass(tests: Iterable[Callable[[T], bool]], things: Iterable[T]) -> Iterator[T]:
    """The things that pass all tests."""
    for test in tests:
        things = filter(test, things)
    return iter(things)


def shows_company_place(filters: Filters) -> bool:
    """Whether places are those of companies, not those of people."""
    return (filters.get("location_mode") or filters.get("locationMode")) == "company"


# companies


def _is_among(field: str, values: frozenset[str], wanted: bool) -> CompanyTest:
    return lambda company: (getattr(company, field) in values) == wanted


def _company_tests(filters: Filters) -> list[CompanyTest]:
    tests: list[CompanyTest] = []
    for name, field in (("industry", "industry"), ("subIndustry", "sub_industry")):
        included, excluded = _both(filters, name)
        if included:
            tests.append(_is_among(field, frozenset(included), True))
        if excluded:
            tests.append(_is_among(field, frozenset(excluded), False))
    sizes = [_band(size) for size in filters.get("employeeCount") or ()]
    if sizes:
        tests.append(lambda c: any(low <= c.employees <= high for low, high in sizes))
    sums = [REVENUE[name] for name in filters.get("revenue") or ()]
    if sums:
        tests.append(lambda c: any(low <= c.revenue <= high for low, high in sums))
    named, unnamed = ([_plain(name) for name in names] for names in _both(filters, "company_name"))
    if named:
        tests.append(lambda c: any(name in _plain(c.name) for name in named))
    if unnamed:
        tests.append(lambda c: not any(name in _plain(c.name) for name in unnamed))
    domains = frozenset(_host(domain) for domain in filters.get("domains") or () if domain.strip())
    if domains:
        tests.append(lambda c: c.domain in domains)
    return tests + _company_facts(filters)


def _company_facts(filters: Filters) -> list[CompanyTest]:
    tests: list[CompanyTest] = []
    tools = _lower(filters.get("technologies"))
    if tools:
        tests.append(lambda c: any(tool.lower() in tools for tool in c.technologies))
    news = frozenset(filters.get("news") or ())
    if news:
        tests.append(lambda c: not news.isdisjoint(c.news))
    jobs = _phrases(filters["jobListing"] if "jobListing" in filters else filters.get("jobListingFilter"))
    if jobs:
        tests.append(lambda c: any(is_meant(job, jobs) for job in c.jobs))
    rounds = frozenset(filters.get("funding_type") or filters.get("fundingType") or ())
    if rounds:
        tests.append(lambda c: c.funding in rounds)
    domain = filters.get("look_alike") or filters.get("lookAlike")
    if domain:
        tests.append(_resembles(_host(domain), broad=filters.get("lookAlikeMode") == "broad"))
    if filters.get("website_visitors"):
        # No pixel is connected, so no visitor is known.
        tests.append(lambda c: False)
    tests += _keyword_tests(filters.get("keyword_filter") or {})
    included, excluded = wanted_places(filters)
    if shows_company_place(filters):
        tests += place_tests(lambda c: c.place, included, excluded)
    return tests


def _band(size: str | dict[str, Any]) -> tuple[float, float]:
    if isinstance(size, str):
        return EMPLOYEES[size]
    low, high = size.get("min"), size.get("max")
    if size["op"] == "gte":
        high = None
    if size["op"] == "lte":
        low = None
    return (0 if low is None else low, float("inf") if high is None else high)


def _resembles(domain: str, *, broad: bool) -> CompanyTest:
    """Whether a company is in the same line of business as another, and, unless `broad`, of a similar size.

    What a company does that the directory does not hold follows from its domain, by chance.
    """
    known = directory().by_domain.get(domain)
    if known:
        industry, line, size = known.industry, known.sub_industry, known.employees
    else:
        draw = random.Random(f"{SEED} {domain}")
        industry = draw.choice(list(SUB_INDUSTRIES))
        line, size = draw.choice(SUB_INDUSTRIES[industry]), draw.randint(20, 500)
    if broad:
        return lambda c: c.industry == industry and c.domain != domain
    return lambda c: c.sub_industry == line and size / 5 <= c.employees <= size * 5 and c.domain != domain


def _keyword_tests(wanted: Filters) -> list[CompanyTest]:
    """Keywords stand between commas; they are looked for in what a company says about itself."""
    included, excluded = (
        [_plain(word) for word in (wanted.get(name) or "").split(",") if word.strip()]
        for name in ("include", "exclude")
    )
    tests: list[CompanyTest] = []
    if included:
        enough = all if wanted.get("include_mode") == "ALL" else any
        tests.append(lambda c: enough(word in _about(c) for word in included))
    if excluded:
        tests.append(lambda c: not any(word in _about(c) for word in excluded))
    return tests


@functools.lru_cache(maxsize=8192)
def _about(company: Company) -> str:
    said = (company.description, company.industry, company.sub_industry, " ".join(company.technologies))
    return "".join(_plain(text) for text in said)


# people


def _person_tests(filters: Filters) -> list[PersonTest]:
    tests: list[PersonTest] = []
    levels, departments = frozenset(filters.get("level") or ()), frozenset(filters.get("department") or ())
    if levels:
        tests.append(lambda p: p.title.level in levels)
    if departments:
        tests.append(lambda p: p.title.department in departments)
    included, excluded = (_phrases(phrases) for phrases in _both(filters, "title"))
    exact = [(filters.get("title") or {}).get(mode) == "EXACT" for mode in ("includeMode", "excludeMode")]
    if included:
        tests.append(functools.partial(_has_title, phrases=included, wanted=True, exact=exact[0], known={}))
    if excluded:
        tests.append(functools.partial(_has_title, phrases=excluded, wanted=False, exact=exact[1], known={}))
    names = [_plain(name) for name in filters.get("name") or () if name.strip()]
    if names:
        tests.append(lambda p: any(name in f" {p.first} {p.last} ".lower() for name in names))
    signals = [_signal(signal) for signal in filters.get("signals") or ()]
    if signals:
        tests.append(lambda p: any(_tells(p, *signal) for signal in signals))
    if not shows_company_place(filters):
        tests += place_tests(lambda p: p.place, *wanted_places(filters))
    return tests


def _has_title(person: Person, phrases: tuple[str, ...], wanted: bool, exact: bool, known: dict[str, bool]) -> bool:
    """Many people share few titles, so each is looked at once: `known` remembers."""
    title = person.title.text
    if title not in known:
        known[title] = spell_out(title) in phrases if exact else is_meant(title, phrases)
    return known[title] == wanted


def _signal(signal: str | dict[str, Any]) -> tuple[str, float, Any]:
    if isinstance(signal, str):
        return signal, FRESH, None
    keywords = signal.get("keywords")
    if isinstance(keywords, dict):
        keywords = {field: _lower(wanted) for field, wanted in keywords.items() if wanted}
    elif keywords:
        keywords = _lower(keywords)
    return signal["key"], signal.get("period_days", FRESH), keywords


def _tells(person: Person, category: str, days: float, keywords: Any) -> bool:
    """Whether a person or the company has a signal this fresh: with one word of a list, or one in every field."""
    told = person.signals.get(category) or person.company.signals.get(category)
    if told is None or told[0] >= days:
        return False
    if isinstance(keywords, dict):
        return all(not wanted.isdisjoint(told[1].get(field, ())) for field, wanted in keywords.items())
    return not keywords or any(not keywords.isdisjoint(words) for words in told[1].values())


# words


def _both(filters: Filters, name: str) -> tuple[list[str], list[str]]:
    wanted = filters.get(name) or {}
    included, excluded = ([word for word in wanted.get(side) or () if word.strip()] for side in ("include", "exclude"))
    return included, excluded


def _phrases(phrases: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(spell_out(phrase) for phrase in phrases or () if phrase.strip())


def _lower(words: Iterable[str] | None) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in words or ())


def _plain(text: str) -> str:
    """Lower case, words only, with a space on each side."""
    return f" {' '.join(_WORD.findall(text.lower()))} "


def _host(domain: str) -> str:
    host = domain.strip().lower().partition("://")[2] or domain.strip().lower()
    return host.partition("/")[0].removeprefix("www.")
