"""Sequences edited step by step: what changes, what stays, and what is said when it came otherwise."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog
from mcp_instantly.workflows.parts.placeholders import OF_LEADS, OF_SENDERS

from .conftest import Connect, answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"

PATCH = "PATCH /campaigns/{id}"
TEXT = {"subject": "Payouts abroad", "body": "<p>Hi {{firstName}}, one question.</p>"}

Steered = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Client, Any]]]


@pytest.fixture
def steered(world: World, catalog: Catalog, settings: Settings) -> Steered:
    """A client and the sandbox's application, whose faults can be set; `after` sees each request that was answered."""

    @contextlib.asynccontextmanager
    async def connected(after: Callable[[httpx.Request], None] | None = None) -> AsyncIterator[tuple[Client, Any]]:
        app = create_app(world)

        class Watched(httpx.ASGITransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                response = await super().handle_async_request(request)
                if after:
                    after(request)
                return response

        selection = everything()
        async with (
            InstantlyClient(settings, transport=Watched(app), sleep=no_sleep) as http,
            Client(build_server(Invoker(selection, http, settings))) as client,
        ):
            yield informed(client, selection), app

    return connected


async def edit(client: Client, *edits: dict[str, Any], campaign_id: str = ACTIVE, **more: Any) -> Any:
    return await client.call_tool("edit_sequence", {"campaign_id": campaign_id, "edits": list(edits), **more})


async def sequences(client: Client, campaign_id: str = ACTIVE) -> Any:
    return answer_of(await client.call_tool("get_campaign", {"id": campaign_id}))["sequences"]


# what is changed, and what stays


async def test_a_variant_is_added_and_all_else_stays_byte_for_byte(connect: Connect) -> None:
    async with connect() as client:
        before = await sequences(client)
        answer = answer_of(await edit(client, {"action": "add_variant", "step": 1, **TEXT}))
        after = await sequences(client)
    expected = copy.deepcopy(before)
    expected[0]["steps"][0]["variants"].append(TEXT)
    assert after == expected
    assert answer["saved"] is True
    assert answer["done"] == ["step 1 has a new variant C"]
    assert answer["steps"][0]["variants"][2] == "C: Payouts abroad"
    assert answer["_calls"] == {"get_campaign": 2, "update_campaign": 1}
    assert "It is active" in answer["_note"]


async def test_several_edits_are_numbered_as_the_sequence_was_before(connect: Connect) -> None:
    async with connect() as client:
        before = await sequences(client)
        answer = answer_of(
            await edit(
                client,
                {"action": "insert_step", "step": 1, **TEXT, "delay": 4, "delay_unit": "hours"},
                {"action": "change_variant", "step": 1, "variant": "b", "subject": "Another subject"},
                {"action": "disable_variant", "step": 1, "variant": "A"},
                {"action": "remove_step", "step": 2},
                {"action": "insert_step", "step": 3, "subject": "", "body": "<p>Still open?</p>"},
                {"action": "change_delay", "step": 1, "delay": 6},
            )
        )
        (after,) = await sequences(client)
    old = copy.deepcopy(before[0]["steps"][0])
    old["delay"] = 6
    old["variants"][0]["v_disabled"] = True
    old["variants"][1]["subject"] = "Another subject"
    assert after["steps"][1] == old
    assert [step["variants"][0]["body"] for step in after["steps"]] == [
        TEXT["body"],
        before[0]["steps"][0]["variants"][0]["body"],
        "<p>Still open?</p>",
    ]
    assert (after["steps"][0]["delay"], after["steps"][0]["delay_unit"]) == (4, "hours")
    assert answer["saved"] is True and len(answer["done"]) == 6
    assert [step.get("wait_after") for step in answer["steps"]] == ["4 hours", "6 days", None]
    assert answer["steps"][1]["variants"][0].startswith("A (off): ")
    assert "not documented" in answer["_note"]


async def test_a_variant_is_switched_off_and_on_again(connect: Connect) -> None:
    async with connect() as client:
        for action, off in (("disable_variant", True), ("enable_variant", False)):
            await edit(client, {"action": action, "step": 1, "variant": "A"})
            assert (await sequences(client))[0]["steps"][0]["variants"][0]["v_disabled"] is off


async def test_a_campaign_without_steps_gets_its_first(connect: Connect, world: World) -> None:
    world.campaigns.change(world.campaigns[DRAFT], sequences=[])
    async with connect() as client:
        answer = answer_of(await edit(client, {"action": "insert_step", "step": 1, **TEXT}, campaign_id=DRAFT))
        (after,) = await sequences(client, DRAFT)
    assert after["steps"][0]["variants"] == [TEXT]
    assert answer["status"] == "draft" and "_note" not in answer


async def test_further_sequences_and_unknown_fields_stay(connect: Connect, world: World) -> None:
    stored = copy.deepcopy(world.campaigns[DRAFT]["sequences"])
    stored[0]["steps"][0]["note"] = {"of": ["ours", 1]}
    stored.append({"steps": [{"type": "email", "delay": 1, "variants": [{"subject": "old", "body": "<p>old</p>"}]}]})
    world.campaigns.change(world.campaigns[DRAFT], sequences=copy.deepcopy(stored))
    async with connect() as client:
        assert answer_of(await edit(client, {"action": "add_variant", "step": 1, **TEXT}, campaign_id=DRAFT))["saved"]
        after = await sequences(client, DRAFT)
    assert after[0]["steps"][0]["note"] == {"of": ["ours", 1]}
    assert after[1]["steps"][0]["variants"] == stored[1]["steps"][0]["variants"]


async def test_a_subsequence_is_edited_too(connect: Connect) -> None:
    async with connect() as client:
        answer = answer_of(
            await client.call_tool(
                "edit_sequence",
                {
                    "subsequence_id": SUBSEQUENCE,
                    "edits": [{"action": "change_variant", "step": 1, "variant": "A", **TEXT}],
                },
            )
        )
        found = answer_of(await client.call_tool("get_subsequence", {"id": SUBSEQUENCE}))
    assert found["sequences"][0]["steps"][0]["variants"] == [TEXT]
    assert found["sequences"][0]["steps"][0]["delay"] == 2
    assert answer["_calls"] == {"get_subsequence": 2, "update_subsequence": 1}


async def test_what_is_so_already_is_not_written(connect: Connect, world: World) -> None:
    async with connect() as client:
        answer = answer_of(await edit(client, {"action": "enable_variant", "step": 1, "variant": "A"}))
    assert answer["saved"] is False and "nothing was written" in answer["_note"]
    assert [request["method"] for request in world.requests] == ["GET"]


# what is refused, with nothing changed


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        ([{"action": "change_delay", "step": 9, "delay": 1}], "There is no step 9: there are 2."),
        ([{"action": "disable_variant", "step": 1}], "disable_variant of step 1 needs variant."),
        ([{"action": "disable_variant", "step": 1, "variant": "Z"}], "has no variant Z: it has A, B."),
        ([{"action": "change_delay", "step": 1, "delay": 2, "body": "x"}], "change_delay takes no body."),
        ([{"action": "change_variant", "step": 1, "variant": "A"}], "needs subject or body."),
        ([{"action": "insert_step", "step": 1, **TEXT}], "needs delay"),
        ([{"action": "insert_step", "step": 4, **TEXT}], "no step 4: there are 2, and the next new one is step 3."),
        ([{"action": "insert_step", "step": number, **TEXT} for number in (3, 4)], "insert_step 3 needs delay"),
        ([{"action": "add_variant", "step": 1, "subject": "a", "body": "<p>Tom & Co</p>"}], "raw &"),
        ([{"action": "add_variant", "step": 1, "subject": "a", "body": 'See <a href="x?a=1&b=2">'}], "raw &"),
        ([{"action": "add_variant", "step": 1, "subject": "a", "body": "Hi,\n\nbye"}], "line breaks"),
        ([{"action": "add_variant", "step": 1, "subject": "a", "body": " "}], "is empty"),
        ([{"action": "remove_step", "step": 1}, {"action": "remove_step", "step": 2}], "no step left"),
        (
            [{"action": "disable_variant", "step": 1, "variant": letter} for letter in "AB"],
            "Step 1 would have no variant that is on",
        ),
        (
            [{"action": "remove_step", "step": 1}, {"action": "change_delay", "step": 1, "delay": 1}],
            "Step 1 is removed in this call",
        ),
    ],
)
async def test_an_edit_that_does_not_fit_is_refused_and_nothing_is_written(
    connect: Connect, world: World, edits: list[dict[str, Any]], said: str
) -> None:
    before = copy.deepcopy(world.campaigns[ACTIVE])
    async with connect() as client:
        result = await edit(client, *edits)
    assert result.is_error
    assert result.content[0].text.startswith("Nothing was changed.") and said in result.content[0].text
    assert world.campaigns[ACTIVE] == before
    assert [request["method"] for request in world.requests] == ["GET"]


async def test_a_text_that_is_to_stay_and_would_be_emptied_stops_it_until_it_is_given(
    connect: Connect, world: World
) -> None:
    world.campaigns[DRAFT]["sequences"][0]["steps"][0]["variants"][0]["body"] = "<p>Tom & Co</p>"
    change = {"action": "change_delay", "step": 1, "delay": 7}
    mend = {"action": "change_variant", "step": 1, "variant": "A", "body": "<p>Tom &amp; Co</p>"}
    async with connect() as client:
        refused = await edit(client, change, campaign_id=DRAFT)
        assert refused.is_error and "step 1, variant A, which is to stay, has a raw &" in refused.content[0].text
        assert answer_of(await edit(client, change, mend, campaign_id=DRAFT))["saved"] is True
        (after,) = await sequences(client, DRAFT)
    assert (after["steps"][0]["delay"], after["steps"][0]["variants"][0]["body"]) == (7, "<p>Tom &amp; Co</p>")


async def test_what_was_changed_since_it_was_read_is_left_alone(connect: Connect, world: World) -> None:
    async with connect() as client:
        read_at = answer_of(await client.call_tool("get_campaign", {"id": ACTIVE}))["timestamp_updated"]
        change = {"action": "change_delay", "step": 1, "delay": 8}
        world.clock.advance(60)
        assert answer_of(await edit(client, change, timestamp_updated=read_at))["saved"] is True
        refused = await edit(client, {**change, "delay": 9}, timestamp_updated=read_at)
        (after,) = await sequences(client)
    assert refused.is_error and "after you read it" in refused.content[0].text
    assert after["steps"][0]["delay"] == 8


async def test_a_subsequence_that_tells_no_time_of_change_takes_none(connect: Connect, world: World) -> None:
    edits = [{"action": "change_delay", "step": 1, "delay": 3}]
    async with connect() as client:
        result = await client.call_tool(
            "edit_sequence",
            {"subsequence_id": SUBSEQUENCE, "edits": edits, "timestamp_updated": "2026-01-01T00:00:00.000Z"},
        )
    assert result.is_error and "Leave timestamp_updated out." in result.content[0].text
    assert [request["method"] for request in world.requests] == ["GET"]


# what is said and done all the same


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"action": "add_variant", "step": 1, "subject": "a", "body": "Hello"}, "has no HTML tag"),
        ({"action": "add_variant", "step": 1, "subject": "a", "body": "<p>One\ntwo</p>"}, "shows as a space"),
        ({"action": "add_variant", "step": 1, "subject": "{{firstname}}", "body": "<p>a</p>"}, "{{firstname}}"),
        ({"action": "add_variant", "step": 1, "subject": "", "body": "<p>a</p>"}, "variant without a subject"),
        ({"action": "add_variant", "step": 2, "subject": "New", "body": "<p>a</p>"}, "begin a new thread"),
        ({"action": "change_delay", "step": 2, "delay": 9}, "The wait after the last step has no effect"),
        ({"action": "insert_step", "step": 3, **TEXT, "delay": 9}, "the wait before it is that after step 2."),
    ],
)
async def test_what_may_not_be_meant_is_said(connect: Connect, change: dict[str, Any], said: str) -> None:
    async with connect() as client:
        answer = answer_of(await edit(client, change))
    assert answer["saved"] is True
    assert said in answer["_note"]


async def test_what_every_lead_or_sender_has_is_known_as_a_variable(connect: Connect) -> None:
    body = "".join(f"<p>{{{{{name}}}}}</p>" for name in (*OF_LEADS, *OF_SENDERS))
    async with connect() as client:
        answer = answer_of(await edit(client, {"action": "change_variant", "step": 1, "variant": "A", "body": body}))
    assert answer["saved"] is True and "variables" not in answer["_note"]


async def test_a_step_behind_one_that_waits_for_nothing_is_refused_until_its_wait_is_given(
    connect: Connect, world: World
) -> None:
    stored = world.campaigns[ACTIVE]["sequences"][0]["steps"]
    stored[-1]["delay"] = 0
    append = {"action": "insert_step", "step": 3, "subject": "", "body": "<p>a</p>", "delay": 4, "delay_unit": "hours"}
    async with connect() as client:
        result = await edit(client, append)
        said = result.content[0].text
        assert result.is_error and said.startswith("Nothing was changed. Step 2 waits for nothing")
        assert len(world.campaigns[ACTIVE]["sequences"][0]["steps"]) == 2
        advised = json.loads(said[said.index("{") : said.rindex("}") + 1])
        assert advised == {"action": "change_delay", "step": 2, "delay": 4, "delay_unit": "hours"}
        answer = answer_of(await edit(client, advised, append))
    assert [step.get("wait_after") for step in answer["steps"]][1:] == ["4 hours", None]


async def test_a_step_may_follow_at_once_where_that_is_said(connect: Connect, world: World) -> None:
    world.campaigns[DRAFT]["sequences"][0]["steps"][-1]["delay"] = 0
    steps = len(world.campaigns[DRAFT]["sequences"][0]["steps"])
    append = {"action": "insert_step", "step": steps + 1, "subject": "", "body": "<p>a</p>"}
    meant = {"action": "change_delay", "step": steps, "delay": 0}
    async with connect() as client:
        answer = answer_of(await edit(client, append, meant, campaign_id=DRAFT))
    assert f"Step {steps} waits for nothing, so the next one follows at once" in answer["_note"]


@pytest.mark.parametrize("numbers", [(1, 2, 3), (1, 1, 1)])
async def test_an_empty_sequence_gets_several_steps_in_the_order_given(
    connect: Connect, world: World, numbers: tuple[int, ...]
) -> None:
    world.campaigns.change(world.campaigns[DRAFT], sequences=[])
    steps = [
        {"action": "insert_step", "step": number, "subject": "", "body": f"<p>{place}</p>", "delay": 2}
        for place, number in enumerate(numbers)
    ]
    async with connect() as client:
        answer = answer_of(await edit(client, *steps, campaign_id=DRAFT))
        (after,) = await sequences(client, DRAFT)
    assert [step["variants"][0]["body"] for step in after["steps"]] == ["<p>0</p>", "<p>1</p>", "<p>2</p>"]
    assert [step.get("wait_after") for step in answer["steps"]] == ["2 days", "2 days", None]


async def test_known_variables_and_paragraphs_are_not_spoken_of(connect: Connect) -> None:
    body = "<p>Hi {{firstName}} in {{country}},</p>\n<p>{{RANDOM | a | b}} {{accountSignature}} &amp; &#39;</p>"
    async with connect() as client:
        answer = answer_of(await edit(client, {"action": "add_variant", "step": 1, "subject": "a", "body": body}))
    assert answer["_note"] == "It is active: what it sends from now on is the new text."


# when the write goes wrong, or somebody else writes


async def test_what_comes_back_otherwise_is_named(connect: Connect) -> None:
    body = "<p>one&nbsp;two</p>"
    async with connect() as client:
        answer = answer_of(await edit(client, {"action": "add_variant", "step": 1, "subject": "a", "body": body}))
    assert answer["saved"] is False
    assert "not what was written: step 1, variant C, body" in answer["_note"]


async def test_a_change_by_somebody_else_right_after_the_write_is_seen(steered: Steered, world: World) -> None:
    def meddle(request: httpx.Request) -> None:
        if request.method == "PATCH":
            changed = copy.deepcopy(world.campaigns[ACTIVE]["sequences"])
            changed[0]["steps"][1]["variants"][0]["body"] = "<p>Theirs</p>"
            world.campaigns.change(world.campaigns[ACTIVE], sequences=changed)

    async with steered(after=meddle) as (client, _):
        answer = answer_of(await edit(client, {"action": "change_delay", "step": 1, "delay": 8}))
    assert answer["saved"] is False
    assert "step 2, variant A, body" in answer["_note"] and "somebody changed it meanwhile" in answer["_note"]


async def test_another_change_of_the_campaign_right_after_the_write_is_told_apart(
    steered: Steered, world: World
) -> None:
    def meddle(request: httpx.Request) -> None:
        if request.method == "PATCH":
            world.clock.advance(5)
            world.campaigns.change(world.campaigns[ACTIVE], name="Renamed", timestamp_updated=world.stamp())

    async with steered(after=meddle) as (client, _):
        answer = answer_of(await edit(client, {"action": "change_delay", "step": 1, "delay": 8}))
    assert answer["saved"] is True
    assert "Something else of it was changed right after this" in answer["_note"]


async def test_a_write_without_a_response_is_settled_by_reading(steered: Steered, world: World) -> None:
    async with steered() as (client, app):
        app.workspaces.faults.add(reset=True, when="after", every=1, operation=PATCH)
        answer = answer_of(await edit(client, {"action": "add_variant", "step": 1, **TEXT}))
    assert answer["saved"] is True
    assert "No complete response came to the write" in answer["_note"]
    assert len(world.campaigns[ACTIVE]["sequences"][0]["steps"][0]["variants"]) == 3


async def test_a_write_that_was_not_carried_out_is_an_error(steered: Steered, world: World) -> None:
    before = copy.deepcopy(world.campaigns[ACTIVE]["sequences"])
    async with steered() as (client, app):
        app.workspaces.faults.add(status=503, every=1, operation=PATCH)
        result = await edit(client, {"action": "add_variant", "step": 1, **TEXT})
    assert result.is_error
    assert result.content[0].text.startswith("The edits were not saved (Instantly answered 503")
    assert "as it was: call it again." in result.content[0].text
    assert world.campaigns[ACTIVE]["sequences"] == before


@pytest.mark.parametrize(("fault", "said"), [({}, "The edits were sent and taken"), ({"reset": True}, "not known")])
async def test_a_sequence_that_cannot_be_read_again_is_said_to_be_so(
    steered: Steered, fault: dict[str, Any], said: str
) -> None:
    async with steered() as (client, app):
        if fault:
            app.workspaces.faults.add(**fault, when="after", every=1, operation=PATCH)
        app.workspaces.faults.add(status=403, every=2, operation="GET /campaigns/{id}")
        result = await edit(client, {"action": "change_delay", "step": 1, "delay": 8})
    assert result.is_error and said in result.content[0].text
    assert "get_campaign shows it." in result.content[0].text


async def test_a_campaign_that_is_not_there_is_an_error(connect: Connect) -> None:
    async with connect() as client:
        result = await edit(client, {"action": "remove_step", "step": 1}, campaign_id=ACTIVE[:-1] + "9")
    assert result.is_error and "Nothing had been changed before." in result.content[0].text
