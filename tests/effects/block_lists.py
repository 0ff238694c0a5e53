"""The block list: who is on it is not taken as a lead."""

from __future__ import annotations

from typing import Any

from .observer import Observer, effect

ENTRIES = ("get_block_list_entry", "list_block_list_entries")


async def _is_blocked(see: Observer, value: str) -> bool:
    """Whether somebody of an address or domain is kept out of an import."""
    email = value if "@" in value else f"somebody@{value}"
    made = await see.ask("create_lead_list", name="Trial")
    answer = await see.ask("bulk_add_leads", list_id=made["id"], leads=[{"email": email}])
    return answer["in_blocklist"] == 1


async def _values(see: Observer, ids: list[str]) -> list[str]:
    return [(await see.ask("get_block_list_entry", id=entry))["bl_value"] for entry in ids]


@effect
async def create_block_list_entry(see: Observer) -> None:
    assert not await _is_blocked(see, see.given["bl_value"])
    await see.creates(*ENTRIES)
    assert await _is_blocked(see, see.given["bl_value"])


@effect
async def bulk_create_block_list_entries(see: Observer) -> None:
    before = await see.ids("list_block_list_entries", key="bl_value")
    assert not [value for value in see.given["bl_values"] if await _is_blocked(see, value)]
    await see.act()
    assert await see.ids("list_block_list_entries", key="bl_value") == {*before, *see.given["bl_values"]}
    assert all([await _is_blocked(see, value) for value in see.given["bl_values"]])


@effect
async def get_block_list_entry(see: Observer) -> None:
    await see.reads("update_block_list_entry", bl_value="seen.example")


@effect
async def list_block_list_entries(see: Observer) -> None:
    async def create() -> Any:
        return (await see.ask("create_block_list_entry", bl_value="old.competitor.example"))["id"]

    async def block_somebody() -> Any:
        return (await see.ask("create_block_list_entry", bl_value="somebody@seen.example"))["id"]

    assert (await see.lists(create, besides=block_somebody))["bl_value"] == "old.competitor.example"


@effect
async def download_block_list(see: Observer) -> None:
    before = (await see.act())["text"]
    assert "new.example," not in before
    await see.ask("create_block_list_entry", bl_value="new.example")
    after = (await see.act())["text"].splitlines()
    assert [line for line in after if line.startswith("new.example,")]
    listed = await see.ids("list_block_list_entries", key="bl_value", **see.given)
    assert {line.partition(",")[0] for line in after[1:]} == listed


@effect
async def update_block_list_entry(see: Observer) -> None:
    (old,) = await _values(see, [see.given["id"]])
    await see.updates(ENTRIES[0])
    assert await _is_blocked(see, see.given["bl_value"])
    assert not await _is_blocked(see, old)


@effect
async def delete_block_list_entry(see: Observer) -> None:
    (value,) = await _values(see, [see.given["id"]])
    assert await _is_blocked(see, value)
    await see.deletes(*ENTRIES)
    assert not await _is_blocked(see, value)


@effect
async def bulk_delete_block_list_entries(see: Observer) -> None:
    values, before = await _values(see, see.given["ids"]), await see.ids("list_block_list_entries")
    assert all([await _is_blocked(see, value) for value in values])
    await see.act()
    assert await see.ids("list_block_list_entries") == before - {*see.given["ids"]}
    assert not [value for value in values if await _is_blocked(see, value)]


@effect
async def delete_all_block_list_entries(see: Observer) -> None:
    chosen = await see.all("list_block_list_entries", **see.given)
    before = await see.ids("list_block_list_entries")
    gone = {entry["id"] for entry in chosen}
    assert gone < before
    await see.act()
    assert await see.ids("list_block_list_entries") == before - gone
    assert not [entry for entry in chosen if await _is_blocked(see, entry["bl_value"])]
