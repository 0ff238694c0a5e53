"""A server that works on one campaign alone."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_instantly.guards.locks import CampaignLock
from mcp_instantly.sandbox import World
from mcp_instantly.settings import Settings
from mcp_instantly.tools.catalog import Catalog

from .confirming import Desk
from .conftest import Connect, answer_of

pytestmark = pytest.mark.anyio

MODES = pytest.mark.parametrize("mode", ["auto", "legacy"])

ACTIVE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b01"
DRAFT = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b02"
OTHER_REPLY = "01991f80-0027-7000-8000-000000000027"
SUBSEQUENCE = "c0a80101-1d2e-4f3a-8b4c-5d6e7f8a9b11"
LEAD = "01991f00-0001-7000-8000-000000000001"
OTHER_LEAD = "01991f00-0079-7000-8000-000000000079"
FINDER = "f17de001-4e5f-4a6b-8c7d-9e0f1a2b3c01"
AGENT = "5d1a0001-6b7c-4d8e-9fa0-b1c2d3e4f501"
THREAD = "c0-demoThread0000000000001"
OTHER_THREAD = "c0-demoThread0000000000017"
LIST = "1157c0de-2b3c-4d5e-9f60-718293a4b501"

NAMES = {"campaign", "campaign_id", "parent_campaign", "to_campaign_id", "parent_campaign_not"}


@MODES
async def test_no_tool_shows_an_argument_that_names_a_campaign(connect: Connect, mode: str) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(mode=mode, guards=[lock], lock=lock) as client:
        tools = {tool.name: tool.input_schema for tool in (await client.list_tools()).tools}
    assert {name for name, schema in tools.items() if NAMES & set(schema["properties"])} == set()
    assert {name for name, schema in tools.items() if NAMES & set(schema.get("required", ()))} == set()
    assert "list_id" not in tools["create_lead"]["properties"] and "list_id" in tools["list_leads"]["properties"]


@MODES
async def test_the_campaign_is_filled_in(connect: Connect, world: World, mode: str) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(mode=mode, guards=[lock], lock=lock) as client:
        assert answer_of(await client.call_tool("count_leads", {}))["leads"] == 120
        lead = answer_of(await client.call_tool("create_lead", {"email": "a@b.example"}))
        assert lead["campaign"] == ACTIVE
        leads = answer_of(await client.call_tool("list_leads", {"limit": 5}))["items"]
        assert {one["campaign"] for one in leads} == {ACTIVE}
        told = answer_of(await client.call_tool("get_campaign_analytics", {}))
        assert {one["campaign_id"] for one in told["items"]} == {ACTIVE}
        assert not (await client.call_tool("list_leads", {"campaign": ACTIVE, "limit": 1})).is_error


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("pause_campaign", {"id": DRAFT}),
        ("get_campaign", {"id": DRAFT}),
        ("create_lead", {"campaign": DRAFT, "email": "a@b.example"}),
        ("create_lead", {"list_id": LIST, "email": "a@b.example"}),
        ("list_leads", {"campaign": DRAFT}),
        ("count_leads", {"campaign": DRAFT}),
        ("move_leads", {"to_campaign_id": DRAFT, "limit": 1}),
        ("get_campaign_analytics", {"ids": [ACTIVE, DRAFT]}),
        ("create_campaign", {"name": "New"}),
        ("duplicate_campaign", {"id": ACTIVE}),
        ("move_lead_to_subsequence", {"id": OTHER_LEAD, "subsequence_id": SUBSEQUENCE}),
        ("merge_leads", {"lead_id": OTHER_LEAD, "destination_lead_id": LEAD}),
        ("delete_email", {"id": OTHER_REPLY}),
        ("mark_thread_as_read", {"thread_id": OTHER_THREAD}),
        ("update_lead_finder", {"id": FINDER, "name": "Mine"}),
        ("bulk_delete_agent_items", {"items": [{"id": FINDER}]}),
        ("approve_sales_agent_activity", {"id": LEAD, "activity_id": LEAD}),
        ("pause_deliverability_campaign_sending", {"id": LEAD}),
        ("update_sales_agent", {"id": LEAD, "status": 1}),
        ("update_sales_agent", {"id": LEAD, "config": {"outreach_settings": {"daily_limit": 9}}}),
        ("update_sales_agent", {"id": LEAD, "config": {"autonomy_settings": {"autopilot_mode": True}}}),
        ("create_inbox_manager", {"name": "x", "payload": {"configuration_type": 1}}),
        ("update_inbox_manager", {"id": LEAD, "status": 1}),
        ("reply_to_email", {"reply_to_uuid": OTHER_REPLY, "eaccount": "a@b.c", "subject": "x", "body": {"text": "x"}}),
        ("toggle_custom_tag", {"tag_ids": [LEAD], "resource_type": 2, "assign": True, "resource_ids": [DRAFT]}),
        ("toggle_custom_tag", {"tag_ids": [LEAD], "resource_type": 2, "assign": True, "selected_all": True}),
        ("create_block_list_entry", {"bl_value": "kontor.example"}),
        ("bulk_create_block_list_entries", {"bl_values": ["kontor.example"]}),
        ("delete_block_list_entry", {"id": LEAD}),
        ("delete_all_block_list_entries", {"domains_only": True}),
        ("stop_contacting", {"who": ["kontor.example"]}),
        ("run_enrichment", {"resource_id": DRAFT}),
    ],
)
async def test_what_is_about_another_campaign_is_refused(
    connect: Connect, world: World, tool: str, arguments: dict[str, Any]
) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock) as client:
        result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert f"works on campaign {ACTIVE} alone (--only-campaign)" in result.content[0].text
    assert [one for one in world.requests if one["method"] != "GET"] == []


@pytest.mark.parametrize(("campaign", "works"), [(ACTIVE, True), (DRAFT, False)])
async def test_what_belongs_to_a_campaign_is_read_before_it_is_written(
    connect: Connect, campaign: str, works: bool
) -> None:
    lock = CampaignLock(campaign)
    async with connect(guards=[lock], lock=lock) as client:
        for tool, arguments in [
            ("update_lead", {"id": LEAD, "job_title": "CEO"}),
            ("pause_subsequence", {"id": SUBSEQUENCE}),
            ("mark_thread_as_read", {"thread_id": THREAD}),
        ]:
            assert (await client.call_tool(tool, arguments)).is_error is not works


async def test_a_refusal_that_quotes_an_error_is_made_of_sentences(connect: Connect) -> None:
    async with connect(guards=[CampaignLock(ACTIVE)], lock=CampaignLock(ACTIVE), broken="GET /leads/{id}") as client:
        said = (await client.call_tool("delete_lead", {"id": LEAD})).content[0].text
    assert "could not be found out" in said and ". Arguments that name" in said and ".." not in said, said


async def test_a_lead_finder_is_changed_where_its_campaign_is_the_one(connect: Connect) -> None:
    lock = CampaignLock(DRAFT)
    async with connect(guards=[lock], lock=lock) as client:
        assert answer_of(await client.call_tool("update_lead_finder", {"id": FINDER, "name": "Mine"}))["name"] == "Mine"


async def test_accounts_are_tagged_whatever_campaign_is_the_one(connect: Connect, world: World) -> None:
    lock = CampaignLock(ACTIVE)
    tag = {"tag_ids": [next(iter(world.custom_tags))["id"]], "resource_type": 1, "assign": True}
    async with connect(guards=[lock], lock=lock) as client:
        answer_of(await client.call_tool("toggle_custom_tag", {**tag, "resource_ids": ["ben@brightpath.example"]}))


@pytest.mark.parametrize(
    "unsaid",
    [
        {"status": None},
        {"status": "null"},
        {"config": None},
        {"status": None, "config": {"outreach_settings": None, "memory": {"company": "Brightpath"}}},
        {"config": {"outreach_settings": {"daily_limit": None, "opt_out_settings": {"text_opt_out_enabled": None}}}},
    ],
)
async def test_null_for_what_an_agent_would_act_by_is_not_given(connect: Connect, unsaid: dict[str, Any]) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock) as client:
        result = await client.call_tool("update_sales_agent", {"id": AGENT, "name": "Finance", **unsaid})
        assert answer_of(result)["name"] == "Finance"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("approve_sales_agent_activities", {"id": AGENT, "activity_ids": [LEAD]}),
        ("update_sales_agent", {"id": AGENT, "status": 1}),
    ],
)
async def test_a_preview_refuses_what_the_call_would_be_refused_for(
    catalog: Catalog, world: World, settings: Settings, tool: str, arguments: dict[str, Any]
) -> None:
    lock = CampaignLock(ACTIVE)
    async with Desk(catalog, world, settings).client(guards=[lock], lock=lock) as client:
        for name, given in ((tool, arguments), ("preview_call", {"tool": tool, "arguments": arguments})):
            result = await client.call_tool(name, given)
            assert result.is_error and "an agent would act on campaigns" in result.content[0].text, name


async def test_only_a_thread_is_read_beyond_the_campaign_and_not_where_that_is_named(
    connect: Connect, world: World
) -> None:
    lock = CampaignLock(ACTIVE)
    calls: list[tuple[str, dict[str, Any], str, bool]] = [
        ("list_emails", {"search": f"thread:{THREAD}"}, "campaign_id", False),
        ("list_emails", {"search": f"thread:{THREAD}", "campaign_id": ACTIVE}, "campaign_id", True),
        ("list_emails", {"search": "thread: of a loom"}, "campaign_id", True),
        ("list_leads", {"search": f"thread:{THREAD}"}, "campaign", True),
    ]
    async with connect(guards=[lock], lock=lock) as client:
        for tool, arguments, name, narrowed in calls:
            await client.call_tool(tool, arguments)
            sent = {**dict(world.requests[-1]["query"]), **(world.requests[-1]["body"] or {})}
            assert (sent.get(name) == ACTIVE) is narrowed, (tool, arguments, sent)


async def test_a_blank_status_of_an_agent_is_explained_before_what_it_would_do(connect: Connect) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock) as client:
        result = await client.call_tool("update_sales_agent", {"id": AGENT, "name": "Finance", "status": ""})
        assert result.is_error and "status: is blank" in result.content[0].text


async def test_discovery_describes_tools_without_what_is_set(connect: Connect) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock, discovery=True) as client:
        described = answer_of(await client.call_tool("describe_tools", {"names": ["create_lead"]}))
        assert NAMES & set(described["tools"][0]["inputSchema"]["properties"]) == set()
        asked = {"name": "create_lead", "arguments": {"email": "a@b.example"}}
        assert answer_of(await client.call_tool("run_write_tool", asked))["campaign"] == ACTIVE
        other = {"name": "pause_campaign", "arguments": {"id": DRAFT}}
        assert (await client.call_tool("run_write_tool", other)).is_error


async def test_without_a_lock_nothing_is_changed(catalog: Catalog) -> None:
    for tool in catalog.tools.values():
        assert CampaignLock().tool(tool.tool) is tool.tool


# workflows, which look beyond


@pytest.fixture
def shared(world: World) -> dict[str, Any]:
    """A lead under way in the active campaign and in the draft, which has senders."""
    draft = next(one for one in world.campaigns if one["id"] == DRAFT)
    world.campaigns.change(draft, email_list=["ben@brightpath.example"])
    lead = next(one for one in world.leads if one.get("campaign") == ACTIVE and one["status"] == 1)
    world.leads.add({**lead, "id": world.uuid7(), "campaign": DRAFT})
    return dict(lead)


async def test_what_a_check_cannot_see_of_other_campaigns_is_unknown(connect: Connect, shared: dict[str, Any]) -> None:
    async with connect() as client:
        answer = answer_of(await client.call_tool("check_campaign", {"id": DRAFT}))
        assert any("1 lead under way in the active campaign" in one for one in answer["warnings"])
    lock = CampaignLock(DRAFT)
    async with connect(guards=[lock], lock=lock) as client:
        answer = answer_of(await client.call_tool("check_campaign", {"id": DRAFT}))
    assert "(--only-campaign)" in answer["unknown"]["leads in other campaigns"]
    assert "leads in other campaigns" not in answer["may_hide_blockers"]
    assert not any("under way" in one for one in answer["warnings"])
    assert any("limits are shared" in one for one in answer["warnings"])


async def test_who_is_counted_in_one_campaign_alone_is_said(connect: Connect, shared: dict[str, Any]) -> None:
    who = {"who": [shared["email"]], "preview": True}
    async with connect() as client:
        answer = answer_of(await client.call_tool("stop_contacting", who))
        assert answer["leads_found"] == 2 and "--only-campaign" not in answer.get("_note", "")
    lock = CampaignLock(DRAFT)
    async with connect(guards=[lock], lock=lock) as client:
        answer = answer_of(await client.call_tool("stop_contacting", who))
    assert answer["leads_found"] == 1
    assert "(--only-campaign): of leads, emails and campaigns, only its own were read." in answer["_note"]


async def test_who_is_not_to_be_contacted_is_only_looked_for_in_one_campaign_and_the_way_out_of_it_said(
    connect: Connect, world: World, shared: dict[str, Any]
) -> None:
    who = {"who": [shared["email"]]}
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock) as client:
        refused = (await client.call_tool("stop_contacting", who)).content[0].text
        looked = answer_of(await client.call_tool("stop_contacting", {**who, "preview": True}))
        (place,) = looked["where"]
        ids = [lead["lead_id"] for lead in place["leads"]]
        answer_of(await client.call_tool("move_leads", {"ids": ids, "to_list_id": LIST, "wait_seconds": 1}))
    async with connect(guards=[lock], lock=lock, tools=["stop_contacting"]) as client:
        without = (await client.call_tool("stop_contacting", who)).content[0].text
    assert "a block holds in all campaigns" in refused and "move_leads" in refused and "move_leads" not in without
    assert "would_block" not in looked and looked["would_be_refused"] in refused
    assert ids == [shared["id"]] and not list(world.block_list.where(bl_value=shared["email"]))


@pytest.mark.parametrize("campaign", [ACTIVE, DRAFT])
async def test_an_overview_tells_of_the_one_campaign_and_says_so(connect: Connect, campaign: str) -> None:
    lock = CampaignLock(campaign)
    async with connect(guards=[lock], lock=lock) as client:
        answer = answer_of(await client.call_tool("get_workspace_overview", {}))
    assert answer["campaigns"]["total"] == 1 and answer["campaigns"]["by_status"]
    assert "--only-campaign" in answer["_note"]


async def test_a_report_names_no_other_campaign_as_one_that_sent_nothing(connect: Connect) -> None:
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock) as client:
        answer = answer_of(await client.call_tool("report_campaigns", {}))
        assert [one["id"] for one in answer["campaigns"]] == [ACTIVE] and answer["sent_nothing"] == []
        assert "--only-campaign" in answer["_note"]
        answer = answer_of(await client.call_tool("report_campaigns", {"ids": [ACTIVE]}))
        assert "--only-campaign" not in answer.get("_note", "")


async def test_a_reply_that_belongs_to_no_campaign_is_seen_before_another_is_sent(
    connect: Connect, world: World
) -> None:
    received = max(
        (one for one in world.emails if one["thread_id"] == THREAD and one["ue_type"] == 2),
        key=lambda one: one["timestamp_created"],
    )
    lock = CampaignLock(ACTIVE)
    async with connect(guards=[lock], lock=lock) as client:
        by_hand = {**received, "id": world.uuid7(), "ue_type": 3, "campaign_id": None}
        world.emails.add({**by_hand, "timestamp_created": "2099-01-01T00:00:00.000Z"})
        given = {"email_id": received["id"], "body": {"text": "Gladly."}}
        answer = answer_of(await client.call_tool("handle_reply", given))
    assert "it was answered" in answer["answer"]["why"]


async def test_workflows_within_the_campaign_say_nothing_of_others(connect: Connect, shared: dict[str, Any]) -> None:
    lock = CampaignLock(ACTIVE)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("count_leads", {}),
        ("set_interest", {"leads": [{"lead_email": shared["email"]}], "interest_value": 1}),
        ("import_rows", {"rows": [{"email": "new@quiet-firm.example"}]}),
        ("edit_sequence", {"edits": [{"action": "remove_step", "step": 2}]}),
    ]
    async with connect(guards=[lock], lock=lock) as client:
        for tool, arguments in calls:
            answer = answer_of(await client.call_tool(tool, arguments))
            assert "--only-campaign" not in answer.get("_note", ""), tool
