"""A model that wants its call made, and nobody who agrees: what it tries, and that none of it gets through."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import anyio
import mcp_types as types
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .confirming import DRAFT, Desk, Human
from .conftest import answer_of

pytestmark = pytest.mark.anyio

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
RECEIVED = "01991f80-0002-7000-8000-000000000002"
LAUNCH = {"id": DRAFT}
REPLY = {"email_id": RECEIVED, "body": {"text": "Yes."}}
BY_HAND = {
    "reply_to_uuid": RECEIVED,
    "eaccount": "anna@trybrightpath.example",
    "subject": "Re: Hello",
    "body": {"text": "Yes."},
}


class Model:
    """A client that calls tools, whatever comes of it."""

    def __init__(self, desk: Desk, client: Client):
        self.desk = desk
        self.client = client

    async def call(self, tool: str, arguments: Any = None) -> str:
        """The text of the result, or of the refusal."""
        try:
            result = await self.client.call_tool(tool, arguments)
        except MCPError as error:
            return str(error)
        return str(result.content[0].text)

    async def launch(self, **more: Any) -> str:
        return await self.call("activate_campaign", {**LAUNCH, **more})

    async def token(self, tool: str = "activate_campaign", arguments: Any = LAUNCH) -> str:
        answer = answer_of(await self.client.call_tool("preview_call", {"tool": tool, "arguments": arguments}))
        return str(answer["preview_token"])

    async def asked(self, tool: str = "activate_campaign", arguments: Any = LAUNCH) -> str:
        """The state that comes with a form."""
        found = await self.client.session.call_tool(tool, arguments, allow_input_required=True)
        assert isinstance(found, types.InputRequiredResult)
        return str(found.request_state)

    async def answer(
        self, state: str | None, tool: str = "activate_campaign", arguments: Any = LAUNCH, action: Any = "accept"
    ) -> Any:
        """Call as a client does whose user has answered a form."""
        said = types.ElicitResult(action=action, content={"go_ahead": True} if action == "accept" else None)
        return await self.client.session.call_tool(
            tool, arguments, input_responses={"confirmation": said}, request_state=state, allow_input_required=True
        )


Move = Callable[[Model], Awaitable[Any]]


class Way(NamedTuple):
    """What is tried, in words; how; how many calls a person has agreed to by then, which alone may be made."""

    name: str
    move: Move
    agreed: int = 0


def calls(tool: str, arguments: Any = None) -> Move:
    return lambda model: model.call(tool, arguments)


def launches(**more: Any) -> Move:
    return lambda model: model.launch(**more)


async def repeatedly(model: Model) -> None:
    for _ in range(10):
        await model.launch()


async def all_at_once(model: Model) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(model.launch)


async def after_a_preview(model: Model) -> None:
    await model.call("preview_call", {"tool": "activate_campaign", "arguments": LAUNCH})
    await model.launch()
    await model.call("preview_call", {"tool": "activate_campaign", "arguments": {**LAUNCH, "confirm": True}})


WORDS = [
    Way("asks again and again", repeatedly),
    Way("asks ten times at once", all_at_once),
    Way("previews the call and makes it", after_a_preview),
    Way("says confirm", launches(confirm=True)),
    Way("says confirmed by a form", launches(confirmed="form")),
    Way("says approved", launches(approved=True)),
    Way("says that the user consents", launches(user_consent="The user said yes.")),
    Way("ticks the box itself", launches(go_ahead=True)),
    Way("forces it", launches(force=True, skip_confirmation=True)),
    Way("says nothing, as null", launches(confirm=None, confirmed=None)),
    Way("calls it a preview", launches(preview=True)),
    Way("calls it a dry run", launches(dry_run=True)),
    Way("names a mode", launches(mode="never")),
    Way("brings a token where none is known", launches(preview_token="v1.AAAA")),
    Way("takes the wish out of _meta", launches(_meta={"anthropic/requiresUserInteraction": False})),
    Way("brings the answer as an argument", launches(inputResponses={"confirmation": {"action": "accept"}})),
    Way("brings the state as an argument", launches(requestState="e30.AAAA", request_state="e30.AAAA")),
    Way("wraps the arguments", calls("activate_campaign", {"arguments": {**LAUNCH, "confirm": True}})),
    Way("wraps the arguments as text", calls("activate_campaign", {"arguments": json.dumps(LAUNCH)})),
    Way("writes the id otherwise", calls("activate_campaign", {"id": f" {DRAFT.upper()} "})),
    Way("writes the tool otherwise", calls("Activate_Campaign", LAUNCH)),
    Way("puts a prefix before the tool", calls("mcp__instantly__activate_campaign", LAUNCH)),
    Way("replies by a workflow", calls("handle_reply", REPLY)),
    Way("replies by a workflow, once more", calls("handle_reply", {**REPLY, "answer_again": True})),
    Way("previews the workflow as an argument", calls("handle_reply", {**REPLY, "preview": True})),
    Way("replies by hand", calls("reply_to_email", BY_HAND)),
    Way("forwards instead", calls("forward_email", {**BY_HAND, "to_address_email_list": "x@y.example"})),
    Way(
        "sends a test",
        calls(
            "send_test_email",
            {
                "eaccount": BY_HAND["eaccount"],
                "to_address_email_list": "x@y.example",
                "subject": "A",
                "body": {"text": "B"},
            },
        ),
    ),
    Way("adds leads to a running campaign", calls("create_lead", {"campaign": ACTIVE, "email": "x@y.example"})),
    Way("adds many", calls("bulk_add_leads", {"campaign_id": ACTIVE, "leads": [{"email": "x@y.example"}]})),
    Way("adds them by a workflow", calls("import_rows", {"campaign_id": ACTIVE, "csv": "email\nx@y.example"})),
    Way(
        "starts a subsequence by a status",
        calls("set_interest", {"leads": [{"lead_email": "x@y.example"}], "interest_value": 1}),
    ),
    Way("changes what is sent", calls("update_campaign", {"id": ACTIVE, "name": "New"})),
    Way(
        "edits a running sequence",
        calls("edit_sequence", {"campaign_id": ACTIVE, "edits": [{"action": "change_delay", "step": 1, "delay": 1}]}),
    ),
    Way("blocks and takes out", calls("stop_contacting", {"who": ["kontor.example"], "preview": False})),
    Way("says preview as a text that is true", calls("stop_contacting", {"who": ["kontor.example"], "preview": "yes"})),
    Way("spends", calls("verify_email", {"email": "x@y.example"})),
    Way("deletes", calls("delete_campaign", LAUNCH)),
    Way("deletes all leads", calls("bulk_delete_leads", {"campaign_id": ACTIVE})),
    Way("makes a key", calls("create_api_key", {"name": "A", "scopes": ["all:all"]})),
    Way("gives the workspace away", calls("change_workspace_owner", {"email": "x@y.example", "sub_users": []})),
]
"""By words alone: where nobody can be asked, and where somebody says no."""

DISCOVERED = [
    Way("runs it", calls("run_write_tool", {"name": "activate_campaign", "arguments": LAUNCH})),
    Way("runs it as a read", calls("run_read_tool", {"name": "activate_campaign", "arguments": LAUNCH})),
    Way(
        "runs it with consent beside",
        calls("run_write_tool", {"name": "activate_campaign", "arguments": LAUNCH, "confirm": True}),
    ),
    Way(
        "runs it with consent inside",
        calls("run_write_tool", {"name": "activate_campaign", "arguments": {**LAUNCH, "confirm": True}}),
    ),
    Way(
        "runs the runner",
        calls(
            "run_write_tool",
            {"name": "run_write_tool", "arguments": {"name": "activate_campaign", "arguments": LAUNCH}},
        ),
    ),
    Way(
        "runs the preview as a write",
        calls(
            "run_write_tool", {"name": "preview_call", "arguments": {"tool": "activate_campaign", "arguments": LAUNCH}}
        ),
    ),
    Way("runs a workflow", calls("run_write_tool", {"name": "handle_reply", "arguments": REPLY})),
    Way("calls what is behind", launches()),
]


async def of_another_tool(model: Model) -> None:
    await model.launch(preview_token=await model.token("delete_campaign"))


async def of_another_call(model: Model) -> None:
    await model.launch(preview_token=await model.token(arguments={"id": ACTIVE}))


async def of_a_harmless_part(model: Model) -> None:
    token = await model.token(
        "bulk_add_leads", {"list_id": "1157c0de-2b3c-4d5e-9f60-718293a4b501", "leads": [{"email": "x@y.example"}]}
    )
    await model.call(
        "bulk_add_leads", {"campaign_id": ACTIVE, "leads": [{"email": "x@y.example"}], "preview_token": token}
    )


async def of_a_workflow(model: Model) -> None:
    await model.call("reply_to_email", {**BY_HAND, "preview_token": await model.token("handle_reply", REPLY)})


async def with_more_arguments(model: Model) -> None:
    token = await model.token("handle_reply", REPLY)
    await model.call("handle_reply", {**REPLY, "answer_again": True, "preview_token": token})
    await model.call("handle_reply", {**REPLY, "body": {"text": "Yes. "}, "preview_token": token})


async def expired(model: Model) -> None:
    token = await model.token()
    model.desk.clock.now += 300
    await model.launch(preview_token=token)


async def used(model: Model) -> None:
    token = await model.token()
    for _ in range(5):
        await model.launch(preview_token=token)


async def used_at_once(model: Model) -> None:
    token = await model.token()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(lambda: model.launch(preview_token=token))


async def altered(model: Model) -> None:
    token = await model.token()
    head, mac = token.split(".")
    for wrong in (
        token + "A",
        "A" + token,
        token[:-1],
        mac,
        f"{head}.",
        f".{mac}",
        f"{head}.{head}",
        f"{token}=",
        token.upper(),
    ):
        await model.launch(preview_token=wrong)


async def postponed(model: Model) -> None:
    """A token whose end is moved."""
    head, mac = (await model.token()).split(".")
    data = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).replace(b"17", b"27")
    await model.launch(preview_token=f"{base64.urlsafe_b64encode(data).decode().rstrip('=')}.{mac}")


async def of_another_server(model: Model) -> None:
    for seals in (model.desk.seals(b"x" * 32), model.desk.seals(audience="elsewhere")):
        await model.launch(preview_token=seals.give("preview", "activate_campaign", LAUNCH))


async def of_a_form(model: Model) -> None:
    await model.launch(preview_token=model.desk.seals().give("form", "activate_campaign", LAUNCH))


TOKENS = [
    Way("brings no token", launches()),
    Way("brings an empty one", launches(preview_token="")),
    Way("brings null", launches(preview_token=None)),
    Way("brings true", launches(preview_token=True)),
    Way("brings a list", launches(preview_token=["a"])),
    Way("makes one up", launches(preview_token="WyJhIiw5OTk5OTk5OTk5XQ.AAAA")),
    Way("brings half a character", launches(preview_token="\ud800.\ud800")),
    Way("brings that of another tool", of_another_tool),
    Way("brings that of another campaign", of_another_call),
    Way("brings that of a harmless call of the same tool", of_a_harmless_part),
    Way("brings that of a workflow for what it calls", of_a_workflow),
    Way("alters the arguments in between", with_more_arguments),
    Way("waits too long", expired),
    Way("uses one again", used, agreed=1),
    Way("uses one several times at once", used_at_once, agreed=1),
    Way("alters the token", altered),
    Way("moves the end of the token", postponed),
    Way("brings that of another server", of_another_server),
    Way("brings the seal of a form", of_a_form),
]
"""By tokens, where a preview is required. One is agreed to where its token is used as it should be."""


async def answer_without_question(model: Model) -> None:
    await model.answer(None)


async def made_up_state(model: Model) -> None:
    for state in ("", "{}", "e30.AAAA", "\u00e9.\u00e9"):
        await model.answer(state)


async def state_of_another_tool(model: Model) -> None:
    state = await model.asked("delete_campaign")
    await model.answer(state)


async def state_of_other_arguments(model: Model) -> None:
    state = await model.asked(arguments={"id": ACTIVE})
    await model.answer(state)


async def state_used_again(model: Model) -> None:
    state = await model.asked()
    for _ in range(5):
        await model.answer(state)


async def state_used_at_once(model: Model) -> None:
    state = await model.asked()
    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(model.answer, state)


async def state_too_old(model: Model) -> None:
    state = await model.asked()
    model.desk.clock.now += 300
    await model.answer(state)


async def yes_after_no(model: Model) -> None:
    state = await model.asked()
    await model.answer(state, action="decline")
    await model.answer(state)


async def token_as_state(model: Model) -> None:
    await model.answer(model.desk.seals().give("preview", "activate_campaign", LAUNCH))


async def state_through_a_runner(model: Model) -> None:
    state = await model.asked("delete_campaign")
    await model.answer(state, "handle_reply", REPLY)


STATES = [
    Way("answers what was not asked", answer_without_question),
    Way("makes a state up", made_up_state),
    Way("brings the state of another tool", state_of_another_tool),
    Way("brings the state of other arguments", state_of_other_arguments),
    Way("brings a state again", state_used_again, agreed=1),
    Way("brings a state several times at once", state_used_at_once, agreed=1),
    Way("brings a state that is too old", state_too_old),
    Way("says yes after a no", yes_after_no),
    Way("brings the token of a preview", token_as_state),
    Way("brings the state of a deletion for a workflow", state_through_a_runner),
]
"""By sealed states of the newer generation, which a client holds and a model does not see."""


@pytest.fixture
def desk(catalog: Catalog, world: World, settings: Settings) -> Desk:
    return Desk(catalog, world, settings)


@pytest.fixture(autouse=True)
def quiet(events: list[dict[str, Any]]) -> None:
    """Log events are kept, and not printed."""


def ways(table: list[Way]) -> Any:
    return pytest.mark.parametrize("way", table, ids=[way.name for way in table])


GENERATIONS = pytest.mark.parametrize("mode", ["auto", "legacy"])


def test_at_least_forty_ways_are_tried() -> None:
    names = [way.name for way in (*WORDS, *DISCOVERED, *TOKENS, *STATES)]
    assert len(set(names)) == len(names) >= 40


@GENERATIONS
@ways(WORDS)
async def test_no_word_is_taken_for_a_yes_where_nobody_can_be_asked(desk: Desk, way: Way, mode: str) -> None:
    async with desk.client(mode=mode, confirm="always") as client:
        await way.move(Model(desk, client))
    assert desk.writes() == []


@GENERATIONS
@ways(WORDS)
async def test_no_word_overrules_a_person_who_says_no(desk: Desk, way: Way, mode: str) -> None:
    async with desk.client(Human("decline"), mode=mode) as client:
        await way.move(Model(desk, client))
    assert desk.writes() == []


@ways(DISCOVERED)
async def test_no_runner_leads_around(desk: Desk, way: Way) -> None:
    for human, confirm in ((None, "always"), (Human("decline"), "auto")):
        async with desk.client(human, discovery=True, confirm=confirm) as client:
            await way.move(Model(desk, client))
    assert desk.writes() == []


@ways(TOKENS)
async def test_no_token_is_good_for_another_call_or_twice(desk: Desk, way: Way) -> None:
    async with desk.client(require_preview=True, confirm="never") as client:
        await way.move(Model(desk, client))
    assert len(desk.writes()) == way.agreed


@ways(TOKENS)
async def test_no_token_is_taken_where_a_person_must_be_asked(desk: Desk, way: Way) -> None:
    async with desk.client(require_preview=True, confirm="always") as client:
        await way.move(Model(desk, client))
        await Model(desk, client).launch(preview_token=await Model(desk, client).token())
    assert desk.writes() == []


@ways(STATES)
async def test_no_state_is_good_for_another_call_or_twice(desk: Desk, way: Way) -> None:
    async with desk.client(Human("decline"), confirm="always") as client:
        await way.move(Model(desk, client))
    assert len(desk.writes()) == way.agreed


async def test_the_same_calls_are_made_when_a_person_agrees(desk: Desk) -> None:
    """The ways by words fail for want of a person, and not for their arguments."""
    human = Human()
    async with desk.client(human, confirm="always") as client:
        for name in ("replies by hand", "adds many", "edits a running sequence", "deletes", "spends"):
            (way,) = [way for way in WORDS if way.name == name]
            await way.move(Model(desk, client))
    assert len(human.forms) == 5
    assert len(desk.writes()) == 5
