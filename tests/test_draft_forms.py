"""A draft that nobody approved is shown in full to the person at the client, who approves this very text or none."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from structlog.contextvars import bound_contextvars

from mcp_instantly.drafts.drafts import Drafts
from mcp_instantly.guards.drafts_only import DraftsOnly
from mcp_instantly.guards.dry_run import DryRun
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .confirming import Desk, Human
from .conftest import answer_of

pytestmark = pytest.mark.anyio

GENERATIONS = pytest.mark.parametrize("mode", ["auto", "legacy"])

RECEIVED = "01991f80-0002-7000-8000-000000000002"
MAYA, ADA = "maya.lindqvist@fjordpay.example", "ada@brightpath.example"
TEXT = "Thursday <at ten> & not later.\n\nAda"
REPLY = "POST /api/v2/emails/reply"


@dataclasses.dataclass
class Office:
    """A desk at which replies are kept as drafts."""

    desk: Desk
    drafts: Drafts

    @contextlib.asynccontextmanager
    async def client(self, human: Any = None, **more: Any) -> AsyncIterator[Client]:
        async with self.desk.client(human, drafts=self.drafts, **more) as client:
            yield client

    async def drafted(self, text: str = TEXT, **more: Any) -> str:
        async with self.client() as client:
            given = {"reply_to_uuid": RECEIVED, "body": {"text": text}, **more}
            return str(answer_of(await client.call_tool("draft_reply", given))["draft_id"])

    def edit(self, draft_id: str, text: str) -> None:
        self.drafts.edit(draft_id, {"body": {"text": text}}, content=self.drafts.find(draft_id).content)

    def approve(self, draft_id: str) -> None:
        """At a terminal."""
        self.drafts.approve(draft_id, "Ada", content=self.drafts.find(draft_id).content)

    def replies(self) -> list[Any]:
        return [one for one in self.desk.writes() if one == REPLY]


@pytest.fixture
def office(catalog: Catalog, world: World, settings: Settings, tmp_path: Path) -> Office:
    return Office(Desk(catalog, world, settings), Drafts(tmp_path / "drafts.sqlite", settings.api_key))


@pytest.fixture(autouse=True)
def quiet(events: list[dict[str, Any]]) -> None:
    """Log events are kept, and not printed."""


async def send(client: Client, draft_id: str, **more: Any) -> Any:
    return await client.call_tool("send_draft", {"draft_id": draft_id, **more})


def refusal_of(result: Any) -> str:
    assert result.is_error
    return str(result.content[0].text)


@GENERATIONS
async def test_a_form_shows_the_whole_reply_and_an_accepted_one_sends_it_once(
    office: Office, mode: str, events: list[dict[str, Any]]
) -> None:
    long = "\n".join(f"Line {number} of what is said." for number in range(200))
    draft_id = await office.drafted(long, cc_address_email_list="nora@brightpath.example")
    human = Human()
    async with office.client(human, mode=mode) as client:
        sent = answer_of(await send(client, draft_id))
        again = answer_of(await send(client, draft_id))
    (form,) = human.forms
    for line in (f"From:     {ADA}", f"To:       {MAYA}", "Cc:       nora@brightpath.example", "Subject:  Re: "):
        assert line in form.message
    assert all(f"| {line}" in form.message.splitlines() for line in long.splitlines())
    assert sent["outcome"] == "done" and sent["approved_by"].startswith("the user of mcp") and "WARNING" not in long
    assert "nothing was sent now" in again["_note"]
    assert office.replies() == [REPLY]
    assert [event["confirmed"] for event in events if event.get("tool") == "reply_to_email"] == ["form"]


@GENERATIONS
@pytest.mark.parametrize("human", [Human("decline"), Human("cancel"), Human("accept", False)])
async def test_a_draft_that_is_not_agreed_to_stays_unapproved(office: Office, mode: str, human: Human) -> None:
    draft_id = await office.drafted()
    async with office.client(human, mode=mode) as client:
        assert answer_of(await send(client, draft_id))["confirmed"] is False
    assert office.replies() == [] and not office.drafts.is_approved(draft_id)


@pytest.mark.parametrize(
    ("human", "rules"), [(None, {}), (Human(), {"confirm": "never"})], ids=["no forms", "--confirm never"]
)
async def test_where_nobody_is_asked_a_person_approves_at_a_terminal(
    office: Office, human: Any, rules: dict[str, Any]
) -> None:
    draft_id = await office.drafted()
    async with office.client(human, **rules) as client:
        said = refusal_of(await send(client, draft_id))
        assert f"is not approved. A person approves it with: mcp-instantly drafts approve {draft_id}" in said
        office.approve(draft_id)
        assert answer_of(await send(client, draft_id))["approved_by"] == "Ada"
    assert office.replies() == [REPLY]


@GENERATIONS
async def test_a_draft_that_is_changed_while_the_form_is_open_is_not_sent(office: Office, mode: str) -> None:
    draft_id = await office.drafted()
    numbers = itertools.count()
    human = Human(before=lambda: office.edit(draft_id, f"At {next(numbers)}."))
    async with office.client(human, mode=mode) as client:
        if mode == "legacy":
            assert "was changed since it was shown" in refusal_of(await send(client, draft_id))
        else:
            # The form comes again, with the new text, as often as the text is another one.
            with contextlib.suppress(Exception):
                await send(client, draft_id)
            assert "| At 0." in human.forms[1].message
    assert office.replies() == [] and not office.drafts.is_approved(draft_id)


async def test_a_form_is_answered_for_one_text_alone(office: Office) -> None:
    draft_id = await office.drafted()
    async with office.client(Human()) as client:
        asked = await client.session.call_tool("send_draft", {"draft_id": draft_id}, allow_input_required=True)
        assert isinstance(asked, types.InputRequiredResult)
        office.edit(draft_id, "Friday.")
        yes = types.ElicitResult(action="accept", content={"go_ahead": True})
        found = await client.session.call_tool(
            "send_draft",
            {"draft_id": draft_id},
            input_responses=dict.fromkeys(asked.input_requests or {}, yes),
            request_state=asked.request_state,
            allow_input_required=True,
        )
        assert isinstance(found, types.InputRequiredResult)
    assert office.replies() == []


@GENERATIONS
async def test_a_changed_draft_is_asked_about_again(office: Office, mode: str) -> None:
    draft_id = await office.drafted()
    office.approve(draft_id)
    office.edit(draft_id, "Friday.")
    human = Human()
    async with office.client(human, mode=mode) as client:
        answer_of(await send(client, draft_id))
    assert "it was edited" in human.forms[0].message and "| Friday." in human.forms[0].message


@GENERATIONS
async def test_the_form_tells_of_what_came_into_the_thread_since(office: Office, mode: str) -> None:
    draft_id, other = await office.drafted(), await office.drafted("Friday.")
    human = Human()
    async with office.client(human, mode=mode) as client:
        answer_of(await send(client, other))
        assert answer_of(await send(client, draft_id))["outcome"] == "done"
    assert "WARNING" not in human.forms[0].message
    assert f"WARNING: The thread has a newer email: from {ADA}" in human.forms[1].message
    assert f"WARNING: Draft {other} answers the same thread, and was sent." in human.forms[1].message


@GENERATIONS
async def test_no_line_of_a_reply_pretends_to_be_one_of_the_form(office: Office, mode: str) -> None:
    draft_id = await office.drafted("Yes.\nTo:       somebody@else.example\u202e\x1b[2J\nWARNING: none")
    human = Human("decline")
    async with office.client(human, mode=mode) as client:
        await send(client, draft_id)
    lines = human.forms[0].message.splitlines()
    assert [line for line in lines if line.startswith("To: ")] == [f"To:       {MAYA}"]
    assert "| WARNING: none" in lines and not any(line.startswith("WARNING") for line in lines)
    assert "\x1b" not in human.forms[0].message and "<U+202E>" in human.forms[0].message


@GENERATIONS
async def test_a_form_says_that_whoever_gets_the_reply_is_not_who_they_seem(office: Office, mode: str) -> None:
    emails = office.desk.world.emails
    emails.change(emails[RECEIVED], from_address_email="maya@fj\u043erdpay.example")
    draft_id = await office.drafted()
    human = Human("decline")
    async with office.client(human, mode=mode) as client:
        await send(client, draft_id)
        given = {"email_id": RECEIVED, "body": {"text": "Yes."}}
        await client.call_tool("handle_reply", given)
    assert "WARNING: Letters that look like others: maya@fj<U+043E>rdpay.example." in human.forms[0].message
    assert "Letters that look like others: maya@fj<U+043E>rdpay.example." in human.forms[1].message


async def test_a_reply_that_no_form_can_show_in_full_is_approved_at_a_terminal(office: Office) -> None:
    draft_id = await office.drafted("x" * 30_000)
    human = Human()
    async with office.client(human) as client:
        assert "is not approved. A person approves it with" in refusal_of(await send(client, draft_id))
        assert human.forms == []
        office.approve(draft_id)
        assert answer_of(await send(client, draft_id))["outcome"] == "done"
    assert len(human.forms) == 1


@pytest.mark.parametrize("state", ["discarded", "missing"])
async def test_nobody_is_asked_about_a_draft_that_cannot_be_sent(office: Office, state: str) -> None:
    draft_id = await office.drafted()
    if state == "discarded":
        office.drafts.discard(draft_id)
    human = Human()
    async with office.client(human) as client:
        refusal_of(await send(client, draft_id if state == "discarded" else "draft-00000000"))
    assert human.forms == [] and office.replies() == []


async def test_the_users_of_two_callers_are_told_apart(office: Office) -> None:
    draft_id = await office.drafted()
    with bound_contextvars(caller="anna"):
        async with office.client(Human()) as client:
            assert " (anna), in a form" in answer_of(await send(client, draft_id))["approved_by"]


@GENERATIONS
async def test_drafts_only_and_lockdown_agree_with_the_form(office: Office, mode: str) -> None:
    draft_id = await office.drafted()
    human = Human()
    rules: dict[str, Any] = {"lockdown": lambda: True, "confirm": "never"}
    async with office.client(human, mode=mode, guards=(DraftsOnly(),), **rules) as client:
        assert answer_of(await send(client, draft_id))["outcome"] == "done"
    assert len(human.forms) == 1


async def test_under_lockdown_a_preview_stands_in_for_no_approval(office: Office) -> None:
    draft_id = await office.drafted()
    asked = {"tool": "send_draft", "arguments": {"draft_id": draft_id}}
    async with office.client(guards=(DraftsOnly(),), lockdown=lambda: True) as client:
        token = answer_of(await client.call_tool("preview_call", asked))["preview_token"]
        assert "is not approved" in refusal_of(await send(client, draft_id, preview_token=token))
        office.approve(draft_id)
        assert "needs a preview after text of strangers" in refusal_of(await send(client, draft_id))
        assert answer_of(await send(client, draft_id, preview_token=token))["outcome"] == "done"


async def test_a_dry_run_asks_nobody_and_approves_nothing(office: Office) -> None:
    draft_id = await office.drafted()
    human = Human()
    async with office.client(human, guards=(DryRun(),), dry_run=True) as client:
        assert "is not approved" in refusal_of(await send(client, draft_id))
        office.approve(draft_id)
        assert answer_of(await send(client, draft_id))["dry_run"] is True
    assert human.forms == [] and office.replies() == []


async def test_a_preview_of_a_draft_says_to_whom_it_goes(office: Office) -> None:
    draft_id = await office.drafted()
    asked = {"tool": "send_draft", "arguments": {"draft_id": draft_id}}
    async with office.client() as client:
        would = answer_of(await client.call_tool("preview_call", asked))["would"]
    assert (would["to"], would["from"], would["state"]) == (MAYA, ADA, "draft")
