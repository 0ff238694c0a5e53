"""Which places the filters of a search mean."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mcp_instantly.sandbox.directory.population import directory
from mcp_instantly.sandbox.directory.words import COUNTRIES, Place

Filters = dict[str, Any]


def wanted_places(filters: Filters) -> tuple[list[Filters], list[Filters]]:
    locations = filters.get("locations") or {}
    if isinstance(locations, list):
        return locations, []
    return locations.get("include") or [], locations.get("exclude") or []


def place_tests(place_of: Callable[[Any], Place], included: list[Filters], excluded: list[Filters]) -> list[Any]:
    tests: list[Callable[[Any], bool]] = []
    for locations, wanted in ((included, True), (excluded, False)):
        if locations:
            among = frozenset(place for place in _all_places() if any(_lies(place, where) for where in locations))
            tests.append(_lies_among(place_of, among, wanted))
    return tests


def _lies_among(place_of: Callable[[Any], Place], places: frozenset[Place], wanted: bool) -> Callable[[Any], bool]:
    return lambda thing: (place_of(thing) in places) == wanted


@functools.cache
def _all_places() -> frozenset[Place]:
    return frozenset(person.place for person in directory().people)


def _lies(place: Place, where: Filters) -> bool:
    """Whether a place is meant by its names, or by the label of a map's id: the sandbox has no map of its own."""
    if "place_id" in where:
        parts = [part.strip().lower() for part in where.get("label", "").split(",") if part.strip()]
        names = {place.city.lower(), place.state.lower(), place.country.lower()}
        return bool(parts) and all(COUNTRIES.get(part, part) in names for part in parts)
    return all(
        COUNTRIES.get(wanted, wanted) == getattr(place, part).lower()
        for part, wanted in ((part, name.strip().lower()) for part, name in where.items())
        if wanted
    )
