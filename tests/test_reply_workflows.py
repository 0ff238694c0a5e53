"""Workflows about replies and the people who wrote them, through client, server and sandbox."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.engine.faults import Faults
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, select

from .conftest import Connected, answer_of, everything, informed, no_sleep

pytestmark = pytest.mark.anyio

ADA = "ada@brightpath.example"
FINTECH, LOGISTICS = (f"c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b0{n}" for n in (1, 2))
BOOK_A_CALL = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
MAYA, TOM, SOFIA = "maya.lindqvist@fjordpay.example", "tom.okafor@ledgerly.example", "sofia.brandt@kontor.example"
OUR_EMAIL, MAYAS_REPLY, TOMS_REPLY = (f"01991f80-000{n}-7000-8000-00000000000{n}" for n in (1, 2, 4))
MAYAS_THREAD, TOMS_THREAD = (f"c0-demoThread000000000000{n}" for n in (1, 2))
MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
DAY = 86_400

HANDLED = {"email_id": MAYAS_REPLY, "body": {"text": "Thursday <at ten> & not later.\n\nAda"}, "interest_value": 2}

REPLY, INTEREST, READ = (
    "POST /emails/reply",
    "POST /leads/update-interest-status",
    "POST /emails/threads/{thread_id}/mark-as-read",
)
BLOCK = "POST /block-lists-entries/bulk-create"


@dataclasses.dataclass
class Service(Connected):
    """A server with every tool, and the sandbox behind it."""

    invoker: Invoker
    faults: Faults

    async def answers(self, thread: str = MAYAS_THREAD) -> list[Any]:
        """What was written by hand in a thread."""
        page = await self.call("list_emails", search=f"thread:{thread}", email_type="manual", fields=["*"])
        return list(page["items"])

    async def interest(self, email: str) -> Any:
        (lead,) = (await self.call("list_leads", contacts=[email], fields=["*"]))["items"]
        return lead.get("lt_interest_status")

    async def unread(self) -> set[str]:
        page = await self.call("list_emails", is_unread=True, limit=100, fields=["*"])
        return {mail["thread_id"] for mail in page["items"]}


Serve = Callable[..., contextlib.AbstractAsyncContextManager[Service]]


@pytest.fixture
def serve(world: World, catalog: Catalog, settings: Settings) -> Serve:
    @contextlib.asynccontextmanager
    async def served(*, call_timeout: float = 55, sleep: Any = no_sleep, **chosen: Any) -> AsyncIterator[Service]:
        app = create_app(world)
        given = dataclasses.replace(settings, call_timeout=call_timeout)
        selection = select(catalog, **chosen) if chosen else everything()
        async with InstantlyClient(given, transport=httpx.ASGITransport(app), sleep=sleep) as http:
            invoker = Invoker(selection, http, given)
            async with Client(build_server(invoker)) as client:
                yield Service(informed(client, selection), invoker, app.workspaces.faults)

    return served


# triage


async def test_a_triage_has_the_new_text_who_wrote_it_and_the_ids_to_answer(serve: Serve) -> None:
    async with serve() as service:
        found = await service.call("triage_replies")
        (interested,) = found["groups"]["interested"]
        mail = await service.call("get_email", id=interested["email_id"])
    assert (found["threads"], found["more"], found["counts"]) == (2, False, {"interested": 1, "not labelled": 1})
    assert interested["email_id"] == MAYAS_REPLY
    for field, name in (("thread_id", "thread_id"), ("from_address_email", "from"), ("eaccount", "eaccount")):
        assert interested[name] == mail[field]
    assert interested["name"] == "Maya Lindqvist"
    assert "Could you show us on Thursday at ten?" in interested["text"]
    assert "month-end close take at Fjordpay" not in interested["text"]
    assert "quoted history" in interested["text"]
    assert "Quoted history is cut" in found["_note"]


async def test_a_triage_shows_what_was_answered_and_further_unread_words(serve: Serve, world: World) -> None:
    async with serve() as service:
        world.clock.advance(3600)
        answer = await service.call("handle_reply", email_id=TOMS_REPLY, body={"text": "240."}, mark_as_read=False)
        found = await service.call("triage_replies")
        (waiting,) = found["groups"]["not labelled"]
        assert waiting["answered"]["email_id"] == answer["answer"]["email_id"]
        assert "answered" not in found["groups"]["interested"][0]
        # Tom writes again in the meantime: his newest words come first, and nobody has answered them.
        mail = world.emails[TOMS_REPLY]
        world.clock.advance(3600)
        again = {**mail, "id": world.uuid7(), "body": {"text": "And no call, please."}, "is_unread": 1}
        world.emails.add({**again, "timestamp_created": world.stamp(), "timestamp_email": world.stamp()})
        (waiting,) = (await service.call("triage_replies"))["groups"]["not labelled"]
    assert (waiting["text"], waiting["unread"], waiting["email_id"]) == ("And no call, please.", 2, again["id"])
    assert "team of twelve" in waiting["earlier"][0]
    assert "answered" not in waiting


async def test_a_triage_is_bounded_and_says_that_there_is_more(serve: Serve, world: World) -> None:
    mail = world.emails[TOMS_REPLY]
    for number in range(150):
        stranger = {**mail, "id": world.uuid7(), "thread_id": f"c0-thread{number:04}", "body": {"text": "Hm. " * 1000}}
        world.emails.add({**stranger, "is_auto_reply": number % 2, "timestamp_created": world.stamp()})
    async with serve() as service:
        result = await service.client.call_tool("triage_replies", {"max_items": 100})
        few = await service.call("triage_replies", max_items=3)
    found = answer_of(result)
    assert (found["threads"], found["more"]) == (100, True)
    assert list(found["groups"]) == ["not labelled", "automatic reply"]
    assert all("characters left out" in one["text"] for one in found["groups"]["automatic reply"])
    assert len(result.content[0].text) < 60_000
    assert (few["threads"], few["more"]) == (3, True) and "more unread threads" in few["_note"]


async def test_a_triage_that_is_cut_short_tells_what_was_read(serve: Serve, world: World) -> None:
    mail = world.emails[TOMS_REPLY]
    for number in range(150):
        more = {"id": world.uuid7(), "thread_id": f"c0-thread{number:04}", "timestamp_created": world.stamp()}
        world.emails.add({**mail, **more})
    async with serve() as service:
        fault = service.faults.add(operation="GET /emails", status=403, every=2)
        found = await service.call("triage_replies", max_items=100, campaign_id=FINTECH)
        assert (found["threads"], found["more"]) == (100, True)
        assert "Not all unread emails were read: Instantly answered 403" in found["_note"]
        fault.seen = 0
        found = await service.call("triage_replies", max_items=5, campaign_id=FINTECH)
        assert found["threads"] == 5
        assert "Whether somebody answered since could not be read." in found["_note"]
        service.faults.clear()
        service.faults.add(operation="GET /emails", status=403, every=1)
        assert "answered 403" in await service.refused("triage_replies")


async def test_own_labels_have_their_names(serve: Serve, world: World) -> None:
    world.emails.change(world.emails[MAYAS_REPLY], i_status=3001)
    async with serve() as service:
        assert list((await service.call("triage_replies"))["groups"]) == ["Call back later", "not labelled"]
    async with serve(tools=["triage_replies"], scopes=["emails:read"]) as service:
        assert list((await service.call("triage_replies"))["groups"]) == ["label 3001", "not labelled"]


async def test_a_triage_without_unread_replies_is_empty(serve: Serve) -> None:
    async with serve() as service:
        await service.call("mark_threads_read", thread_ids=[MAYAS_THREAD, TOMS_THREAD])
        found = await service.call("triage_replies")
    assert (found["threads"], found["groups"]) == (0, {})


# handling a reply


async def test_a_reply_is_answered_its_lead_set_and_its_thread_read_in_this_order(serve: Serve, world: World) -> None:
    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    async with serve() as service:
        found = answer_of(await service.client.call_tool("handle_reply", HANDLED, progress_callback=hear))
        assert list(found["_calls"])[-3:] == ["reply_to_email", "update_lead_interest_status", "mark_thread_as_read"]
        outcomes = [found[step]["outcome"] for step in ("answer", "interest", "mark_as_read")]
        assert outcomes == ["done", "accepted", "done"]
        assert found["_note"].startswith("update_lead_interest_status: Accepted, not done yet.")
        world.clock.advance(2)
        (sent,) = await service.answers()
        assert found["answer"]["email_id"] == sent["id"]
        assert (sent["to_address_email_list"], sent["eaccount"], sent["subject"]) == (MAYA, ADA, "Re: Month-end close")
        assert await service.interest(MAYA) == 2
        assert MAYAS_THREAD not in await service.unread()
    assert told[0] == "reading the email"


async def test_interest_and_mark_as_read_are_left_where_they_are_not_wished(serve: Serve, world: World) -> None:
    async with serve() as service:
        found = await service.call("handle_reply", email_id=MAYAS_REPLY, body={"html": "Yes."}, mark_as_read=False)
        world.clock.advance(2)
        assert {"interest", "mark_as_read"} & set(found) == set()
        assert await service.interest(MAYA) == 1
        assert MAYAS_THREAD in await service.unread()


async def test_a_thread_that_was_answered_gets_no_second_answer_unless_it_is_wished(serve: Serve) -> None:
    async with serve() as service:
        await service.call("handle_reply", **HANDLED)
        found = await service.call("handle_reply", **HANDLED)
        assert found["answer"]["outcome"] == "not done" and "it was answered" in found["answer"]["why"]
        assert found["interest"]["outcome"] == found["mark_as_read"]["outcome"] == "not tried"
        assert len(await service.answers()) == 1
        assert (await service.call("handle_reply", **HANDLED, answer_again=True))["answer"]["outcome"] == "done"
        assert len(await service.answers()) == 2


async def test_a_thread_with_a_scheduled_answer_gets_no_second_one(serve: Serve, world: World) -> None:
    scheduled = {**world.emails[MAYAS_REPLY], "id": world.uuid7(), "ue_type": 4, "timestamp_created": world.stamp()}
    world.emails.add(scheduled)
    async with serve() as service:
        found = await service.call("handle_reply", **HANDLED)
        assert "an answer is scheduled" in found["answer"]["why"]
        assert await service.answers() == []


async def test_two_calls_at_once_send_one_answer(serve: Serve) -> None:
    async with serve() as service:
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(service.client.call_tool, "handle_reply", HANDLED)
        assert len(await service.answers()) == 1


@pytest.mark.parametrize(
    "fault", [{"reset": True, "when": "after"}, {"truncated": True}, {"html": 200, "when": "after"}]
)
async def test_an_answer_whose_response_is_lost_is_found_in_its_thread(serve: Serve, fault: dict[str, Any]) -> None:
    async with serve() as service:
        service.faults.add(operation=REPLY, **fault)
        found = await service.call("handle_reply", **HANDLED)
        (sent,) = await service.answers()
        assert (found["answer"]["outcome"], found["answer"]["email_id"]) == ("done", sent["id"])
        assert "response was lost or odd" in found["answer"]["why"]
        assert found["mark_as_read"]["outcome"] == "done"


async def test_the_answer_of_an_agent_is_not_taken_for_one_whose_response_is_lost(serve: Serve) -> None:
    async with serve() as service:
        await service.call("update_inbox_manager", id=MANAGER, status=1)
        service.faults.add(operation=REPLY, reset=True)
        # The agent answers before the thread is read for the second time.
        service.faults.add(operation="GET /emails", latency=600, every=2)
        found = await service.call("handle_reply", **HANDLED)
        assert [mail["ai_agent_id"] for mail in await service.answers()] == [MANAGER]
        assert (found["answer"]["outcome"], found["mark_as_read"]["outcome"]) == ("unknown", "not tried")


@pytest.mark.parametrize("fault", [{"reset": True}, {"status": 503}, {"html": 200}])
async def test_an_answer_of_which_nobody_knows_stops_the_rest_and_is_not_sent_again(
    serve: Serve, world: World, fault: dict[str, Any]
) -> None:
    async with serve() as service:
        service.faults.add(operation=REPLY, **fault)
        found = await service.call("handle_reply", **HANDLED)
        assert found["answer"]["outcome"] == "unknown"
        assert f"thread:{MAYAS_THREAD}" in found["answer"]["next"]
        assert found["interest"]["outcome"] == found["mark_as_read"]["outcome"] == "not tried"
        # The thread may show it a little later, so that looking there at once is not enough.
        assert "outcome unknown; call again in" in await service.refused("handle_reply", **HANDLED)
        world.clock.advance(2)
        assert (await service.answers(), await service.interest(MAYA)) == ([], 1)
        assert MAYAS_THREAD in await service.unread()
    assert sum(request["path"] == "/api/v2/emails/reply" for request in world.requests) == 1


async def test_a_call_that_is_cancelled_while_it_sends_leaves_the_thread_in_doubt(serve: Serve) -> None:
    async with serve() as service:
        service.faults.add(operation=REPLY, latency=30, real=True)
        with anyio.move_on_after(0.2) as scope:
            await service.invoker.invoke("handle_reply", HANDLED)
        assert scope.cancelled_caught
        assert "outcome unknown" in await service.refused("handle_reply", **HANDLED)
        assert len(await service.answers()) <= 1


async def test_a_call_that_is_cancelled_before_it_sends_does_not(serve: Serve) -> None:
    async def end(_: float) -> None:
        scope.cancel()
        await anyio.sleep_forever()

    async with serve(sleep=end) as service:
        service.faults.add(operation=REPLY, status=429, next=1)
        with anyio.CancelScope() as scope:
            await service.invoker.invoke("handle_reply", HANDLED)
        assert scope.cancelled_caught
        assert (await service.call("handle_reply", **HANDLED))["answer"]["outcome"] == "done"


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_an_answer_that_is_refused_is_not_done_and_can_be_tried_again(serve: Serve, status: int) -> None:
    async with serve() as service:
        service.faults.add(operation=REPLY, status=status)
        found = await service.call("handle_reply", **HANDLED)
        assert found["answer"]["outcome"] == "not done" and f"answered {status}" in found["answer"]["why"]
        assert found["interest"]["outcome"] == found["mark_as_read"]["outcome"] == "not tried"
        assert MAYAS_THREAD in await service.unread()
        assert (await service.call("handle_reply", **HANDLED))["answer"]["outcome"] == "done"


@pytest.mark.parametrize(
    ("fault", "interest", "read"),
    [
        ({"status": 404}, "not done", "done"),
        ({"status": 503}, "unknown", "done"),
        ({"reset": True}, "unknown", "done"),
        ({"status": 403}, "not done", "not tried"),
    ],
)
async def test_an_interest_that_cannot_be_set_is_told_and_the_thread_is_read_where_it_can_be(
    serve: Serve, fault: dict[str, Any], interest: str, read: str
) -> None:
    async with serve() as service:
        service.faults.add(operation=INTEREST, **fault)
        found = await service.call("handle_reply", **HANDLED)
        assert found["answer"]["outcome"] == "done"
        assert (found["interest"]["outcome"], found["mark_as_read"]["outcome"]) == (interest, read)
        assert (MAYAS_THREAD in await service.unread()) == (read == "not tried")


async def test_nothing_is_sent_where_it_cannot_be_seen_whether_the_thread_was_answered(serve: Serve) -> None:
    async with serve() as service:
        service.faults.add(operation="GET /emails", status=500, next=3)
        text = await service.refused("handle_reply", **HANDLED)
        assert "handle_reply stopped at list_emails" in text and "Nothing had been changed before." in text
        service.faults.add(operation="GET /emails", error={"items": []})
        found = await service.call("handle_reply", **HANDLED)
        assert "does not show the thread" in found["answer"]["why"]
        assert await service.answers() == []


async def test_an_email_without_a_thread_is_left_to_reply_to_email(serve: Serve, world: World) -> None:
    world.emails.change(world.emails[MAYAS_REPLY], thread_id=None)
    async with serve() as service:
        assert "use reply_to_email" in await service.refused("handle_reply", **HANDLED)
    assert not any(request["path"] == "/api/v2/emails/reply" for request in world.requests)


async def test_our_own_email_and_a_blank_answer_are_refused(serve: Serve, world: World) -> None:
    async with serve() as service:
        assert "not a received email" in await service.refused("handle_reply", **{**HANDLED, "email_id": OUR_EMAIL})
        assert "body: is blank" in await service.refused("handle_reply", **{**HANDLED, "body": {"html": " "}})
        assert await service.answers() == []


async def test_an_interest_that_the_server_may_not_set_is_refused_before_anything_is_sent(serve: Serve) -> None:
    async with serve(toolsets=["all"], exclude=["update_lead_interest_status"]) as service:
        assert "not enabled here" in await service.refused("handle_reply", **HANDLED)
        assert await service.answers() == []


async def test_a_reply_warns_of_an_active_inbox_manager(serve: Serve) -> None:
    async with serve() as service:
        await service.call("update_inbox_manager", id=MANAGER, status=1)
        assert "may get two replies" in (await service.call("handle_reply", **HANDLED))["_note"]


# stopping contact


async def campaign_emails(service: Service, email: str) -> set[str]:
    mails = await service.call("list_emails", lead=email, limit=100, fields=["*"])
    return {mail["id"] for mail in mails["items"] if mail["ue_type"] == 1}


async def test_who_is_stopped_is_blocked_out_of_subsequences_and_gets_no_more_email(serve: Serve, world: World) -> None:
    async with serve() as service:
        before = await campaign_emails(service, SOFIA)
        found = await service.call("stop_contacting", who=[" Kontor.example", MAYA])
        assert found["blocked"] == ["kontor.example", MAYA]
        assert found["subsequences"] == {"removed": [SOFIA]}
        assert (found["leads_found"], found["under_way"]) == (2, 1)
        (place,) = found["where"]
        assert (place["campaign"], place["subsequence"]) == ("Fintech CFOs, autumn", "Interested: book a call")
        assert [lead["email"] for lead in place["leads"]] == [SOFIA]
        assert "by hand" in found["_note"]
        listed = (await service.call("list_block_list_entries", limit=100, fields=["*"]))["items"]
        assert {"kontor.example", MAYA} <= {entry["bl_value"] for entry in listed}
        (lead,) = (await service.call("list_leads", contacts=[SOFIA], fields=["*"]))["items"]
        assert "subsequence_id" not in lead
        world.clock.advance(20 * DAY)
        assert await campaign_emails(service, SOFIA) == before


async def test_a_preview_changes_nothing(serve: Serve, world: World) -> None:
    async with serve() as service:
        found = await service.call("stop_contacting", who=["kontor.example"], preview=True)
    assert (found["preview"], found["would_block"], found["under_way"]) == (True, ["kontor.example"], 1)
    assert found["where"][0]["leads"][0]["email"] == SOFIA
    assert "blocked" not in found
    assert {request["method"] for request in world.requests if "leads/list" not in request["path"]} == {"GET"}


async def test_subdomains_and_lookalikes_of_a_domain_are_told_apart(serve: Serve) -> None:
    async with serve() as service:
        for email in ("a@mail.kontor.example", "b@notkontor.example", "kontor.example@other.example"):
            await service.call("create_lead", email=email, campaign=FINTECH, first_name="New")
        found = await service.call("stop_contacting", who=["kontor.example"])
    # What is not blocked is not among those who are stopped.
    assert found["subdomains_not_blocked"] == {"mail.kontor.example": {"leads": 1, "under_way": 1}}
    assert (found["leads_found"], found["under_way"]) == (1, 1)


@pytest.mark.parametrize(
    "who", ["gmail.com", "acme", "https://acme.example", "a@b", "a b@acme.example", "*.acme.example"]
)
async def test_what_is_no_address_and_no_domain_of_one_company_is_refused(serve: Serve, world: World, who: str) -> None:
    async with serve() as service:
        text = await service.refused("stop_contacting", who=["kontor.example", who])
    assert "Nothing was sent" in text and who in text
    assert world.requests == []


async def test_a_block_whose_response_is_lost_is_looked_up(serve: Serve) -> None:
    async with serve() as service:
        service.faults.add(operation=BLOCK, reset=True, when="after")
        found = await service.call("stop_contacting", who=["kontor.example"])
    assert (found["blocked"], found["subsequences"]) == (["kontor.example"], {"removed": [SOFIA]})


async def test_who_is_not_surely_blocked_stays_in_the_subsequence(serve: Serve) -> None:
    async with serve() as service:
        service.faults.add(operation=BLOCK, reset=True)
        found = await service.call("stop_contacting", who=["kontor.example"])
        assert (found["blocked"], found["unknown"][0]["items"]) == ([], ["kontor.example"])
        assert "subsequences" not in found
        (lead,) = (await service.call("list_leads", contacts=[SOFIA], fields=["*"]))["items"]
        assert lead["subsequence_id"] == BOOK_A_CALL


async def test_a_block_that_is_refused_ends_the_call_with_nothing_changed(serve: Serve) -> None:
    async with serve() as service:
        service.faults.add(operation=BLOCK, status=403)
        text = await service.refused("stop_contacting", who=["kontor.example"])
    assert "stopped at bulk_create_block_list_entries" in text and "Nothing had been changed before." in text


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "failed"), (503, "unknown"), (403, "not_tried")], ids=["404", "503", "403"]
)
async def test_what_was_blocked_is_told_where_a_subsequence_cannot_be_ended(
    serve: Serve, status: int, kind: str
) -> None:
    async with serve() as service:
        service.faults.add(operation="POST /leads/subsequence/remove", status=status)
        found = await service.call("stop_contacting", who=["kontor.example"])
    assert (found["blocked"], found["subsequences"]["removed"]) == (["kontor.example"], [])
    assert kind in found["subsequences"]


# many at once


async def test_many_leads_get_their_own_interest_or_that_of_all(serve: Serve, world: World) -> None:
    leads = [
        {"lead_email": MAYA.title()},
        {"lead_email": TOM, "interest_value": -1},
        {"lead_email": "no@where.example"},
    ]
    async with serve() as service:
        found = await service.call("set_interest", leads=leads, interest_value=3, campaign_id=FINTECH)
        assert [lead["lead_email"] for lead in found["accepted"]] == [MAYA, TOM]
        (failed,) = found["failed"]
        assert "Lead not found" in failed["why"] and failed["items"][0]["lead_email"] == "no@where.example"
        world.clock.advance(2)
        assert (await service.interest(MAYA), await service.interest(TOM)) == (3, -1)
        await service.call("set_interest", leads=[{"lead_email": MAYA}], reset=True)
        world.clock.advance(2)
        assert await service.interest(MAYA) is None


async def test_an_interest_that_shows_already_is_confirmed(serve: Serve) -> None:
    async with serve() as service:
        # The sandbox's clock goes on while the second one is late, and the first has been worked off by then.
        service.faults.add(operation=INTEREST, latency=2, every=2)
        leads = [{"lead_email": MAYA}, {"lead_email": TOM}]
        found = await service.call("set_interest", leads=leads, interest_value=3)
    assert found["confirmed"] == [{"lead_email": MAYA, "interest_value": 3}]
    assert found["accepted"] == [{"lead_email": TOM, "interest_value": 3}]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"leads": [{"lead_email": MAYA}]}, "leads[0].interest_value: missing"),
        ({"leads": [{"lead_email": MAYA}], "interest_value": 1, "reset": True}, "not both"),
        (
            {"leads": [{"lead_email": MAYA, "interest_value": 1}, {"lead_email": MAYA, "interest_value": 2}]},
            f"different values for {MAYA}",
        ),
        (
            {"leads": [{"lead_email": MAYA, "campaign_id": FINTECH}, {"lead_email": MAYA}], "interest_value": 1},
            None,
        ),
        (
            {
                "leads": [
                    {"lead_email": MAYA, "interest_value": 1, "campaign_id": FINTECH},
                    {"lead_email": MAYA, "interest_value": 2, "campaign_id": LOGISTICS},
                ]
            },
            None,
        ),
    ],
    ids=["no value", "both", "two values", "the same value", "two campaigns"],
)
async def test_an_interest_that_is_not_clear_is_refused_with_nothing_sent(
    serve: Serve, world: World, given: dict[str, Any], said: str | None
) -> None:
    async with serve() as service:
        if said is None:
            assert "confirmed" in await service.call("set_interest", **given)
        else:
            assert said in await service.refused("set_interest", **given)
            assert world.requests == []


async def test_an_error_in_one_lead_does_not_end_the_rest(serve: Serve, world: World) -> None:
    people = [lead["email"] for lead in world.leads if lead.get("campaign") == FINTECH][10:14]
    leads = [{"lead_email": email} for email in people]
    async with serve() as service:
        service.faults.add(operation=INTEREST, reset=True, every=2)
        found = await service.call("set_interest", leads=leads, interest_value=-3)
        world.clock.advance(2)
        assert [await service.interest(email) for email in people] == [-3, None, -3, None]
    (unknown,) = found["unknown"]
    assert [lead["lead_email"] for lead in unknown["items"]] == [people[1], people[3]]
    assert "may have been carried out" in unknown["why"]
    assert sum(request["path"].endswith("update-interest-status") for request in world.requests) == 4


@pytest.mark.parametrize(("kind", "status"), [("status", 401), ("status", 402), ("status", 403), ("html", 403)])
async def test_an_error_that_meets_all_ends_the_rest(serve: Serve, world: World, kind: str, status: int) -> None:
    people = [lead["email"] for lead in world.leads if lead.get("campaign") == FINTECH][10:14]
    leads = [{"lead_email": email} for email in people]
    async with serve() as service:
        service.faults.add(operation=INTEREST, every=2, **{kind: status})
        found = await service.call("set_interest", leads=leads, interest_value=-3)
        assert [lead["lead_email"] for lead in found["accepted"]] == people[:1]
        assert [lead["lead_email"] for lead in found["failed"][0]["items"]] == people[1:2]
        assert [lead["lead_email"] for lead in found["not_tried"]["items"]] == people[2:]
        assert f"answered {status}" in found["not_tried"]["why"]
        service.faults.clear()
        service.faults.add(operation=INTEREST, every=1, **{kind: status})
        assert "Nothing had been changed" in await service.refused("set_interest", leads=leads, interest_value=-3)


async def test_a_page_that_refuses_one_for_what_is_in_it_ends_nothing(serve: Serve, world: World) -> None:
    people = [lead["email"] for lead in world.leads if lead.get("campaign") == FINTECH][10:14]
    async with serve() as service:
        service.faults.add(operation=INTEREST, every=2, html=406)
        found = await service.call("set_interest", leads=[{"lead_email": one} for one in people], interest_value=-3)
    assert [lead["lead_email"] for lead in found["accepted"]] == [people[0], people[2]]
    assert "not_tried" not in found and len(found["failed"][0]["items"]) == 2


async def test_a_rate_limit_is_waited_for_and_ends_the_rest_where_that_does_not_help(serve: Serve) -> None:
    threads = [MAYAS_THREAD, TOMS_THREAD]
    async with serve() as service:
        service.faults.add(operation=READ, status=429, next=2)
        assert (await service.call("mark_threads_read", thread_ids=threads))["done"] == threads
        service.faults.add(operation=READ, status=429, next=3)
        text = await service.refused("mark_threads_read", thread_ids=threads)
    assert "answered 429" in text and "Nothing had been changed" in text


async def test_a_call_without_time_tries_one_and_names_the_others(serve: Serve) -> None:
    async with serve(call_timeout=4) as service:
        found = await service.call("mark_threads_read", thread_ids=[MAYAS_THREAD, TOMS_THREAD])
    assert (found["done"], found["not_tried"]["items"]) == ([MAYAS_THREAD], [TOMS_THREAD])
    assert "call it again" in found["not_tried"]["why"]


async def test_many_threads_are_read_and_those_that_were_not_unread_are_told(serve: Serve) -> None:
    told: list[str | None] = []

    async def hear(_: float, __: float | None, message: str | None) -> None:
        told.append(message)

    wanted = {"thread_ids": [MAYAS_THREAD, "c0-noSuchThread", TOMS_REPLY]}
    async with serve() as service:
        result = await service.client.call_tool("mark_threads_read", wanted, progress_callback=hear)
        found = answer_of(result)
        assert found["done"] == [MAYAS_THREAD, "c0-noSuchThread"]
        assert found["were_not_unread"] == ["c0-noSuchThread"]
        assert found["failed"] == [
            {"why": f"This is the id of an email; its thread_id is {TOMS_THREAD}.", "items": [TOMS_REPLY]}
        ]
        assert await service.unread() == {TOMS_THREAD}
    assert told[-1] == "2 of 2 marked"


@pytest.mark.parametrize("status", [403, 429, 500])
async def test_threads_are_marked_where_the_unread_ones_cannot_be_read(serve: Serve, status: int) -> None:
    async with serve() as service:
        service.faults.add(operation="GET /emails", status=status, next=3)
        found = await service.call("mark_threads_read", thread_ids=[MAYAS_THREAD])
        assert found["done"] == [MAYAS_THREAD] and "were_not_unread" not in found
        service.faults.clear()
        assert await service.unread() == {TOMS_THREAD}


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("mark_threads_read", {"thread_ids": ["x"] * 101}),
        ("set_interest", {"leads": [{"lead_email": MAYA}] * 101, "interest_value": 1}),
        ("stop_contacting", {"who": ["a.example"] * 101}),
        ("triage_replies", {"max_items": 101}),
    ],
)
async def test_more_than_a_hundred_are_refused(serve: Serve, world: World, tool: str, given: dict[str, Any]) -> None:
    async with serve() as service:
        assert "100" in await service.refused(tool, **given)
    assert world.requests == []


def test_the_hints_are_those_of_what_is_called(catalog: Catalog) -> None:
    hints = {name: (one.read_only, one.destructive, one.idempotent) for name, one in catalog.workflows.items()}
    assert hints["triage_replies"] == (True, False, True)
    assert hints["mark_threads_read"] == (False, False, True)
    assert hints["set_interest"] == (False, False, False)
    assert hints["handle_reply"] == (False, False, False)
    assert hints["stop_contacting"] == (False, True, False)
    for name in ("handle_reply", "set_interest", "stop_contacting"):
        assert "sends_email" in catalog.workflows[name].effects
