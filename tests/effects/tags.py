"""Custom tags, and what carries them."""

from __future__ import annotations

from .demo import ADA, EVA, FINTECH, Q4, WARM_SENDERS
from .observer import Observer, effect, without


async def _mappings(see: Observer) -> set[tuple[str, str]]:
    return {(item["tag_id"], item["resource_id"]) for item in await see.all("list_custom_tag_mappings")}


@effect
async def create_custom_tag(see: Observer) -> None:
    tag = await see.creates("get_custom_tag", "list_custom_tags")
    await see.ask("toggle_custom_tag", tag_ids=[tag["id"]], resource_type=1, assign=True, resource_ids=[ADA])
    assert await see.ids("list_accounts", key="email", tag_ids=tag["id"]) == {ADA}


@effect
async def get_custom_tag(see: Observer) -> None:
    await see.reads("update_custom_tag", label="Seen", description="Seen, too")


@effect
async def list_custom_tags(see: Observer) -> None:
    async def create() -> str:
        tag = (await see.ask("create_custom_tag", label="Warmer senders"))["id"]
        await see.ask("toggle_custom_tag", tag_ids=[tag], resource_type=1, assign=True, resource_ids=[ADA])
        return tag

    async def create_unused() -> str:
        return (await see.ask("create_custom_tag", label="Cold"))["id"]

    assert (await see.lists(create, besides=create_unused))["label"] == "Warmer senders"


@effect
async def update_custom_tag(see: Observer) -> None:
    await see.updates("get_custom_tag")
    shown = {tag["id"]: tag for tag in await see.all("list_custom_tags")}[see.given["id"]]
    for name, value in without(see.written, "id").items():
        assert shown.get(name) == value


@effect
async def delete_custom_tag(see: Observer) -> None:
    tag = see.given["id"]
    before = await _mappings(see)
    assert tag in {one for one, _ in before}
    await see.deletes("get_custom_tag", "list_custom_tags")
    assert await _mappings(see) == {pair for pair in before if pair[0] != tag}
    assert await see.all("list_campaigns", tag_ids=tag) == []


@effect
async def toggle_custom_tag(see: Observer) -> None:
    await see.ask("pause_account", email=EVA)
    before, chosen = await _mappings(see), set(see.given.get("resource_ids", ()))
    if see.given.get("selected_all"):
        paused = await see.ids("list_accounts", key="email", filter=see.given["filter"]["filter"])
        assert paused > {*see.given["excluded_resource_ids"]}
        chosen = paused - {resource for _, resource in before} - {*see.given["excluded_resource_ids"]}
    pairs = {(tag, resource) for tag in see.given["tag_ids"] for resource in chosen}
    assert pairs
    assert bool(pairs & before) != see.given["assign"]
    await see.act()
    assert await _mappings(see) == (before | pairs if see.given["assign"] else before - pairs)
    listing, key = {1: ("list_accounts", "email"), 2: ("list_campaigns", "id")}[see.given["resource_type"]]
    carrying = await see.ids(listing, key=key, tag_ids=see.given["tag_ids"][0])
    assert chosen <= carrying if see.given["assign"] else not chosen & carrying


@effect
async def list_custom_tag_mappings(see: Observer) -> None:
    async def tag_ada() -> str:
        await see.ask("toggle_custom_tag", tag_ids=[Q4], resource_type=1, assign=True, resource_ids=[ADA])
        await see.ask("toggle_custom_tag", tag_ids=[WARM_SENDERS], resource_type=2, assign=True, resource_ids=[FINTECH])
        (made,) = [
            item["id"] for item in await see.all("list_custom_tag_mappings", resource_ids=ADA) if item["tag_id"] == Q4
        ]
        return made

    shown = await see.lists(tag_ada)
    assert (shown["tag_id"], shown["resource_id"], shown["resource_type"]) == (Q4, ADA, 1)
    found = {item["resource_id"] for item in (await see.act())["items"]}
    assert (FINTECH in found) == ("resource_ids" not in see.given)
