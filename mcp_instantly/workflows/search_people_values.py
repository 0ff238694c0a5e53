"""Values of SuperSearch's filters by meaning, with how many people each finds, and what empties a search."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mcp_instantly.errors import InstantlyError
from mcp_instantly.tools.schema_paths import enums_at, values_at
from mcp_instantly.workflows import Context
from mcp_instantly.workflows.parts.people_filters import OPEN, filter_named, plain, singular, size_in

Filters = dict[str, Any]

COUNT = "count_supersearch_leads"
MAX_COUNTS = 40
"""Counts that one call asks for at most: they cost nothing, and the API may limit how often."""

RESERVED_SECONDS = 5.0
"""What must be left of the call's time for another count to be begun."""

MIN_LETTERS = 5
"""Letters with which the beginning of a word stands for it."""

PATHS = {
    "industry": "industry.include[]",
    "subIndustry": "subIndustry.include[]",
    "level": "level[]",
    "department": "department[]",
    "employeeCount": "employeeCount[]",
    "revenue": "revenue[]",
    "funding_type": "funding_type[]",
    "news": "news[]",
}
"""Filters whose values are a closed list, and where these stand."""

EXCLUDED = {"industry": "industry.exclude[]", "subIndustry": "subIndustry.exclude[]"}

MATCH_NOBODY = ("C-Level", "VP-Level", "Director-Level", "Manager-Level", "Staff")
"""Levels that the API takes, and that no person has."""

MODES = ("location_mode", "locationMode", "lookAlikeMode", "show_one_lead_per_company")
"""Filters that leave nobody out of a search by themselves."""

TOLD = frozenset({"values", "example"})
"""What is told of a filter that is named: the values that it takes, or an example where it takes any text."""

ABOUT_PEOPLE = ("level", "department")
FILLERS = {
    "a", "an", "and", "the", "of", "in", "at", "for", "from", "with", "to", "or", "who", "people",
    "company", "firm", "industry", "sector", "business",
}  # fmt: skip
"""Words that say nothing of which value is meant."""


class Group(NamedTuple):
    """Words of one meaning, in their plain form, and the values that they mean by filter."""

    phrases: frozenset[str]
    values: dict[str, list[str]]


async def run(context: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """What the words mean, and what empties the search, as far as each was asked for."""
    known = _known_values(context)
    tally = Tally(context)
    found: dict[str, Any] = {}
    if "search_filters" in arguments:
        found |= await _examine(tally, known, arguments["search_filters"])
    meant = {word: _options(known, word) for word in arguments.get("words", ())}
    if meant:
        found["words"] = {}
        for word, options in meant.items():
            found["words"][word] = [await tally.option(option) for option in options]
    options = [option for among in meant.values() for option in among]
    if any("keyword_filter" in option for option in options):
        context.notes.append("keyword_filter looks in what companies say of themselves, and narrows the other filters.")
    if any("example" in option for option in options):
        context.notes.append("example shows the form of a filter that takes any text.")
    if any(place.get("city") for option in options for place in _places(option)):
        context.notes.append("Of locations keep city or state, whichever it is, with its country; no people: no place.")
    if tally.stopped:
        context.notes.append(f"Not all was counted: {tally.stopped}")
    return found


def _places(option: Filters) -> list[dict[str, str]]:
    """The places that an option searches in."""
    found: list[dict[str, str]] = option.get("locations", {}).get("include", [])
    return found


class Tally:
    """Counts people, until there have been enough of it; `stopped` says why."""

    def __init__(self, context: Context):
        self._context = context
        self._done = 0
        self.stopped = ""

    async def people(self, filters: Filters) -> int | None:
        """How many match; None when it is not counted any more. Raises what the API says against the first count."""
        if not self.stopped and self._done == MAX_COUNTS:
            self.stopped = f"one call makes at most {MAX_COUNTS} counts."
        if not self.stopped and self._context.seconds_left < RESERVED_SECONDS:
            self.stopped = "the time of the call was over."
        if self.stopped:
            return None
        try:
            answer = await self._context.call(COUNT, search_filters=filters)
        except InstantlyError as error:
            if not self._done:
                raise
            self.stopped = str(error)
            return None
        self._done += 1
        await self._context.progress(self._done, message=f"{self._done} searches counted")
        count: int | None = answer.get("number_of_leads")
        return count

    async def option(self, filters: Filters) -> dict[str, Any]:
        """A set of filters, with how many people it finds where that is counted; what a filter takes as it is."""
        if not TOLD.isdisjoint(filters):
            return filters
        people = await self.people(filters)
        return {"search_filters": filters} | ({} if people is None else {"people": people})


# what empties a search


async def _examine(tally: Tally, known: dict[str, list[str]], filters: Filters) -> dict[str, Any]:
    """How many people the filters find; for nobody, how many without each, and by each alone."""
    wrong = dict(_not_valid(known, filters))
    if wrong:
        return {"not_valid": wrong}
    people = await tally.people(filters)
    found: dict[str, Any] = {"people": people}
    useless = [value for value in filters.get("level") or () if value in MATCH_NOBODY]
    if useless:
        found["match_nobody"] = {value: _meanings(known, value, only="level") for value in useless}
    if people != 0:
        return found
    names = [name for name, value in filters.items() if name not in MODES and value not in (False, None, [], {}, "")]
    without = {name: await tally.people(_without(filters, name)) for name in names} if len(names) > 1 else {}
    emptied = [name for name, count in without.items() if count]
    if not emptied:
        modes = {name: filters[name] for name in MODES if name in filters}
        alone = {name: await tally.people({**modes, name: filters[name]}) for name in names}
        emptied = [name for name, count in alone.items() if count == 0]
        found["people_by_each_alone"] = alone
    found |= {"people_without": without} if without else {}
    found["emptied_by"] = emptied or "no single filter: more than one must be widened"
    return found


def _without(filters: Filters, name: str) -> Filters:
    return {other: value for other, value in filters.items() if other != name}


def _not_valid(known: dict[str, list[str]], filters: Filters) -> Iterator[tuple[str, Any]]:
    """Values that the API would refuse, each with those that it may mean."""
    for name, path in [*PATHS.items(), *EXCLUDED.items()]:
        plain = {value.lower() for value in known[name]}
        for where, value in values_at(filters, path):
            if isinstance(value, str) and value.lower() not in plain:
                meant = [option for option in _options(known, value) if TOLD.isdisjoint(option)]
                yield f"{where}: {value}", meant or "nothing like it is known"


# what words mean


def _known_values(context: Context) -> dict[str, list[str]]:
    """The values of each filter that has a closed list."""
    schema = context.schema_of(COUNT)["properties"]["search_filters"]
    return {
        name: [value for place in enums_at(schema, path) for value in place["enum"]] for name, path in PATHS.items()
    }


def _options(known: dict[str, list[str]], word: str) -> list[Filters]:
    """Sets of filters that an idea may mean: about people, about places, about companies in several ways."""
    named = filter_named(word, list(known))
    if named:
        return [{"values": known[named]} if named in known else {"example": {named: OPEN[named]}}]
    size, said = size_in(word)
    sized: list[Filters] = [{"employeeCount": [size]}] if size else []
    if size and not set(plain(said).split()) - FILLERS:
        return sized
    return _options_by_meaning(known, said.strip()) + sized


def _options_by_meaning(known: dict[str, list[str]], word: str) -> list[Filters]:
    meant = _meanings(known, word)
    titles, keywords, countries = (meant.pop(name, []) for name in ("title", "keywords", "countries"))
    options: list[Filters] = []
    people = {name: meant.pop(name) for name in ABOUT_PEOPLE if name in meant}
    if people:
        options.append(people)
        # A text that is about companies or places too is not a title.
        alone = "level" in people and not (meant or keywords or countries)
        about_titles = titles or ([_as_title(word)] if alone else [])
        if about_titles:
            options.append({"title": {"include": about_titles}})
    if countries:
        options.append({"locations": {"include": [{"country": country} for country in countries]}})
    for name, values in meant.items():
        options.append({name: {"include": values} if name in EXCLUDED else values})
    if not options:
        options += [{"title": {"include": [word]}}, {"locations": {"include": [{"city": word}, {"state": word}]}}]
        keywords = [word]
    if keywords:
        options.append({"keyword_filter": {"include": ", ".join(keywords)}})
    return options


def _meanings(known: dict[str, list[str]], word: str, only: str | None = None) -> dict[str, list[str]]:
    """The values that an idea means, by filter: of our own list of words, and values that have its words."""
    tokens = plain(word).split()
    found: dict[str, list[str]] = {}
    told: set[str] = set()
    for phrase, values in _phrases_in(tokens):
        told.update(phrase.split())
        for name, more in values.items():
            found.setdefault(name, []).extend(phrase if value == "*" else value for value in more)
    asked = {token for token in tokens if token not in FILLERS}
    for name, choices in known.items():
        said = {value: set(plain(value).split()) - FILLERS for value in choices if value not in MATCH_NOBODY}
        whole = {value: words for value, words in said.items() if words and words <= asked and not words <= told}
        # Pre-seed is not seed: of values that are all said, one within another is not meant.
        same = [value for value, words in whole.items() if not any(words < other for other in whole.values())]
        same += [
            value for value, words in said.items() if asked - told and value not in whole and _within(asked, words)
        ]
        if same:
            found.setdefault(name, []).extend(same)
    order = [*PATHS, "title", "keywords", "countries"]
    return {name: list(dict.fromkeys(found[name])) for name in order if name in found and only in (None, name)}


def _as_title(text: str) -> str:
    """What stands in a title: heads of procurement are each a head of procurement."""
    return " ".join(singular(word) if _is_level(plain(word)) else word for word in text.split())


def _is_level(word: str) -> bool:
    return any("level" in group.values and word in group.phrases for group in _groups())


def _within(asked: set[str], said: set[str]) -> bool:
    """Whether each word is one of the others, or the beginning of one: nanotech, Nanotechnology."""
    return all(
        any(word == other or (len(word) >= MIN_LETTERS and other.startswith(word)) for other in said) for word in asked
    )


def _phrases_in(tokens: list[str]) -> Iterator[tuple[str, dict[str, list[str]]]]:
    """The phrases of our own list among these words, the longest that begins at each place."""
    place = 0
    while place < len(tokens):
        for length in range(len(tokens) - place, 0, -1):
            phrase = " ".join(tokens[place : place + length])
            values = [group.values for group in _groups() if phrase in group.phrases]
            if values:
                yield phrase, values[0]
                place += length - 1
                break
        place += 1


@functools.cache
def _groups() -> tuple[Group, ...]:
    data = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(
        Group(frozenset(map(plain, entry["words"].split(", "))), {k: v for k, v in entry.items() if k != "words"})
        for entry in data
    )
