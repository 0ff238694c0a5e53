"""Searches that are kept under a name."""

from __future__ import annotations

from .observer import Observer, effect, holds, without

READS = "get_saved_search", "list_saved_searches"
ENGINEERS = {"title": {"include": ["Data Engineer"]}}


@effect
async def list_saved_searches(see: Observer) -> None:
    async def create(name: str) -> str:
        return (await see.ask("create_saved_search", name=name, search_filters=ENGINEERS))["id"]

    shown = await see.lists(lambda: create("Finance, seen"), besides=lambda: create("Other"))
    assert shown["search_filters"] == ENGINEERS


@effect
async def create_saved_search(see: Observer) -> None:
    shown = await see.creates(*READS)
    # What is kept is what a search can be made with.
    assert (await see.ask("count_supersearch_leads", search_filters=shown["search_filters"]))["number_of_leads"] > 0


@effect
async def get_saved_search(see: Observer) -> None:
    await see.reads("update_saved_search", name="Seen", search_filters=ENGINEERS)


@effect
async def update_saved_search(see: Observer) -> None:
    await see.updates(READS[0], first={"search_filters": ENGINEERS})
    shown = await see.ask(READS[0], id=see.given["id"])
    if "search_filters" in see.given:
        assert shown["search_filters"] == see.given["search_filters"]
    (listed,) = [search for search in await see.all(READS[1]) if search["id"] == see.given["id"]]
    assert holds(listed, without(see.given, "id"))


@effect
async def delete_saved_search(see: Observer) -> None:
    await see.deletes(*READS)
