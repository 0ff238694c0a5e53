"""Every filter of a search, counted again: who is found is exactly who fits by the plain facts of the directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mcp_instantly.sandbox.directory.industries import EMPLOYEES, FUNDING, NEWS, REVENUE, SUB_INDUSTRIES
from mcp_instantly.sandbox.directory.job_titles import DEPARTMENTS, LEVELS
from mcp_instantly.sandbox.directory.population import Company, Person, directory
from mcp_instantly.sandbox.directory.search import search
from mcp_instantly.tools.catalog import Catalog

pytestmark = pytest.mark.anyio

Fits = Callable[[Person], bool]


def at(test: Callable[[Company], bool]) -> Fits:
    """People at companies for which this is so."""
    return lambda person: test(person.company)


def says(company: Company, word: str) -> bool:
    said = [company.description, company.industry, company.sub_industry, *company.technologies]
    return any(word in text.lower() for text in said)


def signals(person: Person, category: str, days: int = 30) -> dict[str, tuple[str, ...]]:
    """The keywords by field of a signal that is this fresh."""
    age, told = person.signals.get(category) or person.company.signals.get(category) or (days, {})
    return told if age < days else {}


KNOWN, SOMEBODY = "frostshore.example", "Amy Myers"
BERLIN, TEXAS = ("Berlin", "Germany"), "Texas"


def is_sales_head(person: Person) -> bool:
    return "Vice President Sales" in person.title.text.replace("VP", "Vice President").replace(" of ", " ")


def is_manager(person: Person) -> bool:
    return "Manager" in person.title.text


def in_berlin(person: Person) -> bool:
    return (person.place.city, person.place.country) == BERLIN


def in_texas(person: Person) -> bool:
    return person.place.state == TEXAS


def resembles(company: Company) -> bool:
    other = directory().by_domain[KNOWN]
    alike = (
        company.sub_industry == other.sub_industry and other.employees / 5 <= company.employees <= other.employees * 5
    )
    return alike and company is not other


def is_of_the_industry(company: Company) -> bool:
    other = directory().by_domain[KNOWN]
    return company.industry == other.industry and company is not other


CASES: list[tuple[dict[str, Any], Fits]] = [
    ({"title": {"include": ["CFO"]}}, lambda p: p.title.text in ("CFO", "Chief Financial Officer")),
    ({"title": {"include": ["vp of sales", "Intern"]}}, lambda p: "Intern" in p.title.text or is_sales_head(p)),
    ({"title": {"exclude": ["Sales"]}}, lambda p: "Sales" not in p.title.text),
    (
        {"title": {"include": ["Manager"], "exclude": ["Sales"]}},
        lambda p: is_manager(p) and "Sales" not in p.title.text,
    ),
    ({"level": ["Director", "Owner"]}, lambda p: p.title.level in ("Director", "Owner")),
    ({"department": ["Sales", "Support"]}, lambda p: p.title.department in ("Sales", "Support")),
    ({"name": ["anna"]}, lambda p: "Anna" in (p.first, p.last)),
    ({"name": [SOMEBODY]}, lambda p: p.name == SOMEBODY),
    ({"company_name": {"include": ["Group"]}}, at(lambda c: "Group" in c.name.split())),
    ({"company_name": {"exclude": ["group"]}}, at(lambda c: "Group" not in c.name.split())),
    ({"domains": [KNOWN]}, at(lambda c: c.domain == KNOWN)),
    ({"domains": [f"https://www.{KNOWN}/about"]}, at(lambda c: c.domain == KNOWN)),
    ({"locations": [{"city": "Berlin"}]}, lambda p: p.place.city == "Berlin"),
    ({"locations": {"include": [{"city": "berlin", "country": "germany"}]}}, lambda p: p.place.city == "Berlin"),
    ({"locations": {"include": [{"state": "Texas"}, {"city": "Berlin"}]}}, lambda p: in_texas(p) or in_berlin(p)),
    ({"locations": {"exclude": [{"country": "Germany"}]}}, lambda p: p.place.country != "Germany"),
    ({"locations": [{"place_id": "x", "label": "Berlin, Germany"}]}, lambda p: in_berlin(p)),
    ({"locations": [{"state": "Texas"}], "location_mode": "contact"}, lambda p: in_texas(p)),
    ({"locations": [{"state": "Texas"}], "location_mode": "company"}, at(lambda c: c.place.state == "Texas")),
    ({"locations": [{"state": "Texas"}], "locationMode": "company"}, at(lambda c: c.place.state == "Texas")),
    ({"industry": {"include": ["Retail"]}}, at(lambda c: c.industry == "Retail")),
    ({"industry": {"exclude": ["Retail"]}}, at(lambda c: c.industry != "Retail")),
    ({"subIndustry": {"include": ["Banking"]}}, at(lambda c: c.sub_industry == "Banking")),
    ({"subIndustry": {"exclude": ["Banking"]}}, at(lambda c: c.sub_industry != "Banking")),
    (
        {"employeeCount": ["25 - 100", "1K - 10K"]},
        at(lambda c: 25 <= c.employees <= 100 or 1000 <= c.employees <= 10_000),
    ),
    ({"employeeCount": [{"op": "gte", "min": 5000}]}, at(lambda c: c.employees >= 5000)),
    ({"employeeCount": [{"op": "lte", "max": 10}]}, at(lambda c: c.employees <= 10)),
    ({"employeeCount": [{"op": "between", "min": 30, "max": 40}]}, at(lambda c: 30 <= c.employees <= 40)),
    ({"employeeCount": [{"op": "preset_between", "min": 30, "max": None}]}, at(lambda c: c.employees >= 30)),
    ({"revenue": ["$10 - 50M"]}, at(lambda c: 10 <= c.revenue <= 50)),
    ({"keyword_filter": {"include": "payment processing"}}, at(lambda c: says(c, "payment processing"))),
    ({"keyword_filter": {"include": "banks, schools"}}, at(lambda c: says(c, "banks") or says(c, "schools"))),
    (
        {"keyword_filter": {"include": "cloud security,data pipelines", "include_mode": "ALL"}},
        at(lambda c: says(c, "cloud security") and says(c, "data pipelines")),
    ),
    ({"keyword_filter": {"exclude": "banks"}}, at(lambda c: not says(c, "banks"))),
    ({"technologies": ["salesforce", "Shopify"]}, at(lambda c: {"Salesforce", "Shopify"} & {*c.technologies} != set())),
    ({"news": ["acquires", "hires"]}, at(lambda c: {"acquires", "hires"} & {*c.news} != set())),
    ({"jobListing": ["Software Engineer"]}, at(lambda c: any("Software Engineer" in job for job in c.jobs))),
    ({"jobListingFilter": ["Software Engineer"]}, at(lambda c: any("Software Engineer" in job for job in c.jobs))),
    ({"funding_type": ["series_a", "seed"]}, at(lambda c: c.funding in ("series_a", "seed"))),
    ({"fundingType": ["series_b"]}, at(lambda c: c.funding == "series_b")),
    ({"signals": ["job_change"]}, lambda p: bool(signals(p, "job_change"))),
    ({"signals": [{"key": "job_change", "period_days": 7}]}, lambda p: bool(signals(p, "job_change", 7))),
    (
        {"look_alike": KNOWN},
        at(resembles),
    ),
    (
        {"lookAlike": KNOWN},
        at(resembles),
    ),
    (
        {"look_alike": KNOWN, "lookAlikeMode": "broad"},
        at(is_of_the_industry),
    ),
    (
        {
            "level": ["Director"],
            "industry": {"include": ["Retail"]},
            "locations": {"exclude": [{"country": "Germany"}]},
        },
        lambda p: p.title.level == "Director" and p.company.industry == "Retail" and p.place.country != "Germany",
    ),
]
ELSEWHERE = {"company_list_id", "skip_owned_leads", "website_visitors", "show_one_lead_per_company"}
"""Filters that depend on more than the directory, or that leave somebody out for another's sake."""


async def counted(api: httpx.AsyncClient, filters: dict[str, Any]) -> int:
    body = {"search_filters": filters}
    answers = [
        await api.post(f"/supersearch-enrichment/{what}-leads-from-supersearch", json=body)
        for what in ("count", "preview")
    ]
    count, preview = (answer.json()["number_of_leads"] for answer in answers)
    assert count == preview
    return count


@pytest.mark.parametrize(("filters", "fits"), CASES, ids=lambda value: str(value) if isinstance(value, dict) else "")
async def test_who_is_found_is_who_fits(api: httpx.AsyncClient, filters: dict[str, Any], fits: Fits) -> None:
    everybody = directory().people
    expected = [person for person in everybody if fits(person)]
    assert list(search(filters)) == expected
    assert 0 < len(expected) < len(everybody)
    assert await counted(api, filters) == len(expected)


def test_no_filter_is_left_out(catalog: Catalog) -> None:
    known = catalog.operations["count_supersearch_leads"].full_schema["properties"]["search_filters"]["properties"]
    assert {name for filters, _ in CASES for name in filters} | ELSEWHERE == set(known)


@pytest.mark.parametrize(
    ("name", "values", "label"),
    [
        ("level", LEVELS, lambda p: p.title.level),
        ("department", DEPARTMENTS, lambda p: p.title.department),
        ("industry", SUB_INDUSTRIES, lambda p: p.company.industry),
        (
            "subIndustry",
            [line for lines in SUB_INDUSTRIES.values() for line in lines],
            lambda p: p.company.sub_industry,
        ),
        ("funding_type", FUNDING, lambda p: p.company.funding),
    ],
)
def test_every_label_finds_those_who_carry_it(name: str, values: Any, label: Callable[[Person], str]) -> None:
    carriers: dict[str, list[Person]] = {}
    for person in directory().people:
        carriers.setdefault(label(person), []).append(person)
    for value in values:
        wanted = {"include": [value]} if name in ("industry", "subIndustry") else [value]
        found = list(search({name: wanted}))
        assert found == carriers.get(value), value
        assert found, value


@pytest.mark.parametrize(
    ("name", "bands", "size"),
    [("employeeCount", EMPLOYEES, lambda c: c.employees), ("revenue", REVENUE, lambda c: c.revenue)],
)
def test_every_band_finds_companies_of_its_size(
    name: str, bands: dict[str, tuple[float, float]], size: Callable[[Company], float]
) -> None:
    covered = set()
    for band, (low, high) in bands.items():
        found = {person.company for person in search({name: [band]})}
        assert found == {company for company in directory().companies if low <= size(company) <= high}, band
        assert found, band
        covered |= found
    assert covered == set(directory().companies)


def test_every_kind_of_news_finds_companies_that_have_it() -> None:
    for kind in NEWS:
        found = {person.company for person in search({"news": [kind]})}
        assert found == {company for company in directory().companies if kind in company.news} != set()


@pytest.mark.parametrize("key", ["job_change", "linkedin_post_contact"])
def test_keywords_of_a_signal_must_be_in_it(key: str) -> None:
    told = {person.number: signals(person, key) for person in directory().people}
    fields: dict[str, set[str]] = {}
    for said in told.values():
        for field, words in said.items():
            fields.setdefault(field, set()).update(words)
    for field, words in fields.items():
        word = min(words)
        by_field = list(search({"signals": [{"key": key, "keywords": {field: [word.upper()]}}]}))
        assert by_field == [p for p in directory().people if word in told[p.number].get(field, ())] != []
        anywhere = list(search({"signals": [{"key": key, "keywords": [word]}]}))
        assert anywhere == [p for p in directory().people if any(word in said for said in told[p.number].values())]


def test_one_person_per_company_is_the_first_that_fits() -> None:
    firsts: dict[int, Person] = {}
    for person in search({"department": ["Sales"]}):
        firsts.setdefault(person.company.number, person)
    assert list(search({"department": ["Sales"], "show_one_lead_per_company": True})) == list(firsts.values())


async def test_a_website_without_a_pixel_has_no_known_visitors(api: httpx.AsyncClient) -> None:
    assert await counted(api, {"website_visitors": True}) == 0
    assert await counted(api, {"website_visitors": False}) == len(directory().people)
