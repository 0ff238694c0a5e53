"""Notes: what is said about an answer that looks like a success, through client, server and sandbox.

Each is brought about by the sandbox's own behaviour where it has such a case; a fault puts another answer in place
where it has none. A field of an answer that gets another name turns one of these tests red, and so does a new phrase
of a note that none of them brings about.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World, create_app
from mcp_instantly.sandbox.worlds.demo.enrichments import TARGET_ACCOUNTS
from mcp_instantly.server import build_server
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog, load_catalog
from mcp_instantly.tools.operation import Operation

from .cases import for_each
from .conftest import ROOT, answer_of, everything, fresh_world, informed, no_sleep

pytestmark = pytest.mark.anyio

OPERATIONS = list(load_catalog().operations.values())
Example = tuple[Operation, int]
EXAMPLES: list[Example] = [(op, number) for op in OPERATIONS for number in range(len(op.examples))]

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b502"
FUNDED = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
MAYA = "maya.lindqvist@fjordpay.example"
MAYAS_ID = "01991f00-0001-7000-8000-000000000001"
ADA = "ada@brightpath.example"
NOBODY = "nobody@elsewhere.example"
UNKNOWN = "01991f00-ffff-7000-8000-00000000ffff"


SHORT = 5_000
TINY = 1_000
"""Limits of results, in characters: one that answers exceed soon, and the smallest there is."""


class Caller:
    """Calls tools of our server in front of a sandbox. `read` is what a model has read so far, call by call."""

    def __init__(self, client: Client, app: Any, world: World):
        self._client = client
        self._app = app
        self.world = world
        self.read: list[str] = []

    async def __call__(self, tool: str, **arguments: Any) -> Any:
        result = await self._client.call_tool(tool, arguments)
        answer = answer_of(result)
        self.read.append(result.content[0].text)
        return answer

    async def note(self, tool: str, **arguments: Any) -> str:
        """What is noted on an answer; empty for nothing."""
        return (await self(tool, **arguments)).get("_note", "")

    async def refusal(self, tool: str, **arguments: Any) -> str:
        """What an error says."""
        result = await self._client.call_tool(tool, arguments)
        assert result.is_error
        return result.content[0].text

    def will_answer(self, operation: str, answer: dict[str, Any], **when: Any) -> None:
        """Have the next request of an operation answered so, carried out or not."""
        self._app.workspaces.faults.add(error=answer, operation=operation, **when)


@contextlib.asynccontextmanager
async def calling(world: World, catalog: Catalog, settings: Settings) -> AsyncIterator[Caller]:
    app = create_app(world)
    selection = everything()
    async with (
        InstantlyClient(settings, transport=httpx.ASGITransport(app), sleep=no_sleep) as http,
        Client(build_server(Invoker(selection, http, settings))) as client,
    ):
        yield Caller(informed(client, selection), app, world)


@pytest.fixture
async def call(world: World, catalog: Catalog, settings: Settings) -> AsyncIterator[Caller]:
    async with calling(world, catalog, settings) as caller:
        yield caller


@pytest.fixture
async def short(world: World, catalog: Catalog, settings: Settings) -> AsyncIterator[Caller]:
    """With results of at most SHORT characters."""
    async with calling(world, catalog, dataclasses.replace(settings, result_limit=SHORT)) as caller:
        yield caller


@pytest.fixture
async def tiny(world: World, catalog: Catalog, settings: Settings) -> AsyncIterator[Caller]:
    """With results of at most TINY characters."""
    async with calling(world, catalog, dataclasses.replace(settings, result_limit=TINY)) as caller:
        yield caller


# Not known


async def test_a_value_that_the_vendor_may_have_added_is_sent_and_named(call: Caller) -> None:
    column = {"resource_id": LIST, "resource_type": 2, "output_column": "opener", "prompt": "Write one line."}
    call.will_answer("POST /supersearch-enrichment/ai", {"id": LIST, "model_version": "gpt-5.4-minii"})
    note = await call.note("create_ai_enrichment", **column, model_version="gpt-5.4-minii")
    assert note.startswith('model_version: "gpt-5.4-minii" is not among the 25 known values; Instantly adds new ones')
    call.will_answer("POST /supersearch-enrichment/ai", {"id": LIST, "model_version": "gpt-5.6-luna"})
    note = await call.note("create_ai_enrichment", **column, model_version="gpt-5.6-luna")
    assert note == "Begun, not done yet. get_ai_enrichment_progress tells when it is done."
    refused = await call.refusal("create_ai_enrichment", **column, model_version="gpt-9")
    assert 'model_version: "gpt-9" is not among the 25 known values' in refused and " Closest: gpt-" in refused
    assert refused.startswith("Instantly answered 400")
    assert "Nothing was sent" in await call.refusal("create_ai_enrichment", **column, model_version=" ")


async def test_new_signal_categories_are_sent_and_named_one_by_one(call: Caller) -> None:
    wanted = ["job_change", "moon_landing", {"key": "tea_break", "period_days": 7}]
    search = {"search_filters": {"title": {"include": ["CTO"]}}, "limit": 5}
    call.will_answer("POST /supersearch-enrichment/enrich-leads-from-supersearch", {"id": LIST})
    note = await call.note("enrich_leads_from_supersearch", **search, signal_enrichment=wanted)
    assert 'signal_enrichment[1]: "moon_landing" is not among the 26 known values' in note
    assert 'signal_enrichment[2].key: "tea_break" is not among the 26 known values' in note
    assert "job_change" not in note
    wanted = [{"key": "job_change", "period_days": 0}]
    refused = await call.refusal("enrich_leads_from_supersearch", **search, signal_enrichment=wanted)
    assert "signal_enrichment[0].period_days: must be at least 1, got 0." in refused


# No false alarm

EXPECTED = {
    "approve_sales_agent_activities": "They are not done yet",
    "approve_sales_agent_activity": "Approved, not done yet",
    "bulk_assign_leads": "Accepted",
    "bulk_delete_agent_items": "1 of the items failed, although the status says success: Automation not found.",
    "create_ai_enrichment": "Begun",
    "create_campaign": "Not given",
    "create_company_list": "Accepted",
    "create_dfy_order": "A quote",
    "create_enrichment": "Begun",
    "create_inbox_manager_guidance": "The basics exist once: those of",
    "create_workspace_group_member": "Not finished",
    "delete_company_list": "Done",
    "delete_sales_agent_guidance_rule": "Rules behind rule-0 have moved up",
    "disable_account_warmup": "Not finished",
    "download_block_list": "CSV",
    "enable_account_warmup": "Not finished",
    "enrich_leads_from_supersearch": "Begun",
    "get_background_job": "1 of the items failed",
    "get_oauth_session_status": "Not finished",
    "list_emails": "preview_only leaves the texts out",
    "move_leads": "Not finished",
    "run_enrichment": "Begun",
    "share_campaign": "Done",
    "update_lead_interest_status": "Accepted",
    "verify_email": "Not finished",
}
"""How the notes on answers to examples begin."""


def named(example: Example) -> str:
    operation, number = example
    return f"{operation.name}-{number}"


async def draws_what_belongs_to_it(call: Caller, example: Example) -> None:
    operation, number = example
    note = await call.note(operation.name, **operation.examples[number])
    expected = EXPECTED.get(operation.name, "Without" if operation.narrowing.without else "no note")
    assert not note or note.startswith(expected), note


@for_each("example", [one for one in EXAMPLES if one[0].read_only], named)
async def test_an_example_of_a_read_draws_no_note_but_those_that_belong_to_it(call: Caller, example: Example) -> None:
    await draws_what_belongs_to_it(call, example)


@for_each("example", [one for one in EXAMPLES if not one[0].read_only], named)
async def test_an_example_of_a_write_draws_no_note_but_those_that_belong_to_it(
    catalog: Catalog, settings: Settings, example: Example
) -> None:
    async with calling(fresh_world(), catalog, settings) as call:
        await draws_what_belongs_to_it(call, example)


async def test_another_spelling_is_not_a_difference(call: Caller) -> None:
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


async def test_work_whose_answer_shows_no_state_is_said_to_go_on(call: Caller) -> None:
    wanted = {"search_filters": {"title": {"include": ["CFO"]}}, "limit": 1, "work_email_enrichment": True}
    for tool, asked, tells in (
        ("run_enrichment", {"resource_id": FUNDED, "limit": 1}, "get_enrichment or get_enrichment_history"),
        ("create_enrichment", {"resource_id": FUNDED, "type": "work_email_enrichment"}, "get_enrichment"),
        ("enrich_leads_from_supersearch", wanted, "get_background_job or get_enrichment"),
    ):
        assert await call.note(tool, **asked) == f"Begun, not done yet. {tells} tells when it is done."


async def test_a_wait_that_ends_before_the_work_does_says_what_to_ask(call: Caller) -> None:
    note = await call.note("verify_email", email="pending.paula@field.example", wait_seconds=4)
    assert note == (
        'Not done yet (verification_status "pending") after 4 s of waiting: ask get_email_verification later.'
    )
    note = await call.note("create_enrichment", resource_id=FUNDED, type="work_email_enrichment", wait_seconds=1)
    assert note == "Not done yet (in_progress true) after 1 s of waiting: ask get_enrichment later."


async def test_a_wait_whose_reads_fail_says_so_beside_what_was_done(call: Caller) -> None:
    call.will_answer("POST /email-verification", {"status": "success", "email": "x@gone.example"})
    note = await call.note("verify_email", email="x@gone.example", wait_seconds=4)
    assert note.startswith(
        "Not done yet. get_email_verification failed, so it was not waited for: Instantly answered 404"
    )


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


async def test_accounts_that_were_not_paused_are_counted_and_need_not_have_failed(call: Caller) -> None:
    note = await call.note("bulk_pause_accounts", emails=[ADA, NOBODY])
    said = "not changed, as failed_emails says: paused before, or they could not be paused."
    assert note == f"1 of the accounts was {said}"
    assert await call.note("bulk_pause_accounts", emails=[ADA, NOBODY]) == f"2 of the accounts were {said}"


async def test_a_job_that_found_nothing_says_so(call: Caller) -> None:
    job = await call("move_leads", campaign=ACTIVE, contacts=[NOBODY], to_campaign_id=DRAFT)
    call.world.clock.advance(5)
    note = await call.note("get_background_job", id=job["id"])
    assert note == "The job matched no leads; check its filters."


async def test_a_job_that_left_leads_where_they_were_says_so(call: Caller) -> None:
    made = await call("create_lead_list", name="Two")
    await call("bulk_add_leads", list_id=made["id"], leads=[{"email": MAYA}, {"email": NOBODY}])
    job = await call("move_leads", list_id=made["id"], to_campaign_id=ACTIVE)
    call.world.clock.advance(5)
    assert (await call.note("get_background_job", id=job["id"])).startswith("1 of 2 leads were moved; ")


async def test_a_row_with_letters_beyond_ascii_in_its_domain_is_told_how_to_write_it(call: Caller) -> None:
    leads = [{"email": "anna@m\u00fcller.example"}, {"email": "new@field.example"}]
    note = await call.note("bulk_add_leads", campaign_id=DRAFT, leads=leads)
    assert "(leads[0])" in note and "written in punycode: leads[0]: xn--mller-kva.example." in note
    alone = await call.note("bulk_add_leads", campaign_id=DRAFT, leads=leads[:1])
    assert "leads[0]: xn--mller-kva.example" in alone
    right = [{"email": "anna@xn--mller-kva.example"}, {"email": "not an address"}, {"email": "x@\u00e4..example"}]
    assert "punycode" not in await call.note("bulk_add_leads", campaign_id=DRAFT, leads=right)


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
    said = await call.refusal("send_test_email", **mail)
    assert '"ACC_NOT_FOUND". It was not carried out' in said and "unknown" not in said
    hook = await call("create_webhook", target_hook_url="https://down.example/status/500", event_type="email_sent")
    tested = await call("test_webhook", id=hook["id"])
    assert (tested["success"], tested["status_code"]) == (False, 500), "that is what it was asked for"
    person = {"first_name": "Ann", "last_name": "Field", "email_address_prefix": "ann"}
    order = {"order_type": "dfy", "items": [{"domain": "no domain", "accounts": [person]}]}
    assert "Instantly answered 200" in await call.refusal("create_dfy_order", **order)
    call.will_answer("POST /dfy-email-account-orders", {"payment_failure_reason": "card declined"})
    said = await call.refusal("create_dfy_order", **order, simulation=True)
    assert "card declined" in said and "the operation failed" in said
    call.will_answer("POST /dfy-email-account-orders", {"order_placed": False, "order_error": "no", "reasons": ["x"]})
    said = await call.refusal("create_dfy_order", **order)
    assert said.startswith('Instantly answered 200: "no". It was not carried out') and '{"reasons":["x"]}.' in said
    call.will_answer("POST /email-verification", {"status": "error", "email": NOBODY})
    assert "Instantly answered 200" in await call.refusal("verify_email", email=NOBODY)


async def test_a_campaign_that_is_not_shared_is_not_taken_for_a_matter_of_the_key(call: Caller) -> None:
    said = await call.refusal("create_campaign_from_export", id=DRAFT)
    assert "call share_campaign in the workspace that owns it" in said and "Scopes" not in said
    await call("share_campaign", id=DRAFT)
    assert (await call("create_campaign_from_export", id=DRAFT))["id"] != DRAFT


# Not what was asked


async def test_a_lead_that_was_put_nowhere_is_told(call: Caller) -> None:
    made = await call("create_lead", email=NOBODY)
    assert made["_note"] == (
        "The lead is in no campaign and no list, so nothing is sent to it: call create_lead again with campaign or "
        f"list_id, and delete_lead with the id {made['id']}."
    )
    assert await call.note("create_lead", email=NOBODY, campaign=DRAFT) == ""


async def test_the_name_that_other_tools_use_for_a_campaign_is_refused_before_it_makes_such_a_lead(
    call: Caller,
) -> None:
    refused = await call.refusal("create_lead", email=NOBODY, campaign_id=DRAFT)
    assert "campaign_id: unknown. Here it is called campaign." in refused
    assert (await call("list_leads", contacts=[NOBODY]))["items"] == []


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


async def test_campaigns_without_figures_are_named(call: Caller) -> None:
    note = await call.note("get_campaign_analytics", ids=[ACTIVE, DRAFT])
    assert note == f"No figures for {DRAFT}: sent nothing in this time, or not of this workspace."
    assert DRAFT in await call.note("get_campaign_analytics", id=DRAFT)
    assert await call.note("get_campaign_analytics", id=ACTIVE) == ""


async def test_why_a_campaign_does_not_send_is_said_in_words(call: Caller) -> None:
    call.will_answer("GET /campaigns/{id}", {"id": ACTIVE, "not_sending_status": 3})
    assert await call.note("get_campaign", id=ACTIVE) == "not_sending_status 3: its daily limit is reached."
    reasons = [1, 2, 2, 4, 99, 7, None]
    items = [{"id": ACTIVE, "not_sending_status": reason} for reason in reasons]
    call.will_answer("GET /campaigns", {"items": items})
    note = await call.note("list_campaigns")
    for words in (
        "1: outside its schedule.",
        "2: no leads to send to.",
        "4: the daily limits of its senders",
        "99: an",
    ):
        assert note.count(f"not_sending_status {words}") == 1
    assert "7" not in note


async def test_previews_are_not_to_be_acted_upon(call: Caller) -> None:
    note = await call.note("list_emails", preview_only=True, email_type="received")
    assert "cut without a mark: read the text itself" in note
    assert "preview_only" not in await call.note("list_emails", email_type="received")
    assert "preview_only" not in await call.note("list_emails", preview_only=True, lead=NOBODY)


async def test_no_tags_at_all_may_mean_that_ids_are_wanted(call: Caller) -> None:
    call.will_answer("GET /custom-tag-mappings", {"items": []})
    assert "wants resource_ids to be given" in await call.note("list_custom_tag_mappings")
    assert await call.note("list_custom_tag_mappings", resource_ids=NOBODY) == ""


async def test_a_new_campaign_is_told_what_it_lacks_and_what_was_left_to_instantly(call: Caller) -> None:
    schedule = {
        "schedules": [
            {
                "name": "Days",
                "timing": {"from": "09:00", "to": "17:00"},
                "days": {"1": True},
                "timezone": "America/Chicago",
            }
        ]
    }
    note = await call.note("create_campaign", name="Bare", campaign_schedule=schedule)
    assert "needed before activate_campaign: email_list, sequences." in note
    assert "switches may be off: stop_on_reply, stop_on_auto_reply, open_tracking" in note
    note = await call.note(
        "create_campaign",
        name="Whole",
        campaign_schedule=schedule,
        email_tag_list=["7a600001-3c4d-4e5f-8a6b-7c8d9e0fa102"],
        sequences=[{"steps": [{"type": "email", "delay": 0, "variants": [{"subject": "a", "body": "<p>b</p>"}]}]}],
        stop_on_reply=False,
        daily_limit=20,
    )
    assert "needed before" not in note and "stop_on_reply," not in note and "daily_limit" not in note
    assert "daily_max_leads" in note


async def test_a_quote_is_not_taken_for_an_order_that_failed(call: Caller) -> None:
    account = {"email_address_prefix": "ada", "first_name": "Ada", "last_name": "L"}
    order = {"items": [{"domain": "trybrightpath.com", "accounts": [account]}], "order_type": "dfy"}
    assert await call.note("create_dfy_order", **order, simulation=True) == "A quote: nothing was ordered."
    assert await call.note("create_dfy_order", **order) == ""


async def test_a_cursor_that_leads_back_to_its_own_page_is_dropped(call: Caller) -> None:
    call.will_answer("GET /campaigns", {"items": [{"id": DRAFT}], "next_starting_after": DRAFT})
    page = await call("list_campaigns", starting_after=DRAFT)
    assert "next_starting_after" not in page
    assert page["_note"].startswith("next_starting_after was the cursor that was sent")
    call.will_answer("GET /campaigns", {"items": [{"id": DRAFT}], "next_starting_after": DRAFT})
    assert (await call("list_campaigns"))["next_starting_after"] == DRAFT


async def test_a_full_page_of_a_list_without_cursors_says_how_to_go_on(call: Caller) -> None:
    assert await call.note("list_accounts", sort_by="email", limit=2) == "There may be more records: pass skip 2."
    assert "_note" not in await call("list_accounts", sort_by="email", limit=100)


# Less than all


async def test_filters_that_were_left_out_and_answers_about_everything_are_named(call: Caller) -> None:
    note = await call.note("list_leads", search=" ")
    assert note.startswith("search was blank and was left out: it narrows nothing.")
    note = await call.note("list_emails", search="", lead=" ")
    assert note.startswith("search and lead were blank and left out: they narrow nothing.")
    assert "Without id or ids, " in await call.note("get_campaign_analytics")


async def test_a_page_that_is_too_long_is_asked_for_with_a_smaller_limit(short: Caller) -> None:
    note = await short.note("list_leads", campaign=ACTIVE)
    assert re.fullmatch(r"The page was too long, so it was asked for with limit \d+: page on for the others\.", note)


async def test_a_page_whose_records_are_called_data_loses_none_either(short: Caller) -> None:
    note = await short.note("list_company_list_companies", company_list_id=TARGET_ACCOUNTS, limit=100)
    assert re.fullmatch(r"The page was too long, so it was asked for with limit \d+: page on for the others\.", note)
    cursors = {"next_starting_after": "20", "next_cursor": "20"}
    path = "GET /supersearch-enrichment/company-lists/{company_list_id}/companies"
    short.will_answer(path, {"data": [{"id": "1", "note": "n" * 2_000}] * 20, **cursors}, every=1)
    note = await short.note("list_company_list_companies", company_list_id=TARGET_ACCOUNTS)
    assert "records in data" in note
    assert "next_starting_after is left out so that none is skipped" in note


async def test_records_that_are_not_shown_are_counted(short: Caller) -> None:
    record = {"id": "1", "note": "n" * 2_000}
    short.will_answer("GET /campaigns", {"items": [record] * 20, "next_starting_after": "20"}, every=1)
    note = await short.note("list_campaigns")
    assert re.search(
        r"too long\. \d of 20 records in items (is|are) shown, and next_starting_after is left out so that none is "
        r"skipped: ask again with limit \d, then page on\.$",
        note,
    )
    leads = [{"email": f"person{number}@field.example"} for number in range(100)]
    note = await short.note("bulk_add_leads", campaign_id=DRAFT, leads=leads)
    assert "of 100 records in created_leads are shown. Ask for less: a narrower filter, a shorter range" in note


async def test_fields_that_other_tools_write_are_left_out_with_a_sentence(short: Caller) -> None:
    variables = {f"note{number}": "v" * 900 for number in range(20)}
    await short("update_lead", id=MAYAS_ID, custom_variables=variables)
    note = await short.note("get_lead", id=MAYAS_ID)
    assert re.match(r"The answer was too long\. payload is left out \(\d+ characters\), not empty: ", note)
    assert "A server started with --result-limit 30000 shows it whole." in note
    record = {
        "id": DRAFT,
        **dict.fromkeys(("name", "sequences", "email_list", "campaign_schedule", "cc_list"), "x" * 4_000),
    }
    short.will_answer("GET /campaigns", {"items": [record, record]}, every=1)
    note = await short.note("list_campaigns")
    assert "and 2 more are left out" in note
    assert "get_campaign for one record, or a server started with" in note


async def test_texts_that_are_cut_bear_a_mark(short: Caller) -> None:
    short.will_answer("GET /emails/{id}", {"id": UNKNOWN, "body": {"text": "Hello. " * 2_000}})
    email = await short("get_email", id=UNKNOWN)
    assert email["body"]["text"].endswith("… [cut by mcp_instantly: 14000 characters in all]")
    assert "The longest texts are cut and marked so" in email["_note"]


async def test_an_answer_of_which_little_can_be_shown_says_what_to_do(short: Caller) -> None:
    short.will_answer("GET /emails/{id}", {"id": UNKNOWN, **{f"field_{n}_{'x' * 100}": [n] for n in range(100)}})
    assert "Only short fields are shown. Ask for less, or " in await short.note("get_email", id=UNKNOWN)


async def test_an_answer_beside_whose_notes_nothing_fits_says_so(tiny: Caller) -> None:
    figures = {f"account{number}@field.example": {"sent": number} for number in range(100)}
    tiny.will_answer("POST /accounts/warmup-analytics", {"email_date_data": figures})
    unknown = [f"somebody.with.a.long.name.{number}@a-long.elsewhere.example" for number in range(8)]
    note = await tiny.note("get_warmup_analytics", emails=unknown)
    assert re.search(r"The answer was too long to be shown \(\d+ characters\)\. Ask for less\.$", note)


async def test_what_is_nested_too_deeply_is_left_out_with_a_sentence(call: Caller) -> None:
    deep: Any = 1
    for _ in range(100):
        deep = {"a": deep}
    call.will_answer("PATCH /leads/{id}", {"id": MAYAS_ID, "deep": deep}, when="after")
    note = await call.note("update_lead", id=MAYAS_ID, job_title="CFO")
    assert note == "What is nested deeper than 64 levels is left out; the call itself worked."


async def test_of_many_fields_or_addresses_some_are_named(call: Caller) -> None:
    unknown = [f"nobody{number}@elsewhere.example" for number in range(10)]
    assert "nobody7@elsewhere.example and 2 more: " in await call.note("get_warmup_analytics", emails=unknown)


# No phrase without a test

SPEAKERS = {
    "notes": "",
    "comparison": "",
    "unsaid": "",
    "narrowing": "notes_on_scope",
    "result": "",
    "truncation": "",
    "invocation": "_ask_for_less",
    "waiting": "_poll",
}
"""The modules whose words reach a note, and the function that says them where others say other things."""

REFUSALS = {"refuse_cut_texts", "raise_inner_error"}
"""Functions of these modules that speak in errors."""

LIMITS = {"call": {}, "short": {"result_limit": SHORT}, "tiny": {"result_limit": TINY}}
"""The fixtures that tests take which bring about notes, and the settings behind them."""


def phrases() -> Iterator[tuple[str, list[str]]]:
    """Every piece of text in the code that speaks: where it stands, and its fixed parts in their order."""
    for module, function in SPEAKERS.items():
        (file,) = {path for path in (ROOT / "mcp_instantly").rglob(f"{module}.py") if "sandbox" not in path.parts}
        tree = ast.parse(file.read_text(encoding="utf-8"))
        named = {
            node.name: node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        }
        spoken = named[function] if function else tree
        silent = [node.value for node in ast.walk(spoken) if isinstance(node, ast.Expr)]
        silent += [part for node in ast.walk(spoken) if isinstance(node, ast.JoinedStr) for part in node.values]
        silent += [inner for node in ast.walk(spoken) if is_progress(node) for inner in ast.walk(node)]
        silent += [inner for name in REFUSALS & set(named) for inner in ast.walk(named[name])]
        for node in ast.walk(spoken):
            if node in silent:
                continue
            parts = [node] if isinstance(node, ast.Constant) else node.values if isinstance(node, ast.JoinedStr) else []
            texts = [getattr(part, "value", None) for part in parts]
            words = [text if isinstance(text, str) else "" for text in texts]
            if " " in "".join(words) and len(re.findall("[A-Za-z]", "".join(words))) > 3:
                yield f"{module}.py:{node.lineno}", words


def is_progress(node: ast.AST) -> bool:
    """Whether this is a call that tells of progress, of which no model reads."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say"


async def test_every_phrase_of_a_note_is_brought_about_by_a_test_of_this_file(
    catalog: Catalog, settings: Settings
) -> None:
    read: list[str] = []
    for name, test in list(globals().items()):
        is_one = name.startswith("test_") and not hasattr(test, "cases")
        takes = list(inspect.signature(test).parameters) if is_one else []
        if len(takes) == 1 and takes[0] in LIMITS:
            chosen = dataclasses.replace(settings, **LIMITS[takes[0]])
            async with calling(fresh_world(), catalog, chosen) as caller:
                await test(caller)
            read += caller.read
    unseen = [f"{where}: {words}" for where, words in phrases() if not any(says(text, words) for text in read)]
    assert unseen == []


def says(text: str, words: list[str]) -> bool:
    """Whether a text has these parts, one behind the other."""
    place = 0
    for word in words:
        place = text.find(word, place)
        if place < 0:
            return False
        place += len(word)
    return True


# Agents


async def test_what_agents_and_their_rules_do_besides_is_said(call: Caller) -> None:
    agent = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
    basics = {"label": "Basics", "category": 0, "basic_guidance_options": {"tone": "professional", "length": "concise"}}
    note = await call.note("create_inbox_manager_guidance", id=agent, **basics)
    assert note.startswith("The basics exist once: those of")
    note = await call.note("bulk_delete_agent_items", items=[{"id": agent}, {"id": UNKNOWN}])
    assert note == "1 of the items failed, although the status says success: Agent not found."
    rule = {"id": "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501", "rule_id": "rule-0"}
    note = await call.note("delete_sales_agent_guidance_rule", **rule)
    assert note.startswith("Rules behind rule-0 have moved up")


async def test_a_bulk_approval_says_how_many_were_passed_over_and_when_the_others_are_done(call: Caller) -> None:
    agent, (first, second, done) = (
        "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501",
        (f"ac710001-7c8d-4e9f-a0b1-2c3d4e5f6a{n:02d}" for n in (5, 6, 2)),
    )
    answer = await call("approve_sales_agent_activities", id=agent, activity_ids=[first, done, UNKNOWN])
    assert answer["approved"] == 1
    assert answer["_note"] == (
        "1 of 3 activities were approved; the others do not wait for it or are not this agent's: "
        "list_sales_agent_activities shows them. They are not done yet: list_sales_agent_activities tells when, and "
        "whether one failed."
    )
    note = await call.note(
        "reject_sales_agent_activities", id=agent, activity_ids=[first, second], rejection_reason="Not now."
    )
    assert note.startswith("1 of 2 activities were rejected; the others do not wait")


async def test_an_approved_activity_is_not_done_yet(call: Caller) -> None:
    agent, activity = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501", "ac710001-7c8d-4e9f-a0b1-2c3d4e5f6a04"
    note = await call.note("approve_sales_agent_activity", id=agent, activity_id=activity)
    assert note == "Approved, not done yet. list_sales_agent_activities tells when it is done."
