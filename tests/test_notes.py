"""Notes: what is said about an answer that looks like a success, through client, server and sandbox.

Each is brought about by the sandbox's own behaviour where it has such a case; a fault puts another answer in place
where it has none. A field of an answer that gets another name turns one of these tests red.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.catalog import Catalog, load_catalog, select
from mcp_instantly.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.operation import Operation
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings

from .conftest import answer_of, no_sleep

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())
EXAMPLES = [(op, number) for op in OPERATIONS for number in range(len(op.examples))]

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
MAYA = "maya.lindqvist@fjordpay.example"
MAYAS_ID = "01991f00-0001-7000-8000-000000000001"
ADA = "ada@brightpath.example"
NOBODY = "nobody@elsewhere.example"
UNKNOWN = "01991f00-ffff-7000-8000-00000000ffff"


class Caller:
    """Calls tools of our server in front of a sandbox."""

    def __init__(self, client: Client, app: Any, world: World):
        self._client = client
        self._app = app
        self.world = world

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        return answer_of(await self._client.call_tool(tool, arguments))

    async def note(self, tool: str, **arguments: Any) -> str:
        """What is noted on an answer; empty for nothing."""
        return (await self(tool, **arguments)).get("_note", "")

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """What an error says."""
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error
        return result.content[0].text

    def will_answer(self, operation: str, answer: dict[str, Any]) -> None:
        """Have the next request of an operation answered so, carried out or not."""
        self._app.workspaces.faults.add(error=answer, operation=operation)


@pytest.fixture
async def call(world: World, catalog: Catalog, settings: Settings) -> AsyncIterator[Caller]:
    app = create_app(world)
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
        Client(build_server(Invoker(select(catalog, toolsets=["all"]), http, settings))) as client,
    ):
        yield Caller(client, app, world)


# No false alarm

EXPECTED = {
    "bulk_assign_leads": "Accepted",
    "create_workspace_group_member": "Not finished",
    "disable_account_warmup": "Not finished",
    "download_block_list": "CSV",
    "enable_account_warmup": "Not finished",
    "get_background_job": "1 of the items failed",
    "get_oauth_session_status": "Not finished",
    "move_leads": "Not finished",
    "share_campaign": "Done",
    "update_lead_interest_status": "Accepted",
    "verify_email": "Not finished",
}
"""How the notes on answers to examples begin."""


@pytest.mark.parametrize(("operation", "number"), EXAMPLES, ids=[f"{op.name}-{number}" for op, number in EXAMPLES])
async def test_an_example_draws_no_note_but_those_that_belong_to_it(
    call: Caller, operation: Operation, number: int
) -> None:
    note = await call.note(operation.name, **operation.examples[number])
    expected = EXPECTED.get(operation.name, "Without" if operation.narrowing.without else "no note")
    assert not note or note.startswith(expected), note


async def test_spelling_is_no_difference(call: Caller) -> None:
    made = await call(
        "create_lead",
        campaign=DRAFT,
        email=" New.Person@Field.example ",
        first_name="  Ann   Marie ",
        website="https://www.field.example/",
        custom_variables={"size": "120", "cold": True, "nan": "NaN"},
    )
    assert "_note" not in made
    assert "_note" not in await call("update_lead", id=made["id"], phone="+1 (555) 010", custom_variables={"size": 120})
    assert "_note" not in await call("create_block_list_entry", bl_value=" Field.EXAMPLE ")


# Not finished


async def test_an_empty_answer_is_said_in_words(call: Caller) -> None:
    assert await call.note("share_campaign", id=ACTIVE) == "Done: share_campaign answers with no content."


async def test_rows_of_csv_are_counted(call: Caller) -> None:
    await call("bulk_create_block_list_entries", bl_values=["one.example"])
    answer = await call("download_block_list", search="one.example")
    assert answer["text"].startswith("Blocked Email")
    assert answer["_note"] == "CSV with 1 row below its header."


async def test_accepted_work_says_that_it_is_not_done_and_who_knows_when_it_is(call: Caller) -> None:
    note = await call.note("update_lead_interest_status", lead_email=MAYA, interest_value=2)
    assert note == "Accepted, not done yet. list_leads or get_lead tells when it is done."


async def test_a_job_that_has_begun_says_whom_to_ask_until_it_is_done(call: Caller) -> None:
    job = await call("move_leads", campaign=ACTIVE, contacts=[MAYA], to_campaign_id=DRAFT)
    assert job["_note"] == "Not finished yet: ask get_background_job again later."
    seen = []
    for _ in range(30):
        answer = await call("get_background_job", id=job["id"])
        seen.append((answer["status"], "Not finished yet" in answer.get("_note", "")))
        call.world.clock.advance(0.25)
    assert {("pending", True), ("in-progress", True), ("success", False)} == set(seen)


async def test_a_pending_verification_names_the_tool_to_ask(call: Caller) -> None:
    note = await call.note("verify_email", email="pending.paula@field.example")
    assert note == "Not finished yet: ask get_email_verification again later."


# Not all of it


async def test_leads_that_were_not_added_are_counted_by_reason_and_named_by_row(call: Caller) -> None:
    await call("create_block_list_entry", bl_value="blocked@field.example")
    leads = [
        {"email": "new@field.example"},
        {"email": MAYA},
        {"email": "New@field.example"},
        {"email": "no address"},
        {"email": "blocked@field.example"},
    ]
    assert await call.note("bulk_add_leads", campaign_id=ACTIVE, leads=leads) == (
        "1 of 5 leads were added; left out: 1 already there, 1 twice in the call, 1 on the block list, 1 with an "
        "invalid address or none (leads[1], leads[2], leads[3], leads[4]). Leads that were there already are unchanged."
    )


async def test_reasons_of_lists_and_skip_flags_are_told_too(call: Caller) -> None:
    leads = [{"email": MAYA}, {"company_name": "Nobody"}]
    note = await call.note("bulk_add_leads", list_id=LIST, leads=leads, skip_if_in_workspace=True)
    assert note == "No lead was added: 1 skipped because known elsewhere, 1 incomplete."


async def test_leads_that_vanish_without_a_reason_are_told(call: Caller) -> None:
    call.will_answer("POST /leads/add", {"status": "success", "leads_uploaded": 0, "duplicated_leads": 1})
    note = await call.note("bulk_add_leads", list_id=LIST, leads=[{"email": MAYA}, {"email": NOBODY}])
    assert note.startswith("No lead was added: 1 already there, 1 without a reason given.")


async def test_all_leads_added_need_no_note(call: Caller) -> None:
    assert await call.note("bulk_add_leads", list_id=LIST, leads=[{"email": NOBODY}]) == ""


async def test_items_of_a_job_that_failed_are_counted(call: Caller) -> None:
    job = await call("enable_account_warmup", emails=[ADA, NOBODY])
    call.world.clock.advance(5)
    note = await call.note("get_background_job", id=job["id"])
    assert note == "1 of the items failed, although the status may say success; see the details per item."


async def test_accounts_that_could_not_be_paused_are_counted(call: Caller) -> None:
    note = await call.note("bulk_pause_accounts", emails=[ADA, NOBODY])
    assert note == "1 of the accounts failed; see failed_emails."


async def test_a_job_that_found_nothing_says_so(call: Caller) -> None:
    job = await call("move_leads", campaign=ACTIVE, contacts=[NOBODY], to_campaign_id=DRAFT)
    call.world.clock.advance(5)
    note = await call.note("get_background_job", id=job["id"])
    assert note == "The job found no lead to work on; check the source it was given."


async def test_a_job_that_left_leads_where_they_were_says_so(call: Caller) -> None:
    made = await call("create_lead_list", name="Two")
    await call("bulk_add_leads", list_id=made["id"], leads=[{"email": MAYA}, {"email": NOBODY}])
    job = await call("move_leads", list_id=made["id"], to_campaign_id=ACTIVE)
    call.world.clock.advance(5)
    assert (await call.note("get_background_job", id=job["id"])).startswith("1 of 2 leads were moved; ")


async def test_values_that_cannot_be_blocked_are_counted(call: Caller) -> None:
    note = await call.note("bulk_create_block_list_entries", bl_values=["one.example", "no domain"])
    assert note == "1 of the values are neither an address nor a domain, so they are not blocked."


async def test_a_deletion_that_matched_nothing_or_not_all_says_so(call: Caller) -> None:
    nothing = "Nothing was deleted: nothing matched."
    assert await call.note("bulk_delete_leads", campaign_id=ACTIVE, ids=[UNKNOWN]) == nothing
    assert await call.note("bulk_delete_block_list_entries", ids=[UNKNOWN]) == nothing
    partly = "1 of the 2 ids were deleted; the others matched nothing."
    assert await call.note("bulk_delete_leads", campaign_id=ACTIVE, ids=[UNKNOWN, MAYAS_ID]) == partly
    entry = await call("create_block_list_entry", bl_value="one.example")
    assert await call.note("bulk_delete_block_list_entries", ids=[UNKNOWN, entry["id"]]) == partly


async def test_counting_nothing_is_no_failure(call: Caller) -> None:
    call.will_answer("GET /emails/unread/count", {"count": 0})
    assert await call.note("count_unread_emails") == ""


# Errors within a success


async def test_a_success_that_carries_an_error_is_an_error(call: Caller) -> None:
    mail = {"eaccount": NOBODY, "to_address_email_list": "me@field.example", "subject": "Hi", "body": {"html": "Hi"}}
    assert "ACC_NOT_FOUND" in await call.refusal("send_test_email", **mail)
    hook = await call("create_webhook", target_hook_url="https://down.example/status/500", event_type="email_sent")
    assert "did not do what it should" in await call.refusal("test_webhook", id=hook["id"])
    person = {"first_name": "Ann", "last_name": "Field", "email_address_prefix": "ann"}
    order = {"order_type": "dfy", "items": [{"domain": "no domain", "accounts": [person]}]}
    assert "Instantly answered 200" in await call.refusal("create_dfy_order", **order)
    call.will_answer("POST /dfy-email-account-orders", {"payment_failure_reason": "card declined"})
    assert "card declined" in await call.refusal("create_dfy_order", **order, simulation=True)
    call.will_answer("POST /email-verification", {"status": "error", "email": NOBODY})
    assert "Instantly answered 200" in await call.refusal("verify_email", email=NOBODY)


# Not what was asked


async def test_an_older_lead_of_the_campaign_is_not_taken_for_a_new_one(call: Caller) -> None:
    note = await call.note("create_lead", campaign=ACTIVE, email=MAYA, personalization="NEW", first_name="Mia")
    assert note == (
        "Nothing was added: this is an older lead with the same address. Not taken over: first_name, personalization. "
        "update_lead changes it."
    )


async def test_a_lead_of_another_campaign_is_not_taken_for_one_of_this(call: Caller) -> None:
    note = await call.note("create_lead", campaign=DRAFT, email=MAYA, skip_if_in_workspace=True)
    assert note == (
        f"Nothing was added: this is an older lead with the same address, in campaign {ACTIVE}. move_leads can copy it."
    )
    note = await call.note("create_lead", list_id=LIST, email=MAYA, skip_if_in_workspace=True)
    assert f"in campaign {ACTIVE}" in note


async def test_a_lead_that_has_just_been_added_is_told_from_a_new_one_by_its_values(call: Caller) -> None:
    first = {"list_id": LIST, "email": NOBODY, "first_name": "Ann", "custom_variables": {"size": 1}}
    assert await call.note("create_lead", **first) == ""
    assert await call.note("create_lead", **first) == ""
    note = await call.note(
        "create_lead", **{**first, "first_name": "Bea", "job_title": "CFO", "custom_variables": {"size": 2}}
    )
    assert note.startswith("first_name, size, job_title did not come back as sent: this may be an older lead")


async def test_a_record_that_was_there_already_is_not_called_new(call: Caller) -> None:
    older = {"id": UNKNOWN, "name": "Field", "timestamp_created": "2026-09-01T13:00:00.000Z"}
    call.will_answer("POST /custom-tags", {**older, "label": "Field", "timestamp_updated": "2026-09-02T13:00:00.000Z"})
    note = await call.note("create_custom_tag", label="Field")
    assert note == "Nothing was made: this was there already, since 2026-09-01T13:00:00.000Z."


async def test_values_that_were_not_taken_are_named(call: Caller) -> None:
    call.will_answer("PATCH /campaigns/{id}", {"id": DRAFT, "name": "Old", "daily_limit": 30, "text_only": None})
    note = await call.note("update_campaign", id=DRAFT, name="New", daily_limit=30, text_only=True, email_gap=5)
    assert note.startswith("name, text_only came back with other values than were sent")


async def test_an_account_without_figures_is_named(call: Caller) -> None:
    assert await call.note("get_warmup_analytics", emails=[ADA.upper()]) == ""
    for emails in ([NOBODY], [ADA, NOBODY]):
        assert (await call.note("get_warmup_analytics", emails=emails)).startswith(f"No figures for {NOBODY}: ")


async def test_a_cursor_that_leads_back_to_its_own_page_is_dropped(call: Caller) -> None:
    call.will_answer("GET /campaigns", {"items": [{"id": DRAFT}], "next_starting_after": DRAFT})
    page = await call("list_campaigns", starting_after=DRAFT)
    assert "next_starting_after" not in page
    assert page["_note"].startswith("next_starting_after was the cursor that was sent")
    call.will_answer("GET /campaigns", {"items": [{"id": DRAFT}], "next_starting_after": DRAFT})
    assert (await call("list_campaigns"))["next_starting_after"] == DRAFT
