"""A call that is made again in another form: with blanks that a host fills in, other capitals, or arguments of ours."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.guards.repeats import Repeats
from mcp_instantly.guards.sameness import canonical
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .confirming import Desk
from .conftest import Connect, answer_of, everything, informed, no_sleep
from .test_repeats import REPLY

pytestmark = pytest.mark.anyio

OTHER_FORMS: dict[str, dict[str, Any]] = {
    "blank text": {"cc_address_email_list": ""},
    "empty list": {"additional_recipients": []},
    "blank inside": {"body": {"text": "Thanks", "html": ""}},
    "blanks around": {"subject": " Re: Hi "},
    "blanks around a body": {"body": {"text": "Thanks\n"}},
    "capitals of an address": {"eaccount": "Ben@BrightPath.example"},
    "capitals of an id": {"reply_to_uuid": REPLY["reply_to_uuid"].upper()},
}

OTHER_CALLS: dict[str, dict[str, Any]] = {
    "body": {"body": {"text": "thanks"}},
    "html": {"body": {"text": "Thanks", "html": "<p>Thanks</p>"}},
    "copy": {"cc_address_email_list": "ada@example.org"},
    "subject": {"subject": "Re: Hi!"},
}

Connected = Callable[[], contextlib.AbstractAsyncContextManager[tuple[Client, Faults]]]


@pytest.fixture
def connected(world: World, settings: Settings) -> Connected:
    """A client of a server that holds repeats, and what makes requests go wrong."""

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[tuple[Client, Faults]]:
        app = create_app(world)
        async with InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http:
            server = build_server(Invoker(everything(), http, settings, [Repeats(60)]))
            async with Client(server) as client:
                yield informed(client, everything()), app.workspaces.faults

    return opened


async def test_a_reply_whose_outcome_is_unknown_is_sent_again_in_no_other_form(
    connected: Connected, world: World
) -> None:
    before = len(list(world.emails))
    async with connected() as (client, faults):
        faults.add(operation="POST /emails/reply", reset=True, when="after")
        await client.call_tool("reply_to_email", REPLY)
        for form, written in OTHER_FORMS.items():
            again = await client.call_tool("reply_to_email", {**REPLY, **written})
            assert again.is_error and "the same call of reply_to_email was made" in again.content[0].text, form
    assert len(list(world.emails)) == before + 1


@pytest.mark.parametrize("form", OTHER_CALLS)
async def test_after_an_unknown_outcome_no_other_reply_to_the_same_email_is_sent(
    connected: Connected, world: World, form: str
) -> None:
    before = len(list(world.emails))
    async with connected() as (client, faults):
        faults.add(operation="POST /emails/reply", reset=True, when="after")
        await client.call_tool("reply_to_email", REPLY)
        again = await client.call_tool("reply_to_email", {**REPLY, **OTHER_CALLS[form]})
        assert again.is_error and "for the same email" in again.content[0].text
        through = await client.call_tool("handle_reply", {"email_id": REPLY["reply_to_uuid"], "body": {"text": "Yes!"}})
        assert answer_of(through)["answer"]["outcome"] == "not done"
    assert len(list(world.emails)) == before + 1


async def test_after_an_unknown_outcome_an_email_is_forwarded_to_nobody_twice(
    connected: Connected, world: World
) -> None:
    forward = {**REPLY, "to_address_email_list": "a@a.example"}
    async with connected() as (client, faults):
        faults.add(operation="POST /emails/forward", reset=True, when="after")
        await client.call_tool("forward_email", forward)
        again = await client.call_tool("forward_email", {**forward, "subject": "Look at this"})
        assert again.is_error and "for the same email" in again.content[0].text
        to_another = {**forward, "to_address_email_list": "b@a.example"}
        assert not (await client.call_tool("forward_email", to_another)).is_error
        assert not (await client.call_tool("reply_to_email", REPLY)).is_error
    assert [one["path"] for one in world.requests].count("/api/v2/emails/forward") == 2


async def test_a_reply_that_says_something_else_is_another_call(connect: Connect, world: World) -> None:
    before = len(list(world.emails))
    async with connect(guards=[Repeats(60)]) as client:
        for said in ({}, *OTHER_CALLS.values()):
            assert "Not sent again" not in (await client.call_tool("reply_to_email", {**REPLY, **said})).content[0].text
    assert len(list(world.emails)) == before + 1 + len(OTHER_CALLS)


async def test_how_long_to_wait_for_a_check_makes_no_other_check_of_it(connected: Connected, world: World) -> None:
    address = {"email": "q@q.example"}
    async with connected() as (client, faults):
        faults.add(operation="POST /email-verification", reset=True, when="after")
        await client.call_tool("verify_email", address)
        for form in ({"wait_seconds": 1}, {"email": "Q@q.example"}, {"webhook_url": ""}):
            again = await client.call_tool("verify_email", {**address, **form})
            assert "the same call of verify_email was made" in again.content[0].text
    assert [one["path"] for one in world.requests].count("/api/v2/email-verification") == 1


async def test_a_fresh_preview_is_no_way_to_send_the_same_again(
    catalog: Catalog, world: World, settings: Settings
) -> None:
    before = len(list(world.emails))
    async with Desk(catalog, world, settings).client(guards=[Repeats(60)], require_preview=True) as client:
        for _ in range(2):
            seen = answer_of(await client.call_tool("preview_call", {"tool": "reply_to_email", "arguments": REPLY}))
            last = await client.call_tool("reply_to_email", {**REPLY, "preview_token": seen["preview_token"]})
    assert "Not sent again" in last.content[0].text
    assert len(list(world.emails)) == before + 1


def test_what_is_emptied_is_part_of_what_is_asked_for(catalog: Catalog) -> None:
    tool = catalog.operations["update_lead_interest_status"]
    lead = {"lead_email": "a@b.example", "interest_value": 1}
    assert canonical(tool, lead) != canonical(tool, {**lead, "clear": ["ai_interest_value"]})
    assert canonical(tool, lead) == canonical(tool, {**lead, "clear": [], "interest_value": 1.0})


def test_a_blank_under_a_name_of_the_callers_own_says_something(catalog: Catalog) -> None:
    tool = catalog.operations["create_lead"]
    lead = {"email": "a@b.example", "skip_if_in_workspace": True}
    blank = {**lead, "custom_variables": {"plan": ""}}
    assert canonical(tool, lead) == canonical(tool, {**lead, "custom_variables": {}, "phone": "\u200b"})
    assert canonical(tool, lead) != canonical(tool, blank)
    assert canonical(tool, lead) != canonical(tool, {**lead, "skip_if_in_workspace": False})


def test_addresses_in_a_list_are_the_same_whatever_stands_between_them(catalog: Catalog) -> None:
    tool = catalog.operations["forward_email"]
    forms = ("ada@a.example, Bo@b.example", "ada@a.example,bo@b.example", "ada@a.example; bo@b.example ")
    assert len({canonical(tool, {**REPLY, "to_address_email_list": form}) for form in forms}) == 1
