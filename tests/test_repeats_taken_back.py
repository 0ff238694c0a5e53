"""There, back, and there again within a minute: the last call is no repetition of the first, and is made."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from mcp_instantly.guards.releases import CLEARING, CREATIONS, FINAL, TAKING
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.sandbox import World
from mcp_instantly.tools.catalog import Catalog

from .conftest import Connect, answer_of
from .test_repeats import DRAFT, REPLY

pytestmark = pytest.mark.anyio

FINTECH, OTHER = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01", DRAFT


async def done(client: Client, tool: str, **arguments: Any) -> Any:
    """What a call answers that was sent."""
    answer = answer_of(await client.call_tool(tool, arguments))
    assert "Not sent again" not in str(answer.get("_note")), answer
    return answer


async def held(client: Client, tool: str, **arguments: Any) -> None:
    result = await client.call_tool(tool, arguments)
    assert "Not sent again" in result.content[0].text or "the same call of" in result.content[0].text, result


async def seen(client: Client, world: World, lead: dict[str, Any]) -> Any:
    """A lead as it is once what goes on after a response has ended."""
    world.clock.advance(60)
    return await done(client, "get_lead", id=lead["id"])


def lead_in(world: World, campaign: str, place: int = 5) -> dict[str, Any]:
    return [lead for lead in world.leads if lead.get("campaign") == campaign][place]


async def test_an_interest_that_is_set_changed_and_set_again_is_the_last_one(connect: Connect, world: World) -> None:
    lead = lead_in(world, FINTECH)
    async with connect(guards=[Repeats(60)]) as client:
        for value in (1, -1, 1):
            address = lead["email"].upper() if value < 0 else lead["email"]
            await done(client, "update_lead_interest_status", lead_email=address, interest_value=value)
            assert (await seen(client, world, lead))["lt_interest_status"] == value
        await held(client, "update_lead_interest_status", lead_email=lead["email"], interest_value=1)
        other = lead_in(world, FINTECH, 6)["email"]
        await done(client, "update_lead_interest_status", lead_email=other, interest_value=-1)
        await held(client, "update_lead_interest_status", lead_email=lead["email"], interest_value=1)


async def test_leads_that_are_moved_back_can_be_moved_again(connect: Connect, world: World) -> None:
    lead, other = lead_in(world, FINTECH), lead_in(world, FINTECH, 6)
    there = {"ids": [lead["id"]], "campaign": FINTECH, "to_campaign_id": OTHER}
    back = {"ids": [lead["id"]], "campaign": OTHER, "to_campaign_id": FINTECH}
    async with connect(guards=[Repeats(60)]) as client:
        for move in (there, back, there):
            await done(client, "move_leads", **move)
            assert (await seen(client, world, lead))["campaign"] == move["to_campaign_id"]
        await done(client, "move_leads", **{**there, "ids": [other["id"]]})
        await done(client, "create_lead", campaign=FINTECH, email="zed@zed.example")
        await held(client, "move_leads", **there)


async def test_all_leads_of_a_campaign_that_are_moved_back_can_be_moved_again(connect: Connect, world: World) -> None:
    lead = lead_in(world, FINTECH)
    there = {"campaign": FINTECH, "to_campaign_id": OTHER}
    some = {"ids": [lead["id"]], "campaign": FINTECH, "to_campaign_id": OTHER}
    back = {"campaign": OTHER, "to_campaign_id": FINTECH}
    async with connect(guards=[Repeats(60)]) as client:
        for move in (there, back, there, back, some, back, some):
            await done(client, "move_leads", **move)
            assert (await seen(client, world, lead))["campaign"] == move["to_campaign_id"]


async def test_a_copy_takes_nothing_back(connect: Connect, world: World) -> None:
    lead = lead_in(world, FINTECH)
    copies = [
        {"ids": [lead["id"]], "campaign": FINTECH, "to_campaign_id": place, "copy_leads": True}
        for place in (OTHER, "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b03")
    ]
    async with connect(guards=[Repeats(60)]) as client:
        for copy in copies:
            await done(client, "move_leads", **copy)
        await held(client, "move_leads", **copies[0])


async def test_a_lead_that_left_a_subsequence_can_be_moved_into_it_again(connect: Connect, world: World) -> None:
    lead = lead_in(world, FINTECH, 7)["id"]
    subsequence = next(one["id"] for one in world.subsequences if one["parent_campaign"] == FINTECH)
    async with connect(guards=[Repeats(60)]) as client:
        await done(client, "move_lead_to_subsequence", id=lead, subsequence_id=subsequence)
        await held(client, "move_lead_to_subsequence", id=lead, subsequence_id=subsequence)
        await done(client, "remove_lead_from_subsequence", id=lead)
        await done(client, "move_lead_to_subsequence", id=lead, subsequence_id=subsequence)
        await done(client, "remove_lead_from_subsequence", id=lead)
    assert not world.leads.get(lead).get("subsequence_id")


async def test_leads_that_were_deleted_can_be_added_again_in_bulk(connect: Connect, world: World) -> None:
    rows = {"campaign_id": OTHER, "leads": [{"email": "zed@zed.example"}]}
    async with connect(guards=[Repeats(60)]) as client:
        for tool, one_by_one in (("delete_lead", True), (CLEARING, True), (CLEARING, False)):
            added = (await done(client, "bulk_add_leads", **rows))["created_leads"][0]["id"]
            await held(client, "bulk_add_leads", **rows)
            which = {"campaign_id": OTHER, "ids": [added]} if one_by_one else {"campaign_id": OTHER}
            await done(client, tool, **({"id": added} if tool == "delete_lead" else which))
        await done(client, "bulk_add_leads", **rows)
    assert [lead["email"] for lead in world.leads if lead.get("campaign") == OTHER] == ["zed@zed.example"]


async def test_leads_that_were_deleted_can_be_imported_again(connect: Connect, world: World) -> None:
    rows = {"campaign_id": OTHER, "rows": [{"email": "zed@zed.example"}]}
    async with connect(guards=[Repeats(60)]) as client:
        for _ in range(2):
            await done(client, "import_rows", **rows)
            there = [lead for lead in world.leads if lead["email"] == "zed@zed.example"]
            assert len(there) == 1
            await done(client, "delete_lead", id=there[0]["id"])


async def test_what_deletes_other_leads_does_not_let_one_be_added_twice(connect: Connect, world: World) -> None:
    lead = {"campaign": OTHER, "email": "zed@zed.example"}
    async with connect(guards=[Repeats(60)]) as client:
        await done(client, "create_lead", **lead)
        await done(client, CLEARING, campaign_id=FINTECH, ids=[lead_in(world, FINTECH)["id"]])
        await held(client, "create_lead", **lead)
        await done(client, CLEARING, campaign_id=FINTECH)
        await held(client, "create_lead", **lead)


@pytest.mark.parametrize("bulk", [False, True])
async def test_a_lead_that_was_only_changed_is_not_added_twice(connect: Connect, world: World, bulk: bool) -> None:
    async with connect(guards=[Repeats(60)]) as client:
        if bulk:
            add = ("bulk_add_leads", {"campaign_id": OTHER, "leads": [{"email": "new@quiet-firm.example"}]})
            lead = (await done(client, add[0], **add[1]))["created_leads"][0]
        else:
            add = ("create_lead", {"campaign": OTHER, "email": "new@quiet-firm.example"})
            lead = await done(client, add[0], **add[1])
        await done(client, "update_lead", id=lead["id"], first_name="Ada")
        await held(client, add[0], **add[1])
        await done(client, "move_leads", ids=[lead["id"]], campaign=OTHER, to_campaign_id=FINTECH, copy_leads=True)
        await held(client, add[0], **add[1])
        await done(client, "move_leads", ids=[lead["id"]], campaign=OTHER, to_campaign_id=FINTECH)
        await done(client, add[0], **add[1])


async def test_what_was_not_carried_out_takes_nothing_back(connect: Connect, world: World) -> None:
    lead = {"campaign": OTHER, "email": "zed@zed.example"}
    async with connect(guards=[Repeats(60)]) as client:
        made = await done(client, "create_lead", **lead)
        nowhere = DRAFT[:-1] + "f"
        refused = await client.call_tool("move_leads", {"ids": [made["id"]], "to_campaign_id": nowhere})
        assert refused.is_error, refused
        await held(client, "create_lead", **lead)


async def test_nothing_that_happens_to_an_email_lets_it_be_sent_twice(connect: Connect, world: World) -> None:
    copied = {**REPLY, "additional_recipients": [lead_in(world, FINTECH)["email"]]}
    async with connect(guards=[Repeats(60)]) as client:
        sent = await done(client, "reply_to_email", **copied)
        await done(
            client,
            "move_leads",
            contacts=copied["additional_recipients"],
            campaign=FINTECH,
            to_campaign_id=OTHER,
        )
        await done(client, "delete_email", id=sent["id"])
        await held(client, "reply_to_email", **copied)


def test_the_tools_that_are_named_exist(catalog: Catalog) -> None:
    assert {*TAKING, *CREATIONS, *FINAL} <= set(catalog.operations)


def test_whatever_sends_an_email_by_hand_is_final(catalog: Catalog) -> None:
    tools = [tool for tool in catalog.operations.values() if tool.path.startswith("/api/v2/emails/")]
    assert {tool.name for tool in tools if "sends_email" in tool.effects} <= set(FINAL)
