"""Limits that a person sets: no call gets past one, whoever makes it and however it is put."""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from click.testing import CliRunner
from mcp import Client

from mcp_instantly.api.client import InstantlyClient
from mcp_instantly.cli import cli
from mcp_instantly.errors import ConfigError, PolicyRefusal
from mcp_instantly.guards import mailboxes
from mcp_instantly.guards.costs import named_recipients
from mcp_instantly.guards.dry_run import DryRun
from mcp_instantly.guards.enforcement import PolicyGuard
from mcp_instantly.guards.ledger import Ledger
from mcp_instantly.guards.policy_file import read_policy
from mcp_instantly.invocation import Invoker
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from . import processes
from .conftest import ROOT, Connect, answer_of, clean_environment, command, everything, no_sleep, over_stdio

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
LEAD = "01991f00-0001-7000-8000-000000000001"
OTHER_LEAD = "01991f00-0079-7000-8000-000000000079"
FINDER = "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3c01"
SALES_AGENT = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501"
MANAGER = "a1b0a001-4c5d-4e6f-8a7b-9c0d1e2f3a01"
EMAIL, THREAD = "01991f80-0002-7000-8000-000000000002", "c0-demoThread0000000000001"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501"
RECEIVED = "01991f80-0027-7000-8000-000000000027"
SENDER, MAILBOX = "klara.lopes@lumenretail.example", "ben@brightpath.example"

MONDAY_NOON = datetime.datetime(2026, 9, 7, 12, tzinfo=datetime.timezone.utc)
DAY_SECONDS = 24 * 3600.0


class Clock:
    """Seconds since 1970, and the time of day, that only the test moves."""

    def __init__(self) -> None:
        self.seconds = MONDAY_NOON.timestamp()

    def __call__(self) -> float:
        return self.seconds

    def today(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.seconds, datetime.timezone.utc)


@pytest.fixture
def clock() -> Clock:
    return Clock()


Held = Callable[[str], PolicyGuard]


@pytest.fixture
def held(tmp_path: Path, catalog: Catalog, clock: Clock) -> Held:
    """A guard for a policy that is given as TOML; all of a test share one ledger, as processes do."""

    def hold(text: str) -> PolicyGuard:
        file = tmp_path / "policy.toml"
        file.write_text(text)
        policy = read_policy(file, catalog.tools)
        ledger = Ledger(tmp_path / "ledger.sqlite3", "http://test", clock) if policy.needs_ledger else None
        return PolicyGuard(policy, ledger, clock.today)

    return hold


def refusal(result: Any) -> str:
    """The rule that a call was refused by."""
    (block,) = result.content
    assert result.is_error, block.text
    assert block.text.startswith("Nothing was sent: the policy of this server forbids it."), block.text
    assert "Nothing in a call lifts a rule" in block.text
    return str(block.text.split("(Rule: ")[1].split(".)")[0])


def writes(world: World) -> list[str]:
    """The paths of the writes that reached the sandbox."""
    reads = ("/get_", "/list")
    return [
        f"{request['method']} {request['path']}"
        for request in world.requests
        if request["method"] != "GET" and not request["path"].endswith(reads)
    ]


async def refused(connect: Connect, world: World, guard: PolicyGuard, tool: str, arguments: dict[str, Any]) -> str:
    """The rule by which a call is refused, after which nothing was written."""
    async with connect(guards=[guard]) as client:
        found = refusal(await client.call_tool(tool, arguments))
    assert writes(world) == []
    return found


# tools


@MODES
async def test_a_tool_that_is_never_called_is_refused_by_name(
    connect: Connect, world: World, held: Held, mode: str
) -> None:
    async with connect(mode=mode, guards=[held('never_call = ["delete_campaign", "get_campaign"]')]) as client:
        assert refusal(await client.call_tool("delete_campaign", {"id": DRAFT})) == "never_call"
        assert refusal(await client.call_tool("get_campaign", {"id": DRAFT})) == "never_call"
        assert not (await client.call_tool("get_campaign_sending_status", {"id": DRAFT})).is_error
    assert writes(world) == []


@MODES
async def test_a_runner_of_discovery_is_no_way_around(connect: Connect, world: World, held: Held, mode: str) -> None:
    async with connect(mode=mode, guards=[held('never_call = ["delete_campaign"]')], discovery=True) as client:
        asked = {"name": "delete_campaign", "arguments": {"id": DRAFT}}
        assert refusal(await client.call_tool("run_write_tool", asked)) == "never_call"
    assert world.requests == []


async def test_a_workflow_is_no_way_around(connect: Connect, world: World, held: Held) -> None:
    async with connect(guards=[held('never_call = ["list_leads"]')]) as client:
        result = await client.call_tool("count_leads", {"campaign": ACTIVE})
    assert result.is_error and "list_leads is never called" in result.content[0].text
    assert world.requests == []


# things that may not be touched

PROTECTED = f'[protect]\ncampaigns = ["{ACTIVE.upper()}"]\nlists = ["{LIST}"]\naccounts = ["Ben@brightpath.example"]\n'


@pytest.mark.parametrize(
    ("tool", "arguments", "rule"),
    [
        ("pause_campaign", {"id": ACTIVE}, "protect.campaigns"),
        ("pause_campaign", {"id": ACTIVE.upper()}, "protect.campaigns"),
        ("create_lead", {"campaign": ACTIVE, "email": "a@b.example"}, "protect.campaigns"),
        ("bulk_add_leads", {"campaign_id": ACTIVE, "leads": [{"email": "a@b.example"}]}, "protect.campaigns"),
        ("create_lead", {"list_id": LIST, "email": "a@b.example"}, "protect.lists"),
        ("move_leads", {"campaign": DRAFT, "to_campaign_id": ACTIVE, "limit": 1}, "protect.campaigns"),
        ("move_leads", {"contacts": ["a@b.example"], "to_campaign_id": DRAFT}, "protect"),
        (
            "toggle_custom_tag",
            {"tag_ids": [LEAD], "resource_type": 2, "assign": True, "resource_ids": [DRAFT, ACTIVE]},
            "protect.campaigns",
        ),
        (
            "toggle_custom_tag",
            {"tag_ids": [LEAD], "resource_type": 2, "assign": True, "selected_all": True},
            "protect.campaigns",
        ),
        ("update_campaign", {"id": DRAFT, "email_list": ["ada@brightpath.example", MAILBOX]}, "protect.accounts"),
        ("pause_account", {"email": "BEN@brightpath.example"}, "protect.accounts"),
        ("disable_account_warmup", {"emails": [MAILBOX]}, "protect.accounts"),
        ("disable_account_warmup", {"include_all_emails": True}, "protect.accounts"),
        ("update_lead", {"id": LEAD, "job_title": "CEO"}, "protect"),
        ("delete_lead", {"id": LEAD}, "protect"),
        ("pause_subsequence", {"id": SUBSEQUENCE}, "protect"),
        ("move_lead_to_subsequence", {"id": LEAD, "subsequence_id": SUBSEQUENCE}, "protect"),
        ("delete_lead", {"id": "01991f00-ffff-7000-8000-00000000ffff"}, "protect"),
        ("merge_leads", {"lead_id": LEAD, "destination_lead_id": OTHER_LEAD}, "protect"),
        ("merge_leads", {"lead_id": OTHER_LEAD, "destination_lead_id": LEAD}, "protect"),
        ("delete_email", {"id": EMAIL}, "protect"),
        ("update_email", {"id": EMAIL, "is_unread": 1}, "protect"),
        ("mark_thread_as_read", {"thread_id": THREAD}, "protect"),
        ("mark_thread_as_read", {"thread_id": "nothing"}, "protect"),
        ("update_lead_interest_status", {"lead_email": "a@b.example", "interest_value": -1}, "protect"),
        ("approve_sales_agent_activity", {"id": LEAD, "activity_id": LEAD}, "protect"),
        ("approve_sales_agent_activities", {"id": LEAD, "activity_ids": [LEAD]}, "protect"),
        ("pause_deliverability_campaign_sending", {"id": LEAD}, "protect"),
        ("pause_deliverability_affected_accounts", {"id": LEAD}, "protect"),
        ("update_sales_agent", {"id": LEAD, "status": 0}, "protect"),
        ("update_sales_agent", {"id": LEAD, "config": {"outreach_settings": {"daily_limit": 9}}}, "protect"),
        ("update_sales_agent", {"id": LEAD, "config": '{"outreach_settings": {"daily_limit": 9}}'}, "protect"),
        ("update_sales_agent", {"id": LEAD, "config": {"autonomy_settings": {"autopilot_mode": True}}}, "protect"),
        ("create_sales_agent", {"name": "x", "agent_type": 2, "memory_from_workspace": True, "status": 1}, "protect"),
        ("create_inbox_manager", {"name": "x", "payload": {"configuration_type": 1}}, "protect"),
        ("update_inbox_manager", {"id": MANAGER, "status": 1}, "protect"),
        ("update_inbox_manager", {"id": MANAGER, "payload": {"tags": ["default"]}}, "protect"),
        ("update_inbox_manager", {"id": MANAGER, "clear": ["payload.monthly_credit_budget"]}, "protect"),
    ],
)
async def test_what_is_protected_is_recognised_wherever_a_write_names_it(
    connect: Connect, world: World, held: Held, tool: str, arguments: dict[str, Any], rule: str
) -> None:
    assert await refused(connect, world, held(PROTECTED), tool, arguments) == rule


TAG, OTHER_TAG = (f"7a600001-3c4d-4e5f-8a6b-7c8d9e0fa10{n}" for n in (1, 2))


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_campaign", {"id": DRAFT, "email_tag_list": [TAG.upper()]}),
        ("create_campaign", {"email_tag_list": [OTHER_TAG, TAG]}),
        ("create_inbox_placement_test", {"tags": [TAG]}),
        ("delete_custom_tag", {"id": TAG}),
    ],
)
async def test_a_protected_account_is_not_reached_by_a_tag(
    connect: Connect, catalog: Catalog, world: World, held: Held, tool: str, arguments: dict[str, Any]
) -> None:
    guard = held(f'[protect]\naccounts = ["{MAILBOX}"]')
    given = {**catalog.operations[tool].examples[0], **arguments}
    assert await refused(connect, world, guard, tool, given) == "protect.accounts"


@pytest.mark.parametrize("senders", [{"email_list": [MAILBOX.upper()]}, {"email_tag_list": [TAG]}])
async def test_a_campaign_that_sends_from_a_protected_account_is_not_activated(
    connect: Connect, world: World, held: Held, senders: dict[str, Any]
) -> None:
    guard = held(f'[protect]\naccounts = ["{MAILBOX}"]')
    world.campaigns.change(world.campaigns[DRAFT], **senders)
    assert await refused(connect, world, guard, "activate_campaign", {"id": DRAFT}) == "protect.accounts"


async def test_what_a_tag_has_is_read_to_its_end_or_the_call_refused(
    connect: Connect, world: World, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard = held(f'[protect]\naccounts = ["{MAILBOX}"]')
    given = {"id": DRAFT, "email_tag_list": [OTHER_TAG]}
    (mapping,) = world.custom_tag_mappings.where(resource_id=MAILBOX)
    account = world.accounts[MAILBOX]
    for number in range(150):
        email = f"sender{number}@brightpath.example"
        world.accounts.add({**account, "email": email, "timestamp_created": f"2026-01-01T00:00:00.{number:03}Z"})
        world.custom_tag_mappings.add({**mapping, "id": world.uuid7(), "tag_id": OTHER_TAG, "resource_id": email})
    async with connect(guards=[guard]) as client:
        answer_of(await client.call_tool("update_campaign", given))
        world.custom_tag_mappings.add({**mapping, "id": world.uuid7(), "tag_id": OTHER_TAG})
        assert refusal(await client.call_tool("update_campaign", given)) == "protect.accounts"
        monkeypatch.setattr(mailboxes, "MAX_PAGES", 1)
        many = await client.call_tool("update_campaign", given)
        assert refusal(many) == "protect.accounts" and "more accounts than the 100" in many.content[0].text
    async with connect(guards=[guard], broken="GET /accounts") as client:
        lost = await client.call_tool("update_campaign", given)
        assert refusal(lost) == "protect.accounts" and "could not be found out" in lost.content[0].text


@pytest.mark.parametrize(
    ("protected", "tool", "arguments"),
    [
        (f'lists = ["{LIST}"]', "move_leads", {"contacts": ["a@b.example"], "to_campaign_id": DRAFT}),
        (f'accounts = ["{MAILBOX}"]', "pause_deliverability_affected_accounts", {"id": LEAD}),
    ],
)
async def test_lists_and_accounts_are_protected_without_a_campaign_beside_them(
    connect: Connect, world: World, held: Held, protected: str, tool: str, arguments: dict[str, Any]
) -> None:
    assert await refused(connect, world, held(f"[protect]\n{protected}"), tool, arguments) == "protect"


async def test_a_thread_is_protected_though_its_newest_email_names_no_campaign(
    connect: Connect, world: World, held: Held
) -> None:
    thread = [one for one in world.emails if one["thread_id"] == THREAD]
    world.emails.change(max(thread, key=lambda one: one["timestamp_created"]), campaign_id=None)
    guard = held(PROTECTED)
    assert await refused(connect, world, guard, "mark_thread_as_read", {"thread_id": THREAD}) == "protect"


AGENTS = [{"id": "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3cff"}, {"id": FINDER.upper(), "type": "ai_agent"}]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("update_lead_finder", {"id": FINDER, "name": "Mine"}),
        ("resume_lead_finder", {"id": FINDER}),
        ("delete_lead_finder", {"id": FINDER}),
        ("bulk_delete_agent_items", {"items": AGENTS}),
    ],
)
async def test_the_lead_finder_of_a_protected_campaign_is_left_alone(
    connect: Connect, world: World, held: Held, tool: str, arguments: dict[str, Any]
) -> None:
    assert await refused(connect, world, held(f'[protect]\ncampaigns = ["{DRAFT}"]'), tool, arguments) == "protect"


async def test_what_shows_no_campaign_though_it_must_have_one_is_left_alone(
    connect: Connect, world: World, held: Held
) -> None:
    world.subsequences.change(world.subsequences[SUBSEQUENCE], parent_campaign=None)
    guard = held(f'[protect]\ncampaigns = ["{DRAFT}"]')
    assert await refused(connect, world, guard, "pause_subsequence", {"id": SUBSEQUENCE}) == "protect"


async def test_a_thread_and_agents_that_belong_to_nothing_protected_are_written(connect: Connect, held: Held) -> None:
    async with connect(guards=[held(PROTECTED)]) as client:
        for tool, arguments in [
            ("mark_thread_as_read", {"thread_id": "c0-demoThread0000000000017"}),
            ("merge_leads", {"lead_id": OTHER_LEAD, "destination_lead_id": "01991f00-007a-7000-8000-00000000007a"}),
            ("update_lead_finder", {"id": FINDER, "name": "Mine"}),
            ("bulk_delete_agent_items", {"items": AGENTS}),
        ]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content[0].text


async def test_agents_can_be_held_back_named_and_taught_while_something_is_protected(
    connect: Connect, held: Held
) -> None:
    async with connect(guards=[held(PROTECTED)]) as client:
        for tool, arguments in [
            ("update_inbox_manager", {"id": MANAGER, "name": "Replies", "status": 0, "payload": None}),
            ("update_sales_agent", {"id": SALES_AGENT, "name": "Finance", "status": None}),
            ("update_sales_agent", {"id": SALES_AGENT, "config": {"memory": {"company": "Brightpath"}}}),
            (
                "update_sales_agent",
                {"id": SALES_AGENT, "config": {"memory": {"company": "A"}, "outreach_settings": {"daily_limit": None}}},
            ),
            ("update_inbox_manager", {"id": MANAGER, "name": "Emails", "payload": {"tags": None}}),
            ("create_sales_agent", {"name": "x", "agent_type": 2, "memory_from_workspace": True, "status": 0}),
        ]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content[0].text


async def test_what_is_not_protected_is_written_and_reads_are_free(connect: Connect, held: Held) -> None:
    async with connect(guards=[held(PROTECTED)]) as client:
        for tool, arguments in [
            ("get_campaign", {"id": ACTIVE}),
            ("create_lead", {"campaign": DRAFT, "email": "a@b.example", "personalization": f"Ask {MAILBOX} for it"}),
            ("disable_account_warmup", {"include_all_emails": True, "excluded_emails": [MAILBOX]}),
            ("count_leads", {"campaign": ACTIVE}),
        ]:
            result = await client.call_tool(tool, arguments)
            assert not result.is_error, result.content[0].text


# recipients


def reply(**more: Any) -> dict[str, Any]:
    return {"reply_to_uuid": RECEIVED, "eaccount": MAILBOX, "subject": "Re: Hi", "body": {"text": "Thanks"}, **more}


@MODES
async def test_a_reply_goes_to_the_sender_if_that_may_be(connect: Connect, world: World, held: Held, mode: str) -> None:
    async with connect(mode=mode, guards=[held('[recipients]\nreplies = ["@other.example"]')]) as client:
        result = await client.call_tool("reply_to_email", reply())
        assert refusal(result) == "recipients.replies" and SENDER in result.content[0].text
    assert writes(world) == []
    for allowed in ("lumenretail.example", "Klara.Lopes@lumenretail.example"):
        async with connect(mode=mode, guards=[held(f'[recipients]\nreplies = ["{allowed}"]')]) as client:
            assert not (await client.call_tool("reply_to_email", reply(subject=allowed))).is_error
    assert len(writes(world)) == 2


@pytest.mark.parametrize(
    ("tool", "arguments", "kind"),
    [
        ("reply_to_email", reply(additional_recipients=["eve@evil.example"]), "replies"),
        ("reply_to_email", reply(cc_address_email_list="a@lumenretail.example, eve@evil.example"), "replies"),
        ("reply_to_email", reply(bcc_address_email_list="eve@evil.example"), "replies"),
        ("reply_to_email", reply(reply_to_uuid="01991f80-ffff-7000-8000-00000000ffff"), "replies"),
        (
            "forward_email",
            reply(to_address_email_list="a@lumenretail.example,x@lumenretail.example.evil.example"),
            "forwards",
        ),
        (
            "send_test_email",
            {
                "eaccount": MAILBOX,
                "to_address_email_list": "lumenretail.example@evil.example",
                "subject": "x",
                "body": {"html": "x"},
            },
            "tests",
        ),
    ],
)
async def test_every_recipient_counts_and_one_that_is_not_known_may_not_be(
    connect: Connect, world: World, held: Held, tool: str, arguments: dict[str, Any], kind: str
) -> None:
    rule = f'[recipients]\n{kind} = ["lumenretail.example"]'
    assert await refused(connect, world, held(rule), tool, arguments) == f"recipients.{kind}"


@pytest.mark.parametrize("sender", [{"from_address_email": ""}, {"reply_to": "eve@evil.example"}])
async def test_an_email_is_not_answered_where_somebody_else_may_get_the_reply(
    connect: Connect, world: World, held: Held, sender: dict[str, Any]
) -> None:
    world.emails.change(next(one for one in world.emails if one["id"] == RECEIVED), **sender)
    guard = held('[recipients]\nreplies = ["lumenretail.example"]')
    assert await refused(connect, world, guard, "reply_to_email", reply()) == "recipients.replies"


@pytest.mark.parametrize(
    "written",
    [
        "Eve <eve@evil.example>",
        '"x y"@evil.example',
        "eve@evil.example@lumenretail.example",
        "a@lumenretail.example; eve@evil.example",
        "a@lumenretail.example eve@evil.example",
        "lumenretail.example",
    ],
)
async def test_what_is_no_address_alone_is_refused_before_any_rule_and_would_be_by_one(
    connect: Connect, world: World, catalog: Catalog, written: str
) -> None:
    given = reply(cc_address_email_list=written)
    async with connect() as client:
        result = await client.call_tool("reply_to_email", given)
    assert result.is_error and "expected an email address" in result.content[0].text and writes(world) == []
    named = named_recipients(catalog.operations["reply_to_email"], given)
    assert not all(address.endswith("@lumenretail.example") and address.count("@") == 1 for address in named)


async def test_an_empty_list_of_recipients_means_nobody(connect: Connect, world: World, held: Held) -> None:
    assert await refused(connect, world, held("[recipients]\nreplies = []"), "reply_to_email", reply()) == (
        "recipients.replies"
    )


# amounts


def some_leads(number: int, start: int = 0) -> dict[str, Any]:
    leads = [{"email": f"lead{index}@new.example"} for index in range(start, start + number)]
    return {"campaign_id": DRAFT, "leads": leads}


async def test_one_call_adds_no_more_leads_than_it_may(connect: Connect, world: World, held: Held) -> None:
    guard = held("[limits.leads]\nper_call = 3")
    assert await refused(connect, world, guard, "bulk_add_leads", some_leads(4)) == "limits.leads.per_call"
    move = {"campaign": ACTIVE, "to_campaign_id": DRAFT}
    assert await refused(connect, world, guard, "move_leads", {**move, "limit": 4}) == "limits.leads.per_call"
    assert await refused(connect, world, guard, "move_leads", move) == "limits.leads"
    async with connect(guards=[guard]) as client:
        assert not (await client.call_tool("bulk_add_leads", some_leads(3))).is_error


async def test_a_day_has_room_for_so_many_and_a_restart_forgets_nothing(
    connect: Connect, world: World, held: Held, clock: Clock
) -> None:
    rule = "[limits.leads]\nper_day = 5"
    async with connect(guards=[held(rule)]) as client:
        assert not (await client.call_tool("bulk_add_leads", some_leads(3))).is_error
    clock.seconds += DAY_SECONDS - 1
    async with connect(guards=[held(rule)]) as client:
        result = await client.call_tool("bulk_add_leads", some_leads(3, 10))
        assert (
            refusal(result) == "limits.leads.per_day"
            and "room for 3 leads added; used within 24 hours: 3 of 5" in result.content[0].text
        )
        assert not (await client.call_tool("bulk_add_leads", some_leads(2, 20))).is_error
        clock.seconds += 1
        assert not (await client.call_tool("bulk_add_leads", some_leads(3, 30))).is_error
        assert refusal(await client.call_tool("create_lead", {"campaign": DRAFT, "email": "z@new.example"}))


async def test_leads_that_were_skipped_are_not_counted(connect: Connect, held: Held) -> None:
    async with connect(guards=[held("[limits.leads]\nper_day = 6")]) as client:
        for _ in range(2):
            assert not (await client.call_tool("bulk_add_leads", some_leads(3))).is_error
        assert not (await client.call_tool("bulk_add_leads", some_leads(3, 10))).is_error
        assert refusal(await client.call_tool("bulk_add_leads", some_leads(1, 20))) == "limits.leads.per_day"


async def test_each_recipient_of_an_email_written_by_hand_counts(connect: Connect, held: Held) -> None:
    async with connect(guards=[held("[limits.emails]\nper_call = 2\nper_day = 3")]) as client:
        three = reply(cc_address_email_list="a@x.example,b@x.example")
        assert refusal(await client.call_tool("reply_to_email", three)) == "limits.emails.per_call"
        two = reply(cc_address_email_list="a@x.example")
        assert not (await client.call_tool("reply_to_email", two)).is_error
        assert refusal(await client.call_tool("reply_to_email", two)) == "limits.emails.per_day"
        assert not (await client.call_tool("reply_to_email", reply())).is_error


async def test_credits_that_nobody_can_foretell_need_an_assumption(connect: Connect, world: World, held: Held) -> None:
    test = {"resource_id": LIST}
    guard = held("[limits.credits]\nper_day = 2")
    assert await refused(connect, world, guard, "run_enrichment", test) == "limits.credits"
    guard = held("[limits.credits]\nper_day = 100\n[limits.credits.assumed]\nrun_enrichment = 101")
    assert await refused(connect, world, guard, "run_enrichment", test) == "limits.credits.per_day"
    async with connect(guards=[held("[limits.credits]\nper_day = 2")]) as client:
        for name in ("a", "b"):
            assert not (await client.call_tool("verify_email", {"email": f"{name}@x.example"})).is_error
        assert refusal(await client.call_tool("verify_email", {"email": "c@x.example"})) == "limits.credits.per_day"
        # What a workflow can spend counts where it is spent.
        rows = {"campaign_id": DRAFT, "rows": [{"email": "d@x.example"}]}
        assert not (await client.call_tool("import_rows", rows)).is_error
    # Afterwards it is known what was really spent.
    guard = held("[limits.credits]\nper_day = 11\n[limits.credits.assumed]\nverify_email = 8")
    async with connect(guards=[guard]) as client:
        for name in ("e", "f"):
            assert not (await client.call_tool("verify_email", {"email": f"{name}@x.example"})).is_error


@pytest.mark.parametrize(("status", "counted"), [(400, False), (429, False), (500, True), (None, True)])
async def test_what_instantly_refused_is_not_spent_and_an_unknown_outcome_is(
    catalog: Catalog, settings: Settings, held: Held, status: int | None, counted: bool
) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        if status is None:
            raise httpx.ReadError("cut")
        return httpx.Response(status, json={"message": "no"})

    guard = held("[limits.credits]\nper_day = 1")
    async with InstantlyClient(settings, transport=httpx.MockTransport(answer), sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [guard])
        first = await invoker.invoke("verify_email", {"email": "a@x.example"})
        second = await invoker.invoke("verify_email", {"email": "b@x.example"})
    assert not isinstance(first.error, PolicyRefusal)
    assert isinstance(second.error, PolicyRefusal) is counted


async def test_calls_at_the_same_time_never_use_more_than_is_allowed(
    connect: Connect, world: World, held: Held
) -> None:
    done: list[bool] = []

    async def add(client: Client, number: int) -> None:
        done.append(not (await client.call_tool("bulk_add_leads", some_leads(2, number * 10))).is_error)

    rule = "[limits.leads]\nper_day = 6"
    async with (
        connect(guards=[held(rule)]) as one,
        connect(guards=[held(rule)]) as other,
        anyio.create_task_group() as tasks,
    ):
        for number in range(10):
            tasks.start_soon(add, (one, other)[number % 2], number)
    assert done.count(True) == 3
    assert len(writes(world)) == 3


async def test_a_ledger_that_cannot_be_written_lets_nothing_through(
    connect: Connect, world: World, held: Held, tmp_path: Path
) -> None:
    guard = held("[limits.leads]\nper_day = 6")
    for file in tmp_path.glob("ledger.sqlite3*"):
        file.unlink()
    (tmp_path / "ledger.sqlite3").write_text("not a database, and long enough to be told from an empty one" * 20)
    assert await refused(connect, world, guard, "bulk_add_leads", some_leads(1)) == "ledger"


# time

NIGHT = '[[quiet_hours]]\ntimezone = "Europe/Berlin"\nfrom = "18:00"\nto = 08:00:00\ndays = ["mon", "Friday"]\n'
LUNCH = '[[quiet_hours]]\ntimezone = "Europe/Berlin"\nfrom = "12:00"\nto = "13:30"\ndays = ["mon"]\n'


@pytest.mark.parametrize(
    ("day", "utc", "quiet"),
    [
        (7, "09:59", False),
        (7, "10:00", True),
        (7, "11:29", True),
        (7, "11:30", False),
        (8, "10:00", False),
        (7, "15:59", False),
        (7, "16:00", True),
        (8, "05:59", True),
        (8, "06:00", False),
        (8, "16:00", False),
        (7, "05:00", False),
        (12, "05:00", True),
    ],
)
async def test_nothing_that_sends_is_called_in_quiet_hours(
    connect: Connect, held: Held, clock: Clock, day: int, utc: str, quiet: bool
) -> None:
    clock.seconds = datetime.datetime.fromisoformat(f"2026-09-{day:02}T{utc}:00+00:00").timestamp()
    async with connect(guards=[held(NIGHT + LUNCH)]) as client:
        result = await client.call_tool("reply_to_email", reply())
        assert result.is_error is quiet
        if quiet:
            assert refusal(result) == "quiet_hours"
        assert not (await client.call_tool("pause_campaign", {"id": ACTIVE})).is_error


async def test_a_whole_day_can_be_quiet(connect: Connect, world: World, held: Held) -> None:
    text = '[[quiet_hours]]\ntimezone = "UTC"\nfrom = "00:00"\nto = "24:00"\ndays = ["mon"]'
    assert await refused(connect, world, held(text), "reply_to_email", reply()) == "quiet_hours"


# what must have been checked

CHECKED = '[[before]]\ncall = "activate_campaign"\nneeds = "get_campaign_sending_status"\nwithin_minutes = 10\n'
CHECK_OF_MANY = "get_campaign_analytics"


@MODES
async def test_a_campaign_is_checked_shortly_before_it_is_activated(
    connect: Connect, held: Held, clock: Clock, mode: str
) -> None:
    async with connect(mode=mode, guards=[held(CHECKED)]) as client:
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"
        await client.call_tool("get_campaign_sending_status", {"id": DRAFT})
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"
        await client.call_tool("get_campaign_sending_status", {"id": ACTIVE})
        clock.seconds += 601
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"
        await client.call_tool("get_campaign_sending_status", {"id": ACTIVE})
        assert not (await client.call_tool("update_campaign", {"id": ACTIVE, "daily_limit": 10})).is_error
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"
        await client.call_tool("get_campaign_sending_status", {"id": ACTIVE})
    async with connect(mode=mode, guards=[held(CHECKED)]) as client:
        clock.seconds += 599
        assert not (await client.call_tool("activate_campaign", {"id": ACTIVE})).is_error
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"


@pytest.mark.parametrize("rules", [CHECKED.replace("get_campaign_sending_status", CHECK_OF_MANY), CHECKED + CHECKED])
async def test_a_check_may_answer_with_a_list_and_stand_there_twice(connect: Connect, held: Held, rules: str) -> None:
    async with connect(guards=[held(rules)]) as client:
        for tool in ("get_campaign_sending_status", CHECK_OF_MANY):
            answer_of(await client.call_tool(tool, {"id": ACTIVE}))
        answer_of(await client.call_tool("activate_campaign", {"id": ACTIVE}))


@pytest.mark.parametrize("named", [{"resource_ids": [DRAFT, ACTIVE.upper()]}, {"selected_all": True}])
async def test_a_check_does_not_outlast_a_change_that_names_its_campaign_among_others(
    connect: Connect, world: World, held: Held, named: dict[str, Any]
) -> None:
    tag = {"tag_ids": [next(iter(world.custom_tags))["id"]], "resource_type": 2, "assign": True}
    async with connect(guards=[held(CHECKED)]) as client:
        await client.call_tool("get_campaign_sending_status", {"id": ACTIVE})
        answer_of(await client.call_tool("toggle_custom_tag", {**tag, "resource_ids": [DRAFT]}))
        spared = {"selected_all": True, "excluded_resource_ids": [ACTIVE]}
        answer_of(await client.call_tool("toggle_custom_tag", {**tag, **spared}))
        assert not (await client.call_tool("activate_campaign", {"id": ACTIVE})).is_error
        await client.call_tool("get_campaign_sending_status", {"id": ACTIVE})
        answer_of(await client.call_tool("toggle_custom_tag", {**tag, **named}))
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"


async def test_of_two_calls_at_once_one_alone_uses_a_check(connect: Connect, world: World, held: Held) -> None:
    found: list[bool] = []

    async def activate(client: Client) -> None:
        found.append((await client.call_tool("activate_campaign", {"id": ACTIVE})).is_error)

    async with connect(guards=[held(CHECKED)]) as one, connect(guards=[held(CHECKED)]) as other:
        await one.call_tool("get_campaign_sending_status", {"id": ACTIVE})
        async with anyio.create_task_group() as tasks:
            for client in (one, other, one, other):
                tasks.start_soon(activate, client)
    assert sorted(found) == [False, True, True, True]
    assert len(writes(world)) == 1


async def test_a_check_that_found_blockers_does_not_count(
    catalog: Catalog, settings: Settings, held: Held, world: World
) -> None:
    found: dict[str, Any] = {"blockers": []}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=found))
    async with InstantlyClient(settings, transport=transport, sleep=no_sleep) as http:
        invoker = Invoker(everything(), http, settings, [held(CHECKED)])
        for blockers, allowed in [(["no senders"], False), ([], True), (["no senders"], False)]:
            found["blockers"] = blockers
            await invoker.invoke("get_campaign_sending_status", {"id": ACTIVE})
            result = await invoker.invoke("activate_campaign", {"id": ACTIVE})
            assert (result.error is None) is allowed


CHECKED_WHOLE = CHECKED.replace("get_campaign_sending_status", "check_campaign")


@pytest.fixture
def ready(world: World) -> World:
    """A draft in which a check finds no blocker, with three leads."""
    campaign = next(one for one in world.campaigns if one["id"] == DRAFT)
    world.campaigns.change(campaign, email_list=[MAILBOX])
    lead = next(one for one in world.leads if one.get("campaign") == ACTIVE and one["status"] == 1)
    for lead_of_it in [one for one in world.leads if one.get("campaign") == DRAFT]:
        world.leads.remove(lead_of_it)
    for number in range(3):
        email = f"p{number}@quiet-firm.example"
        world.leads.add({**lead, "id": world.uuid7(), "campaign": DRAFT, "email": email, "status_summary": {}})
    return world


async def test_a_check_that_left_out_where_blockers_may_be_does_not_count(
    connect: Connect, held: Held, ready: World
) -> None:
    async with connect(guards=[held(CHECKED_WHOLE)]) as client:
        assert answer_of(await client.call_tool("check_campaign", {"id": DRAFT, "max_items": 1}))["blockers"] == []
        result = await client.call_tool("activate_campaign", {"id": DRAFT})
        assert refusal(result) == "before"
        assert "leads (list_leads: the first 1 were read, and there may be more" in result.content[0].text
        assert "max_items" in result.content[0].text
        assert answer_of(await client.call_tool("check_campaign", {"id": DRAFT}))["blockers"] == []
        await client.call_tool("check_campaign", {"id": DRAFT, "max_items": 1})
        assert refusal(await client.call_tool("activate_campaign", {"id": DRAFT})) == "before"
        answer_of(await client.call_tool("check_campaign", {"id": DRAFT}))
        assert not (await client.call_tool("activate_campaign", {"id": DRAFT})).is_error


@pytest.mark.parametrize(
    ("broken", "part"),
    [
        ("POST /leads/list", "leads"),
        ("GET /accounts", "senders"),
        ("POST /accounts/test/vitals", "dns"),
        ("GET /block-lists-entries", None),
        ("GET /ai-agents/inbox-manager", None),
    ],
)
async def test_a_check_counts_if_what_failed_could_hide_no_blocker(
    connect: Connect, held: Held, ready: World, broken: str, part: str | None
) -> None:
    async with connect(guards=[held(CHECKED_WHOLE)], broken=broken) as client:
        answer = answer_of(await client.call_tool("check_campaign", {"id": DRAFT}))
        assert answer["blockers"] == [] and answer["unknown"]
        result = await client.call_tool("activate_campaign", {"id": DRAFT})
        if part is None:
            assert not result.is_error
        else:
            assert refusal(result) == "before" and f"may be: {part} (" in result.content[0].text


async def test_a_check_is_not_used_up_by_a_call_that_was_not_made(connect: Connect, held: Held) -> None:
    text = CHECKED + "[limits.credits]\nper_day = 5\n"
    async with connect(guards=[held(text), DryRun()]) as client:
        await client.call_tool("get_campaign_sending_status", {"id": ACTIVE})
        for _ in range(2):
            assert answer_of(await client.call_tool("activate_campaign", {"id": ACTIVE}))["dry_run"] is True
        for number in range(6):
            told = answer_of(await client.call_tool("verify_email", {"email": f"a{number}@b.example"}))
            assert told["dry_run"] is True


async def test_a_workflow_can_be_the_check(catalog: Catalog, settings: Settings, connect: Connect, held: Held) -> None:
    text = '[[before]]\ncall = "activate_campaign"\nneeds = "count_leads"\nwithin_minutes = 10\n'
    async with connect(guards=[held(text)]) as client:
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE})) == "before"
        await client.call_tool("count_leads", {"campaign": ACTIVE})
        assert not (await client.call_tool("activate_campaign", {"id": ACTIVE})).is_error


# the file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("never_cal = []", "line 1: never_cal is not known. Did you mean never_call?"),
        ("\n[protect]\ncampains = []", "line 3: protect.campains is not known"),
        ('[protect]\ncampaigns = ["Fintech CFOs"]', "line 2: protect.campaigns has 'Fintech CFOs', which is not an id"),
        ("[protect]\ncampaigns = 5", "line 2: protect.campaigns must be a list of texts"),
        ("protect = 5", "line 1: protect must be a table, [protect]"),
        ('never_call = ["delete_campain"]', "line 1: never_call names 'delete_campain', which is not a tool"),
        ("[limits.leads]\nper_call = true", "line 2: limits.leads.per_call must be a whole number"),
        ("[limits.leads]\nper_call = -1", "line 2: limits.leads.per_call must be a whole number"),
        ("[limits.leads]", "line 1: limits.leads needs per_call, per_day, or both"),
        ("[limits.mails]\nper_call = 1", "line 1: limits.mails is not known"),
        ("[limits.leads]\nper_call = 1\nassumed = 5", "line 3: limits.leads.assumed is not known"),
        ("[limits.credits]\nper_call = 1\n[limits.credits.assumed]\nrun_enrichment = 'x'", "line 4: limits.credits"),
        ('[recipients]\nreplies = ["no recipient"]', "line 2: recipients.replies has 'no recipient'"),
        ("[recipients]\nanswers = []", "line 2: recipients.answers is not known"),
        ("[[quiet_hours]]\nfrom = '18:00'\nto = '8'", "line 3: quiet_hours.to must be a time"),
        ("[[quiet_hours]]\nfrom = '18:00'\nto = '18:00'", "line 2: quiet_hours.from and to leave no time"),
        ("[[quiet_hours]]\nfrom = '18:00'\nto = '08:00'", "line 1: quiet_hours.timezone is missing"),
        ("[[quiet_hours]]\nfrom='18:00'\nto='08:00'\ntimezone='Mars'", "line 4: quiet_hours.timezone is 'Mars'"),
        ("[quiet_hours]\nfrom='18:00'", "line 1: quiet_hours must be written as [[quiet_hours]]"),
        (
            f"{CHECKED}\n[[before]]\ncall = 'activate_campaign'\nneeds = 'nothing'",
            "line 8: before[2].needs names 'nothing', which is not a tool",
        ),
        (
            CHECKED.replace("activate_campaign", "resume_account"),
            "line 2: before.call names resume_account, which is not",
        ),
        ("never_call = [", "is not valid TOML: "),
    ],
)
def test_a_fault_in_the_file_is_named_with_its_key_and_line(
    tmp_path: Path, catalog: Catalog, text: str, said: str
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_policy(file, catalog.tools)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value) and ".." not in str(raised.value).replace("...", "")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, catalog: Catalog, content: bytes | None) -> None:
    file = tmp_path / "policy.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"policy\.toml"):
        read_policy(file, catalog.tools)


# the command line, and the page


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """The policy that the page shows."""
    found = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "safety.md").read_text(), re.DOTALL)
    assert found
    file = tmp_path / "policy.toml"
    file.write_text(found[1])
    return file


def test_the_example_of_the_page_has_every_rule_and_each_is_a_sentence(example: Path, catalog: Catalog) -> None:
    policy = read_policy(example, catalog.tools)
    for field in dataclasses.fields(policy):
        assert getattr(policy, field.name), field.name
    assert policy.ledger == example.parent / "ledger.sqlite3"
    done = CliRunner().invoke(cli, ["policy", "check", str(example)])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    names = [line.partition(":")[0] for line in lines]
    assert names == [
        "never_call",
        "protect.campaigns",
        "protect.lists",
        "protect.accounts",
        "recipients.replies",
        "recipients.forwards",
        "recipients.tests",
        "limits.leads.per_call",
        "limits.leads.per_day",
        "limits.emails.per_call",
        "limits.emails.per_day",
        "limits.credits.per_call",
        "limits.credits.per_day",
        "limits.credits.assumed",
        "quiet_hours",
        "quiet_hours",
        "before",
    ]
    assert all(line.endswith(".") for line in lines)


@pytest.mark.parametrize(
    ("tool", "arguments", "status", "said"),
    [
        ("pause_campaign", {"id": ACTIVE}, 1, f"pause_campaign would be refused. It would touch {ACTIVE}."),
        ("pause_campaign", {"id": DRAFT}, 0, "pause_campaign would be let through now."),
        ("delete_campaign", {"id": DRAFT}, 1, "(Rule: never_call.)"),
        ("activate_campaign", {"id": DRAFT}, 1, "Rule: "),
        ("count_leads", {}, 0, "each of what it calls is held to the rules by itself (list_leads)"),
        ("delete_lead", {"id": LEAD}, 0, "if what it acts on belongs to nothing protected"),
        ("update_campaign", {"id": DRAFT, "email_tag_list": [TAG]}, 0, "if it reaches no protected account by a tag"),
        ("get_campaign", {"id": ACTIVE}, 0, "get_campaign would be let through now."),
    ],
)
def test_the_command_says_whether_a_call_would_be_let_through(
    example: Path, tool: str, arguments: dict[str, Any], status: int, said: str
) -> None:
    done = CliRunner().invoke(cli, ["policy", "check", str(example), "--tool", tool, json.dumps(arguments)])
    assert (done.exit_code, said in done.stdout.splitlines()[-1]) == (status, True), done.output


def test_an_empty_policy_says_that_it_forbids_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("# nothing yet")
    done = CliRunner().invoke(cli, ["policy", "check", str(tmp_path / "policy.toml")])
    assert done.stdout == "There is no rule in it: everything is allowed.\n"


def test_a_call_of_the_command_line_is_held_to_the_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('ledger = "used.sqlite3"\n[limits.credits]\nper_day = 1\n')
    environment = clean_environment(INSTANTLY_POLICY=str(file))
    asked = ("call", "--sandbox", "verify_email", '{"email": "a@b.example"}')
    first, second = (processes.run(*asked, environment=environment) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert second.returncode == 2
    assert "room for 1 credit spent; used within 24 hours: 1 of 1. (Rule: limits.credits.per_day.)" in second.stderr
    assert (tmp_path / "used.sqlite3").exists()


@pytest.mark.parametrize("started", [["serve"], ["call", "get_workspace"]])
def test_a_policy_that_cannot_be_used_ends_the_start_in_one_line(tmp_path: Path, started: list[str]) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("\nnever_call = 5\n")
    done = processes.run(*started, "--sandbox", "--policy", str(file), environment=clean_environment())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line == f"mcp-instantly: The policy {file}, line 2: never_call must be a list of texts."


def test_a_campaign_that_is_not_an_id_ends_the_start_in_one_line() -> None:
    done = processes.run(
        "call", "--sandbox", "get_workspace", "--only-campaign", "Fintech", environment=clean_environment()
    )
    assert done.returncode == 2
    assert "--only-campaign (INSTANTLY_ONLY_CAMPAIGN) must be the id of a campaign" in done.stderr


@MODES
async def test_a_server_that_is_started_with_all_of_it_holds_to_all_of_it(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "policy.toml"
    file.write_text('never_call = ["delete_campaign"]\n')
    options = ["--policy", str(file), "--only-campaign", DRAFT, "--dry-run", "--repeat-window", "5"]
    server = command("serve", "--sandbox", "--toolsets", "all", *options)
    with open(os.devnull, "w") as errlog:
        async with Client(over_stdio(server, errlog=errlog), mode=mode) as client:
            listed = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
            assert "campaign" not in listed["create_lead"]["properties"]
            assert "delete_campaign" not in listed
            said = client.instructions
            for sentence in (f"one campaign alone, {DRAFT}", "Dry run: ", "A person's policy limits calls"):
                assert sentence in said
            assert refusal(await client.call_tool("delete_campaign", {"id": DRAFT})) == "never_call"
            assert (await client.call_tool("pause_campaign", {"id": ACTIVE})).is_error
            told = answer_of(await client.call_tool("create_lead", {"email": "a@b.example"}))
            assert told["would_send"]["body"] == {"campaign": DRAFT, "email": "a@b.example"}


@MODES
@pytest.mark.parametrize("discovery", [False, True])
async def test_what_a_policy_never_calls_is_not_listed_and_calling_it_names_the_rule(
    connect: Connect, mode: str, discovery: bool
) -> None:
    chosen = {"toolsets": ["all"], "forbidden": ["delete_campaign", "list_leads"]}
    async with connect(mode=mode, discovery=discovery, **chosen) as client:
        calls: list[tuple[str, dict[str, Any]]] = [("delete_campaign", {"id": DRAFT}), ("list_leads", {})]
        # A workflow goes with an operation that it needs.
        calls.append(("count_leads", {}))
        for name, arguments in calls:
            if discovery:
                runner = "run_write_tool" if name == "delete_campaign" else "run_read_tool"
                called = await client.call_tool(runner, {"name": name, "arguments": arguments})
                described = await client.call_tool("describe_tools", {"names": [name]})
                assert "(Rule: never_call.)" in described.content[0].text
            else:
                assert name not in {tool.name for tool in (await client.list_tools()).tools}
                called = await client.call_tool(name, arguments)
            assert refusal(called) == "never_call"


@pytest.mark.parametrize("domain", ["fj\u043erdpay.example", "fjordpay.example\u200b", "xn--fjrdpay-uqf.example"])
async def test_a_domain_that_only_looks_allowed_is_not(connect: Connect, world: World, held: Held, domain: str) -> None:
    received = "01991f80-0002-7000-8000-000000000002"
    world.emails.change(world.emails[received], from_address_email=f"maya@{domain}")
    async with connect(guards=[held('[recipients]\nreplies = ["fjordpay.example"]')]) as client:
        given = {
            "reply_to_uuid": received,
            "eaccount": "anna@trybrightpath.example",
            "subject": "Re: Hello",
            "body": {"text": "Yes."},
        }
        assert refusal(await client.call_tool("reply_to_email", given)) == "recipients.replies"


async def test_a_workflow_does_without_what_a_policy_never_calls_where_it_can(connect: Connect) -> None:
    async with connect(toolsets=["all"], forbidden=["list_accounts"]) as client:
        answer_of(await client.call_tool("get_workspace_overview", {}))


async def test_a_launch_wants_the_check_of_the_same_campaign_and_no_blocker_in_it(
    connect: Connect, world: World, held: Held
) -> None:
    guard = held(CHECKED.replace("get_campaign_sending_status", "check_campaign"))
    async with connect(guards=[guard]) as client:
        await client.call_tool("pause_campaign", {"id": ACTIVE})
        assert refusal(await client.call_tool("activate_campaign", {"id": ACTIVE}))
        assert not answer_of(await client.call_tool("check_campaign", {"id": ACTIVE})).get("blockers")
        assert not (await client.call_tool("activate_campaign", {"id": ACTIVE})).is_error
        # The draft has no senders, which is a blocker.
        world.campaigns.change(world.campaigns[DRAFT], email_list=[])
        assert answer_of(await client.call_tool("check_campaign", {"id": DRAFT}))["blockers"]
        assert refusal(await client.call_tool("activate_campaign", {"id": DRAFT}))
