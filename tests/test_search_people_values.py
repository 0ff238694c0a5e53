"""SuperSearch's values by meaning, and which filter empties a search."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.arguments.arguments import check_arguments
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select
from mcp_instantly.tools.schema_paths import enums_at
from mcp_instantly.workflows.parts.people_filters import OPEN, OTHER_NAMES
from mcp_instantly.workflows.search_people_values import MATCH_NOBODY, MAX_COUNTS, PATHS

from .conftest import ROOT, Connect, answer_of, informed, no_sleep

pytestmark = pytest.mark.anyio

COUNT = "count_supersearch_leads"


async def ask(client: Client, *words: str, **filters: Any) -> Any:
    arguments = ({"words": list(words)} if words else {}) | ({"search_filters": filters} if filters else {})
    return answer_of(await client.call_tool("search_people_values", arguments))


def values_in(options: list[dict[str, Any]]) -> dict[str, Any]:
    """The values that the options name, by filter."""
    found: dict[str, Any] = {}
    for option in options:
        for name, value in option["search_filters"].items():
            found[name] = value.get("include", value) if isinstance(value, dict) else value
    return found


def test_every_value_of_our_list_of_words_is_one_that_the_api_knows(catalog: Catalog) -> None:
    schema = catalog.operations[COUNT].full_schema["properties"]["search_filters"]
    known = {name: {v for one in enums_at(schema, path) for v in one["enum"]} for name, path in PATHS.items()}
    groups = json.loads((ROOT / "mcp_instantly" / "workflows" / "search_people_values.json").read_text())
    words = [word for group in groups for word in group["words"].split(", ")]
    assert len(words) == len(set(words))
    for group in groups:
        for name, values in group.items():
            if name in known:
                assert set(values) <= known[name] - set(MATCH_NOBODY), group
            else:
                assert name in ("words", "title", "keywords", "countries"), group


@pytest.mark.parametrize(
    ("word", "name", "value"),
    [
        ("Fintech", "industry", "Financial Services"),
        ("fintech companies", "subIndustry", "Banking"),
        ("SaaS", "subIndustry", "Computer Software"),
        ("law firms", "subIndustry", "Law Practice"),
        ("e-commerce", "industry", "Retail"),
        ("3PL", "subIndustry", "Logistics and Supply Chain"),
        ("health care providers", "subIndustry", "Hospital & Health Care"),
        ("nanotech", "subIndustry", "Nanotechnology"),
        ("Insurance", "subIndustry", "Insurance"),
        ("C-level", "level", "Chief X Officer (CxO)"),
        ("VP of Sales", "level", "Vice President (VP)"),
        ("VP of Sales", "department", "Sales"),
        ("VP of Sales", "title", "VP of Sales"),
        ("Heads of Marketing", "department", "Marketing"),
        ("Heads of Marketing", "title", "Head of Marketing"),
        ("CISO", "department", "IT & IS"),
        ("CFO", "title", "Chief Financial Officer"),
        ("founders", "level", "Owner"),
        ("HR", "department", "Human Resources"),
        ("enterprise", "employeeCount", "> 100K"),
        ("Series A", "funding_type", "series_a"),
        ("recently funded", "news", "receives_financing"),
        ("DACH", "locations", {"country": "Austria"}),
        ("German startups", "employeeCount", "0 - 25"),
    ],
)
async def test_a_word_finds_what_it_means(connect: Connect, word: str, name: str, value: Any) -> None:
    async with connect() as client:
        answer = await ask(client, word)
    assert value in values_in(answer["words"][word])[name]


@pytest.mark.parametrize(
    ("word", "never"),
    [
        ("Fintech", ["Fine Art", "Furniture", "Fishery"]),
        ("VP of Sales", ["Owner", "Marketing"]),
        ("pre-seed", ["seed", "series_a"]),
        ("accounting", ["Account"]),
    ],
)
async def test_what_is_only_spelled_alike_is_not_offered(connect: Connect, word: str, never: list[str]) -> None:
    async with connect() as client:
        offered = values_in((await ask(client, word))["words"][word])
    assert not set(never) & {
        value for values in offered.values() if isinstance(values, list) for value in map(str, values)
    }


async def test_each_option_has_the_count_that_the_api_gives_for_it(connect: Connect, world: World) -> None:
    async with connect() as client:
        answer = await ask(client, "fintech", "VP of Sales")
        options = [option for found in answer["words"].values() for option in found]
        for option in options:
            counted = answer_of(await client.call_tool(COUNT, {"search_filters": option["search_filters"]}))
            assert counted["number_of_leads"] == option["people"]
    assert answer["_calls"] == {COUNT: len(options)}
    assert all(request["path"].endswith("/count-leads-from-supersearch") for request in world.requests)


async def test_what_is_not_known_is_a_title_a_place_or_a_keyword_and_no_industry(connect: Connect) -> None:
    async with connect() as client:
        found = values_in((await ask(client, "zymurgy"))["words"]["zymurgy"])
    places = [{"city": "zymurgy"}, {"state": "zymurgy"}]
    assert found == {"title": ["zymurgy"], "locations": places, "keyword_filter": "zymurgy"}


@pytest.mark.parametrize("place", ["Berlin", "California", "London", "New York"])
async def test_a_city_or_state_is_a_place_with_the_people_who_are_there(connect: Connect, place: str) -> None:
    async with connect() as client:
        answer = await ask(client, place)
    (there,) = [option for option in answer["words"][place] if "locations" in option["search_filters"]]
    assert there["people"] > 0
    assert "keep city or state" in answer["_note"]


@pytest.mark.parametrize(
    ("word", "size"),
    [
        ("11-50 employees", {"op": "between", "min": 11, "max": 50}),
        ("between 11 and 50 employees", {"op": "between", "min": 11, "max": 50}),
        ("companies with 1,000 to 5k people", {"op": "between", "min": 1000, "max": 5000}),
        ("50+ employees", {"op": "gte", "min": 50}),
        ("more than 500 staff", {"op": "gte", "min": 500}),
        ("under 100 employees", {"op": "lte", "max": 100}),
    ],
)
async def test_a_number_of_employees_is_a_size_of_companies(connect: Connect, word: str, size: Any) -> None:
    async with connect() as client:
        (option,) = (await ask(client, word))["words"][word]
    assert option["search_filters"] == {"employeeCount": [size]} and option["people"] > 0


async def test_a_size_stands_beside_what_else_a_text_says(connect: Connect) -> None:
    async with connect() as client:
        found = values_in((await ask(client, "fintech with 11-50 employees"))["words"]["fintech with 11-50 employees"])
    assert found["employeeCount"] == [{"op": "between", "min": 11, "max": 50}]
    assert "Financial Services" in found["industry"] and "title" not in found and "locations" not in found


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("locations", "locations"),
        ("cities", "locations"),
        ("title", "title"),
        ("job titles", "title"),
        ("company_name", "company_name"),
        ("keyword_filter", "keyword_filter"),
        ("technologies", "technologies"),
    ],
)
async def test_the_name_of_a_filter_that_takes_any_text_is_told_its_form(
    connect: Connect, world: World, word: str, name: str
) -> None:
    async with connect() as client:
        answer = await ask(client, word)
        assert world.requests == []
        ((told,),) = answer["words"].values()
        counted = await client.call_tool(COUNT, {"search_filters": told["example"]})
    assert list(told["example"]) == [name] and not counted.is_error


def test_every_example_fits_the_schema_of_a_search(catalog: Catalog) -> None:
    for name, example in OPEN.items():
        check_arguments(catalog.operations[COUNT], {"search_filters": {name: example}})
    assert set(OTHER_NAMES.values()) <= {*OPEN, *PATHS}


async def test_a_filters_name_lists_its_values(connect: Connect, catalog: Catalog) -> None:
    async with connect() as client:
        answer = await ask(client, "subIndustry", "departments", "company size")
    schema = catalog.operations[COUNT].full_schema["properties"]["search_filters"]
    (known,) = enums_at(schema, PATHS["subIndustry"])
    assert answer["words"]["subIndustry"] == [{"values": known["enum"]}]
    assert "IT & IS" in answer["words"]["departments"][0]["values"]
    assert "25 - 100" in answer["words"]["company size"][0]["values"]
    assert answer["_calls"] == {}


# what empties a search


async def test_the_filter_that_empties_a_search_is_named(connect: Connect) -> None:
    filters: dict[str, Any] = {
        "industry": {"include": ["Financial Services"]},
        "keyword_filter": {"include": "zzz"},
        "department": ["Sales"],
        "location_mode": "company",
    }
    async with connect() as client:
        answer = await ask(client, **filters)
        del filters["keyword_filter"]
        left = answer_of(await client.call_tool(COUNT, {"search_filters": filters}))["number_of_leads"]
    assert answer["people"] == 0
    assert answer["emptied_by"] == ["keyword_filter"]
    assert answer["people_without"] == {"industry": 0, "keyword_filter": left, "department": 0}
    assert left > 0 and answer["_calls"] == {COUNT: 4}


async def test_a_level_that_nobody_has_is_named_with_the_one_that_is_meant(connect: Connect) -> None:
    async with connect() as client:
        answer = await ask(client, level=["VP-Level"], department=["Sales"])
    assert answer["emptied_by"] == ["level"]
    assert answer["match_nobody"] == {"VP-Level": {"level": ["Vice President (VP)"]}}


async def test_filters_that_empty_a_search_in_two_ways_are_counted_alone(connect: Connect) -> None:
    async with connect() as client:
        answer = await ask(client, keyword_filter={"include": "zzz"}, website_visitors=True, department=["Sales"])
    assert answer["emptied_by"] == ["keyword_filter", "website_visitors"]
    assert answer["people_by_each_alone"]["department"] > 0


async def test_a_single_filter_that_finds_nobody_is_named(connect: Connect) -> None:
    async with connect() as client:
        answer = await ask(client, keyword_filter={"include": "zzz"})
    assert answer["emptied_by"] == ["keyword_filter"]


async def test_a_search_that_finds_people_is_counted_once(connect: Connect) -> None:
    async with connect() as client:
        answer = await ask(client, department=["Sales"])
    assert answer["people"] > 0 and answer["_calls"] == {COUNT: 1}
    assert "emptied_by" not in answer


async def test_values_that_the_api_does_not_know_are_named_with_those_that_are_meant(
    connect: Connect, world: World
) -> None:
    async with connect() as client:
        answer = await ask(client, industry={"include": ["Fintech", "retail"], "exclude": ["Gaming"]}, level=["VP"])
    assert list(answer["not_valid"]) == [
        "industry.include[0]: Fintech",
        "level[0]: VP",
        "industry.exclude[0]: Gaming",
    ]
    assert {"industry": {"include": ["Financial Services"]}} in answer["not_valid"]["industry.include[0]: Fintech"]
    assert {"level": ["Vice President (VP)"]} in answer["not_valid"]["level[0]: VP"]
    assert world.requests == []


async def test_filters_of_the_wrong_form_are_refused_as_by_the_count(connect: Connect) -> None:
    async with connect() as client:
        result = await client.call_tool("search_people_values", {"search_filters": {"employeeCount": "25 - 100"}})
        nothing = await client.call_tool("search_people_values", {})
    assert result.is_error and "employeeCount" in result.content[0].text
    assert "Give words, search_filters or both." in nothing.content[0].text
    assert result.content[0].text.startswith(
        "search_people_values stopped at count_supersearch_leads: Nothing was sent"
    )


async def test_a_blank_word_is_refused_for_it_would_mean_everybody(connect: Connect, world: World) -> None:
    async with connect() as client:
        result = await client.call_tool("search_people_values", {"words": ["fintech", " "]})
    assert result.is_error and "words[1]" in result.content[0].text
    assert world.requests == []


# bounds


async def test_counts_are_bounded_and_progress_is_told(connect: Connect) -> None:
    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    words = [f"VP of Sales at {kind} startups in DACH" for kind in ("fintech", "saas", "retail", "hotel", "logistics")]
    words += [f"Director of Marketing at {kind} scaleups" for kind in ("biotech", "solar", "mining", "media", "gaming")]
    async with connect() as client:
        result = await client.call_tool("search_people_values", {"words": words}, progress_callback=hear)
    answer = answer_of(result)
    assert answer["_calls"] == {COUNT: MAX_COUNTS}
    assert f"at most {MAX_COUNTS} counts" in answer["_note"]
    assert any("people" not in option for option in answer["words"][words[-1]])
    assert told[0] == "1 searches counted" and len(told) == MAX_COUNTS


async def test_values_are_told_even_when_counting_is_refused_midway(
    world: World, catalog: Catalog, settings: Settings
) -> None:
    app = create_app(world)
    selection = select(catalog, tools=["search_people_values"])
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
        Client(build_server(Invoker(selection, http, settings))) as client,
    ):
        app.workspaces.faults.add(
            status=402, every=2, operation="POST /supersearch-enrichment/count-leads-from-supersearch"
        )
        answer = await ask(informed(client, selection), "fintech")
    assert [("people" in option) for option in answer["words"]["fintech"]] == [True, False, False]
    assert "Not all was counted: Instantly answered 402" in answer["_note"]
